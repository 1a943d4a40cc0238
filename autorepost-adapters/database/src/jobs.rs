//! The job queue.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    id::{JobId, TenantId},
    job::{Finish, Job, JobKind, JobState, Lease, NewJob},
    port::{JobQueue, JobStats},
};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use crate::{Database, link::Transaction, sql};

pub(crate) const OP_READ: &str = "read job";
pub(crate) const COLUMNS: &str =
    "id, kind, tenant, subject, key, lane, run_at, order_at, state, attempts, epoch, leased_until, note, payload";
/// How often a claim is tried again when another worker was faster in one of its lanes.
const CLAIM_TRIES_MAX: u32 = 10;
/// For how long.
const CLAIM_AGAIN_MAX: Duration = Duration::from_secs(1);
/// Up to so many due jobs are ordered at each claim, which takes some milliseconds.
const DUE_FEW_MAX: i64 = 1_000;

fn state(name: &str) -> Result<JobState> {
    Ok(match name {
        "queued" => JobState::Queued,
        "running" => JobState::Running,
        "done" => JobState::Done,
        "dead" => JobState::Dead,
        _ => return Err(Error::malformed(OP_READ, "a stored job has a state that this version does not know")),
    })
}

/// The kinds that this version knows: rows of others are a newer version's, and are left out of lists.
pub(crate) fn known_kinds() -> String {
    let kinds = JobKind::ALL.map(|kind| format!("'{kind}'")).join(", ");
    format!("kind IN ({kinds})")
}

pub(crate) fn row(row: &QueryResult) -> Result<Job> {
    let text = |column| sql::text(row, OP_READ, column);
    let malformed = || Error::malformed(OP_READ, "a stored job has a form that this version does not know");
    let state = state(&text("state")?)?;
    let note: Option<String> = row.try_get("", "note").map_err(|cause| sql::error(OP_READ, cause))?;
    let payload: Option<String> = row.try_get("", "payload").map_err(|cause| sql::error(OP_READ, cause))?;
    let new = NewJob {
        id: text("id")?.parse()?,
        kind: text("kind")?.parse()?,
        tenant: text("tenant")?.parse()?,
        subject: text("subject")?.parse::<JobId>()?.uuid(),
        key: text("key")?,
        lane: text("lane")?,
        run_at: sql::at(row, OP_READ, "run_at")?.ok_or_else(malformed)?,
        order_at: sql::at(row, OP_READ, "order_at")?.ok_or_else(malformed)?,
        payload,
    };
    Ok(Job {
        new,
        state,
        attempts: u32::try_from(sql::integer(row, OP_READ, "attempts")?).unwrap_or(u32::MAX),
        epoch: sql::integer(row, OP_READ, "epoch")?.cast_unsigned(),
        leased_until: sql::at(row, OP_READ, "leased_until")?,
        note,
    })
}

/// Writes jobs; one whose key is queued or running changes nothing.
pub(crate) async fn insert(conn: &impl ConnectionTrait, jobs: &[NewJob]) -> Result<()> {
    for job in jobs {
        let insert = "INSERT INTO jobs (id, kind, tenant, subject, key, lane, priority, run_at, order_at,
                payload, state, attempts, epoch)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'queued', 0, 0) ON CONFLICT DO NOTHING";
        let values = [
            sql::id(job.id),
            job.kind.as_str().into(),
            sql::id(job.tenant),
            sql::id(job.subject),
            job.key.clone().into(),
            job.lane.clone().into(),
            sql::number(job.kind.priority()),
            sql::time(job.run_at),
            sql::time(job.order_at),
            job.payload.clone().into(),
        ];
        sql::run(conn, "enqueue jobs", insert, values).await?;
    }
    Ok(())
}

/// Lets go of a job whose lease is held by this transaction.
pub(crate) async fn let_go(tx: &Transaction, job: JobId, finish: &Finish) -> Result<()> {
    let op = "finish job";
    let now = sql::now(tx);
    match finish {
        Finish::Done => {
            let update = format!(
                "UPDATE jobs SET state = 'done', leased_until = NULL, finished_at = {now}, note = NULL WHERE id = $1"
            );
            sql::run(tx, op, update, [sql::id(job)]).await?;
        }
        Finish::Again { run_at, attempts, note } => {
            let update = "UPDATE jobs SET state = 'queued', leased_until = NULL, run_at = $1, attempts = $2, note = $3
                WHERE id = $4";
            let values = [sql::time(*run_at), sql::number(*attempts), note.clone().into(), sql::id(job)];
            sql::run(tx, op, update, values).await?;
        }
        Finish::Dead { note } => {
            let update = format!(
                "UPDATE jobs SET state = 'dead', leased_until = NULL, finished_at = {now}, note = $1 WHERE id = $2"
            );
            sql::run(tx, op, update, [note.clone().into(), sql::id(job)]).await?;
        }
    }
    Ok(())
}

