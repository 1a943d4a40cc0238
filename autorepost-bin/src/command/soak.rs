//! `soak`: hours of synthetic load with faults, in this process, and a report of how it went.

mod chart;

use std::{fs, path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use autorepost_core::{
    id::TenantId,
    policy::Policy,
    port::{Ports, RepostQuery},
    repost::Repost,
    state::RepostState,
};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, interval, sleep};

use super::table;
use crate::{
    ambient::Log,
    cli,
    demo::{Play, compare, stage},
    screen::{Bars, Screen},
};

/// How long everything may take to come to its end when no more posts are made.
const DRAIN_MAX: Duration = Duration::from_secs(1_800);
/// The time between two samples, and between two helpings of faults.
const SAMPLE_EVERY: Duration = Duration::from_secs(60);
/// How long media stay: a soak makes gigabytes of them.
const MEDIA_KEPT: Duration = Duration::from_secs(600);
/// Reposts that one look reads.
const REPOSTS_MAX: u32 = 1_000_000;

/// How things stood at a moment.
#[derive(Clone, Serialize)]
struct Sample {
    /// Minutes since the beginning.
    minute: f64,
    /// Posts that were made so far.
    posts: usize,
    /// Publications so far.
    published: usize,
    /// Reposts that are on their way.
    open: usize,
    /// What the process holds in memory, in MiB; nothing where the system does not tell.
    memory_mib: Option<f64>,
}

