//! What the platforms' errors mean, as data: `docs/platforms.md` is held against these tables.

use std::{fmt::Write as _, time::Duration};

use autorepost_core::{Error, ErrorKind, Platform, Retry, state::Owner};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::America::Los_Angeles;

/// Longest text that a platform says of itself, in characters: what is longer is cut.
const TOLD_CHARS_MAX: usize = 300;

/// One error of a platform.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The HTTP status, where it is part of what tells the error.
    pub status: Option<u16>,
    /// The platform's own code; empty where the status alone tells.
    pub code: &'static str,
    /// Words that the platform's text must have, where its code does not tell the error alone.
    pub words: &'static str,
    /// What callers match on.
    pub kind: ErrorKind,
    /// When to try again.
    pub wait: Wait,
    /// Who must act.
    pub owner: Owner,
    /// Whether it holds for every account of the platform.
    pub shared: bool,
    /// What happened, and what to do.
    pub text: &'static str,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Never by itself.
    Never,
    /// With the core's own backoff.
    Soon,
    /// As long as the answer's headers ask, or this long where they do not.
    Asked(Duration),
    /// This long, as the platform's documentation says.
    For(Duration),
    /// Until the next midnight in California.
    PacificMidnight,
}

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const QUARTER: Duration = Duration::from_secs(900);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

impl Row {
    /// An error that its code alone tells, and on which whoever the kind names must act.
    pub(crate) const fn new(code: &'static str, kind: ErrorKind, wait: Wait, text: &'static str) -> Self {
        Self { status: None, code, words: "", kind, wait, owner: Owner::of(kind), shared: false, text }
    }

    /// Only with this HTTP status.
    pub(crate) const fn at(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Only with these words.
    pub(crate) const fn saying(self, words: &'static str) -> Self {
        Self { words, ..self }
    }

    /// Somebody else must act than the kind tells.
    pub(crate) const fn by(self, owner: Owner) -> Self {
        Self { owner, ..self }
    }

    /// It holds for every account of the platform.
    pub(crate) const fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// Whether an answer with this status, code and text is this error.
    pub(crate) fn is(&self, status: u16, code: &str, told: &str) -> bool {
        self.status.is_none_or(|own| own == status)
            && (self.code.is_empty() || self.code == code)
            && told.contains(self.words)
    }

    /// The error. `asked` is how long the answer's headers ask to wait.
    pub(crate) fn error(&self, op: &'static str, told: &str, asked: Option<Duration>, now: DateTime<Utc>) -> Error {
        let retry = match self.wait {
            Wait::Never => Retry::Never,
            Wait::Soon => Retry::Soon,
            Wait::Asked(otherwise) => Retry::After(asked.unwrap_or(otherwise)),
            Wait::For(wait) => Retry::After(wait),
            Wait::PacificMidnight => Retry::After(until_pacific_midnight(now)),
        };
        let error = Error::new(self.kind, op, with_words(self.text, told)).retry(retry).owner(self.owner);
        if self.shared { error.shared() } else { error }
    }
}

impl Wait {
    fn words(self) -> String {
        let span = |wait: Duration| match wait.as_secs() {
            secs if secs.is_multiple_of(3600) => format!("{} h", secs / 3600),
            secs => format!("{} min", secs / 60),
        };
        match self {
            Self::Never => "no".into(),
            Self::Soon => "with backoff".into(),
            Self::Asked(otherwise) => format!("when the answer says, or after {}", span(otherwise)),
            Self::For(wait) => format!("after {}", span(wait)),
            Self::PacificMidnight => "at midnight in California".into(),
        }
    }
}

/// What happened, followed by the platform's own words.
pub(crate) fn with_words(text: &str, told: &str) -> String {
    match cleaned(told) {
        told if told.is_empty() => text.to_owned(),
        told => format!("{text} ({told})"),
    }
}

/// A platform's words in one line of bounded length.
pub(crate) fn cleaned(told: &str) -> String {
    let words = told.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches(['.', ' ']);
    match line.char_indices().nth(TOLD_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// From `now` to the next midnight in California, when Google fills its quota buckets.
fn until_pacific_midnight(now: DateTime<Utc>) -> Duration {
    let tomorrow = now.with_timezone(&Los_Angeles).date_naive() + TimeDelta::days(1);
    // No clock is ever changed at midnight there.
    let midnight = tomorrow.and_time(chrono::NaiveTime::MIN).and_local_timezone(Los_Angeles).earliest();
    midnight.and_then(|midnight| (midnight.to_utc() - now).to_std().ok()).unwrap_or(HOUR)
}

/// The errors of a platform that are known.
pub fn rows(platform: Platform) -> &'static [Row] {
    match platform {
        Platform::TikTok => crate::tiktok::ROWS,
        Platform::Instagram => crate::instagram::ROWS,
        Platform::YouTube => crate::youtube::ROWS,
        Platform::X => crate::x::ROWS,
    }
}

/// The errors of a platform as a table in Markdown.
pub fn table(platform: Platform) -> String {
    let mut out =
        "| code | status | kind | tried again | who acts | what is told |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows(platform) {
        let code = match (row.code, row.words) {
            ("", "") => "any other".to_owned(),
            (code, "") => format!("`{code}`"),
            ("", words) => format!("\"{words}\""),
            (code, words) => format!("`{code}` and \"{words}\""),
        };
        let status = row.status.map(|status| status.to_string()).unwrap_or_default();
        let (kind, wait, owner) = (row.kind.as_str(), row.wait.words(), row.owner.text());
        let shared = if row.shared { ", for every account" } else { "" };
        writeln!(out, "| {code} | {status} | `{kind}` | {wait}{shared} | {owner} | {} |", row.text)
            .expect("a string takes everything");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_in_california_is_known_on_both_sides_of_the_clock_change() {
        for (now, hours) in [
            ("2026-11-23T07:00:00Z", 1),
            ("2026-11-23T09:00:00Z", 23),
            ("2026-07-01T06:00:00Z", 1),
            ("2026-03-08T09:00:00Z", 22),
            ("2026-11-01T12:00:00Z", 20),
        ] {
            let wait = until_pacific_midnight(now.parse().unwrap());
            assert_eq!(wait.as_secs(), hours * 3600, "{now}");
        }
    }

    #[test]
    fn a_platforms_words_are_one_line_of_bounded_length() {
        assert_eq!(cleaned(" two\n lines\u{7}. "), "two lines");
        let long = cleaned(&"ü".repeat(5_000));
        assert_eq!(long.chars().count(), TOLD_CHARS_MAX + 1);
    }
}
