//! Every metric, as data: `docs/operations.md` is held against this table.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// It counts up from the start of the process.
    Counter,
    /// It is what it is now.
    Gauge,
    /// It counts observations in buckets with these upper ends.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Its name in Prometheus' text form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels. Each has few values.
    pub labels: &'static [&'static str],
    /// What it means.
    pub what: &'static str,
}

macro_rules! metrics {
    ($($ident:ident = $name:literal, $kind:expr, [$($label:literal),*], $what:literal;)*) => {
        $(
            #[doc = $what]
            pub static $ident: Metric = Metric { name: $name, kind: $kind, labels: &[$($label),*], what: $what };
        )*
        /// Every metric.
        pub static METRICS: &[&Metric] = &[$(&$ident),*];
    };
}

const JOB_SECONDS: Kind = Kind::Histogram(&[0.01, 0.05, 0.1, 0.5, 1., 5., 15., 60., 300., 1800.]);
const PUBLISH_SECONDS: Kind = Kind::Histogram(&[10., 30., 60., 120., 300., 600., 900., 1800., 3600., 21600., 86400.]);
const REQUEST_SECONDS: Kind = Kind::Histogram(&[0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 10., 30., 60.]);

use Kind::{Counter, Gauge};

metrics! {
    JOBS = "autorepost_jobs_total", Counter, ["kind", "outcome"],
        "Runs of jobs that ended: `done`, `stepped` (with a repost's step), `again`, `dead` or `lost`.";
    JOB_DURATION = "autorepost_job_duration_seconds", JOB_SECONDS, ["kind"],
        "How long one run of a job took.";
    QUEUE_DEPTH = "autorepost_queue_depth", Gauge, ["kind", "state"],
        "Jobs in the database: `queued`, `running`, `done` (not yet pruned) or `dead`.";
    QUEUE_OLDEST = "autorepost_queue_oldest_seconds", Gauge, [],
        "For how long the oldest job has been due that nobody has taken; 0 when there is none.";
    REPOSTS = "autorepost_reposts_total", Counter, ["platform", "outcome"],
        "Reposts that reached an end: `published`, `skipped`, `failed` or `unconfirmed`.";
    POST_TO_PUBLISHED = "autorepost_post_to_published_seconds", PUBLISH_SECONDS, ["platform"],
        "Time from the post at its source to its publication. Old posts that a new rule takes count with their age.";
    POSTS = "autorepost_posts_admitted_total", Counter, [],
        "New posts that were admitted.";
    ANSWERS = "autorepost_http_answers_total", Counter, ["class"],
        "Answers of the HTTP interface below `/v1`, by the class of their status: `2xx`, `3xx`, `4xx` or `5xx`.";
    REQUESTS = "autorepost_platform_requests_total", Counter, ["platform", "op", "status"],
        "Requests to a platform by what they were for, and the status of the answer; `none` when there was none.";
    REQUEST_DURATION = "autorepost_platform_request_seconds", REQUEST_SECONDS, ["platform"],
        "How long the head of a platform's answer took; an upload counts with its bytes.";
    BUDGET = "autorepost_budget_remaining", Gauge, ["platform", "account", "budget"],
        "What is left of an allowance, as its platform told it last, until it renews itself. No account for what all share.";
    TRANSFER = "autorepost_transfer_bytes_total", Counter, ["platform"],
        "Bytes of videos that moved: from the source, or to a destination, but the last chunk of YouTube, which publishes. A resumed upload counts from its beginning.";
    TOKEN_EXPIRY = "autorepost_token_expiry_seconds", Gauge, ["platform", "connection"],
        "Time until the account must be connected again; 0 when it must now. Nothing for credentials without a known end.";
    CONNECTIONS = "autorepost_connections", Gauge, ["platform", "status"],
        "Connected accounts by status; `paused` for those that are held.";
    SOURCE_AGE = "autorepost_source_last_ok_age_seconds", Gauge, ["connection"],
        "Time since the source last answered well, or since it was connected. Nothing for one that is paused or dead.";
    ALARMS = "autorepost_alarms_total", Counter, ["kind"],
        "Alarms: what an operator must see, by the kind of job that raised it. The log has the sentence.";
    CLAIM_AGE = "autorepost_claim_age_seconds", Gauge, [],
        "Time since this worker last reached the queue. Nothing in `api`.";
    COLLECTED = "autorepost_collected_timestamp_seconds", Gauge, [],
        "When the gauges were last read from the database. Without an answer they are gone after a minute.";
    KEY_AGE = "autorepost_key_age_seconds", Gauge, [],
        "Age of the key that seals, from the day in its id. Nothing for a key whose id has no day.";
    BUILD = "autorepost_build_info", Gauge, ["version"],
        "Always 1; the label is the version.";
    MEMORY = "autorepost_process_resident_bytes", Gauge, [],
        "Memory of the process.";
    UP_SINCE = "autorepost_start_timestamp_seconds", Gauge, [],
        "When the process started.";
}
