//! The database: connections, rules, posts, reposts and jobs.
//!
//! What belongs together is written together: a step of a repost, its journal, the jobs that it causes and the end of the
//! job that made it are one transaction, described as data ([`Step`], [`Admission`]).

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Platform, Result,
    brake::{Brake, Scope},
    connection::{AccountId, Connection},
    id::{ConnectionId, JobId, PostId, RepostId, RuleId, TenantId},
    job::{Finish, Job, JobKind, JobState, Lease, NewJob},
    media::Media,
    post::{Cursor, FoundPost, Post},
    repost::{Entry, Repost},
    rule::Rule,
};

/// Keeps connections.
#[async_trait]
pub trait ConnectionStore: Send + Sync {
    /// Connects an account: inserts `connection` and writes `jobs`, or, when this tenant has the platform's account
    /// already, renews that row (handle, method, credential, scopes, expiry, status; keeping id, creation time and
    /// pause) and writes `jobs`. Answers with the row as it is then. The credential was sealed for `connection.id`, so
    /// when the account may exist the caller looks it up with [`find`](Self::find) and uses its id;
    /// [`Conflict`](crate::ErrorKind::Conflict) when the ids differ.
    async fn connect(&self, connection: &Connection, jobs: &[NewJob]) -> Result<Connection>;

    /// The connection of this id.
    async fn get(&self, tenant: TenantId, id: ConnectionId) -> Result<Option<Connection>>;

    /// The tenant's connection of this account.
    async fn find(&self, tenant: TenantId, platform: Platform, account: &AccountId) -> Result<Option<Connection>>;

    /// Connections, the oldest first: a tenant's, or everybody's for upkeep.
    async fn list(&self, tenant: Option<TenantId>) -> Result<Vec<Connection>>;

    /// Replaces the row whose version is `connection.version`, counts the version up, and writes `jobs`: all or nothing.
    /// With a lease, only while it holds ([`LeaseLost`](crate::ErrorKind::LeaseLost)).
    /// [`Conflict`](crate::ErrorKind::Conflict) when the row has another version. Answers with the row as it is then.
    async fn update(&self, connection: &Connection, lease: Option<Lease>, jobs: &[NewJob]) -> Result<Connection>;
}

/// Keeps rules.
#[async_trait]
pub trait RuleStore: Send + Sync {
    /// Inserts a rule. [`Conflict`](crate::ErrorKind::Conflict) when the tenant has one of this name that is not removed.
    async fn insert(&self, rule: &Rule) -> Result<()>;

    /// The rule of this id, removed ones included.
    async fn get(&self, tenant: TenantId, id: RuleId) -> Result<Option<Rule>>;

    /// The tenant's rules that are not removed, the oldest first.
    async fn list(&self, tenant: TenantId) -> Result<Vec<Rule>>;

    /// Replaces the row whose version is `rule.version`, and counts the version up;
    /// [`Conflict`](crate::ErrorKind::Conflict) when the row has another version, or another rule of the tenant has its
    /// name. Answers with the row as it is then.
    async fn update(&self, rule: &Rule) -> Result<Rule>;
}

/// Keeps brakes.
#[async_trait]
pub trait BrakeStore: Send + Sync {
    /// Puts a brake on, in place of one of the same scope. When it returns, no step guarded by [`Guard::NoBrake`] that it
    /// covers is written any more.
    async fn engage(&self, brake: &Brake) -> Result<()>;

    /// Takes a brake off; `false` when there was none.
    async fn release(&self, scope: Scope) -> Result<bool>;

    /// The brakes that hold a tenant: its own, and the one on everything.
    async fn holding(&self, tenant: TenantId) -> Result<Vec<Brake>>;
}

/// What a look at a source admits, all or nothing.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// The posts, each with what it causes. One whose id is known already in the tenant, for whatever account, is left out with
    /// everything that it causes: a platform gives an id once, and one creator may be connected in two ways. From now on it
    /// is fetched through the connection that stands here.
    pub posts: Vec<NewPost>,
    /// How far the source has been read with this.
    pub cursor: Cursor,
}

/// A post to admit, and what it causes.
#[derive(Debug, Clone)]
pub struct NewPost {
    /// The post.
    pub post: Post,
    /// Its reposts, each with its job if it is not terminal. One whose key exists already is left out with its job.
    pub reposts: Vec<(Repost, Option<NewJob>)>,
}

/// Which posts to list.
#[derive(Debug, Clone, Default)]
pub struct PostQuery {
    /// Only this source connection's.
    pub connection: Option<ConnectionId>,
    /// Only those made public at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only those made public before this time.
    pub before: Option<DateTime<Utc>>,
    /// The oldest first, instead of the newest.
    pub oldest_first: bool,
    /// Only those that come after this one in the order of the list: where a page ended.
    pub after: Option<(DateTime<Utc>, PostId)>,
    /// At most so many.
    pub limit: u32,
}

