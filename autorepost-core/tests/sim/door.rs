//! The database as a process reaches it: every call can be cut before and after its effect, and each write is witnessed in
//! the moment in which it happens. Deliberate faults of the stores are made here.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use autorepost_core::{
    Error, Platform, Result,
    brake::{Brake, Scope},
    connection::{AccountId, Connection, ConnectionStatus},
    credential::Access,
    id::{ConnectionId, JobId, PostId, RepostId, RuleId, TenantId},
    job::{Finish, Job, JobKind, JobState, Lease, NewJob},
    media::{Media, MediaKey},
    port::{
        Admission, BrakeStore, ConnectionStore, Guard, JobQueue, JobStats, PostQuery, PostStore, RenditionStore,
        RepostQuery, RepostStore, RuleStore, Step,
    },
    post::{Cursor, FoundPost, Post},
    preflight::Profile,
    repost::{Entry, Repost},
    rule::{Options, Rule, RuleState},
    seal::KeyRing,
    state::RepostState,
    submission::Content,
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    accounts::Grants,
    block_on,
    hub::{Hub, StoreFlaw, tick},
    sabotage::Sabotage,
};

pub struct Door {
    pub hub: Arc<Hub>,
    pub keys: Arc<KeyRing>,
    pub grants: Arc<Grants>,
    /// What [`Sabotage::IntentAfterCommit`] keeps back.
    pub held: std::sync::Mutex<HashSet<RepostId>>,
}

