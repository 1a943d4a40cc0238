//! Posts, and how far each source has been read.

use std::collections::HashSet;

use async_trait::async_trait;
use autorepost_core::{
    Result,
    connection::AccountId,
    id::{ConnectionId, PostId, TenantId},
    job::Lease,
    media::Media,
    port::{Admission, PostQuery, PostStore},
    post::{Cursor, FoundPost, Post},
};
use sea_orm::Value;

use crate::{Database, jobs, reposts, sql};

const OP_READ: &str = "read post";
/// Keys that one query asks for at most: SQLite and Postgres both take far more values.
const KEYS_MAX: usize = 500;

#[async_trait]
impl PostStore for Database {
    async fn admit(
        &self,
        lease: Lease,
        tenant: TenantId,
        connection: ConnectionId,
        admission: &Admission,
    ) -> Result<Vec<PostId>> {
        let op = "admit posts";
        let tx = self.begin(op).await?;
        sql::hold(&tx, op, lease).await?;
        let mut admitted = Vec::new();
        for entry in &admission.posts {
            let post = &entry.post;
            let insert = "INSERT INTO posts (id, tenant, connection, account, key, posted_at, doc)
                VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
            let values = [
                sql::id(post.id),
                sql::id(post.tenant),
                sql::id(post.connection),
                post.account.as_str().into(),
                post.found.key.clone().into(),
                sql::time(post.found.posted_at),
                sql::doc(op, post)?,
            ];
            if sql::run(&tx, op, insert, values).await? == 0 {
                continue;
            }
            for (repost, job) in &entry.reposts {
                if reposts::insert(&tx, repost).await? {
                    jobs::insert(&tx, job.as_slice()).await?;
                }
            }
            admitted.push(post.id);
        }
        let upsert = "INSERT INTO cursors (tenant, connection, doc) VALUES ($1, $2, $3)
            ON CONFLICT (tenant, connection) DO UPDATE SET doc = excluded.doc";
        sql::run(&tx, op, upsert, [sql::id(tenant), sql::id(connection), sql::doc(op, &admission.cursor)?]).await?;
        sql::commit(tx, op).await?;
        Ok(admitted)
    }

    async fn cursor(&self, tenant: TenantId, connection: ConnectionId) -> Result<Cursor> {
        let query = "SELECT doc FROM cursors WHERE tenant = $1 AND connection = $2";
        let row = sql::one(&self.db, OP_READ, query, [sql::id(tenant), sql::id(connection)]).await?;
        row.map_or_else(|| Ok(Cursor::default()), |row| sql::read(&row, OP_READ))
    }

    async fn known(&self, tenant: TenantId, account: &AccountId, keys: &[String]) -> Result<HashSet<String>> {
        let mut known = HashSet::new();
        for keys in keys.chunks(KEYS_MAX) {
            let places = sql::places(3, keys.len());
            let query = format!("SELECT key FROM posts WHERE tenant = $1 AND account = $2 AND key IN ({places})");
            let mut values: Vec<Value> = vec![sql::id(tenant), account.as_str().into()];
            values.extend(keys.iter().cloned().map(Value::from));
            for row in sql::all(&self.db, OP_READ, query, values).await? {
                known.insert(sql::text(&row, OP_READ, "key")?);
            }
        }
        Ok(known)
    }

    async fn get(&self, tenant: TenantId, id: PostId) -> Result<Option<Post>> {
        let query = "SELECT doc FROM posts WHERE id = $1 AND tenant = $2";
        let row = sql::one(&self.db, OP_READ, query, [sql::id(id), sql::id(tenant)]).await?;
        row.map(|row| sql::read(&row, OP_READ)).transpose()
    }

    async fn find(&self, tenant: TenantId, key: &str) -> Result<Vec<Post>> {
        let query = "SELECT doc FROM posts WHERE tenant = $1 AND key = $2 ORDER BY id";
        let rows = sql::all(&self.db, OP_READ, query, [sql::id(tenant), key.into()]).await?;
        rows.iter().map(|row| sql::read(row, OP_READ)).collect()
    }

    async fn list(&self, tenant: TenantId, query: &PostQuery) -> Result<Vec<Post>> {
        let mut text = "SELECT doc FROM posts WHERE tenant = $1".to_owned();
        let mut values = vec![sql::id(tenant)];
        if let Some(connection) = query.connection {
            values.push(sql::id(connection));
            text += &format!(" AND connection = ${}", values.len());
        }
        if let Some(before) = query.before {
            values.push(sql::time(before));
            text += &format!(" AND posted_at < ${}", values.len());
        }
        if let Some((at, id)) = query.after {
            values.extend([sql::time(at), sql::id(id)]);
            text += &format!(" AND (posted_at, id) < (${}, ${})", values.len() - 1, values.len());
        }
        values.push(sql::number(query.limit));
        text += &format!(" ORDER BY posted_at DESC, id DESC LIMIT ${}", values.len());
        let rows = sql::all(&self.db, OP_READ, text, values).await?;
        rows.iter().map(|row| sql::read(row, OP_READ)).collect()
    }

    async fn reveal(&self, lease: Lease, tenant: TenantId, post: PostId, found: &FoundPost) -> Result<()> {
        self.change("reveal post", lease, tenant, post, |stored| Post { found: found.clone(), ..stored }).await
    }

    async fn set_media(&self, lease: Lease, tenant: TenantId, post: PostId, media: &Media) -> Result<()> {
        self.change("set media", lease, tenant, post, |stored| Post { media: Some(media.clone()), ..stored }).await
    }
}

impl Database {
    /// Changes a post's document while the lease holds.
    async fn change(
        &self,
        op: &'static str,
        lease: Lease,
        tenant: TenantId,
        post: PostId,
        change: impl FnOnce(Post) -> Post + Send,
    ) -> Result<()> {
        let tx = self.begin(op).await?;
        sql::hold(&tx, op, lease).await?;
        let lock = if sql::is_postgres(&tx) { " FOR UPDATE" } else { "" };
        let query = format!("SELECT doc FROM posts WHERE id = $1 AND tenant = $2{lock}");
        if let Some(row) = sql::one(&tx, op, query, [sql::id(post), sql::id(tenant)]).await? {
            let changed = change(sql::read(&row, op)?);
            let update = "UPDATE posts SET doc = $1 WHERE id = $2";
            sql::run(&tx, op, update, [sql::doc(op, &changed)?, sql::id(post)]).await?;
        }
        sql::commit(tx, op).await
    }
}
