//! A heartbeat outwards: health that means work, for a service that rings when it does not come.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use autorepost_core::seal::Secret;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::Outage;

/// What a worker's life is told by.
#[derive(Debug)]
pub struct Pulse {
    reached_at: Mutex<Instant>,
    /// Unknown, and so not well, until they were counted.
    overdue: AtomicU32,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { reached_at: Mutex::new(Instant::now()), overdue: AtomicU32::new(u32::MAX) }
    }
}

impl Pulse {
    /// The queue answered: a claim, or the heartbeat of what runs when there is room for no more.
    pub fn reached(&self) {
        *self.reached_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long ago the queue last answered.
    pub fn age(&self) -> Duration {
        self.reached_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// So many sources are overdue.
    pub fn sources_overdue(&self, count: u32) {
        self.overdue.store(count, Ordering::Relaxed);
    }

    fn is_well(&self, within: Duration) -> bool {
        self.age() < within && self.overdue.load(Ordering::Relaxed) == 0
    }
}

/// Beats after each `every` in which the worker reached its queue and no source is overdue, until `stop` says so.
pub async fn beat(to: Secret, pulse: Arc<Pulse>, every: Duration, mut stop: watch::Receiver<bool>) {
    let Ok(client) = super::client() else {
        tracing::error!("no heartbeat: the HTTP client could not be made");
        return;
    };
    let outage = Outage::of("sending the heartbeat to AUTOREPOST_HEARTBEAT_URL");
    let mut beats = interval(every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats.tick().await;
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if pulse.is_well(every) {
            outage.note(client.get(to.expose()).send().await);
        } else {
            tracing::warn!(
                "no heartbeat: {} source(s) overdue, the queue answered {} s ago",
                match pulse.overdue.load(Ordering::Relaxed) {
                    u32::MAX => "unknown".to_owned(),
                    count => count.to_string(),
                },
                pulse.age().as_secs()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_well_only_while_it_works_and_no_source_is_overdue() {
        const HOUR: Duration = Duration::from_secs(3600);
        let pulse = Pulse::default();
        assert!(!pulse.is_well(HOUR), "nothing is known of the sources yet");
        pulse.sources_overdue(0);
        assert!(pulse.is_well(HOUR));
        assert!(!pulse.is_well(Duration::ZERO), "the queue answered longer ago");
        pulse.sources_overdue(1);
        assert!(!pulse.is_well(HOUR));
    }
}
