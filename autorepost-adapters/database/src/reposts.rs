//! Reposts and their journals.

use async_trait::async_trait;
use autorepost_core::{
    Error, Platform, Result,
    connection::{AccountId, Connection},
    id::{RepostId, TenantId},
    job::NewJob,
    port::{After, Guard, RepostQuery, RepostStore, Step},
    repost::{Entry, Repost},
    state::RepostState,
};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use crate::{Database, brakes, jobs, link::Transaction, sql};

const OP_READ: &str = "read repost";
const OP_STEP: &str = "move repost";

fn row(row: &QueryResult) -> Result<Repost> {
    let version = sql::integer(row, OP_READ, "version")?;
    Ok(Repost { version: version.cast_unsigned(), ..sql::read(row, OP_READ)? })
}

/// The columns that follow from the state: state, live, last commit, published id and time, version, document.
fn moving(repost: &Repost) -> Result<[Value; 7]> {
    let (published_id, published_at) = match &repost.state {
        RepostState::Published { receipt, .. } => (receipt.id.clone(), Some(receipt.at)),
        _ => (None, None),
    };
    Ok([
        repost.state.name().into(),
        i64::from(!repost.state.is_terminal()).into(),
        sql::time_or_null(repost.last_commit_at),
        published_id.into(),
        sql::time_or_null(published_at),
        sql::number(repost.version),
        sql::doc(OP_STEP, repost)?,
    ])
}

/// Inserts a repost; `false` when its key exists.
pub(crate) async fn insert(conn: &impl ConnectionTrait, repost: &Repost) -> Result<bool> {
    let insert = "INSERT INTO reposts (state, live, last_commit_at, published_id, published_at, version, doc,
            id, tenant, source, post_key, platform, account, post, posted_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING";
    let mut values = Vec::from(moving(repost)?);
    values.extend([
        sql::id(repost.id),
        sql::id(repost.tenant),
        repost.key.source.as_str().into(),
        repost.key.post.clone().into(),
        repost.key.platform.as_str().into(),
        repost.key.account.as_str().into(),
        sql::id(repost.post),
        sql::time(repost.posted_at),
    ]);
    Ok(sql::run(conn, "add repost", insert, values).await? > 0)
}

pub(crate) async fn write_entry(tx: &Transaction, repost: RepostId, entry: &Entry) -> Result<()> {
    let insert = "INSERT INTO journal (repost, seq, doc)
        SELECT $1, COALESCE(MAX(seq), 0) + 1, $2 FROM journal WHERE repost = $1";
    sql::run(tx, OP_STEP, insert, [sql::id(repost), sql::doc(OP_STEP, entry)?]).await?;
    Ok(())
}

async fn check(tx: &Transaction, guard: &Guard, repost: &Repost) -> Result<()> {
    let op = "check guard";
    match guard {
        Guard::Rule { id, version } => {
            let query = format!("SELECT state, version FROM rules WHERE id = $1 AND tenant = $2{}", sql::for_share(tx));
            if let Some(row) = sql::one(tx, op, query, [sql::id(id), sql::id(repost.tenant)]).await? {
                let same = sql::integer(&row, op, "version")?.cast_unsigned() == *version;
                if same && sql::text(&row, op, "state")? == "active" {
                    return Ok(());
                }
            }
            Err(Error::conflict(op, "the rule was changed meanwhile"))
        }
        Guard::ConnectionUsable(id) => {
            let query = format!("SELECT doc FROM connections WHERE id = $1 AND tenant = $2{}", sql::for_share(tx));
            if let Some(row) = sql::one(tx, op, query, [sql::id(id), sql::id(repost.tenant)]).await?
                && sql::read::<Connection>(&row, op)?.is_usable()
            {
                return Ok(());
            }
            Err(Error::conflict(op, "the connection cannot be used any more"))
        }
        Guard::NoBrake => match brakes::held(tx, repost.tenant).await? {
            Some(brake) => Err(Error::conflict(op, format!("publishing is stopped: {}", brake.reason))),
            None => Ok(()),
        },
        Guard::Clock { at, off_max } => {
            let query = format!("SELECT ABS({} - $1) AS off", sql::clock(tx));
            let row = sql::one(tx, op, query, [sql::time(*at)]).await?;
            let off = row.map_or(Ok(i64::MAX), |row| sql::integer(&row, op, "off"))?;
            if u128::from(off.unsigned_abs()) <= off_max.as_micros() {
                return Ok(());
            }
            Err(Error::conflict(op, "this machine's clock differs from the database's"))
        }
        Guard::CommitsBelow { code, platform, account, since, max } => {
            if sql::is_postgres(tx) {
                // Two steps that count at once would not see one another: they queue up here.
                let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
                let name = format!("commits:{}:{platform}:{account}", repost.tenant);
                sql::all(tx, op, lock, [name.into()]).await?;
            }
            let count = "SELECT COUNT(*) AS n FROM reposts
                WHERE tenant = $1 AND platform = $2 AND account = $3 AND last_commit_at >= $4 AND id <> $5";
            let values = [
                sql::id(repost.tenant),
                platform.as_str().into(),
                account.as_str().into(),
                sql::time(*since),
                sql::id(repost.id),
            ];
            let row = sql::one(tx, op, count, values).await?;
            let others = row.map_or(Ok(0), |row| sql::integer(&row, op, "n"))?;
            if others < i64::from(*max) {
                return Ok(());
            }
            let text = format!("{max} posts went to this account since {}", since.format("%H:%M:%S UTC"));
            Err(Error::conflict(op, text).code(*code))
        }
    }
}

