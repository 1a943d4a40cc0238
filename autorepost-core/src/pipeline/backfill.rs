//! `backfill`: walks a source back to older posts, and gives them their turns, a few a day.
//!
//! It runs in the lane of the source's sync, so the two never read an account at once. At each destination one post is on
//! its way at a time, and none while anything else is: what is new goes first, and what is held never piles up.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    ErrorKind, Result,
    backfill::{Backfill, Ending, PAGES_MAX, Stage, Track, Turn},
    connection::Connection,
    credential::Access,
    decide::{Decision, decide},
    id::{ConnectionId, RepostId, RuleId},
    job::{Finish, Job, NewJob},
    pipeline::{admit::Seen, stepping::unusable},
    policy::after,
    port::{EntropyExt, PostQuery, RepostQuery},
    post::Post,
    repost::Repost,
    rule::{Rule, RuleState},
    state::RepostState,
    worker::{End, Worker},
};

/// Failures in a row after which a walk begins again at the newest page: the page to go on with may be the trouble.
const PAGE_TRIES_MAX: u32 = 3;
/// Posts that one query reads.
const POSTS_MAX: u32 = 200;
/// Reposts that one query reads.
const REPOSTS_MAX: u32 = 1_000;

type Connections = BTreeMap<ConnectionId, Connection>;

impl Worker {
    pub(crate) async fn backfill(&self, job: &Job) -> Result<End> {
        let (tenant, rule) = (job.new.tenant, RuleId::from_uuid(job.new.subject));
        let Some(backfill) = self.ports.backfills.get(tenant, rule).await?.filter(Backfill::is_going) else {
            return Ok(End::Finish(Finish::Done));
        };
        let rule = self.ports.rules.get(tenant, rule).await?.filter(|rule| rule.state != RuleState::Removed);
        let Some(rule) = rule else { return self.end_backfill(job, &backfill, Ending::RuleRemoved).await };
        let connections = self.ports.connections.list(Some(tenant)).await?;
        let connections: Connections = connections.into_iter().map(|one| (one.id, one)).collect();
        let held = match connections.get(&backfill.source) {
            _ if rule.state == RuleState::Paused => Some(format!("rule \"{}\" is paused", rule.name)),
            Some(source) => unusable(source).map(|reason| reason.text),
            None => Some("its source is not connected".into()),
        };
        if let Some(note) = held {
            let run_at = after(self.now(), self.policy.hold);
            return Ok(End::Finish(Finish::Again { run_at, attempts: 0, note: Some(note) }));
        }
        match (&backfill.stage, connections.get(&backfill.source)) {
            (Stage::Walking { page, pages }, Some(source)) => {
                match self.walk_back(job, &backfill, source, page.as_deref(), *pages).await {
                    Err(error) if !matches!(error.kind(), ErrorKind::LeaseLost | ErrorKind::Conflict) => {
                        if page.is_some() && job.attempts + 1 >= PAGE_TRIES_MAX {
                            let stage = Stage::Walking { page: None, pages: *pages };
                            let next = Backfill { stage, ..backfill.clone() };
                            self.ports.backfills.step(&next, Some(job.lease()), &[]).await?;
                        }
                        Ok(End::Finish(self.again_after(job, &error)))
                    }
                    other => other,
                }
            }
            _ => self.give_turns(job, &backfill, &rule, &connections).await,
        }
    }

    /// Reads one page, and admits what lies in the backfill's time as any look would: a rule that takes it by itself has it.
    async fn walk_back(
        &self,
        job: &Job,
        backfill: &Backfill,
        source: &Connection,
        page: Option<&str>,
        pages: u32,
    ) -> Result<End> {
        if pages >= PAGES_MAX {
            return self.end_backfill(job, backfill, Ending::TooFarBack).await;
        }
        let access = Access::open(source, &self.ports.keys)?;
        let listing = self.ports.source(source.platform)?.list(&access, page).await?;
        self.greet(job, source, listing.handle, listing.rotated).await?;
        let oldest = listing.posts.iter().filter(|post| !post.pinned).map(|post| post.posted_at).min();
        let mut found = listing.posts;
        found.retain(|post| backfill.covers(post.posted_at));
        let rules = self.rules_of(source).await?;
        let cursor = self.ports.posts.cursor(source.tenant, source.id).await?;
        let owed = Default::default();
        let elsewhere = self.admitted_elsewhere(source, &found).await?;
        let seen = Seen { found, elsewhere, owed: &owed, cursor: &cursor, lister: source.id };
        self.take_in(job, source, &rules, seen).await?;
        let stage = match listing.next.filter(|_| oldest.is_none_or(|oldest| oldest >= backfill.since)) {
            Some(page) => Stage::Walking { page: Some(page), pages: pages + 1 },
            None => Stage::Publishing,
        };
        let next = Backfill { stage, ..backfill.clone() };
        self.ports.backfills.step(&next, Some(job.lease()), &[]).await?;
        let run_at = after(self.now(), self.policy.backfill_page_every);
        Ok(End::Finish(Finish::Again { run_at, attempts: 0, note: Some(next.stage.to_string()) }))
    }

