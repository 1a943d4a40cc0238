//! Connections.

use async_trait::async_trait;
use autorepost_core::{
    Error, Platform, Result,
    connection::{AccountId, Connection},
    id::{ConnectionId, TenantId},
    job::{Lease, NewJob},
    port::ConnectionStore,
};
use sea_orm::{ConnectionTrait, QueryResult};

use crate::{Database, jobs, sql};

const OP_READ: &str = "read connection";

fn row(row: &QueryResult) -> Result<Connection> {
    let version = sql::integer(row, OP_READ, "version")?;
    Ok(Connection { version: version.cast_unsigned(), ..sql::read(row, OP_READ)? })
}

async fn find(
    conn: &impl ConnectionTrait,
    tenant: TenantId,
    platform: Platform,
    account: &AccountId,
    lock: &str,
) -> Result<Option<Connection>> {
    let query =
        format!("SELECT version, doc FROM connections WHERE tenant = $1 AND platform = $2 AND account = $3{lock}");
    let values = [sql::id(tenant), platform.as_str().into(), account.as_str().into()];
    sql::one(conn, OP_READ, query, values).await?.as_ref().map(row).transpose()
}

#[async_trait]
impl ConnectionStore for Database {
    async fn connect(&self, connection: &Connection, new_jobs: &[NewJob]) -> Result<Connection> {
        let op = "connect account";
        let tx = self.begin(op).await?;
        // What is kept of the row must not change in between; on SQLite the transaction is the only writer.
        let lock = if sql::is_postgres(&tx) { " FOR UPDATE" } else { "" };
        let stored = match find(&tx, connection.tenant, connection.platform, &connection.account, lock).await? {
            Some(known) if known.id != connection.id => {
                return Err(Error::conflict(op, format!("the account is connected as {}", known.id)));
            }
            Some(known) => {
                let stored = Connection {
                    paused: known.paused,
                    resumed_at: known.resumed_at,
                    lists_for: known.lists_for,
                    created_at: known.created_at,
                    version: known.version + 1,
                    ..connection.clone()
                };
                let update = "UPDATE connections SET version = $1, doc = $2 WHERE id = $3";
                sql::run(&tx, op, update, [sql::number(stored.version), sql::doc(op, &stored)?, sql::id(stored.id)])
                    .await?;
                stored
            }
            None => {
                let insert = "INSERT INTO connections (id, tenant, platform, account, created_at, version, doc)
                    VALUES ($1, $2, $3, $4, $5, $6, $7)";
                let values = [
                    sql::id(connection.id),
                    sql::id(connection.tenant),
                    connection.platform.as_str().into(),
                    connection.account.as_str().into(),
                    sql::time(connection.created_at),
                    sql::number(connection.version),
                    sql::doc(op, connection)?,
                ];
                sql::run(&tx, op, insert, values).await?;
                connection.clone()
            }
        };
        jobs::insert(&tx, new_jobs).await?;
        sql::commit(tx, op).await?;
        Ok(stored)
    }

    async fn get(&self, tenant: TenantId, id: ConnectionId) -> Result<Option<Connection>> {
        let query = "SELECT version, doc FROM connections WHERE id = $1 AND tenant = $2";
        sql::one(&self.db, OP_READ, query, [sql::id(id), sql::id(tenant)]).await?.as_ref().map(row).transpose()
    }

    async fn find(&self, tenant: TenantId, platform: Platform, account: &AccountId) -> Result<Option<Connection>> {
        find(&self.db, tenant, platform, account, "").await
    }

    async fn list(&self, tenant: Option<TenantId>) -> Result<Vec<Connection>> {
        let query = "SELECT version, doc FROM connections WHERE $1 = '' OR tenant = $1 ORDER BY created_at, id";
        let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        sql::all(&self.db, OP_READ, query, [tenant.into()]).await?.iter().map(row).collect()
    }

    async fn update(&self, connection: &Connection, lease: Option<Lease>, new_jobs: &[NewJob]) -> Result<Connection> {
        let op = "update connection";
        let tx = self.begin(op).await?;
        if let Some(lease) = lease {
            sql::hold(&tx, op, lease).await?;
        }
        let stored = Connection { version: connection.version + 1, ..connection.clone() };
        let update = "UPDATE connections SET version = $1, doc = $2 WHERE id = $3 AND tenant = $4 AND version = $5";
        let values = [
            sql::number(stored.version),
            sql::doc(op, &stored)?,
            sql::id(stored.id),
            sql::id(stored.tenant),
            sql::number(connection.version),
        ];
        if sql::run(&tx, op, update, values).await? == 0 {
            return Err(Error::conflict(op, "the connection was changed meanwhile"));
        }
        jobs::insert(&tx, new_jobs).await?;
        sql::commit(tx, op).await?;
        Ok(stored)
    }
}
