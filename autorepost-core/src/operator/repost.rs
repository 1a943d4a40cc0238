//! Asking for a repost, and settling one that is in doubt.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    Error, ErrorKind, Platform, Result,
    connection::Connection,
    decide::Decision,
    id::{ConnectionId, PostId, RepostId, RuleId},
    job::NewJob,
    notice,
    operator::{Operator, ROWS_MAX, one_line},
    port::{After, EntropyExt, RepostQuery, Step},
    post::Post,
    repost::Repost,
    rule::Rule,
    state::{Event, Owner, Reason, Receipt, RepostState, apply},
};

/// Where a person wants a post to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destinations {
    /// Everywhere that a rule leads.
    All,
    /// To one account.
    One(ConnectionId),
}

/// What came of asking for a repost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Asked {
    /// The repost.
    pub repost: RepostId,
    /// The destination's platform.
    pub platform: Platform,
    /// What happens.
    pub answer: String,
    /// Whether something was set going.
    pub queued: bool,
}

/// What a person saw when they looked for a repost in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is there.
    Published {
        /// The platform's own id, if it is known.
        id: Option<String>,
        /// The public address, if it is known.
        url: Option<String>,
    },
    /// It is not there: it will be published anew.
    Absent,
}

impl Operator<'_> {
    /// Asks for a post's reposts: what failed or was skipped is tried again whatever the filters say, what waits looks
    /// again now, and what a rule leads to but never was asked for is added. What is published stays published once.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when no rule leads from the post's account to the destination.
    pub async fn repost(&self, post: &Post, to: Destinations) -> Result<Vec<Asked>> {
        let wanted = |id: ConnectionId| matches!(to, Destinations::All) || to == Destinations::One(id);
        let connections = self.connections().await?;
        let rules = self.rules_taking(post.connection).await?;

        let query = RepostQuery { post: Some(post.id), limit: ROWS_MAX, ..RepostQuery::default() };
        let existing = self.ports.reposts.list(self.tenant, &query).await?;
        let mut answers = Vec::new();
        for repost in existing.iter().filter(|repost| wanted(repost.connection)) {
            answers.push(self.ask_again(repost, &rules).await?);
        }
        for connection in connections.iter().filter(|connection| wanted(connection.id)) {
            let same = |one: &&Repost| one.key.platform == connection.platform && one.key.account == connection.account;
            let Some(rule) = leading(&rules, connection.id) else { continue };
            if existing.iter().any(|repost| same(&repost)) {
                continue;
            }
            answers.push(self.ask_first(post, rule, connection).await?);
        }
        answers.sort_by_key(|answer| answer.platform);
        if answers.is_empty() {
            let text = "no rule leads from this post's account there: add one with \"autorepost rules add\"";
            return Err(Error::invalid("ask for repost", text));
        }
        self.ports.wake.wake();
        Ok(answers)
    }

    async fn ask_again(&self, repost: &Repost, rules: &[Rule]) -> Result<Asked> {
        let say = |queued, answer: String| Asked { repost: repost.id, platform: repost.key.platform, answer, queued };
        Ok(match &repost.state {
            RepostState::Published { receipt, .. } => {
                let where_ = receipt.url.as_deref().or(receipt.id.as_deref()).unwrap_or("its account");
                say(false, format!("is published already: {where_}"))
            }
            RepostState::Unconfirmed { .. } => {
                say(false, "is in doubt: look whether it is there, then say so with \"autorepost settle\"".into())
            }
            RepostState::Failed { .. } | RepostState::Skipped { .. } => {
                let Some(rule) = leading(rules, repost.connection) else {
                    return Ok(say(
                        false,
                        "no rule leads there any more: add one with \"autorepost rules add\"".into(),
                    ));
                };
                let before = repost.state.name();
                self.move_by_hand(repost, rule.id, Event::Retried, "asked for by hand").await?;
                // A job from before that waits for something else holds the key.
                self.ports.jobs.hasten(&[repost.job_key()]).await?;
                say(true, format!("was {before}, and is tried again"))
            }
            state => {
                self.ports.jobs.hasten(&[repost.job_key()]).await?;
                let due = leading(rules, repost.connection).map(|rule| rule.spec.due_at(repost.posted_at));
                let then = match due.filter(|due| *due > self.ports.clock.now()) {
                    Some(due) => format!("its rule delays it until {}", due.format("%Y-%m-%d %H:%M UTC")),
                    None => "goes on now".into(),
                };
                say(true, format!("is {}, and {then}", state.name()))
            }
        })
    }

    async fn ask_first(&self, post: &Post, rule: &Rule, connection: &Connection) -> Result<Asked> {
        let now = self.ports.clock.now();
        let decision = Decision::take(rule.id, connection);
        let repost = Repost::of(RepostId::new(now, self.ports.entropy.bytes()), post, decision, now);
        let job = NewJob::prep(self.job_id(), &repost, now);
        let entry = self.entry("asked", repost.state.name(), format!("asked for by hand, by rule \"{}\"", rule.name));
        let added = self.ports.reposts.add(&repost, &job, &entry).await?;
        let answer = if added { "is on its way" } else { "is on its way already" };
        Ok(Asked { repost: repost.id, platform: repost.key.platform, answer: answer.into(), queued: added })
    }

    /// The repost of an id.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is none.
    pub async fn repost_by_id(&self, id: RepostId) -> Result<Repost> {
        let found = self.ports.reposts.get(self.tenant, id).await?;
        found.ok_or_else(|| Error::not_found("find repost", format!("there is no repost {id}")))
    }

    /// The post of an id.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is none.
    pub async fn post_by_id(&self, id: PostId) -> Result<Post> {
        let found = self.ports.posts.get(self.tenant, id).await?;
        found.ok_or_else(|| Error::not_found("find post", format!("there is no post {id}")))
    }

    /// Asks for one repost again: what failed or was skipped is tried again whatever the filters say, what waits looks
    /// again now.
    pub async fn retry(&self, repost: &Repost) -> Result<Asked> {
        let rules = self.rules().await?;
        let asked = self.ask_again(repost, &rules).await?;
        self.ports.wake.wake();
        Ok(asked)
    }

    /// Calls a repost off. It can be asked for again.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) when it has ended, or its commit may have been sent: only the platform knows then.
    pub async fn cancel(&self, repost: &Repost) -> Result<Repost> {
        let refuse = |why: &str| Err(Error::conflict("cancel repost", why));
        match &repost.state {
            RepostState::Committing(_) => return refuse("it may be public already: the platform is being asked"),
            RepostState::Unconfirmed { .. } => return refuse("it may be public already: say what you see there"),
            state if state.is_terminal() => return refuse(&format!("it is {} already", state.name())),
            _ => {}
        }
        let reason = Reason::new(Owner::Operator, format!("called off by {}", self.name));
        self.move_by_hand(repost, repost.rule, Event::Skipped(reason), "called off by hand").await
    }

    /// Settles a repost in doubt with what a person saw.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when it is not in doubt.
    pub async fn settle(&self, post: &Post, to: ConnectionId, seen: Settled) -> Result<Repost> {
        let query = RepostQuery { post: Some(post.id), limit: ROWS_MAX, ..RepostQuery::default() };
        let reposts = self.ports.reposts.list(self.tenant, &query).await?;
        let op = "settle repost";
        let repost = reposts
            .into_iter()
            .find(|repost| repost.connection == to)
            .ok_or_else(|| Error::not_found(op, "this post was never on its way there"))?;
        self.settle_repost(&repost, seen).await
    }

    /// Settles a repost in doubt with what a person saw.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when it is not in doubt.
    pub async fn settle_repost(&self, repost: &Repost, seen: Settled) -> Result<Repost> {
        let op = "settle repost";
        if !matches!(repost.state, RepostState::Unconfirmed { .. }) {
            let text = format!("there is no doubt about it: it is {}", repost.state.name());
            return Err(Error::new(ErrorKind::Invalid, op, text));
        }
        match seen {
            Settled::Published { id, url } => {
                one_line(op, "an id", id.as_deref().unwrap_or_default())?;
                one_line(op, "an address", url.as_deref().unwrap_or_default())?;
                let receipt = Receipt { id, url, at: self.ports.clock.now() };
                self.move_by_hand(repost, repost.rule, Event::Confirmed(receipt), "seen by a person").await
            }
            Settled::Absent => {
                self.move_by_hand(repost, repost.rule, Event::Denied, "looked for by a person, and not there").await
            }
        }
    }

    /// Moves a repost by a person's word, with the job that its new state needs.
    async fn move_by_hand(&self, repost: &Repost, rule: RuleId, event: Event, detail: &str) -> Result<Repost> {
        let now = self.ports.clock.now();
        let name = event.name();
        let state = apply(repost.state.clone(), event)?;
        let entry = self.entry(name, state.name(), detail);
        let before = &repost.state;
        let repost = Repost { state, rule, updated_at: now, ..repost.clone() };
        let mut jobs = match repost.state.is_terminal() {
            true => self.verification(&repost, now),
            false => vec![NewJob::prep(self.job_id(), &repost, now)],
        };
        jobs.extend(notice::of_repost(self.ports, now, before, &repost).await?);
        let step = Step { lease: None, repost, entry: Some(entry), guards: Vec::new(), after: After::Keep, jobs };
        let stored = self.ports.reposts.step(&step).await?;
        self.ports.wake.wake();
        Ok(stored)
    }

    /// The job that asks what became of what a person saw, if they could name it.
    fn verification(&self, repost: &Repost, now: DateTime<Utc>) -> Vec<NewJob> {
        match &repost.state {
            RepostState::Published { receipt: Receipt { id: Some(_), .. }, .. } => {
                vec![NewJob::verify(self.job_id(), repost, now)]
            }
            _ => Vec::new(),
        }
    }
}

/// The rule that leads to a destination: the first that is not removed.
fn leading(rules: &[Rule], to: ConnectionId) -> Option<&Rule> {
    rules.iter().find(|rule| rule.spec.destinations.iter().any(|destination| destination.connection == to))
}
