//! `tenants` and `api-keys`: who may use the HTTP interface.

use std::process::ExitCode;

use anyhow::bail;
use autorepost_core::{
    access::{API_KEYS_MAX, ApiKey, TENANTS_MAX, Tenant},
    id::TenantId,
    operator::Operator,
    port::{KeyQuery, Ports},
};
use serde_json::{Value, json};

use super::{Context, OPERATOR, operator, record, table};
use crate::cli::{AddKey, ApiKeys, Tenants};

pub async fn tenants(context: &Context, command: Tenants) -> anyhow::Result<ExitCode> {
    let ports = context.ports_with_any_key().await?;
    match command {
        Tenants::Add { name } => {
            let operator = operator(&ports);
            let tenant = operator.add_tenant(&name).await?;
            record(&operator, None, "tenants.create", format!("tenants/{}", tenant.id)).await?;
            context.show(&tenant, || format!("added {} as {}\n", tenant.name, tenant.id))
        }
        Tenants::List => {
            let tenants = ports.access.tenants(None, TENANTS_MAX).await?;
            context.show(&tenants, || {
                let mut table = table(&["tenant", "id", "since"]);
                for Tenant { id, name, created_at } in &tenants {
                    table.add_row([name.clone(), id.to_string(), created_at.format("%Y-%m-%d").to_string()]);
                }
                format!("{table}\n")
            })
        }
    }
}

pub async fn api_keys(context: &Context, command: ApiKeys) -> anyhow::Result<ExitCode> {
    let ports = context.ports_with_any_key().await?;
    match command {
        ApiKeys::Add(options) => add(context, &ports, options).await,
        ApiKeys::List => list(context, &ports).await,
        ApiKeys::Revoke { id } => {
            let operator = operator(&ports);
            let key = operator.revoke_api_key(id.parse()?, true).await?;
            record(&operator, key.tenant, "api_keys.revoke", format!("api-keys/{}", key.id)).await?;
            context.show(&shown(&key), || format!("{} opens nothing any more\n", key.name))
        }
    }
}

async fn add(context: &Context, ports: &Ports, options: AddKey) -> anyhow::Result<ExitCode> {
    let tenant = match &options.tenant {
        Some(named) => self::named(ports, named).await?,
        None => TenantId::OWNER,
    };
    let operator = Operator::new(ports, tenant, OPERATOR);
    let (key, text) = operator.add_api_key(&options.name, options.role, options.installation).await?;
    record(&operator, key.tenant, "api_keys.create", format!("api-keys/{}", key.id)).await?;
    let mut value = shown(&key);
    value["text"] = text.expose().into();
    context.show(&value, || {
        format!("{}\n\nThis is shown once and kept nowhere: keep it where secrets are kept.\n", text.expose())
    })
}

async fn list(context: &Context, ports: &Ports) -> anyhow::Result<ExitCode> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = ports.access.keys(&KeyQuery { tenant: None, after, limit: API_KEYS_MAX }).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        keys.extend(page);
    }
    let names = ports.access.tenants(None, TENANTS_MAX).await?;
    let value: Vec<_> = keys.iter().map(shown).collect();
    context.show(&value, || {
        if keys.is_empty() {
            return "there is no API key so far: \"autorepost api-keys add NAME\" makes one\n".into();
        }
        let mut table = table(&["key", "id", "tenant", "role", "made", "revoked"]);
        for key in &keys {
            let tenant = names.iter().find(|tenant| Some(tenant.id) == key.tenant);
            let revoked = key.revoked_at.map(|at| at.format("%Y-%m-%d").to_string());
            table.add_row([
                key.name.clone(),
                key.id.to_string(),
                tenant.map_or_else(|| "(all)".into(), |tenant| tenant.name.clone()),
                key.role.to_string(),
                key.created_at.format("%Y-%m-%d").to_string(),
                revoked.unwrap_or_default(),
            ]);
        }
        format!("{table}\n")
    })
}

/// What may be told of a key.
fn shown(key: &ApiKey) -> Value {
    json!({
        "id": key.id, "name": key.name, "tenant": key.tenant, "role": key.role, "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    })
}

/// The tenant of a name or an id.
async fn named(ports: &Ports, name: &str) -> anyhow::Result<TenantId> {
    let tenants = ports.access.tenants(None, TENANTS_MAX).await?;
    match tenants.iter().find(|tenant| tenant.id.to_string() == name || tenant.name == name) {
        Some(tenant) => Ok(tenant.id),
        None => bail!("no tenant is called \"{name}\": \"autorepost tenants list\" shows them"),
    }
}
