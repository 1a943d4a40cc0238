//! Taking in what a look at a source saw: admitting what is new, and looking anew at what is known.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Result,
    connection::Connection,
    decide::{Decision, decide},
    id::{ConnectionId, PostId, RepostId, RuleId, TenantId},
    job::{Job, NewJob},
    pipeline::stepping::With,
    policy::after,
    port::{Admission, EntropyExt, NewPost, RepostQuery, Signal},
    post::{Cursor, FoundPost, Post},
    repost::Repost,
    rule::Rule,
    state::{Event, Owner, RepostState},
    worker::Worker,
};

/// Posts that one transaction admits at most.
const ADMISSION_POSTS_MAX: usize = 50;
/// Reposts of one post that are looked at.
const REPOSTS_MAX: u32 = 1_000;

/// What a look saw.
pub(super) struct Seen<'a> {
    pub found: Vec<FoundPost>,
    /// Those of them that were admitted for another account of the same creator.
    pub elsewhere: Vec<Post>,
    /// The rules that known posts were not held against so far.
    pub owed: &'a BTreeSet<RuleId>,
    /// Written with each admission as it is: only the end of a walk moves it.
    pub cursor: &'a Cursor,
    /// The connection that looked, whose cursor it is.
    pub lister: ConnectionId,
}

pub(super) type Connections = BTreeMap<ConnectionId, Connection>;

impl Worker {
    /// Admits what is new, looks anew at what is known, and answers with the keys of the new.
    pub(super) async fn take_in(
        &self,
        job: &Job,
        connection: &Connection,
        rules: &[Rule],
        seen: Seen<'_>,
    ) -> Result<Vec<String>> {
        let Seen { mut found, elsewhere, owed, cursor, lister } = seen;
        let tenant = connection.tenant;
        let destinations = self.ports.connections.list(Some(tenant)).await?;
        let destinations: Connections = destinations.into_iter().map(|one| (one.id, one)).collect();
        let keys: Vec<String> = found.iter().map(|post| post.key.clone()).collect();
        let known = self.ports.posts.known(tenant, &connection.account, &keys).await?;
        let known: BTreeMap<&str, &Post> =
            known.iter().chain(&elsewhere).map(|post| (post.found.key.as_str(), post)).collect();
        let owed_rules: Vec<Rule> = rules.iter().filter(|rule| owed.contains(&rule.id)).cloned().collect();

        // The oldest first, so that a burst is reposted in its own order.
        found.sort_by(|a, b| (a.posted_at, &a.key).cmp(&(b.posted_at, &b.key)));
        for post in &found {
            let Some(stored) = known.get(post.key.as_str()) else { continue };
            if stored.found.is_hidden() && !post.is_hidden() {
                // In this order, so that a crash in between is made good by the next look.
                let decisions = decide(post, rules, &destinations);
                if self.catch_up(job, stored, decisions, "its author made it public").await? {
                    self.ports.posts.reveal(job.lease(), tenant, stored.id, post).await?;
                }
            } else if !owed_rules.is_empty() {
                self.catch_up(job, stored, decide(post, &owed_rules, &destinations), "a rule is new").await?;
            }
        }
        // What another connection admitted is fetched through this one from now on, if it can.
        let is_there = |stored: &Post| stored.connection == connection.id || !connection.method.can_fetch();
        found.retain(|post| known.get(post.key.as_str()).is_none_or(|stored| !is_there(stored)));
        for chunk in found.chunks(ADMISSION_POSTS_MAX) {
            let posts = chunk.iter().map(|post| self.admit(connection, post, rules, &destinations)).collect();
            self.write_admission(job, tenant, lister, Admission { posts, cursor: cursor.clone() }).await?;
        }
        found.retain(|post| !known.contains_key(post.key.as_str()));
        Ok(found.into_iter().map(|post| post.key).collect())
    }

