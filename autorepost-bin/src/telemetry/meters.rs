//! Counts what happens, and renders it as Prometheus text.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use autorepost_core::{
    Platform,
    id::RepostId,
    job::JobKind,
    port::{EventSink, Signal},
};
use autorepost_platforms::{Allowance, Sent, Told};
use chrono::{DateTime, Utc};
use metrics::{Key, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;

use super::metric::{self, Kind, METRICS, Metric};

/// Allowances that are remembered at most.
const ALLOWANCES_MAX: usize = 500;
/// Transfers that are followed at once at most; beyond it one is counted when it has ended.
const TRANSFERS_MAX: usize = 1024;
/// A gauge that is not set for so long is gone: what it told of may be gone too.
const STALE: Duration = Duration::from_secs(60);
/// Ends of reposts that are counted.
const ENDS: [&str; 4] = ["published", "skipped", "failed", "unconfirmed"];
/// Classes of the statuses of answers.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
/// Ends of runs of jobs.
const OUTCOMES: [&str; 5] = ["done", "stepped", "again", "dead", "lost"];

/// What moves: a repost's bytes from the source, or to a destination.
type Move = (RepostId, Option<Platform>);

/// The metrics of this process.
pub struct Meters {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    moved: Mutex<HashMap<Move, u64>>,
    allowances: Mutex<Vec<Allowance>>,
}

impl Default for Meters {
    fn default() -> Self {
        let mut builder = PrometheusBuilder::new().idle_timeout(MetricKindMask::GAUGE, Some(STALE));
        for one in METRICS {
            if let Kind::Histogram(ends) = one.kind {
                builder = builder
                    .set_buckets_for_metric(Matcher::Full(one.name.to_owned()), ends)
                    .expect("the table gives each histogram its buckets");
            }
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let meters = Self { recorder, handle, moved: Mutex::default(), allowances: Mutex::default() };
        meters.describe();
        meters.begin_at_zero();
        meters
    }
}

impl Meters {
    /// The metrics as Prometheus text.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Moves observations to where they are kept. To be called now and then, or memory grows.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Counts.
    pub fn count(&self, metric: &'static Metric, values: &[&str], by: u64) {
        self.recorder.register_counter(&key(metric, values), &METADATA).increment(by);
    }

    /// Sets a gauge.
    pub fn set(&self, metric: &'static Metric, values: &[&str], to: f64) {
        self.recorder.register_gauge(&key(metric, values), &METADATA).set(to);
    }

    /// Observes a time.
    pub fn observe(&self, metric: &'static Metric, values: &[&str], time: Duration) {
        self.recorder.register_histogram(&key(metric, values), &METADATA).record(time.as_secs_f64());
    }

    /// Takes what a client of a platform tells.
    pub fn told(&self, told: Told<'_>) {
        match told {
            Told::Sent(sent) => self.sent(sent),
            Told::Allowance(allowance) => self.allowance(allowance),
        }
    }

    /// Remembers what is left of an allowance.
    fn allowance(&self, told: &Allowance) {
        let key = |one: &Allowance| (one.platform, one.account.clone(), one.budget);
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        allowances.retain(|one| key(one) != key(told));
        if allowances.len() < ALLOWANCES_MAX {
            allowances.push(told.clone());
        }
        self.show(told);
    }

    /// Shows again what is left of allowances, and forgets those that have renewed themselves.
    pub fn show_allowances(&self, now: DateTime<Utc>) {
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        allowances.retain(|one| one.until > now);
        allowances.iter().for_each(|one| self.show(one));
    }

    fn show(&self, one: &Allowance) {
        self.set(&metric::BUDGET, &[one.platform.as_str(), &one.account, one.budget], one.remaining as f64);
    }

    /// Counts a request to a platform.
    pub fn sent(&self, sent: &Sent) {
        let platform = sent.platform.as_str();
        let status = sent.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.count(&metric::REQUESTS, &[platform, sent.op, &status], 1);
        self.observe(&metric::REQUEST_DURATION, &[platform], sent.took);
        let took_ms = sent.took.as_millis() as u64;
        tracing::debug!(platform, op = sent.op, status, took_ms, "request");
    }

    fn describe(&self) {
        for one in METRICS {
            let (name, what) = (one.name.into(), SharedString::const_str(one.what));
            match one.kind {
                Kind::Counter => self.recorder.describe_counter(name, None, what),
                Kind::Gauge => self.recorder.describe_gauge(name, None, what),
                Kind::Histogram(_) => self.recorder.describe_histogram(name, None, what),
            }
        }
    }

    /// What may ring an alarm is there from the start: the first count is then a rise that can be seen.
    fn begin_at_zero(&self) {
        for kind in JobKind::ALL {
            OUTCOMES.iter().for_each(|outcome| self.count(&metric::JOBS, &[kind.as_str(), outcome], 0));
            self.count(&metric::ALARMS, &[kind.as_str()], 0);
        }
        for platform in Platform::ALL.into_iter().filter(|platform| *platform != Platform::TikTok) {
            ENDS.iter().for_each(|end| self.count(&metric::REPOSTS, &[platform.as_str(), end], 0));
        }
        self.count(&metric::POSTS, &[], 0);
        CLASSES.iter().for_each(|class| self.count(&metric::ANSWERS, &[class], 0));
    }

    /// Counts an answer of the HTTP interface.
    pub fn answered(&self, status: http::StatusCode) {
        // An answer has one of these classes; 1xx is none.
        let class = CLASSES[usize::from(status.as_u16() / 100).clamp(2, 5) - 2];
        self.count(&metric::ANSWERS, &[class], 1);
    }

    fn transfer(&self, key: Move, bytes: u64, total: Option<u64>) {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = total.is_some_and(|total| bytes >= total);
        let known = moved.get(&key).copied();
        if known.is_none() && moved.len() >= TRANSFERS_MAX && !ended {
            return;
        }
        // Fewer than before: it began again.
        let by = bytes.checked_sub(known.unwrap_or(0)).unwrap_or(bytes);
        if ended {
            moved.remove(&key);
        } else {
            moved.insert(key, bytes);
        }
        drop(moved);
        self.count(&metric::TRANSFER, &[key.1.unwrap_or(Platform::TikTok).as_str()], by);
    }
}

static METADATA: Metadata<'static> = Metadata::new("autorepost", Level::INFO, None);

fn key(metric: &'static Metric, values: &[&str]) -> Key {
    debug_assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
    let labels: Vec<Label> =
        metric.labels.iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(metric.name, labels)
}

impl EventSink for Meters {
    fn emit(&self, signal: &Signal<'_>) {
        match signal {
            Signal::JobFinished { job, outcome, took, .. } => {
                let kind = job.new.kind.as_str();
                self.count(&metric::JOBS, &[kind, outcome], 1);
                self.observe(&metric::JOB_DURATION, &[kind], *took);
            }
            Signal::PostAdmitted { .. } => self.count(&metric::POSTS, &[], 1),
            Signal::RepostMoved { repost, platform, to, posted_ago, .. } => {
                // A repost that ended moves no bytes any more.
                if ENDS.contains(to) {
                    let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
                    moved.retain(|(of, _), _| of != repost);
                    drop(moved);
                    self.count(&metric::REPOSTS, &[platform.as_str(), to], 1);
                }
                if *to == "published" {
                    self.observe(&metric::POST_TO_PUBLISHED, &[platform.as_str()], *posted_ago);
                }
            }
            Signal::Transfer { repost, to, bytes, total } => self.transfer((*repost, *to), *bytes, *total),
            Signal::Alarm { kind, .. } => self.count(&metric::ALARMS, &[kind.as_str()], 1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(meters: &Meters, series: &str) -> Option<f64> {
        meters.render().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    #[test]
    fn a_transfer_counts_each_byte_once() {
        let meters = Meters::default();
        let repost = RepostId::from_uuid(autorepost_core::id::TenantId::OWNER.uuid());
        let to = |bytes| Signal::Transfer { repost, to: Some(Platform::X), bytes, total: Some(100) };
        [10, 60, 100].into_iter().for_each(|bytes| meters.emit(&to(bytes)));
        let series = "autorepost_transfer_bytes_total{platform=\"x\"}";
        assert_eq!(value(&meters, series), Some(100.));
        // From the beginning again, after a crash in the middle.
        [30, 10, 100].into_iter().for_each(|bytes| meters.emit(&to(bytes)));
        assert_eq!(value(&meters, series), Some(100. + 30. + 100.));
        assert!(meters.moved.lock().unwrap().is_empty());
    }

    #[test]
    fn an_allowance_is_shown_as_it_was_told_last_until_it_renews_itself() {
        let meters = Meters::default();
        let now: DateTime<Utc> = DateTime::UNIX_EPOCH;
        let told = |remaining| Allowance {
            platform: Platform::X,
            account: "7".into(),
            budget: "posts_day",
            remaining,
            until: now + chrono::TimeDelta::hours(1),
        };
        [5, 4].into_iter().for_each(|remaining| meters.told(Told::Allowance(&told(remaining))));
        meters.show_allowances(now);
        let series = "autorepost_budget_remaining{platform=\"x\",account=\"7\",budget=\"posts_day\"}";
        assert_eq!(value(&meters, series), Some(4.), "{}", meters.render());
        assert_eq!(meters.allowances.lock().unwrap().len(), 1);
        meters.show_allowances(now + chrono::TimeDelta::hours(2));
        assert!(meters.allowances.lock().unwrap().is_empty());
    }

    #[test]
    fn what_may_ring_is_there_from_the_start() {
        let meters = Meters::default();
        for series in [
            "autorepost_jobs_total{kind=\"repost_publish\",outcome=\"dead\"}",
            "autorepost_reposts_total{platform=\"instagram\",outcome=\"unconfirmed\"}",
            "autorepost_alarms_total{kind=\"upkeep\"}",
        ] {
            assert_eq!(value(&meters, series), Some(0.), "{series}\n{}", meters.render());
        }
    }
}
