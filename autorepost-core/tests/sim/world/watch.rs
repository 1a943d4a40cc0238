//! What is true of a world: whether it is done, late, or stopped for nothing.

use autorepost_core::{
    Platform,
    connection::ConnectionStatus,
    credential::Access,
    id::ConnectionId,
    job::{Job, JobKind},
    port::{ConnectionStore, RepostStore},
    post::Post,
    repost::Repost,
    rule::{Rule, RuleState},
    state::RepostState,
    webhook::EventType,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{OWNER, World};
use crate::{accounts::SourcePost, block_on};

/// By then everything must have come to its end: the latest post shows after five hours, and an audit runs every two.
const LATE: TimeDelta = TimeDelta::hours(9);

impl World {
    /// Whether a repost was skipped and its post, which was private, is not any more.
    pub fn is_to_be_revealed(&self, repost: &Repost) -> bool {
        let hidden = |post: &Post| post.id == repost.post && post.found.is_hidden();
        let skipped = matches!(repost.state, RepostState::Skipped { .. });
        let private = skipped && self.hub.memory.posts().iter().any(hidden);
        let there = |post: &SourcePost| post.found.key == repost.key.post && !post.deleted;
        private && self.leads_to(repost.connection) && self.feed.posts().iter().any(there)
    }

    /// How often a repost came into a state, by its journal.
    pub fn times(&self, repost: &Repost, state: &str) -> usize {
        let journal = block_on(RepostStore::journal(self.hub.memory.as_ref(), OWNER, repost.id)).unwrap();
        let states = journal.iter().map(|entry| entry.state.as_str());
        states
            .scan("", |last, now| Some(std::mem::replace(last, now) != now && now == state))
            .filter(|came| *came)
            .count()
    }

    /// How many jobs tell the endpoint of this.
    pub fn told(&self, repost: &Repost, event: EventType) -> usize {
        let (event, id) = (format!("\"{event}\""), repost.id.to_string());
        let body = |job: Job| job.new.payload.filter(|_| job.new.kind == JobKind::WebhookDelivery);
        let bodies = self.hub.memory.jobs().into_iter().filter_map(body);
        bodies.filter(|body| body.contains(&event) && body.contains(&id)).count()
    }

    /// Whether a rule leads to a connection.
    pub fn leads_to(&self, connection: ConnectionId) -> bool {
        let leads = |rule: &Rule| {
            rule.state != RuleState::Removed && rule.spec.destinations.iter().any(|to| to.connection == connection)
        };
        self.hub.memory.all_rules().iter().any(leads)
    }

    /// Whether a rule is left.
    pub fn has_rule(&self) -> bool {
        self.hub.memory.all_rules().iter().any(|rule| rule.state != RuleState::Removed)
    }

    pub(super) fn is_done(&self) -> bool {
        // Mostly that is enough, and it copies nothing.
        if self.hub.memory.any_repost(|repost| !repost.state.is_terminal()) {
            return false;
        }
        let (now, posts, reposts) = (self.hub.now(), self.hub.memory.posts(), self.hub.memory.reposts());
        let taken = |one: &Post| reposts.iter().any(|repost| repost.post == one.id);
        let admitted = |post: &SourcePost| posts.iter().any(|one| one.found.key == post.found.key && taken(one));
        self.sites.values().all(|site| site.is_quiet())
            && !reposts.iter().any(|repost| self.is_to_be_revealed(repost))
            && self
                .feed
                .posts()
                .iter()
                .all(|post| !self.has_rule() || post.deleted || (post.visible_from <= now && admitted(post)))
    }

    /// Once nothing goes wrong any more, nothing is on its way for long.
    pub(super) fn look_for_delays(&self, calm_at: DateTime<Utc>) {
        let took = self.hub.now() - calm_at;
        let late =
            LATE + TimeDelta::hours(self.hourly_cap.map_or(0, |cap| self.feed.posts().len() as i64 / i64::from(cap)));
        // Only Instagram cannot tell what became of a commit when two Reels have the same words.
        let doubt = TimeDelta::from_std(self.policy.doubt_max).unwrap();
        let doubts = |repost: &Repost| match repost.key.platform {
            // What a person denied may come into doubt once more, by a fault that was on its way.
            Platform::Instagram => 1 + i32::try_from(self.times(repost, "unconfirmed")).unwrap(),
            _ => 0,
        };
        let stuck = |repost: &Repost| !repost.state.is_terminal() && took > late + doubt * doubts(repost);
        if let Some(repost) = self.hub.memory.reposts().into_iter().find(stuck) {
            let (post, platform, hours) = (&repost.key.post, repost.key.platform, took.num_hours());
            self.hub.broken(format!("post {post} to {platform} is late: {} after {hours} hours", repost.state.name()));
        }
    }

    /// An account is called dead only when it is, and is stopped only by an anomaly.
    pub(super) fn look_for_needless_stops(&self) {
        for account in &self.accounts {
            let stored = block_on(ConnectionStore::get(self.hub.memory.as_ref(), OWNER, account.id)).unwrap().unwrap();
            let platform = stored.platform;
            if stored.paused && !self.anomalies {
                self.hub.broken(format!("{platform} was paused by nobody"));
            }
            let credential = Access::open(&stored, &self.ring()).map(|access| access.credential);
            let alive = credential.is_ok_and(|credential| self.grants.can_renew(platform, &credential));
            if stored.status == ConnectionStatus::NeedsReconnect && alive {
                self.hub.broken(format!("{platform} was called dead, and its refresh token works"));
            }
        }
    }
}
