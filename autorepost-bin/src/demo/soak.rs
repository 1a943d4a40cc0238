//! Hours of load on the stage while everything goes wrong, and the two books at the end.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use autorepost_core::port::{EventSink, Ports};
use autorepost_database::Database;
use autorepost_sandbox::Sandbox;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{rehearsal, report, settled, stage};
use crate::{signal, slo::percentile, telemetry::gauges::resident_bytes};

/// Points of a curve at most.
const POINTS_MAX: u32 = 600;
/// The time between two samples at least.
const SAMPLE_MIN: Duration = Duration::from_secs(1);
/// Every so often what goes wrong begins anew.
const FAULTS_EVERY: Duration = Duration::from_secs(60);
/// How long the last posts may take to come to their end.
const SETTLE_MAX: Duration = Duration::from_secs(300);

/// What a soak does.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How long posts appear.
    pub lasts: Duration,
    /// New posts in a minute; not 0.
    pub per_minute: u32,
    /// Seed of what goes wrong.
    pub seed: u64,
}

/// What was seen at a moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Since the beginning, in hours.
    pub hours: f64,
    /// Publications that the public saw by then.
    pub published: usize,
    /// Memory of this process, in bytes; the sandbox is in it.
    pub resident_bytes: Option<u64>,
}

/// What came of a soak.
#[derive(Debug, Serialize)]
pub struct Soaked {
    /// Posts that appeared at the source.
    pub posts: usize,
    /// Publications that the public saw.
    pub published: usize,
    /// Publications beyond the first of a post at a destination.
    pub duplicates: usize,
    /// Posts that a destination lacks.
    pub lost: usize,
    /// Faults that happened.
    pub faults: u32,
    /// How long it took, with the end.
    pub seconds: f64,
    /// Median of the time from post to publication, in seconds.
    pub publish_p50_seconds: Option<f64>,
    /// The same, 95th percentile.
    pub publish_p95_seconds: Option<f64>,
    /// Where the books disagree.
    pub disagreements: Vec<String>,
    /// The course of it.
    pub samples: Vec<Sample>,
    /// When each was published, in hours since the beginning, and how many seconds after its post; in the order of time.
    pub times: Vec<(f64, f64)>,
}

impl Soaked {
    /// Whether each post is at each destination once, and both books say so.
    pub fn is_well(&self) -> bool {
        self.duplicates == 0 && self.lost == 0 && self.disagreements.is_empty()
    }
}

/// Runs a soak to its end, or until Ctrl-C, from which on nothing new appears. With `database` on that one.
///
/// # Errors
///
/// When it cannot be set up, or the database fails. What it found is in the answer, agreement or not.
pub async fn run(load: Load, database: Option<Database>, events: Arc<dyn EventSink>) -> anyhow::Result<Soaked> {
    let folder = tempfile::tempdir()?;
    let sandbox = stage::empty(&stage::Options { seed: load.seed, ..stage::Options::default() }).await?;
    let database = match database {
        Some(database) => database,
        None => rehearsal::temporary_database(folder.path()).await?,
    };
    let ports = rehearsal::ports(sandbox.base_url(), folder.path(), database, events)?;
    stage::accounts_and_rules(&ports, None).await?;
    let (began, began_at) = (Instant::now(), ports.clock.now());
    let crew = rehearsal::Crew::start(&ports, "soak");
    let mut samples = Vec::new();
    let sampling = sample(&sandbox, began, load.lasts, &mut samples);
    let posts = tokio::select! {
        posts = post(&sandbox, folder.path(), load, began) => posts?,
        () = sampling => unreachable!("it samples on"),
    };
    // What is under way may go wrong still; nothing new does.
    sandbox.world().set_faults(Vec::new());
    let reposts = match timeout(SETTLE_MAX, settled(&ports, posts)).await {
        Ok(reposts) => reposts?,
        Err(_) => super::reposts(&ports).await?,
    };
    crew.stop().await?;
    let mut times: Vec<_> = reposts
        .iter()
        .filter_map(|repost| {
            let autorepost_core::state::RepostState::Published { receipt, .. } = &repost.state else { return None };
            let secs = |span: chrono::TimeDelta| span.num_milliseconds() as f64 / 1e3;
            Some((secs(receipt.at - began_at) / 3600., secs(receipt.at - repost.posted_at)))
        })
        .collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    samples.push(look(&sandbox, began));
    judge(&ports, &sandbox, reposts, posts, began, samples, times).await
}

async fn judge(
    ports: &Ports,
    sandbox: &Sandbox,
    reposts: Vec<autorepost_core::repost::Repost>,
    posts: usize,
    began: Instant,
    samples: Vec<Sample>,
    times: Vec<(f64, f64)>,
) -> anyhow::Result<Soaked> {
    let took = began.elapsed();
    let books = report::compare(ports, sandbox, reposts, took).await?;
    let mut sorted: Vec<f64> = times.iter().map(|time| time.1).collect();
    sorted.sort_by(f64::total_cmp);
    let (published, duplicates) = (books.published(), books.duplicates());
    Ok(Soaked {
        posts,
        published,
        duplicates,
        // Its clips and captions fit every destination, so nothing is left out for a reason.
        lost: (posts * stage::DESTINATIONS).saturating_sub(published - duplicates),
        faults: books.faults(),
        seconds: took.as_secs_f64(),
        publish_p50_seconds: percentile(&sorted, 50),
        publish_p95_seconds: percentile(&sorted, 95),
        disagreements: books.disagreements,
        samples,
        times,
    })
}

/// Lets posts appear, and things go wrong; answers with the number of posts.
async fn post(sandbox: &Sandbox, folder: &Path, load: Load, began: Instant) -> anyhow::Result<usize> {
    let mut due = interval(Duration::from_secs(60) / load.per_minute);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut faults = interval(FAULTS_EVERY);
    let stopped = signal::stop();
    tokio::pin!(stopped);
    let mut posts = 0;
    loop {
        tokio::select! {
            signal = &mut stopped => {
                signal.context("cannot listen for signals")?;
                return Ok(posts);
            }
            _ = faults.tick() => sandbox.world().set_faults(stage::chaos()),
            _ = due.tick() => {
                if began.elapsed() >= load.lasts {
                    return Ok(posts);
                }
                sandbox.world().add_post(stage::fresh_post(folder, posts)?);
                posts += 1;
            }
        }
    }
}

async fn sample(sandbox: &Sandbox, began: Instant, lasts: Duration, samples: &mut Vec<Sample>) {
    loop {
        samples.push(look(sandbox, began));
        sleep((lasts / POINTS_MAX).max(SAMPLE_MIN)).await;
    }
}

fn look(sandbox: &Sandbox, began: Instant) -> Sample {
    Sample {
        hours: began.elapsed().as_secs_f64() / 3600.,
        published: sandbox.world().ledger().len(),
        resident_bytes: resident_bytes(),
    }
}
