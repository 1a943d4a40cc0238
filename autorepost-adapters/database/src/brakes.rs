//! Brakes.

use async_trait::async_trait;
use autorepost_core::{
    Result,
    brake::{Brake, Scope},
    id::TenantId,
    port::BrakeStore,
};
use sea_orm::Value;

use crate::{Database, link::Transaction, sql};

const OP_READ: &str = "read brakes";
/// The advisory lock under which brakes are looked at by commits, and changed.
const LOCK: i64 = 0x6272_616b_6573;

fn covering(tenant: TenantId) -> [Value; 2] {
    [Scope::Everything.to_string().into(), Scope::Tenant(tenant).to_string().into()]
}

const HOLDING: &str = "SELECT doc FROM brakes WHERE scope IN ($1, $2) ORDER BY scope";

/// The brake that holds a tenant, if there is one; none is put on until this transaction ends.
pub(crate) async fn held(tx: &Transaction, tenant: TenantId) -> Result<Option<Brake>> {
    if sql::is_postgres(tx) {
        sql::all(tx, OP_READ, "SELECT pg_advisory_xact_lock_shared($1)", [LOCK.into()]).await?;
    }
    let row = sql::one(tx, OP_READ, HOLDING, covering(tenant)).await?;
    row.map(|row| sql::read(&row, OP_READ)).transpose()
}

#[async_trait]
impl BrakeStore for Database {
    async fn engage(&self, brake: &Brake) -> Result<()> {
        let op = "put brake on";
        let tx = self.begin(op).await?;
        if sql::is_postgres(&tx) {
            // Waits for the commits that looked before.
            sql::all(&tx, op, "SELECT pg_advisory_xact_lock($1)", [LOCK.into()]).await?;
        }
        let upsert = "INSERT INTO brakes (scope, doc) VALUES ($1, $2)
            ON CONFLICT (scope) DO UPDATE SET doc = excluded.doc";
        sql::run(&tx, op, upsert, [brake.scope.to_string().into(), sql::doc(op, brake)?]).await?;
        sql::commit(tx, op).await
    }

    async fn release(&self, scope: Scope) -> Result<bool> {
        let delete = "DELETE FROM brakes WHERE scope = $1";
        Ok(sql::run(&self.db, "take brake off", delete, [scope.to_string().into()]).await? > 0)
    }

    async fn holding(&self, tenant: TenantId) -> Result<Vec<Brake>> {
        let rows = sql::all(&self.db, OP_READ, HOLDING, covering(tenant)).await?;
        rows.iter().map(|row| sql::read(row, OP_READ)).collect()
    }
}
