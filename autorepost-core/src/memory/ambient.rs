//! Time that is moved by hand, chance that can be repeated, allowances and signals within one process.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Result,
    policy::after,
    port::{Budget, Clock, Entropy, EventSink, Permit, RateLimiter, SecretSource, Signal, Wake},
    seal::Secret,
};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

/// Names that a limiter remembers at most; the ones that are longest open are forgotten first.
const NAMES_MAX: usize = 100_000;

/// Shares allowances within one process.
#[derive(Debug, Default)]
pub struct MemoryLimiter(Mutex<BTreeMap<String, Allowance>>);

#[derive(Debug, Default)]
struct Allowance {
    taken: VecDeque<DateTime<Utc>>,
    closed_until: Option<DateTime<Utc>>,
}

#[async_trait]
impl RateLimiter for MemoryLimiter {
    async fn acquire(&self, budget: &Budget, now: DateTime<Utc>) -> Result<Permit> {
        let mut allowances = lock(&self.0);
        let allowance = allowances.entry(budget.name.clone()).or_default();
        if let Some(until) = allowance.closed_until.filter(|until| *until > now) {
            return Ok(Permit::WaitUntil(until));
        }
        while allowance.taken.front().is_some_and(|taken| after(*taken, budget.per) <= now) {
            allowance.taken.pop_front();
        }
        if allowance.taken.len() < budget.limit as usize {
            allowance.taken.push_back(now);
            return Ok(Permit::Granted);
        }
        let first = allowance.taken.front().copied().unwrap_or(now);
        Ok(Permit::WaitUntil(after(first, budget.per)))
    }

    async fn close(&self, name: &str, until: DateTime<Utc>) -> Result<()> {
        let mut allowances = lock(&self.0);
        if allowances.len() >= NAMES_MAX {
            allowances.retain(|_, allowance| allowance.closed_until.is_some_and(|closed| closed > until));
        }
        let closed = &mut allowances.entry(name.into()).or_default().closed_until;
        *closed = Some(closed.map_or(until, |closed| closed.max(until)));
        Ok(())
    }

    async fn closed_until(&self, name: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let allowances = lock(&self.0);
        Ok(allowances.get(name).and_then(|allowance| allowance.closed_until).filter(|until| *until > now))
    }
}

/// Signals within one process, on any executor.
#[derive(Debug, Default)]
pub struct MemoryWake(Mutex<Signals>);

#[derive(Debug, Default)]
struct Signals {
    pending: bool,
    waiting: Vec<Waker>,
}

#[async_trait]
impl Wake for MemoryWake {
    fn wake(&self) {
        let waiting = {
            let mut signals = lock(&self.0);
            signals.pending = true;
            std::mem::take(&mut signals.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mut signals = lock(&self.0);
            if std::mem::take(&mut signals.pending) {
                return Poll::Ready(());
            }
            signals.waiting.retain(|waker| !waker.will_wake(cx.waker()));
            signals.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
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
            Signal::Transfer { .. } => return,
        };
        lock(&self.0).push(line);
    }
}
