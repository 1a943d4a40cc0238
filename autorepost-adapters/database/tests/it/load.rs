//! Work that goes on while the server is stopped, and books that show whether anything was lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use autorepost_core::{
    Error, ErrorKind, Result,
    id::JobId,
    job::{Finish, JobKind, NewJob},
    port::JobQueue,
};
use autorepost_database::{Database, DatabaseConfig};
use chrono::DateTime;

use crate::{block_on, postgres::number, server::Server};

/// Workers at once.
const WORKERS: u8 = 4;
const LEASE: Duration = Duration::from_secs(2);
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Workers that write jobs, claim them and finish them until they are stopped.
pub struct Load {
    pub finished: Arc<AtomicU64>,
    pub failures: Arc<AtomicU64>,
    database: Database,
    stop: Arc<AtomicBool>,
    workers: tokio::task::JoinSet<u32>,
}

impl Load {
    pub fn start(database: &Database) -> Self {
        let mut load = Self {
            finished: Arc::default(),
            failures: Arc::default(),
            database: database.clone(),
            stop: Arc::default(),
            workers: tokio::task::JoinSet::new(),
        };
        for worker in 0..WORKERS {
            let (jobs, stop) = (database.jobs(), Arc::clone(&load.stop));
            let (finished, failures) = (Arc::clone(&load.finished), Arc::clone(&load.failures));
            load.workers.spawn(async move {
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    match round(&*jobs, &job(worker, written)).await {
                        Ok(count) => {
                            written += 1;
                            finished.fetch_add(count, Ordering::Relaxed);
                        }
                        Err(error) => {
                            assert!(may_happen(&error), "{error:?}");
                            failures.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
                written
            });
        }
        load
    }

    /// Waits until so many more are finished.
    pub async fn more(&self, count: u64) {
        let wanted = self.finished.load(Ordering::Relaxed) + count;
        let waiting = async {
            while self.finished.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the work goes on");
    }

    /// Waits until something fails.
    pub async fn failure(&self) {
        let seen = self.failures.load(Ordering::Relaxed);
        let waiting = async {
            while self.failures.load(Ordering::Relaxed) == seen {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("something fails");
    }

    /// Stops the workers, finishes what they left, and compares what was written with what was done.
    pub async fn settle(self, admin_url: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let written: u32 = self.workers.join_all().await.into_iter().sum();
        let admin = sea_orm::Database::connect(admin_url).await.unwrap();
        let left = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')";
        let jobs = self.database.jobs();
        let rest = async {
            while number(&admin, left).await > 0 {
                finish_some(&*jobs).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, rest).await.expect("what is left is finished");
        assert!(written > 0);
        let done = number(&admin, "SELECT count(DISTINCT key) FROM jobs WHERE state = 'done'").await;
        // A worker that was stopped in the middle may have written one more than it counted.
        assert!((i64::from(written)..=i64::from(written) + i64::from(WORKERS)).contains(&done), "{written} {done}");
        assert_eq!(number(&admin, "SELECT count(*) FROM jobs WHERE state = 'dead'").await, 0);
    }
}

fn job(worker: u8, number: u32) -> NewJob {
    let mut random = [worker; 10];
    random[..4].copy_from_slice(&number.to_be_bytes());
    let key = format!("{worker}:{number}");
    NewJob {
        kind: JobKind::RepostPrep,
        lane: key.clone(),
        key,
        ..NewJob::upkeep(JobId::new(DateTime::UNIX_EPOCH, random), DateTime::UNIX_EPOCH)
    }
}

async fn round(jobs: &dyn JobQueue, new: &NewJob) -> Result<u64> {
    jobs.enqueue(std::slice::from_ref(new)).await?;
    finish_some(jobs).await
}

async fn finish_some(jobs: &dyn JobQueue) -> Result<u64> {
    let mut count = 0;
    for claimed in jobs.claim(&JobKind::ALL, 5, LEASE).await? {
        match jobs.finish(claimed.lease(), &Finish::Done).await {
            // The lease ended while the server was away, or the answer of a finish that took effect was lost.
            Err(error) if error.kind() == ErrorKind::LeaseLost => {}
            other => {
                other?;
                count += 1;
            }
        }
    }
    Ok(count)
}

/// What a caller must reckon with while the server goes or the password changes, and nothing else.
fn may_happen(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable || error.detail().contains("refuses the user or the password")
}

/// A crash of the server costs some seconds of errors, and nothing else.
#[test]
fn a_crash_of_the_server_under_load_loses_nothing() {
    let server = Server::start();
    let config = DatabaseConfig { connections_max: 6, ..DatabaseConfig::new(server.url("postgres")) };
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        let load = Load::start(&database);
        for _ in 0..2 {
            load.more(50).await;
            server.down("immediate");
            server.up();
            load.more(50).await;
        }
        load.settle(&config.url).await;
    });
}
