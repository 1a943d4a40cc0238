//! Credentials in the clear: what a sealed token holds. They live only as long as one job.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    Error, Result,
    connection::{AccountId, AuthMethod, Connection},
    seal::{Binding, KeyRing, Purpose, SealedToken, Secret},
};

/// What proves to a platform that we act for the account. Zeroized on drop; `Debug` shows no value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Credential {
    /// A web session: the source adapter's own text form of its cookie jar.
    Cookies {
        /// The jar.
        jar: String,
    },
    /// An OAuth 2.0 grant.
    Bearer {
        /// The access token.
        access: String,
        /// The refresh token, where the platform has one.
        refresh: Option<String>,
    },
    /// An OAuth 1.0a token of user context.
    OAuth1 {
        /// The token.
        token: String,
        /// The token's secret.
        secret: String,
    },
    /// Nothing any more: the account was disconnected.
    Forgotten,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cookies { .. } => "Cookies(..)",
            Self::Bearer { .. } => "Bearer(..)",
            Self::OAuth1 { .. } => "OAuth1(..)",
            Self::Forgotten => "Forgotten",
        })
    }
}

impl Credential {
    /// Seals this credential for `connection`. The nonce comes from [`Entropy`](crate::port::Entropy) and is used once.
    pub fn seal(&self, keys: &KeyRing, binding: &Binding, nonce: [u8; 12]) -> Result<SealedToken> {
        let text = serde_json::to_string(self)
            .map_err(|source| Error::internal("seal credential", "the credential has no JSON form").source(source))?;
        keys.seal(nonce, binding, &Secret::new(text))
    }
}

/// What a credential is bound to: it opens nowhere else.
pub fn binding(connection: &Connection) -> Binding {
    Binding { tenant: connection.tenant, connection: connection.id, purpose: Purpose::Credential }
}

/// A connection that was opened for use: what a platform client needs to act for the account.
#[derive(Debug, Clone)]
pub struct Access {
    /// The platform's own id of the account.
    pub account: AccountId,
    /// The account's handle, without `@`.
    pub handle: String,
    /// How the account was connected.
    pub method: AuthMethod,
    /// What proves that we act for the account.
    pub credential: Credential,
}

impl Access {
    /// Opens a connection's sealed credential.
    ///
    /// # Errors
    ///
    /// [`Unsealable`](crate::ErrorKind::Unsealable) when the value does not open, naming the connection and the remedy.
    pub fn open(connection: &Connection, keys: &KeyRing) -> Result<Self> {
        let secret = keys.open(&binding(connection), &connection.credential)?;
        let credential = serde_json::from_str(secret.expose()).map_err(|_| {
            // The parse error may quote the value, so it is not kept.
            Error::malformed(
                "open credential",
                format!("the credential of connection {} has a form that this version does not know", connection.id),
            )
        })?;
        Ok(Self {
            account: connection.account.clone(),
            handle: connection.handle.clone(),
            method: connection.method,
            credential,
        })
    }
}
