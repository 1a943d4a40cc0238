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
};
use autorepost_database::{Database, DatabaseConfig};
use sea_orm::ConnectionTrait;

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