    /// Gives a known post the reposts that it should have by now: those that it never had, and those that were skipped.
    /// `false` when that cannot be told yet, or one was skipped just now: a list that shows what cannot be fetched is not asked
    /// for it all the time.
    async fn catch_up(&self, job: &Job, post: &Post, decisions: Vec<Decision>, why: &str) -> Result<bool> {
        let mut decisions = decisions;
        decisions.retain(|decision| decision.skip.is_none());
        if decisions.is_empty() {
            return Ok(true);
        }
        let mut complete = true;
        let query = RepostQuery { post: Some(post.id), limit: REPOSTS_MAX, ..Default::default() };
        let existing = self.ports.reposts.list(post.tenant, &query).await?;
        for decision in decisions {
            let same = |one: &&Repost| one.key.platform == decision.platform && one.key.account == decision.account;
            match existing.iter().find(same) {
                None => {
                    let repost = self.plan(post, decision);
                    let prep = NewJob::prep(self.job_id(), &repost, self.now());
                    let entry = self.entry(job, self.now(), "planned", repost.state.name(), why);
                    self.ports.reposts.add(&repost, &prep, &entry).await?;
                    self.ports.wake.wake();
                }
                // One that is being prepared may be about to end as private: the next look tells.
                Some(repost) if post.found.is_hidden() && repost.state.needs_prep() => complete = false,
                Some(repost) if !matches!(repost.state, RepostState::Skipped { .. }) => {}
                // What a person called off is for a person to ask for again.
                Some(repost) if repost.state.reason().is_some_and(|reason| reason.owner == Owner::Operator) => {}
                Some(repost) if post.found.is_hidden() && self.now() < after(repost.updated_at, self.policy.hold) => {
                    complete = false;
                }
                Some(repost) => {
                    let repost = Repost { rule: decision.rule, connection: decision.connection, ..repost.clone() };
                    let prep = NewJob::prep(self.job_id(), &repost, self.now());
                    let with = With { jobs: vec![prep], ..With::keep() };
                    self.step(job, &repost, Event::Retried, why, with).await?;
                }
            }
        }
        Ok(complete)
    }

    pub(super) fn admit(
        &self,
        connection: &Connection,
        found: &FoundPost,
        rules: &[Rule],
        destinations: &Connections,
    ) -> NewPost {
        let now = self.now();
        let post = Post {
            id: PostId::new(now, self.ports.entropy.bytes()),
            tenant: connection.tenant,
            connection: connection.id,
            account: connection.account.clone(),
            found: found.clone(),
            found_at: now,
            media: None,
        };
        let reposts = decide(found, rules, destinations).into_iter().map(|decision| {
            let repost = self.plan(&post, decision);
            let job = (!repost.state.is_terminal()).then(|| NewJob::prep(self.job_id(), &repost, now));
            (repost, job)
        });
        NewPost { reposts: reposts.collect(), post }
    }

    /// The repost that a decision asks for.
    fn plan(&self, post: &Post, decision: Decision) -> Repost {
        let now = self.now();
        Repost::of(RepostId::new(now, self.ports.entropy.bytes()), post, decision, now)
    }

    pub(super) async fn write_admission(
        &self,
        job: &Job,
        tenant: TenantId,
        lister: ConnectionId,
        admission: Admission,
    ) -> Result<()> {
        let new = self.ports.posts.admit(job.lease(), tenant, lister, &admission).await?;
        for NewPost { post, reposts } in admission.posts.iter().filter(|entry| new.contains(&entry.post.id)) {
            let (id, key) = (post.id, post.found.key.as_str());
            self.ports.events.emit(&Signal::PostAdmitted { tenant, post: id, key, reposts: reposts.len() });
        }
        if !new.is_empty() {
            self.ports.wake.wake();
        }
        Ok(())
    }

    pub(super) async fn write_cursor(&self, job: &Job, connection: &Connection, cursor: Cursor) -> Result<()> {
        self.write_admission(job, connection.tenant, connection.id, Admission { posts: Vec::new(), cursor }).await
    }
}
