//! Tenants, keys and the audit log.

use autorepost_core::access::{ApiKey, AuditEntry, Role, Tenant};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::schema::RoleSchema;

/// A tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantView {
    /// Its own id.
    id: Uuid,
    /// Its name.
    name: String,
    /// When it was added.
    created_at: DateTime<Utc>,
}

impl From<Tenant> for TenantView {
    fn from(row: Tenant) -> Self {
        Self { id: row.id.uuid(), name: row.name, created_at: row.created_at }
    }
}

/// A key to this interface.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct KeyView {
    /// Its own id, which is part of its text.
    id: Uuid,
    /// The tenant that it acts for; nothing for a key to the whole installation.
    tenant: Option<Uuid>,
    /// What it may do.
    #[schema(value_type = RoleSchema)]
    role: Role,
    /// Its name.
    name: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Since when it opens nothing any more.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for KeyView {
    fn from(row: ApiKey) -> Self {
        let tenant = row.tenant.map(|tenant| tenant.uuid());
        let ApiKey { id, role, name, created_at, revoked_at, .. } = row;
        Self { id: id.uuid(), tenant, role, name, created_at, revoked_at }
    }
}

/// A line of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditView {
    /// Its own id.
    id: Uuid,
    /// When.
    at: DateTime<Utc>,
    /// Who.
    actor: String,
    /// What was asked for.
    action: String,
    /// What it was asked of.
    subject: String,
    /// `asked` before anything is done, and what came of it after.
    detail: String,
    /// The id of the request.
    request_id: String,
}

impl From<AuditEntry> for AuditView {
    fn from(row: AuditEntry) -> Self {
        let AuditEntry { id, at, actor, action, subject, detail, request, .. } = row;
        Self { id: id.uuid(), at, actor, action, subject, detail, request_id: request }
    }
}