pub async fn soak(options: cli::Soak, screen: Screen, as_json: bool) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let scene = stage::Options { seed: options.seed, chaos: !options.calm, bare: true, ..stage::Options::default() };
    let policy = Policy { media_kept: MEDIA_KEPT, ..Policy::brisk() };
    let events = Arc::new(Bars::new(screen.clone(), Log));
    let play = Play::begin(folder.path(), &scene, events, policy).await?;
    let load = Load { play, calm: options.calm, screen, began: Instant::now(), samples: Vec::new() };
    let outcome = load.run(folder.path(), Duration::from_secs_f64(options.hours * 3600.0), options.post_every).await?;
    if let Some(path) = &options.report {
        fs::write(path, outcome.page()?).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    match as_json {
        true => println!("{:#}", outcome.value()),
        false => print!("{}", outcome.text(options.report.as_deref())),
    }
    Ok(if outcome.disagreements.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Load {
    play: Play,
    calm: bool,
    screen: Screen,
    began: Instant,
    samples: Vec<Sample>,
}

/// What a soak came to.
struct Outcome {
    posts: usize,
    published: usize,
    faults: u32,
    took: Duration,
    /// Seconds from the post to its publication, the shortest first.
    waits: Vec<f64>,
    samples: Vec<Sample>,
    disagreements: Vec<String>,
}

impl Load {
    async fn run(mut self, folder: &Path, span: Duration, post_every: f64) -> anyhow::Result<Outcome> {
        let (end, mut posts) = (self.began + span, 0);
        let (mut posting, mut sampling) = (interval(Duration::from_secs_f64(post_every)), interval(SAMPLE_EVERY));
        while Instant::now() < end {
            tokio::select! {
                _ = posting.tick() => {
                    stage::post_now(&self.play.sandbox, folder, posts)?;
                    posts += 1;
                }
                _ = sampling.tick() => self.sample(posts).await?,
            }
        }
        self.play.sandbox.world().set_faults(Vec::new());
        let late = Instant::now() + DRAIN_MAX;
        let reposts = loop {
            let reposts = reposts(&self.play.ports).await?;
            let all = reposts.len() >= posts * stage::DESTINATIONS;
            if all && reposts.iter().all(|repost| repost.state.is_terminal()) || Instant::now() > late {
                break reposts;
            }
            sleep(Duration::from_millis(500)).await;
        };
        self.sample(posts).await?;
        self.judge(posts, reposts).await
    }

    async fn sample(&mut self, posts: usize) -> anyhow::Result<()> {
        if !self.calm {
            self.play.sandbox.world().set_faults(stage::chaos());
        }
        let reposts = reposts(&self.play.ports).await?;
        let sample = Sample {
            minute: self.began.elapsed().as_secs_f64() / 60.0,
            posts,
            published: self.play.sandbox.world().ledger().len(),
            open: reposts.iter().filter(|repost| !repost.state.is_terminal()).count(),
            memory_mib: memory_mib(),
        };
        let Sample { minute, published, open, .. } = &sample;
        self.screen.line(&format!("{minute:.0} min: {posts} posts, {published} publications, {open} on their way"));
        self.samples.push(sample);
        Ok(())
    }

    async fn judge(self, posts: usize, reposts: Vec<Repost>) -> anyhow::Result<Outcome> {
        let took = self.began.elapsed();
        let mut waits: Vec<f64> = reposts.iter().filter_map(wait).collect();
        waits.sort_by(f64::total_cmp);
        let (admitted, open) = (reposts.len(), reposts.iter().filter(|repost| !repost.state.is_terminal()).count());
        let (ports, sandbox) = self.play.end().await?;
        let report = compare(&ports, &sandbox, reposts, took).await?;
        let mut disagreements = report.disagreements.clone();
        if admitted < posts * stage::DESTINATIONS {
            disagreements.push(format!("{admitted} reposts of {posts} posts: some were never found"));
        }
        if open > 0 {
            disagreements.push(format!("{open} reposts did not come to their end"));
        }
        let (published, faults) = (report.published(), report.faults());
        Ok(Outcome { posts, published, faults, took, waits, samples: self.samples, disagreements })
    }
}

async fn reposts(ports: &Ports) -> anyhow::Result<Vec<Repost>> {
    let query = RepostQuery { limit: REPOSTS_MAX, ..RepostQuery::default() };
    Ok(ports.reposts.list(TenantId::OWNER, &query).await?)
}

fn wait(repost: &Repost) -> Option<f64> {
    match &repost.state {
        RepostState::Published { receipt, .. } => Some((receipt.at - repost.posted_at).as_seconds_f64()),
        _ => None,
    }
}

/// What Linux says that the process holds.
fn memory_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}

impl Outcome {
    /// The wait that so many of a hundred publications did not exceed.
    fn percentile(&self, percent: usize) -> Option<f64> {
        let last = self.waits.len().checked_sub(1)?;
        self.waits.get(last * percent / 100).copied()
    }

    fn value(&self) -> serde_json::Value {
        json!({
            "posts": self.posts, "published": self.published, "faults": self.faults,
            "minutes": self.took.as_secs_f64() / 60.0,
            "seconds_to_publish": { "p50": self.percentile(50), "p95": self.percentile(95), "p99": self.percentile(99) },
            "disagreements": self.disagreements, "samples": self.samples,
        })
    }

    fn text(&self, report: Option<&Path>) -> String {
        let secs = |percent| self.percentile(percent).map_or("-".into(), |secs| format!("{secs:.1} s"));
        let mut rows = table(&["", ""]);
        rows.add_row(["time", &format!("{:.1} min", self.took.as_secs_f64() / 60.0)]);
        rows.add_row(["posts", &self.posts.to_string()]);
        rows.add_row(["publications", &self.published.to_string()]);
        rows.add_row(["faults", &self.faults.to_string()]);
        rows.add_row(["from post to publication", &format!("p50 {}, p95 {}, p99 {}", secs(50), secs(95), secs(99))]);
        let mut text = format!("{rows}\n");
        for line in &self.disagreements {
            text += &format!("DISAGREES: {line}\n");
        }
        if self.disagreements.is_empty() {
            text += "Both books agree: each post is where it shall be, once.\n";
        }
        if let Some(path) = report {
            text += &format!("The report is {}.\n", path.display());
        }
        text
    }

    /// The report as a page of its own, with its plots in it.
    fn page(&self) -> anyhow::Result<String> {
        let line =
            |value: fn(&Sample) -> f64| self.samples.iter().map(|one| (one.minute, value(one))).collect::<Vec<_>>();
        let plots = [
            ("Publications so far", line(|one| one.published as f64)),
            ("Reposts on their way", line(|one| one.open as f64)),
            ("Memory in MiB", line(|one| one.memory_mib.unwrap_or_default())),
            ("Seconds from post to publication, by the share of publications in percent", self.shares()),
        ];
        let mut body = String::new();
        for (title, points) in &plots {
            body += &format!("<h2>{title}</h2>{}", chart::svg(points)?);
        }
        let verdict = match &self.disagreements[..] {
            [] => "Both books agree: each post is where it shall be, once.".to_owned(),
            wrong => format!("The books disagree in {} places: {}", wrong.len(), wrong.join("; ")),
        };
        Ok(format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Soak</title>\
             <style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:52rem;padding:0 1rem}}\
             svg{{width:100%;height:auto}}</style><h1>Soak</h1><p>{:.1} minutes, {} posts, {} publications, {} faults.</p><p>{}</p>{body}</html>\n",
            self.took.as_secs_f64() / 60.0,
            self.posts,
            self.published,
            self.faults,
            verdict.replace('&', "&amp;").replace('<', "&lt;"),
        ))
    }

    fn shares(&self) -> Vec<(f64, f64)> {
        (0..=100).filter_map(|percent| Some((percent as f64, self.percentile(percent)?))).collect()
    }
}
