//! The stores and the job queue on SQLite and on a real Postgres server.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod postgres;
mod server;
mod sqlite;
mod stored;

use autorepost_core::conformance::Stores;
use autorepost_database::Database;

fn stores(database: &Database) -> Stores {
    Stores {
        connections: database.connections(),
        rules: database.rules(),
        posts: database.posts(),
        reposts: database.reposts(),
        jobs: database.jobs(),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
