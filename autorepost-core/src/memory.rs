//! In-memory ports: the reference of every contract, for tests, examples and the simulation.
//!
//! [`MemoryLimiter`], [`MemoryWake`] and [`MemoryScratch`] also serve a real installation that runs in one process.

mod access;
mod ambient;
mod backfills;
mod consent;
mod jobs;
mod limiter;
mod masters;
mod media;
mod platform;
mod renditions;
mod scratch;
mod stores;
mod wake;
mod webhooks;

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use chrono::{DateTime, Utc};

pub use ambient::{ManualClock, MapSecrets, MemoryEvents, SeededEntropy};
pub use consent::MemoryConsent;
pub use limiter::MemoryLimiter;
pub use media::{MemoryMedia, chunks};
pub use platform::{COMMIT_DEADLINE, Fault, MemoryAuthorizer, MemoryDestination, MemorySource, Repeat, Shown};
pub use scratch::MemoryScratch;
pub use wake::MemoryWake;
pub use webhooks::MemoryNotifier;

use crate::{
    Error, Platform, Result,
    access::{ApiKey, AuditEntry, Tenant},
    backfill::Backfill,
    brake::{Brake, Scope},
    connection::{AuthMethod, Connection},
    id::{ApiKeyId, AuditId, ConnectionId, JobId, MasterId, PostId, RepostId, RuleId, TenantId, WebhookId},
    job::{Finish, Job, JobState, Lease, NewJob},
    master::Master,
    media::{Media, MediaKey},
    port::{Authorizer, Clock, Consent, Destination, Entropy, IdempotencyKey, Ports, Source},
    post::{Cursor, Post},
    preflight::Profile,
    repost::{Entry, Repost},
    rule::Rule,
    seal::KeyRing,
    webhook::Webhook,
};

/// An in-memory database: every store and the job queue over one world.
///
/// Every method is one atomic unit. Nothing iterates in an order that differs between runs, so a test that is seeded
/// replays exactly.
pub struct Memory {
    clock: Arc<dyn Clock>,
    world: Mutex<World>,
}

#[derive(Default)]
struct World {
    /// The store's own time, as of the present unit.
    now: DateTime<Utc>,
    connections: BTreeMap<ConnectionId, Connection>,
    rules: BTreeMap<RuleId, Rule>,
    brakes: BTreeMap<Scope, Brake>,
    posts: BTreeMap<PostId, Post>,
    backfills: BTreeMap<RuleId, Backfill>,
    masters: BTreeMap<MasterId, Master>,
    cursors: BTreeMap<(TenantId, ConnectionId), Cursor>,
    reposts: BTreeMap<RepostId, Repost>,
    journals: BTreeMap<RepostId, Vec<Entry>>,
    jobs: BTreeMap<JobId, Job>,
    finished: BTreeMap<JobId, DateTime<Utc>>,
    /// Queued and running jobs by key.
    live: BTreeMap<String, JobId>,
    tenants: BTreeMap<TenantId, Tenant>,
    api_keys: BTreeMap<ApiKeyId, ApiKey>,
    audit: BTreeMap<(DateTime<Utc>, AuditId), AuditEntry>,
    answers: BTreeMap<IdempotencyKey, access::Record>,
    webhooks: BTreeMap<WebhookId, Webhook>,
    /// What was made of which source by which profile, the latest last.
    renditions: BTreeMap<MediaKey, Vec<(Profile, Media)>>,
}

impl Memory {
    /// An empty database whose own clock is this one.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let tenants = BTreeMap::from([(TenantId::OWNER, Tenant::owner(clock.now()))]);
        Arc::new(Self { clock, world: Mutex::new(World { tenants, ..World::default() }) })
    }

    /// Every job, for tests to look at.
    pub fn jobs(&self) -> Vec<Job> {
        self.lock().jobs.values().cloned().collect()
    }

    /// Looks at the jobs that are queued or running.
    pub fn look_at_live_jobs<T>(&self, look: impl FnOnce(&[&Job]) -> T) -> T {
        let world = self.lock();
        look(&world.live.values().filter_map(|id| world.jobs.get(id)).collect::<Vec<_>>())
    }

    /// Whether there is a repost of which this is true.
    pub fn any_repost(&self, test: impl FnMut(&Repost) -> bool) -> bool {
        self.lock().reposts.values().any(test)
    }

    /// Every rule, for tests to look at.
    pub fn all_rules(&self) -> Vec<Rule> {
        self.lock().rules.values().cloned().collect()
    }

    /// Every connection, for tests to look at.
    pub fn all_connections(&self) -> Vec<Connection> {
        self.lock().connections.values().cloned().collect()
    }

    /// Every brake that is on, for tests to look at.
    pub fn all_brakes(&self) -> Vec<Brake> {
        self.lock().brakes.values().cloned().collect()
    }

    /// Every post, for tests to look at.
    pub fn posts(&self) -> Vec<Post> {
        self.lock().posts.values().cloned().collect()
    }

    /// Every repost, for tests to look at.
    pub fn reposts(&self) -> Vec<Repost> {
        self.lock().reposts.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one atomic unit.
    fn unit<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let now = self.clock.now();
        let mut world = self.lock();
        world.now = now;
        work(&mut world)
    }
}

