//! The schema. Migrations go forward only, and an old and a new version of the program work on it side by side: expand,
//! then contract.
//!
//! 1. A migration adds: a table, a column that may be empty, an index. The version before goes on working on it, so it is
//!    migrated first and deployed then.
//! 2. What no version in use reads or needs any more is removed by a migration of a later release. An index may go with the
//!    one that replaces it.
//! 3. On Postgres all that is pending is one transaction, so `CREATE INDEX CONCURRENTLY` cannot be part of it. An index on
//!    a million jobs takes a second or two, for which writers wait.

use autorepost_core::access::Tenant;
use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait::async_trait, sea_orm::DbErr,
};

use crate::sql;

pub(crate) struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Begin),
            Box::new(Brakes),
            Box::new(Access),
            Box::new(MediaIndex),
            Box::new(ClaimOrder),
            Box::new(Webhooks),
            Box::new(AccountTimes),
            Box::new(Renditions),
            Box::new(Sources),
        ]
    }
}

/// What a migrating transaction on Postgres does first: it waits as long as it must, but not for ever, and for its turn.
/// The number is this program's own.
pub(crate) const LOCK: &[&str] = &[
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL lock_timeout = '10min'",
    "SELECT pg_advisory_xact_lock(7020541180036118373)",
    // What works on the old schema meanwhile takes a job's row first, so the tables are locked in the same order.
    "DO $$ BEGIN IF to_regclass('jobs') IS NOT NULL THEN
        LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE; END IF; END $$",
];

/// The first schema. Times are microseconds since 1970, ids are UUIDs as text, documents are JSON as text.
struct Begin;

impl MigrationName for Begin {
    fn name(&self) -> &str {
        "m0001_begin"
    }
}

const BEGIN: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS connections (
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, platform TEXT NOT NULL, account TEXT NOT NULL,
        created_at BIGINT NOT NULL, version BIGINT NOT NULL, doc TEXT NOT NULL,
        UNIQUE (tenant, platform, account))",
    "CREATE TABLE IF NOT EXISTS rules (
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
        created_at BIGINT NOT NULL, version BIGINT NOT NULL, doc TEXT NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS rules_name ON rules (tenant, name) WHERE state <> 'removed'",
    "CREATE TABLE IF NOT EXISTS posts (
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, connection TEXT NOT NULL, account TEXT NOT NULL,
        key TEXT NOT NULL, posted_at BIGINT NOT NULL, doc TEXT NOT NULL,
        UNIQUE (tenant, account, key))",
    "CREATE INDEX IF NOT EXISTS posts_time ON posts (tenant, posted_at)",
    "CREATE INDEX IF NOT EXISTS posts_key ON posts (tenant, key)",
    "CREATE TABLE IF NOT EXISTS cursors (
        tenant TEXT NOT NULL, connection TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (tenant, connection))",
    "CREATE TABLE IF NOT EXISTS reposts (
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, source TEXT NOT NULL, post_key TEXT NOT NULL,
        platform TEXT NOT NULL, account TEXT NOT NULL, post TEXT NOT NULL, posted_at BIGINT NOT NULL,
        state TEXT NOT NULL, live BIGINT NOT NULL, last_commit_at BIGINT, published_id TEXT, published_at BIGINT,
        version BIGINT NOT NULL, doc TEXT NOT NULL,
        UNIQUE (tenant, source, post_key, platform, account))",
    "CREATE INDEX IF NOT EXISTS reposts_post ON reposts (post)",
    "CREATE INDEX IF NOT EXISTS reposts_account ON reposts (tenant, platform, account, posted_at)",
    "CREATE INDEX IF NOT EXISTS reposts_commit ON reposts (tenant, platform, account, last_commit_at)",
    "CREATE INDEX IF NOT EXISTS reposts_live ON reposts (id) WHERE live = 1",
    "CREATE TABLE IF NOT EXISTS journal (
        repost TEXT NOT NULL, seq BIGINT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (repost, seq))",
    "CREATE TABLE IF NOT EXISTS jobs (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, tenant TEXT NOT NULL, subject TEXT NOT NULL, key TEXT NOT NULL,
        lane TEXT NOT NULL, priority BIGINT NOT NULL, run_at BIGINT NOT NULL, order_at BIGINT NOT NULL,
        state TEXT NOT NULL, attempts BIGINT NOT NULL, epoch BIGINT NOT NULL, leased_until BIGINT,
        finished_at BIGINT, note TEXT)",
    "CREATE UNIQUE INDEX IF NOT EXISTS jobs_key ON jobs (key) WHERE state IN ('queued', 'running')",
    "CREATE UNIQUE INDEX IF NOT EXISTS jobs_lane ON jobs (lane) WHERE state = 'running'",
    "CREATE INDEX IF NOT EXISTS jobs_due ON jobs (run_at) WHERE state = 'queued'",
    "CREATE INDEX IF NOT EXISTS jobs_queued_lane ON jobs (lane) WHERE state = 'queued'",
    "CREATE INDEX IF NOT EXISTS jobs_ended ON jobs (finished_at) WHERE state IN ('done', 'dead')",
];

