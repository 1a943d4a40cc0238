//! What YouTube's errors mean (YouTube Data API: errors, `videos.insert`, and the quota buckets of 1 June 2026; read
//! 2026-11-23).

use autorepost_core::{
    Error, ErrorKind as Kind,
    state::Owner::{Operator, Reconnect},
};
use chrono::{DateTime, Utc};

use crate::{
    catalogue::{DAY, MINUTE, Row, Wait, cleaned, with_words},
    http::Answer,
};

/// Every error that is known, by its reason. The first that fits counts.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // An empty bucket answers 429 with the reason of a short limit: only its words tell them apart.
    Row::new("rateLimitExceeded", Kind::Quota, Wait::PacificMidnight, "the app's uploads to YouTube are used up for today").saying("per day").shared(),
    Row::new("quotaExceeded", Kind::Quota, Wait::PacificMidnight, "the app's quota at YouTube is used up for today").shared(),
    Row::new("dailyLimitExceeded", Kind::Quota, Wait::PacificMidnight, "the app's quota at YouTube is used up for today").shared(),
    Row::new("uploadLimitExceeded", Kind::Quota, Wait::For(DAY), "the channel has uploaded as much as YouTube allows it within 24 hours"),
    Row::new("rateLimitExceeded", Kind::RateLimited, Wait::Asked(MINUTE), "too many calls").shared(),
    Row::new("userRateLimitExceeded", Kind::RateLimited, Wait::Asked(MINUTE), "too many calls for this channel"),
    Row::new("youtubeSignupRequired", Kind::Forbidden, Wait::Never, "the Google account has no channel: make one and connect it again").by(Reconnect),
    Row::new("authError", Kind::Unauthorized, Wait::Never, "YouTube does not take the token any more: connect the channel again"),
    Row::new("unauthorized", Kind::Unauthorized, Wait::Never, "YouTube does not take the token any more: connect the channel again"),
    Row::new("insufficientPermissions", Kind::Forbidden, Wait::Never, "a scope is missing: connect the channel again with all of them").by(Reconnect),
    Row::new("accessNotConfigured", Kind::Forbidden, Wait::Never, "the YouTube Data API is not switched on in the Google project: switch it on").by(Operator),
    Row::new("authenticatedUserAccountSuspended", Kind::Forbidden, Wait::Never, "Google suspended the account: its owner must see to it").by(Operator),
    Row::new("authenticatedUserAccountClosed", Kind::Forbidden, Wait::Never, "the Google account is closed").by(Operator),
    Row::new("channelSuspended", Kind::Forbidden, Wait::Never, "YouTube suspended the channel: its owner must see to it").by(Operator),
    Row::new("channelClosed", Kind::Forbidden, Wait::Never, "the channel is closed").by(Operator),
    Row::new("forbidden", Kind::Forbidden, Wait::Never, "YouTube does not permit this: check the scopes and the channel"),
    Row::new("forbiddenPrivacySetting", Kind::Forbidden, Wait::Never, "the channel may not use this privacy: change it in the rule").by(Operator),
    Row::new("forbiddenLicenseSetting", Kind::Forbidden, Wait::Never, "the channel may not use this licence").by(Operator),
    Row::new("invalidTitle", Kind::Rejected, Wait::Never, "YouTube refuses the title: at most 100 characters, without < and >"),
    Row::new("invalidDescription", Kind::Rejected, Wait::Never, "YouTube refuses the description: at most 5000 bytes, without < and >"),
    Row::new("invalidTags", Kind::Rejected, Wait::Never, "YouTube refuses the tags: at most 500 characters in all"),
    Row::new("invalidCategoryId", Kind::Rejected, Wait::Never, "YouTube does not know the category: change it in the rule").by(Operator),
    Row::new("invalidFilename", Kind::Rejected, Wait::Never, "YouTube refuses the name of the file").by(Operator),
    Row::new("invalidPublishAt", Kind::Rejected, Wait::Never, "YouTube refuses the time of publication").by(Operator),
    Row::new("invalidRecordingDetails", Kind::Rejected, Wait::Never, "YouTube refuses the recording's details").by(Operator),
    Row::new("invalidVideoGameRating", Kind::Rejected, Wait::Never, "YouTube refuses the rating").by(Operator),
    Row::new("invalidVideoMetadata", Kind::Rejected, Wait::Never, "YouTube refuses the title, the description or the category"),
    Row::new("defaultLanguageNotSet", Kind::Rejected, Wait::Never, "YouTube wants a default language").by(Operator),
    Row::new("mediaBodyRequired", Kind::Rejected, Wait::Never, "YouTube saw no video in the upload").by(Operator),
    Row::new("alreadyExists", Kind::Unavailable, Wait::Soon, "YouTube did not open the upload for the moment"),
    Row::new("backendError", Kind::Unavailable, Wait::Soon, "YouTube failed for the moment"),
    Row::new("internalError", Kind::Unavailable, Wait::Soon, "YouTube failed for the moment"),
    Row::new("notFound", Kind::NotFound, Wait::Never, "YouTube does not know it"),
    Row::new("videoNotFound", Kind::NotFound, Wait::Never, "YouTube does not know the video"),
];

/// The error that an answer tells, by its reason and not by its status alone.
pub(super) fn refusal(op: &'static str, answer: &Answer, now: DateTime<Utc>) -> Error {
    let body = answer.json_or_null();
    let told = body["error"]["message"].as_str().unwrap_or_default();
    let Some(reason) = body["error"]["errors"][0]["reason"].as_str() else { return answer.status_error(op) };
    let status = answer.status.as_u16();
    let error = match ROWS.iter().find(|row| row.is(status, reason, told)) {
        Some(row) => row.error(op, told, answer.retry_after(), now),
        None if answer.status.is_server_error() => {
            Error::unavailable(op, with_words("YouTube failed for the moment", told))
        }
        None => Error::new(Kind::Rejected, op, with_words(&format!("YouTube answered {status}"), told)),
    };
    error.code(cleaned(reason))
}
