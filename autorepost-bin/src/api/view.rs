//! What is shown of the core's rows: never a credential, and never a platform's ticket, with which one could upload.

use autorepost_core::{
    Platform,
    access::{ApiKey, AuditEntry, Role, Tenant},
    brake::{Brake, Scope},
    connection::{AuthMethod, Connection, ConnectionStatus},
    job::{Job, JobKind, JobState},
    operator::{Explanation, Forecast, Next, Planned, Story, Untouched},
    port::{JobStats, RepostCount},
    post::{Post, PostKind},
    repost::{Entry, Repost},
    rule::{Rule, RuleSpec, RuleState},
    state::{Reason, Receipt, RepostState},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::schema::{
    AuthMethodSchema, ConnectionStatusSchema, EntrySchema, JobKindSchema, JobStateSchema, NextSchema, PlatformSchema,
    PostKindSchema, ReasonSchema, ReceiptSchema, RoleSchema, RuleSpecSchema, RuleStateSchema, UntouchedSchema,
};

/// A tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantView {
    /// Its own id.
    id: Uuid,
    /// Its name.
    name: String,
    /// When it was added.
    created_at: DateTime<Utc>,
}

impl From<Tenant> for TenantView {
    fn from(row: Tenant) -> Self {
        Self { id: row.id.uuid(), name: row.name, created_at: row.created_at }
    }
}

/// A key to this interface.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct KeyView {
    /// Its own id, which is part of its text.
    id: Uuid,
    /// The tenant that it acts for; nothing for a key to the whole installation.
    tenant: Option<Uuid>,
    /// What it may do.
    #[schema(value_type = RoleSchema)]
    role: Role,
    /// Its name.
    name: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Since when it opens nothing any more.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for KeyView {
    fn from(row: ApiKey) -> Self {
        let tenant = row.tenant.map(|tenant| tenant.uuid());
        let ApiKey { id, role, name, created_at, revoked_at, .. } = row;
        Self { id: id.uuid(), tenant, role, name, created_at, revoked_at }
    }
}

/// An account on a platform.
#[derive(Serialize, ToSchema)]
#[schema(as = Connection)]
pub struct ConnectionView {
    /// Its own id.
    id: Uuid,
    /// The platform.
    #[schema(value_type = PlatformSchema)]
    platform: Platform,
    /// The platform's own id of the account.
    account: String,
    /// The account's present handle, without `@`.
    handle: String,
    /// How it was connected.
    #[schema(value_type = AuthMethodSchema)]
    method: AuthMethod,
    /// Whether it works.
    #[schema(value_type = ConnectionStatusSchema)]
    status: ConnectionStatus,
    /// Why it is not active, and how to mend it.
    status_detail: Option<String>,
    /// Held by its owner.
    paused: bool,
    /// When the credential stops working, if the platform says so.
    expires_at: Option<DateTime<Utc>>,
    /// When it was first connected.
    created_at: DateTime<Utc>,
    /// When its credential was last renewed.
    renewed_at: DateTime<Utc>,
}

impl From<Connection> for ConnectionView {
    fn from(row: Connection) -> Self {
        Self {
            id: row.id.uuid(),
            platform: row.platform,
            account: row.account.to_string(),
            handle: row.handle,
            method: row.method,
            status: row.status,
            status_detail: row.status_detail,
            paused: row.paused,
            expires_at: row.expires_at,
            created_at: row.created_at,
            renewed_at: row.renewed_at,
        }
    }
}

/// A rule.
#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
pub struct RuleView {
    /// Its own id.
    id: Uuid,
    /// Its name, unique among the tenant's rules.
    name: String,
    /// The connection whose posts it looks at.
    source: Uuid,
    /// Whether it acts.
    #[schema(value_type = RuleStateSchema)]
    state: RuleState,
    /// What it does.
    #[schema(value_type = RuleSpecSchema)]
    spec: RuleSpec,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Counts its changes.
    version: u64,
}

