//! The stores and the job queue on SQLite and on a real Postgres server.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod claims;
mod cut;
mod load;
mod login;
mod postgres;
mod server;
mod sqlite;
mod stored;
mod tls;

use std::{pin::Pin, sync::Arc, time::Duration};

use autorepost_core::conformance::{Stores, Time};
use autorepost_database::Database;
use chrono::{DateTime, SubsecRound, Utc};

/// The machine's clock, which is also that of a database on it.
struct Real;

impl Time for Real {
    fn now(&self) -> DateTime<Utc> {
        // In whole microseconds, which every store keeps exactly.
        DateTime::<Utc>::from(std::time::SystemTime::now()).trunc_subsecs(6)
    }

    fn pass(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // A little more, because the databases' clocks are coarser.
        Box::pin(tokio::time::sleep(span + Duration::from_millis(5)))
    }
}

fn stores(database: &Database) -> Stores {
    Stores {
        connections: database.connections(),
        rules: database.rules(),
        posts: database.posts(),
        reposts: database.reposts(),
        backfills: database.backfills(),
        masters: database.masters(),
        brakes: database.brakes(),
        jobs: database.jobs(),
        access: database.access(),
        audit: database.audit(),
        answers: database.answers(),
        census: database.census(),
        webhooks: database.webhooks(),
        renditions: database.renditions(),
        time: Arc::new(Real),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
