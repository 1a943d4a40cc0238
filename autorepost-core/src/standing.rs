//! How something stands that was published: a platform that took it may still hide, limit or remove it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How something stands that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Standing {
    /// It is shown as it was asked for.
    Live,
    /// The platform still works on it.
    Processing,
    /// It is there, and fewer see it than was asked for.
    NotPublic {
        /// What the platform says.
        why: String,
    },
    /// It is shown, but muted, not in every country, or not to everybody.
    Limited {
        /// What the platform says.
        why: String,
    },
    /// It was refused after all, or removed.
    Gone {
        /// What the platform says.
        why: String,
    },
    /// The platform could not tell.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Standing {
    /// The stable snake-case name: used in storage, journals and messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Processing => "processing",
            Self::NotPublic { .. } => "not_public",
            Self::Limited { .. } => "limited",
            Self::Gone { .. } => "gone",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// What the platform says of it, where it says something.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Live | Self::Processing => None,
            Self::NotPublic { why } | Self::Limited { why } | Self::Gone { why } | Self::Unknown { why } => Some(why),
        }
    }

    /// Whether a person should look: the public does not see what was asked for.
    pub const fn needs_attention(&self) -> bool {
        matches!(self, Self::NotPublic { .. } | Self::Limited { .. } | Self::Gone { .. })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Live => "live",
            Self::Processing => "still being processed",
            Self::NotPublic { .. } => "not public",
            Self::Limited { .. } => "limited",
            Self::Gone { .. } => "gone",
            Self::Unknown { .. } => "not known",
        };
        match self.why() {
            Some(why) => write!(f, "{words}: {why}"),
            None => f.write_str(words),
        }
    }
}

/// One look at something that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// How it stands.
    pub standing: Standing,
    /// When the platform was asked.
    pub at: DateTime<Utc>,
}
