//! The versions of the Graph API, and when they end.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// The newest version that this client was written against.
pub const NEWEST: &str = "v26.0";
/// How long before its end a version is warned of.
pub const WARNED_BEFORE: TimeDelta = TimeDelta::days(60);

/// Year, month and day.
type Day = (i32, u32, u32);

/// Versions, and the day from which they do not work (Graph API changelog, available versions; read 2026-11-28). Meta had
/// not said when v26.0, of 29 July 2026, ends.
const ENDS: &[(&str, Option<Day>)] = &[
    ("v20.0", Some((2026, 9, 24))),
    ("v21.0", Some((2027, 1, 21))),
    ("v22.0", Some((2027, 5, 20))),
    ("v23.0", Some((2027, 10, 8))),
    ("v24.0", Some((2028, 2, 18))),
    ("v25.0", Some((2028, 7, 29))),
    ("v26.0", None),
];

/// Each version that is known, with the day from which it does not work, where Meta has said it.
pub fn known() -> impl Iterator<Item = (&'static str, Option<NaiveDate>)> {
    ENDS.iter()
        .map(|(version, end)| (*version, end.and_then(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day))))
}

/// Whether a text has the form of a version, such as `v26.0`.
pub fn is_version(text: &str) -> bool {
    let number = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('v')
        .and_then(|text| text.split_once('.'))
        .is_some_and(|(major, minor)| number(major) && number(minor))
}

/// What is to be said of a version: that it has ended, or will soon. Of one that is not known nothing can be said.
pub fn warning(version: &str, now: DateTime<Utc>) -> Option<String> {
    let end = known().find(|(known, _)| *known == version).and_then(|(_, end)| end)?;
    let remedy = format!("set AUTOREPOST_INSTAGRAM_VERSION to a newer one, such as {NEWEST}");
    let today = now.date_naive();
    if end <= today {
        return Some(format!("{version} of Instagram's API ended on {end}: {remedy}"));
    }
    (end - today <= WARNED_BEFORE).then(|| format!("{version} of Instagram's API ends on {end}: {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_warned_of_sixty_days_ahead() {
        let at = |text: &str| format!("{text}T12:00:00Z").parse().unwrap();
        assert_eq!(warning("v21.0", at("2026-11-21")), None);
        assert!(warning("v21.0", at("2026-11-22")).unwrap().contains("ends on 2027-01-21"));
        assert!(warning("v21.0", at("2027-01-21")).unwrap().contains("ended on"));
        assert_eq!(warning(NEWEST, at("2030-01-01")), None);
        assert!(known().all(|(version, end)| is_version(version) && (end.is_some() || version == NEWEST)));
    }

    #[test]
    fn a_version_has_one_form() {
        assert!(is_version("v26.0") && is_version("v100.12"));
        for text in ["26.0", "v26", "v26.", "v.0", "v26.0/x", "v26.0 "] {
            assert!(!is_version(text), "{text}");
        }
    }
}
