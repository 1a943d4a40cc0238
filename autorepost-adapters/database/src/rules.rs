//! Rules.

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    id::{RuleId, TenantId},
    port::RuleStore,
    rule::{Rule, RuleState},
};
use sea_orm::QueryResult;

use crate::{Database, sql};

const OP_READ: &str = "read rule";

pub(crate) const fn state(rule: RuleState) -> &'static str {
    match rule {
        RuleState::Active => "active",
        RuleState::Paused => "paused",
        RuleState::Removed => "removed",
    }
}

fn row(row: &QueryResult) -> Result<Rule> {
    let version = sql::integer(row, OP_READ, "version")?;
    Ok(Rule { version: version.cast_unsigned(), ..sql::read(row, OP_READ)? })
}

#[async_trait]
impl RuleStore for Database {
    async fn insert(&self, rule: &Rule) -> Result<()> {
        let op = "add rule";
        let insert = "INSERT INTO rules (id, tenant, name, state, created_at, version, doc)
            VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let values = [
            sql::id(rule.id),
            sql::id(rule.tenant),
            rule.name.clone().into(),
            state(rule.state).into(),
            sql::time(rule.created_at),
            sql::number(rule.version),
            sql::doc(op, rule)?,
        ];
        match sql::run(&self.db, op, insert, values).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let text = format!("there is a rule \"{}\" already: choose another name or remove it", rule.name);
                Err(Error::conflict(op, text))
            }
            other => other.map(drop),
        }
    }

    async fn get(&self, tenant: TenantId, id: RuleId) -> Result<Option<Rule>> {
        let query = "SELECT version, doc FROM rules WHERE id = $1 AND tenant = $2";
        sql::one(&self.db, OP_READ, query, [sql::id(id), sql::id(tenant)]).await?.as_ref().map(row).transpose()
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Rule>> {
        let query = "SELECT version, doc FROM rules WHERE tenant = $1 AND state <> 'removed' ORDER BY created_at, id";
        sql::all(&self.db, OP_READ, query, [sql::id(tenant)]).await?.iter().map(row).collect()
    }

    async fn update(&self, rule: &Rule) -> Result<Rule> {
        let op = "update rule";
        let stored = Rule { version: rule.version + 1, ..rule.clone() };
        let update = "UPDATE rules SET name = $1, state = $2, version = $3, doc = $4
            WHERE id = $5 AND tenant = $6 AND version = $7";
        let values = [
            stored.name.clone().into(),
            state(stored.state).into(),
            sql::number(stored.version),
            sql::doc(op, &stored)?,
            sql::id(stored.id),
            sql::id(stored.tenant),
            sql::number(rule.version),
        ];
        match sql::run(&self.db, op, update, values).await {
            Ok(0) => Err(Error::conflict(op, "the rule was changed meanwhile: read it again")),
            Ok(_) => Ok(stored),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err(Error::conflict(op, format!("there is a rule \"{}\" already", rule.name)))
            }
            Err(error) => Err(error),
        }
    }
}
