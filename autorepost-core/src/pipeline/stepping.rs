//! Moving a repost: every step of every pipeline is written here.

use chrono::{DateTime, Utc};

use crate::{
    Error, ErrorKind, Result,
    connection::{Connection, ConnectionStatus},
    decide::{Decision, decide},
    id::{ConnectionId, RuleId},
    job::{Finish, Job, NewJob},
    notice,
    policy::after,
    port::{After, Guard, RepostQuery, Signal, Step},
    post::{FoundPost, PostKind},
    repost::{Entry, Repost},
    rule::{DestinationSpec, Rule, RuleState},
    state::{Event, Owner, Reason, apply},
    worker::Worker,
};

/// Failures in a row after which a repost whose source is blocked waits, instead of being on its way.
const BLOCKED_MAX: u32 = 3;

/// What comes with a step.
pub(super) struct With {
    pub after: After,
    pub jobs: Vec<NewJob>,
    pub guards: Vec<Guard>,
}

impl With {
    /// The job goes on.
    pub fn keep() -> Self {
        Self { after: After::Keep, jobs: Vec::new(), guards: Vec::new() }
    }

    /// The job is let go of.
    pub fn finish(finish: Finish) -> Self {
        Self { after: After::Finish(finish), ..Self::keep() }
    }

    /// The job has done its work, and `job` comes after it.
    pub fn then(job: NewJob) -> Self {
        Self { jobs: vec![job], ..Self::finish(Finish::Done) }
    }
}

/// Whether a repost may go on now.
pub(super) enum Gate {
    /// It may.
    Open(Box<Passage>),
    /// Not now.
    Hold { until: DateTime<Utc>, reason: Reason },
    /// Never, as its rule leads there no more; but another does.
    Adopt { rule: RuleId, connection: ConnectionId, detail: String },
    /// Never.
    Skip(Reason),
}

/// What a repost that goes on goes on with.
pub(super) struct Passage {
    pub rule: Rule,
    pub destination: DestinationSpec,
    pub connection: Connection,
}

impl Worker {
    /// Writes one step under the job's lease, and tells of it.
    pub(super) async fn step(
        &self,
        job: &Job,
        repost: &Repost,
        event: Event,
        detail: impl Into<String>,
        with: With,
    ) -> Result<Repost> {
        let detail = detail.into();
        let now = self.now();
        let name = event.name();
        let quiet = matches!(event, Event::Sent(_));
        // A look at what is public moves nothing: its media need not be kept for longer.
        let updated_at = if matches!(event, Event::Inspected(_)) { repost.updated_at } else { now };
        let state = apply(repost.state.clone(), event)?;
        let entry = (!quiet).then(|| self.entry(job, now, name, state.name(), &detail));
        let committed_at = state.attempt().and_then(|attempt| attempt.last_commit_at);
        let last_commit_at = committed_at.or(repost.last_commit_at);
        let next = Repost { state, last_commit_at, updated_at, ..repost.clone() };
        self.write(job, repost, next, entry, with, &detail).await
    }

    /// Writes down something that did not move the repost.
    pub(super) async fn note(
        &self,
        job: &Job,
        repost: &Repost,
        event: &str,
        detail: &str,
        with: With,
    ) -> Result<Repost> {
        let now = self.now();
        let entry = self.entry(job, now, event, repost.state.name(), detail);
        self.write(job, repost, repost.clone(), Some(entry), with, detail).await
    }

    async fn write(
        &self,
        job: &Job,
        before: &Repost,
        repost: Repost,
        entry: Option<Entry>,
        with: With,
        detail: &str,
    ) -> Result<Repost> {
        let With { after, mut jobs, guards } = with;
        jobs.extend(notice::of_repost(&self.ports, self.now(), &before.state, &repost).await?);
        let step = Step { lease: Some(job.lease()), repost, entry, guards, after, jobs };
        let stored = self.ports.reposts.step(&step).await?;
        if before.state.name() != stored.state.name() {
            self.ports.events.emit(&Signal::RepostMoved {
                tenant: stored.tenant,
                repost: stored.id,
                post: stored.post,
                platform: stored.key.platform,
                from: before.state.name(),
                to: stored.state.name(),
                posted_ago: (self.now() - stored.posted_at).to_std().unwrap_or_default(),
                detail,
            });
        }
        if !step.jobs.is_empty() {
            self.ports.wake.wake();
        }
        if before.state.is_on_its_way() && !stored.state.is_on_its_way() {
            // The step is written: what only makes others faster must not fail it.
            drop(self.hasten_next(&stored).await);
        }
        Ok(stored)
    }

