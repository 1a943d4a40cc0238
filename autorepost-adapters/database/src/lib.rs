//! The stores and the durable job queue on a database: the same code on SQLite and on Postgres.
//!
//! Rows are documents with the columns that queries need beside them. What must hold under concurrency is held by the
//! database itself: unique keys, one running job for a lane, and versions and epochs that are compared where they are
//! written.

mod brakes;
mod connections;
mod jobs;
mod migration;
mod posts;
mod reposts;
mod rules;
mod sql;

use std::{sync::Arc, time::Duration};

use autorepost_core::{
    Error, ErrorKind, Result,
    port::{BrakeStore, ConnectionStore, JobQueue, PostStore, RepostStore, RuleStore},
};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectOptions, DatabaseConnection, DbBackend};
use sea_orm_migration::MigratorTrait;

use migration::Migrator;

/// Where the database is, and how much of it is used.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`.
    pub url: String,
    /// Connections at most.
    pub connections_max: u32,
    /// How long a query waits for a free connection.
    pub acquire_timeout: Duration,
    /// A transaction that is silent for so long is ended by the server: its process was stopped, and must not keep its rows.
    pub idle_transaction_max: Duration,
}

impl DatabaseConfig {
    /// The usual numbers for a database.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections_max: 10,
            acquire_timeout: Duration::from_secs(10),
            idle_transaction_max: Duration::from_secs(30),
        }
    }
}

/// A database that is connected.
#[derive(Clone)]
pub struct Database {
    db: DatabaseConnection,
}

/// How far a database's schema is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStatus {
    /// Migrations that it has.
    pub applied: Vec<String>,
    /// Migrations that it lacks.
    pub pending: Vec<String>,
}

impl Database {
    /// Connects to a database. A SQLite file is made when it is missing; its folder must exist.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) for an address, a password or a folder that is wrong;
    /// [`Unavailable`](ErrorKind::Unavailable) when the server does not answer.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self> {
        let sqlite = config.url.starts_with("sqlite:");
        if !sqlite && !config.url.starts_with("postgres://") && !config.url.starts_with("postgresql://") {
            let text = "DATABASE_URL must begin with sqlite:// or postgres://";
            return Err(Error::new(ErrorKind::Configuration, "connect database", text));
        }
        let mut options = ConnectOptions::new(config.url.clone());
        options
            .sqlx_logging(false)
            .acquire_timeout(config.acquire_timeout)
            .connect_timeout(config.acquire_timeout)
            // SQLite has one writer; more connections would only wait for one another.
            .max_connections(if sqlite { 1 } else { config.connections_max });
        options.map_sqlx_sqlite_opts(|options| {
            options
                .create_if_missing(true)
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(15))
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
        });
        let idle_ms = config.idle_transaction_max.as_millis();
        options.map_sqlx_postgres_opts(move |options| {
            options.options([("idle_in_transaction_session_timeout", idle_ms.to_string())])
        });
        let op = "connect database";
        let db = sea_orm::Database::connect(options).await.map_err(|cause| match sql::error(op, cause) {
            error if error.kind() == ErrorKind::Unavailable => {
                let text = "the database does not answer: check that it runs, and the address in DATABASE_URL";
                Error::unavailable(op, text).source(error)
            }
            error => error,
        })?;
        Ok(Self { db })
    }

    /// Brings the schema up to date. Two processes may do it at once.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when a newer version of the program wrote the database.
    pub async fn migrate(&self) -> Result<SchemaStatus> {
        let op = "migrate database";
        const TRIES_MAX: u32 = 5;
        for attempt in 1.. {
            self.schema().await?;
            match Migrator::up(&self.db, None).await {
                Ok(()) => break,
                // The other process was faster; its work is ours.
                Err(_) if attempt < TRIES_MAX && self.schema().await?.pending.is_empty() => break,
                Err(error) if attempt == TRIES_MAX => return Err(sql::error(op, error)),
                Err(_) => {}
            }
        }
        self.schema().await
    }

    /// Tells how far the schema is.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when a newer version of the program wrote the database.
    pub async fn schema(&self) -> Result<SchemaStatus> {
        let op = "read schema";
        let known: Vec<String> = Migrator::migrations().iter().map(|one| one.name().to_owned()).collect();
        let exists = match self.db.get_database_backend() {
            DbBackend::Sqlite => "SELECT 1 FROM sqlite_master WHERE name = 'seaql_migrations'",
            _ => {
                "SELECT 1 FROM information_schema.tables WHERE table_name = 'seaql_migrations' AND table_schema = current_schema()"
            }
        };
        let mut applied = Vec::new();
        if sql::one(&self.db, op, exists, []).await?.is_some() {
            for row in sql::all(&self.db, op, "SELECT version FROM seaql_migrations ORDER BY version", []).await? {
                applied.push(sql::text(&row, op, "version")?);
            }
        }
        if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
            let text = format!(
                "the database was written by a newer version of this program (it has the migration {newer}): use that \
                 version, or restore a backup"
            );
            return Err(Error::new(ErrorKind::Configuration, op, text));
        }
        let pending = known.into_iter().filter(|version| !applied.contains(version)).collect();
        Ok(SchemaStatus { applied, pending })
    }

    /// The time by the database's own clock.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when it does not answer.
    pub async fn now(&self) -> Result<DateTime<Utc>> {
        let op = "read clock";
        let query = format!("SELECT {} AS now", sql::now(&self.db));
        let row = sql::one(&self.db, op, query, []).await?;
        let now = row.map_or(Ok(None), |row| sql::at(&row, op, "now"))?;
        now.ok_or_else(|| Error::malformed(op, "the database tells no time"))
    }

    /// The connection store.
    pub fn connections(&self) -> Arc<dyn ConnectionStore> {
        Arc::new(self.clone())
    }

    /// The rule store.
    pub fn rules(&self) -> Arc<dyn RuleStore> {
        Arc::new(self.clone())
    }

    /// The brakes.
    pub fn brakes(&self) -> Arc<dyn BrakeStore> {
        Arc::new(self.clone())
    }

    /// The post store.
    pub fn posts(&self) -> Arc<dyn PostStore> {
        Arc::new(self.clone())
    }

    /// The repost store.
    pub fn reposts(&self) -> Arc<dyn RepostStore> {
        Arc::new(self.clone())
    }

    /// The job queue.
    pub fn jobs(&self) -> Arc<dyn JobQueue> {
        Arc::new(self.clone())
    }
}
