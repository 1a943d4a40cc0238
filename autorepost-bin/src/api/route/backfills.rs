//! Backfills: older posts that a rule did not take.

use autorepost_core::{id::RuleId, operator::BackfillAsk};
use axum::Json;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::api::{
    extract::{Answer, Body, Created, Desk, Path, Query},
    problem::Problem,
    route::connections::sparingly,
    view::{BackfillPlanView, BackfillView},
};

/// Pages of a source that a plan looks at, at most.
const PLAN_PAGES_MAX: u32 = 5;

/// Which older posts are wanted.
#[derive(Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NewBackfill {
    /// Made at or after this time.
    since: DateTime<Utc>,
    /// Made before this time; before the rule's own start without it.
    until: Option<DateTime<Utc>>,
    /// Posts a day to each destination account; 3 without it.
    #[schema(minimum = 1, maximum = 24)]
    #[param(minimum = 1, maximum = 24)]
    per_day: Option<u32>,
}

impl NewBackfill {
    fn ask(&self) -> BackfillAsk {
        BackfillAsk { since: self.since, until: self.until, per_day: self.per_day }
    }
}

/// Shows how far the rule's backfill is; the last one when none is going.
#[utoipa::path(get, path = "/v1/rules/{id}/backfill", tag = "Rules",
    params(("id" = Uuid, Path, description = "The rule")),
    responses((status = 200, description = "The backfill", body = BackfillView)))]
pub async fn get(desk: Desk, Path(id): Path<RuleId>) -> Answer<BackfillView> {
    Ok(Json(desk.operator().backfill(id).await?.into()))
}

/// Publishes older posts, which the rule did not take because they were made before its start: the oldest first, some a
/// day. What is new goes first, and nothing is published twice.
#[utoipa::path(post, path = "/v1/rules/{id}/backfill", tag = "Rules",
    params(("id" = Uuid, Path, description = "The rule")), request_body = NewBackfill,
    responses((status = 201, description = "The backfill has begun", body = BackfillView)))]
pub async fn begin(
    desk: Desk,
    Path(id): Path<RuleId>,
    Body(new): Body<NewBackfill>,
) -> Result<Created<BackfillView>, Problem> {
    let operator = desk.operator();
    let rule = operator.rule_by_id(id).await?;
    operator.begin_backfill(&rule, &new.ask()).await?;
    Ok(Created(id.to_string(), operator.backfill(id).await?.into()))
}

/// Calls the rule's backfill off. What had its turn before goes on.
#[utoipa::path(delete, path = "/v1/rules/{id}/backfill", tag = "Rules",
    params(("id" = Uuid, Path, description = "The rule")),
    responses((status = 200, description = "The backfill is over", body = BackfillView)))]
pub async fn end(desk: Desk, Path(id): Path<RuleId>) -> Answer<BackfillView> {
    let operator = desk.operator();
    operator.end_backfill(id).await?;
    Ok(Json(operator.backfill(id).await?.into()))
}

/// Looks at the source, five pages at most, and tells which older posts would go where and when. Nothing is written or sent.
#[utoipa::path(get, path = "/v1/rules/{id}/backfill/plan", tag = "Rules",
    params(("id" = Uuid, Path, description = "The rule"), NewBackfill),
    responses((status = 200, description = "What it would do", body = BackfillPlanView)))]
pub async fn plan(desk: Desk, Path(id): Path<RuleId>, Query(ask): Query<NewBackfill>) -> Answer<BackfillPlanView> {
    let operator = desk.operator();
    let rule = operator.rule_by_id(id).await?;
    sparingly(&desk, rule.source).await?;
    Ok(Json(operator.plan_backfill(&rule, &ask.ask(), PLAN_PAGES_MAX).await?.into()))
}