    /// The next repost to the account need not wait for this one any more.
    async fn hasten_next(&self, repost: &Repost) -> Result<()> {
        let query = RepostQuery {
            account: Some((repost.key.platform, repost.key.account.clone())),
            states: vec!["ready"],
            limit: 1,
            ..RepostQuery::default()
        };
        let next = self.ports.reposts.list(repost.tenant, &query).await?;
        let keys: Vec<_> = next.iter().map(Repost::job_key).collect();
        if !keys.is_empty() {
            self.ports.jobs.hasten(&keys).await?;
            self.ports.wake.wake();
        }
        Ok(())
    }

    pub(super) fn entry(&self, job: &Job, at: DateTime<Utc>, event: &str, state: &str, detail: &str) -> Entry {
        Entry {
            at,
            event: event.into(),
            state: state.into(),
            detail: detail.into(),
            attempt: Some(job.attempts + 1),
            by: self.name.clone(),
        }
    }

    /// Decides from the stored rule and connection, as they are now, whether a repost may go on.
    pub(super) async fn gate(&self, repost: &Repost) -> Result<Gate> {
        let hold = |reason| Gate::Hold { until: after(self.now(), self.policy.hold), reason };
        if let Some(brake) = self.ports.brakes.holding(repost.tenant).await?.into_iter().next() {
            return Ok(hold(Reason::new(Owner::Operator, format!("publishing is stopped: {}", brake.reason))));
        }
        let Some(rule) = self.ports.rules.get(repost.tenant, repost.rule).await? else {
            return self.orphaned(repost, "its rule does not exist any more".into()).await;
        };
        match rule.state {
            RuleState::Active => {}
            RuleState::Paused => {
                return Ok(hold(Reason::new(Owner::Operator, format!("rule \"{}\" is paused", rule.name))));
            }
            RuleState::Removed => return self.orphaned(repost, format!("rule \"{}\" was removed", rule.name)).await,
        }
        let Some(connection) = self.ports.connections.get(repost.tenant, repost.connection).await? else {
            return self.orphaned(repost, "its connection does not exist any more".into()).await;
        };
        let Some(destination) = rule.spec.destinations.iter().find(|spec| spec.connection == connection.id).cloned()
        else {
            let text = format!("rule \"{}\" does not name this destination any more", rule.name);
            return self.orphaned(repost, text).await;
        };
        if destination.paused {
            let text = format!("this destination of rule \"{}\" is paused", rule.name);
            return Ok(hold(Reason::new(Owner::Operator, text)));
        }
        if let Some(reason) = unusable(&connection) {
            return Ok(hold(reason));
        }
        Ok(Gate::Open(Box::new(Passage { rule, destination, connection })))
    }

    /// What becomes of a repost whose rule leads there no more: another rule that takes the post and leads there has it.
    async fn orphaned(&self, repost: &Repost, why: String) -> Result<Gate> {
        let skip = Gate::Skip(Reason::new(Owner::Nobody, why.clone()));
        let Some(post) = self.ports.posts.get(repost.tenant, repost.post).await? else { return Ok(skip) };
        let rules = self.rules_taking(repost.tenant, post.connection).await?;
        let connections = self.ports.connections.list(Some(repost.tenant)).await?;
        let connections = connections.into_iter().map(|one| (one.id, one)).collect();
        let same = |one: &Decision| one.platform == repost.key.platform && one.account == repost.key.account;
        // What was private when it was stored may be shown by now, and is looked at for that reason: its preparation finds out.
        let found = match post.found.is_hidden() {
            true => FoundPost { kind: PostKind::Video { duration_secs: None }, ..post.found },
            false => post.found,
        };
        let decisions = decide(&found, &rules, &connections);
        Ok(match decisions.into_iter().find(|one| same(one) && one.skip.is_none()) {
            Some(Decision { rule, connection, .. }) => {
                let name = rules.iter().find(|one| one.id == rule).map_or("", |one| one.name.as_str());
                Gate::Adopt { rule, connection, detail: format!("{why}; rule \"{name}\" leads there, too") }
            }
            None => skip,
        })
    }

