//! Small values kept for a short time, within one process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ambient::lock;
use crate::{
    Result,
    policy::after,
    port::{Clock, Scratch, scratch},
};

/// Small values within one process. When there is no room, what would end first is forgotten first.
pub struct MemoryScratch {
    clock: Arc<dyn Clock>,
    values: Mutex<BTreeMap<String, Kept>>,
}

struct Kept {
    value: Vec<u8>,
    ends_at: DateTime<Utc>,
}

impl MemoryScratch {
    /// Values at most.
    pub const VALUES_MAX: usize = 10_000;

    /// Nothing yet; values end by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, values: Mutex::default() }
    }

    /// The values that have not ended.
    fn present(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        let now = self.clock.now();
        let mut values = lock(&self.values);
        values.retain(|_, kept| kept.ends_at > now);
        values
    }
}

#[async_trait]
impl Scratch for MemoryScratch {
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        scratch::check(key, value, ttl)?;
        let kept = Kept { value: value.to_vec(), ends_at: after(self.clock.now(), ttl) };
        let mut values = self.present();
        if values.len() >= Self::VALUES_MAX && !values.contains_key(key) {
            let first = values.iter().min_by_key(|(_, kept)| kept.ends_at).map(|(key, _)| key.clone());
            first.map(|key| values.remove(&key));
        }
        values.insert(key.to_owned(), kept);
        Ok(())
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.present().remove(key).map(|kept| kept.value))
    }

    async fn peek(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.present().get(key).map(|kept| kept.value.clone()))
    }
}