    /// Gives the next post its turn at each destination where one is due.
    async fn give_turns(&self, job: &Job, backfill: &Backfill, rule: &Rule, connections: &Connections) -> Result<End> {
        let (mut next, mut turns) = (backfill.clone(), Vec::new());
        for track in &mut next.tracks {
            if !track.done && track.next_at <= self.now() {
                turns.extend(self.next_turn(job, backfill, track, rule, connections).await?);
            }
        }
        if next != *backfill {
            next = self.ports.backfills.step(&next, Some(job.lease()), &turns).await?;
            self.ports.wake.wake();
        }
        match next.tracks.iter().filter(|track| !track.done).map(|track| track.next_at).min() {
            Some(run_at) => Ok(End::Finish(Finish::Again { run_at, attempts: 0, note: None })),
            None => self.end_backfill(job, &next, Ending::Done).await,
        }
    }

    /// The next post's turn at a destination, if it comes now; and what the track is then.
    async fn next_turn(
        &self,
        job: &Job,
        backfill: &Backfill,
        track: &mut Track,
        rule: &Rule,
        connections: &Connections,
    ) -> Result<Option<Turn>> {
        let now = self.now();
        let leads = rule.spec.destinations.iter().find(|destination| destination.connection == track.connection);
        let (Some(destination), Some(connection)) = (leads, connections.get(&track.connection)) else {
            // The rule does not lead there any more.
            track.done = true;
            return Ok(None);
        };
        if destination.paused || unusable(connection).is_some() || self.is_busy(rule, connection).await? {
            track.next_at = after(now, self.policy.hold);
            return Ok(None);
        }
        let Some((post, decision)) = self.next_older(backfill, track, rule, connection).await? else {
            track.done = true;
            return Ok(None);
        };
        track.after = Some((post.found.posted_at, post.id));
        track.released += 1;
        track.next_at = after(now, backfill.pace());
        let id = RepostId::new(now, self.ports.entropy.bytes());
        // Its place in the order is the time of its turn: what was posted before goes first.
        let repost = Repost { posted_at: now, ..Repost::of(id, &post, decision, now) };
        let prep = NewJob::prep(self.job_id(), &repost, now);
        let detail = format!("its turn in the backfill of rule \"{}\"", rule.name);
        let entry = self.entry(job, now, "backfilled", repost.state.name(), &detail);
        Ok(Some((repost, prep, entry)))
    }

    /// Whether something else goes to the account first, or what the rule sent there waits.
    async fn is_busy(&self, rule: &Rule, to: &Connection) -> Result<bool> {
        let account = Some((to.platform, to.account.clone()));
        let states = RepostState::ON_ITS_WAY.to_vec();
        let moving = RepostQuery { account: account.clone(), states, limit: 1, ..RepostQuery::default() };
        if !self.ports.reposts.list(rule.tenant, &moving).await?.is_empty() {
            return Ok(true);
        }
        let waiting = RepostQuery { account, states: vec!["waiting"], limit: REPOSTS_MAX, ..RepostQuery::default() };
        Ok(self.ports.reposts.list(rule.tenant, &waiting).await?.iter().any(|repost| repost.rule == rule.id))
    }

    /// The oldest post after the track's last one that the rule takes but for its start, and that has no repost there.
    async fn next_older(
        &self,
        backfill: &Backfill,
        track: &Track,
        rule: &Rule,
        to: &Connection,
    ) -> Result<Option<(Post, Decision)>> {
        let rules = [backfill.rule_for_older(rule)];
        let connections = BTreeMap::from([(to.id, to.clone())]);
        let mut last = track.after;
        loop {
            let query = backfill.query(last, POSTS_MAX);
            let posts = self.ports.posts.list(backfill.tenant, &query).await?;
            let Some(end) = posts.last() else { return Ok(None) };
            last = Some((end.found.posted_at, end.id));
            for post in posts {
                let Some(decision) = decide(&post.found, &rules, &connections).into_iter().next() else { continue };
                if decision.skip.is_some() {
                    continue;
                }
                let query = RepostQuery {
                    post: Some(post.id),
                    account: Some((to.platform, to.account.clone())),
                    limit: 1,
                    ..RepostQuery::default()
                };
                if self.ports.reposts.list(backfill.tenant, &query).await?.is_empty() {
                    return Ok(Some((post, decision)));
                }
            }
        }
    }

    async fn end_backfill(&self, job: &Job, backfill: &Backfill, why: Ending) -> Result<End> {
        let next = Backfill { stage: Stage::Ended { at: self.now(), why }, ..backfill.clone() };
        match self.ports.backfills.step(&next, Some(job.lease()), &[]).await {
            // A person was faster.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            other => drop(other?),
        }
        Ok(End::Finish(Finish::Done))
    }
}

impl Backfill {
    /// Its source's posts after one of them, the oldest first.
    pub(crate) fn query(&self, after: Option<(DateTime<Utc>, crate::id::PostId)>, limit: u32) -> PostQuery {
        PostQuery {
            connection: Some(self.source),
            since: Some(self.since),
            before: Some(self.until),
            oldest_first: true,
            after,
            limit,
        }
    }
}
