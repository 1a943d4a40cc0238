//! Jobs: durable units of work, claimed with a lease.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Error, Platform,
    backfill::Backfill,
    connection::Connection,
    id::{JobId, RepostId, TenantId},
    pipeline::FilePost,
    repost::Repost,
    webhook::Webhook,
};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Reads a source account and admits what is new. One for each source connection, for ever.
    TiktokSync,
    /// Compares what a source lists with what was admitted. One for each source connection, for ever.
    SourceAudit,
    /// Walks a source back for a rule, and gives older posts their turns. One for each backfill that is going.
    Backfill,
    /// Admits a file of the creator's that is itself a post.
    FilePost,
    /// Fetches a post's media, checks it and renders the caption.
    RepostPrep,
    /// Publishes one repost.
    RepostPublish,
    /// Asks for the public address of a repost whose publication did not tell it.
    RepostLocate,
    /// Sets the thumbnail of a repost that was published.
    RepostThumbnail,
    /// Asks the platform, some time after a publication, what became of it.
    RepostVerify,
    /// Keeps a connection's credential alive. One for each connection, for ever.
    TokenRefresh,
    /// Finds what was forgotten and prunes what is finished. One in all, for ever.
    Upkeep,
    /// Tells an endpoint of one event.
    WebhookDelivery,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::TiktokSync,
        Self::SourceAudit,
        Self::Backfill,
        Self::FilePost,
        Self::RepostPrep,
        Self::RepostPublish,
        Self::RepostLocate,
        Self::RepostThumbnail,
        Self::RepostVerify,
        Self::TokenRefresh,
        Self::Upkeep,
        Self::WebhookDelivery,
    ];

    /// The stable snake-case name: used in storage, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TiktokSync => "tiktok_sync",
            Self::SourceAudit => "source_audit",
            Self::Backfill => "backfill",
            Self::FilePost => "file_post",
            Self::RepostPrep => "repost_prep",
            Self::RepostPublish => "repost_publish",
            Self::RepostLocate => "repost_locate",
            Self::RepostThumbnail => "repost_thumbnail",
            Self::RepostVerify => "repost_verify",
            Self::TokenRefresh => "token_refresh",
            Self::Upkeep => "upkeep",
            Self::WebhookDelivery => "webhook_delivery",
        }
    }

    /// Which jobs go first when many are due: the lowest number.
    pub const fn priority(self) -> i16 {
        match self {
            Self::TokenRefresh => 0,
            Self::RepostPublish => 10,
            Self::RepostPrep => 20,
            Self::TiktokSync => 30,
            Self::RepostLocate => 35,
            Self::RepostThumbnail => 37,
            Self::SourceAudit => 38,
            Self::Backfill => 39,
            Self::FilePost => 29,
            Self::Upkeep => 40,
            Self::WebhookDelivery => 36,
            Self::RepostVerify => 37,
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Error::invalid("parse job kind", format!("\"{text}\" is not a kind of job")))
    }
}

/// A job to be written. While a job with the same key is not finished, writing it again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewJob {
    /// Its own id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The tenant that it works for.
    pub tenant: TenantId,
    /// What it works on: the id of a connection, a repost, a rule or a webhook.
    pub subject: Uuid,
    /// Unique among all jobs that are not finished.
    pub key: String,
    /// At most one job of a lane runs at a time.
    pub lane: String,
    /// Not before this time.
    pub run_at: DateTime<Utc>,
    /// Among due jobs of one priority the earliest goes first: the post's own time for work on posts.
    pub order_at: DateTime<Utc>,
    /// What it brings along: the body of a message to an endpoint, or a file that is itself a post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

impl NewJob {
    /// The job that prepares a repost.
    pub fn prep(id: JobId, repost: &Repost, run_at: DateTime<Utc>) -> Self {
        Self {
            id,
            kind: JobKind::RepostPrep,
            tenant: repost.tenant,
            subject: repost.id.uuid(),
            key: repost.job_key(),
            lane: repost.prep_lane(),
            run_at,
            order_at: repost.posted_at,
            payload: None,
        }
    }

    /// The job that publishes a repost.
    pub fn publish(id: JobId, repost: &Repost, run_at: DateTime<Utc>) -> Self {
        Self { kind: JobKind::RepostPublish, lane: repost.publish_lane(), ..Self::prep(id, repost, run_at) }
    }

    /// The job that asks for a repost's public address.
    pub fn locate(id: JobId, repost: &Repost, run_at: DateTime<Utc>) -> Self {
        let key = locate_key(repost.id);
        Self { kind: JobKind::RepostLocate, lane: key.clone(), key, ..Self::prep(id, repost, run_at) }
    }

    /// The job that sets the thumbnail of a repost.
    pub fn thumbnail(id: JobId, repost: &Repost, run_at: DateTime<Utc>) -> Self {
        let key = format!("thumbnail:{}", repost.id);
        Self { kind: JobKind::RepostThumbnail, lane: key.clone(), key, ..Self::prep(id, repost, run_at) }
    }

    /// The job that asks what became of a publication.
    pub fn verify(id: JobId, repost: &Repost, run_at: DateTime<Utc>) -> Self {
        let key = verify_key(repost.id);
        Self { kind: JobKind::RepostVerify, lane: key.clone(), key, ..Self::prep(id, repost, run_at) }
    }

    /// The job that reads a source connection.
    pub fn sync(id: JobId, connection: &Connection, run_at: DateTime<Utc>) -> Self {
        Self::of_connection(id, JobKind::TiktokSync, "sync", connection, run_at)
    }

