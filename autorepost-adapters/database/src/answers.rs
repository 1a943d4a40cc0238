//! The answers of requests that may be asked again.

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    port::{ANSWERS_MAX, ANSWERS_PRUNED_MAX, Begun, IdempotencyClaim, IdempotencyKey, IdempotencyStore, StoredAnswer},
};
use chrono::{DateTime, Utc};
use sea_orm::Value;
use uuid::Uuid;

use crate::{Database, sql};

const OP: &str = "keep answer";

/// Tenant, key and name: what a row is known by.
fn place(key: &IdempotencyKey) -> [Value; 3] {
    [sql::id(key.tenant), sql::id(key.api_key), key.name.clone().into()]
}

#[async_trait]
impl IdempotencyStore for Database {
    async fn begin(&self, key: &IdempotencyKey, claim: &IdempotencyClaim, now: DateTime<Utc>) -> Result<Begun> {
        let tx = self.begin(OP).await?;
        let skip_locked = if sql::is_postgres(&tx) { " FOR UPDATE SKIP LOCKED" } else { "" };
        let prune = format!(
            "DELETE FROM answers WHERE (tenant, api_key, name) IN (
                SELECT tenant, api_key, name FROM answers WHERE until <= $1 LIMIT $2{skip_locked})"
        );
        sql::run(&tx, OP, prune, [sql::time(now), sql::number(ANSWERS_PRUNED_MAX)]).await?;
        let count = "SELECT COUNT(*) AS n FROM (
            SELECT 1 AS one FROM answers WHERE tenant = $1 AND api_key = $2 AND until > $4 LIMIT $3) counted";
        let values = [sql::id(key.tenant), sql::id(key.api_key), sql::number(ANSWERS_MAX), sql::time(now)];
        let row = sql::one(&tx, OP, count, values).await?;
        let full = row.map_or(Ok(0), |row| sql::integer(&row, OP, "n"))? >= i64::from(ANSWERS_MAX);

        let mut values = Vec::from(place(key));
        values.extend([claim.digest.clone().into(), sql::id(claim.token), sql::time(claim.until), sql::time(now)]);
        // Of two at once the later waits for the former here, and sees its row.
        let insert = "INSERT INTO answers (tenant, api_key, name, digest, token, until)
            SELECT $1, $2, $3, $4, $5, CAST($6 AS BIGINT) WHERE true
            ON CONFLICT (tenant, api_key, name) DO UPDATE
            SET digest = excluded.digest, token = excluded.token, until = excluded.until, status = NULL, body = NULL
            WHERE answers.until <= $7";
        if !full && sql::run(&tx, OP, insert, values).await? > 0 {
            sql::commit(tx, OP).await?;
            return Ok(Begun::Claimed);
        }
        let query = "SELECT digest, status, body FROM answers
            WHERE tenant = $1 AND api_key = $2 AND name = $3 AND until > $4";
        let mut values = Vec::from(place(key));
        values.push(sql::time(now));
        let found = sql::one(&tx, OP, query, values).await?;
        sql::commit(tx, OP).await?;
        let Some(row) = found else {
            let text =
                format!("this key has {ANSWERS_MAX} answers waiting to be repeated: ask without an idempotency key");
            return Err(Error::new(ErrorKind::Quota, OP, text));
        };
        if sql::text(&row, OP, "digest")? != claim.digest {
            return Ok(Begun::Different);
        }
        let status: Option<i64> = row.try_get("", "status").map_err(|cause| sql::error(OP, cause))?;
        Ok(match status.and_then(|status| u16::try_from(status).ok()) {
            Some(status) => Begun::Answered(StoredAnswer { status, body: sql::text(&row, OP, "body")? }),
            None => Begun::Running,
        })
    }

    async fn finish(
        &self,
        key: &IdempotencyKey,
        token: Uuid,
        answer: &StoredAnswer,
        until: DateTime<Utc>,
    ) -> Result<()> {
        let update = "UPDATE answers SET status = $4, body = $5, until = $6
            WHERE tenant = $1 AND api_key = $2 AND name = $3 AND token = $7 AND status IS NULL";
        let mut values = Vec::from(place(key));
        values.extend([sql::number(answer.status), answer.body.clone().into(), sql::time(until), sql::id(token)]);
        match sql::run(&self.db, OP, update, values).await? {
            0 => Err(Error::lease_lost(OP)),
            _ => Ok(()),
        }
    }

    async fn forget(&self, key: &IdempotencyKey, token: Uuid) -> Result<()> {
        let delete = "DELETE FROM answers
            WHERE tenant = $1 AND api_key = $2 AND name = $3 AND token = $4 AND status IS NULL";
        let mut values = Vec::from(place(key));
        values.push(sql::id(token));
        sql::run(&self.db, OP, delete, values).await.map(drop)
    }
}
