//! Masters.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Result,
    id::{MasterId, PostId, TenantId},
    job::Lease,
    master::Master,
};

/// Keeps masters: one for the same bytes of a tenant.
#[async_trait]
pub trait MasterStore: Send + Sync {
    /// Keeps a master; `false`, and nothing is written, when the tenant has one of these bytes.
    async fn keep(&self, master: &Master) -> Result<bool>;

    /// The tenant's masters that no post has, made from `from` to `to`, or named for a post by their sidecar: the oldest
    /// first, at most `limit`.
    async fn free(
        &self,
        tenant: TenantId,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        post_key: &str,
        limit: u32,
    ) -> Result<Vec<Master>>;

    /// Gives a master to a post, which has its bytes as media from then on, while the lease holds
    /// ([`LeaseLost`](crate::ErrorKind::LeaseLost)); `false`, and nothing is written, when another post has it by now.
    async fn give(&self, lease: Lease, master: &Master, post: PostId) -> Result<bool>;

    /// The tenant's masters, the one that came last first, at most `limit`.
    async fn list(&self, tenant: TenantId, limit: u32) -> Result<Vec<Master>>;

    /// Everybody's masters that came before a time, at most `limit`, for upkeep; each with whether no post names its bytes.
    async fn stale(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<(Master, bool)>>;

    /// Forgets a master. Nothing there is fine.
    async fn forget(&self, id: MasterId) -> Result<()>;
}
