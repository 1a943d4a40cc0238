//! Which media were made of which.

use autorepost_core::{
    Error, Result,
    media::{Media, MediaKey},
    port::RenditionStore,
    preflight::Profile,
};

use async_trait::async_trait;

use crate::{Database, sql};

const OP_READ: &str = "read renditions";

#[async_trait]
impl RenditionStore for Database {
    async fn find(&self, source: &MediaKey, profile: &Profile) -> Result<Option<Media>> {
        let query = "SELECT doc FROM renditions WHERE source = $1 AND profile = $2 ORDER BY seq DESC, key LIMIT 1";
        let values = [sql::id(source), sql::doc(OP_READ, profile)?];
        sql::one(&self.db, OP_READ, query, values).await?.map(|row| sql::read(&row, OP_READ)).transpose()
    }

    async fn keep(&self, source: &MediaKey, profile: &Profile, made: &Media) -> Result<()> {
        let op = "keep rendition";
        let insert = "INSERT INTO renditions (source, profile, key, seq, doc) VALUES ($1, $2, $3,
                (SELECT COALESCE(MAX(seq), 0) + 1 FROM renditions WHERE source = $1 AND profile = $2), $4)
            ON CONFLICT (source, profile, key) DO UPDATE SET seq = excluded.seq, doc = excluded.doc";
        let values = [sql::id(source), sql::doc(op, profile)?, sql::id(made.key), sql::doc(op, made)?];
        sql::run(&self.db, op, insert, values).await.map(drop)
    }

    async fn of(&self, source: &MediaKey) -> Result<Vec<MediaKey>> {
        let query = "SELECT DISTINCT key FROM renditions WHERE source = $1 ORDER BY key";
        let rows = sql::all(&self.db, OP_READ, query, [sql::id(source)]).await?;
        rows.iter().map(|row| sql::text(row, OP_READ, "key")?.parse::<MediaKey>()).collect::<Result<_, Error>>()
    }

    async fn forget(&self, source: &MediaKey) -> Result<()> {
        let delete = "DELETE FROM renditions WHERE source = $1";
        sql::run(&self.db, "forget renditions", delete, [sql::id(source)]).await.map(drop)
    }
}