impl Door {
    /// One call: a point to crash at, perhaps a cut, the whole effect at once, perhaps a cut, a point to crash at.
    async fn unit<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tick().await;
        let flaw = self.hub.take_store_flaw();
        let cut = || Error::unavailable("ask database", "the connection was cut");
        if flaw == Some(StoreFlaw::Before) {
            return Err(cut());
        }
        // The in-memory database never waits, so this is one moment.
        let result = work.await;
        tick().await;
        if flaw == Some(StoreFlaw::After) { Err(cut()) } else { result }
    }

    /// A write that was accepted was made under a lease that holds.
    fn witness_lease<T>(&self, lease: Option<Lease>, held: bool, written: Result<T>) -> Result<T> {
        if lease.is_some() && !held && written.is_ok() {
            self.hub.broken("a write under a lost lease was accepted");
        }
        written
    }

    fn holds(&self, lease: Option<Lease>) -> bool {
        lease.is_some_and(|lease| {
            let same = |job: &&Job| job.lease() == lease && job.state == JobState::Running;
            self.hub.memory.look_at_live_jobs(|jobs| jobs.iter().any(same))
        })
    }

    /// A lease as a store without fences sees it: the claim that is there now.
    async fn unfenced(&self, lease: Lease) -> Lease {
        if !self.hub.is(Sabotage::NoFence) {
            return lease;
        }
        let jobs = self.hub.memory.jobs();
        let now = jobs.iter().find(|job| job.new.id == lease.job && job.state == JobState::Running);
        now.map_or(lease, Job::lease)
    }

    /// What must hold in the moment in which an intent is stored.
    fn witness_intent(&self, stored: &Repost) {
        let hub = &self.hub;
        let say = |why: &str| hub.broken(format!("an intent for {} was stored although {why}", stored.key.platform));
        let rule = hub.memory.all_rules().into_iter().find(|rule| rule.id == stored.rule);
        let Some(rule) = rule.filter(|rule| rule.state == RuleState::Active) else {
            return say("its rule is not active");
        };
        match rule.spec.destinations.iter().find(|spec| spec.connection == stored.connection) {
            None => say("its rule does not lead there"),
            Some(spec) if spec.paused => say("its destination is paused"),
            Some(spec) if !stored.state.submission().is_some_and(|sent| is_as_asked(&spec.options, &sent.content)) => {
                say("its rule asks for something else by now");
            }
            Some(_) => {}
        }
        let connection = hub.memory.all_connections().into_iter().find(|one| one.id == stored.connection);
        if !connection.is_some_and(|one| one.is_usable()) {
            say("its connection cannot be used");
        }
        if hub.memory.all_brakes().iter().any(|brake| brake.scope.covers(stored.tenant)) {
            say("a brake is on");
        }
        if let Some(cap) = rule.spec.hourly_cap {
            let since = stored.last_commit_at.unwrap_or(hub.now()) - TimeDelta::hours(1);
            let reposts = hub.memory.reposts();
            let within = reposts.iter().filter(|one| {
                one.key.platform == stored.key.platform
                    && one.key.account == stored.key.account
                    && one.last_commit_at.is_some_and(|at| at >= since)
            });
            if within.count() > cap as usize {
                hub.broken("the hourly cap was exceeded");
            }
        }
    }

    /// A repost that is not at its end has a job that moves it.
    fn witness_job(&self, repost: &Repost) {
        if !repost.state.is_terminal()
            && block_on(JobQueue::find(self.hub.memory.as_ref(), &repost.job_key())).unwrap().is_none()
        {
            let (key, state) = (&repost.key, repost.state.name());
            self.hub.broken(format!("post {} to {} is {state} and has no job", key.post, key.platform));
        }
    }

    fn witness_connection(&self, stored: &Connection) {
        let Ok(access) = Access::open(stored, &self.keys) else { return };
        let generation = Grants::generation(&access.credential);
        if stored.platform != Platform::TikTok {
            self.hub.stored_credential(stored.platform, stored.account.as_str(), generation);
        }
        if stored.status == ConnectionStatus::NeedsReconnect
            && stored.platform != Platform::TikTok
            && self.grants.is_alive(stored.platform, &access.credential)
        {
            self.hub.broken(format!("{} was marked as dead although its credential works", stored.platform));
        }
    }

    async fn write(&self, step: &Step) -> Result<Repost> {
        let stored = self.hub.memory.step(step).await?;
        match step.entry.as_ref().map(|entry| entry.event.as_str()) {
            Some("intended") => {
                self.hub.intents_changed(stored.id, 1);
                self.witness_intent(&stored);
            }
            Some("refused") => self.hub.intents_changed(stored.id, -1),
            _ => {}
        }
        self.witness_job(&stored);
        Ok(stored)
    }

    /// The step as a worse store would write it.
    async fn sabotaged(&self, step: &Step) -> Result<Repost> {
        let mut step = step.clone();
        let event = step.entry.as_ref().map_or("", |entry| entry.event.as_str()).to_owned();
        match self.hub.sabotage {
            Some(Sabotage::NoFence) => {
                if let Some(lease) = step.lease {
                    step.lease = Some(self.unfenced(lease).await);
                }
            }
            Some(Sabotage::NoVersion) => {
                let current = self.hub.memory.reposts().into_iter().find(|one| one.id == step.repost.id);
                step.repost.version = current.map_or(0, |one| one.version);
                step.lease = match step.lease {
                    Some(lease) => {
                        let jobs = self.hub.memory.jobs();
                        jobs.iter()
                            .find(|job| job.new.id == lease.job && job.state == JobState::Running)
                            .map(Job::lease)
                    }
                    None => None,
                };
            }
            Some(Sabotage::EditIsNotSeen) => {
                if let RepostState::Ready { submission } = &mut step.repost.state {
                    submission.terms = None;
                }
            }
            // The caps and the clock have faults of their own.
            Some(Sabotage::NoGuards) => {
                step.guards.retain(|guard| matches!(guard, Guard::CommitsBelow { .. } | Guard::Clock { .. }));
            }
            Some(Sabotage::NoCapGuard) => step.guards.retain(|guard| !matches!(guard, Guard::CommitsBelow { .. })),
            Some(Sabotage::NoClockGuard) => step.guards.retain(|guard| !matches!(guard, Guard::Clock { .. })),
            Some(Sabotage::IntentAfterCommit) => {
                let mut held = self.held.lock().unwrap();
                if event == "intended" {
                    held.insert(step.repost.id);
                    return Ok(Repost { version: step.repost.version + 1, ..step.repost });
                }
                if held.remove(&step.repost.id) {
                    step.repost.version -= 1;
                }
            }
            Some(Sabotage::StepInTwo) if !step.jobs.is_empty() => {
                let jobs = std::mem::take(&mut step.jobs);
                let stored = self.write(&step).await?;
                tick().await;
                self.hub.memory.enqueue(&jobs).await?;
                return Ok(stored);
            }
            Some(Sabotage::ToldAfterwards) => {
                let (told, jobs) = step.jobs.drain(..).partition(|job| job.kind == JobKind::WebhookDelivery);
                step.jobs = jobs;
                let stored = self.write(&step).await?;
                tick().await;
                self.hub.memory.enqueue(&told).await?;
                return Ok(stored);
            }
            _ => {}
        }
        self.write(&step).await
    }
}

