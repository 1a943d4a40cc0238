//! Identifiers. Each is its own type, so that a post's id cannot be passed where a rule's is wanted.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// Makes a version 7 UUID: ordered by time, with the random bits that the caller brings.
pub(crate) fn uuid_v7(now: DateTime<Utc>, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes an id that sorts by `now`; `random` comes from [`Entropy`](crate::port::Entropy).
            pub fn new(now: DateTime<Utc>, random: [u8; 10]) -> Self {
                Self(uuid_v7(now, random))
            }

            /// Wraps a stored value.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The value as it is stored.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::try_parse(text).map(Self).map_err(|source| {
                    Error::invalid("parse id", format!(concat!("\"{}\" is not a ", $what, " id"), text)).source(source)
                })
            }
        }
    )*};
}

ids! {
    /// The owner of everything below it.
    TenantId = "tenant";
    /// One account on one platform, as connected by a tenant.
    ConnectionId = "connection";
    /// A rule: from a source connection to its destinations.
    RuleId = "rule";
    /// A post that was found on a source.
    PostId = "post";
    /// One post to one destination account.
    RepostId = "repost";
    /// A durable unit of work.
    JobId = "job";
    /// A key to the HTTP interface.
    ApiKeyId = "API key";
    /// An endpoint that is told what happens.
    WebhookId = "webhook";
    /// A file of the creator's.
    MasterId = "master";
    /// A line of the audit log.
    AuditId = "audit log line";
}

impl TenantId {
    /// The tenant of an installation that serves only its owner.
    pub const OWNER: Self = Self(Uuid::from_u128(1));
}
