//! `webhooks`: the owner's endpoints, which are told what happens.

use std::process::ExitCode;

use autorepost_core::{operator::Operator, seal::Secret, webhook::Webhook};
use serde_json::{Value, json};

use super::{Context, operator, table};
use crate::cli::Webhooks;

pub async fn webhooks(context: &Context, command: Webhooks) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    match command {
        Webhooks::Add { url, event } => {
            let (webhook, secret) = operator.add_webhook(&url, &event).await?;
            record(&operator, "webhooks.create", &webhook).await?;
            show_secret(context, &webhook, &secret)
        }
        Webhooks::List => list(context, &operator).await,
        Webhooks::Remove { id } => {
            let webhook = operator.remove_webhook(id.parse()?).await?;
            record(&operator, "webhooks.remove", &webhook).await?;
            context.show(&shown(&webhook), || format!("{} is told nothing more\n", webhook.url))
        }
        Webhooks::Rotate { id } => {
            let (webhook, secret) = operator.rotate_webhook_secret(id.parse()?).await?;
            record(&operator, "webhooks.rotate", &webhook).await?;
            show_secret(context, &webhook, &secret)
        }
        Webhooks::Test { id } => {
            let webhook = operator.webhook(id.parse()?).await?;
            let message = operator.test_webhook(&webhook).await?;
            context.show(&json!({ "message": message }), || format!("{message} arrived at {}\n", webhook.url))
        }
    }
}

async fn list(context: &Context, operator: &Operator<'_>) -> anyhow::Result<ExitCode> {
    let webhooks = operator.webhooks().await?;
    let value: Vec<_> = webhooks.iter().map(shown).collect();
    context.show(&value, || {
        if webhooks.is_empty() {
            return "there is no webhook so far: \"autorepost webhooks add URL\" adds one\n".into();
        }
        let mut table = table(&["address", "id", "events", "since"]);
        for webhook in &webhooks {
            let events: Vec<_> = webhook.events.iter().map(|event| event.as_str()).collect();
            table.add_row([
                webhook.url.clone(),
                webhook.id.to_string(),
                if events.is_empty() { "(all)".into() } else { events.join("\n") },
                webhook.created_at.format("%Y-%m-%d").to_string(),
            ]);
        }
        format!("{table}\n")
    })
}

fn show_secret(context: &Context, webhook: &Webhook, secret: &Secret) -> anyhow::Result<ExitCode> {
    let mut value = shown(webhook);
    value["secret"] = secret.expose().into();
    context.show(&value, || {
        format!("{}\n\nThis signs its messages. It is shown once: keep it where secrets are kept.\n", secret.expose())
    })
}

/// What may be told of a webhook.
fn shown(webhook: &Webhook) -> Value {
    json!({ "id": webhook.id, "url": webhook.url, "events": webhook.events, "created_at": webhook.created_at })
}

async fn record(operator: &Operator<'_>, action: &str, webhook: &Webhook) -> anyhow::Result<()> {
    super::record(operator, Some(operator.tenant()), action, format!("webhooks/{}", webhook.id)).await
}
