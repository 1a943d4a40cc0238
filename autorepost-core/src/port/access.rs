//! What the HTTP interface needs of the database: tenants and keys, the audit log, answers to repeat, and counts.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    Platform, Result,
    access::{ApiKey, AuditEntry, Tenant},
    id::{ApiKeyId, AuditId, JobId, TenantId},
    job::Job,
    port::JobStats,
};

/// Answers that one key may have waiting to be repeated.
pub const ANSWERS_MAX: u32 = 10_000;
/// Ended answers that one [`begin`](IdempotencyStore::begin) deletes at most.
pub const ANSWERS_PRUNED_MAX: u32 = 100;

/// Which keys to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyQuery {
    /// Only this tenant's; all keys of the installation without it.
    pub tenant: Option<TenantId>,
    /// Only those that come after this one.
    pub after: Option<ApiKeyId>,
    /// At most so many.
    pub limit: u32,
}

/// Keeps tenants and the keys to the HTTP interface. [`TenantId::OWNER`] exists from the start.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// Adds a tenant. [`Conflict`](crate::ErrorKind::Conflict) when its name is taken.
    async fn add_tenant(&self, tenant: &Tenant) -> Result<()>;

    /// The tenant of this id.
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>>;

    /// Tenants by id, which is the oldest first, after this one.
    async fn tenants(&self, after: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>>;

    /// Adds a key.
    async fn add_key(&self, key: &ApiKey) -> Result<()>;

    /// The key of this id, a revoked one included.
    async fn key(&self, id: ApiKeyId) -> Result<Option<ApiKey>>;

    /// Keys by id, which is the oldest first, revoked ones included.
    async fn keys(&self, query: &KeyQuery) -> Result<Vec<ApiKey>>;

    /// Revokes a key; `false` when it was revoked before, or does not exist. From then on [`key`](Self::key) says so.
    async fn revoke(&self, id: ApiKeyId, at: DateTime<Utc>) -> Result<bool>;
}

/// Which lines of the audit log to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditQuery {
    /// Those that concern this tenant; those that concern the whole installation without it.
    pub tenant: Option<TenantId>,
    /// Only those that come after this one in the order of the list: where a page ended.
    pub after: Option<(DateTime<Utc>, AuditId)>,
    /// At most so many.
    pub limit: u32,
}

/// Keeps what was done by whom. Nothing changes a line, and only its age deletes it.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds a line.
    async fn append(&self, entry: &AuditEntry) -> Result<()>;

    /// Lines, the newest first.
    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>>;

    /// Deletes lines that were written before this time, the oldest first and at most `max`; answers with their number.
    async fn prune(&self, before: DateTime<Utc>, max: u32) -> Result<u64>;
}

/// What a request that may be asked again is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey {
    /// The tenant that it acts for.
    pub tenant: TenantId,
    /// The key with which it is asked: what one asks is nothing to another.
    pub api_key: ApiKeyId,
    /// The name that its client gives it.
    pub name: String,
}

/// The claim of the one who does what is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyClaim {
    /// A digest of everything that is asked.
    pub digest: String,
    /// Random, so that nobody finishes another's claim.
    pub token: Uuid,
    /// When the claim ends by itself: its process has died.
    pub until: DateTime<Utc>,
}

/// An answer that can be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// What there is about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: the claim stands, and the request is to be done.
    Claimed,
    /// The same request is being done now.
    Running,
    /// Another request has this name.
    Different,
    /// The same request was done, and this was the answer.
    Answered(StoredAnswer),
}

/// Keeps the answers of requests that may be asked again. What has ended is as if it had never been.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Claims a request, or tells what there is about it. Of callers at once, one claims it.
    /// [`Quota`](crate::ErrorKind::Quota) when the key has [`ANSWERS_MAX`] of them.
    async fn begin(&self, key: &IdempotencyKey, claim: &IdempotencyClaim, now: DateTime<Utc>) -> Result<Begun>;

    /// Writes down the answer, until `until`. [`LeaseLost`](crate::ErrorKind::LeaseLost) when the claim is not this one's.
    async fn finish(
        &self,
        key: &IdempotencyKey,
        token: Uuid,
        answer: &StoredAnswer,
        until: DateTime<Utc>,
    ) -> Result<()>;

    /// Lets go of a claim without an answer: the request may be asked again. One that is not this one's stays.
    async fn forget(&self, key: &IdempotencyKey, token: Uuid) -> Result<()>;
}

/// How many reposts there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepostCount {
    /// The destination's platform.
    pub platform: Platform,
    /// The state's name.
    pub state: String,
    /// Their number.
    pub count: u64,
}

/// Counts, and looks at jobs that nobody works on.
#[async_trait]
pub trait Census: Send + Sync {
    /// How many reposts a tenant has, by platform and state.
    async fn reposts(&self, tenant: TenantId) -> Result<Vec<RepostCount>>;

    /// How many jobs there are by kind and state: a tenant's, or everybody's.
    async fn jobs(&self, tenant: Option<TenantId>) -> Result<Vec<JobStats>>;

    /// Dead jobs, the one that was written last first: a tenant's, or everybody's.
    async fn dead(&self, tenant: Option<TenantId>, after: Option<JobId>, limit: u32) -> Result<Vec<Job>>;

    /// The job of this id, whatever its state.
    async fn job(&self, id: JobId) -> Result<Option<Job>>;
}
