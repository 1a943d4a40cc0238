//! Webhooks: what a tenant's own programs are told, and how a message is signed.
//!
//! Messages follow Standard Webhooks (<https://www.standardwebhooks.com>): the headers `webhook-id`, `webhook-timestamp` and
//! `webhook-signature`, an HMAC-SHA256 over the id, the timestamp and the body with dots between them, and secrets that
//! begin with `whsec_`.

mod sign;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use sign::{SigningSecret, TOLERANCE, verify};

use crate::{
    Error, Result,
    id::{ConnectionId, TenantId, WebhookId},
    seal::{Binding, KeyRing, Purpose, SealedToken, Secret},
};

/// Endpoints of one tenant at most.
pub const WEBHOOKS_MAX: usize = 20;
/// Longest address of an endpoint, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;
/// Largest body of a message, in bytes: what is longer was cut when it was written.
pub const PAYLOAD_BYTES_MAX: usize = 20 << 10;

/// What an endpoint may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventType {
    /// The public sees a repost.
    #[serde(rename = "repost.published")]
    RepostPublished,
    /// A repost certainly was not published, and trying again cannot help.
    #[serde(rename = "repost.failed")]
    RepostFailed,
    /// Nobody can tell whether a repost was published: a person must look.
    #[serde(rename = "repost.unconfirmed")]
    RepostUnconfirmed,
    /// A repost was published, and the platform hides, limits or removed it since.
    #[serde(rename = "repost.needs_attention")]
    RepostNeedsAttention,
    /// The post that a repost was made of was deleted or made private at its source.
    #[serde(rename = "repost.source_deleted")]
    RepostSourceDeleted,
    /// An account does not work any more, or soon will not.
    #[serde(rename = "connection.needs_attention")]
    ConnectionNeedsAttention,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 6] = [
        Self::RepostPublished,
        Self::RepostFailed,
        Self::RepostUnconfirmed,
        Self::RepostNeedsAttention,
        Self::RepostSourceDeleted,
        Self::ConnectionNeedsAttention,
    ];

    /// The stable name, as it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RepostPublished => "repost.published",
            Self::RepostFailed => "repost.failed",
            Self::RepostUnconfirmed => "repost.unconfirmed",
            Self::RepostNeedsAttention => "repost.needs_attention",
            Self::RepostSourceDeleted => "repost.source_deleted",
            Self::ConnectionNeedsAttention => "connection.needs_attention",
        }
    }

    /// The type that tells of a repost that came to this state, if one does.
    pub fn of_repost(state: &str) -> Option<Self> {
        match state {
            "published" => Some(Self::RepostPublished),
            "failed" => Some(Self::RepostFailed),
            "unconfirmed" => Some(Self::RepostUnconfirmed),
            _ => None,
        }
    }
}

/// The type of a message that only tries an endpoint out. Nobody subscribes to it.
pub const TEST_EVENT: &str = "webhook.test";

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EventType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid("parse event type", format!("\"{text}\" is none of {names}"))
        })
    }
}

/// An address of a tenant's own program, which is told what happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its own id.
    pub id: WebhookId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// Where messages go.
    pub url: String,
    /// What it is told of; everything when empty.
    pub events: Vec<EventType>,
    /// The sealed secret that signs its messages.
    pub secret: SealedToken,
    /// The secret before that one, which signs as well for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousSecret>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// Counts its changes; a write names the version that it read.
    pub version: u64,
}

/// A secret that was replaced, and signs on until its end, so that a receiver can change over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// The sealed secret.
    pub secret: SealedToken,
    /// When it stops signing.
    pub until: DateTime<Utc>,
}

impl Webhook {
    /// Whether it wants to be told of this.
    pub fn wants(&self, event: EventType) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }

    /// What its secrets are bound to: they open nowhere else.
    pub fn binding(&self) -> Binding {
        binding(self.tenant, self.id)
    }

    /// The signature of a message: by its secret, and by the one before while that lasts.
    ///
    /// # Errors
    ///
    /// [`Unsealable`](crate::ErrorKind::Unsealable) when a secret does not open.
    pub fn sign(&self, keys: &KeyRing, id: &str, at: DateTime<Utc>, body: &str) -> Result<String> {
        let mut signatures = Vec::new();
        let previous = self.previous.iter().filter(|previous| previous.until > at).map(|previous| &previous.secret);
        for sealed in [&self.secret].into_iter().chain(previous) {
            let secret = SigningSecret::parse(&keys.open(&self.binding(), sealed)?)?;
            signatures.push(secret.sign(id, at.timestamp(), body.as_bytes()));
        }
        Ok(signatures.join(" "))
    }
}

/// What the secrets of an endpoint are bound to.
pub fn binding(tenant: TenantId, id: WebhookId) -> Binding {
    // Ids are unique among all rows, and the purpose keeps the two apart.
    Binding { tenant, connection: ConnectionId::from_uuid(id.uuid()), purpose: Purpose::WebhookSecret }
}

/// Seals a new secret of an endpoint, and answers with its text too, which is shown once.
pub(crate) fn new_secret(
    keys: &KeyRing,
    binding: &Binding,
    (bytes, nonce): ([u8; 32], [u8; 12]),
) -> Result<(SealedToken, Secret)> {
    let text = SigningSecret::generate(bytes);
    Ok((keys.seal(nonce, binding, &text)?, text))
}

/// A message, signed and ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub url: String,
    /// The header `webhook-id`: the same however often the message is sent.
    pub id: String,
    /// The header `webhook-timestamp`: when it is sent, in seconds since 1970.
    pub timestamp: i64,
    /// The header `webhook-signature`.
    pub signature: String,
    /// The body, in JSON.
    pub body: String,
}
