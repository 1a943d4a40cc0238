//! The creator's own files.

use async_trait::async_trait;
use autorepost_core::{
    Result,
    id::{MasterId, PostId, TenantId},
    job::Lease,
    master::Master,
    port::MasterStore,
    post::Post,
};
use chrono::{DateTime, Utc};

use crate::{Database, sql};

const OP_READ: &str = "read master";

#[async_trait]
impl MasterStore for Database {
    async fn keep(&self, master: &Master) -> Result<bool> {
        let op = "keep master";
        let insert = "INSERT INTO masters (id, tenant, media, made_at, received_at, post_key, post, doc)
            VALUES ($1, $2, $3, $4, $5, $6, NULL, $7) ON CONFLICT DO NOTHING";
        let values = [
            sql::id(master.id),
            sql::id(master.tenant),
            sql::id(master.media.key),
            sql::time(master.made_at),
            sql::time(master.received_at),
            master.sidecar.post_key().map(ToOwned::to_owned).into(),
            sql::doc(op, master)?,
        ];
        Ok(sql::run(&self.db, op, insert, values).await? > 0)
    }

    async fn free(
        &self,
        tenant: TenantId,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        post_key: &str,
        limit: u32,
    ) -> Result<Vec<Master>> {
        let query = "SELECT doc FROM masters WHERE tenant = $1 AND post IS NULL
                AND (made_at BETWEEN $2 AND $3 OR post_key = $4) ORDER BY made_at, id LIMIT $5";
        let values = [sql::id(tenant), sql::time(from), sql::time(to), post_key.into(), sql::number(limit)];
        sql::all(&self.db, OP_READ, query, values).await?.iter().map(|row| sql::read(row, OP_READ)).collect()
    }

    async fn give(&self, lease: Lease, master: &Master, post: PostId) -> Result<bool> {
        let op = "give master";
        let tx = self.begin(op).await?;
        sql::hold(&tx, op, lease).await?;
        let given = Master { post: Some(post), ..master.clone() };
        let update = "UPDATE masters SET post = $1, doc = $2 WHERE id = $3 AND post IS NULL";
        if sql::run(&tx, op, update, [sql::id(post), sql::doc(op, &given)?, sql::id(master.id)]).await? == 0 {
            return Ok(false);
        }
        let lock = if sql::is_postgres(&tx) { " FOR UPDATE" } else { "" };
        let query = format!("SELECT doc FROM posts WHERE id = $1 AND tenant = $2{lock}");
        if let Some(row) = sql::one(&tx, op, query, [sql::id(post), sql::id(master.tenant)]).await? {
            let changed = Post { media: Some(master.media.clone()), ..sql::read(&row, op)? };
            sql::run(&tx, op, "UPDATE posts SET doc = $1 WHERE id = $2", [sql::doc(op, &changed)?, sql::id(post)])
                .await?;
        }
        sql::commit(tx, op).await?;
        Ok(true)
    }

    async fn list(&self, tenant: TenantId, limit: u32) -> Result<Vec<Master>> {
        let query = "SELECT doc FROM masters WHERE tenant = $1 ORDER BY received_at DESC, id DESC LIMIT $2";
        let rows = sql::all(&self.db, OP_READ, query, [sql::id(tenant), sql::number(limit)]).await?;
        rows.iter().map(|row| sql::read(row, OP_READ)).collect()
    }

    async fn stale(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<(Master, bool)>> {
        let key = sql::media_key(&self.db, "p");
        let query = format!(
            "SELECT m.doc AS doc, (SELECT COUNT(*) FROM posts p WHERE {key} = m.media) AS n
            FROM masters m WHERE m.received_at < $1 ORDER BY m.received_at, m.id LIMIT $2"
        );
        let rows = sql::all(&self.db, OP_READ, query, [sql::time(before), sql::number(limit)]).await?;
        rows.iter().map(|row| Ok((sql::read(row, OP_READ)?, sql::integer(row, OP_READ, "n")? == 0))).collect()
    }

    async fn forget(&self, id: MasterId) -> Result<()> {
        sql::run(&self.db, "forget master", "DELETE FROM masters WHERE id = $1", [sql::id(id)]).await.map(drop)
    }
}
