//! The contracts, between two handles on one Redis, over TLS.

use std::sync::Arc;

use autorepost_core::conformance::{
    Case,
    ambient::{Limiters, Scratches, Wakes},
};

use crate::{Real, block_on, now, shared, two};

fn run_wake(case: fn(Wakes) -> Case) {
    block_on(async {
        let (near, far) = two(&shared().config()).await;
        case(Wakes { near: near.wake(), far: far.wake() }).await;
    });
}

fn run_limiter(case: fn(Limiters) -> Case) {
    block_on(async {
        let (near, far) = two(&shared().config()).await;
        case(Limiters { near: near.limiter(), far: far.limiter(), now: now() }).await;
    });
}

fn run_scratch(case: fn(Scratches) -> Case) {
    block_on(async {
        let (near, far) = two(&shared().config()).await;
        case(Scratches { near: near.scratch(), far: far.scratch(), time: Arc::new(Real) }).await;
    });
}

mod wake {
    autorepost_core::wake_conformance!(super::run_wake);
}

mod limiter {
    autorepost_core::limiter_conformance!(super::run_limiter);
}

mod scratch {
    autorepost_core::scratch_conformance!(super::run_scratch);
}
