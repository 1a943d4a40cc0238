//! Endpoints of tenants.

use async_trait::async_trait;
use autorepost_core::{
    Error, Result,
    id::{TenantId, WebhookId},
    port::WebhookStore,
    webhook::Webhook,
};
use sea_orm::QueryResult;

use crate::{Database, sql};

const OP_READ: &str = "read webhook";

fn row(row: &QueryResult) -> Result<Webhook> {
    let version = sql::integer(row, OP_READ, "version")?;
    Ok(Webhook { version: version.cast_unsigned(), ..sql::read(row, OP_READ)? })
}

#[async_trait]
impl WebhookStore for Database {
    async fn insert(&self, webhook: &Webhook) -> Result<()> {
        let op = "add webhook";
        let insert = "INSERT INTO webhooks (id, tenant, created_at, version, doc) VALUES ($1, $2, $3, $4, $5)";
        let values = [
            sql::id(webhook.id),
            sql::id(webhook.tenant),
            sql::time(webhook.created_at),
            sql::number(webhook.version),
            sql::doc(op, webhook)?,
        ];
        sql::run(&self.db, op, insert, values).await.map(drop)
    }

    async fn get(&self, tenant: TenantId, id: WebhookId) -> Result<Option<Webhook>> {
        let query = "SELECT version, doc FROM webhooks WHERE id = $1 AND tenant = $2";
        sql::one(&self.db, OP_READ, query, [sql::id(id), sql::id(tenant)]).await?.as_ref().map(row).transpose()
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Webhook>> {
        let query = "SELECT version, doc FROM webhooks WHERE tenant = $1 ORDER BY created_at, id";
        sql::all(&self.db, OP_READ, query, [sql::id(tenant)]).await?.iter().map(row).collect()
    }

    async fn update(&self, webhook: &Webhook) -> Result<Webhook> {
        let op = "update webhook";
        let stored = Webhook { version: webhook.version + 1, ..webhook.clone() };
        let update = "UPDATE webhooks SET version = $1, doc = $2 WHERE id = $3 AND tenant = $4 AND version = $5";
        let values = [
            sql::number(stored.version),
            sql::doc(op, &stored)?,
            sql::id(stored.id),
            sql::id(stored.tenant),
            sql::number(webhook.version),
        ];
        match sql::run(&self.db, op, update, values).await? {
            0 => Err(Error::conflict(op, "the webhook was changed or removed meanwhile")),
            _ => Ok(stored),
        }
    }

    async fn remove(&self, tenant: TenantId, id: WebhookId) -> Result<bool> {
        let delete = "DELETE FROM webhooks WHERE id = $1 AND tenant = $2";
        Ok(sql::run(&self.db, "remove webhook", delete, [sql::id(id), sql::id(tenant)]).await? > 0)
    }
}
