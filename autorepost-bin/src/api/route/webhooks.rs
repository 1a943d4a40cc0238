//! Webhooks: a tenant's endpoints, which are told what happens.

use autorepost_core::{
    id::WebhookId,
    webhook::{EventType, URL_BYTES_MAX},
};
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::{
    extract::{Answer, Created, Desk, Path, Query, SecretBody},
    page::{Page, PageAsk},
    problem::Problem,
    schema::EventTypeSchema,
    view::WebhookView,
};

/// Lists the tenant's webhooks, the oldest first.
#[utoipa::path(get, path = "/v1/webhooks", tag = "Webhooks", params(PageAsk),
    responses((status = 200, description = "A page of webhooks", body = Page<WebhookView>)))]
pub async fn list(desk: Desk, Query(page): Query<PageAsk>) -> Answer<Page<WebhookView>> {
    let asked = page.checked()?;
    let rows = desk.operator().webhooks().await?;
    Ok(Json(asked.slice(rows, |row| (row.created_at, row.id.uuid()), WebhookView::from)))
}

/// A webhook to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where messages go: an https address on the internet.
    #[schema(min_length = 1, max_length = 2048)]
    url: String,
    /// What it is told of; everything without it.
    #[serde(default)]
    #[schema(value_type = Vec<EventTypeSchema>, max_items = 16)]
    events: Vec<EventType>,
}

const _: () = assert!(URL_BYTES_MAX == 2048, "the schema says so");

/// A webhook and its new secret.
#[derive(Serialize, ToSchema)]
pub struct WebhookSecret {
    /// The webhook.
    webhook: WebhookView,
    /// What signs its messages: `whsec_...`. It is shown this once, and kept sealed.
    secret: String,
}

/// Adds a webhook: it is told of what happens from now on. Its secret is in this answer and nowhere else, so an idempotency
/// key is refused here.
#[utoipa::path(post, path = "/v1/webhooks", tag = "Webhooks", request_body = NewWebhook,
    responses((status = 201, description = "The webhook was added", body = WebhookSecret)))]
pub async fn create(desk: Desk, SecretBody(new): SecretBody<NewWebhook>) -> Result<Created<WebhookSecret>, Problem> {
    let (webhook, secret) = desk.operator().add_webhook(&new.url, &new.events).await?;
    let secret = secret.expose().to_owned();
    Ok(Created(webhook.id.to_string(), WebhookSecret { webhook: webhook.into(), secret }))
}

/// Shows a webhook.
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "Webhooks",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses((status = 200, description = "The webhook", body = WebhookView)))]
pub async fn get(desk: Desk, Path(id): Path<WebhookId>) -> Answer<WebhookView> {
    Ok(Json(desk.operator().webhook(id).await?.into()))
}

/// Removes a webhook. What was to be sent there is not.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "Webhooks",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses((status = 200, description = "The webhook is removed", body = WebhookView)))]
pub async fn remove(desk: Desk, Path(id): Path<WebhookId>) -> Answer<WebhookView> {
    Ok(Json(desk.operator().remove_webhook(id).await?.into()))
}

/// Whether a message arrived.
#[derive(Serialize, ToSchema)]
pub struct Tested {
    /// Whether it did.
    ok: bool,
    /// The message's id, or why it did not arrive.
    detail: String,
}

/// Sends a webhook a message of the type `webhook.test` at once, and tells whether it arrived.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "Webhooks",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses((status = 200, description = "What came of it", body = Tested)))]
pub async fn test(desk: Desk, Path(id): Path<WebhookId>) -> Answer<Tested> {
    let operator = desk.operator();
    let webhook = operator.webhook(id).await?;
    Ok(Json(match operator.test_webhook(&webhook).await {
        Ok(id) => Tested { ok: true, detail: id },
        Err(error) => Tested { ok: false, detail: error.to_string() },
    }))
}

/// Gives a webhook a new secret, which is in this answer and nowhere else; the one before signs as well for a day.
#[utoipa::path(post, path = "/v1/webhooks/{id}/rotate", tag = "Webhooks",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses((status = 200, description = "The new secret", body = WebhookSecret)))]
pub async fn rotate(desk: Desk, Path(id): Path<WebhookId>) -> Answer<WebhookSecret> {
    let (webhook, secret) = desk.operator().rotate_webhook_secret(id).await?;
    Ok(Json(WebhookSecret { webhook: webhook.into(), secret: secret.expose().to_owned() }))
}
