//! Posts, and how far each source has been read.

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
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Value};

use crate::{Database, jobs, reposts, sql};

const OP_READ: &str = "read post";
/// Keys that one query asks for at most: SQLite and Postgres both take far more values.
const KEYS_MAX: usize = 500;

/// Whether a post is known, for whatever account; then it is fetched through this one's connection from now on.
async fn hand_over(tx: &impl ConnectionTrait, post: &Post) -> Result<bool> {
    let op = "admit posts";
    let query = "SELECT doc FROM posts WHERE tenant = $1 AND key = $2 ORDER BY id";
    let lock = if sql::is_postgres(tx) { " FOR UPDATE" } else { "" };
    let row = sql::one(tx, op, format!("{query}{lock}"), [sql::id(post.tenant), post.found.key.clone().into()]).await?;
    let Some(stored) = row.map(|row| sql::read::<Post>(&row, op)).transpose()? else { return Ok(false) };
    if stored.connection != post.connection {
        let next = Post { connection: post.connection, ..stored };
        let update = "UPDATE posts SET connection = $1, doc = $2 WHERE id = $3";
        sql::run(tx, op, update, [sql::id(next.connection), sql::doc(op, &next)?, sql::id(next.id)]).await?;
    }
    Ok(true)
}

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
        if sql::is_postgres(&tx) && !admission.posts.is_empty() {
            // Two connections of one creator admit one after the other; on SQLite the transaction is the only writer.
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            sql::all(&tx, op, lock, [format!("posts:{tenant}").into()]).await?;
        }
        let mut admitted = Vec::new();
        for entry in &admission.posts {
            let post = &entry.post;
            if hand_over(&tx, post).await? {
                continue;
            }
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

    async fn known(&self, tenant: TenantId, account: &AccountId, keys: &[String]) -> Result<Vec<Post>> {
        let mut known = Vec::new();
        for keys in keys.chunks(KEYS_MAX) {
            let places = sql::places(3, keys.len());
            let query = format!("SELECT doc FROM posts WHERE tenant = $1 AND account = $2 AND key IN ({places})");
            let mut values: Vec<Value> = vec![sql::id(tenant), account.as_str().into()];
            values.extend(keys.iter().cloned().map(Value::from));
            for row in sql::all(&self.db, OP_READ, query, values).await? {
                known.push(sql::read(&row, OP_READ)?);
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
        if let Some(since) = query.since {
            values.push(sql::time(since));
            text += &format!(" AND posted_at >= ${}", values.len());
        }
        if let Some(before) = query.before {
            values.push(sql::time(before));
            text += &format!(" AND posted_at < ${}", values.len());
        }
        if let Some((at, id)) = query.after {
            values.extend([sql::time(at), sql::id(id)]);
            let beyond = if query.oldest_first { ">" } else { "<" };
            text += &format!(" AND (posted_at, id) {beyond} (${}, ${})", values.len() - 1, values.len());
        }
        values.push(sql::number(query.limit));
        let order = if query.oldest_first { "posted_at, id" } else { "posted_at DESC, id DESC" };
        text += &format!(" ORDER BY {order} LIMIT ${}", values.len());
        let rows = sql::all(&self.db, OP_READ, text, values).await?;
        rows.iter().map(|row| sql::read(row, OP_READ)).collect()
    }

    async fn reveal(&self, lease: Lease, tenant: TenantId, post: PostId, found: &FoundPost) -> Result<()> {
        self.change("reveal post", lease, tenant, post, |stored| Post { found: found.clone(), ..stored }).await
    }

    async fn set_media(&self, lease: Lease, tenant: TenantId, post: PostId, media: &Media) -> Result<()> {
        self.change("set media", lease, tenant, post, |stored| Post { media: Some(media.clone()), ..stored }).await
    }

    async fn stale_media(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<Post>> {
        let key = sql::media_key(&self.db, "p");
        let query = format!(
            "SELECT p.doc AS doc FROM posts p WHERE {key} IS NOT NULL AND {} ORDER BY {key}, p.id LIMIT $2",
            stale(&self.db)
        );
        let rows = sql::all(&self.db, OP_READ, query, [sql::time(before), sql::number(limit)]).await?;
        rows.iter().map(|row| sql::read(row, OP_READ)).collect()
    }

    async fn forget_media(&self, lease: Lease, tenant: TenantId, post: PostId, before: DateTime<Utc>) -> Result<bool> {
        let op = "forget media";
        let tx = self.begin(op).await?;
        sql::hold(&tx, op, lease).await?;
        let lock = if sql::is_postgres(&tx) { " FOR UPDATE OF p" } else { "" };
        let key = sql::media_key(&tx, "p");
        let query = format!(
            "SELECT p.doc AS doc FROM posts p WHERE p.id = $2 AND p.tenant = $3 AND {key} IS NOT NULL AND {}{lock}",
            stale(&tx)
        );
        let row = sql::one(&tx, op, query, [sql::time(before), sql::id(post), sql::id(tenant)]).await?;
        if let Some(row) = &row {
            let forgotten = Post { media: None, ..sql::read(row, op)? };
            let update = "UPDATE posts SET doc = $1 WHERE id = $2";
            sql::run(&tx, op, update, [sql::doc(op, &forgotten)?, sql::id(post)]).await?;
        }
        sql::commit(tx, op).await?;
        Ok(row.is_some())
    }
}

/// Whether nobody needs the media that the post `p` names: no post that names them was found, or has a repost that was
/// moved, at `$1` or later, and no repost of any of them may still need them.
fn stale(conn: &impl ConnectionTrait) -> String {
    let (mine, other) = (sql::media_key(conn, "p"), sql::media_key(conn, "q"));
    let (found, moved) = (sql::doc_time_ms(conn, "q", "found_at"), sql::doc_time_ms(conn, "r", "updated_at"));
    format!(
        "NOT EXISTS (SELECT 1 FROM posts q WHERE {other} = {mine} AND ({found} >= $1 / 1000 OR EXISTS (
            SELECT 1 FROM reposts r WHERE r.post = q.id
                AND (r.state NOT IN ('published', 'skipped', 'failed') OR {moved} >= $1 / 1000))))"
    )
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
            let update = "UPDATE posts SET posted_at = $1, doc = $2 WHERE id = $3";
            let values = [sql::time(changed.found.posted_at), sql::doc(op, &changed)?, sql::id(post)];
            sql::run(&tx, op, update, values).await?;
        }
        sql::commit(tx, op).await
    }
}
