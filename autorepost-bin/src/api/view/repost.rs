//! Reposts.

use autorepost_core::{
    Platform,
    port::RepostCount,
    repost::Repost,
    standing::Inspection,
    state::{Reason, Receipt, RepostState},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::schema::{InspectionSchema, PlatformSchema, ReasonSchema, ReceiptSchema};

/// One post to one destination account.
#[derive(Serialize, ToSchema)]
#[schema(as = Repost)]
pub struct RepostView {
    /// Its own id.
    id: Uuid,
    /// The post.
    post: Uuid,
    /// The source's own id of the post.
    post_key: String,
    /// The destination's platform.
    #[schema(value_type = PlatformSchema)]
    platform: Platform,
    /// The platform's own id of the destination's account.
    account: String,
    /// The connection through which it goes.
    connection: Uuid,
    /// The rule that asked for it.
    rule: Uuid,
    /// Where it stands.
    #[schema(value_type = StateName)]
    state: &'static str,
    /// Why it waits, was skipped, failed or is in doubt.
    #[schema(value_type = Option<ReasonSchema>)]
    reason: Option<Reason>,
    /// When a waiting one goes on by itself.
    until: Option<DateTime<Utc>>,
    /// Where the public sees it.
    #[schema(value_type = Option<ReceiptSchema>)]
    receipt: Option<Receipt>,
    /// What the platform made of it since, as far as it was asked.
    #[schema(value_type = Option<InspectionSchema>)]
    inspection: Option<Inspection>,
    /// The words that are or were sent, once they are frozen: the caption, the title or the post.
    words: Option<String>,
    /// When the post was made public at its source.
    posted_at: DateTime<Utc>,
    /// When it was admitted.
    created_at: DateTime<Utc>,
    /// When its state last changed.
    updated_at: DateTime<Utc>,
}

/// Where a repost stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RepostState)]
pub enum StateName {
    /// Admitted; nothing was done yet.
    Planned,
    /// Its media is being fetched and checked.
    Preparing,
    /// Everything that will be sent is frozen.
    Ready,
    /// The bytes are on their way.
    Uploading,
    /// The platform works on it.
    Processing,
    /// The commit may have been sent.
    Committing,
    /// The public sees it.
    Published,
    /// It will not be published, and that is no failure.
    Skipped,
    /// It waits for a time, an allowance or a person.
    Waiting,
    /// It certainly was not published.
    Failed,
    /// Nobody can tell whether it was published: a person decides.
    Unconfirmed,
}

impl StateName {
    /// The name as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Uploading => "uploading",
            Self::Processing => "processing",
            Self::Committing => "committing",
            Self::Published => "published",
            Self::Skipped => "skipped",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

impl From<Repost> for RepostView {
    fn from(row: Repost) -> Self {
        let (until, receipt) = match &row.state {
            RepostState::Waiting { until, .. } => (*until, None),
            RepostState::Published { receipt, .. } => (None, Some(receipt.clone())),
            _ => (None, None),
        };
        Self {
            id: row.id.uuid(),
            post: row.post.uuid(),
            post_key: row.key.post,
            platform: row.key.platform,
            account: row.key.account.to_string(),
            connection: row.connection.uuid(),
            rule: row.rule.uuid(),
            state: row.state.name(),
            reason: row.state.reason().cloned(),
            until,
            receipt,
            inspection: row.state.inspection().cloned(),
            words: row.state.submission().map(|submission| submission.content.headline().to_owned()),
            posted_at: row.posted_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// How many reposts there are.
#[derive(Serialize, ToSchema)]
#[schema(as = RepostCount)]
pub struct RepostCountView {
    /// The destination's platform.
    #[schema(value_type = PlatformSchema)]
    platform: Platform,
    /// The state.
    #[schema(value_type = StateName)]
    state: String,
    /// Their number.
    count: u64,
}

impl From<RepostCount> for RepostCountView {
    fn from(row: RepostCount) -> Self {
        Self { platform: row.platform, state: row.state, count: row.count }
    }
}