/// What is due and may run: the first due job of every lane in which nothing runs. `$1` is how many, the kinds follow.
/// This form orders all that is due, and is the better one when that is little.
fn pick_among_few(now: &str, kinds: usize, is_postgres: bool) -> String {
    let places = sql::places(2, kinds);
    let skip_locked = if is_postgres { " FOR UPDATE SKIP LOCKED" } else { "" };
    format!(
        "SELECT id FROM jobs WHERE state = 'queued' AND run_at <= {now} AND id IN (
            SELECT id FROM (
                SELECT id, priority, order_at,
                    ROW_NUMBER() OVER (PARTITION BY lane ORDER BY priority, order_at, id) AS place
                FROM jobs q WHERE q.state = 'queued' AND q.run_at <= {now} AND q.kind IN ({places})
                    AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.lane = q.lane AND r.state = 'running')
            ) firsts WHERE place = 1 ORDER BY priority, order_at, id LIMIT $1){skip_locked}"
    )
}

/// The same, for when much is due: it walks in order and stops at the last that it takes.
fn pick_in_order(now: &str, kinds: usize, is_postgres: bool) -> String {
    let places = sql::places(2, kinds);
    let skip_locked = if is_postgres { " FOR UPDATE OF q SKIP LOCKED" } else { "" };
    format!(
        "SELECT id FROM jobs q WHERE q.state = 'queued' AND q.run_at <= {now} AND q.kind IN ({places})
            AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.lane = q.lane AND r.state = 'running')
            AND NOT EXISTS (SELECT 1 FROM jobs e WHERE e.lane = q.lane AND e.state = 'queued' AND e.run_at <= {now}
                AND e.kind IN ({places}) AND (e.priority, e.order_at, e.id) < (q.priority, q.order_at, q.id))
        ORDER BY priority, order_at, id LIMIT $1{skip_locked}"
    )
}

impl Database {
    /// Whether more than a few jobs are due: what is the better way to pick depends on it.
    async fn many_due(&self, tx: &Transaction, op: &'static str) -> Result<bool> {
        // In order, so that the index is walked: without, a scan of all rows is thought to find so few soon.
        let query = format!(
            "SELECT COUNT(*) AS n FROM (
                SELECT 1 FROM jobs WHERE state = 'queued' AND run_at <= {} ORDER BY run_at LIMIT {}) due",
            sql::now(tx),
            DUE_FEW_MAX + 1
        );
        let row = sql::one(tx, op, query, []).await?;
        Ok(row.map_or(Ok(0), |row| sql::integer(&row, op, "n"))? > DUE_FEW_MAX)
    }

    async fn try_claim(&self, kinds: &[JobKind], max: u32, lease: Duration) -> Result<Vec<Job>> {
        let op = "claim jobs";
        let tx = self.begin(op).await?;
        let now = sql::now(&tx);
        // A process that was stopped in the middle of a transaction holds its row: it must not hold up everybody's claims.
        let is_postgres = sql::is_postgres(&tx);
        let skip_locked = if is_postgres { " FOR UPDATE SKIP LOCKED" } else { "" };
        let expire = format!(
            "UPDATE jobs SET state = 'queued', attempts = attempts + 1, leased_until = NULL WHERE id IN (
                SELECT id FROM jobs WHERE state = 'running' AND leased_until <= {now}{skip_locked})"
        );
        sql::run(&tx, op, expire, []).await?;

        let pick = match self.many_due(&tx, op).await? {
            true => pick_in_order(now, kinds.len(), is_postgres),
            false => pick_among_few(now, kinds.len(), is_postgres),
        };
        let mut values = vec![sql::number(max)];
        values.extend(kinds.iter().map(|kind| Value::from(kind.as_str())));
        let mut ids: Vec<Value> = Vec::new();
        for row in sql::all(&tx, op, pick, values).await? {
            ids.push(sql::text(&row, op, "id")?.into());
        }
        if ids.is_empty() {
            sql::commit(tx, op).await?;
            return Ok(Vec::new());
        }
        let places = sql::places(2, ids.len());
        let take = format!(
            "UPDATE jobs SET state = 'running', epoch = epoch + 1, leased_until = {now} + $1 WHERE id IN ({places})"
        );
        let mut values = vec![sql::span(lease)];
        values.extend(ids.iter().cloned());
        sql::run(&tx, op, take, values).await?;
        let places = sql::places(1, ids.len());
        let read = format!("SELECT {COLUMNS} FROM jobs WHERE id IN ({places}) ORDER BY priority, order_at, id");
        let claimed = sql::all(&tx, op, read, ids).await?.iter().map(row).collect::<Result<_>>()?;
        sql::commit(tx, op).await?;
        Ok(claimed)
    }
}

