//! Backfills.

use async_trait::async_trait;

use crate::{
    Result,
    backfill::{Backfill, Turn},
    id::{RuleId, TenantId},
    job::{Lease, NewJob},
};

/// Keeps backfills: one for each rule at most.
#[async_trait]
pub trait BackfillStore: Send + Sync {
    /// Begins a backfill with its job, in place of one of the rule that is over;
    /// [`Conflict`](crate::ErrorKind::Conflict) when one is going. The
    /// version counts on from that one, so that whoever read it cannot write over the new. Answers with the row as it is then.
    async fn begin(&self, backfill: &Backfill, job: &NewJob) -> Result<Backfill>;

    /// The backfill of a rule, whether it is over or not.
    async fn get(&self, tenant: TenantId, rule: RuleId) -> Result<Option<Backfill>>;

    /// Backfills, the oldest first: a tenant's, or everybody's for upkeep.
    async fn list(&self, tenant: Option<TenantId>) -> Result<Vec<Backfill>>;

    /// Replaces the row whose version is `backfill.version`, counts the version up, and writes the turns that this gives,
    /// all or nothing: a crash neither repeats a turn nor forgets one. With a lease, only while it holds
    /// ([`LeaseLost`](crate::ErrorKind::LeaseLost)). [`Conflict`](crate::ErrorKind::Conflict) when the row has another
    /// version, or the key of one of the reposts exists. Answers with the row as it is then.
    async fn step(&self, backfill: &Backfill, lease: Option<Lease>, turns: &[Turn]) -> Result<Backfill>;
}