impl World {
    /// The job that a lease holds, or `LeaseLost`.
    fn leased(&mut self, lease: Lease, op: &'static str) -> Result<&mut Job> {
        self.jobs
            .get_mut(&lease.job)
            .filter(|job| job.epoch == lease.epoch && job.state == JobState::Running)
            .ok_or_else(|| Error::lease_lost(op))
    }

    fn live(&self, key: &str) -> Option<&Job> {
        self.live.get(key).and_then(|id| self.jobs.get(id))
    }

    fn enqueue(&mut self, new: &NewJob) {
        if self.live(&new.key).is_none() {
            let job = Job {
                new: new.clone(),
                state: JobState::Queued,
                attempts: 0,
                epoch: 0,
                leased_until: None,
                note: None,
            };
            self.live.insert(new.key.clone(), new.id);
            self.jobs.insert(new.id, job);
        }
    }

    /// Lets go of a job whose lease was checked.
    fn let_go(&mut self, id: JobId, finish: &Finish) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.leased_until = None;
        if !matches!(finish, Finish::Again { .. }) {
            self.live.remove(&job.new.key);
        }
        match finish {
            Finish::Done => {
                job.state = JobState::Done;
                job.note = None;
                self.finished.insert(id, now);
            }
            Finish::Again { run_at, attempts, note } => {
                job.state = JobState::Queued;
                job.new.run_at = *run_at;
                job.attempts = *attempts;
                job.note.clone_from(note);
            }
            Finish::Dead { note } => {
                job.state = JobState::Dead;
                job.note = Some(note.clone());
                self.finished.insert(id, now);
            }
        }
    }
}

/// Everything that in-memory [`Ports`] are made of, for tests and examples to reach into.
pub struct Bench {
    /// The database.
    pub memory: Arc<Memory>,
    /// The media store.
    pub media: Arc<MemoryMedia>,
    /// The clock.
    pub clock: Arc<ManualClock>,
    /// What was told.
    pub events: Arc<MemoryEvents>,
    /// The source.
    pub source: Arc<MemorySource>,
    /// The destinations.
    pub destinations: BTreeMap<Platform, Arc<MemoryDestination>>,
    /// What renews credentials.
    pub authorizers: BTreeMap<Platform, Arc<MemoryAuthorizer>>,
    /// The consent pages.
    pub consents: BTreeMap<AuthMethod, Arc<MemoryConsent>>,
    /// The endpoints.
    pub notifier: Arc<MemoryNotifier>,
    /// All of it, wired.
    pub ports: Ports,
}

impl Bench {
    /// Wires in-memory ports with a source on TikTok and a destination on each other platform. The same seed gives the
    /// same run.
    pub fn new(seed: u64, now: DateTime<Utc>) -> Self {
        let clock = Arc::new(ManualClock::new(now));
        let memory = Memory::new(clock.clone());
        let media = Arc::new(MemoryMedia::default());
        let events = Arc::new(MemoryEvents::default());
        let notifier = Arc::new(MemoryNotifier::default());
        let source = Arc::new(MemorySource::new(Platform::TikTok));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed));
        let others = [Platform::Instagram, Platform::YouTube, Platform::X];
        let time: Arc<dyn Clock> = clock.clone();
        let destinations: BTreeMap<_, _> = others
            .into_iter()
            .map(|platform| (platform, Arc::new(MemoryDestination::new(platform, Arc::clone(&time)))))
            .collect();
        let authorizers: BTreeMap<_, _> = Platform::ALL
            .into_iter()
            .map(|platform| (platform, Arc::new(MemoryAuthorizer::new(platform, Arc::clone(&time)))))
            .collect();
        let consents: BTreeMap<_, _> = AuthMethod::ALL
            .into_iter()
            .filter(|method| *method != AuthMethod::TiktokSession)
            .map(|method| (method, Arc::new(MemoryConsent::new(method))))
            .collect();
        let keys = KeyRing::parse("bench:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("a key of 32 bytes");
        let ports = Ports {
            scratch: Arc::new(MemoryScratch::new(Arc::clone(&time))),
            clock: time,
            entropy,
            keys: Arc::new(keys),
            limiter: Arc::new(MemoryLimiter::default()),
            wake: Arc::new(MemoryWake::default()),
            events: events.clone(),
            connections: memory.clone(),
            rules: memory.clone(),
            brakes: memory.clone(),
            posts: memory.clone(),
            reposts: memory.clone(),
            backfills: memory.clone(),
            masters: memory.clone(),
            jobs: memory.clone(),
            access: memory.clone(),
            audit: memory.clone(),
            answers: memory.clone(),
            census: memory.clone(),
            webhooks: memory.clone(),
            notifier: notifier.clone(),
            media: media.clone(),
            probe: media.clone(),
            converter: media.clone(),
            renditions: memory.clone(),
            sources: BTreeMap::from([(Platform::TikTok, source.clone() as Arc<dyn Source>)]),
            destinations: destinations
                .iter()
                .map(|(platform, destination)| (*platform, destination.clone() as Arc<dyn Destination>))
                .collect(),
            authorizers: authorizers
                .iter()
                .map(|(platform, authorizer)| (*platform, authorizer.clone() as Arc<dyn Authorizer>))
                .collect(),
            consents: consents.iter().map(|(method, consent)| (*method, consent.clone() as Arc<dyn Consent>)).collect(),
        };
        Self { memory, media, clock, events, source, destinations, authorizers, consents, notifier, ports }
    }
}

/// A future that is pending once.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
