//! Backfills: what one would do, asking for one, how far it is, calling it off.

mod text;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    Error, ErrorKind, Result,
    backfill::{Backfill, Ending, PER_DAY_DEFAULT, PER_DAY_MAX, Stage, Track, backfill_key, rule_since},
    connection::Connection,
    credential::Access,
    decide::decide,
    id::{ConnectionId, RuleId},
    job::NewJob,
    operator::{Forecast, Operator, Planned, PlannedRepost, ROWS_MAX},
    policy::after,
    port::RepostQuery,
    post::FoundPost,
    rule::Rule,
};

/// Which older posts a person wants.
#[derive(Debug, Clone, Copy)]
pub struct BackfillAsk {
    /// Made at or after this time.
    pub since: DateTime<Utc>,
    /// Made before this time; before the rule's own start without it.
    pub until: Option<DateTime<Utc>>,
    /// Posts a day to each destination account: [`PER_DAY_DEFAULT`] without it, [`PER_DAY_MAX`] at most.
    pub per_day: Option<u32>,
}

/// What a backfill would do.
#[derive(Debug, Clone, Serialize)]
pub struct BackfillPlan {
    /// Its posts, the oldest first.
    pub turns: Vec<PlannedTurn>,
    /// When the last would be out, if nothing else holds it up.
    pub last_at: Option<DateTime<Utc>>,
    /// Whether the source was read to the start; `false` when it has more pages than were looked at.
    pub whole: bool,
}

/// A post, and what a backfill would do with it.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedTurn {
    /// The post, and what would become of it at each destination.
    #[serde(flatten)]
    pub planned: Planned,
    /// The earliest time at which it would be out at a destination; nothing when it would not.
    pub at: Option<DateTime<Utc>>,
}

/// A backfill, and what is left of it.
#[derive(Debug, Clone, Serialize)]
pub struct BackfillStatus {
    /// The backfill.
    #[serde(flatten)]
    pub backfill: Backfill,
    /// The name of its rule.
    pub rule_name: String,
    /// Turns that are left over all destinations, a thousand posts ahead at most; nothing while the source is walked.
    pub left: Option<u32>,
    /// When its job runs next.
    pub next_at: Option<DateTime<Utc>>,
    /// When the last post would be out, if nothing else holds it up.
    pub last_at: Option<DateTime<Utc>>,
    /// What it waits for, or what went wrong last.
    pub note: Option<String>,
}