#[async_trait]
impl ConnectionStore for Door {
    async fn connect(&self, connection: &Connection, jobs: &[NewJob]) -> Result<Connection> {
        self.unit(async {
            let stored = self.hub.memory.connect(connection, jobs).await?;
            self.hub.reconnected(stored.platform, stored.account.as_str());
            self.witness_connection(&stored);
            Ok(stored)
        })
        .await
    }

    async fn get(&self, tenant: TenantId, id: ConnectionId) -> Result<Option<Connection>> {
        self.unit(ConnectionStore::get(self.hub.memory.as_ref(), tenant, id)).await
    }

    async fn find(&self, tenant: TenantId, platform: Platform, account: &AccountId) -> Result<Option<Connection>> {
        self.unit(ConnectionStore::find(self.hub.memory.as_ref(), tenant, platform, account)).await
    }

    async fn list(&self, tenant: Option<TenantId>) -> Result<Vec<Connection>> {
        self.unit(ConnectionStore::list(self.hub.memory.as_ref(), tenant)).await
    }

    async fn update(&self, connection: &Connection, lease: Option<Lease>, jobs: &[NewJob]) -> Result<Connection> {
        self.unit(async {
            let (mut connection, mut lease) = (connection.clone(), lease);
            if self.hub.is(Sabotage::CredentialWithoutVersion) {
                let current = self.hub.memory.all_connections().into_iter().find(|one| one.id == connection.id);
                connection.version = current.map_or(0, |one| one.version);
            }
            if let Some(held) = lease {
                lease = Some(self.unfenced(held).await);
            }
            let stored = ConnectionStore::update(self.hub.memory.as_ref(), &connection, lease, jobs).await?;
            self.witness_connection(&stored);
            Ok(stored)
        })
        .await
    }
}

#[async_trait]
impl RuleStore for Door {
    async fn insert(&self, rule: &Rule) -> Result<()> {
        self.unit(RuleStore::insert(self.hub.memory.as_ref(), rule)).await
    }

    async fn get(&self, tenant: TenantId, id: RuleId) -> Result<Option<Rule>> {
        self.unit(RuleStore::get(self.hub.memory.as_ref(), tenant, id)).await
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Rule>> {
        self.unit(RuleStore::list(self.hub.memory.as_ref(), tenant)).await
    }

    async fn update(&self, rule: &Rule) -> Result<Rule> {
        self.unit(RuleStore::update(self.hub.memory.as_ref(), rule)).await
    }
}

#[async_trait]
impl BrakeStore for Door {
    async fn engage(&self, brake: &Brake) -> Result<()> {
        self.unit(BrakeStore::engage(self.hub.memory.as_ref(), brake)).await
    }

    async fn release(&self, scope: Scope) -> Result<bool> {
        self.unit(BrakeStore::release(self.hub.memory.as_ref(), scope)).await
    }