impl From<Rule> for RuleView {
    fn from(row: Rule) -> Self {
        let Rule { id, name, source, state, spec, created_at, version, .. } = row;
        Self { id: id.uuid(), name, source: source.uuid(), state, spec, created_at, version }
    }
}

/// A post that was found on a source.
#[derive(Serialize, ToSchema)]
#[schema(as = Post)]
pub struct PostView {
    /// Its own id.
    id: Uuid,
    /// The connection on which it was found.
    connection: Uuid,
    /// The platform's own id of it.
    key: String,
    /// Its public address.
    url: String,
    /// The author's handle at that time.
    author: String,
    /// The caption, as written.
    caption: String,
    /// When it was made public.
    posted_at: DateTime<Utc>,
    /// When it was found.
    found_at: DateTime<Utc>,
    /// What it is.
    #[schema(value_type = PostKindSchema)]
    kind: PostKind,
    /// Its video, once it is stored.
    media: Option<MediaView>,
}

/// A stored video.
#[derive(Serialize, ToSchema)]
#[schema(as = Media)]
pub struct MediaView {
    /// SHA-256 of its bytes.
    sha256: String,
    /// Size in bytes.
    bytes: u64,
    /// Duration in milliseconds.
    duration_ms: u64,
    /// Displayed width in pixels.
    width: u32,
    /// Displayed height in pixels.
    height: u32,
}

impl From<Post> for PostView {
    fn from(row: Post) -> Self {
        Self {
            id: row.id.uuid(),
            connection: row.connection.uuid(),
            key: row.found.key,
            url: row.found.url,
            author: row.found.author,
            caption: row.found.caption,
            posted_at: row.found.posted_at,
            found_at: row.found_at,
            kind: row.found.kind,
            media: row.media.map(|media| MediaView {
                sha256: media.key.to_string(),
                bytes: media.bytes,
                duration_ms: media.facts.duration_ms,
                width: media.facts.video.width,
                height: media.facts.video.height,
            }),
        }
    }
}

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, Serialize, ToSchema)]
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
            words: row.state.submission().map(|submission| submission.content.headline().to_owned()),
            posted_at: row.posted_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Everything that is known of a post.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplanationView {
    /// The post.
    post: PostView,
    /// The handle of the account that made it.
    handle: String,
    /// Its reposts.
    reposts: Vec<StoryView>,
    /// Destinations of its account's rules that it does not go to.
    #[schema(value_type = Vec<UntouchedSchema>)]
    untouched: Vec<Untouched>,
}

/// Everything that is known of a repost.
#[derive(Serialize, ToSchema)]
#[schema(as = Story)]
pub struct StoryView {
    /// The repost.
    repost: RepostView,
    /// The destination's handle.
    handle: String,
    /// The name of the rule that asked for it.
    rule: String,
    /// What happened, the oldest first.
    #[schema(value_type = Vec<EntrySchema>)]
    journal: Vec<Entry>,
    /// What happens next.
    #[schema(value_type = NextSchema)]
    next: Next,
}

impl From<Explanation> for ExplanationView {
    fn from(row: Explanation) -> Self {
        let story = |Story { repost, handle, rule, journal, next }| StoryView {
            repost: repost.into(),
            handle,
            rule,
            journal,
            next,
        };
        Self {
            post: row.post.into(),
            handle: row.handle,
            reposts: row.reposts.into_iter().map(story).collect(),
            untouched: row.untouched,
        }
    }
}

/// A post that a source shows, and what would become of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Planned)]
pub struct PlannedView {
    /// The platform's own id of the post.
    key: String,
    /// Its public address.
    url: String,
    /// The caption, as written.
    caption: String,
    /// When it was made public.
    posted_at: DateTime<Utc>,
    /// What would become of it at each destination.
    reposts: Vec<ForecastView>,
}

