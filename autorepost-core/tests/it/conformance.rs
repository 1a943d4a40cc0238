//! The in-memory ports keep their contracts.

use std::{future::ready, pin::Pin, sync::Arc, time::Duration};

use autorepost_core::{
    conformance::{
        Case, Stores, Time,
        ambient::{Limiters, Scratches, Wakes},
        secrets::{SecretFixture, sample},
    },
    memory::{ManualClock, MapSecrets, Memory, MemoryLimiter, MemoryMedia, MemoryScratch, MemoryWake},
    port::{Budget, Clock, MediaStore, Permit, RateLimiter, Scratch, Wake},
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::support::{block_on, start};

/// A clock that a case moves by hand.
struct Hand(Arc<ManualClock>);

impl Time for Hand {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    fn pass(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.advance(span);
        Box::pin(ready(()))
    }
}

fn run(case: fn(Stores) -> Case) {
    // What the cases write is due by then.
    let clock = Arc::new(ManualClock::new(start() + TimeDelta::hours(1)));
    let memory = Memory::new(clock.clone());
    block_on(case(Stores {
        connections: memory.clone(),
        rules: memory.clone(),
        posts: memory.clone(),
        reposts: memory.clone(),
        backfills: memory.clone(),
        masters: memory.clone(),
        brakes: memory.clone(),
        jobs: memory.clone(),
        access: memory.clone(),
        audit: memory.clone(),
        answers: memory.clone(),
        census: memory.clone(),
        webhooks: memory.clone(),
        renditions: memory,
        time: Arc::new(Hand(clock)),
    }));
}

autorepost_core::store_conformance!(run);

fn run_media(case: fn(Arc<dyn MediaStore>) -> Case) {
    block_on(case(Arc::new(MemoryMedia::default())));
}

autorepost_core::media_conformance!(run_media);

fn run_wake(case: fn(Wakes) -> Case) {
    let wake = Arc::new(MemoryWake::default());
    block_on(case(Wakes { near: wake.clone(), far: wake }));
}

autorepost_core::wake_conformance!(run_wake);

fn run_limiter(case: fn(Limiters) -> Case) {
    let limiter = Arc::new(MemoryLimiter::default());
    block_on(case(Limiters { near: limiter.clone(), far: limiter, now: start() }));
}

mod limiter {
    use super::run_limiter;
    autorepost_core::limiter_conformance!(run_limiter);
}

fn run_scratch(case: fn(Scratches) -> Case) {
    let clock = Arc::new(ManualClock::new(start()));
    let scratch = Arc::new(MemoryScratch::new(clock.clone()));
    block_on(case(Scratches { near: scratch.clone(), far: scratch, time: Arc::new(Hand(clock)) }));
}

mod scratch {
    use super::run_scratch;
    autorepost_core::scratch_conformance!(run_scratch);
}

/// Real threads that ask at once are granted the limit, and threads that wait are woken.
#[test]
fn threads_share_what_is_in_memory() {
    let limiter = MemoryLimiter::default();
    let budget = Budget { name: "a".into(), limit: 100, per: Duration::from_secs(10) };
    let wake = MemoryWake::default();
    let granted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    block_on(wake.wait(0));
                    let asked = (0..50).map(|_| block_on(limiter.acquire(&budget, start())).unwrap());
                    asked.filter(|answer| *answer == Permit::Granted).count()
                })
            })
            .collect();
        wake.wake();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(granted, 100);
}

/// What is kept in memory has an end: what is over soonest makes room.
#[test]
fn memory_is_bounded() {
    let scratch = MemoryScratch::new(Arc::new(ManualClock::new(start())));
    let second = Duration::from_secs(1);
    block_on(scratch.put("first", b"", second)).unwrap();
    for n in 0..MemoryScratch::VALUES_MAX {
        block_on(scratch.put(&n.to_string(), b"", 2 * second)).unwrap();
    }
    assert_eq!(block_on(scratch.peek("first")).unwrap(), None);
    assert!(block_on(scratch.peek("0")).unwrap().is_some());

    let limiter = MemoryLimiter::default();
    let later = |secs| start() + TimeDelta::seconds(secs);
    block_on(limiter.close("first", later(60))).unwrap();
    for n in 0..MemoryLimiter::NAMES_MAX {
        block_on(limiter.close(&n.to_string(), later(61))).unwrap();
    }
    assert_eq!(block_on(limiter.closed_until("first", start())).unwrap(), None);
    assert_eq!(block_on(limiter.closed_until("0", start())).unwrap(), Some(later(61)));
}

fn run_secrets(case: fn(SecretFixture) -> Case) {
    block_on(case(SecretFixture { source: Arc::new(MapSecrets(sample())), replace: None }));
}

autorepost_core::secret_conformance!(fixed run_secrets);
