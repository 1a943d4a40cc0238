//! What each route is called and needs, on one page.

use autorepost_core::access::Role::{self, Admin, Operator, Viewer};
use axum::http::Method;

/// Whom a route concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One tenant: a tenant's key acts in its own, an installation's key in the one that it names.
    Tenant,
    /// Everybody: only keys to the whole installation may.
    Installation,
}

/// What a route is called and needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Need {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// What the operation is called: in the OpenAPI document and in the audit log.
    pub action: &'static str,
    /// The least role.
    pub role: Role,
    /// Whom it concerns.
    pub scope: Scope,
    /// Whether its answer may be kept and given again.
    pub repeatable: bool,
    /// Whether its body is a file, which its handler reads as it comes.
    pub is_upload: bool,
}

const fn need(method: &'static str, path: &'static str, action: &'static str, role: Role) -> Need {
    // What is posted may be asked again by its idempotency key; the other methods are as good twice as once.
    let repeatable = matches!(method.as_bytes(), b"POST");
    Need { method, path, action, role, scope: Scope::Tenant, repeatable, is_upload: false }
}

const fn whole(method: &'static str, path: &'static str, action: &'static str) -> Need {
    Need { scope: Scope::Installation, ..need(method, path, action, Admin) }
}

/// Every route below `/v1`. A route that is missing here answers nobody: the program does not start.
pub const NEEDS: &[Need] = &[
    whole("GET", "/v1/tenants", "tenants.list"),
    whole("POST", "/v1/tenants", "tenants.create"),
    whole("GET", "/v1/tenants/{id}", "tenants.get"),
    need("GET", "/v1/api-keys", "api_keys.list", Admin),
    // Its answer holds the text of the key, which is kept nowhere.
    Need { repeatable: false, ..need("POST", "/v1/api-keys", "api_keys.create", Admin) },
    need("DELETE", "/v1/api-keys/{id}", "api_keys.revoke", Admin),
    need("GET", "/v1/connections", "connections.list", Viewer),
    need("POST", "/v1/connections", "connections.connect", Operator),
    // Its answer holds the state of a log-in.
    Need { repeatable: false, ..need("POST", "/v1/connections/consent", "connections.consent", Operator) },
    need("GET", "/v1/connections/{id}", "connections.get", Viewer),
    need("DELETE", "/v1/connections/{id}", "connections.disconnect", Operator),
    need("POST", "/v1/connections/{id}/pause", "connections.pause", Operator),
    need("POST", "/v1/connections/{id}/resume", "connections.resume", Operator),
    need("POST", "/v1/connections/{id}/check", "connections.check", Operator),
    need("POST", "/v1/connections/{id}/refresh", "connections.refresh", Operator),
    need("POST", "/v1/connections/refresh", "connections.refresh_all", Operator),
    need("POST", "/v1/connections/{id}/sync", "connections.sync", Operator),
    need("GET", "/v1/connections/{id}/plan", "connections.plan", Viewer),
    need("GET", "/v1/rules", "rules.list", Viewer),
    need("POST", "/v1/rules", "rules.create", Operator),
    need("GET", "/v1/rules/{id}", "rules.get", Viewer),
    need("PUT", "/v1/rules/{id}", "rules.update", Operator),
    need("DELETE", "/v1/rules/{id}", "rules.remove", Operator),
    need("POST", "/v1/rules/{id}/pause", "rules.pause", Operator),
    need("POST", "/v1/rules/{id}/resume", "rules.resume", Operator),
    need("GET", "/v1/rules/{id}/backfill", "rules.backfill_status", Viewer),
    need("POST", "/v1/rules/{id}/backfill", "rules.backfill", Operator),
    need("DELETE", "/v1/rules/{id}/backfill", "rules.end_backfill", Operator),
    need("GET", "/v1/rules/{id}/backfill/plan", "rules.plan_backfill", Viewer),
    need("GET", "/v1/masters", "masters.list", Viewer),
    // What is dropped twice is known by its bytes.
    Need { repeatable: false, is_upload: true, ..need("POST", "/v1/masters", "masters.create", Operator) },
    need("GET", "/v1/posts", "posts.list", Viewer),
    need("GET", "/v1/posts/{id}", "posts.get", Viewer),
    need("GET", "/v1/posts/{id}/explanation", "posts.explain", Viewer),
    need("GET", "/v1/reposts", "reposts.list", Viewer),
    need("POST", "/v1/reposts", "reposts.ask", Operator),
    need("GET", "/v1/reposts/{id}", "reposts.get", Viewer),
    need("GET", "/v1/reposts/{id}/journal", "reposts.journal", Viewer),
    need("POST", "/v1/reposts/{id}/retry", "reposts.retry", Operator),
    need("POST", "/v1/reposts/{id}/cancel", "reposts.cancel", Operator),
    need("POST", "/v1/reposts/{id}/confirm", "reposts.confirm", Operator),
    need("POST", "/v1/reposts/{id}/deny", "reposts.deny", Operator),
    need("GET", "/v1/jobs/stats", "jobs.stats", Viewer),
    need("GET", "/v1/jobs/dead", "jobs.dead", Viewer),
    need("POST", "/v1/jobs/{id}/replay", "jobs.replay", Operator),
    need("GET", "/v1/brakes", "brakes.list", Viewer),
    need("PUT", "/v1/brakes/tenant", "brakes.engage", Operator),
    need("DELETE", "/v1/brakes/tenant", "brakes.release", Operator),
    whole("PUT", "/v1/brakes/everything", "brakes.engage_everything"),
    whole("DELETE", "/v1/brakes/everything", "brakes.release_everything"),
    need("GET", "/v1/audit", "audit.list", Admin),
    whole("GET", "/v1/installation/audit", "audit.list_installation"),
    whole("GET", "/v1/installation/jobs/stats", "jobs.stats_installation"),
    // An address may hold a secret of its own.
    need("GET", "/v1/webhooks", "webhooks.list", Operator),
    // Their answers hold a secret.
    Need { repeatable: false, ..need("POST", "/v1/webhooks", "webhooks.create", Operator) },
    need("GET", "/v1/webhooks/{id}", "webhooks.get", Operator),
    need("DELETE", "/v1/webhooks/{id}", "webhooks.remove", Operator),
    need("POST", "/v1/webhooks/{id}/test", "webhooks.test", Operator),
    Need { repeatable: false, ..need("POST", "/v1/webhooks/{id}/rotate", "webhooks.rotate", Operator) },
    need("GET", "/v1/stats", "stats.get", Viewer),
];

impl Need {
    /// What a route needs. HEAD is GET without its body.
    pub fn of(method: &Method, path: &str) -> Option<&'static Self> {
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        NEEDS.iter().find(|need| need.method == method && need.path == path)
    }

    /// Whether it changes something.
    pub fn changes(&self) -> bool {
        self.method != "GET"
    }
}