    async fn holding(&self, tenant: TenantId) -> Result<Vec<Brake>> {
        self.unit(BrakeStore::holding(self.hub.memory.as_ref(), tenant)).await
    }
}

#[async_trait]
impl PostStore for Door {
    async fn admit(
        &self,
        lease: Lease,
        tenant: TenantId,
        connection: ConnectionId,
        admission: &Admission,
    ) -> Result<Vec<PostId>> {
        self.unit(async {
            let mut admission = admission.clone();
            if self.hub.is(Sabotage::CursorMovesAnyway) && admission.cursor.resume.take().is_some() {
                admission.cursor.complete_through = admission.cursor.newest;
            }
            let lease = self.unfenced(lease).await;
            if self.hub.is(Sabotage::AdmissionInTwo) {
                let reposts: Vec<_> = admission.posts.iter_mut().map(|new| std::mem::take(&mut new.reposts)).collect();
                let new = self.hub.memory.admit(lease, tenant, connection, &admission).await?;
                tick().await;
                for (repost, job) in reposts.into_iter().flatten().filter(|(one, _)| new.contains(&one.post)) {
                    let entry = entry(self.hub.now());
                    match job {
                        Some(job) => self.hub.memory.add(&repost, &job, &entry).await.map(drop)?,
                        None => continue,
                    }
                }
                return Ok(new);
            }
            let new = self.hub.memory.admit(lease, tenant, connection, &admission).await?;
            let reposts = admission.posts.iter().filter(|one| new.contains(&one.post.id)).flat_map(|one| &one.reposts);
            reposts.for_each(|(repost, _)| self.witness_job(repost));
            Ok(new)
        })
        .await
    }

    async fn cursor(&self, tenant: TenantId, connection: ConnectionId) -> Result<Cursor> {
        let cursor = self.unit(PostStore::cursor(self.hub.memory.as_ref(), tenant, connection)).await?;
        let walked = cursor.walked.clone().filter(|_| !self.hub.is(Sabotage::NewRuleOwesNothing));
        Ok(Cursor { walked, ..cursor })
    }

    async fn known(&self, tenant: TenantId, account: &AccountId, keys: &[String]) -> Result<Vec<Post>> {
        self.unit(PostStore::known(self.hub.memory.as_ref(), tenant, account, keys)).await
    }

    async fn get(&self, tenant: TenantId, id: PostId) -> Result<Option<Post>> {
        self.unit(PostStore::get(self.hub.memory.as_ref(), tenant, id)).await
    }

    async fn find(&self, tenant: TenantId, key: &str) -> Result<Vec<Post>> {
        self.unit(PostStore::find(self.hub.memory.as_ref(), tenant, key)).await
    }

    async fn list(&self, tenant: TenantId, query: &PostQuery) -> Result<Vec<Post>> {
        self.unit(PostStore::list(self.hub.memory.as_ref(), tenant, query)).await
    }

    async fn reveal(&self, lease: Lease, tenant: TenantId, post: PostId, found: &FoundPost) -> Result<()> {
        self.unit(self.hub.memory.reveal(lease, tenant, post, found)).await
    }

    async fn set_media(&self, lease: Lease, tenant: TenantId, post: PostId, media: &Media) -> Result<()> {
        self.unit(PostStore::set_media(self.hub.memory.as_ref(), lease, tenant, post, media)).await
    }

    async fn stale_media(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<Post>> {
        self.unit(self.hub.memory.stale_media(before, limit)).await
    }

    async fn forget_media(&self, lease: Lease, tenant: TenantId, post: PostId, before: DateTime<Utc>) -> Result<bool> {
        self.unit(self.hub.memory.forget_media(lease, tenant, post, before)).await
    }
}

#[async_trait]
impl RenditionStore for Door {
    async fn find(&self, source: &MediaKey, profile: &Profile) -> Result<Option<Media>> {
        self.unit(RenditionStore::find(self.hub.memory.as_ref(), source, profile)).await
    }

    async fn keep(&self, source: &MediaKey, profile: &Profile, made: &Media) -> Result<()> {
        self.unit(self.hub.memory.keep(source, profile, made)).await
    }

    async fn of(&self, source: &MediaKey) -> Result<Vec<MediaKey>> {
        self.unit(self.hub.memory.of(source)).await
    }

    async fn forget(&self, source: &MediaKey) -> Result<()> {
        self.unit(self.hub.memory.forget(source)).await
    }
}

#[async_trait]
impl RepostStore for Door {
    async fn get(&self, tenant: TenantId, id: RepostId) -> Result<Option<Repost>> {
        self.unit(RepostStore::get(self.hub.memory.as_ref(), tenant, id)).await
    }

    async fn list(&self, tenant: TenantId, query: &RepostQuery) -> Result<Vec<Repost>> {
        self.unit(RepostStore::list(self.hub.memory.as_ref(), tenant, query)).await
    }

