//! The core's own words as the OpenAPI document shows them. The core knows nothing of OpenAPI, so their forms are repeated
//! here, and a test holds them against the core's.

mod rule;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use rule::*;

/// A platform.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Platform)]
pub enum PlatformSchema {
    TikTok,
    Instagram,
    YouTube,
    X,
}

/// What a key may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub enum RoleSchema {
    Viewer,
    Operator,
    Admin,
}

/// How an account was connected.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuthMethod)]
pub enum AuthMethodSchema {
    TiktokSession,
    TiktokLogin,
    InstagramLogin,
    FacebookLogin,
    Google,
    #[serde(rename = "x_oauth1")]
    XOauth1,
    #[serde(rename = "x_oauth2")]
    XOauth2,
}

/// Whether a connection works.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConnectionStatus)]
pub enum ConnectionStatusSchema {
    Active,
    Expiring,
    NeedsReconnect,
    Revoked,
    Error,
}

/// Whether a rule acts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleState)]
pub enum RuleStateSchema {
    Active,
    Paused,
    Removed,
}

/// Who must act.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Owner)]
pub enum OwnerSchema {
    Retry,
    Quota,
    Reconciling,
    Reconnect,
    AppReview,
    Content,
    Operator,
    Nobody,
}

/// What a job does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobKind)]
pub enum JobKindSchema {
    TiktokSync,
    SourceAudit,
    Backfill,
    FilePost,
    RepostPrep,
    RepostPublish,
    RepostLocate,
    RepostThumbnail,
    RepostVerify,
    TokenRefresh,
    Upkeep,
    WebhookDelivery,
}

/// What a webhook may be told of.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = EventType)]
pub enum EventTypeSchema {
    #[serde(rename = "repost.published")]
    RepostPublished,
    #[serde(rename = "repost.failed")]
    RepostFailed,
    #[serde(rename = "repost.unconfirmed")]
    RepostUnconfirmed,
    #[serde(rename = "repost.needs_attention")]
    RepostNeedsAttention,
    #[serde(rename = "repost.source_deleted")]
    RepostSourceDeleted,
    #[serde(rename = "connection.needs_attention")]
    ConnectionNeedsAttention,
}

/// Where a job stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobState)]
pub enum JobStateSchema {
    Queued,
    Running,
    Done,
    Dead,
}

/// What a post is, and so whether it can be reposted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = PostKind)]
pub enum PostKindSchema {
    /// A video.
    Video {
        /// Its duration in seconds, as the source tells it.
        duration_secs: Option<u32>,
    },
    /// Something that cannot be reposted.
    Unusable {
        /// Why.
        why: UnusableSchema,
    },
}

/// Why a post cannot be reposted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Unusable)]
pub enum UnusableSchema {
    Photo,
    Private,
    Deleted,
    RegionBlocked,
    Restricted,
}

/// What happens next to a repost, and who must act.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Next)]
pub struct NextSchema {
    /// Who must act.
    pub owner: OwnerSchema,
    /// When something happens by itself.
    pub at: Option<DateTime<Utc>>,
    /// What, for people.
    pub text: String,
}

/// Why a repost is where it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reason)]
pub struct ReasonSchema {
    /// The sentence that people read.
    pub text: String,
    /// Who must act.
    pub owner: OwnerSchema,
    /// The platform's own code.
    pub code: Option<String>,
    /// The platform's trace id.
    pub trace: Option<String>,
}

/// Where the public sees a repost.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Receipt)]
pub struct ReceiptSchema {
    /// The platform's own id, where it tells one.
    pub id: Option<String>,
    /// The public address, if it is known.
    pub url: Option<String>,
    /// When it was confirmed.
    pub at: DateTime<Utc>,
}

/// What a platform made of something after it was published.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = Standing)]
pub enum StandingSchema {
    /// It is shown as it was asked for.
    Live,
    /// The platform still works on it.
    Processing,
    /// It is there, and fewer see it than was asked for.
    NotPublic {
        /// What the platform says.
        why: String,
    },
    /// It is shown, but muted, not in every country, or not to everybody.
    Limited {
        /// What the platform says.
        why: String,
    },
    /// It was refused after all, or removed.
    Gone {
        /// What the platform says.
        why: String,
    },
    /// The platform could not tell.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// One look at something that was published.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Inspection)]
pub struct InspectionSchema {
    /// How it stands.
    pub standing: StandingSchema,
    /// When the platform was asked.
    pub at: DateTime<Utc>,
}

/// A line of a repost's journal.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JournalEntry)]
pub struct EntrySchema {
    /// When.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: String,
    /// The state that it led to.
    pub state: String,
    /// The details, for people.
    pub detail: String,
    /// Which try of the job it was, from 1; nothing for an operator's act.
    pub attempt: Option<u32>,
    /// Who did it.
    pub by: String,
}

/// A destination that a post does not go to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Untouched)]
pub struct UntouchedSchema {
    /// The rule that leads there.
    pub rule: String,
    /// The destination's platform.
    pub platform: PlatformSchema,
    /// The destination's handle.
    pub handle: String,
    /// Why.
    pub why: String,
}

/// What came of asking for a repost.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Asked)]
pub struct AskedSchema {
    /// The repost.
    pub repost: Uuid,
    /// The destination's platform.
    pub platform: PlatformSchema,
    /// What happens.
    pub answer: String,
    /// Whether something was set going.
    pub queued: bool,
}

#[cfg(test)]
mod tests;
