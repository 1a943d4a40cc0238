//! The in-memory ports keep their contracts.

use std::{future::ready, pin::Pin, sync::Arc, time::Duration};

use autorepost_core::{
    conformance::{Case, Stores, Time},
    memory::{ManualClock, Memory, MemoryMedia},
    port::{Clock, MediaStore},
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
        brakes: memory.clone(),
        jobs: memory.clone(),
        access: memory.clone(),
        audit: memory.clone(),
        answers: memory.clone(),
        census: memory,
        time: Arc::new(Hand(clock)),
    }));
}

autorepost_core::store_conformance!(run);

fn run_media(case: fn(Arc<dyn MediaStore>) -> Case) {
    block_on(case(Arc::new(MemoryMedia::default())));
}

autorepost_core::media_conformance!(run_media);
