//! Gauges that are read from the database, on an interval and never for a scrape.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use autorepost_core::{
    Platform,
    connection::{Connection, ConnectionStatus},
    job::JobState,
    policy::Policy,
    port::Ports,
};
use chrono::{DateTime, NaiveTime, Utc};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    heartbeat::Pulse,
    meters::Meters,
    metric::{self, Metric},
};

/// How long one reading may take; the gauges are then a little old.
const READ_MAX: Duration = Duration::from_secs(5);
/// Accounts that have gauges of their own at most.
const CONNECTIONS_MAX: usize = 500;
/// A source that gave no good answer for so many of its longest intervals is overdue.
const INTERVALS_MISSED: u32 = 3;
/// What a look may take on top of that.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Reads the gauges of one process.
pub struct Gauges {
    /// Where they are read.
    pub ports: Ports,
    /// Where they are shown.
    pub meters: Arc<Meters>,
    /// The worker's pulse, where there is a worker.
    pub pulse: Option<Arc<Pulse>>,
    /// The numbers to work by.
    pub policy: Policy,
    /// When the process started.
    pub started_at: DateTime<Utc>,
    /// The time between two readings.
    pub every: Duration,
}

impl Gauges {
    /// Reads on, until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            self.meters.upkeep();
            self.of_the_process();
            self.meters.show_allowances(self.ports.clock.now());
            match timeout(READ_MAX, self.of_the_database()).await {
                Ok(Ok(())) => {}
                // Whoever needs the database logs that it is away: readers of the metrics see it by the age of the gauges.
                Ok(Err(error)) => tracing::debug!("the gauges were not read: {error}"),
                Err(_) => tracing::debug!("the gauges were not read in time"),
            }
        }
    }

    fn of_the_process(&self) {
        let set = |metric: &'static Metric, to| self.meters.set(metric, &[], to);
        self.meters.set(&metric::BUILD, &[env!("CARGO_PKG_VERSION")], 1.);
        set(&metric::UP_SINCE, self.started_at.timestamp() as f64);
        if let Some(bytes) = resident_bytes() {
            set(&metric::MEMORY, bytes as f64);
        }
        if let Some(made) = self.ports.keys.sealing_key_made_on() {
            set(&metric::KEY_AGE, seconds(self.ports.clock.now() - made.and_time(NaiveTime::MIN).and_utc()).max(0.));
        }
        if let Some(pulse) = &self.pulse {
            set(&metric::CLAIM_AGE, pulse.age().as_secs_f64());
        }
    }

    async fn of_the_database(&self) -> autorepost_core::Result<()> {
        let stats = self.ports.jobs.stats().await?;
        let now = self.ports.clock.now();
        for group in &stats {
            let values = [group.kind.as_str(), group.state.as_str()];
            self.meters.set(&metric::QUEUE_DEPTH, &values, group.count as f64);
        }
        let queued = stats.iter().filter(|group| group.state == JobState::Queued);
        let oldest = queued.filter_map(|group| group.oldest).min();
        let age = oldest.map_or(0., |due| seconds(now - due).max(0.));
        self.meters.set(&metric::QUEUE_OLDEST, &[], age);

        let connections = self.ports.connections.list(None).await?;
        let mut counts: BTreeMap<_, u32> = BTreeMap::new();
        for connection in &connections {
            let status = if connection.paused { "paused" } else { connection.status.as_str() };
            *counts.entry((connection.platform.as_str(), status)).or_default() += 1;
        }
        for ((platform, status), count) in counts {
            self.meters.set(&metric::CONNECTIONS, &[platform, status], count.into());
        }
        let mut overdue = 0;
        for connection in connections.iter().take(CONNECTIONS_MAX) {
            let id = connection.id.to_string();
            if let Some(secs) = expiry(connection, now) {
                self.meters.set(&metric::TOKEN_EXPIRY, &[connection.platform.as_str(), &id], secs);
            }
        }
        let sources = connections.iter().filter(|one| one.platform == Platform::TikTok && one.is_usable());
        for source in sources.take(CONNECTIONS_MAX) {
            let cursor = self.ports.posts.cursor(source.tenant, source.id).await?;
            // A source that was connected or resumed a moment ago owes nothing yet.
            let since = cursor.last_ok_at.max(Some(source.created_at)).max(source.resumed_at).unwrap_or(now);
            let age = seconds(now - since).max(0.);
            self.meters.set(&metric::SOURCE_AGE, &[&source.id.to_string()], age);
            overdue += u32::from(age > self.overdue_after().as_secs_f64());
        }
        if let Some(pulse) = &self.pulse {
            pulse.sources_overdue(overdue);
        }
        self.meters.set(&metric::COLLECTED, &[], now.timestamp() as f64);
        Ok(())
    }

    fn overdue_after(&self) -> Duration {
        self.policy.sync_max * INTERVALS_MISSED + LOOK_MAX
    }
}

/// Seconds until the account needs its owner. Tokens that a refresh token renews end within hours: that end is nobody's.
fn expiry(connection: &Connection, now: DateTime<Utc>) -> Option<f64> {
    match connection.status {
        ConnectionStatus::NeedsReconnect | ConnectionStatus::Revoked => Some(0.),
        _ if connection.method.has_refresh_token() => None,
        _ => connection.expires_at.map(|at| seconds(at - now).max(0.)),
    }
}

fn seconds(span: chrono::TimeDelta) -> f64 {
    span.num_milliseconds() as f64 / 1e3
}

/// Memory of this process, where the system tells it.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}
