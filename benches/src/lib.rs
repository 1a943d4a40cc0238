//! The work that is measured: batches of jobs on SQLite, one post on in-memory ports, sealing.

use std::time::Duration;

use autorepost_core::{
    Platform, Result,
    connection::AuthMethod,
    id::{ConnectionId, JobId, TenantId},
    job::{Finish, JobKind, NewJob},
    memory::{Bench, SeededEntropy},
    policy::Policy,
    port::{EntropyExt, JobQueue},
    seal::{Binding, KeyRing, Purpose, Secret},
    worker::Worker,
};
use autorepost_database::{Database, DatabaseConfig};
use autorepost_examples::{connect, post, rule_to_x};
use chrono::{DateTime, Utc};
use tempfile::TempDir;
use uuid::Uuid;

/// Jobs of a batch.
pub const BATCH: u32 = 100;

/// The time of every bench.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_000, 0).expect("in range")
}

/// A job queue in a SQLite file of its own.
pub struct Queue {
    jobs: std::sync::Arc<dyn JobQueue>,
    entropy: SeededEntropy,
    _folder: TempDir,
}

impl Queue {
    /// An empty queue.
    ///
    /// # Errors
    ///
    /// When the file cannot be made.
    pub async fn new() -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|cause| {
            autorepost_core::Error::unavailable("make bench", "no temporary folder can be made").source(cause)
        })?;
        let url = format!("sqlite://{}", folder.path().join("bench.db").display());
        let database = Database::connect(&DatabaseConfig::new(url)).await?;
        database.migrate().await?;
        Ok(Self { jobs: database.jobs(), entropy: SeededEntropy::new(1), _folder: folder })
    }

    /// Writes a batch of jobs, claims it and finishes it, and answers with how many there were.
    ///
    /// # Errors
    ///
    /// When the queue fails.
    pub async fn batch(&self) -> Result<usize> {
        let new: Vec<_> = (0..BATCH).map(|_| self.job()).collect();
        self.jobs.enqueue(&new).await?;
        let claimed = self.jobs.claim(&JobKind::ALL, BATCH, Duration::from_secs(60)).await?;
        for job in &claimed {
            self.jobs.finish(job.lease(), &Finish::Done).await?;
        }
        Ok(claimed.len())
    }

    fn job(&self) -> NewJob {
        let id = JobId::new(now(), self.entropy.bytes());
        let key = format!("bench:{id}");
        NewJob {
            kind: JobKind::RepostPrep,
            subject: Uuid::from_bytes(self.entropy.bytes()),
            lane: key.clone(),
            key,
            ..NewJob::upkeep(id, now())
        }
    }
}

/// Takes one post from its source to X on in-memory ports, and answers with how often the public sees it.
///
/// # Errors
///
/// When a port fails.
pub async fn one_post() -> Result<usize> {
    let bench = Bench::new(1, now());
    let source = connect(&bench.ports, Platform::TikTok, AuthMethod::TiktokSession, "alice").await?;
    let x = connect(&bench.ports, Platform::X, AuthMethod::XOauth1, "alice_x").await?;
    rule_to_x(&bench.ports, &source, &x).await?;
    bench.source.add(post("1", "Hello #hello", now()), "the bytes of a video");
    let worker = Worker::new(bench.ports.clone(), Policy::default(), "bench");
    while bench.destinations[&Platform::X].shown().is_empty() {
        for job in worker.claim(&JobKind::ALL, 10).await? {
            worker.run(job).await;
        }
        bench.clock.advance(Duration::from_secs(1));
    }
    Ok(bench.destinations[&Platform::X].shown().len())
}

/// A key, and what is sealed with it.
pub struct Sealing {
    keys: KeyRing,
    binding: Binding,
    secret: Secret,
    entropy: SeededEntropy,
}

impl Sealing {
    /// A credential of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// Never: the key is right.
    pub fn new(bytes: usize) -> Result<Self> {
        let entropy = SeededEntropy::new(1);
        let connection = ConnectionId::new(now(), entropy.bytes());
        Ok(Self {
            keys: KeyRing::parse(autorepost_core::seal::generate(entropy.bytes()).expose())?,
            binding: Binding { tenant: TenantId::OWNER, connection, purpose: Purpose::Credential },
            secret: Secret::new("x".repeat(bytes)),
            entropy,
        })
    }

    /// Seals and opens it.
    ///
    /// # Errors
    ///
    /// Never: the key is right.
    pub fn there_and_back(&self) -> Result<Secret> {
        let sealed = self.keys.seal(self.entropy.bytes(), &self.binding, &self.secret)?;
        self.keys.open(&self.binding, &sealed)
    }
}
