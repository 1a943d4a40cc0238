//! A tenant's endpoints, and what an outside automation brings.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use crate::{
    Error, ErrorKind, Result,
    connection::Connection,
    credential::{Access, Credential},
    id::{JobId, WebhookId},
    notice,
    operator::Operator,
    policy::after,
    port::EntropyExt,
    seal::Secret,
    webhook::{self, EventType, Message, PreviousSecret, TEST_EVENT, URL_BYTES_MAX, WEBHOOKS_MAX, Webhook},
};

/// How long a secret that was replaced goes on signing beside the new one.
pub const SECRET_OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// How often a change is tried over one that was made meanwhile.
const TRIES_MAX: usize = 5;

impl Operator<'_> {
    /// The tenant's endpoints, the oldest first.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>> {
        self.ports.webhooks.list(self.tenant).await
    }

    /// The endpoint of an id.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is none.
    pub async fn webhook(&self, id: WebhookId) -> Result<Webhook> {
        let found = self.ports.webhooks.get(self.tenant, id).await?;
        found.ok_or_else(|| Error::not_found("find webhook", format!("there is no webhook {id}")))
    }

    /// Adds an endpoint, which is told of what happens from now on: of these events, or of all when there are none. The
    /// secret's text is in this answer and nowhere else.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) for an address that is never reached, or one endpoint too many.
    pub async fn add_webhook(&self, url: &str, events: &[EventType]) -> Result<(Webhook, Secret)> {
        let op = "add webhook";
        if url.len() > URL_BYTES_MAX {
            return Err(Error::invalid(op, format!("an address has at most {URL_BYTES_MAX} bytes")));
        }
        self.ports.notifier.check(url)?;
        if self.webhooks().await?.len() >= WEBHOOKS_MAX {
            return Err(Error::invalid(op, format!("a tenant has at most {WEBHOOKS_MAX} webhooks: remove one")));
        }
        let (now, entropy) = (self.ports.clock.now(), &self.ports.entropy);
        let id = WebhookId::new(now, entropy.bytes());
        let binding = webhook::binding(self.tenant, id);
        let (secret, text) = webhook::new_secret(&self.ports.keys, &binding, (entropy.bytes(), entropy.bytes()))?;
        let events = events.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let (tenant, url) = (self.tenant, url.to_owned());
        let webhook = Webhook { id, tenant, url, events, secret, previous: None, created_at: now, version: 0 };
        self.ports.webhooks.insert(&webhook).await?;
        Ok((webhook, text))
    }

    /// Removes an endpoint. What was to be sent there is not.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is none.
    pub async fn remove_webhook(&self, id: WebhookId) -> Result<Webhook> {
        let webhook = self.webhook(id).await?;
        self.ports.webhooks.remove(self.tenant, id).await?;
        Ok(webhook)
    }

    /// Gives an endpoint a new secret, whose text is in this answer and nowhere else. The one before signs as well for
    /// [`SECRET_OVERLAP`].
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is no such endpoint.
    pub async fn rotate_webhook_secret(&self, id: WebhookId) -> Result<(Webhook, Secret)> {
        for _ in 0..TRIES_MAX {
            let webhook = self.webhook(id).await?;
            let entropy = &self.ports.entropy;
            let random = (entropy.bytes(), entropy.bytes());
            let (secret, text) = webhook::new_secret(&self.ports.keys, &webhook.binding(), random)?;
            let until = after(self.ports.clock.now(), SECRET_OVERLAP);
            let previous = Some(PreviousSecret { secret: webhook.secret.clone(), until });
            match self.ports.webhooks.update(&Webhook { secret, previous, ..webhook }).await {
                Ok(stored) => return Ok((stored, text)),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict("rotate webhook secret", "the webhook changes too often"))
    }

    /// Sends an endpoint a message of the type [`TEST_EVENT`] at once, and answers with the message's id.
    ///
    /// # Errors
    ///
    /// When there is no such endpoint, or the message did not arrive, saying why.
    pub async fn test_webhook(&self, webhook: &Webhook) -> Result<String> {
        let now = self.ports.clock.now();
        let id = format!("msg_{}", JobId::new(now, self.ports.entropy.bytes()).uuid().simple());
        let body = notice::payload(TEST_EVENT, now, json!({ "webhook": webhook.id }));
        let signature = webhook.sign(&self.ports.keys, &id, now, &body)?;
        let (url, timestamp) = (webhook.url.clone(), now.timestamp());
        self.ports.notifier.deliver(&Message { url, id: id.clone(), timestamp, signature, body }).await?;
        Ok(id)
    }

    /// Gives a connection a fresh credential. The platform is asked whose it is, and nothing is stored unless it is the same
    /// account's; then the renewal of the connection, and what waited for it, are due at once.
    ///
    /// # Errors
    ///
    /// [`Rejected`](ErrorKind::Rejected) when it is another account's; what the platform says when it refuses it.
    pub async fn renew_credential(&self, connection: &Connection, credential: Credential) -> Result<Connection> {
        let access = Access {
            account: connection.account.clone(),
            handle: connection.handle.clone(),
            method: connection.method,
            credential: credential.clone(),
        };
        let identity = self.ports.authorizer(connection.platform)?.verify(&access).await?;
        if identity.account != connection.account {
            let text = format!("the credential is one of @{}, not of @{}", identity.handle, connection.handle);
            return Err(Error::new(ErrorKind::Rejected, "renew credential", text));
        }
        self.keep(connection.method, identity, credential, connection.scopes.clone()).await
    }

    /// Seals an endpoint's secrets with the present key; nothing when that was done.
    pub(super) async fn reseal_webhook(&self, id: WebhookId) -> Result<bool> {
        for _ in 0..TRIES_MAX {
            let Some(webhook) = self.ports.webhooks.get(self.tenant, id).await? else { return Ok(false) };
            let (keys, entropy, binding) = (&self.ports.keys, &self.ports.entropy, webhook.binding());
            let mut next = webhook.clone();
            if let Some(sealed) = keys.reseal(entropy.bytes(), &binding, &webhook.secret)? {
                next.secret = sealed;
            }
            if let Some(previous) = &mut next.previous
                && let Some(sealed) = keys.reseal(entropy.bytes(), &binding, &previous.secret)?
            {
                previous.secret = sealed;
            }
            if next == webhook {
                return Ok(false);
            }
            match self.ports.webhooks.update(&next).await {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict("seal webhook secret", "the webhook changes too often"))
    }
}
