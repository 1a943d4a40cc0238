//! Postgres: one real server for all tests, one fresh database for each.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use autorepost_core::{
    ErrorKind,
    conformance::{Case, Stores},
    id::JobId,
    job::{JobKind, NewJob},
};
use autorepost_database::{Database, DatabaseConfig};
use chrono::DateTime;
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::{block_on, server::Server, stores};

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// Makes an empty database.
fn fresh() -> DatabaseConfig {
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
fn migrating_at_once_from_two_processes_works() {
    let config = fresh();
    block_on(async {
        let one = Database::connect(&config).await.unwrap();
        let two = Database::connect(&config).await.unwrap();
        let (first, second) = tokio::join!(one.migrate(), two.migrate());
        assert_eq!(first.unwrap(), second.unwrap());
        assert!(one.schema().await.unwrap().pending.is_empty());
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
