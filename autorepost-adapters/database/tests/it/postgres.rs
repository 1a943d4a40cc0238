//! Postgres: one real server for all tests, one fresh database for each.

use std::{
    future::poll_fn,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use autorepost_core::{
    ErrorKind,
    conformance::{Case, Stores},
    id::JobId,
    job::{Finish, JobKind, NewJob},
};
use autorepost_database::{Database, DatabaseConfig};
use chrono::DateTime;
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::{block_on, server::Server, stores};

pub static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// Makes an empty database.
pub fn fresh() -> DatabaseConfig {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    block_on(async {
        let admin = sea_orm::Database::connect(SERVER.url("postgres")).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
    });
    DatabaseConfig { connections_max: 6, ..DatabaseConfig::new(SERVER.url(&name)) }
}

fn run(case: fn(Stores) -> Case) {
    let config = fresh();
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        case(stores(&database)).await;
    });
}

autorepost_core::store_conformance!(run);

#[test]
fn migrating_at_once_from_many_processes_works() {
    let config = fresh();
    block_on(async {
        let mut migrating = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let database = Database::connect(&config).await.unwrap();
            migrating.spawn(async move { database.migrate().await.unwrap() });
        }
        for status in migrating.join_all().await {
            assert!(status.pending.is_empty() && status.applied.len() >= 3, "{status:?}");
        }
    });
}

/// A migration may take longer than a statement, and waits for the one that runs.
#[test]
fn a_migration_waits_for_another_as_long_as_it_takes() {
    let config = DatabaseConfig { statement_timeout: Duration::from_millis(300), ..fresh() };
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        let other = sea_orm::Database::connect(config.url.clone()).await.unwrap();
        let held = other.begin().await.unwrap();
        held.execute_unprepared("SELECT pg_advisory_xact_lock(7020541180036118373)").await.unwrap();
        let migrating = tokio::spawn(async move { database.migrate().await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!migrating.is_finished(), "it did not wait");
        held.commit().await.unwrap();
        assert!(migrating.await.unwrap().unwrap().pending.is_empty());
    });
}

/// Reads one number.
pub async fn number(conn: &impl ConnectionTrait, query: &str) -> i64 {
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, query);
    conn.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// A process that was stopped in a transaction does not keep its rows for ever: the server ends the transaction.
#[test]
fn a_silent_transaction_is_ended_by_the_server() {
    let config = DatabaseConfig {
        application_name: "stopped".into(),
        idle_transaction_max: Duration::from_millis(300),
        ..fresh()
    };
    let other = DatabaseConfig { application_name: "other".into(), ..config.clone() };
    let job = NewJob::upkeep(JobId::new(DateTime::UNIX_EPOCH, [1; 10]), DateTime::UNIX_EPOCH);
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        let jobs = database.jobs();
        jobs.enqueue(std::slice::from_ref(&job)).await.unwrap();
        let claimed = jobs.claim(&JobKind::ALL, 1, Duration::from_secs(60)).await.unwrap();
        let admin = sea_orm::Database::connect(config.url.clone()).await.unwrap();

        // Driven a step at a time until it has its row and the server waits for it; then it is left there.
        let mut finish = Box::pin(jobs.finish(claimed[0].lease(), &Finish::Done));
        let free = "SELECT count(*) FROM (SELECT 1 FROM jobs FOR UPDATE SKIP LOCKED) free";
        while number(&admin, free).await == 1 {
            let ended = poll_fn(|cx| Poll::Ready(finish.as_mut().poll(cx).is_ready())).await;
            assert!(!ended, "it never had its row");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Somebody who wants the row has it as soon as the server has lost its patience.
        let other = Database::connect(&other).await.unwrap();
        let taking = other.jobs();
        let dead = Finish::Dead { note: "taken".into() };
        let taken = taking.finish(claimed[0].lease(), &dead);
        tokio::time::timeout(Duration::from_secs(10), taken).await.expect("the row is held for ever").unwrap();
        let error = finish.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(jobs.dead(9).await.unwrap().len(), 1);
    });
}

