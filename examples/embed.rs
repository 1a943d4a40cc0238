//! Another service brings a destination of its own and runs the worker in a loop of its own:
//! `cargo run -p autorepost-examples --example embed`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use autorepost_core::{
    Platform, Result,
    connection::AuthMethod,
    job::JobKind,
    memory::Bench,
    policy::Policy,
    port::{Commit, Destination, Finding, Poll, Progress, Publication, Timing},
    state::{Receipt, Ticket},
    worker::Worker,
};
use autorepost_examples::{connect, post, rule_to_x};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;

/// A wall on which posts are pinned. Pinning is its one visible step.
#[derive(Default)]
struct Wall(Mutex<Vec<String>>);

impl Wall {
    fn pinned(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Destination for Wall {
    fn platform(&self) -> Platform {
        Platform::X
    }

    fn timing(&self) -> Timing {
        Timing { settle: Duration::from_secs(1) }
    }

    async fn begin(&self, publication: &Publication<'_>) -> Result<Ticket> {
        let handle = publication.submission.media.key.to_string();
        Ok(Ticket { handle, extra: None, begun_at: publication.now, expires_at: None })
    }

    async fn upload(&self, publication: &Publication<'_>, _: &Ticket, _: u64, progress: &dyn Progress) -> Result<()> {
        let mut bytes = 0;
        let mut body = publication.body.open(0..u64::MAX).await?;
        while let Some(chunk) = body.next().await {
            bytes += chunk?.len() as u64;
        }
        progress.sent(bytes).await
    }

    async fn poll(&self, _: &Publication<'_>, _: &Ticket) -> Result<Poll> {
        Ok(Poll::Ready)
    }

    async fn commit(&self, publication: &Publication<'_>, ticket: &Ticket) -> Commit {
        let text = format!("{} [{}]", publication.submission.content.headline(), &ticket.handle[..8]);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        Commit::Published(Receipt { id: Some(ticket.handle.clone()), url: None, at: publication.now })
    }

    async fn find(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        _: DateTime<Utc>,
        _: &[String],
    ) -> Result<Finding> {
        let mark = format!("[{}]", &ticket.handle[..8]);
        Ok(match self.pinned().iter().any(|text| text.ends_with(&mark)) {
            true => Finding::Published(Receipt { id: Some(ticket.handle.clone()), url: None, at: publication.now }),
            false => Finding::Absent,
        })
    }
}

/// Pins two posts on the wall, and answers with what hangs there.
pub async fn run() -> Result<Vec<String>> {
    let now = DateTime::from_timestamp(1_763_600_000, 0).expect("in range");
    let bench = Bench::new(1, now);
    let wall = Arc::new(Wall::default());
    let mut ports = bench.ports.clone();
    ports.destinations.insert(Platform::X, wall.clone());
    let source = connect(&ports, Platform::TikTok, AuthMethod::TiktokSession, "alice").await?;
    let x = connect(&ports, Platform::X, AuthMethod::XOauth1, "alice_x").await?;
    rule_to_x(&ports, &source, &x).await?;
    for (key, caption, minutes_ago) in [("1", "The first", 2), ("2", "The second", 1)] {
        let posted_at = now - TimeDelta::minutes(minutes_ago);
        bench.source.add(post(key, caption, posted_at), format!("the bytes of {key}"));
    }

    // The service's own loop: each job is a task, and a signal or the next due time wakes it.
    let worker = Arc::new(Worker::new(ports.clone(), Policy::default(), "embed"));
    while wall.pinned().len() < 2 {
        let mut tasks = tokio::task::JoinSet::new();
        for job in worker.claim(&JobKind::ALL, 4).await? {
            let worker = Arc::clone(&worker);
            tasks.spawn(async move { worker.run(job).await });
        }
        tasks.join_all().await;
        match ports.jobs.next_due().await? {
            Some(due) => bench.clock.set(due.max(ports.clock.now())),
            None => break,
        }
    }
    Ok(wall.pinned())
}

#[tokio::main]
async fn main() -> Result<()> {
    for text in run().await? {
        println!("{text}");
    }
    Ok(())
}
