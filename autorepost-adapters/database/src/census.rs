//! Counts, and jobs that nobody works on.

use async_trait::async_trait;
use autorepost_core::{
    Result,
    id::{JobId, TenantId},
    job::Job,
    port::{Census, JobStats, RepostCount},
};

use crate::{
    Database,
    jobs::{self, COLUMNS, OP_READ},
    sql,
};

#[async_trait]
impl Census for Database {
    async fn reposts(&self, tenant: TenantId) -> Result<Vec<RepostCount>> {
        let op = "count reposts";
        let query = "SELECT platform, state, COUNT(*) AS n FROM reposts WHERE tenant = $1 GROUP BY platform, state";
        let rows = sql::all(&self.db, op, query, [sql::id(tenant)]).await?;
        let count = |row| {
            Ok(RepostCount {
                platform: sql::text(row, op, "platform")?.parse()?,
                state: sql::text(row, op, "state")?,
                count: sql::integer(row, op, "n")?.cast_unsigned(),
            })
        };
        let mut counts = rows.iter().map(count).collect::<Result<Vec<_>>>()?;
        counts.sort_by(|a, b| (a.platform, &a.state).cmp(&(b.platform, &b.state)));
        Ok(counts)
    }

    async fn jobs(&self, tenant: Option<TenantId>) -> Result<Vec<JobStats>> {
        jobs::stats(self, tenant).await
    }

    async fn dead(&self, tenant: Option<TenantId>, after: Option<JobId>, limit: u32) -> Result<Vec<Job>> {
        let query = format!(
            "SELECT {COLUMNS} FROM jobs WHERE state = 'dead' AND ($1 = '' OR tenant = $1) AND ($2 = '' OR id < $2)
            AND {} ORDER BY id DESC LIMIT $3",
            jobs::known_kinds()
        );
        let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        let after = after.map(|after| after.to_string()).unwrap_or_default();
        let values = [tenant.into(), after.into(), sql::number(limit)];
        sql::all(&self.db, OP_READ, query, values).await?.iter().map(jobs::row).collect()
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        let query = format!("SELECT {COLUMNS} FROM jobs WHERE id = $1 AND {}", jobs::known_kinds());
        sql::one(&self.db, OP_READ, query, [sql::id(id)]).await?.as_ref().map(jobs::row).transpose()
    }
}
