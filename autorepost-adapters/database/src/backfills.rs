//! Backfills.

use async_trait::async_trait;
use autorepost_core::{
    Error, Result,
    backfill::{Backfill, Turn},
    id::{RuleId, TenantId},
    job::{Lease, NewJob},
    port::BackfillStore,
};
use sea_orm::QueryResult;

use crate::{Database, jobs, reposts, sql};

const OP_READ: &str = "read backfill";

fn row(row: &QueryResult) -> Result<Backfill> {
    let version = sql::integer(row, OP_READ, "version")?;
    Ok(Backfill { version: version.cast_unsigned(), ..sql::read(row, OP_READ)? })
}

#[async_trait]
impl BackfillStore for Database {
    async fn begin(&self, backfill: &Backfill, job: &NewJob) -> Result<Backfill> {
        let op = "begin backfill";
        let tx = self.begin(op).await?;
        let upsert = "INSERT INTO backfills (rule, tenant, going, began_at, version, doc)
            VALUES ($1, $2, 1, $3, 0, $4) ON CONFLICT (rule) DO UPDATE SET going = 1, began_at = excluded.began_at,
                version = backfills.version + 1, doc = excluded.doc WHERE backfills.going = 0";
        let values =
            [sql::id(backfill.rule), sql::id(backfill.tenant), sql::time(backfill.began_at), sql::doc(op, backfill)?];
        if sql::run(&tx, op, upsert, values).await? == 0 {
            return Err(Error::conflict(op, "one of this rule is going already"));
        }
        jobs::insert(&tx, std::slice::from_ref(job)).await?;
        let query = "SELECT version, doc FROM backfills WHERE rule = $1";
        let stored = sql::one(&tx, op, query, [sql::id(backfill.rule)]).await?.as_ref().map(row).transpose()?;
        sql::commit(tx, op).await?;
        stored.ok_or_else(|| Error::internal(op, "a row that was written is not there"))
    }

    async fn get(&self, tenant: TenantId, rule: RuleId) -> Result<Option<Backfill>> {
        let query = "SELECT version, doc FROM backfills WHERE rule = $1 AND tenant = $2";
        sql::one(&self.db, OP_READ, query, [sql::id(rule), sql::id(tenant)]).await?.as_ref().map(row).transpose()
    }

    async fn list(&self, tenant: Option<TenantId>) -> Result<Vec<Backfill>> {
        let query = "SELECT version, doc FROM backfills WHERE $1 = '' OR tenant = $1 ORDER BY began_at, rule";
        let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        sql::all(&self.db, OP_READ, query, [tenant.into()]).await?.iter().map(row).collect()
    }

    async fn step(&self, backfill: &Backfill, lease: Option<Lease>, turns: &[Turn]) -> Result<Backfill> {
        let op = "move backfill";
        let stored = Backfill { version: backfill.version + 1, ..backfill.clone() };
        let tx = self.begin(op).await?;
        if let Some(lease) = lease {
            sql::hold(&tx, op, lease).await?;
        }
        let update = "UPDATE backfills SET going = $1, version = $2, doc = $3
            WHERE rule = $4 AND tenant = $5 AND version = $6";
        let values = [
            i64::from(stored.is_going()).into(),
            sql::number(stored.version),
            sql::doc(op, &stored)?,
            sql::id(stored.rule),
            sql::id(stored.tenant),
            sql::number(backfill.version),
        ];
        if sql::run(&tx, op, update, values).await? == 0 {
            return Err(Error::conflict(op, "the backfill was moved meanwhile"));
        }
        for (repost, job, entry) in turns {
            if !reposts::insert(&tx, repost).await? {
                return Err(Error::conflict(op, "one of its reposts exists already"));
            }
            reposts::write_entry(&tx, repost.id, entry).await?;
            jobs::insert(&tx, std::slice::from_ref(job)).await?;
        }
        sql::commit(tx, op).await?;
        Ok(stored)
    }
}
