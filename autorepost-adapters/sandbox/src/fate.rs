//! What becomes of something after it was published.

use serde::{Deserialize, Serialize};

/// What a platform made of something that it had published. The ledger keeps it whatever becomes of it: it tells what was
/// published, not what is shown still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is being processed still.
    Processing,
    /// Its processing failed.
    Failed,
    /// Only its owner sees it.
    Private,
    /// A claim of copyright mutes it, or keeps it from some countries.
    Claimed,
    /// It is shown to adults only.
    Adults,
    /// It is not there any more.
    Removed,
}