#[async_trait]
impl RepostStore for Database {
    async fn get(&self, tenant: TenantId, id: RepostId) -> Result<Option<Repost>> {
        let query = "SELECT version, doc FROM reposts WHERE id = $1 AND tenant = $2";
        sql::one(&self.db, OP_READ, query, [sql::id(id), sql::id(tenant)]).await?.as_ref().map(row).transpose()
    }

    async fn list(&self, tenant: TenantId, query: &RepostQuery) -> Result<Vec<Repost>> {
        let mut text = "SELECT version, doc FROM reposts WHERE tenant = $1".to_owned();
        let mut values = vec![sql::id(tenant)];
        if let Some(post) = query.post {
            values.push(sql::id(post));
            text += &format!(" AND post = ${}", values.len());
        }
        if let Some((platform, account)) = &query.account {
            values.extend([platform.as_str().into(), account.as_str().into()]);
            text += &format!(" AND platform = ${} AND account = ${}", values.len() - 1, values.len());
        }
        if !query.states.is_empty() {
            text += &format!(" AND state IN ({})", sql::places(values.len() + 1, query.states.len()));
            values.extend(query.states.iter().map(|state| Value::from(*state)));
            let is_live = |state: &&str| RepostState::ON_ITS_WAY.contains(state) || *state == "waiting";
            if query.states.iter().all(is_live) {
                // Says nothing new, but which index is the short one.
                text += " AND live = 1";
            }
        }
        if let Some(before) = query.posted_before {
            values.push(sql::time(before));
            text += &format!(" AND posted_at < ${}", values.len());
        }
        let (order, beyond) = if query.newest_first { ("DESC", "<") } else { ("ASC", ">") };
        if let Some((at, id)) = query.after {
            values.extend([sql::time(at), sql::id(id)]);
            text += &format!(" AND (posted_at, id) {beyond} (${}, ${})", values.len() - 1, values.len());
        }
        values.push(sql::number(query.limit));
        text += &format!(" ORDER BY posted_at {order}, id {order} LIMIT ${}", values.len());
        sql::all(&self.db, OP_READ, text, values).await?.iter().map(row).collect()
    }

    async fn step(&self, step: &Step) -> Result<Repost> {
        let tx = self.begin(OP_STEP).await?;
        if let Some(lease) = step.lease {
            sql::hold(&tx, OP_STEP, lease).await?;
        }
        let stored = Repost { version: step.repost.version + 1, ..step.repost.clone() };
        let update = "UPDATE reposts SET state = $1, live = $2, last_commit_at = $3, published_id = $4,
            published_at = $5, version = $6, doc = $7 WHERE id = $8 AND tenant = $9 AND version = $10";
        let mut values = Vec::from(moving(&stored)?);
        values.extend([sql::id(stored.id), sql::id(stored.tenant), sql::number(step.repost.version)]);
        if sql::run(&tx, OP_STEP, update, values).await? == 0 {
            return Err(Error::conflict(OP_STEP, "the repost was moved meanwhile"));
        }
        for guard in &step.guards {
            check(&tx, guard, &stored).await?;
        }
        if let Some(entry) = &step.entry {
            write_entry(&tx, stored.id, entry).await?;
        }
        match (step.lease, &step.after) {
            (Some(lease), After::KeepFor(span)) => {
                let extend = format!("UPDATE jobs SET leased_until = {} + $1 WHERE id = $2", sql::now(&tx));
                sql::run(&tx, OP_STEP, extend, [sql::span(*span), sql::id(lease.job)]).await?;
            }
            (Some(lease), After::Finish(finish)) => {
                jobs::let_go(&tx, lease.job, finish).await?;
            }
            _ => {}
        }
        jobs::insert(&tx, &step.jobs).await?;
        sql::commit(tx, OP_STEP).await?;
        Ok(stored)
    }

    async fn add(&self, repost: &Repost, job: &NewJob, entry: &Entry) -> Result<bool> {
        let op = "add repost";
        let tx = self.begin(op).await?;
        if !insert(&tx, repost).await? {
            return Ok(false);
        }
        write_entry(&tx, repost.id, entry).await?;
        jobs::insert(&tx, std::slice::from_ref(job)).await?;
        sql::commit(tx, op).await?;
        Ok(true)
    }

    async fn journal(&self, tenant: TenantId, id: RepostId) -> Result<Vec<Entry>> {
        let query = "SELECT j.doc AS doc FROM journal j JOIN reposts r ON r.id = j.repost
            WHERE j.repost = $1 AND r.tenant = $2 ORDER BY j.seq";
        let rows = sql::all(&self.db, OP_READ, query, [sql::id(id), sql::id(tenant)]).await?;
        rows.iter().map(|row| sql::read(row, OP_READ)).collect()
    }

    async fn published_ids(
        &self,
        tenant: TenantId,
        platform: Platform,
        account: &AccountId,
        since: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        let query = "SELECT published_id FROM reposts WHERE tenant = $1 AND platform = $2 AND account = $3
            AND published_at >= $4 AND published_id IS NOT NULL ORDER BY published_at, id";
        let values = [sql::id(tenant), platform.as_str().into(), account.as_str().into(), sql::time(since)];
        let rows = sql::all(&self.db, OP_READ, query, values).await?;
        rows.iter().map(|row| sql::text(row, OP_READ, "published_id")).collect()
    }

    async fn orphans(&self, limit: u32) -> Result<Vec<Repost>> {
        let query = "SELECT version, doc FROM reposts r WHERE r.live = 1 AND NOT EXISTS (
                SELECT 1 FROM jobs j WHERE j.key = 'repost:' || r.id AND j.state IN ('queued', 'running'))
            ORDER BY r.id LIMIT $1";
        sql::all(&self.db, OP_READ, query, [sql::number(limit)]).await?.iter().map(row).collect()
    }
}