#[async_trait]
impl MigrationTrait for Begin {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in BEGIN {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

/// What stops all publishing of a tenant, or of everybody.
struct Brakes;

impl MigrationName for Brakes {
    fn name(&self) -> &str {
        "m0002_brakes"
    }
}

#[async_trait]
impl MigrationTrait for Brakes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let create = "CREATE TABLE IF NOT EXISTS brakes (scope TEXT PRIMARY KEY, doc TEXT NOT NULL)";
        manager.get_connection().execute_unprepared(create).await?;
        Ok(())
    }
}

/// Tenants, keys to the HTTP interface, the audit log, and answers to repeat.
struct Access;

impl MigrationName for Access {
    fn name(&self) -> &str {
        "m0003_access"
    }
}

const ACCESS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS tenants (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS api_keys (id TEXT PRIMARY KEY, tenant TEXT, revoked_at BIGINT, doc TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS api_keys_tenant ON api_keys (tenant, id)",
    "CREATE TABLE IF NOT EXISTS audit (
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, at BIGINT NOT NULL, doc TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS audit_time ON audit (tenant, at, id)",
    "CREATE TABLE IF NOT EXISTS answers (
        tenant TEXT NOT NULL, api_key TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, token TEXT NOT NULL,
        until BIGINT NOT NULL, status BIGINT, body TEXT, PRIMARY KEY (tenant, api_key, name))",
    "CREATE INDEX IF NOT EXISTS answers_until ON answers (until)",
    "CREATE INDEX IF NOT EXISTS jobs_dead ON jobs (tenant, id) WHERE state = 'dead'",
];

#[async_trait]
impl MigrationTrait for Access {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in ACCESS {
            db.execute_unprepared(sql).await?;
        }
        // Whatever the database holds was the owner's so far.
        let owner = Tenant::owner(DateTime::<Utc>::from(std::time::SystemTime::now()).trunc_subsecs(6));
        let doc = serde_json::to_string(&owner).map_err(|cause| DbErr::Custom(cause.to_string()))?;
        let insert = "INSERT INTO tenants (id, name, doc) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let values = [owner.id.to_string().into(), owner.name.into(), doc.into()];
        db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), insert, values)).await?;
        Ok(())
    }
}

/// Which posts name which media. An index on the document, not a column: an older version of the program writes no column,
/// and what it writes must be seen.
struct MediaIndex;

impl MigrationName for MediaIndex {
    fn name(&self) -> &str {
        "m0004_media_index"
    }
}

#[async_trait]
impl MigrationTrait for MediaIndex {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conn = manager.get_connection();
        let key = match sql::is_postgres(conn) {
            true => "(doc::jsonb -> 'media' ->> 'key')",
            false => "json_extract(doc, '$.media.key')",
        };
        let create = format!("CREATE INDEX IF NOT EXISTS posts_media ON posts ({key}) WHERE {key} IS NOT NULL");
        conn.execute_unprepared(&create).await?;
        Ok(())
    }
}