/// How many jobs there are by kind and state: a tenant's, or everybody's.
pub(crate) async fn stats(database: &Database, tenant: Option<TenantId>) -> Result<Vec<JobStats>> {
    let query = "SELECT kind, state, COUNT(*) AS n, MIN(run_at) AS oldest FROM jobs
        WHERE $1 = '' OR tenant = $1 GROUP BY kind, state";
    let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
    let rows = sql::all(&database.db, OP_READ, query, [tenant.into()]).await?;
    let mut stats = Vec::new();
    for row in &rows {
        // A kind of a newer version, which works beside this one, is its business.
        let Ok(kind) = sql::text(row, OP_READ, "kind")?.parse() else { continue };
        stats.push(JobStats {
            kind,
            state: state(&sql::text(row, OP_READ, "state")?)?,
            count: sql::integer(row, OP_READ, "n")?.cast_unsigned(),
            oldest: sql::at(row, OP_READ, "oldest")?,
        });
    }
    stats.sort_by_key(|group| (group.kind, group.state.as_str()));
    Ok(stats)
}

#[async_trait]
impl JobQueue for Database {
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<()> {
        let op = "enqueue jobs";
        let tx = self.begin(op).await?;
        insert(&tx, jobs).await?;
        sql::commit(tx, op).await
    }

    async fn claim(&self, kinds: &[JobKind], max: u32, lease: Duration) -> Result<Vec<Job>> {
        if kinds.is_empty() || max == 0 {
            return Ok(Vec::new());
        }
        let (mut tries, began) = (0, Instant::now());
        loop {
            tries += 1;
            match self.try_claim(kinds, max, lease).await {
                // Another worker took a job of the same lane in this moment, or stood in the way. When the server is away
                // the caller is told soon: it counts the lease from before this call.
                Err(error)
                    if tries < CLAIM_TRIES_MAX
                        && began.elapsed() < CLAIM_AGAIN_MAX
                        && matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unavailable) => {}
                other => return other,
            }
        }
    }

    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>> {
        let update = format!(
            "UPDATE jobs SET leased_until = {} + $1 WHERE id = $2 AND epoch = $3 AND state = 'running'",
            sql::now(&self.db)
        );
        let mut lost = Vec::new();
        for held in leases {
            let values = [sql::span(lease), sql::id(held.job), sql::number(held.epoch)];
            if sql::run(&self.db, "heartbeat", update.as_str(), values).await? == 0 {
                lost.push(*held);
            }
        }
        Ok(lost)
    }

    async fn finish(&self, lease: Lease, finish: &Finish) -> Result<()> {
        let op = "finish job";
        let tx = self.begin(op).await?;
        sql::hold(&tx, op, lease).await?;
        let_go(&tx, lease.job, finish).await?;
        sql::commit(tx, op).await
    }

    async fn hasten(&self, keys_or_lanes: &[String]) -> Result<()> {
        let now = sql::now(&self.db);
        let update = format!(
            "UPDATE jobs SET run_at = {now} WHERE state = 'queued' AND run_at > {now} AND (key = $1 OR lane = $1)"
        );
        for name in keys_or_lanes {
            sql::run(&self.db, "hasten jobs", update.as_str(), [name.clone().into()]).await?;
        }
        Ok(())
    }

    async fn find(&self, key: &str) -> Result<Option<Job>> {
        let query = format!("SELECT {COLUMNS} FROM jobs WHERE key = $1 AND state IN ('queued', 'running')");
        sql::one(&self.db, OP_READ, query, [key.into()]).await?.as_ref().map(row).transpose()
    }

    async fn stats(&self) -> Result<Vec<JobStats>> {
        stats(self, None).await
    }

    async fn next_due(&self) -> Result<Option<DateTime<Utc>>> {
        let query = "SELECT MIN(run_at) AS due FROM jobs WHERE state = 'queued'";
        let row = sql::one(&self.db, OP_READ, query, []).await?;
        row.map_or(Ok(None), |row| sql::at(&row, OP_READ, "due"))
    }

    async fn dead(&self, limit: u32) -> Result<Vec<Job>> {
        let query = format!(
            "SELECT {COLUMNS} FROM jobs WHERE state = 'dead' AND {} ORDER BY finished_at DESC, id DESC LIMIT $1",
            known_kinds()
        );
        sql::all(&self.db, OP_READ, query, [sql::number(limit)]).await?.iter().map(row).collect()
    }

    async fn replay(&self, job: JobId) -> Result<bool> {
        let update = format!(
            "UPDATE jobs SET state = 'queued', attempts = 0, run_at = {}, finished_at = NULL
            WHERE id = $1 AND state = 'dead'",
            sql::now(&self.db)
        );
        match sql::run(&self.db, "replay job", update, [sql::id(job)]).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            other => Ok(other? > 0),
        }
    }

    async fn prune(&self, age: Duration, limit: u32) -> Result<u64> {
        let delete = format!(
            "DELETE FROM jobs WHERE state IN ('done', 'dead') AND id IN (
            SELECT id FROM jobs WHERE (state = 'done' OR state = 'dead' AND kind = '{}') AND finished_at < {} - $1
            ORDER BY finished_at LIMIT $2)",
            JobKind::WebhookDelivery,
            sql::now(&self.db)
        );
        sql::run(&self.db, "prune jobs", delete, [sql::span(age), sql::number(limit)]).await
    }
}
