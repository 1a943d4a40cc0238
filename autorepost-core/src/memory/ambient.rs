//! Time that is moved by hand, chance that can be repeated, secrets from a map, and what was told.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Result,
    policy::after,
    port::{Clock, Entropy, EventSink, SecretSource, Signal},
    seal::Secret,
};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let mut now = lock(&self.0);
        *now = after(*now, by);
    }

    /// Moves it to a time, which may lie before the present one.
    pub fn set(&self, now: DateTime<Utc>) {
        *lock(&self.0) = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *lock(&self.0)
    }

    fn uptime(&self) -> Duration {
        (*lock(&self.0) - DateTime::<Utc>::UNIX_EPOCH).to_std().unwrap_or_default()
    }
}

/// Randomness that can be repeated (SplitMix64). Not for keys or nonces outside tests.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = lock(&self.0);
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Secrets from a map.
#[derive(Debug, Default)]
pub struct MapSecrets(pub BTreeMap<String, String>);

#[async_trait]
impl SecretSource for MapSecrets {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        Ok(self.0.get(name).filter(|value| !value.is_empty()).map(Secret::new))
    }
}

/// Keeps a line for each signal but transfers.
#[derive(Debug, Default)]
pub struct MemoryEvents(Mutex<Vec<String>>);

impl MemoryEvents {
    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

impl EventSink for MemoryEvents {
    fn emit(&self, signal: &Signal<'_>) {
        let line = match signal {
            Signal::JobFinished { job, outcome, note, .. } => {
                format!("job {} {outcome} {}", job.new.key, note.unwrap_or_default())
            }
            Signal::PostAdmitted { key, reposts, .. } => format!("admitted {key}, {reposts} reposts"),
            Signal::RepostMoved { platform, from, to, detail, .. } => format!("{platform} {from} → {to}: {detail}"),
            Signal::ConnectionChanged { status, detail, .. } => {
                format!("connection {status} {}", detail.unwrap_or_default())
            }
            Signal::Alarm { text, .. } => format!("alarm {text}"),
            Signal::Transfer { .. } | Signal::Conversion { .. } => return,
        };
        lock(&self.0).push(line);
    }
}