impl Operator<'_> {
    /// Asks for a backfill: the job of that name does it from now on.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when there is nothing that it could take, or its pace is out of range;
    /// [`Conflict`](ErrorKind::Conflict) when one of the rule, or one to the same account, is going.
    pub async fn begin_backfill(&self, rule: &Rule, ask: &BackfillAsk) -> Result<Backfill> {
        let backfill = self.new_backfill(rule, ask)?;
        self.check_accounts(rule).await?;
        let job = NewJob::backfill(self.job_id(), &backfill, backfill.began_at);
        let backfill = self.ports.backfills.begin(&backfill, &job).await?;
        // The job of one that was called off may be there still.
        self.ports.jobs.hasten(&[backfill.job_key()]).await?;
        self.ports.wake.wake();
        Ok(backfill)
    }

    fn new_backfill(&self, rule: &Rule, ask: &BackfillAsk) -> Result<Backfill> {
        let bad = |text: String| Err(Error::invalid("begin backfill", text));
        let per_day = ask.per_day.unwrap_or(PER_DAY_DEFAULT);
        if !(1..=PER_DAY_MAX).contains(&per_day) {
            return bad(format!("it publishes 1 to {PER_DAY_MAX} posts a day"));
        }
        let Some(start) = rule.spec.filters.since else {
            return bad(format!("rule \"{}\" takes the posts of all times by itself", rule.name));
        };
        let until = ask.until.map_or(start, |until| until.min(start));
        if ask.since >= until {
            let day = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC");
            let (since, until) = (day(ask.since), day(until));
            return bad(format!(
                "nothing lies between {since} and {until}: rule \"{}\" takes posts made since {} by itself",
                rule.name,
                day(start)
            ));
        }
        let now = self.ports.clock.now();
        let track = |connection| Track { connection, after: None, next_at: now, released: 0, done: false };
        Ok(Backfill {
            rule: rule.id,
            tenant: self.tenant,
            source: rule.source,
            since: ask.since,
            until,
            per_day,
            began_at: now,
            by: self.name.clone(),
            stage: Stage::Walking { page: None, pages: 0 },
            tracks: rule.spec.destinations.iter().map(|destination| track(destination.connection)).collect(),
            version: 0,
        })
    }

    /// Two backfills to one account would be faster than each of them says.
    async fn check_accounts(&self, rule: &Rule) -> Result<()> {
        let going = self.ports.backfills.list(Some(self.tenant)).await?;
        for other in going.iter().filter(|other| other.is_going() && other.rule != rule.id) {
            let open = |id: ConnectionId| other.tracks.iter().any(|track| track.connection == id && !track.done);
            if rule.spec.destinations.iter().any(|destination| open(destination.connection)) {
                let name = self.rule_name(other.rule).await?;
                let text = format!("the backfill of rule \"{name}\" goes to one of its accounts: wait, or call it off");
                return Err(Error::conflict("begin backfill", text));
            }
        }
        Ok(())
    }

    /// Looks at the source back to `ask.since`, `pages_max` pages at most, and tells what a backfill would do with what it
    /// shows. Nothing is written or sent.
    ///
    /// # Errors
    ///
    /// Those of [`begin_backfill`](Self::begin_backfill), and when the source does not answer.
    pub async fn plan_backfill(&self, rule: &Rule, ask: &BackfillAsk, pages_max: u32) -> Result<BackfillPlan> {
        let backfill = self.new_backfill(rule, ask)?;
        let connections: BTreeMap<_, _> = self.connections().await?.into_iter().map(|one| (one.id, one)).collect();
        let Some(source) = connections.get(&rule.source) else {
            return Err(Error::not_found("plan backfill", "the source account is not connected"));
        };
        let (found, whole) = self.older_posts(&backfill, source, pages_max).await?;
        let rules = [backfill.rule_for_older(rule)];
        let pace = backfill.pace();
        let mut turns: Vec<PlannedTurn> = Vec::new();
        let mut next: BTreeMap<(crate::Platform, String), DateTime<Utc>> = BTreeMap::new();
        for post in found {
            let planned = self.plan_post(source, post, &rules, &connections).await?;
            let goes = |one: &&PlannedRepost| matches!(one.forecast, Forecast::Publish { .. } | Forecast::Hold { .. });
            let mut at = None;
            for repost in planned.reposts.iter().filter(goes) {
                let due = next.entry((repost.platform, repost.handle.clone())).or_insert(backfill.began_at);
                at = at.max(Some(*due));
                *due = after(*due, pace);
            }
            turns.push(PlannedTurn { planned, at });
        }
        Ok(BackfillPlan { last_at: turns.iter().filter_map(|turn| turn.at).max(), turns, whole })
    }

    async fn older_posts(
        &self,
        backfill: &Backfill,
        source: &Connection,
        pages_max: u32,
    ) -> Result<(Vec<FoundPost>, bool)> {
        let access = Access::open(source, &self.ports.keys)?;
        let client = self.ports.source(source.platform)?;
        let (mut found, mut page, mut whole) = (BTreeMap::new(), None, false);
        for _ in 0..pages_max {
            let listing = client.list(&access, page.as_deref()).await?;
            let oldest = listing.posts.iter().filter(|post| !post.pinned).map(|post| post.posted_at).min();
            let older = listing.posts.into_iter().filter(|post| backfill.covers(post.posted_at));
            found.extend(older.map(|post| ((post.posted_at, post.key.clone()), post)));
            page = listing.next;
            if page.is_none() || oldest.is_some_and(|oldest| oldest < backfill.since) {
                whole = true;
                break;
            }
        }
        Ok((found.into_values().collect(), whole))
    }

    /// The backfill of a rule, and how far it is.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when none was ever asked for.
    pub async fn backfill(&self, rule: RuleId) -> Result<BackfillStatus> {
        let found = self.ports.backfills.get(self.tenant, rule).await?;
        let backfill = found.ok_or_else(|| Error::not_found("find backfill", "the rule has no backfill"))?;
        self.backfill_status(backfill).await
    }

    /// The tenant's backfills that are going.
    pub async fn backfills(&self) -> Result<Vec<BackfillStatus>> {
        let mut all = Vec::new();
        for backfill in self.ports.backfills.list(Some(self.tenant)).await? {
            if backfill.is_going() {
                all.push(self.backfill_status(backfill).await?);
            }
        }
        Ok(all)
    }

    async fn backfill_status(&self, backfill: Backfill) -> Result<BackfillStatus> {
        let job = self.ports.jobs.find(&backfill_key(backfill.rule)).await?.filter(|_| backfill.is_going());
        let (mut left, mut last_at) = (None, None);
        if backfill.stage == Stage::Publishing {
            let rule = self.ports.rules.get(self.tenant, backfill.rule).await?;
            let pace = backfill.pace();
            let mut sum = 0;
            for track in backfill.tracks.iter().filter(|track| !track.done) {
                let Some(rule) = &rule else { continue };
                let turns = self.turns_left(&backfill, track, rule).await?;
                sum += turns;
                if let Some(more) = turns.checked_sub(1) {
                    last_at = last_at.max(Some(after(track.next_at, pace * more)));
                }
            }
            left = Some(sum);
        }
        Ok(BackfillStatus {
            rule_name: self.rule_name(backfill.rule).await?,
            left,
            next_at: job.as_ref().map(|job| job.new.run_at),
            last_at,
            note: job.and_then(|job| job.note),
            backfill,
        })
    }

    async fn turns_left(&self, backfill: &Backfill, track: &Track, rule: &Rule) -> Result<u32> {
        let Some(to) = self.ports.connections.get(self.tenant, track.connection).await? else { return Ok(0) };
        let (rules, connections) = ([rule_since(rule, backfill.since)], BTreeMap::from([(to.id, to.clone())]));
        let mut left = 0;
        for post in self.ports.posts.list(self.tenant, &backfill.query(track.after, ROWS_MAX)).await? {
            let taken = decide(&post.found, &rules, &connections).iter().any(|one| one.skip.is_none());
            let account = Some((to.platform, to.account.clone()));
            let query = RepostQuery { post: Some(post.id), account, limit: 1, ..RepostQuery::default() };
            if taken && self.ports.reposts.list(self.tenant, &query).await?.is_empty() {
                left += 1;
            }
        }
        Ok(left)
    }

    /// Calls a rule's backfill off. What had its turn goes on; a repost is called off by itself.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when none was ever asked for; [`Conflict`](ErrorKind::Conflict) when it is over.
    pub async fn end_backfill(&self, rule: RuleId) -> Result<Backfill> {
        let op = "call off backfill";
        loop {
            let found = self.ports.backfills.get(self.tenant, rule).await?;
            let backfill = found.ok_or_else(|| Error::not_found(op, "the rule has no backfill"))?;
            if !backfill.is_going() {
                return Err(Error::conflict(op, format!("it is {}", backfill.stage)));
            }
            let stage = Stage::Ended { at: self.ports.clock.now(), why: Ending::CalledOff };
            match self.ports.backfills.step(&Backfill { stage, ..backfill }, None, &[]).await {
                // A worker moved it meanwhile; the word still stands.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other,
            }
        }
    }

    async fn rule_name(&self, id: RuleId) -> Result<String> {
        let rule = self.ports.rules.get(self.tenant, id).await?;
        Ok(rule.map_or_else(|| "a rule that is gone".into(), |rule| rule.name))
    }
}