/// What would become of a post at a destination.
#[derive(Serialize, ToSchema)]
#[schema(as = Forecast)]
pub struct ForecastView {
    /// The destination's platform.
    #[schema(value_type = PlatformSchema)]
    platform: Platform,
    /// The destination's handle.
    handle: String,
    /// The name of the rule that decides.
    rule: String,
    /// `known`, `publish`, `hold` or `skip`.
    forecast: &'static str,
    /// The words that would be sent, the state of what is known already, or the reason.
    detail: String,
    /// What had to be changed, and what is worth knowing.
    notes: Vec<String>,
}

impl From<Planned> for PlannedView {
    fn from(row: Planned) -> Self {
        let reposts = row.reposts.into_iter().map(|one| {
            let (forecast, detail, notes) = match one.forecast {
                Forecast::Known { state } => ("known", state.to_owned(), Vec::new()),
                Forecast::Publish { content, notes } => ("publish", content.headline().to_owned(), notes),
                Forecast::Hold { why } => ("hold", why, Vec::new()),
                Forecast::Skip { why } => ("skip", why, Vec::new()),
            };
            ForecastView { platform: one.platform, handle: one.handle, rule: one.rule, forecast, detail, notes }
        });
        Self {
            reposts: reposts.collect(),
            key: row.post.key,
            url: row.post.url,
            caption: row.post.caption,
            posted_at: row.post.posted_at,
        }
    }
}

/// How many jobs there are.
#[derive(Serialize, ToSchema)]
#[schema(as = JobStats)]
pub struct JobStatsView {
    /// The kind.
    #[schema(value_type = JobKindSchema)]
    kind: JobKind,
    /// The state.
    #[schema(value_type = JobStateSchema)]
    state: JobState,
    /// Their number.
    count: u64,
    /// The earliest time at which one of them is due.
    oldest: Option<DateTime<Utc>>,
}

impl From<JobStats> for JobStatsView {
    fn from(row: JobStats) -> Self {
        Self { kind: row.kind, state: row.state, count: row.count, oldest: row.oldest }
    }
}

/// A job.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// Its own id.
    id: Uuid,
    /// What it does.
    #[schema(value_type = JobKindSchema)]
    kind: JobKind,
    /// Where it stands.
    #[schema(value_type = JobStateSchema)]
    state: JobState,
    /// What it works on: the id of a connection or a repost.
    subject: Uuid,
    /// When it is or was due.
    run_at: DateTime<Utc>,
    /// Failures of its present work one after the other.
    attempts: u32,
    /// What went wrong last.
    note: Option<String>,
}

impl From<Job> for JobView {
    fn from(row: Job) -> Self {
        Self {
            id: row.new.id.uuid(),
            kind: row.new.kind,
            state: row.state,
            subject: row.new.subject,
            run_at: row.new.run_at,
            attempts: row.attempts,
            note: row.note,
        }
    }
}

/// A brake that is on.
#[derive(Serialize, ToSchema)]
#[schema(as = Brake)]
pub struct BrakeView {
    /// What it holds: `everything`, or the publishing of this `tenant`.
    scope: &'static str,
    /// Why, for people.
    reason: String,
    /// Who put it on; not told of a brake on everything.
    by: Option<String>,
    /// Since when.
    since: DateTime<Utc>,
}

impl From<Brake> for BrakeView {
    fn from(row: Brake) -> Self {
        let (scope, by) = match row.scope {
            Scope::Everything => ("everything", None),
            Scope::Tenant(_) => ("tenant", Some(row.by)),
        };
        Self { scope, reason: row.reason, by, since: row.since }
    }
}

/// A line of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditView {
    /// Its own id.
    id: Uuid,
    /// When.
    at: DateTime<Utc>,
    /// Who.
    actor: String,
    /// What was asked for.
    action: String,
    /// What it was asked of.
    subject: String,
    /// `asked` before anything is done, and what came of it after.
    detail: String,
    /// The id of the request.
    request_id: String,
}

impl From<AuditEntry> for AuditView {
    fn from(row: AuditEntry) -> Self {
        let AuditEntry { id, at, actor, action, subject, detail, request, .. } = row;
        Self { id: id.uuid(), at, actor, action, subject, detail, request_id: request }
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