    /// The job that audits a source connection: in the lane of its sync, so that the two never run at once.
    pub fn audit(id: JobId, connection: &Connection, run_at: DateTime<Utc>) -> Self {
        let lane = sync_key(connection.id);
        Self { lane, ..Self::of_connection(id, JobKind::SourceAudit, "audit", connection, run_at) }
    }

    /// The job that keeps a connection's credential alive.
    pub fn refresh(id: JobId, connection: &Connection, run_at: DateTime<Utc>) -> Self {
        Self::of_connection(id, JobKind::TokenRefresh, "refresh", connection, run_at)
    }

    /// The job that moves a backfill: in the lane of its source's sync, so that the two never read an account at once.
    pub fn backfill(id: JobId, backfill: &Backfill, run_at: DateTime<Utc>) -> Self {
        Self {
            id,
            kind: JobKind::Backfill,
            tenant: backfill.tenant,
            subject: backfill.rule.uuid(),
            key: backfill.job_key(),
            lane: sync_key(backfill.source),
            run_at,
            order_at: run_at,
            payload: None,
        }
    }

    /// The job that admits a file of the creator's as a post of a source: in the lane of the source's sync.
    pub(crate) fn file(id: JobId, source: &Connection, file: &FilePost, run_at: DateTime<Utc>) -> Result<Self, Error> {
        let payload = serde_json::to_string(file)
            .map_err(|cause| Error::internal("write job", "a post has no JSON form").source(cause))?;
        let job = Self::of_connection(id, JobKind::FilePost, "sync", source, run_at);
        Ok(Self { key: format!("{}:{}", source.id, file.found.key), payload: Some(payload), ..job })
    }

    /// The job that finds what was forgotten.
    pub fn upkeep(id: JobId, run_at: DateTime<Utc>) -> Self {
        Self {
            id,
            kind: JobKind::Upkeep,
            tenant: TenantId::OWNER,
            subject: TenantId::OWNER.uuid(),
            key: "upkeep".into(),
            lane: "upkeep".into(),
            run_at,
            order_at: run_at,
            payload: None,
        }
    }

    /// The job that tells an endpoint of one event. A tenant has a few lanes for all of its endpoints: slow ones hold up some
    /// of its own, and nobody else's.
    pub fn delivery(id: JobId, webhook: &Webhook, payload: String, now: DateTime<Utc>) -> Self {
        Self {
            id,
            kind: JobKind::WebhookDelivery,
            tenant: webhook.tenant,
            subject: webhook.id.uuid(),
            key: format!("delivery:{id}"),
            lane: format!("webhook:{}:{}", webhook.tenant, webhook.id.uuid().as_u128() % DELIVERY_LANES),
            run_at: now,
            order_at: now,
            payload: Some(payload),
        }
    }

    /// Every job that a connection must have, for ever: reading and auditing for a source, and keeping its credential alive.
    pub fn perpetual(connection: &Connection, run_at: DateTime<Utc>, mut id: impl FnMut() -> JobId) -> Vec<Self> {
        let mut jobs = vec![Self::refresh(id(), connection, run_at)];
        if connection.platform == Platform::TikTok {
            jobs.push(Self::sync(id(), connection, run_at));
            jobs.push(Self::audit(id(), connection, run_at));
        }
        jobs
    }

    fn of_connection(id: JobId, kind: JobKind, verb: &str, connection: &Connection, run_at: DateTime<Utc>) -> Self {
        let key = format!("{verb}:{}", connection.id);
        Self {
            id,
            kind,
            tenant: connection.tenant,
            subject: connection.id.uuid(),
            lane: key.clone(),
            key,
            run_at,
            order_at: run_at,
            payload: None,
        }
    }
}

/// Messages of one tenant that are on their way at once at most.
const DELIVERY_LANES: u128 = 4;

/// The key of the job that asks for a repost's public address.
pub fn locate_key(repost: RepostId) -> String {
    format!("locate:{repost}")
}

/// The key of the job that asks what became of a publication.
pub fn verify_key(repost: RepostId) -> String {
    format!("verify:{repost}")
}

/// The key of the job that keeps a connection's credential alive.
pub fn refresh_key(connection: crate::id::ConnectionId) -> String {
    format!("refresh:{connection}")
}

/// The key of the job that reads a source connection.
pub fn sync_key(connection: crate::id::ConnectionId) -> String {
    format!("sync:{connection}")
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What was asked for.
    #[serde(flatten)]
    pub new: NewJob,
    /// Where it stands.
    pub state: JobState,
    /// Consecutive failures of its present work. Waits do not count.
    pub attempts: u32,
    /// Counts its claims: a write under an older claim is refused.
    pub epoch: u64,
    /// Until when its worker owns it, while it runs.
    pub leased_until: Option<DateTime<Utc>>,
    /// What went wrong last, or what it waits for.
    pub note: Option<String>,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its time.
    Queued,
    /// A worker owns it, until its lease ends.
    Running,
    /// It did its work.
    Done,
    /// It gave up; it can be replayed by hand.
    Dead,
}

impl JobState {
    /// The stable snake-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

/// The right to work on a job: every write under it names its epoch, and is refused when another claim came after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// The claim.
    pub epoch: u64,
}

impl Job {
    /// The lease of its present claim.
    pub const fn lease(&self) -> Lease {
        Lease { job: self.new.id, epoch: self.epoch }
    }
}

/// What becomes of a job when its worker lets go of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finish {
    /// It did its work.
    Done,
    /// It runs again later; `attempts` is the count of consecutive failures from now on.
    Again {
        /// When.
        run_at: DateTime<Utc>,
        /// Consecutive failures so far; 0 after a success.
        attempts: u32,
        /// What went wrong, or what it waits for.
        note: Option<String>,
    },
    /// It gives up, and stays to be looked at and replayed.
    Dead {
        /// Why.
        note: String,
    },
}
