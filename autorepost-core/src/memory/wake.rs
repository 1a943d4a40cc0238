//! Signals within one process, on any executor.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;

use super::ambient::lock;
use crate::port::Wake;

/// Signals within one process, on any executor.
#[derive(Debug, Default)]
pub struct MemoryWake(Mutex<Signals>);

#[derive(Debug, Default)]
struct Signals {
    /// How many there were.
    count: u64,
    next: u64,
    /// Who waits; each takes itself out when it ends or is dropped.
    waiting: BTreeMap<u64, Waker>,
}

#[async_trait]
impl Wake for MemoryWake {
    fn wake(&self) {
        let waiting = {
            let mut signals = lock(&self.0);
            signals.count += 1;
            std::mem::take(&mut signals.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }

    async fn wait(&self, seen: u64) -> u64 {
        Wait { signals: &self.0, seen, place: None }.await
    }
}

struct Wait<'a> {
    signals: &'a Mutex<Signals>,
    seen: u64,
    place: Option<u64>,
}

impl Future for Wait<'_> {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        let mut signals = lock(self.signals);
        if signals.count != self.seen {
            return Poll::Ready(signals.count);
        }
        let place = self.place.unwrap_or(signals.next);
        if self.place.is_none() {
            signals.next += 1;
        }
        signals.waiting.insert(place, cx.waker().clone());
        drop(signals);
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            lock(self.signals).waiting.remove(&place);
        }
    }
}
