//! What TikTok's errors mean: the `statusCode`s of its pages, which it documents nowhere (yt-dlp 2026.10.26 and reports of
//! September 2026, read 2026-11-23), and the `error.code`s of the open API (Display API, error handling; read 2026-11-23).

use autorepost_core::{
    Error, ErrorKind as Kind,
    post::Unusable,
    state::Owner::{Operator, Reconnect},
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::items::text;
use crate::{
    catalogue::{MINUTE, QUARTER, Row, Wait, cleaned, with_words},
    http::Answer,
};

/// Every error that is known: those whose code is a number are the pages', the others the open API's. The first that fits
/// counts.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row::new("10000", Kind::Blocked, Wait::Soon, "TikTok wants a captcha: open TikTok in the browser, answer it, and connect the account again").by(Reconnect),
    Row::new("10102", Kind::Unauthorized, Wait::Never, "the TikTok session has ended: sign in to TikTok in the browser and connect the account again"),
    Row::new("10201", Kind::Malformed, Wait::For(QUARTER), "TikTok took the request for invalid: look for a newer version of autorepost"),
    Row::new("10202", Kind::NotFound, Wait::Never, "TikTok does not know it"),
    Row::new("10204", Kind::NotFound, Wait::Never, "the post was deleted at its source").saying("delete").by(Operator),
    Row::new("10204", Kind::Forbidden, Wait::Never, "the source does not show the post in this region").saying("geo").by(Operator),
    // Without words it was seen for a post that is gone, for one that never was, and for an address that TikTok blocks.
    Row::new("10204", Kind::Blocked, Wait::Soon, "TikTok does not show the post, and does not say why"),
    Row::new("10216", Kind::Forbidden, Wait::Never, "the post is private").by(Operator),
    Row::new("10221", Kind::NotFound, Wait::Never, "TikTok does not know the account: connect it again").by(Reconnect),
    Row::new("10222", Kind::Forbidden, Wait::Never, "the account is private, and the session is not its own: connect it again").by(Reconnect),
    Row::new("access_token_invalid", Kind::Unauthorized, Wait::Never, "TikTok does not take the token any more: connect the account again").at(401),
    Row::new("scope_not_authorized", Kind::Forbidden, Wait::Never, "a scope is missing: connect the account again and allow all of them").at(401).by(Reconnect),
    Row::new("scope_permission_missed", Kind::Forbidden, Wait::Never, "a scope is missing: connect the account again and allow all of them").at(400).by(Reconnect),
    Row::new("invalid_params", Kind::Malformed, Wait::For(QUARTER), "TikTok took the request for invalid: look for a newer version of autorepost").at(400),
    Row::new("rate_limit_exceeded", Kind::RateLimited, Wait::Asked(MINUTE), "too many calls").at(429).shared(),
    Row::new("internal_error", Kind::Unavailable, Wait::Soon, "TikTok failed for the moment").at(500),
];

/// What the page of a post that cannot be reposted says, where that is certain.
const UNUSABLE: &[(&str, &str, Unusable)] = &[
    ("10204", "delete", Unusable::Deleted),
    ("10204", "geo", Unusable::RegionBlocked),
    ("10202", "", Unusable::Deleted),
    ("10216", "", Unusable::Private),
    ("10222", "", Unusable::Private),
];

/// The code of a post's page that says nothing without words.
pub(super) const SILENT: &str = "10204";

/// What a page tells in its `statusCode` and `statusMsg`.
pub(super) struct Status {
    pub code: String,
    pub told: String,
}

impl Status {
    /// The status of a page, unless all is well.
    pub fn of(page: &Value) -> Option<Self> {
        let code = text(&page["statusCode"]).filter(|code| code != "0")?;
        Some(Self { code, told: page["statusMsg"].as_str().unwrap_or_default().to_owned() })
    }

    /// Why a post can certainly not be reposted.
    pub fn unusable(&self) -> Option<Unusable> {
        let fits = |(code, words, _): &&(&str, &str, Unusable)| self.code == *code && self.told.contains(words);
        UNUSABLE.iter().find(fits).map(|(_, _, why)| *why)
    }

    /// Whether it says neither that a post is there nor that it is gone.
    pub fn is_silent(&self) -> bool {
        self.code == SILENT && self.unusable().is_none()
    }

    /// The error that it is.
    pub fn error(&self, op: &'static str, now: DateTime<Utc>) -> Error {
        let error = match ROWS.iter().find(|row| row.is(200, &self.code, &self.told)) {
            Some(row) => row.error(op, &self.told, None, now),
            None => {
                let text = format!("TikTok answers with status {}", cleaned(&self.code));
                super::blocked(op, &with_words(&text, &self.told))
            }
        };
        error.code(cleaned(&self.code))
    }
}

/// The error that an answer of the open API tells.
pub(super) fn refusal(op: &'static str, answer: &Answer, now: DateTime<Utc>) -> Error {
    let body = answer.json_or_null();
    let Some(code) = body["error"]["code"].as_str() else { return answer.status_error(op) };
    let told = body["error"]["message"].as_str().unwrap_or_default();
    let status = answer.status.as_u16();
    let error = match ROWS.iter().find(|row| row.is(status, code, told)) {
        Some(row) => row.error(op, told, answer.retry_after(), now),
        None if status >= 500 => Error::unavailable(op, with_words("TikTok failed for the moment", told)),
        None => Error::new(Kind::Rejected, op, with_words(&format!("TikTok answered {status}"), told)),
    };
    let error = error.code(cleaned(code));
    match body["error"]["log_id"].as_str().filter(|id| !id.is_empty()) {
        Some(trace) => error.trace(cleaned(trace)),
        None => error,
    }
}
