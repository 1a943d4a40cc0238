//! The machine's own clock, randomness and log.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use autorepost_core::port::{Clock, Entropy, EventSink, Signal};
use chrono::{DateTime, SubsecRound, Utc};

/// The machine's clock, in whole microseconds: what every database keeps exactly.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::<Utc>::from(std::time::SystemTime::now()).trunc_subsecs(6)
    }

    fn uptime(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// The machine's randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the system has randomness");
    }
}

/// Hands every signal to each of several.
pub struct Fan(pub Vec<Arc<dyn EventSink>>);

impl EventSink for Fan {
    fn emit(&self, signal: &Signal<'_>) {
        self.0.iter().for_each(|sink| sink.emit(signal));
    }
}

/// Writes what happens to the log: a failure once, where it was handled.
#[derive(Debug, Default)]
pub struct Log;

impl EventSink for Log {
    fn emit(&self, signal: &Signal<'_>) {
        match signal {
            Signal::JobFinished { job, outcome, note, took } => {
                let (key, took_ms, attempts) = (job.new.key.as_str(), took.as_millis() as u64, job.attempts);
                match note {
                    Some(note) => tracing::info!(job = key, outcome, took_ms, attempts, "{note}"),
                    None => tracing::debug!(job = key, outcome, took_ms, attempts, "job finished"),
                }
            }
            Signal::PostAdmitted { key, reposts, post, .. } => {
                tracing::info!(post = %post, key, reposts, "new post");
            }
            Signal::RepostMoved { repost, post, platform, from, to, detail, .. } => match *to {
                "published" | "skipped" => tracing::info!(%platform, %post, %repost, from, "{to}: {detail}"),
                "failed" | "unconfirmed" | "waiting" => {
                    tracing::warn!(%platform, %post, %repost, from, "{to}: {detail}")
                }
                _ => tracing::debug!(%platform, %post, %repost, from, "{to}: {detail}"),
            },
            Signal::Transfer { repost, bytes, total, .. } => {
                tracing::trace!(repost = %repost, bytes, total, "transfer");
            }
            Signal::Conversion { repost, done_ms, total_ms } => {
                tracing::trace!(repost = %repost, done_ms, total_ms, "conversion");
            }
            Signal::ConnectionChanged { connection, status, detail } => {
                tracing::warn!(connection = %connection, status, "{}", detail.unwrap_or("the connection works again"));
            }
            Signal::Alarm { kind, text } => tracing::error!(kind = %kind, "{text}"),
            _ => {}
        }
    }
}
