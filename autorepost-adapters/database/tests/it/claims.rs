//! Claims stay quick when there are many jobs.

use std::time::{Duration, Instant};

use autorepost_core::{
    job::{Finish, JobKind},
    port::JobQueue,
};
use autorepost_database::{Database, DatabaseConfig};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection};

use crate::{
    block_on,
    postgres::{fresh, number},
};

const LEASE: Duration = Duration::from_secs(600);
/// Jobs of a claim.
const BATCH: u32 = 20;

/// A database with so many jobs that are done, that are due in as many lanes, and that are queued for later.
async fn filled(config: DatabaseConfig, done: u32, due: u32, later: u32) -> (Database, DatabaseConnection) {
    let database = Database::connect(&config).await.unwrap();
    database.migrate().await.unwrap();
    let mut options = ConnectOptions::new(config.url);
    options.max_connections(1);
    let admin = sea_orm::Database::connect(options).await.unwrap();
    let past = 1_763_600_000_000_000_i64;
    let future = 4_000_000_000_000_000_i64;
    for (state, count, run_at) in [("done", done, past), ("queued", later, future), ("queued", due, past)] {
        let insert = format!(
            "INSERT INTO jobs (id, kind, tenant, subject, key, lane, priority, run_at, order_at, state, attempts, epoch, \
             finished_at)
             SELECT gen_random_uuid(), 'repost_publish', gen_random_uuid(), gen_random_uuid(), '{state}:{run_at}:' || n,
                '{run_at}:' || n, 3, {run_at} + n, {past} + n, '{state}', 0, 1,
                CASE '{state}' WHEN 'done' THEN {past} + n END
             FROM generate_series(1, {count}) n"
        );
        admin.execute_unprepared(&insert).await.unwrap();
    }
    admin.execute_unprepared("VACUUM ANALYZE jobs").await.unwrap();
    end_others(&admin).await;
    (database, admin)
}

/// Ends all other connections: that is when they tell the server's counters what they did.
async fn end_others(admin: &DatabaseConnection) {
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                  AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let ended = async {
        while number(admin, others).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the connections end");
}

/// Claims and finishes some, and answers with the median time of a claim.
async fn measure(jobs: &dyn JobQueue, claims: usize) -> Duration {
    let mut times = Vec::new();
    for _ in 0..claims {
        let began = Instant::now();
        let claimed = jobs.claim(&JobKind::ALL, BATCH, LEASE).await.unwrap();
        times.push(began.elapsed());
        assert_eq!(claimed.len(), BATCH as usize);
        for job in claimed {
            jobs.finish(job.lease(), &Finish::Done).await.unwrap();
        }
    }
    times.sort();
    times[times.len() / 2]
}

/// What the server counts: a claim reads by its indexes, however many or few jobs are due, and so does what else a worker
/// asks all the time.
#[test]
fn a_claim_never_reads_all_jobs() {
    for (due, later) in [(5_000, 0), (200, 5_000)] {
        let config = fresh();
        block_on(async {
            let (database, admin) = filled(config, 20_000, due, later).await;
            let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'jobs'";
            let lookups = "SELECT idx_scan FROM pg_stat_user_tables WHERE relname = 'jobs'";
            let (before, looked) = (number(&admin, scans).await, number(&admin, lookups).await);
            let jobs = database.jobs();
            // Enough of them that a plan for all parameters would be chosen if it were thought better.
            measure(&*jobs, 8).await;
            let held = jobs.claim(&JobKind::ALL, 1, LEASE).await.unwrap();
            jobs.heartbeat(&[held[0].lease()], LEASE).await.unwrap();
            jobs.find(&held[0].new.key).await.unwrap().unwrap();
            jobs.hasten(std::slice::from_ref(&held[0].new.lane)).await.unwrap();
            jobs.next_due().await.unwrap();
            assert_eq!(jobs.prune(LEASE, 10).await.unwrap(), 10);
            end_others(&admin).await;
            assert!(number(&admin, lookups).await > looked + 500, "the counts were not told");
            assert_eq!(number(&admin, scans).await, before, "all jobs were read, with {due} due and {later} later");
        });
    }
}

/// `cargo test --release -p autorepost-database --test it claim_latency -- --ignored --nocapture`
#[test]
#[ignore = "a million rows take a minute: a measurement"]
fn claim_latency_is_flat() {
    let mut medians = Vec::new();
    for (done, due, later) in
        [(10_000, 1_000, 0), (200_000, 20_000, 0), (1_000_000, 100_000, 0), (1_000_000, 1_000, 100_000)]
    {
        let config = fresh();
        block_on(async {
            let (database, _) = filled(config, done, due, later).await;
            let median = measure(&*database.jobs(), 40).await;
            println!("{done} done, {due} due, {later} later: a claim of {BATCH} takes {median:?}");
            medians.push(median);
        });
    }
    for median in &medians[1..] {
        assert!(*median < 3 * medians[0] + Duration::from_millis(5), "{medians:?}");
    }
}
