//! SQLite, in a file of its own for each test.

use std::path::Path;

use autorepost_core::{
    ErrorKind,
    conformance::{Case, Stores},
    job::JobKind,
};
use autorepost_database::{Database, DatabaseConfig};
use sea_orm::ConnectionTrait;

use crate::{block_on, stores};

fn config(folder: &Path) -> DatabaseConfig {
    DatabaseConfig::new(format!("sqlite://{}", folder.join("autorepost.db").display()))
}

fn run(case: fn(Stores) -> Case) {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let database = Database::connect(&config(folder.path())).await.unwrap();
        database.migrate().await.unwrap();
        case(stores(&database)).await;
    });
}

autorepost_core::store_conformance!(run);

#[test]
fn migrating_twice_and_at_once_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let (one, two) = (config(folder.path()), config(folder.path()));
        let one = Database::connect(&one).await.unwrap();
        let two = Database::connect(&two).await.unwrap();
        let (first, second) = tokio::join!(one.migrate(), two.migrate());
        assert_eq!(first.unwrap().pending, Vec::<String>::new());
        assert_eq!(second.unwrap(), one.migrate().await.unwrap());
    });
}

#[test]
fn a_database_from_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let database = Database::connect(&config(folder.path())).await.unwrap();
        database.migrate().await.unwrap();
        let raw = sea_orm::Database::connect(config(folder.path()).url).await.unwrap();
        raw.execute_unprepared("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)")
            .await
            .unwrap();
        let error = database.migrate().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.detail().contains("newer version") && error.detail().contains("m9999_later"), "{error}");
    });
}

#[test]
fn what_is_wrong_with_the_address_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("sqlite://{}", folder.path().join("no/such/folder.db").display());
    std::fs::write(folder.path().join("text.db"), "this is no database, it is only text ".repeat(100)).unwrap();
    let text = format!("sqlite://{}", folder.path().join("text.db").display());
    for (url, part) in [
        (missing, "its folder exists"),
        ("mysql://localhost/x".to_owned(), "sqlite:// or postgres://"),
        (text, "not a SQLite database"),
        ("postgres://nobody:secret-word@127.0.0.1:1/x".to_owned(), "does not answer"),
    ] {
        let result = block_on(async {
            let config = DatabaseConfig {
                acquire_timeout: std::time::Duration::from_secs(2),
                ..DatabaseConfig::new(url.clone())
            };
            Database::connect(&config).await?.schema().await
        });
        let error = result.unwrap_err();
        assert!(error.detail().contains(part), "{url}: {error}");
        assert!(!error.to_string().contains("secret-word"));
    }
}

#[test]
fn a_query_without_tables_says_what_to_run() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let database = Database::connect(&config(folder.path())).await.unwrap();
        let error = database.jobs().stats().await.unwrap_err();
        assert!(error.detail().contains("autorepost migrate"), "{error}");
    });
}

/// A newer version works beside this one: what it queues is neither claimed here nor in the way.
#[test]
fn jobs_of_a_kind_that_this_version_does_not_know_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let database = Database::connect(&config(folder.path())).await.unwrap();
        database.migrate().await.unwrap();
        let raw = sea_orm::Database::connect(config(folder.path()).url).await.unwrap();
        let (queued, dead) = ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002");
        for (id, state) in [(queued, "queued"), (dead, "dead")] {
            let insert = format!(
                "INSERT INTO jobs (id, kind, tenant, subject, key, lane, priority, run_at, order_at, state, attempts, epoch)
                VALUES ('{id}', 'of_tomorrow', '{queued}', '{id}', '{id}', '{id}', 0, 0, 0, '{state}', 0, 0)"
            );
            raw.execute_unprepared(&insert).await.unwrap();
        }
        let minute = std::time::Duration::from_secs(60);
        assert_eq!(database.jobs().claim(&JobKind::ALL, 9, minute).await.unwrap(), []);
        assert_eq!(database.jobs().stats().await.unwrap(), []);
        assert_eq!(database.jobs().dead(9).await.unwrap(), []);
        assert_eq!(database.census().jobs(None).await.unwrap(), []);
        assert_eq!(database.census().dead(None, None, 9).await.unwrap(), []);
        assert_eq!(database.census().job(dead.parse().unwrap()).await.unwrap(), None);
    });
}