/// Claims in order, without a look at all that is queued.
struct ClaimOrder;

impl MigrationName for ClaimOrder {
    fn name(&self) -> &str {
        "m0005_claim_order"
    }
}

const CLAIM_ORDER: &[&str] = &[
    "CREATE INDEX IF NOT EXISTS jobs_order ON jobs (priority, order_at, id) WHERE state = 'queued'",
    "CREATE INDEX IF NOT EXISTS jobs_lane_order ON jobs (lane, priority, order_at, id) WHERE state = 'queued'",
    // The one before it serves the same questions.
    "DROP INDEX IF EXISTS jobs_queued_lane",
];

#[async_trait]
impl MigrationTrait for ClaimOrder {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in CLAIM_ORDER {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

/// Endpoints, and what a job brings along for them.
struct Webhooks;

impl MigrationName for Webhooks {
    fn name(&self) -> &str {
        "m0006_webhooks"
    }
}

const WEBHOOKS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS webhooks (
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, created_at BIGINT NOT NULL, version BIGINT NOT NULL, doc TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS webhooks_tenant ON webhooks (tenant, created_at, id)",
];

#[async_trait]
impl MigrationTrait for Webhooks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conn = manager.get_connection();
        for sql in WEBHOOKS {
            conn.execute_unprepared(sql).await?;
        }
        // SQLite has no IF NOT EXISTS for columns, and its migrations are not one transaction.
        if !manager.has_column("jobs", "payload").await? {
            conn.execute_unprepared("ALTER TABLE jobs ADD COLUMN payload TEXT").await?;
        }
        Ok(())
    }
}

/// Reposts by time: those that an account shows, those that are on their way to it, and all of a tenant.
struct AccountTimes;

impl MigrationName for AccountTimes {
    fn name(&self) -> &str {
        "m0007_account_times"
    }
}

const ACCOUNT_TIMES: &[&str] = &[
    "CREATE INDEX IF NOT EXISTS reposts_published ON reposts (tenant, platform, account, published_at)
        WHERE published_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS reposts_on_their_way ON reposts (tenant, platform, account, posted_at) WHERE live = 1",
    "CREATE INDEX IF NOT EXISTS reposts_time ON reposts (tenant, posted_at, id)",
];

#[async_trait]
impl MigrationTrait for AccountTimes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in ACCOUNT_TIMES {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

/// What was made of which media.
struct Renditions;

impl MigrationName for Renditions {
    fn name(&self) -> &str {
        "m0008_renditions"
    }
}

#[async_trait]
impl MigrationTrait for Renditions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let create = "CREATE TABLE IF NOT EXISTS renditions (
            source TEXT NOT NULL, profile TEXT NOT NULL, key TEXT NOT NULL, seq BIGINT NOT NULL, doc TEXT NOT NULL,
            PRIMARY KEY (source, profile, key))";
        manager.get_connection().execute_unprepared(create).await?;
        Ok(())
    }
}

/// Backfills, posts in the order in which they have their turns, and the creator's own files.
struct Sources;

impl MigrationName for Sources {
    fn name(&self) -> &str {
        "m0009_backfills_and_masters"
    }
}

const SOURCES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS backfills (
        rule TEXT PRIMARY KEY, tenant TEXT NOT NULL, going BIGINT NOT NULL, began_at BIGINT NOT NULL,
        version BIGINT NOT NULL, doc TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS posts_connection ON posts (tenant, connection, posted_at, id)",
    "CREATE TABLE IF NOT EXISTS masters (
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, media TEXT NOT NULL, made_at BIGINT NOT NULL,
        received_at BIGINT NOT NULL, post_key TEXT, post TEXT, doc TEXT NOT NULL, UNIQUE (tenant, media))",
    "CREATE INDEX IF NOT EXISTS masters_free ON masters (tenant, made_at, id) WHERE post IS NULL",
    "CREATE INDEX IF NOT EXISTS masters_received ON masters (received_at, id)",
];

#[async_trait]
impl MigrationTrait for Sources {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in SOURCES {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