#[test]
fn connections_have_their_limits_and_their_name() {
    let config = DatabaseConfig {
        connections_max: 1,
        idle_transaction_max: Duration::from_millis(12_345),
        statement_timeout: Duration::from_millis(300),
        application_name: "worker-7".into(),
        ..fresh()
    };
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        let admin = sea_orm::Database::connect(config.url.clone()).await.unwrap();
        let named = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'worker-7'";
        assert_eq!(number(&admin, named).await, 1);

        // A table that somebody holds: the query that wants it is ended, and the connection goes on.
        let held = admin.begin().await.unwrap();
        held.execute_unprepared("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let began = std::time::Instant::now();
        let error = database.jobs().stats().await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(5), "it waited too long");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.detail().contains("took too long"), "{error}");
        held.rollback().await.unwrap();
        database.jobs().stats().await.unwrap();
        assert_eq!(number(&admin, named).await, 1);
    });
}

#[test]
fn a_missing_database_is_said() {
    let config = DatabaseConfig::new(SERVER.url("no_such_database"));
    let error = block_on(Database::connect(&config)).err().expect("no such database");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.detail().contains("create it"), "{error}");
}

#[test]
fn a_server_that_crashed_is_unavailable_and_found_again() {
    let server = Server::start();
    let config =
        DatabaseConfig { acquire_timeout: Duration::from_secs(2), ..DatabaseConfig::new(server.url("postgres")) };
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        server.down("immediate");
        let error = database.jobs().stats().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        server.up();
        database.jobs().stats().await.unwrap();
    });
}

#[test]
fn a_server_that_hangs_is_unavailable_and_found_again() {
    let server = Server::start();
    let config =
        DatabaseConfig { acquire_timeout: Duration::from_secs(2), ..DatabaseConfig::new(server.url("postgres")) };
    server.freeze();
    let error = block_on(Database::connect(&config)).err().expect("it answers nothing");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    server.thaw();
    block_on(async { Database::connect(&config).await.unwrap().migrate().await.unwrap() });
}

/// A server that falls silent in the middle of a query, as one does whose machine is gone, is given up.
#[test]
fn a_server_that_falls_silent_is_given_up() {
    let server = Server::start();
    let config = DatabaseConfig {
        acquire_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(3),
        ..DatabaseConfig::new(server.url("postgres"))
    };
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        let admin = sea_orm::Database::connect(config.url.clone()).await.unwrap();
        let held = admin.begin().await.unwrap();
        held.execute_unprepared("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let asking = {
            let database = database.clone();
            tokio::spawn(async move { database.jobs().stats().await })
        };
        while number(&admin, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.freeze();
        let given_up = tokio::time::timeout(Duration::from_secs(20), asking).await;
        server.thaw();
        let error = given_up.expect("it waits for ever").unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.detail().contains("does not answer"), "{error}");
        held.rollback().await.unwrap();
        database.jobs().stats().await.unwrap();
    });
}

/// A process that was stopped in the middle of a transaction keeps its row, and nobody's claims wait for it.
#[test]
fn a_stopped_process_holds_up_no_claim() {
    let config = fresh();
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        let job = |n: u8| NewJob {
            key: format!("key {n}"),
            lane: format!("lane {n}"),
            ..NewJob::upkeep(JobId::new(DateTime::UNIX_EPOCH, [n; 10]), DateTime::UNIX_EPOCH)
        };
        database.jobs().enqueue(&[job(1)]).await.unwrap();
        let claimed = database.jobs().claim(&JobKind::ALL, 1, Duration::from_millis(1)).await.unwrap();
        let stopped = sea_orm::Database::connect(config.url.clone()).await.unwrap();
        let held = stopped.begin().await.unwrap();
        let hold = format!("UPDATE jobs SET epoch = epoch WHERE id = '{}'", claimed[0].new.id);
        held.execute_unprepared(&hold).await.unwrap();

        database.jobs().enqueue(&[job(2)]).await.unwrap();
        let jobs = database.jobs();
        let claim = jobs.claim(&JobKind::ALL, 9, Duration::from_secs(60));
        let other = tokio::time::timeout(Duration::from_secs(5), claim).await.expect("the claim waits").unwrap();
        assert_eq!(other.iter().map(|job| job.new.key.as_str()).collect::<Vec<_>>(), ["key 2"]);
        held.rollback().await.unwrap();
        let freed = database.jobs().claim(&JobKind::ALL, 9, Duration::from_secs(60)).await.unwrap();
        assert_eq!(freed.iter().map(|job| (job.new.key.as_str(), job.attempts)).collect::<Vec<_>>(), [("key 1", 1)]);
    });
}
