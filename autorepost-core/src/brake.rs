//! Brakes: what stops all publishing of a tenant, or of everybody, at once.
//!
//! A rule, one destination of it and a connection have brakes of their own, in their rows. Whatever holds, posts are still
//! found and admitted, and go on when it is released: a brake loses nothing.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::TenantId;

/// A brake that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brake {
    /// What it holds.
    pub scope: Scope,
    /// Why, for people.
    pub reason: String,
    /// Who put it on.
    pub by: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// What a brake holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "scope", content = "tenant", rename_all = "snake_case")]
pub enum Scope {
    /// Everybody's publishing.
    Everything,
    /// One tenant's publishing.
    Tenant(TenantId),
}

impl Scope {
    /// Whether a brake of this scope holds a tenant.
    pub fn covers(self, tenant: TenantId) -> bool {
        self == Self::Everything || self == Self::Tenant(tenant)
    }
}

impl fmt::Display for Scope {
    /// The form in which it is stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Tenant(tenant) => write!(f, "tenant:{tenant}"),
        }
    }
}
