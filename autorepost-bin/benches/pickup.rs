//! How soon a job that one process writes is done by a worker that waits in another, on a real Postgres and a real Redis over
//! TLS: `cargo bench -p autorepost-bin --bench pickup`. The time counts the transaction that writes the job, the signal, the
//! claim, the run of a job that finds nothing to do, and its end.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

#[expect(dead_code, reason = "its own tests use all of it")]
#[path = "../../autorepost-adapters/database/tests/it/server.rs"]
mod postgres;
#[expect(dead_code, reason = "its own tests use all of it")]
#[path = "../../autorepost-adapters/redis/tests/it/server.rs"]
mod redis;

use std::{sync::Arc, time::Duration};

use autorepost::{ambient::SystemClock, crew};
use autorepost_core::{
    id::{JobId, TenantId},
    job::{JobKind, NewJob},
    memory::Bench,
    policy::Policy,
    port::{Clock as _, EventSink, JobQueue as _, Signal},
    worker::Worker,
};
use autorepost_database::{Database, DatabaseConfig};
use autorepost_redis::Redis;
use chrono::DateTime;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};
use uuid::Uuid;

const JOBS: usize = 1_000;

/// Where Redis's keys of this run are.
fn namespace() -> String {
    "pickup".into()
}

/// Tells when a preparation ended.
struct Ended(mpsc::UnboundedSender<Instant>);

impl EventSink for Ended {
    fn emit(&self, signal: &Signal<'_>) {
        if let Signal::JobFinished { job, .. } = signal
            && job.new.kind == JobKind::RepostPrep
        {
            let _ = self.0.send(Instant::now());
        }
    }
}

#[tokio::main]
async fn main() {
    let (postgres, redis) = (postgres::Server::start(), redis::Server::start());
    let database = async || Database::connect(&DatabaseConfig::new(postgres.url("postgres"))).await.unwrap();
    let (here, there) = (database().await, Arc::new(database().await));
    here.migrate().await.unwrap();
    let config = redis.config();
    let (near, far) = (Redis::connect(&config).await.unwrap(), Redis::connect(&config).await.unwrap());

    let (told, mut ended) = mpsc::unbounded_channel();
    let mut ports = Bench::new(1, DateTime::UNIX_EPOCH).ports;
    ports.clock = Arc::new(SystemClock);
    ports.events = Arc::new(Ended(told));
    ports.wake = far.wake();
    ports.jobs = there.clone();
    ports.reposts = there.clone();
    ports.connections = there.clone();
    ports.posts = there;
    let worker = Arc::new(Worker::new(ports, Policy::default(), "pickup"));
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(crew::work(worker, Arc::default(), stopped));
    sleep(Duration::from_secs(1)).await;

    let wake = near.wake();
    let mut times = Vec::new();
    for number in 0..JOBS {
        let name = format!("job-{number}");
        let now = SystemClock.now();
        let job = NewJob {
            id: JobId::new(now, [number as u8; 10]),
            kind: JobKind::RepostPrep,
            tenant: TenantId::OWNER,
            subject: Uuid::from_u128(number as u128),
            key: name.clone(),
            lane: name,
            run_at: now,
            order_at: now,
            payload: None,
        };
        let began = Instant::now();
        here.enqueue(&[job]).await.unwrap();
        wake.wake();
        times.push(ended.recv().await.unwrap() - began);
        // The worker rests again.
        sleep(Duration::from_millis(15)).await;
    }
    times.sort();
    let percent = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{JOBS} jobs, from writing to done: p50 {:?}, p99 {:?}, max {:?}", percent(50), percent(99), percent(100));
}
