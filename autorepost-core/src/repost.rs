//! Reposts: one post to one destination account, and its journal.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Platform,
    connection::AccountId,
    decide::Decision,
    id::{ConnectionId, PostId, RepostId, RuleId, TenantId},
    post::Post,
    state::RepostState,
};

/// One post to one destination account: the row that must reach exactly one end.
///
/// Unique by tenant, source account, source post, platform and destination account ([`RepostKey`]), whatever rule or
/// reconnected connection asks for it. It outlives the rule and the connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repost {
    /// Its own id.
    pub id: RepostId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// What makes it unique.
    pub key: RepostKey,
    /// The post.
    pub post: PostId,
    /// When the post was made public at its source, or when its turn came in a backfill: reposts go out in this order.
    pub posted_at: DateTime<Utc>,
    /// The rule that asked for it first.
    pub rule: RuleId,
    /// The connection through which it is published.
    pub connection: ConnectionId,
    /// Where it stands.
    pub state: RepostState,
    /// When a commit was last sent for it, whatever came of it: the hourly cap counts these.
    pub last_commit_at: Option<DateTime<Utc>>,
    /// When it was admitted.
    pub created_at: DateTime<Utc>,
    /// When its state last changed.
    pub updated_at: DateTime<Utc>,
    /// Counts its changes; a write names the version that it read.
    pub version: u64,
}

impl Repost {
    /// The repost that a decision about a post asks for.
    pub fn of(id: RepostId, post: &Post, decision: Decision, now: DateTime<Utc>) -> Self {
        Self {
            id,
            tenant: post.tenant,
            key: RepostKey {
                source: post.account.clone(),
                post: post.found.key.clone(),
                platform: decision.platform,
                account: decision.account,
            },
            post: post.id,
            posted_at: post.found.posted_at,
            rule: decision.rule,
            connection: decision.connection,
            state: match decision.skip {
                Some(reason) => RepostState::Skipped { reason },
                None => RepostState::Planned,
            },
            last_commit_at: None,
            created_at: now,
            updated_at: now,
            version: 0,
        }
    }

    /// The unique key of the one job that moves it.
    pub fn job_key(&self) -> String {
        format!("repost:{}", self.id)
    }

    /// The lane in which it is prepared: one at a time for a source account, so that the media of a post is fetched once, and
    /// an account with thousands of posts does not hold up the others.
    pub fn prep_lane(&self) -> String {
        format!("prep:{}:{}", self.tenant, self.key.source)
    }

    /// The lane in which it is published: one at a time for a destination account.
    pub fn publish_lane(&self) -> String {
        publish_lane(self.tenant, self.key.platform, &self.key.account)
    }
}

/// The lane of all publishing to one destination account.
pub fn publish_lane(tenant: TenantId, platform: Platform, account: &AccountId) -> String {
    format!("publish:{tenant}:{platform}:{account}")
}

/// What makes a repost unique within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RepostKey {
    /// The source's account.
    pub source: AccountId,
    /// The source's own id of the post.
    pub post: String,
    /// The destination's platform.
    pub platform: Platform,
    /// The destination's account.
    pub account: AccountId,
}

/// One line of a repost's journal. Written in the transaction of the change that it tells of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// What happened: an [`Event`](crate::state::Event)'s name.
    pub event: String,
    /// The state that it led to.
    pub state: String,
    /// The details, for people.
    pub detail: String,
    /// Which try of the job it was, from 1; nothing for an operator's act.
    pub attempt: Option<u32>,
    /// Who did it: a worker's id or an operator's name.
    pub by: String,
}
