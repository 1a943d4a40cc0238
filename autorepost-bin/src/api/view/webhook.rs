//! Webhooks.

use autorepost_core::webhook::{EventType, Webhook};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::schema::EventTypeSchema;

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    /// Its own id.
    id: Uuid,
    /// Where messages go.
    url: String,
    /// What it is told of; everything when empty.
    #[schema(value_type = Vec<EventTypeSchema>)]
    events: Vec<EventType>,
    /// When it was added.
    created_at: DateTime<Utc>,
    /// Until when the secret before the present one signs as well.
    previous_secret_until: Option<DateTime<Utc>>,
}

impl From<Webhook> for WebhookView {
    fn from(row: Webhook) -> Self {
        let Webhook { id, url, events, previous, created_at, .. } = row;
        let previous_secret_until = previous.map(|previous| previous.until);
        Self { id: id.uuid(), url, events, created_at, previous_secret_until }
    }
}