    /// Another rule has the repost from now on: its words and options are that rule's.
    pub(super) async fn adopt(
        &self,
        job: &Job,
        repost: &Repost,
        (rule, connection): (RuleId, ConnectionId),
        detail: String,
    ) -> Result<()> {
        let repost = Repost { rule, connection, ..repost.clone() };
        let prep = NewJob::prep(self.job_id(), &repost, self.now());
        self.step(job, &repost, Event::Adopted, detail, With::then(prep)).await?;
        Ok(())
    }

    /// Lets a repost wait, and its job with it.
    pub(super) async fn hold(
        &self,
        job: &Job,
        repost: &Repost,
        until: DateTime<Utc>,
        reason: Reason,
    ) -> Result<Repost> {
        let again = Finish::Again { run_at: until, attempts: job.attempts, note: Some(reason.text.clone()) };
        // A wait that goes on for the same reason is not told again.
        if repost.state.name() == "waiting" && repost.state.reason() == Some(&reason) {
            let mut next = repost.clone();
            if let crate::state::RepostState::Waiting { until: stored, .. } = &mut next.state {
                *stored = Some(until);
            }
            return self.write(job, repost, next, None, With::finish(again), "").await;
        }
        let detail = reason.text.clone();
        self.step(job, repost, Event::Held { until: Some(until), reason }, detail, With::finish(again)).await
    }

    /// What follows from a platform's error on a repost whose commit is not in question.
    pub(super) async fn after_error(&self, job: &Job, repost: &Repost, error: &Error) -> Result<Repost> {
        let now = self.now();
        match error.kind() {
            ErrorKind::LeaseLost | ErrorKind::Conflict => return Err(clone_of(error)),
            ErrorKind::Quota | ErrorKind::RateLimited => return self.out_of_quota(job, repost, error).await,
            // A key can be put back, an account connected anew: nothing is wrong with the repost.
            ErrorKind::Unsealable => {
                return self.hold(job, repost, after(now, self.policy.hold), Reason::from_error(error)).await;
            }
            ErrorKind::Unauthorized => {
                // What is being prepared is read from the source.
                let tried = match repost.state.needs_prep() {
                    true => self.ports.posts.get(repost.tenant, repost.post).await?.map(|post| post.connection),
                    false => Some(repost.connection),
                };
                self.ports.jobs.hasten(&tried.map(crate::job::refresh_key).into_iter().collect::<Vec<_>>()).await?;
                self.ports.wake.wake();
            }
            // The source shows something else than the post, and may for long: what is younger does not wait for it.
            ErrorKind::Blocked if job.attempts + 1 >= BLOCKED_MAX => {
                let Finish::Again { run_at, attempts, .. } = self.again_after(job, error) else {
                    return Err(clone_of(error));
                };
                let job = Job { attempts, ..job.clone() };
                return self.hold(&job, repost, run_at, Reason::from_error(error)).await;
            }
            _ => {}
        }
        let attempts = job.attempts + 1;
        if self.policy.retries(error, attempts)
            || (error.kind() == ErrorKind::Unauthorized && attempts < self.policy.attempts_max)
        {
            let again = self.again_after(job, error);
            return self.note(job, repost, "error", &error.to_string(), With::finish(again)).await;
        }
        let reason = match Reason::from_error(error) {
            // It was tried again by itself, and will not be any more.
            reason if matches!(reason.owner, Owner::Retry | Owner::Quota) => {
                Reason { owner: Owner::Operator, ..reason }
            }
            reason => reason,
        };
        let detail = error.to_string();
        self.step(job, repost, Event::Failed(reason), detail, With::finish(Finish::Done)).await
    }
}

/// Why a connection cannot be used now, if so.
pub(crate) fn unusable(connection: &Connection) -> Option<Reason> {
    if connection.paused {
        let why = connection.status_detail.as_ref().filter(|_| connection.status == ConnectionStatus::Active);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        return Some(Reason::new(Owner::Operator, format!("connection @{} is paused{why}", connection.handle)));
    }
    match connection.status {
        ConnectionStatus::NeedsReconnect | ConnectionStatus::Revoked => {
            let why = connection.status_detail.as_deref().unwrap_or("its credential is dead");
            let (platform, handle) = (connection.platform.title(), &connection.handle);
            Some(Reason::new(Owner::Reconnect, format!("connect {platform} @{handle} again: {why}")))
        }
        ConnectionStatus::Active | ConnectionStatus::Expiring | ConnectionStatus::Error => None,
    }
}

/// An error as its callers match on it; the cause stays with the original.
fn clone_of(error: &Error) -> Error {
    Error::new(error.kind(), error.op(), error.detail()).retry(error.retry_hint())
}
