//! Tenants, keys and the audit log.

use autorepost_core::{
    Error,
    access::{ApiKey, Role},
    id::{ApiKeyId, AuditId, TenantId},
    port::{AuditQuery, KeyQuery},
};
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{
    extract::{Answer, Body, Created, Desk, Path, Query},
    guard,
    page::{Page, PageAsk},
    problem::Problem,
    schema::RoleSchema,
    view::{AuditView, KeyView, TenantView},
};

/// Lists the tenants, the oldest first.
#[utoipa::path(get, path = "/v1/tenants", tag = "Tenants and keys", params(PageAsk),
    responses((status = 200, description = "A page of tenants", body = Page<TenantView>)))]
pub async fn tenants(desk: Desk, Query(page): Query<PageAsk>) -> Answer<Page<TenantView>> {
    let asked = page.checked()?;
    let after = asked.after(TenantId::from_uuid).map(|(_, id)| id);
    let rows = desk.ports().access.tenants(after, asked.rows()).await?;
    Ok(Json(asked.page(rows, |row| (row.created_at, row.id.uuid()), TenantView::from)))
}

/// A tenant to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Its name, unique in the installation.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
}

/// Adds a tenant.
#[utoipa::path(post, path = "/v1/tenants", tag = "Tenants and keys", request_body = NewTenant,
    responses((status = 201, description = "The tenant was added", body = TenantView)))]
pub async fn add_tenant(desk: Desk, Body(new): Body<NewTenant>) -> Result<Created<TenantView>, Problem> {
    let tenant = desk.operator().add_tenant(&new.name).await?;
    Ok(Created(tenant.id.to_string(), tenant.into()))
}

/// Shows a tenant.
#[utoipa::path(get, path = "/v1/tenants/{id}", tag = "Tenants and keys",
    params(("id" = Uuid, Path, description = "The tenant")),
    responses((status = 200, description = "The tenant", body = TenantView)))]
pub async fn tenant(desk: Desk, Path(id): Path<TenantId>) -> Answer<TenantView> {
    let found = desk.ports().access.tenant(id).await?;
    Ok(Json(found.ok_or_else(|| Error::not_found("find tenant", format!("there is no tenant {id}")))?.into()))
}

/// Which keys are listed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeysAsk {
    /// Every key of the installation: only for keys to the whole installation.
    #[serde(default)]
    #[param(required = false, default = false)]
    all: bool,
}

/// Lists the tenant's keys, the oldest first, revoked ones included. Their texts are kept nowhere.
#[utoipa::path(get, path = "/v1/api-keys", tag = "Tenants and keys", params(PageAsk, KeysAsk),
    responses((status = 200, description = "A page of keys", body = Page<KeyView>)))]
pub async fn keys(desk: Desk, Query(page): Query<PageAsk>, Query(which): Query<KeysAsk>) -> Answer<Page<KeyView>> {
    let asked = page.checked()?;
    if which.all && !desk.caller.is_installation() {
        return Err(Problem::not_allowed("\"all\" needs a key to the whole installation; this key is one tenant's"));
    }
    let query = KeyQuery {
        tenant: (!which.all).then_some(desk.tenant()),
        after: asked.after(ApiKeyId::from_uuid).map(|(_, id)| id),
        limit: asked.rows(),
    };
    let rows = desk.ports().access.keys(&query).await?;
    Ok(Json(asked.page(rows, |row| (row.created_at, row.id.uuid()), KeyView::from)))
}

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// A name for it.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// What it may do.
    #[schema(value_type = RoleSchema)]
    role: Role,
    /// Make it one to the whole installation; its role is admin then. Only another such key may.
    #[serde(default)]
    #[schema(default = false)]
    installation: bool,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub struct MadeKey {
    /// The key.
    api_key: KeyView,
    /// What is sent as `Authorization: Bearer ...`. It is shown this once and kept nowhere.
    text: String,
}

/// Makes a key. Its text is in this answer and nowhere else, so an idempotency key is refused here.
#[utoipa::path(post, path = "/v1/api-keys", tag = "Tenants and keys", request_body = NewKey,
    responses((status = 201, description = "The key was made", body = MadeKey)))]
pub async fn add_key(desk: Desk, Body(new): Body<NewKey>) -> Result<Created<MadeKey>, Problem> {
    guard::may_give(&desk.caller, new.role, new.installation)?;
    let (key, text) = desk.operator().add_api_key(&new.name, new.role, new.installation).await?;
    told_elsewhere(&desk, "api_keys.create", &key).await?;
    Ok(Created(key.id.to_string(), MadeKey { api_key: key.into(), text: text.expose().to_owned() }))
}

/// Revokes a key at once.
#[utoipa::path(delete, path = "/v1/api-keys/{id}", tag = "Tenants and keys",
    params(("id" = Uuid, Path, description = "The key")),
    responses((status = 200, description = "The key is revoked", body = KeyView)))]
pub async fn revoke_key(desk: Desk, Path(id): Path<ApiKeyId>) -> Answer<KeyView> {
    let key = desk.operator().revoke_api_key(id, desk.caller.is_installation()).await?;
    told_elsewhere(&desk, "api_keys.revoke", &key).await?;
    Ok(Json(key.into()))
}

/// A key to the installation, or to another tenant than the one acted in, is told to the log of those whom it concerns, too.
async fn told_elsewhere(desk: &Desk, action: &str, key: &ApiKey) -> Result<(), Problem> {
    if key.tenant == Some(desk.tenant()) {
        return Ok(());
    }
    Ok(desk.operator().record(key.tenant, action, &format!("api-keys/{}", key.id), "done", "").await?)
}

/// Lists what was done in the tenant through this interface, the newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "Audit log", params(PageAsk),
    responses((status = 200, description = "A page of the audit log", body = Page<AuditView>)))]
pub async fn audit(desk: Desk, Query(page): Query<PageAsk>) -> Answer<Page<AuditView>> {
    audit_page(&desk, Some(desk.tenant()), &page).await
}

/// Lists what was done to the whole installation, the newest first.
#[utoipa::path(get, path = "/v1/installation/audit", tag = "Audit log", params(PageAsk),
    responses((status = 200, description = "A page of the audit log", body = Page<AuditView>)))]
pub async fn installation_audit(desk: Desk, Query(page): Query<PageAsk>) -> Answer<Page<AuditView>> {
    audit_page(&desk, None, &page).await
}

async fn audit_page(desk: &Desk, tenant: Option<TenantId>, page: &PageAsk) -> Answer<Page<AuditView>> {
    let asked = page.checked()?;
    let query = AuditQuery { tenant, after: asked.after(AuditId::from_uuid), limit: asked.rows() };
    let rows = desk.ports().audit.list(&query).await?;
    Ok(Json(asked.page(rows, |row| (row.at, row.id.uuid()), AuditView::from)))
}
