//! Why a post was reposted, was not, or waits; and what happens next.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    Platform, Result,
    backfill::Track,
    connection::Connection,
    decide::decide,
    filter,
    id::ConnectionId,
    job::{Job, JobState},
    operator::{Operator, ROWS_MAX},
    port::RepostQuery,
    post::{Post, PostKind},
    repost::{Entry, Repost},
    rule::Rule,
    state::{Owner, Reason, RepostState},
};

/// Everything that is known of a post.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The post.
    pub post: Post,
    /// The handle of the account that made it.
    pub handle: String,
    /// Its reposts.
    pub reposts: Vec<Story>,
    /// Destinations of its account's rules that it does not go to.
    pub untouched: Vec<Untouched>,
}

/// Everything that is known of a repost.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    /// The repost, with its state.
    pub repost: Repost,
    /// The destination's handle.
    pub handle: String,
    /// The rule that asked for it.
    pub rule: String,
    /// What happened, the oldest first.
    pub journal: Vec<Entry>,
    /// What happens next.
    pub next: Next,
}

/// What happens next to a repost, and who must act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// Who must act.
    pub owner: Owner,
    /// When something happens by itself.
    pub at: Option<DateTime<Utc>>,
    /// What, for people.
    pub text: String,
}

/// A destination that a post does not go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Untouched {
    /// The rule that leads there.
    pub rule: String,
    /// The destination's platform.
    pub platform: Platform,
    /// The destination's handle.
    pub handle: String,
    /// Why.
    pub why: String,
}

impl Operator<'_> {
    /// Explains a post.
    pub async fn explain(&self, post: &Post) -> Result<Explanation> {
        let connections: BTreeMap<_, _> = self.connections().await?.into_iter().map(|one| (one.id, one)).collect();
        let query = RepostQuery { post: Some(post.id), limit: ROWS_MAX, ..RepostQuery::default() };
        let mut reposts = Vec::new();
        for repost in self.ports.reposts.list(self.tenant, &query).await? {
            let job = self.ports.jobs.find(&repost.job_key()).await?;
            let rule = self.ports.rules.get(self.tenant, repost.rule).await?;
            reposts.push(Story {
                handle: handle(&connections, repost.connection),
                rule: rule.map_or_else(|| "a rule that is gone".into(), |rule| rule.name),
                journal: self.ports.reposts.journal(self.tenant, repost.id).await?,
                next: next(&repost.state, job.as_ref()),
                repost,
            });
        }
        reposts.sort_by(|a: &Story, b| (a.repost.key.platform, &a.handle).cmp(&(b.repost.key.platform, &b.handle)));
        let rules = self.rules_taking(post.connection).await?;
        let mut untouched = untouched(post, &rules, &connections, &reposts);
        self.tell_backfills(post, &rules, &mut untouched).await?;
        Ok(Explanation { handle: handle(&connections, post.connection), post: post.clone(), reposts, untouched })
    }
}

impl Operator<'_> {
    /// What a rule does not take by itself may have its turn in a backfill.
    async fn tell_backfills(&self, post: &Post, rules: &[Rule], untouched: &mut [Untouched]) -> Result<()> {
        for backfill in self.ports.backfills.list(Some(self.tenant)).await? {
            let Some(rule) = rules.iter().find(|rule| rule.id == backfill.rule) else { continue };
            let place = (post.found.posted_at, post.id);
            let ahead = |track: &Track| !track.done && track.after.is_none_or(|after| after < place);
            if !backfill.is_going() || !backfill.covers(place.0) || !backfill.tracks.iter().any(ahead) {
                continue;
            }
            let rule_for_older = backfill.rule_for_older(rule);
            let filters = &rule_for_older.spec.filters;
            let taken = filter::admits(filters, &post.found.caption, duration(post), post.found.posted_at);
            for one in untouched.iter_mut().filter(|one| one.rule == rule.name) {
                one.why = match &taken {
                    Ok(()) => format!("its turn in the rule's backfill is to come, {} a day", backfill.per_day),
                    Err(refusal) => format!("{refusal}, so the rule's backfill passes over it"),
                };
            }
        }
        Ok(())
    }

    /// What happens next to a repost, and who must act.
    pub async fn next(&self, repost: &Repost) -> Result<Next> {
        let job = self.ports.jobs.find(&repost.job_key()).await?;
        Ok(next(&repost.state, job.as_ref()))
    }
}

fn handle(connections: &BTreeMap<ConnectionId, Connection>, id: ConnectionId) -> String {
    connections.get(&id).map_or_else(|| "an account that is gone".into(), |one| one.handle.clone())
}

/// The duration that the source told, in seconds.
fn duration(post: &Post) -> Option<u32> {
    match post.found.kind {
        PostKind::Video { duration_secs } => duration_secs,
        PostKind::Unusable { .. } => None,
    }
}

/// The destinations of rules that a post has no repost to, and why: as decided now.
fn untouched(
    post: &Post,
    rules: &[Rule],
    connections: &BTreeMap<ConnectionId, Connection>,
    reposts: &[Story],
) -> Vec<Untouched> {
    let mut untouched = Vec::new();
    for rule in rules {
        for destination in &rule.spec.destinations {
            let Some(connection) = connections.get(&destination.connection) else { continue };
            let same = |story: &Story| {
                story.repost.key.platform == connection.platform && story.repost.key.account == connection.account
            };
            if reposts.iter().any(same) {
                continue;
            }
            let found = &post.found;
            let admitted = filter::admits(&rule.spec.filters, &found.caption, duration(post), found.posted_at);
            let why = match admitted {
                Err(refusal) => refusal.to_string(),
                Ok(()) if decide(&post.found, std::slice::from_ref(rule), connections).is_empty() => {
                    "the rule leads nowhere".into()
                }
                Ok(()) => "the rule came after the post was found; ask with \"autorepost repost\"".into(),
            };
            untouched.push(Untouched {
                rule: rule.name.clone(),
                platform: connection.platform,
                handle: connection.handle.clone(),
                why,
            });
        }
    }
    untouched
}

