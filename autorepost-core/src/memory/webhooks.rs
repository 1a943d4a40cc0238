//! Endpoints, and messages to them, in memory.

use std::{collections::VecDeque, sync::Mutex};

use async_trait::async_trait;

use super::{Memory, Yield, ambient::lock};
use crate::{
    Error, Result,
    id::{TenantId, WebhookId},
    port::{Notifier, WebhookStore},
    webhook::{Message, Webhook},
};

#[async_trait]
impl WebhookStore for Memory {
    async fn insert(&self, webhook: &Webhook) -> Result<()> {
        self.unit(|world| {
            world.webhooks.insert(webhook.id, webhook.clone());
            Ok(())
        })
    }

    async fn get(&self, tenant: TenantId, id: WebhookId) -> Result<Option<Webhook>> {
        self.unit(|world| Ok(world.webhooks.get(&id).filter(|row| row.tenant == tenant).cloned()))
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Webhook>> {
        self.unit(|world| {
            let mut rows: Vec<_> = world.webhooks.values().filter(|row| row.tenant == tenant).cloned().collect();
            rows.sort_by_key(|row| (row.created_at, row.id));
            Ok(rows)
        })
    }

    async fn update(&self, webhook: &Webhook) -> Result<Webhook> {
        self.unit(|world| {
            let row = world
                .webhooks
                .get_mut(&webhook.id)
                .filter(|row| row.tenant == webhook.tenant && row.version == webhook.version)
                .ok_or_else(|| Error::conflict("update webhook", "the webhook was changed or removed meanwhile"))?;
            *row = Webhook { version: webhook.version + 1, ..webhook.clone() };
            Ok(row.clone())
        })
    }

    async fn remove(&self, tenant: TenantId, id: WebhookId) -> Result<bool> {
        self.unit(|world| {
            let mine = world.webhooks.get(&id).is_some_and(|row| row.tenant == tenant);
            Ok(mine && world.webhooks.remove(&id).is_some())
        })
    }
}

/// Endpoints that keep what arrives, and fail when they are told to.
#[derive(Debug, Default)]
pub struct MemoryNotifier {
    arrived: Mutex<Vec<Message>>,
    failures: Mutex<VecDeque<Error>>,
}

impl MemoryNotifier {
    /// What arrived so far.
    pub fn arrived(&self) -> Vec<Message> {
        lock(&self.arrived).clone()
    }

    /// The next delivery fails like this.
    pub fn fail(&self, error: Error) {
        lock(&self.failures).push_back(error);
    }
}

#[async_trait]
impl Notifier for MemoryNotifier {
    fn check(&self, url: &str) -> Result<()> {
        match url.starts_with("https://") {
            true => Ok(()),
            false => Err(Error::invalid("check webhook address", "the address must begin with https://")),
        }
    }

    async fn deliver(&self, message: &Message) -> Result<()> {
        // Points to crash at: before anything is sent, and after it has arrived.
        Yield(false).await;
        if let Some(error) = lock(&self.failures).pop_front() {
            return Err(error);
        }
        lock(&self.arrived).push(message.clone());
        Yield(false).await;
        Ok(())
    }
}
