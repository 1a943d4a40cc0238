//! Which reposts a post causes.

use std::collections::BTreeMap;

use crate::{
    Platform,
    connection::{AccountId, Connection},
    filter::{self, Refusal},
    id::{ConnectionId, RuleId},
    post::{FoundPost, PostKind},
    rule::{Rule, RuleState},
    state::{Owner, Reason},
};

/// What becomes of a post at one destination account.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The rule that decided.
    pub rule: RuleId,
    /// The connection to publish through.
    pub connection: ConnectionId,
    /// The destination's platform.
    pub platform: Platform,
    /// The destination's account.
    pub account: AccountId,
    /// Why it is not reposted there; nothing when it is.
    pub skip: Option<Reason>,
}

impl Decision {
    /// A rule's wish that a post goes to a destination.
    pub fn take(rule: RuleId, destination: &Connection) -> Self {
        Self {
            rule,
            connection: destination.id,
            platform: destination.platform,
            account: destination.account.clone(),
            skip: None,
        }
    }
}

/// Decides what becomes of a post: at most one decision for a destination account, however many rules or connections
/// lead to it. A rule that takes the post beats one that refuses it; among equals the earlier rule decides.
///
/// A post from before a rule's start causes no decision at all, so that connecting an old account leaves no long list of
/// refusals. A paused rule decides like an active one: what it causes is held, not lost.
pub fn decide(found: &FoundPost, rules: &[Rule], connections: &BTreeMap<ConnectionId, Connection>) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.state != RuleState::Removed) {
        let skip = match (&found.kind, takes(rule, found)) {
            (_, Err(Refusal::BeforeSince { .. })) => continue,
            (PostKind::Unusable { why }, _) => Some(Reason::new(Owner::Nobody, why.text())),
            (_, Err(refusal)) => Some(Reason::new(Owner::Nobody, format!("rule \"{}\": {refusal}", rule.name))),
            (_, Ok(())) => None,
        };
        for destination in &rule.spec.destinations {
            let Some(connection) = connections.get(&destination.connection) else { continue };
            let decision = Decision { skip: skip.clone(), ..Decision::take(rule.id, connection) };
            let same = |other: &&mut Decision| other.platform == decision.platform && other.account == decision.account;
            match decisions.iter_mut().find(same) {
                Some(other) if other.skip.is_some() && decision.skip.is_none() => *other = decision,
                Some(_) => {}
                None => decisions.push(decision),
            }
        }
    }
    decisions
}

fn takes(rule: &Rule, found: &FoundPost) -> Result<(), Refusal> {
    let duration_secs = match found.kind {
        PostKind::Video { duration_secs } => duration_secs,
        PostKind::Unusable { .. } => None,
    };
    filter::admits(&rule.spec.filters, &found.caption, duration_secs, found.posted_at)
}
