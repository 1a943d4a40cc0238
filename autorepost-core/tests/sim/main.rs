//! A deterministic simulation of the whole system: processes that are slow, stopped, killed at any await and outlive their
//! leases; a database whose answers are lost; platforms that lose answers, act late and show late; clocks that jump; tokens
//! that end; operators who pause, remove, retry and rotate keys.
//!
//! A seed is a world and a schedule. A broken promise is reported with the seed and a shortened schedule, and replays with
//! `SEED=n cargo test -p autorepost-core --test sim any_schedule -- --nocapture`; `SEEDS=n` plays more of them, from `FROM=n` on.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod accounts;
mod act;
mod crash;
mod door;
mod hub;
mod play;
mod sabotage;
mod shelf;
mod sites;
mod world;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Most of a schedule's time goes into the boxes of its futures: this allocator takes a third off.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs a future that never waits for anything but itself.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}
