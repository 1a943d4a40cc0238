//! Pushes the metrics to a Pushgateway, for networks in which nobody can fetch them.

use std::{sync::Arc, time::Duration};

use autorepost_core::seal::Secret;
use reqwest::header::CONTENT_TYPE;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{Meters, Outage};

/// The type of Prometheus' text form.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Pushes each `every`, and once more when `stop` says so.
pub async fn push(
    to: Secret,
    part: &'static str,
    meters: Arc<Meters>,
    every: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let Ok(client) = super::client() else {
        tracing::error!("no metrics are pushed: the HTTP client could not be made");
        return;
    };
    let base = to.expose().trim_end_matches('/');
    // The same name after a restart: a new one each time would leave old groups behind for ever.
    let address = format!("{base}/metrics/job/autorepost/instance/{part}-{}", host());
    let outage = Outage::of("pushing metrics to PROMETHEUS_PUSH_URL");
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = false;
    while !last {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => last = true,
        }
        let request = client.put(&address).header(CONTENT_TYPE, TEXT).body(meters.render());
        outage.note(request.send().await);
    }
}

/// The machine's name, as far as it fits an address.
fn host() -> String {
    const NAME_MAX: usize = 64;
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    let name = name.unwrap_or_default();
    let fits = |one: &char| one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | '_');
    let name: String = name.trim().chars().filter(fits).take(NAME_MAX).collect();
    if name.is_empty() { "unknown".into() } else { name }
}
