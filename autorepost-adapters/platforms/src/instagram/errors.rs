//! What Instagram's errors mean (Graph API and Instagram content publishing: error codes).

use std::time::Duration;

use autorepost_core::{Error, ErrorKind, Retry};

use crate::http::Answer;

/// A code, its subcode if it matters, what it means, whether to try again, and what to do.
type Row = (i64, Option<i64>, ErrorKind, Retry, &'static str);

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

#[rustfmt::skip]
const CATALOGUE: &[Row] = &[
    (-2, Some(2_207_003), ErrorKind::Unavailable, Retry::Soon, "Instagram could not fetch the video in time"),
    (-2, Some(2_207_020), ErrorKind::NotFound, Retry::Never, "the container has expired"),
    (-1, Some(2_207_001), ErrorKind::Unavailable, Retry::Soon, "Instagram failed"),
    (-1, Some(2_207_032), ErrorKind::Unavailable, Retry::Soon, "Instagram could not create the media"),
    (-1, Some(2_207_053), ErrorKind::Unavailable, Retry::Soon, "the upload failed for an unknown reason"),
    (1, Some(2_207_057), ErrorKind::Rejected, Retry::Never, "the cover's offset lies beyond the end of the video"),
    (4, Some(2_207_051), ErrorKind::Forbidden, Retry::Never, "Instagram restricts the account for what it takes for spam: open the app and follow its advice"),
    (9, Some(2_207_042), ErrorKind::Quota, Retry::After(HOUR), "the account has published as many posts as a day allows"),
    (24, Some(2_207_006), ErrorKind::NotFound, Retry::Never, "the container is not known"),
    (24, Some(2_207_008), ErrorKind::Unavailable, Retry::Soon, "the container is not known for the moment"),
    (25, Some(2_207_050), ErrorKind::Forbidden, Retry::Never, "the account is restricted or inactive: open the app and follow its advice"),
    (100, Some(33), ErrorKind::NotFound, Retry::Never, "the object is missing, or the account may not see it"),
    (352, Some(2_207_026), ErrorKind::Rejected, Retry::Never, "the video's format is not supported: export it as H.264 with AAC"),
    (9004, Some(2_207_052), ErrorKind::Unavailable, Retry::Soon, "Instagram could not fetch the video from its address"),
    (9007, Some(2_207_027), ErrorKind::Unavailable, Retry::Soon, "the container is not ready"),
    (36004, Some(2_207_010), ErrorKind::Rejected, Retry::Never, "the caption is too long"),
    (2635, None, ErrorKind::Configuration, Retry::Never, "this version of the Graph API has ended: set a newer one"),
    (190, None, ErrorKind::Unauthorized, Retry::Never, "the token is not valid any more: connect the account again"),
    (10, None, ErrorKind::Forbidden, Retry::Never, "the app lacks a permission: connect the account again with all of them"),
    (368, None, ErrorKind::Forbidden, Retry::Never, "Instagram blocks the account for its policies"),
    (4, None, ErrorKind::RateLimited, Retry::After(MINUTE), "too many calls"),
    (17, None, ErrorKind::RateLimited, Retry::After(MINUTE), "too many calls"),
    (32, None, ErrorKind::RateLimited, Retry::After(MINUTE), "too many calls"),
    (613, None, ErrorKind::RateLimited, Retry::After(MINUTE), "too many calls"),
    (80002, None, ErrorKind::RateLimited, Retry::After(MINUTE), "too many calls for this account"),
    (1, None, ErrorKind::Unavailable, Retry::Soon, "Instagram failed for the moment"),
    (2, None, ErrorKind::Unavailable, Retry::Soon, "Instagram failed for the moment"),
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

/// The error that an answer tells, by its code and not by its status.
pub(super) fn refusal(op: &'static str, answer: &Answer) -> Error {
    let Some((code, subcode)) = codes(answer) else { return answer.status_error(op) };
    let body = answer.json_or_null();
    let told = body["error"]["message"].as_str().unwrap_or("no details");
    let row = CATALOGUE.iter().find(|row| row.0 == code && (row.1.is_none() || row.1 == subcode));
    let (kind, retry, meaning) = match row {
        Some(row) => (row.2, row.3, row.4),
        None if (200..300).contains(&code) => {
            (ErrorKind::Forbidden, Retry::Never, "a permission is missing: connect the account again with all of them")
        }
        None if body["error"]["is_transient"] == true => {
            (ErrorKind::Unavailable, Retry::Soon, "Instagram failed for the moment")
        }
        None => (ErrorKind::Rejected, Retry::Never, "Instagram refused"),
    };
    let retry = match (retry, answer.retry_after()) {
        (Retry::After(_), Some(asked)) => Retry::After(asked),
        (retry, _) => retry,
    };
    let name = subcode.map_or_else(|| code.to_string(), |subcode| format!("{code}/{subcode}"));
    let error = Error::new(kind, op, format!("{meaning} ({told})")).retry(retry).code(name);
    match body["error"]["fbtrace_id"].as_str() {
        Some(trace) => error.trace(trace),
        None => error,
    }
}

/// The error of an upload of bytes, which has a form of its own. Most are not final: the container tells more.
pub(super) fn upload_refusal(op: &'static str, answer: &Answer) -> Error {
    let body = answer.json_or_null();
    let Some(kind) = body["debug_info"]["type"].as_str() else { return refusal(op, answer) };
    let told = body["debug_info"]["message"].as_str().unwrap_or("no details");
    match kind {
        "NotAuthorizedError" => {
            Error::new(ErrorKind::Unauthorized, op, format!("Instagram refuses the token: {told}")).code(kind)
        }
        _ => Error::unavailable(op, format!("Instagram kept only a part: {told}")).code(kind),
    }
}

/// The error of a container whose processing failed: its number is somewhere in the status.
pub(super) fn processing(op: &'static str, status: &str) -> Error {
    let number = status.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.starts_with("22070"));
    let known = number.and_then(|digits| digits.parse::<i64>().ok());
    let row = known.and_then(|number| CATALOGUE.iter().find(|row| row.1 == Some(number)));
    let error = match row {
        Some(row) => Error::new(row.2, op, row.4).retry(row.3),
        // Processing, download and upload failures: a new container often helps.
        None => Error::unavailable(op, format!("Instagram could not process the video ({status})")),
    };
    match number {
        Some(number) => error.code(number),
        None => error,
    }
}
