//! The stores and the durable job queue on a database: the same code on SQLite and on Postgres.
//!
//! Rows are documents with the columns that queries need beside them. What must hold under concurrency is held by the
//! database itself: unique keys, one running job for a lane, and versions and epochs that are compared where they are
//! written.

mod access;
mod answers;
mod backfills;
mod brakes;
mod census;
mod config;
mod connect;
mod connections;
mod jobs;
mod link;
mod login;
mod masters;
mod migration;
mod posts;
mod renditions;
mod reposts;
mod rules;
mod sql;
mod webhooks;

use std::sync::Arc;

use autorepost_core::{
    Error, ErrorKind, Result,
    port::{
        AccessStore, AuditLog, BackfillStore, BrakeStore, Census, ConnectionStore, IdempotencyStore, JobQueue,
        MasterStore, PostStore, RenditionStore, RepostStore, RuleStore, WebhookStore,
    },
};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::MigratorTrait;

pub use config::{CaBundle, DatabaseConfig};
use link::Link;
use migration::Migrator;

/// A database that is connected.
#[derive(Clone)]
pub struct Database {
    db: Link,
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
    /// [`Configuration`](ErrorKind::Configuration) for an address, a password, a certificate or a folder that is wrong;
    /// [`Unavailable`](ErrorKind::Unavailable) when the server does not answer.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self> {
        Ok(Self { db: connect::open(config).await? })
    }

    /// Brings the schema up to date. Two processes may do it at once: on Postgres all of it is one transaction under one
    /// lock, so the second finds the work of the first.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when a newer version of the program wrote the database.
    pub async fn migrate(&self) -> Result<SchemaStatus> {
        self.schema().await?;
        match self.db.get_database_backend() {
            DbBackend::Sqlite => self.migrate_sqlite().await?,
            _ => self.migrate_locked().await?,
        }
        self.schema().await
    }

    async fn migrate_locked(&self) -> Result<()> {
        let op = "migrate database";
        let tx = self.begin(op).await?;
        for statement in migration::LOCK {
            sql::run(tx.raw(), op, *statement, []).await?;
        }
        // The lock may have been waited for: what is there now counts.
        Migrator::up(tx.raw(), None).await.map_err(|cause| sql::error(op, cause))?;
        sql::commit(tx, op).await
    }

    async fn migrate_sqlite(&self) -> Result<()> {
        let op = "migrate database";
        const TRIES_MAX: u32 = 5;
        for attempt in 1.. {
            match Migrator::up(self.db.raw(), None).await {
                Ok(()) => break,
                // The other process was faster; its work is ours.
                Err(_) if attempt < TRIES_MAX && self.schema().await?.pending.is_empty() => break,
                Err(error) if attempt == TRIES_MAX => return Err(sql::error(op, error)),
                Err(_) => {}
            }
        }
        Ok(())
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

    /// The backfills.
    pub fn backfills(&self) -> Arc<dyn BackfillStore> {
        Arc::new(self.clone())
    }

    /// The creator's own files.
    pub fn masters(&self) -> Arc<dyn MasterStore> {
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

    /// Tenants and the keys to the HTTP interface.
    pub fn access(&self) -> Arc<dyn AccessStore> {
        Arc::new(self.clone())
    }

    /// The audit log.
    pub fn audit(&self) -> Arc<dyn AuditLog> {
        Arc::new(self.clone())
    }

    /// The answers of requests that may be asked again.
    pub fn answers(&self) -> Arc<dyn IdempotencyStore> {
        Arc::new(self.clone())
    }

    /// The endpoints of tenants.
    pub fn webhooks(&self) -> Arc<dyn WebhookStore> {
        Arc::new(self.clone())
    }

    /// What was made of which media.
    pub fn renditions(&self) -> Arc<dyn RenditionStore> {
        Arc::new(self.clone())
    }

    /// Counts, and jobs that nobody works on.
    pub fn census(&self) -> Arc<dyn Census> {
        Arc::new(self.clone())
    }
}