    async fn step(&self, step: &Step) -> Result<Repost> {
        self.unit(async {
            let held = self.holds(step.lease);
            let written = match self.hub.sabotage {
                Some(_) => self.sabotaged(step).await,
                None => self.write(step).await,
            };
            self.witness_lease(step.lease, held, written)
        })
        .await
    }

    async fn add(&self, repost: &Repost, job: &NewJob, entry: &Entry) -> Result<bool> {
        self.unit(RepostStore::add(self.hub.memory.as_ref(), repost, job, entry)).await
    }

    async fn journal(&self, tenant: TenantId, id: RepostId) -> Result<Vec<Entry>> {
        self.unit(RepostStore::journal(self.hub.memory.as_ref(), tenant, id)).await
    }

    async fn published_ids(
        &self,
        tenant: TenantId,
        platform: Platform,
        account: &AccountId,
        since: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        self.unit(RepostStore::published_ids(self.hub.memory.as_ref(), tenant, platform, account, since)).await
    }

    async fn orphans(&self, limit: u32) -> Result<Vec<Repost>> {
        self.unit(RepostStore::orphans(self.hub.memory.as_ref(), limit)).await
    }
}

#[async_trait]
impl JobQueue for Door {
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<()> {
        self.unit(JobQueue::enqueue(self.hub.memory.as_ref(), jobs)).await
    }

    async fn claim(&self, kinds: &[JobKind], max: u32, lease: Duration) -> Result<Vec<Job>> {
        let kinds: Vec<JobKind> = kinds.iter().copied().filter(|kind| self.hub.runs(*kind)).collect();
        self.unit(self.hub.memory.claim(&kinds, max, lease)).await
    }

    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>> {
        self.unit(JobQueue::heartbeat(self.hub.memory.as_ref(), leases, lease)).await
    }

    async fn finish(&self, lease: Lease, finish: &Finish) -> Result<()> {
        self.unit(async {
            let (held, unfenced) = (self.holds(Some(lease)), self.unfenced(lease).await);
            self.witness_lease(Some(lease), held, self.hub.memory.finish(unfenced, finish).await)
        })
        .await
    }

    async fn hasten(&self, keys_or_lanes: &[String]) -> Result<()> {
        self.unit(JobQueue::hasten(self.hub.memory.as_ref(), keys_or_lanes)).await
    }

    async fn find(&self, key: &str) -> Result<Option<Job>> {
        self.unit(JobQueue::find(self.hub.memory.as_ref(), key)).await
    }

    async fn stats(&self) -> Result<Vec<JobStats>> {
        self.unit(JobQueue::stats(self.hub.memory.as_ref())).await
    }

    async fn next_due(&self) -> Result<Option<DateTime<Utc>>> {
        self.unit(JobQueue::next_due(self.hub.memory.as_ref())).await
    }

    async fn dead(&self, limit: u32) -> Result<Vec<Job>> {
        self.unit(JobQueue::dead(self.hub.memory.as_ref(), limit)).await
    }

    async fn replay(&self, job: JobId) -> Result<bool> {
        self.unit(JobQueue::replay(self.hub.memory.as_ref(), job)).await
    }

    async fn prune(&self, age: Duration, limit: u32) -> Result<u64> {
        self.unit(JobQueue::prune(self.hub.memory.as_ref(), age, limit)).await
    }
}

fn entry(at: DateTime<Utc>) -> Entry {
    let text = String::new;
    Entry { at, event: "added".into(), state: "planned".into(), detail: text(), attempt: None, by: text() }
}

/// Whether what is sent has the options that the rule asks for, as far as operators change them here.
fn is_as_asked(asked: &Options, sent: &Content) -> bool {
    match (asked, sent) {
        (Options::Instagram { share_to_feed: asked, .. }, Content::Instagram { share_to_feed: sent, .. }) => {
            asked == sent
        }
        (Options::YouTube { privacy: asked, .. }, Content::YouTube { privacy: sent, .. }) => asked == sent,
        (Options::X { reply_settings: asked, .. }, Content::X { reply_settings: sent, .. }) => asked == sent,
        _ => false,
    }
}
