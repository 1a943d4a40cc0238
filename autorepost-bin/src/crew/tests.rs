//! A crew whose database hangs, fails and takes leases away, around a job that never ends by itself.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use autorepost_core::{
    Error, Platform, Result,
    connection::{AccountId, AuthMethod, Connection, ConnectionStatus},
    credential::{Access, Credential, binding},
    id::{ConnectionId, TenantId},
    job::{JobState, sync_key},
    memory::{Bench, Memory},
    policy::Policy,
    port::{Clock as _, ConnectionStore, Fetched, JobQueue, JobStats, Listing, Source},
    post::FoundPost,
    seal::SealedToken,
};
use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;

use super::*;
use crate::ambient::SystemClock;

const LEASE: Duration = Duration::from_secs(2);
/// How long a test waits for what must happen.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A source that never answers.
#[derive(Default)]
struct Endless {
    asked: AtomicU32,
    dropped: Arc<AtomicBool>,
}

struct Told(Arc<AtomicBool>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Source for Endless {
    fn platform(&self) -> Platform {
        Platform::TikTok
    }

    async fn list(&self, _: &Access, _: Option<&str>) -> Result<Listing> {
        let _told = Told(Arc::clone(&self.dropped));
        self.asked.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }

    async fn fetch(&self, _: &Access, _: &FoundPost) -> Result<Fetched> {
        std::future::pending().await
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// Answers nothing.
    Hangs,
    /// Refuses everything.
    Fails,
    /// Says that every lease is lost.
    Takes,
}

/// A queue with moods.
struct Moody {
    memory: Arc<dyn JobQueue>,
    mood: Mutex<Mood>,
    beats: AtomicU32,
}

impl Moody {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    async fn bear(&self) -> Result<()> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well | Mood::Takes => Ok(()),
            Mood::Fails => Err(Error::unavailable("ask", "the database is gone")),
            Mood::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait]
impl JobQueue for Moody {
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<()> {
        self.memory.enqueue(jobs).await
    }

    async fn claim(&self, kinds: &[JobKind], max: u32, lease: Duration) -> Result<Vec<Job>> {
        self.bear().await?;
        self.memory.claim(kinds, max, lease).await
    }

    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>> {
        self.bear().await?;
        self.beats.fetch_add(1, Ordering::SeqCst);
        if *self.mood.lock().unwrap() == Mood::Takes {
            return Ok(leases.to_vec());
        }
        self.memory.heartbeat(leases, lease).await
    }

    async fn finish(&self, lease: Lease, finish: &Finish) -> Result<()> {
        self.memory.finish(lease, finish).await
    }

    async fn hasten(&self, names: &[String]) -> Result<()> {
        self.memory.hasten(names).await
    }

    async fn find(&self, key: &str) -> Result<Option<Job>> {
        self.memory.find(key).await
    }

    async fn stats(&self) -> Result<Vec<JobStats>> {
        self.memory.stats().await
    }

    async fn next_due(&self) -> Result<Option<DateTime<Utc>>> {
        self.bear().await?;
        self.memory.next_due().await
    }

    async fn dead(&self, limit: u32) -> Result<Vec<Job>> {
        self.memory.dead(limit).await
    }

    async fn replay(&self, job: JobId) -> Result<bool> {
        self.memory.replay(job).await
    }

    async fn prune(&self, age: Duration, limit: u32) -> Result<u64> {
        self.memory.prune(age, limit).await
    }
}

/// A crew at work on a look at a source that never answers.
struct Scene {
    queue: Arc<Moody>,
    source: Arc<Endless>,
    worker: Arc<Worker>,
    key: String,
}

impl Scene {
    async fn set() -> Self {
        let mut ports = Bench::new(1, DateTime::UNIX_EPOCH).ports;
        let memory = Memory::new(Arc::new(SystemClock));
        let source = Arc::new(Endless::default());
        let queue = Arc::new(Moody { memory: memory.clone(), mood: Mutex::new(Mood::Well), beats: AtomicU32::new(0) });
        ports.clock = Arc::new(SystemClock);
        ports.jobs = queue.clone();
        ports.connections = memory.clone();
        ports.sources.insert(Platform::TikTok, source.clone());
        let now = ports.clock.now();
        let mut connection = Connection {
            id: ConnectionId::new(now, [1; 10]),
            tenant: TenantId::OWNER,
            platform: Platform::TikTok,
            account: AccountId::new("1"),
            handle: "creator".into(),
            method: AuthMethod::TiktokSession,
            credential: SealedToken::try_from("v1.bench.later".to_owned()).unwrap(),
            scopes: Vec::new(),
            expires_at: None,
            status: ConnectionStatus::Active,
            status_detail: None,
            paused: false,
            resumed_at: None,
            lists_for: None,
            warned_days: None,
            created_at: now,
            renewed_at: now,
            version: 0,
        };
        let jar = Credential::Cookies { jar: "jar".into() };
        connection.credential = jar.seal(&ports.keys, &binding(&connection), [1; 12]).unwrap();
        let sync = NewJob::sync(JobId::new(now, [2; 10]), &connection, now);
        memory.connect(&connection, &[sync]).await.unwrap();
        let policy = Policy { lease: LEASE, ..Policy::brisk() };
        let key = sync_key(connection.id);
        Self { queue, source, worker: Arc::new(Worker::new(ports, policy, "crew")), key }
    }

    /// Sets the crew to work, and waits until it does the job.
    async fn begin(&self, grace: Duration) -> (watch::Sender<bool>, JoinHandle<Result<()>>) {
        let (stop, stopped) = watch::channel(false);
        let crew = tokio::spawn(work_within(Arc::clone(&self.worker), Arc::default(), stopped, grace));
        until("the job runs", || self.source.asked.load(Ordering::SeqCst) > 0).await;
        (stop, crew)
    }

    fn dropped(&self) -> bool {
        self.source.dropped.load(Ordering::SeqCst)
    }

    async fn job(&self) -> Job {
        self.queue.find(&self.key).await.unwrap().expect("it lives for ever")
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_keep_a_job_for_longer_than_a_lease() {
    let scene = Scene::set().await;
    let (_stop, _crew) = scene.begin(GRACE).await;
    let epoch = scene.job().await.epoch;
    until("two leases' worth of heartbeats", || scene.queue.beats.load(Ordering::SeqCst) > 2 * BEATS).await;
    assert!(!scene.dropped());
    let job = scene.job().await;
    assert_eq!((job.state, job.epoch), (JobState::Running, epoch));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_dropped_before_its_lease_ends_when_the_database_hangs() {
    dropped_in(Mood::Hangs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_dropped_before_its_lease_ends_when_the_database_is_gone() {
    dropped_in(Mood::Fails).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_dropped_as_soon_as_its_lease_is_known_to_be_lost() {
    let took = dropped_in(Mood::Takes).await;
    assert!(took < LEASE * 3 / 4, "{took:?}");
}

async fn dropped_in(mood: Mood) -> Duration {
    let scene = Scene::set().await;
    let (_stop, _crew) = scene.begin(GRACE).await;
    scene.queue.set(mood);
    let began = Instant::now();
    until("the job is dropped", || scene.dropped()).await;
    let took = began.elapsed();
    assert!(took < LEASE, "{took:?}");
    took
}

#[tokio::test]
async fn a_process_that_wakes_up_too_late_does_not_take_one_more_step() {
    let scene = Scene::set().await;
    let jobs = scene.worker.claim(&[JobKind::TiktokSync], 1).await.unwrap();
    let held = Arc::new(Held::default());
    let holding = held.add(&jobs[0], Instant::now());
    run(Arc::clone(&scene.worker), jobs[0].clone(), holding).await;
    assert_eq!(scene.source.asked.load(Ordering::SeqCst), 0);
    assert!(held.all().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_keeps_the_leases_of_what_still_runs_and_puts_back_what_does_not_end() {
    let scene = Scene::set().await;
    let (stop, crew) = scene.begin(LEASE * 2).await;
    let before = scene.job().await;
    stop.send_replace(true);
    let beats = scene.queue.beats.load(Ordering::SeqCst);
    timeout(WAIT_MAX, crew).await.expect("it stops").unwrap().unwrap();
    assert!(scene.queue.beats.load(Ordering::SeqCst) > beats + BEATS, "no heartbeats while it stopped");
    assert!(scene.dropped());
    let job = scene.job().await;
    assert_eq!((job.state, job.epoch, job.attempts), (JobState::Queued, before.epoch, before.attempts));
    assert!(job.new.run_at <= SystemClock.now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_hangs_does_not_keep_it_from_stopping() {
    let scene = Scene::set().await;
    let (stop, crew) = scene.begin(Duration::ZERO).await;
    scene.queue.set(Mood::Hangs);
    until("the job is dropped, and the next claim hangs", || scene.dropped()).await;
    stop.send_replace(true);
    timeout(CLAIM_GRACE * 4, crew).await.expect("it stops").unwrap().unwrap();
}

/// However many looks at sources hang, a preparation is done; and no more of them run than there are places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_hangs_takes_only_the_places_of_its_own_kinds() {
    let scene = Scene::set().await;
    let sync = scene.job().await.new;
    let named = |number: usize| NewJob {
        id: JobId::new(sync.run_at, [number as u8 + 10; 10]),
        key: format!("job-{number}"),
        lane: format!("lane-{number}"),
        ..sync.clone()
    };
    let syncs: Vec<_> = (0..2 * OTHERS_MAX).map(named).collect();
    scene.queue.enqueue(&syncs).await.unwrap();
    let (_stop, _crew) = scene.begin(Duration::ZERO).await;
    until("all places are taken", || scene.source.asked.load(Ordering::SeqCst) as usize >= OTHERS_MAX - 1).await;
    let prep = NewJob { kind: JobKind::RepostPrep, ..named(100) };
    scene.queue.enqueue(std::slice::from_ref(&prep)).await.unwrap();
    let end = Instant::now() + WAIT_MAX;
    while scene.queue.find(&prep.key).await.unwrap().is_some_and(|job| job.state != JobState::Done) {
        assert!(Instant::now() < end, "the preparation waits for looks at sources");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(scene.source.asked.load(Ordering::SeqCst) as usize <= OTHERS_MAX);
}
