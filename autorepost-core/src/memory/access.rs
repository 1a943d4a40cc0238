//! Tenants, keys, the audit log, answers to repeat, and counts in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Memory;
use crate::{
    Error, ErrorKind, Result,
    access::{ApiKey, AuditEntry, Tenant},
    id::{ApiKeyId, JobId, TenantId},
    job::{Job, JobState},
    port::{
        ANSWERS_MAX, AccessStore, AuditLog, AuditQuery, Begun, Census, IdempotencyClaim, IdempotencyKey,
        IdempotencyStore, JobStats, KeyQuery, RepostCount, StoredAnswer,
    },
};

/// A request that may be asked again.
pub(super) struct Record {
    digest: String,
    token: Uuid,
    until: DateTime<Utc>,
    answer: Option<StoredAnswer>,
}

#[async_trait]
impl AccessStore for Memory {
    async fn add_tenant(&self, tenant: &Tenant) -> Result<()> {
        self.unit(|world| {
            if world.tenants.contains_key(&tenant.id) || world.tenants.values().any(|row| row.name == tenant.name) {
                return Err(Error::conflict("add tenant", format!("there is a tenant \"{}\" already", tenant.name)));
            }
            world.tenants.insert(tenant.id, tenant.clone());
            Ok(())
        })
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>> {
        self.unit(|world| Ok(world.tenants.get(&id).cloned()))
    }

    async fn tenants(&self, after: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>> {
        self.unit(|world| {
            let rows = world.tenants.values().filter(|row| after.is_none_or(|after| row.id > after));
            Ok(rows.take(limit as usize).cloned().collect())
        })
    }

    async fn add_key(&self, key: &ApiKey) -> Result<()> {
        self.unit(|world| match world.api_keys.contains_key(&key.id) {
            true => Err(Error::conflict("add API key", "a key with this id exists already")),
            false => {
                world.api_keys.insert(key.id, key.clone());
                Ok(())
            }
        })
    }

    async fn key(&self, id: ApiKeyId) -> Result<Option<ApiKey>> {
        self.unit(|world| Ok(world.api_keys.get(&id).cloned()))
    }

    async fn keys(&self, query: &KeyQuery) -> Result<Vec<ApiKey>> {
        self.unit(|world| {
            let wanted = |row: &&ApiKey| {
                (query.tenant.is_none() || row.tenant == query.tenant) && query.after.is_none_or(|after| row.id > after)
            };
            Ok(world.api_keys.values().filter(wanted).take(query.limit as usize).cloned().collect())
        })
    }

    async fn revoke(&self, id: ApiKeyId, at: DateTime<Utc>) -> Result<bool> {
        self.unit(|world| match world.api_keys.get_mut(&id).filter(|key| key.revoked_at.is_none()) {
            Some(key) => {
                key.revoked_at = Some(at);
                Ok(true)
            }
            None => Ok(false),
        })
    }
}

#[async_trait]
impl AuditLog for Memory {
    async fn append(&self, entry: &AuditEntry) -> Result<()> {
        self.unit(|world| {
            world.audit.insert((entry.at, entry.id), entry.clone());
            Ok(())
        })
    }

    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        self.unit(|world| {
            let wanted = |row: &&AuditEntry| {
                row.tenant == query.tenant && query.after.is_none_or(|after| (row.at, row.id) < after)
            };
            Ok(world.audit.values().rev().filter(wanted).take(query.limit as usize).cloned().collect())
        })
    }

    async fn prune(&self, before: DateTime<Utc>, max: u32) -> Result<u64> {
        self.unit(|world| {
            let old: Vec<_> = world.audit.keys().filter(|(at, _)| *at < before).take(max as usize).copied().collect();
            old.iter().for_each(|line| drop(world.audit.remove(line)));
            Ok(old.len() as u64)
        })
    }
}

#[async_trait]
impl IdempotencyStore for Memory {
    async fn begin(&self, key: &IdempotencyKey, claim: &IdempotencyClaim, now: DateTime<Utc>) -> Result<Begun> {
        self.unit(|world| {
            world.answers.retain(|_, record| record.until > now);
            if let Some(record) = world.answers.get(key) {
                return Ok(match &record.answer {
                    _ if record.digest != claim.digest => Begun::Different,
                    Some(answer) => Begun::Answered(answer.clone()),
                    None => Begun::Running,
                });
            }
            let mine = world.answers.keys().filter(|row| row.tenant == key.tenant && row.api_key == key.api_key);
            if mine.count() >= ANSWERS_MAX as usize {
                return Err(too_many());
            }
            let IdempotencyClaim { digest, token, until } = claim.clone();
            world.answers.insert(key.clone(), Record { digest, token, until, answer: None });
            Ok(Begun::Claimed)
        })
    }

    async fn finish(
        &self,
        key: &IdempotencyKey,
        token: Uuid,
        answer: &StoredAnswer,
        until: DateTime<Utc>,
    ) -> Result<()> {
        self.unit(|world| {
            let mine = world.answers.get_mut(key).filter(|record| record.token == token && record.answer.is_none());
            let record = mine.ok_or_else(|| Error::lease_lost("keep answer"))?;
            (record.answer, record.until) = (Some(answer.clone()), until);
            Ok(())
        })
    }

    async fn forget(&self, key: &IdempotencyKey, token: Uuid) -> Result<()> {
        self.unit(|world| {
            if world.answers.get(key).is_some_and(|record| record.token == token && record.answer.is_none()) {
                world.answers.remove(key);
            }
            Ok(())
        })
    }
}

/// The error of a key that has as many answers as it may have.
fn too_many() -> Error {
    let text = format!("this key has {ANSWERS_MAX} answers waiting to be repeated: ask without an idempotency key");
    Error::new(ErrorKind::Quota, "keep answer", text)
}

#[async_trait]
impl Census for Memory {
    async fn reposts(&self, tenant: TenantId) -> Result<Vec<RepostCount>> {
        self.unit(|world| {
            let mut counts = BTreeMap::new();
            for row in world.reposts.values().filter(|row| row.tenant == tenant) {
                *counts.entry((row.key.platform, row.state.name())).or_default() += 1;
            }
            let count =
                |((platform, state), count): ((_, &str), u64)| RepostCount { platform, state: state.into(), count };
            Ok(counts.into_iter().map(count).collect())
        })
    }

    async fn jobs(&self, tenant: Option<TenantId>) -> Result<Vec<JobStats>> {
        self.unit(|world| {
            let mut groups: BTreeMap<_, JobStats> = BTreeMap::new();
            for job in world.jobs.values().filter(|job| tenant.is_none_or(|tenant| job.new.tenant == tenant)) {
                let (kind, state) = (job.new.kind, job.state);
                let group = groups.entry((kind, state.as_str()));
                let group = group.or_insert(JobStats { kind, state, count: 0, oldest: None });
                group.count += 1;
                group.oldest = Some(group.oldest.map_or(job.new.run_at, |oldest| oldest.min(job.new.run_at)));
            }
            Ok(groups.into_values().collect())
        })
    }

    async fn dead(&self, tenant: Option<TenantId>, after: Option<JobId>, limit: u32) -> Result<Vec<Job>> {
        self.unit(|world| {
            let wanted = |job: &&Job| {
                job.state == JobState::Dead
                    && tenant.is_none_or(|tenant| job.new.tenant == tenant)
                    && after.is_none_or(|after| job.new.id < after)
            };
            Ok(world.jobs.values().rev().filter(wanted).take(limit as usize).cloned().collect())
        })
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        self.unit(|world| Ok(world.jobs.get(&id).cloned()))
    }
}
