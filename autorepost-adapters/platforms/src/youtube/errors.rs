//! What YouTube's errors mean (YouTube Data API: errors, and the quota buckets of 1 June 2026).

use std::time::Duration;

use autorepost_core::{Error, ErrorKind, Retry};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};

use crate::http::Answer;

/// The error that an answer tells, by its reason and not by its status alone.
pub(super) fn refusal(op: &'static str, answer: &Answer, now: DateTime<Utc>) -> Error {
    let body = answer.json_or_null();
    let first = &body["error"]["errors"][0];
    let told = body["error"]["message"].as_str().unwrap_or_default().trim_end_matches('.');
    let Some(reason) = first["reason"].as_str() else { return answer.status_error(op) };
    let midnight = Retry::After(until_pacific_midnight(now));
    let short = answer.retry_after().map_or(Retry::After(Duration::from_secs(60)), Retry::After);
    let (kind, retry, todo) = match reason {
        // An empty bucket answers 429 with the reason of a short limit: only its words tell them apart.
        "rateLimitExceeded" if told.contains("per day") => (ErrorKind::Quota, midnight, ""),
        "quotaExceeded" | "dailyLimitExceeded" => (ErrorKind::Quota, midnight, ""),
        "uploadLimitExceeded" => (ErrorKind::Quota, Retry::After(Duration::from_secs(24 * 3600)), ""),
        "rateLimitExceeded" | "userRateLimitExceeded" => (ErrorKind::RateLimited, short, ""),
        "youtubeSignupRequired" => {
            (ErrorKind::Forbidden, Retry::Never, ": the Google account has no channel, make one and connect it again")
        }
        "authError" | "unauthorized" => {
            (ErrorKind::Unauthorized, Retry::Never, ": the token is not valid any more, connect the channel again")
        }
        "insufficientPermissions" | "forbidden" | "accessNotConfigured" | "channelClosed" | "channelSuspended" => {
            (ErrorKind::Forbidden, Retry::Never, ": check the scopes and the channel")
        }
        "alreadyExists" | "backendError" | "internalError" => (ErrorKind::Unavailable, Retry::Soon, ""),
        "notFound" | "videoNotFound" => (ErrorKind::NotFound, Retry::Never, ""),
        _ if answer.status.is_server_error() => (ErrorKind::Unavailable, Retry::Soon, ""),
        _ => (ErrorKind::Rejected, Retry::Never, ""),
    };
    Error::new(kind, op, format!("YouTube answered {}: {told}{todo}", answer.status.as_u16())).retry(retry).code(reason)
}

/// From `now` to the next midnight in California, when the quota buckets are filled.
fn until_pacific_midnight(now: DateTime<Utc>) -> Duration {
    let offset = TimeDelta::hours(if is_pacific_summer(now) { -7 } else { -8 });
    let local = (now + offset).naive_utc();
    let midnight = (local.date() + TimeDelta::days(1)).and_time(chrono::NaiveTime::MIN);
    (midnight - local).to_std().unwrap_or_default()
}

/// Daylight saving in the USA: from the second Sunday of March to the first of November, at 2:00 (Energy Policy Act of
/// 2005).
fn is_pacific_summer(now: DateTime<Utc>) -> bool {
    let year = now.year();
    let change = |month, sunday, hour| {
        NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Sun, sunday)
            .and_then(|day| day.and_hms_opt(hour, 0, 0))
    };
    // 2:00 standard time is 10:00 UTC; 2:00 summer time is 9:00 UTC.
    match (change(3, 2, 10), change(11, 1, 9)) {
        (Some(begin), Some(end)) => (begin..end).contains(&now.naive_utc()),
        _ => false,
    }
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
            ("2026-03-08T09:00:00Z", 23),
            ("2026-11-01T12:00:00Z", 20),
        ] {
            let wait = until_pacific_midnight(now.parse().unwrap());
            assert_eq!(wait.as_secs(), hours * 3600, "{now}");
        }
    }
}
