//! What Instagram's errors mean (Graph API and Instagram content publishing: error codes; read 2026-11-23).

use std::time::Duration;

use autorepost_core::{
    Error, ErrorKind as Kind,
    state::Owner::{Content, Operator, Reconnect},
};
use chrono::{DateTime, Utc};

use crate::{
    catalogue::{HOUR, MINUTE, Row, Wait, cleaned, with_words},
    http::Answer,
};

/// Every error that is known, by `code/subcode`; a code alone stands for all of its subcodes that have no row.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row::new("-2/2207003", Kind::Unavailable, Wait::Soon, "Instagram could not fetch the video in time"),
    Row::new("-2/2207020", Kind::NotFound, Wait::Never, "the container has expired"),
    Row::new("-1/2207001", Kind::Unavailable, Wait::Soon, "Instagram failed"),
    Row::new("-1/2207032", Kind::Unavailable, Wait::Soon, "Instagram could not create the media"),
    Row::new("-1/2207053", Kind::Unavailable, Wait::Soon, "the upload failed for an unknown reason"),
    Row::new("1/2207057", Kind::Rejected, Wait::Never, "the cover's offset lies beyond the end of the video"),
    Row::new("4/2207051", Kind::Forbidden, Wait::Never, "Instagram restricts the account for what it takes for spam: open the app and follow its advice").by(Operator),
    Row::new("9/2207042", Kind::Quota, Wait::For(HOUR), "the account has published as many posts as a day allows"),
    Row::new("24/2207006", Kind::NotFound, Wait::Never, "the container is not known"),
    Row::new("24/2207008", Kind::Unavailable, Wait::Soon, "the container is not known for the moment"),
    Row::new("25/2207050", Kind::Forbidden, Wait::Never, "the account is restricted or inactive: open the app and follow its advice").by(Operator),
    Row::new("100/33", Kind::NotFound, Wait::Never, "the object is missing, or the account may not see it"),
    Row::new("100/2207023", Kind::Rejected, Wait::Never, "Instagram does not know this type of media").by(Operator),
    Row::new("100/2207040", Kind::Rejected, Wait::Never, "the caption names more than 20 accounts: take some out"),
    Row::new("352/2207026", Kind::Rejected, Wait::Never, "the video's format is not supported: export it as H.264 with AAC"),
    Row::new("9004/2207052", Kind::Unavailable, Wait::Soon, "Instagram could not fetch the video from its address: check AUTOREPOST_PUBLIC_URL"),
    Row::new("9007/2207027", Kind::Unavailable, Wait::Soon, "the container is not ready"),
    Row::new("36000/2207004", Kind::Rejected, Wait::Never, "the cover is larger than 8 MB"),
    Row::new("36001/2207005", Kind::Rejected, Wait::Never, "the cover's format is not supported: use JPEG"),
    Row::new("36003/2207009", Kind::Rejected, Wait::Never, "the shape of the video or its cover is not supported"),
    Row::new("36004/2207010", Kind::Rejected, Wait::Never, "the caption is too long"),
    Row::new("2207076", Kind::Unavailable, Wait::Soon, "Instagram could not process the video"),
    Row::new("2207077", Kind::Unavailable, Wait::Soon, "Instagram could not download the video"),
    Row::new("2207081", Kind::Rejected, Wait::Never, "the account has no trial Reels").by(Operator),
    Row::new("2207082", Kind::Unavailable, Wait::Soon, "the upload to Instagram failed"),
    Row::new("2635", Kind::Configuration, Wait::Never, "this version of the Graph API has ended: set AUTOREPOST_INSTAGRAM_VERSION to a newer one"),
    Row::new("190/458", Kind::Unauthorized, Wait::Never, "the account's owner removed the app: connect the account again"),
    Row::new("190/460", Kind::Unauthorized, Wait::Never, "the token ended with a change of the password: connect the account again"),
    Row::new("190/463", Kind::Unauthorized, Wait::Never, "the token has expired: connect the account again"),
    Row::new("190/467", Kind::Unauthorized, Wait::Never, "the token was withdrawn: connect the account again"),
    Row::new("190", Kind::Unauthorized, Wait::Never, "the token is not valid any more: connect the account again"),
    Row::new("10", Kind::Forbidden, Wait::Never, "the app lacks a permission: connect the account again with all of them"),
    Row::new("200-299", Kind::Forbidden, Wait::Never, "a permission is missing: connect the account again with all of them").by(Reconnect),
    Row::new("368", Kind::Forbidden, Wait::Never, "Instagram blocks the account for its policies: open the app and follow its advice").by(Content),
    Row::new("4", Kind::RateLimited, Wait::Asked(MINUTE), "too many calls"),
    Row::new("17", Kind::RateLimited, Wait::Asked(MINUTE), "too many calls"),
    Row::new("32", Kind::RateLimited, Wait::Asked(MINUTE), "too many calls"),
    Row::new("613", Kind::RateLimited, Wait::Asked(MINUTE), "too many calls"),
    Row::new("80002", Kind::RateLimited, Wait::Asked(MINUTE), "too many calls for this account"),
    Row::new("1", Kind::Unavailable, Wait::Soon, "Instagram failed for the moment"),
    Row::new("2", Kind::Unavailable, Wait::Soon, "Instagram failed for the moment"),
];

