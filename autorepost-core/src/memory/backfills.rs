//! Backfills in memory.

use async_trait::async_trait;

use super::Memory;
use crate::{
    Error, Result,
    backfill::{Backfill, Turn},
    id::{RuleId, TenantId},
    job::{Lease, NewJob},
    port::BackfillStore,
};

#[async_trait]
impl BackfillStore for Memory {
    async fn begin(&self, backfill: &Backfill, job: &NewJob) -> Result<Backfill> {
        self.unit(|world| {
            let version = match world.backfills.get(&backfill.rule) {
                Some(row) if row.is_going() => {
                    return Err(Error::conflict("begin backfill", "one of this rule is going already"));
                }
                Some(row) => row.version + 1,
                None => 0,
            };
            let stored = Backfill { version, ..backfill.clone() };
            world.backfills.insert(stored.rule, stored.clone());
            world.enqueue(job);
            Ok(stored)
        })
    }

    async fn get(&self, tenant: TenantId, rule: RuleId) -> Result<Option<Backfill>> {
        self.unit(|world| Ok(world.backfills.get(&rule).filter(|row| row.tenant == tenant).cloned()))
    }

    async fn list(&self, tenant: Option<TenantId>) -> Result<Vec<Backfill>> {
        self.unit(|world| {
            let mine = world.backfills.values().filter(|row| tenant.is_none_or(|tenant| row.tenant == tenant));
            let mut rows: Vec<_> = mine.cloned().collect();
            rows.sort_by_key(|row| (row.began_at, row.rule));
            Ok(rows)
        })
    }

    async fn step(&self, backfill: &Backfill, lease: Option<Lease>, turns: &[Turn]) -> Result<Backfill> {
        self.unit(|world| {
            let op = "move backfill";
            if let Some(lease) = lease {
                world.leased(lease, op)?;
            }
            let exists = |row: &Backfill| row.tenant == backfill.tenant && row.version == backfill.version;
            if !world.backfills.get(&backfill.rule).is_some_and(exists) {
                return Err(Error::conflict(op, "the backfill was moved meanwhile"));
            }
            let taken =
                |turn: &Turn| world.reposts.values().any(|row| row.tenant == turn.0.tenant && row.key == turn.0.key);
            if turns.iter().any(taken) {
                return Err(Error::conflict(op, "one of its reposts exists already"));
            }
            for (repost, job, entry) in turns {
                world.add(repost, Some(job), Some(entry));
            }
            let stored = Backfill { version: backfill.version + 1, ..backfill.clone() };
            world.backfills.insert(stored.rule, stored.clone());
            Ok(stored)
        })
    }
}
