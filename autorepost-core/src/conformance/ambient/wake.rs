//! [`Wake`]: every worker sees every signal, and no signal twice.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use super::Wakes;
use crate::{conformance::all_at_once, port::Wake};

/// The answer of a future if it is ready now.
async fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// What a worker has seen that has nothing left to see.
async fn all_seen(wake: &dyn Wake) -> u64 {
    let mut seen = 0;
    while let Some(count) = now_or_never(wake.wait(seen)).await {
        seen = count;
    }
    seen
}

/// Every worker that waits is woken, here and in other processes.
pub async fn every_waiting_worker_is_woken(wakes: Wakes) {
    const WORKERS: usize = 16;
    let (near, far) = (all_seen(&*wakes.near).await, all_seen(&*wakes.far).await);
    let mut all: Vec<Pin<Box<dyn Future<Output = u64> + Send>>> = Vec::new();
    for _ in 0..WORKERS {
        all.push(Box::pin(wakes.near.wait(near)));
        all.push(Box::pin(wakes.far.wait(far)));
    }
    // It is polled after them: by then all of them wait.
    all.push(Box::pin(async {
        wakes.near.wake();
        0
    }));
    assert_eq!(all_at_once(all).await.len(), 2 * WORKERS + 1);
}

/// Without a signal a worker waits.
pub async fn without_a_signal_a_worker_waits(wakes: Wakes) {
    for wake in [&wakes.near, &wakes.far] {
        let seen = all_seen(&**wake).await;
        assert!(now_or_never(wake.wait(seen)).await.is_none());
    }
}

/// A signal between two waits ends the next one at once, and is seen once.
pub async fn a_signal_between_two_waits_is_not_lost(wakes: Wakes) {
    for wake in [&wakes.near, &wakes.far] {
        let mut seen = all_seen(&**wake).await;
        for _ in 0..3 {
            wakes.near.wake();
            let now = wake.wait(seen).await;
            assert_ne!(now, seen);
            seen = now;
            assert!(now_or_never(wake.wait(seen)).await.is_none(), "a signal is seen twice");
        }
        // The other handle has no part in what comes next.
        all_seen(&*wakes.far).await;
    }
}

/// A worker that was busy sees a signal that others have seen already.
pub async fn each_worker_sees_every_signal(wakes: Wakes) {
    let before = all_seen(&*wakes.far).await;
    wakes.near.wake();
    let first = wakes.far.wait(before).await;
    let busy = now_or_never(wakes.far.wait(before)).await;
    assert_eq!(busy, Some(first), "another worker has taken the signal");
}

/// A wait that is dropped takes no signal with it, whether the signal came before or after.
pub async fn a_dropped_wait_loses_nothing(wakes: Wakes) {
    let seen = all_seen(&*wakes.far).await;
    assert!(now_or_never(wakes.far.wait(seen)).await.is_none());
    {
        let mut dropped = pin!(wakes.far.wait(seen));
        assert!(now_or_never(dropped.as_mut()).await.is_none());
        wakes.near.wake();
        wakes.far.wait(seen).await;
    }
    assert!(now_or_never(wakes.far.wait(seen)).await.is_some());
}

/// Many signals at once are as good as one.
pub async fn many_signals_may_be_seen_as_one(wakes: Wakes) {
    let seen = all_seen(&*wakes.far).await;
    for _ in 0..10_000 {
        wakes.near.wake();
    }
    assert_ne!(wakes.far.wait(seen).await, seen);
}
