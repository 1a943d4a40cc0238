//! What the program tells of itself: metrics, logs, traces, reports of errors, and a heartbeat.
//!
//! Every sink may be away at any time: nothing here waits for one, or fails with it.

pub mod gauges;
pub mod heartbeat;
pub mod log;
pub mod meters;
pub mod metric;
pub mod push;
mod reports;
mod scrub;
mod sinks;
mod traces;

use std::{
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

pub use meters::Meters;
pub use sinks::Sinks;

/// How long a sink may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A client for sinks: everything that it sends ends in time.
fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(ANSWER_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("autorepost/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Whether a sink is away: told once when it goes, and once when it is back.
#[derive(Debug)]
struct Outage {
    what: &'static str,
    away: AtomicBool,
}

impl Outage {
    const fn of(what: &'static str) -> Self {
        Self { what, away: AtomicBool::new(false) }
    }

    fn over(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("{} again", self.what);
        }
    }

    fn goes_on(&self, why: &dyn Display) {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!("not {}: {why}; it is tried again, and said when it works", self.what);
        }
    }

    /// Takes note of an answer. The address, which may hold a token, is left out.
    fn note(&self, answer: reqwest::Result<reqwest::Response>) {
        match answer {
            Ok(answer) if answer.status().is_success() => self.over(),
            Ok(answer) => self.goes_on(&format!("the answer was {}", answer.status().as_u16())),
            Err(error) => self.goes_on(&reason(&error)),
        }
    }
}

fn reason(error: &reqwest::Error) -> &'static str {
    match error {
        error if error.is_timeout() => "no answer in time",
        error if error.is_connect() => "the address cannot be reached",
        _ => "the connection was cut",
    }
}