/// What happens next to a repost in this state, whose present job is `job`.
pub(crate) fn next(state: &RepostState, job: Option<&Job>) -> Next {
    let say = |owner, at, text: &str| Next { owner, at, text: text.to_owned() };
    match state {
        RepostState::Published { inspection: Some(seen), .. } if seen.standing.needs_attention() => {
            say(Owner::Operator, None, "nothing by itself; look at it on the platform")
        }
        RepostState::Published { .. } => say(Owner::Nobody, None, "nothing: it is published"),
        RepostState::Skipped { reason } | RepostState::Failed { reason } => {
            let text = "nothing by itself; \"autorepost repost\" tries it again";
            say(reason.owner, None, text)
        }
        RepostState::Unconfirmed { .. } => {
            let text = "a person looks whether it is there, and says so with \"autorepost settle\"";
            say(Owner::Operator, None, text)
        }
        RepostState::Waiting { until: Some(until), reason: Reason { owner: Owner::Quota, .. }, .. } => {
            let text = format!("waits for quota until {}", time(*until));
            say(Owner::Quota, Some(*until), &text)
        }
        RepostState::Waiting { until, reason, .. } => say(reason.owner, *until, "it looks again"),
        state => {
            let owner = match state {
                RepostState::Committing(_) => Owner::Reconciling,
                _ => Owner::Retry,
            };
            match job {
                Some(job) if job.state == JobState::Running => say(owner, None, "it is being worked on now"),
                Some(job) => {
                    let text = match &job.note {
                        Some(note) => format!("it goes on; last: {note}"),
                        None => "it goes on".into(),
                    };
                    Next { owner, at: Some(job.new.run_at), text }
                }
                None => say(owner, None, "upkeep finds it within minutes, and it goes on"),
            }
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.post.found;
        writeln!(f, "{} by @{}, posted {}", found.url, self.handle, time(found.posted_at))?;
        for line in found.caption.lines() {
            writeln!(f, "  | {line}")?;
        }
        writeln!(f, "  found {} as {}", time(self.post.found_at), self.post.id)?;
        if let Some(media) = &self.post.media {
            let (facts, mb) = (&media.facts, media.bytes as f64 / 1e6);
            let (width, height, secs) = (facts.video.width, facts.video.height, facts.duration_ms as f64 / 1e3);
            writeln!(f, "  media {width}×{height}, {secs:.1} s, {mb:.1} MB, sha256 {}", media.key)?;
        }
        for story in &self.reposts {
            write!(f, "{story}")?;
        }
        for other in &self.untouched {
            writeln!(
                f,
                "\n{} @{}: not by rule \"{}\": {}",
                other.platform.title(),
                other.handle,
                other.rule,
                other.why
            )?;
        }
        if self.reposts.is_empty() && self.untouched.is_empty() {
            writeln!(f, "\nNo rule looks at this account: add one with \"autorepost rules add\".")?;
        }
        Ok(())
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repost = &self.repost;
        let platform = repost.key.platform.title();
        writeln!(f, "\n{platform} @{}: {} (rule \"{}\")", self.handle, repost.state.name(), self.rule)?;
        if let RepostState::Published { receipt, .. } = &repost.state {
            let where_ = receipt.url.as_deref().or(receipt.id.as_deref()).unwrap_or("proven, but without an address");
            writeln!(f, "  at {where_}")?;
        }
        if let Some(seen) = repost.state.inspection() {
            writeln!(f, "  looked at {}: {}", time(seen.at), seen.standing)?;
        }
        if let Some(reason) = repost.state.reason() {
            writeln!(f, "  because {}", reason.text)?;
            if let Some(code) = &reason.code {
                let trace = reason.trace.as_ref().map(|trace| format!(", trace {trace}")).unwrap_or_default();
                writeln!(f, "  {platform}'s own code: {code}{trace}")?;
            }
        }
        if let Some(submission) = repost.state.submission() {
            writeln!(f, "  words:")?;
            for line in submission.content.headline().lines() {
                writeln!(f, "  | {line}")?;
            }
        }
        // What waits for quota says itself until when.
        let at = self.next.at.filter(|_| self.next.owner != Owner::Quota);
        let at = at.map(|at| format!(" at {}", time(at))).unwrap_or_default();
        writeln!(f, "  next: {}{at} ({})", self.next.text, self.next.owner.text())?;
        writeln!(f, "  journal:")?;
        for entry in &self.journal {
            let attempt = entry.attempt.filter(|attempt| *attempt > 1).map(|n| format!(" try {n}")).unwrap_or_default();
            let detail = if entry.detail.is_empty() { String::new() } else { format!(": {}", entry.detail) };
            let at = entry.at.format("%Y-%m-%d %H:%M:%S%.3f");
            writeln!(f, "    {at} {} → {}{attempt}{detail}", entry.event, entry.state)?;
        }
        Ok(())
    }
}

fn time(at: DateTime<Utc>) -> impl fmt::Display {
    at.format("%Y-%m-%d %H:%M:%S UTC")
}
