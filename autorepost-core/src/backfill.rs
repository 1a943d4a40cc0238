//! Backfills: older posts that a rule did not take, because they were made before its start, published a few a day.
//!
//! First the source is walked back, page by page, and what it shows is admitted as any other post, without reposts. Then
//! the posts have their turns at each destination, the oldest first. All of it stands in one document, so that any worker
//! goes on where another was stopped.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    id::{ConnectionId, PostId, RuleId, TenantId},
    job::NewJob,
    repost::{Entry, Repost},
    rule::{Rule, RuleSpec},
};

/// Posts a day to one account when nobody says otherwise.
pub const PER_DAY_DEFAULT: u32 = 3;
/// Posts a day to one account at most: one an hour, far below what stops an account as an anomaly.
pub const PER_DAY_MAX: u32 = 24;
/// Pages of a source that one backfill walks at most: some 35,000 posts.
pub const PAGES_MAX: u32 = 1_000;

/// A backfill: one for each rule at most, which stays after its end until another is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backfill {
    /// The rule whose older posts it publishes.
    pub rule: RuleId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The connection whose posts these are.
    pub source: ConnectionId,
    /// It takes posts made at or after this time.
    pub since: DateTime<Utc>,
    /// It takes posts made before this time: the rule's own start at the latest.
    pub until: DateTime<Utc>,
    /// Posts a day to each destination account.
    pub per_day: u32,
    /// When it was asked for.
    pub began_at: DateTime<Utc>,
    /// By whom.
    pub by: String,
    /// How far it is.
    pub stage: Stage,
    /// How far it is at each destination: those that the rule had when it was asked for.
    pub tracks: Vec<Track>,
    /// Counts its changes; a write names the version that it read.
    pub version: u64,
}

/// How far a backfill is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The source is walked from its newest page to [`since`](Backfill::since).
    Walking {
        /// Where the walk goes on; nothing at the newest page.
        page: Option<String>,
        /// Pages that were read so far.
        pages: u32,
    },
    /// Posts have their turns, the oldest first.
    Publishing,
    /// It is over. What had its turn before goes on.
    Ended {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        why: Ending,
    },
}

/// Why a backfill is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every post had its turn.
    Done,
    /// A person called it off.
    CalledOff,
    /// Its rule was removed.
    RuleRemoved,
    /// The walk did not come to its end within [`PAGES_MAX`].
    TooFarBack,
}

impl Ending {
    /// The reason as people read it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Done => "every post had its turn",
            Self::CalledOff => "it was called off",
            Self::RuleRemoved => "its rule was removed",
            Self::TooFarBack => "the source has too many posts since then: choose a later start",
        }
    }
}

/// A backfill at one destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// The destination.
    pub connection: ConnectionId,
    /// The last post that had its turn or was passed over.
    pub after: Option<(DateTime<Utc>, PostId)>,
    /// The next turn is not before this time.
    pub next_at: DateTime<Utc>,
    /// Posts that had their turn so far.
    pub released: u32,
    /// Nothing is left for it.
    pub done: bool,
}

/// A repost whose turn has come, with its job and the first line of its journal.
pub type Turn = (Repost, NewJob, Entry);

impl Backfill {
    /// Whether it is not over.
    pub const fn is_going(&self) -> bool {
        !matches!(self.stage, Stage::Ended { .. })
    }

    /// Whether it takes posts of this time.
    pub fn covers(&self, posted_at: DateTime<Utc>) -> bool {
        (self.since..self.until).contains(&posted_at)
    }

    /// The rule as it is for older posts: the same, but for its start.
    pub fn rule_for_older(&self, rule: &Rule) -> Rule {
        rule_since(rule, self.since)
    }

    /// Time between two turns at one destination.
    pub fn pace(&self) -> Duration {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        DAY / self.per_day.max(1)
    }

    /// Posts that had their turn so far, over all destinations.
    pub fn released(&self) -> u32 {
        self.tracks.iter().map(|track| track.released).sum()
    }

    /// The unique key of the one job that moves it.
    pub fn job_key(&self) -> String {
        backfill_key(self.rule)
    }
}

/// A rule with another start.
pub(crate) fn rule_since(rule: &Rule, since: DateTime<Utc>) -> Rule {
    let mut filters = rule.spec.filters.clone();
    filters.since = Some(since);
    Rule { spec: RuleSpec { filters, ..rule.spec.clone() }, ..rule.clone() }
}

/// The key of the job that moves a rule's backfill.
pub fn backfill_key(rule: RuleId) -> String {
    format!("backfill:{rule}")
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Walking { pages, .. } => write!(f, "looks for older posts, {pages} pages so far"),
            Self::Publishing => f.write_str("publishes, the oldest first"),
            Self::Ended { why, .. } => write!(f, "over: {}", why.text()),
        }
    }
}
