//! Brakes.

use autorepost_core::{Error, brake::Scope};
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::{
    extract::{Answer, Body, Desk},
    view::BrakeView,
};

/// Longest reason in characters.
const REASON_MAX: usize = 500;

/// Lists the brakes that hold the tenant.
#[utoipa::path(get, path = "/v1/brakes", tag = "Brakes",
    responses((status = 200, description = "The brakes that are on", body = Vec<BrakeView>)))]
pub async fn list(desk: Desk) -> Answer<Vec<BrakeView>> {
    brakes(&desk).await
}

/// Why publishing is stopped.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Shown wherever something waits for it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Whether a brake was on.
#[derive(Serialize, ToSchema)]
pub struct Released {
    /// Whether it was.
    released: bool,
}

/// Stops the tenant's publishing. Posts are still found, and nothing is lost.
#[utoipa::path(put, path = "/v1/brakes/tenant", tag = "Brakes", request_body = Reason,
    responses((status = 200, description = "The brakes that are on", body = Vec<BrakeView>)))]
pub async fn engage_tenant(desk: Desk, Body(reason): Body<Reason>) -> Answer<Vec<BrakeView>> {
    engage(&desk, Scope::Tenant(desk.tenant()), &reason).await
}

/// Lets the tenant's publishing go on.
#[utoipa::path(delete, path = "/v1/brakes/tenant", tag = "Brakes",
    responses((status = 200, description = "Whether it was stopped", body = Released)))]
pub async fn release_tenant(desk: Desk) -> Answer<Released> {
    release(&desk, Scope::Tenant(desk.tenant())).await
}

/// Stops everybody's publishing.
#[utoipa::path(put, path = "/v1/brakes/everything", tag = "Brakes", request_body = Reason,
    responses((status = 200, description = "The brakes that are on", body = Vec<BrakeView>)))]
pub async fn engage_everything(desk: Desk, Body(reason): Body<Reason>) -> Answer<Vec<BrakeView>> {
    engage(&desk, Scope::Everything, &reason).await
}

/// Lets everybody's publishing go on, but for tenants with a brake of their own.
#[utoipa::path(delete, path = "/v1/brakes/everything", tag = "Brakes",
    responses((status = 200, description = "Whether it was stopped", body = Released)))]
pub async fn release_everything(desk: Desk) -> Answer<Released> {
    release(&desk, Scope::Everything).await
}

async fn brakes(desk: &Desk) -> Answer<Vec<BrakeView>> {
    Ok(Json(desk.operator().brakes().await?.into_iter().map(BrakeView::from).collect()))
}

async fn engage(desk: &Desk, scope: Scope, Reason { reason }: &Reason) -> Answer<Vec<BrakeView>> {
    if !(1..=REASON_MAX).contains(&reason.chars().count()) {
        return Err(Error::invalid("put brake on", format!("the reason must have 1 to {REASON_MAX} characters")).into());
    }
    desk.operator().stop(scope, reason).await?;
    brakes(desk).await
}

async fn release(desk: &Desk, scope: Scope) -> Answer<Released> {
    Ok(Json(Released { released: desk.operator().go_on(scope).await? }))
}
