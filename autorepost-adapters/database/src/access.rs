//! Tenants, keys to the HTTP interface, and the audit log.

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    access::{ApiKey, AuditEntry, Tenant},
    id::{ApiKeyId, AuditId, TenantId},
    port::{AccessStore, AuditLog, AuditQuery, KeyQuery},
};
use chrono::{DateTime, Utc};

use crate::{Database, sql};

const OP_TENANT: &str = "read tenant";
const OP_KEY: &str = "read API key";

#[async_trait]
impl AccessStore for Database {
    async fn add_tenant(&self, tenant: &Tenant) -> Result<()> {
        let op = "add tenant";
        let insert = "INSERT INTO tenants (id, name, doc) VALUES ($1, $2, $3)";
        let values = [sql::id(tenant.id), tenant.name.clone().into(), sql::doc(op, tenant)?];
        match sql::run(&self.db, op, insert, values).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err(Error::conflict(op, format!("there is a tenant \"{}\" already", tenant.name)))
            }
            other => other.map(drop),
        }
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>> {
        let row = sql::one(&self.db, OP_TENANT, "SELECT doc FROM tenants WHERE id = $1", [sql::id(id)]).await?;
        row.map(|row| sql::read(&row, OP_TENANT)).transpose()
    }

    async fn tenants(&self, after: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>> {
        let query = "SELECT doc FROM tenants WHERE id > $1 ORDER BY id LIMIT $2";
        let after = after.map(|after| after.to_string()).unwrap_or_default();
        let rows = sql::all(&self.db, OP_TENANT, query, [after.into(), sql::number(limit)]).await?;
        rows.iter().map(|row| sql::read(row, OP_TENANT)).collect()
    }

    async fn add_key(&self, key: &ApiKey) -> Result<()> {
        let op = "add API key";
        let insert = "INSERT INTO api_keys (id, tenant, doc) VALUES ($1, $2, $3)";
        let tenant = key.tenant.map(|tenant| tenant.to_string());
        sql::run(&self.db, op, insert, [sql::id(key.id), tenant.into(), sql::doc(op, key)?]).await.map(drop)
    }

    async fn key(&self, id: ApiKeyId) -> Result<Option<ApiKey>> {
        let query = "SELECT revoked_at, doc FROM api_keys WHERE id = $1";
        let row = sql::one(&self.db, OP_KEY, query, [sql::id(id)]).await?;
        row.as_ref().map(key).transpose()
    }

    async fn keys(&self, query: &KeyQuery) -> Result<Vec<ApiKey>> {
        let text = "SELECT revoked_at, doc FROM api_keys WHERE ($1 = '' OR tenant = $1) AND id > $2
            ORDER BY id LIMIT $3";
        let tenant = query.tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        let after = query.after.map(|after| after.to_string()).unwrap_or_default();
        let rows = sql::all(&self.db, OP_KEY, text, [tenant.into(), after.into(), sql::number(query.limit)]).await?;
        rows.iter().map(key).collect()
    }

    async fn revoke(&self, id: ApiKeyId, at: DateTime<Utc>) -> Result<bool> {
        let update = "UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
        Ok(sql::run(&self.db, "revoke API key", update, [sql::time(at), sql::id(id)]).await? > 0)
    }
}

fn key(row: &sea_orm::QueryResult) -> Result<ApiKey> {
    let revoked_at = sql::at(row, OP_KEY, "revoked_at")?;
    Ok(ApiKey { revoked_at, ..sql::read(row, OP_KEY)? })
}

#[async_trait]
impl AuditLog for Database {
    async fn append(&self, entry: &AuditEntry) -> Result<()> {
        let op = "write audit log";
        let insert = "INSERT INTO audit (id, tenant, at, doc) VALUES ($1, $2, $3, $4)";
        let values = [sql::id(entry.id), scope(entry.tenant).into(), sql::time(entry.at), sql::doc(op, entry)?];
        sql::run(&self.db, op, insert, values).await.map(drop)
    }

    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        let op = "read audit log";
        let mut text = "SELECT doc FROM audit WHERE tenant = $1".to_owned();
        let mut values = vec![scope(query.tenant).into()];
        if let Some((at, id)) = query.after {
            values.extend([sql::time(at), sql::id(id)]);
            text += " AND (at, id) < ($2, $3)";
        }
        values.push(sql::number(query.limit));
        text += &format!(" ORDER BY at DESC, id DESC LIMIT ${}", values.len());
        let rows = sql::all(&self.db, op, text, values).await?;
        rows.iter().map(|row| sql::read(row, op)).collect()
    }

    async fn prune(&self, before: DateTime<Utc>, max: u32) -> Result<u64> {
        // Ids begin with their time, and the primary key is in their order: no other index is needed.
        let delete = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < $1 ORDER BY id LIMIT $2)";
        let values = [sql::id(AuditId::new(before, [0; 10])), sql::number(max)];
        sql::run(&self.db, "prune audit log", delete, values).await
    }
}

/// The tenant that a line concerns; empty for the whole installation.
fn scope(tenant: Option<TenantId>) -> String {
    tenant.map(|tenant| tenant.to_string()).unwrap_or_default()
}
