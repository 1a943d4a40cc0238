//! Faults: what goes wrong, where, and how often.

pub(crate) mod answers;

use std::time::Duration;

use autorepost_core::Platform;
use serde::{Deserialize, Serialize};

/// A step of a platform's protocol at which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A source's profile, list or post page.
    Page,
    /// A source's media.
    Media,
    /// Opening an upload.
    Begin,
    /// Sending bytes.
    Bytes,
    /// Asking how an upload stands.
    Status,
    /// The request that makes a post public.
    Commit,
    /// Reading back what was published, and what may still be.
    List,
    /// Renewing a token.
    Token,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 8] =
        [Self::Page, Self::Media, Self::Begin, Self::Bytes, Self::Status, Self::Commit, Self::List, Self::Token];
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The platform answers with 503 and does nothing.
    ErrorBefore,
    /// The platform does it and answers with 503.
    ErrorAfter,
    /// The connection is cut before anything is done.
    CutBefore,
    /// Some of the request's body is taken, then the connection is cut.
    CutMiddle,
    /// The platform does it and cuts the connection instead of answering.
    CutAfter,
    /// The platform does it, but only after this many milliseconds, whether or not the client still waits.
    Slow(u64),
    /// 429 with the vendor's headers: allowed again after this many seconds.
    RateLimit(u64),
    /// The account's access token ends now.
    ExpireToken,
    /// The platform refuses in its own form, and does nothing.
    Refuse(Refusal),
}

/// A refusal, in words that each platform puts into its own form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The platform's code: `code/subcode` of Instagram, a reason of YouTube, the last part of a problem's type of X.
    pub code: String,
    /// What it says.
    pub message: String,
}

/// A fault of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// At which platform.
    pub platform: Platform,
    /// At which step.
    pub step: Step,
    /// What goes wrong.
    pub effect: Effect,
    /// How often at most.
    pub times: u32,
    /// How likely it is each time, in thousandths.
    pub per_mille: u32,
}

impl Fault {
    /// A fault that happens the first `times` times.
    pub const fn first(platform: Platform, step: Step, effect: Effect, times: u32) -> Self {
        Self { platform, step, effect, times, per_mille: 1000 }
    }
}

impl Effect {
    /// How long the platform waits before it acts.
    pub(crate) const fn delay(&self) -> Duration {
        match self {
            Self::Slow(millis) => Duration::from_millis(*millis),
            _ => Duration::ZERO,
        }
    }
}
