//! The routes: each handler asks the core's operator, and shows what it answers.

#![expect(unused_qualifications, reason = "the macro that describes a route writes them")]

pub mod access;
pub mod backfills;
pub mod brakes;
pub mod connections;
pub mod jobs;
pub mod masters;
pub mod posts;
pub mod reposts;
pub mod rules;
pub mod webhooks;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::Api;

/// Every route below `/v1`.
pub fn all() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(access::tenants, access::add_tenant))
        .routes(routes!(access::tenant))
        .routes(routes!(access::keys, access::add_key))
        .routes(routes!(access::revoke_key))
        .routes(routes!(access::audit))
        .routes(routes!(access::installation_audit))
        .routes(routes!(connections::list, connections::connect))
        .routes(routes!(connections::consent))
        .routes(routes!(connections::get, connections::disconnect))
        .routes(routes!(connections::pause))
        .routes(routes!(connections::resume))
        .routes(routes!(connections::check))
        .routes(routes!(connections::refresh))
        .routes(routes!(connections::refresh_all))
        .routes(routes!(connections::sync))
        .routes(routes!(connections::plan))
        .routes(routes!(rules::list, rules::create))
        .routes(routes!(rules::get, rules::update, rules::remove))
        .routes(routes!(rules::pause))
        .routes(routes!(rules::resume))
        .routes(routes!(backfills::get, backfills::begin, backfills::end))
        .routes(routes!(backfills::plan))
        .routes(routes!(masters::list, masters::create))
        .routes(routes!(posts::list))
        .routes(routes!(posts::get))
        .routes(routes!(posts::explain))
        .routes(routes!(reposts::list, reposts::ask))
        .routes(routes!(reposts::get))
        .routes(routes!(reposts::journal))
        .routes(routes!(reposts::retry))
        .routes(routes!(reposts::cancel))
        .routes(routes!(reposts::confirm))
        .routes(routes!(reposts::deny))
        .routes(routes!(jobs::stats))
        .routes(routes!(jobs::installation_stats))
        .routes(routes!(jobs::dead))
        .routes(routes!(jobs::replay))
        .routes(routes!(jobs::summary))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::get, webhooks::remove))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(brakes::list))
        .routes(routes!(brakes::engage_tenant, brakes::release_tenant))
        .routes(routes!(brakes::engage_everything, brakes::release_everything))
}
