//! What X's errors mean (X API v2: response codes and errors, rate limits; read 2026-11-23).

use std::time::Duration;

use autorepost_core::{
    Error, ErrorKind as Kind,
    state::Owner::{Operator, Reconciling},
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    catalogue::{MINUTE, Row, Wait, cleaned, with_words},
    http::Answer,
};

/// Every error that is known, by its status, the last part of its problem's type, and words. The first that fits counts.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row::new("credits", Kind::Quota, Wait::Never, "the app has no credits at X: buy some in X's developer console").at(402).by(Operator),
    Row::new("", Kind::Quota, Wait::Never, "X wants to be paid: see X's developer console").at(402).by(Operator),
    Row::new("usage-capped", Kind::Quota, Wait::Never, "the app's spending limit at X is reached: raise it in X's developer console").at(403).by(Operator),
    Row::new("usage-capped", Kind::Quota, Wait::Never, "the app's spending limit at X is reached: raise it in X's developer console").at(429).by(Operator),
    Row::new("", Kind::RateLimited, Wait::Asked(MINUTE), "too many calls").at(429),
    Row::new("", Kind::Unauthorized, Wait::Never, "X refuses the token: connect the account again").at(401),
    Row::new("", Kind::Conflict, Wait::Never, "X says that a post with these words is there already").at(403).saying("duplicate").by(Reconciling),
    Row::new("oauth1-permissions", Kind::Forbidden, Wait::Never, "the app may only read: let it read and write in X's developer console, and connect the account again").at(403),
    Row::new("client-forbidden", Kind::Forbidden, Wait::Never, "the app is not enrolled for X's API: see X's developer console").at(403).by(Operator),
    Row::new("user-suspended", Kind::Forbidden, Wait::Never, "X suspended the account: its owner must see to it").at(403).by(Operator),
    Row::new("unsupported-authentication", Kind::Forbidden, Wait::Never, "X does not take this kind of credential here").at(403).by(Operator),
    Row::new("", Kind::Forbidden, Wait::Never, "X does not permit this: check the app's permissions").at(403),
    Row::new("resource-not-found", Kind::NotFound, Wait::Never, "X does not know it").at(404),
    Row::new("", Kind::NotFound, Wait::Never, "X does not know it").at(404),
    Row::new("", Kind::Unavailable, Wait::Soon, "X does not know the video's id yet, or the video is out of X's limits").at(400).saying("media IDs are invalid"),
    Row::new("invalid-request", Kind::Rejected, Wait::Never, "X took the request for invalid").at(400),
    Row::new("", Kind::Rejected, Wait::Never, "X took the request for invalid").at(400),
];

/// The error that an answer tells.
pub(super) fn refusal(op: &'static str, answer: &Answer, now: DateTime<Utc>) -> Error {
    let body = answer.json_or_null();
    let problem = body["type"].as_str().and_then(|text| text.rsplit('/').next()).unwrap_or_default();
    let told = body["detail"].as_str().or(body["errors"][0]["message"].as_str()).unwrap_or_default();
    let status = answer.status.as_u16();
    if status == 403 && !is_problem(&body) {
        // Not X's own form: whatever stands in between, such as a shield against robots.
        return Error::unavailable(op, "something before X answered 403").code("403");
    }
    // What X says of credits names the account's billing id.
    let shown = if status == 402 { "" } else { told };
    let error = match ROWS.iter().find(|row| row.is(status, problem, told)) {
        Some(row) => row.error(op, shown, until_reset(answer, now), now),
        None if status >= 500 => Error::unavailable(op, with_words(&format!("X answered {status}"), shown)),
        None => Error::new(Kind::Rejected, op, with_words(&format!("X answered {status}"), shown)),
    };
    let code = if matches!(problem, "" | "about:blank") { status.to_string() } else { cleaned(problem) };
    let error = error.code(code);
    match answer.header("x-transaction-id") {
        Some(trace) => error.trace(cleaned(trace)),
        None => error,
    }
}

/// Whether an answer is in the form of X's own problems.
pub(super) fn is_problem(body: &Value) -> bool {
    ["type", "title", "detail", "errors"].iter().any(|field| !body[field].is_null())
}

/// How long an answer asks to wait. A daily limit that is used up outlasts the limit of the quarter hour.
fn until_reset(answer: &Answer, now: DateTime<Utc>) -> Option<Duration> {
    let number = |name: &str| answer.header(name).and_then(|text| text.parse::<i64>().ok());
    let daily = ["x-user-limit-24hour", "x-app-limit-24hour"].into_iter().find_map(|name| {
        (number(&format!("{name}-remaining")) == Some(0)).then(|| number(&format!("{name}-reset"))).flatten()
    });
    let reset = daily.or_else(|| number("x-rate-limit-reset"))?;
    Some(Duration::from_secs((reset - now.timestamp()).max(1).unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_problem_in_xs_own_form_counts_as_its_answer() {
        assert!(is_problem(&json!({"title": "Forbidden", "status": 403})));
        assert!(!is_problem(&json!({"message": "Attention required"})) && !is_problem(&Value::Null));
    }
}
