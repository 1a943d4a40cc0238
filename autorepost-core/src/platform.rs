//! The platforms that autorepost knows.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// A platform that posts come from or go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// TikTok, the source.
    TikTok,
    /// Instagram Reels.
    Instagram,
    /// YouTube, Shorts included.
    YouTube,
    /// X, formerly Twitter.
    #[serde(alias = "twitter")]
    X,
}

impl Platform {
    /// Every platform, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::TikTok, Self::Instagram, Self::YouTube, Self::X];

    /// The stable lower-case name: used in storage, configuration and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TikTok => "tiktok",
            Self::Instagram => "instagram",
            Self::YouTube => "youtube",
            Self::X => "x",
        }
    }

    /// The name as people write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::TikTok => "TikTok",
            Self::Instagram => "Instagram",
            Self::YouTube => "YouTube",
            Self::X => "X",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// Accepts the stable names, and `twitter` for X.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "tiktok" => Ok(Self::TikTok),
            "instagram" => Ok(Self::Instagram),
            "youtube" => Ok(Self::YouTube),
            "x" | "twitter" => Ok(Self::X),
            _ => Err(Error::invalid(
                "parse platform",
                format!("\"{text}\" is not a platform: use tiktok, instagram, youtube or x"),
            )),
        }
    }
}
