//! Accounts and rules.

use autorepost_core::{
    Platform,
    connection::{AuthMethod, Connection, ConnectionStatus},
    rule::{Rule, RuleSpec, RuleState},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::schema::{AuthMethodSchema, ConnectionStatusSchema, PlatformSchema, RuleSpecSchema, RuleStateSchema};

/// An account on a platform.
#[derive(Serialize, ToSchema)]
#[schema(as = Connection)]
pub struct ConnectionView {
    /// Its own id.
    id: Uuid,
    /// The platform.
    #[schema(value_type = PlatformSchema)]
    platform: Platform,
    /// The platform's own id of the account.
    account: String,
    /// The account's present handle, without `@`.
    handle: String,
    /// How it was connected.
    #[schema(value_type = AuthMethodSchema)]
    method: AuthMethod,
    /// Whether it works.
    #[schema(value_type = ConnectionStatusSchema)]
    status: ConnectionStatus,
    /// Why it is not active, and how to mend it.
    status_detail: Option<String>,
    /// Held by its owner.
    paused: bool,
    /// When the credential stops working, if the platform says so.
    expires_at: Option<DateTime<Utc>>,
    /// When it was first connected.
    created_at: DateTime<Utc>,
    /// When its credential was last renewed.
    renewed_at: DateTime<Utc>,
}

impl From<Connection> for ConnectionView {
    fn from(row: Connection) -> Self {
        Self {
            id: row.id.uuid(),
            platform: row.platform,
            account: row.account.to_string(),
            handle: row.handle,
            method: row.method,
            status: row.status,
            status_detail: row.status_detail,
            paused: row.paused,
            expires_at: row.expires_at,
            created_at: row.created_at,
            renewed_at: row.renewed_at,
        }
    }
}

/// A rule.
#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
pub struct RuleView {
    /// Its own id.
    id: Uuid,
    /// Its name, unique among the tenant's rules.
    name: String,
    /// The connection whose posts it looks at.
    source: Uuid,
    /// Whether it acts.
    #[schema(value_type = RuleStateSchema)]
    state: RuleState,
    /// What it does.
    #[schema(value_type = RuleSpecSchema)]
    spec: RuleSpec,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Counts its changes.
    version: u64,
}

impl From<Rule> for RuleView {
    fn from(row: Rule) -> Self {
        let Rule { id, name, source, state, spec, created_at, version, .. } = row;
        Self { id: id.uuid(), name, source: source.uuid(), state, spec, created_at, version }
    }
}