/// Keeps posts, and how far each source has been read.
#[async_trait]
pub trait PostStore: Send + Sync {
    /// Admits posts with their reposts and jobs and moves the cursor, while the lease holds
    /// ([`LeaseLost`](crate::ErrorKind::LeaseLost)). Answers with the posts that were new.
    async fn admit(
        &self,
        lease: Lease,
        tenant: TenantId,
        connection: ConnectionId,
        admission: &Admission,
    ) -> Result<Vec<PostId>>;

    /// How far a source has been read; the default when it never was.
    async fn cursor(&self, tenant: TenantId, connection: ConnectionId) -> Result<Cursor>;

    /// The posts of an account that have one of these platform ids, in any order.
    async fn known(&self, tenant: TenantId, account: &AccountId, keys: &[String]) -> Result<Vec<Post>>;

    /// The post of this id.
    async fn get(&self, tenant: TenantId, id: PostId) -> Result<Option<Post>>;

    /// The tenant's posts with this platform id, on whatever account: almost always one or none.
    async fn find(&self, tenant: TenantId, key: &str) -> Result<Vec<Post>>;

    /// Posts by the time when they were made public, the newest first unless the query says otherwise.
    async fn list(&self, tenant: TenantId, query: &PostQuery) -> Result<Vec<Post>>;

    /// Replaces what the source tells of a post, while the lease holds ([`LeaseLost`](crate::ErrorKind::LeaseLost)).
    async fn reveal(&self, lease: Lease, tenant: TenantId, post: PostId, found: &FoundPost) -> Result<()>;

    /// Writes down a post's media, while the lease holds ([`LeaseLost`](crate::ErrorKind::LeaseLost)).
    async fn set_media(&self, lease: Lease, tenant: TenantId, post: PostId, media: &Media) -> Result<()>;

    /// Everybody's posts whose media nobody needs any more, at most `limit`, in the order of the media's keys: for upkeep.
    /// Bytes belong to every post that names them. They are needed while one of those posts was found at `before` or
    /// later, or has a repost that [needs them](crate::state::RepostState::needs_media) or was moved at `before` or later.
    async fn stale_media(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<Post>>;

    /// Forgets a post's media, while the lease holds ([`LeaseLost`](crate::ErrorKind::LeaseLost)), if they are
    /// [stale](Self::stale_media) now. Answers whether they were.
    async fn forget_media(&self, lease: Lease, tenant: TenantId, post: PostId, before: DateTime<Utc>) -> Result<bool>;
}

/// Everything that one step of a repost writes, all or nothing.
#[derive(Debug, Clone)]
pub struct Step {
    /// The claim under which it is written; nothing for an operator's act.
    pub lease: Option<Lease>,
    /// The repost as it shall be; its `version` is the one that was read, and is counted up.
    pub repost: Repost,
    /// What the journal says of it; nothing for mere progress.
    pub entry: Option<Entry>,
    /// What must hold in the same transaction.
    pub guards: Vec<Guard>,
    /// What becomes of the job that made the step. It ends before `jobs` are written, so that a new job may have its key.
    pub after: After,
    /// Jobs that the new state needs.
    pub jobs: Vec<NewJob>,
}

/// What becomes of the job that makes a step.
#[derive(Debug, Clone)]
pub enum After {
    /// It goes on.
    Keep,
    /// It goes on, with its lease extended to this much time from now.
    KeepFor(Duration),
    /// It is let go of.
    Finish(Finish),
}

/// Something that must hold in the transaction of a step; [`Conflict`](crate::ErrorKind::Conflict) when it does not.
#[derive(Debug, Clone, PartialEq)]
pub enum Guard {
    /// The rule is active, and still has this version.
    Rule {
        /// The rule.
        id: RuleId,
        /// The version that the decision rests on.
        version: u64,
    },
    /// The connection is neither paused nor dead.
    ConnectionUsable(ConnectionId),
    /// Fewer than `max` other reposts went, or are going, to this account since `since`. What counts is the stored
    /// intent of their last commit. The error's code is `code`.
    CommitsBelow {
        /// What the cap is called, so that its caller can tell it from the others.
        code: &'static str,
        /// The destination's platform.
        platform: Platform,
        /// The destination's account.
        account: AccountId,
        /// Start of the window.
        since: DateTime<Utc>,
        /// The cap.
        max: u32,
    },
    /// No brake holds the repost's tenant.
    NoBrake,
    /// The store's own clock is at most `off_max` away from `at`: what is written rests on the time that its writer took.
    Clock {
        /// The writer's time.
        at: DateTime<Utc>,
        /// How far it may be off.
        off_max: Duration,
    },
}

/// Which reposts to list.
#[derive(Debug, Clone, Default)]
pub struct RepostQuery {
    /// Only this post's.
    pub post: Option<PostId>,
    /// Only those to this destination account.
    pub account: Option<(Platform, AccountId)>,
    /// Only those in one of these states, by name; all when empty.
    pub states: Vec<&'static str>,
    /// Only those whose post was made public before this time.
    pub posted_before: Option<DateTime<Utc>>,
    /// The newest post first, instead of the oldest.
    pub newest_first: bool,
    /// Only those that come after this one in the order of the list: where a page ended.
    pub after: Option<(DateTime<Utc>, RepostId)>,
    /// At most so many.
    pub limit: u32,
}

/// Keeps reposts and their journals.
#[async_trait]
pub trait RepostStore: Send + Sync {
    /// The repost of this id.
    async fn get(&self, tenant: TenantId, id: RepostId) -> Result<Option<Repost>>;

