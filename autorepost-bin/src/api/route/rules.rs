//! Rules.

use autorepost_core::{
    id::{ConnectionId, RuleId},
    rule::{RuleSpec, RuleState},
};
use axum::Json;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::{
    extract::{Answer, Body, Created, Desk, Path, Query},
    page::{Page, PageAsk},
    problem::Problem,
    schema::RuleSpecSchema,
    view::RuleView,
};

/// Lists the tenant's rules that are not removed, the oldest first.
#[utoipa::path(get, path = "/v1/rules", tag = "Rules", params(PageAsk),
    responses((status = 200, description = "A page of rules", body = Page<RuleView>)))]
pub async fn list(desk: Desk, Query(page): Query<PageAsk>) -> Answer<Page<RuleView>> {
    let asked = page.checked()?;
    let rows = desk.operator().rules().await?;
    Ok(Json(asked.slice(rows, |row| (row.created_at, row.id.uuid()), RuleView::from)))
}

/// A rule to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    /// A name, unique among the tenant's rules.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// The connection whose posts it looks at.
    #[schema(value_type = Uuid)]
    source: ConnectionId,
    /// What it does. Without `filters.since` it takes posts from now on.
    #[schema(value_type = RuleSpecSchema)]
    spec: RuleSpec,
    /// Take every post that there ever was, where `filters.since` does not say otherwise.
    #[serde(default)]
    #[schema(default = false)]
    every_post: bool,
}

/// Adds a rule, and looks at its source at once.
#[utoipa::path(post, path = "/v1/rules", tag = "Rules", request_body = NewRule,
    responses((status = 201, description = "The rule was added", body = RuleView)))]
pub async fn create(desk: Desk, Body(mut new): Body<NewRule>) -> Result<Created<RuleView>, Problem> {
    if !new.every_post {
        // Somebody who says nothing does not mean the posts of years.
        new.spec.filters.since.get_or_insert(desk.ports().clock.now());
    }
    let rule = desk.operator().add_rule(&new.name, new.source, new.spec).await?;
    Ok(Created(rule.id.to_string(), rule.into()))
}

/// Shows a rule.
#[utoipa::path(get, path = "/v1/rules/{id}", tag = "Rules", params(("id" = Uuid, Path, description = "The rule")),
    responses((status = 200, description = "The rule", body = RuleView)))]
pub async fn get(desk: Desk, Path(id): Path<RuleId>) -> Answer<RuleView> {
    Ok(Json(desk.operator().rule_by_id(id).await?.into()))
}

/// What becomes of a rule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedRule {
    /// Its name.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// What it does, whole: what is left out has its default. Without `filters.since` the present one stays.
    #[schema(value_type = RuleSpecSchema)]
    spec: RuleSpec,
    /// Take every post that there ever was, where `filters.since` does not say otherwise.
    #[serde(default)]
    #[schema(default = false)]
    every_post: bool,
    /// The version that was read: with it the rule is changed only when nobody else did meanwhile.
    version: Option<u64>,
}

/// Changes a rule. Its source stays.
#[utoipa::path(put, path = "/v1/rules/{id}", tag = "Rules", params(("id" = Uuid, Path, description = "The rule")),
    request_body = ChangedRule, responses((status = 200, description = "The rule was changed", body = RuleView)))]
pub async fn update(desk: Desk, Path(id): Path<RuleId>, Body(mut change): Body<ChangedRule>) -> Answer<RuleView> {
    let operator = desk.operator();
    if !change.every_post && change.spec.filters.since.is_none() {
        change.spec.filters.since = operator.rule_by_id(id).await?.spec.filters.since;
    }
    Ok(Json(operator.change_rule(id, &change.name, change.spec, change.version).await?.into()))
}

/// Removes a rule. What is not published yet will not be.
#[utoipa::path(delete, path = "/v1/rules/{id}", tag = "Rules", params(("id" = Uuid, Path, description = "The rule")),
    responses((status = 200, description = "The rule is removed", body = RuleView)))]
pub async fn remove(desk: Desk, Path(id): Path<RuleId>) -> Answer<RuleView> {
    set_state(&desk, id, RuleState::Removed).await
}

/// Holds everything that a rule causes; nothing is lost.
#[utoipa::path(post, path = "/v1/rules/{id}/pause", tag = "Rules",
    params(("id" = Uuid, Path, description = "The rule")),
    responses((status = 200, description = "The rule is paused", body = RuleView)))]
pub async fn pause(desk: Desk, Path(id): Path<RuleId>) -> Answer<RuleView> {
    set_state(&desk, id, RuleState::Paused).await
}

/// Lets a paused rule go on.
#[utoipa::path(post, path = "/v1/rules/{id}/resume", tag = "Rules",
    params(("id" = Uuid, Path, description = "The rule")),
    responses((status = 200, description = "The rule acts", body = RuleView)))]
pub async fn resume(desk: Desk, Path(id): Path<RuleId>) -> Answer<RuleView> {
    set_state(&desk, id, RuleState::Active).await
}

async fn set_state(desk: &Desk, id: RuleId, state: RuleState) -> Answer<RuleView> {
    let operator = desk.operator();
    operator.rule_by_id(id).await?;
    Ok(Json(operator.set_rule_state(&id.to_string(), state).await?.into()))
}
