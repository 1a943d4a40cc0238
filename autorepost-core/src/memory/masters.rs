//! Masters in memory.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Memory;
use crate::{
    Result,
    id::{MasterId, PostId, TenantId},
    job::Lease,
    master::Master,
    port::MasterStore,
};

#[async_trait]
impl MasterStore for Memory {
    async fn keep(&self, master: &Master) -> Result<bool> {
        self.unit(|world| {
            let same = |row: &Master| row.tenant == master.tenant && row.media.key == master.media.key;
            if world.masters.values().any(same) {
                return Ok(false);
            }
            world.masters.insert(master.id, master.clone());
            Ok(true)
        })
    }

    async fn free(
        &self,
        tenant: TenantId,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        post_key: &str,
        limit: u32,
    ) -> Result<Vec<Master>> {
        self.unit(|world| {
            let wanted = |row: &&Master| {
                let in_time = (from..=to).contains(&row.made_at);
                row.tenant == tenant && row.post.is_none() && (in_time || row.sidecar.post_key() == Some(post_key))
            };
            let mut rows: Vec<_> = world.masters.values().filter(wanted).collect();
            rows.sort_by_key(|row| (row.made_at, row.id));
            Ok(rows.into_iter().take(limit as usize).cloned().collect())
        })
    }

    async fn give(&self, lease: Lease, master: &Master, post: PostId) -> Result<bool> {
        self.unit(|world| {
            world.leased(lease, "give master")?;
            let Some(row) = world.masters.get_mut(&master.id).filter(|row| row.post.is_none()) else {
                return Ok(false);
            };
            row.post = Some(post);
            if let Some(row) = world.posts.get_mut(&post).filter(|row| row.tenant == master.tenant) {
                row.media = Some(master.media.clone());
            }
            Ok(true)
        })
    }

    async fn list(&self, tenant: TenantId, limit: u32) -> Result<Vec<Master>> {
        self.unit(|world| {
            let mut rows: Vec<_> = world.masters.values().filter(|row| row.tenant == tenant).collect();
            rows.sort_by_key(|row| std::cmp::Reverse((row.received_at, row.id)));
            Ok(rows.into_iter().take(limit as usize).cloned().collect())
        })
    }

    async fn stale(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<(Master, bool)>> {
        self.unit(|world| {
            let named = |row: &Master| {
                world.posts.values().any(|post| post.media.as_ref().is_some_and(|media| media.key == row.media.key))
            };
            let mut rows: Vec<_> = world.masters.values().filter(|row| row.received_at < before).collect();
            rows.sort_by_key(|row| (row.received_at, row.id));
            Ok(rows.into_iter().take(limit as usize).map(|row| (row.clone(), !named(row))).collect())
        })
    }

    async fn forget(&self, id: MasterId) -> Result<()> {
        self.unit(|world| {
            world.masters.remove(&id);
            Ok(())
        })
    }
}
