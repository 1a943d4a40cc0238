//! Webhooks: the endpoints of tenants, and the way to them.

use async_trait::async_trait;

use crate::{
    Result,
    id::{TenantId, WebhookId},
    webhook::{Message, Webhook},
};

/// Keeps the endpoints of tenants.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// Inserts an endpoint.
    async fn insert(&self, webhook: &Webhook) -> Result<()>;

    /// The endpoint of this id.
    async fn get(&self, tenant: TenantId, id: WebhookId) -> Result<Option<Webhook>>;

    /// A tenant's endpoints, the oldest first.
    async fn list(&self, tenant: TenantId) -> Result<Vec<Webhook>>;

    /// Replaces the row whose version is `webhook.version`, and counts the version up;
    /// [`Conflict`](crate::ErrorKind::Conflict) when the row has another version, or is gone. Answers with the row as it is
    /// then.
    async fn update(&self, webhook: &Webhook) -> Result<Webhook>;

    /// Removes an endpoint; `false` when there is none. What was to be sent there ends by itself.
    async fn remove(&self, tenant: TenantId, id: WebhookId) -> Result<bool>;
}

/// Brings messages to endpoints. It is bounded in time and in what it reads, follows no redirect, tries nothing twice,
/// and reaches no address that is not public unless its user's operator permits it.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Checks an address as far as that can be done without asking for its name: what is refused here is never reached.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what an address must be.
    fn check(&self, url: &str) -> Result<()>;

    /// Sends a message once; it has arrived when the answer's status is 2xx.
    ///
    /// # Errors
    ///
    /// Never to be repeated ([`Retry::Never`](crate::Retry::Never)) when the address is one that is not reached, or the
    /// endpoint says that it is gone (410); later, or when the endpoint says so, for everything else.
    async fn deliver(&self, message: &Message) -> Result<()>;
}
