//! Posts: what was found on a source.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    connection::AccountId,
    id::{ConnectionId, PostId, RuleId, TenantId},
    media::Media,
};

/// A post as a source lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundPost {
    /// The platform's own id of the post.
    pub key: String,
    /// Its public address.
    pub url: String,
    /// The author's handle at that time, without `@`.
    pub author: String,
    /// The caption, as written.
    pub caption: String,
    /// When it was made public.
    pub posted_at: DateTime<Utc>,
    /// What it is.
    pub kind: PostKind,
    /// Shown at the top out of order, so it says nothing about how far a page reaches.
    pub pinned: bool,
}

/// What a post is, and so whether it can be reposted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PostKind {
    /// A video.
    Video {
        /// Its duration in seconds, as the source tells it.
        duration_secs: Option<u32>,
    },
    /// Something that cannot be reposted; the reason is for people.
    Unusable {
        /// Why.
        why: Unusable,
    },
}

/// Why a post cannot be reposted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unusable {
    /// It shows photos, not a video.
    Photo,
    /// Only its author, or friends, may see it.
    Private,
    /// It is gone.
    Deleted,
    /// It is not shown in this region.
    RegionBlocked,
    /// It wants a login or an age that the session has not.
    Restricted,
}

impl Unusable {
    /// Whether its author can undo it.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Private | Self::Restricted)
    }

    /// The reason as people read it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Photo => "the post shows photos, not a video",
            Self::Private => "the post is private",
            Self::Deleted => "the post was deleted at its source",
            Self::RegionBlocked => "the source does not show the post in this region",
            Self::Restricted => "the source shows the post only to some viewers",
        }
    }
}

impl FoundPost {
    /// Whether it cannot be reposted now, but perhaps later.
    pub const fn is_hidden(&self) -> bool {
        matches!(self.kind, PostKind::Unusable { why } if why.may_pass())
    }
}

/// A post that was admitted: unique by source account and the platform's own id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// Its own id.
    pub id: PostId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The connection on which it was found.
    pub connection: ConnectionId,
    /// The account that made it.
    pub account: AccountId,
    /// What the source told of it.
    pub found: FoundPost,
    /// When it was admitted.
    pub found_at: DateTime<Utc>,
    /// Its bytes, once they are stored.
    pub media: Option<Media>,
}

/// How far a source has been read. Written in the transaction that admits what the reading found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// Everything posted up to this time was seen. It moves only when a walk ends, never when one is cut short.
    pub complete_through: Option<DateTime<Utc>>,
    /// Where a walk that was too long for one job goes on.
    pub resume: Option<String>,
    /// The newest post that the present walk has met.
    pub newest: Option<DateTime<Utc>>,
    /// When the source last answered well.
    pub last_ok_at: Option<DateTime<Utc>>,
    /// The rules for which the source was walked to where they begin. A new rule may begin before everything that was
    /// seen; and what was seen was not yet held against it. Nothing in a cursor from before there was this list.
    #[serde(default)]
    pub walked: Option<BTreeSet<RuleId>>,
    /// The rules that there were when the present walk began at the top.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub walking: BTreeSet<RuleId>,
}

impl Cursor {
    /// Whether the source still has to be walked for a rule from where it begins.
    pub fn owes(&self, rule: RuleId) -> bool {
        match &self.walked {
            Some(walked) => !walked.contains(&rule),
            None => self.complete_through.is_none(),
        }
    }
}