/// Codes after which Instagram certainly has not published: the request was refused before it was acted on.
#[rustfmt::skip]
const NOT_PUBLISHED: &[(i64, Option<i64>)] = &[
    (9007, Some(2_207_027)), (9, Some(2_207_042)), (25, Some(2_207_050)), (190, None), (10, None), (2635, None),
    (17, None), (32, None), (613, None), (80002, None),
];

fn codes(answer: &Answer) -> Option<(i64, Option<i64>)> {
    let body = answer.json_or_null();
    Some((body["error"]["code"].as_i64()?, body["error"]["error_subcode"].as_i64()))
}

/// Whether an answer to `media_publish` says for certain that nothing was published.
pub(super) fn certainly_not_published(answer: &Answer) -> bool {
    codes(answer).is_some_and(|(code, subcode)| {
        NOT_PUBLISHED.iter().any(|row| row.0 == code && (row.1.is_none() || row.1 == subcode))
    })
}

/// The row of a code: by its subcode before the code alone.
fn row(code: i64, subcode: Option<i64>) -> Option<&'static Row> {
    let named = |name: String| ROWS.iter().find(|row| row.code == name);
    let by_subcode =
        subcode.and_then(|subcode| named(format!("{code}/{subcode}")).or_else(|| named(subcode.to_string())));
    let range = (200..300).contains(&code).then_some("200-299".to_owned());
    by_subcode.or_else(|| named(code.to_string())).or_else(|| named(range?))
}

/// The error that an answer tells, by its code and not by its status.
pub(super) fn refusal(op: &'static str, answer: &Answer, now: DateTime<Utc>) -> Error {
    let Some((code, subcode)) = codes(answer) else { return answer.status_error(op) };
    let body = answer.json_or_null();
    let told = body["error"]["message"].as_str().unwrap_or("no details");
    let error = match row(code, subcode) {
        Some(row) => row.error(op, told, asked(answer), now),
        None if body["error"]["is_transient"] == true => {
            Error::unavailable(op, with_words("Instagram failed for the moment", told))
        }
        None => Error::new(Kind::Rejected, op, with_words("Instagram refused", told)),
    };
    let error = error.code(subcode.map_or_else(|| code.to_string(), |subcode| format!("{code}/{subcode}")));
    match body["error"]["fbtrace_id"].as_str() {
        Some(trace) => error.trace(cleaned(trace)),
        None => error,
    }
}

/// How long an answer asks to wait. The header of the business use case counts in minutes (Graph API, rate limits).
fn asked(answer: &Answer) -> Option<Duration> {
    let usage = answer
        .header("x-business-use-case-usage")
        .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let minutes = usage.as_ref().and_then(|usage| {
        let entries = usage.as_object()?.values().filter_map(|entries| entries.as_array()).flatten();
        entries.filter_map(|entry| entry["estimated_time_to_regain_access"].as_u64()).max()
    });
    let told = minutes.filter(|minutes| *minutes > 0).map(|minutes| Duration::from_secs(minutes.min(24 * 60) * 60));
    answer.retry_after().or(told)
}

/// The error of an upload of bytes, which has a form of its own. Most are not final: the container tells more.
pub(super) fn upload_refusal(op: &'static str, answer: &Answer, now: DateTime<Utc>) -> Error {
    let body = answer.json_or_null();
    let Some(kind) = body["debug_info"]["type"].as_str() else { return refusal(op, answer, now) };
    let told = body["debug_info"]["message"].as_str().unwrap_or("no details");
    match kind {
        "NotAuthorizedError" => {
            Error::new(Kind::Unauthorized, op, with_words("Instagram refuses the token", told)).code(kind)
        }
        _ => Error::unavailable(op, with_words("Instagram kept only a part", told)).code(cleaned(kind)),
    }
}

/// The error of a container whose processing failed: its number is somewhere in the status.
pub(super) fn processing(op: &'static str, status: &str, now: DateTime<Utc>) -> Error {
    let number = status.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.starts_with("22070"));
    let ends = |row: &&Row| number.is_some_and(|number| row.code.rsplit('/').next() == Some(number));
    let error = match ROWS.iter().find(ends) {
        Some(row) => row.error(op, "", None, now),
        // A new container often helps.
        None => Error::unavailable(op, with_words("Instagram could not process the video", status)),
    };
    match number {
        Some(number) => error.code(number),
        None => error,
    }
}