    /// Reposts, the oldest post first unless the query says otherwise.
    async fn list(&self, tenant: TenantId, query: &RepostQuery) -> Result<Vec<Repost>>;

    /// Writes a step. [`LeaseLost`](crate::ErrorKind::LeaseLost) when its lease does not hold any more;
    /// [`Conflict`](crate::ErrorKind::Conflict) when the repost has another version or a guard does not hold; nothing is
    /// written then. Answers with the repost as it is stored.
    async fn step(&self, step: &Step) -> Result<Repost>;

    /// Adds a repost with its job, outside any look at the source: an operator asked. Answers `false`, and writes
    /// nothing, when its key exists.
    async fn add(&self, repost: &Repost, job: &NewJob, entry: &Entry) -> Result<bool>;

    /// A repost's journal, the oldest line first.
    async fn journal(&self, tenant: TenantId, id: RepostId) -> Result<Vec<Entry>>;

    /// Ids at the destination of everything that this account's reposts are known to have published since a time.
    async fn published_ids(
        &self,
        tenant: TenantId,
        platform: Platform,
        account: &AccountId,
        since: DateTime<Utc>,
    ) -> Result<Vec<String>>;

    /// Everybody's reposts that are not terminal and have no job that is queued or running, at most `limit`: for upkeep.
    async fn orphans(&self, limit: u32) -> Result<Vec<Repost>>;
}

/// How many jobs there are, and how late the oldest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStats {
    /// The kind.
    pub kind: JobKind,
    /// The state.
    pub state: JobState,
    /// Their number.
    pub count: u64,
    /// The earliest `run_at` among them.
    pub oldest: Option<DateTime<Utc>>,
}

/// The durable job queue. Leases and due times go by the store's own clock, never by that of a worker's machine.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Writes jobs. One whose key belongs to a queued or running job changes nothing.
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<()>;

    /// Claims at most `max` due jobs of these kinds for as long as `lease`: by priority, then `order_at`, then age. No job
    /// is claimed twice, and of a lane at most one runs. A job whose lease has ended is due again: its attempts count up by
    /// one, and its old lease does not hold any more.
    async fn claim(&self, kinds: &[JobKind], max: u32, lease: Duration) -> Result<Vec<Job>>;

    /// Extends leases to `lease` from now, and answers with those that are lost.
    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>>;

    /// Lets go of a job; [`LeaseLost`](crate::ErrorKind::LeaseLost) when the lease does not hold any more.
    async fn finish(&self, lease: Lease, finish: &Finish) -> Result<()>;

    /// Makes queued jobs due now at the latest, chosen by key or by lane.
    async fn hasten(&self, keys_or_lanes: &[String]) -> Result<()>;

    /// The queued or running job of this key.
    async fn find(&self, key: &str) -> Result<Option<Job>>;

    /// How many jobs there are by kind and state.
    async fn stats(&self) -> Result<Vec<JobStats>>;

    /// When the next queued job is due, if there is one.
    async fn next_due(&self) -> Result<Option<DateTime<Utc>>>;

    /// Dead jobs, the newest first.
    async fn dead(&self, limit: u32) -> Result<Vec<Job>>;

    /// Queues a dead job again, due now, with no failures counted; `false` when it is not dead, or its key is taken.
    async fn replay(&self, job: JobId) -> Result<bool>;

    /// Deletes at most `limit` done jobs that ended longer than `age` ago, and answers how many. Deliveries to endpoints
    /// go like that when they are dead, too: an endpoint that is gone for good must not leave rows for ever.
    async fn prune(&self, age: Duration, limit: u32) -> Result<u64>;
}
