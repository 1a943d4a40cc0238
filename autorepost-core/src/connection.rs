//! Connections: one account on one platform, with its sealed credential.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Platform,
    id::{ConnectionId, TenantId},
    seal::SealedToken,
};

/// Longest id or handle of an account, in characters: far more than any platform gives.
pub const NAME_CHARS_MAX: usize = 100;

/// The platform's own id of an account. It outlives handles and reconnections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// Wraps the platform's own id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The platform's own id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One account on one platform, as connected by a tenant. Unique by tenant, platform and account: connecting the
/// account again renews this row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// Its own id.
    pub id: ConnectionId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The platform.
    pub platform: Platform,
    /// The platform's own id of the account.
    pub account: AccountId,
    /// The account's present handle, without `@`.
    pub handle: String,
    /// How the account was connected.
    pub method: AuthMethod,
    /// The sealed [`Credential`](crate::credential::Credential).
    pub credential: SealedToken,
    /// The scopes that were granted; empty where the platform has none.
    pub scopes: Vec<String>,
    /// When the credential stops working, if the platform says so.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it works.
    pub status: ConnectionStatus,
    /// Why it is not active, and how to mend it.
    pub status_detail: Option<String>,
    /// Held by its owner: nothing is read from it or published to it.
    pub paused: bool,
    /// When a person last let it go on: what was published before is no reason to stop it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_at: Option<DateTime<Utc>>,
    /// The connection of the same creator in whose name this one lists posts; known once one post was seen by both.
    /// Nothing for a connection that stands for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists_for: Option<ConnectionId>,
    /// The last warning that its credential ends soon: so many days ahead. Nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warned_days: Option<u8>,
    /// When it was first connected.
    pub created_at: DateTime<Utc>,
    /// When its credential was last renewed.
    pub renewed_at: DateTime<Utc>,
    /// Counts its changes; a write names the version that it read.
    pub version: u64,
}

impl Connection {
    /// Whether jobs may use it now.
    pub fn is_usable(&self) -> bool {
        !self.paused && self.status.is_usable()
    }
}

/// How an account was connected: this decides hosts, token refresh and the way that bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// TikTok with the account's own web session: a cookie jar.
    TiktokSession,
    /// TikTok Login Kit: OAuth 2.0 with a refresh token that changes.
    TiktokLogin,
    /// Instagram API with Instagram Login: `graph.instagram.com`, bytes by `video_url`.
    InstagramLogin,
    /// Instagram API with Facebook Login: `graph.facebook.com`, bytes by resumable upload.
    FacebookLogin,
    /// Google OAuth 2.0 with a refresh token.
    Google,
    /// X with OAuth 1.0a user context.
    XOauth1,
    /// X with OAuth 2.0 and a refresh token that works once.
    XOauth2,
}

impl AuthMethod {
    /// Every method, in the order of the platforms.
    pub const ALL: [Self; 7] = [
        Self::TiktokSession,
        Self::TiktokLogin,
        Self::InstagramLogin,
        Self::FacebookLogin,
        Self::Google,
        Self::XOauth1,
        Self::XOauth2,
    ];

    /// The platform that this method belongs to.
    pub const fn platform(self) -> Platform {
        match self {
            Self::TiktokSession | Self::TiktokLogin => Platform::TikTok,
            Self::InstagramLogin | Self::FacebookLogin => Platform::Instagram,
            Self::Google => Platform::YouTube,
            Self::XOauth1 | Self::XOauth2 => Platform::X,
        }
    }

    /// Whether posts can be fetched through it, and not listed alone.
    pub const fn can_fetch(self) -> bool {
        !matches!(self, Self::TiktokLogin)
    }

    /// Whether its access tokens are short-lived and renewed by a refresh token, without which they are worth little.
    pub const fn has_refresh_token(self) -> bool {
        matches!(self, Self::Google | Self::XOauth2 | Self::TiktokLogin)
    }
}

/// Whether a connection works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// It works.
    Active,
    /// It works, but its credential ends soon and could not be renewed.
    Expiring,
    /// Its credential is dead: the owner must connect the account again.
    NeedsReconnect,
    /// The platform or the owner withdrew the grant.
    Revoked,
    /// It fails for another reason, which the detail tells; it is tried again by itself.
    Error,
}

impl ConnectionStatus {
    /// Whether jobs may use it. `Error` is usable, because trying again is how it mends.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Active | Self::Expiring | Self::Error)
    }

    /// The stable snake-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expiring => "expiring",
            Self::NeedsReconnect => "needs_reconnect",
            Self::Revoked => "revoked",
            Self::Error => "error",
        }
    }
}
