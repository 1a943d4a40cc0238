//! What happens during a run: posts appear, processes die, freeze and come back, the database restarts, operators meddle.

use std::{
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::ExitStatus,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use autorepost_core::{id::TenantId, policy::Policy, port::RepostQuery};
use chrono::{DateTime, Utc};
use tokio::{
    task::{JoinSet, block_in_place},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    dice::Dice,
    postgres::free_port,
    process::Process,
    scene::{POSTS_ON_X, Scene, VIDEOS, Wanted, now},
};

/// Reposts on their way above which nothing new is posted: what is to drain at the end has a bound.
const BACKLOG_MAX: u32 = 60;
/// A process that is asked to stop this early may not have begun to listen to signals.
const EARLY: Duration = Duration::from_secs(3);
/// How long a word of an operator is said again before it counts as unheard.
const HEARD_MAX: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Tally {
    pub kills: AtomicU32,
    pub stops: AtomicU32,
    pub freezes: AtomicU32,
    pub zombies: AtomicU32,
    pub restarts: AtomicU32,
    pub hangs: AtomicU32,
    pub redis: AtomicU32,
    pub buckets: AtomicU32,
    pub commands: AtomicU32,
}

pub fn count(one: &AtomicU32) {
    one.fetch_add(1, Ordering::Relaxed);
}

/// A time in which a rule was paused for certain.
pub struct Pause {
    pub rule: &'static str,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

pub struct Stage {
    pub scene: Scene,
    pub seed: u64,
    pub tally: Tally,
    pub wanted: Mutex<Vec<Wanted>>,
    pub pauses: Mutex<Vec<Pause>>,
    /// Counts the database's comings and goings: odd while it is away.
    tide: AtomicU64,
    until: Instant,
}

/// The processes that are left when the chaos is over.
pub struct Crew {
    pub workers: Vec<Process>,
    pub api: Process,
}

impl Stage {
    pub fn new(scene: Scene, seed: u64, time: Duration) -> Arc<Self> {
        let wanted = Mutex::new(Scene::first_posts());
        let (tally, pauses, tide) = (Tally::default(), Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { scene, seed, tally, wanted, pauses, tide, until: Instant::now() + time })
    }

    fn dice(&self, name: &str) -> Dice {
        Dice::new(self.seed, name)
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Waits, at most until the chaos is over.
    async fn pace(&self, time: Duration) {
        sleep_until(self.until.min(Instant::now() + time)).await;
    }

    fn tide(&self) -> u64 {
        self.tide.load(Ordering::SeqCst)
    }

    /// Whether the database was there all the time since the tide was read.
    fn database_stayed(&self, tide: u64) -> bool {
        tide.is_multiple_of(2) && self.tide() == tide
    }

    /// Plays until the time is over, and answers with what runs then.
    pub async fn play(self: &Arc<Self>, workers: usize, old: Option<PathBuf>) -> Crew {
        let mut lives = JoinSet::new();
        for slot in 0..workers {
            let old = old.clone().filter(|_| slot == 0);
            lives.spawn(Arc::clone(self).live(format!("worker-{slot}"), old));
        }
        let mut others = JoinSet::new();
        let api = tokio::spawn(Arc::clone(self).serve());
        others.spawn(Arc::clone(self).post());
        others.spawn(Arc::clone(self).trouble_database());
        others.spawn(Arc::clone(self).trouble_redis());
        others.spawn(Arc::clone(self).trouble_bucket());
        others.spawn(Arc::clone(self).pause_rules());
        others.spawn(Arc::clone(self).meddle());
        while let Some(ended) = others.join_next().await {
            ended.unwrap();
        }
        let workers = lives.join_all().await;
        Crew { workers, api: api.await.unwrap() }
    }

    /// The lives of one worker.
    async fn live(self: Arc<Self>, name: String, old: Option<PathBuf>) -> Process {
        let mut dice = self.dice(&name);
        // The api has the one that is configured.
        let any = [("AUTOREPOST_LISTEN", "127.0.0.1:0")];
        loop {
            let (tide, born) = (self.tide(), Instant::now());
            let mut worker = match &old {
                // An older build may not know "worker"; as "run" it needs an address of its own.
                Some(old) => {
                    let listen = format!("127.0.0.1:{}", free_port());
                    self.scene.house.start(old, &name, &["run"], &[("AUTOREPOST_LISTEN", &listen)])
                }
                None => self.scene.house.start(&self.scene.house.program, &name, &["worker"], &any),
            };
            loop {
                let life = dice.millis(100..4_500);
                if !self.goes_on() {
                    return worker;
                }
                if let Some(status) = worker.ended_within(life).await {
                    assert!(!self.database_stayed(tide), "{name} ended by itself: {status}");
                    sleep(Duration::from_millis(100)).await;
                    break;
                }
                match dice.below(100) {
                    0..62 => {
                        worker.kill().await;
                        count(&self.tally.kills);
                        break;
                    }
                    62..74 => {
                        let status = worker.stop().await;
                        let fine = status.success() || was_early(status, born) || !self.database_stayed(tide);
                        assert!(fine, "{name} did not stop well: {status}");
                        count(&self.tally.stops);
                        break;
                    }
                    74..92 => {
                        worker.freeze();
                        sleep(dice.millis(20..6_000)).await;
                        worker.thaw();
                        count(&self.tally.freezes);
                    }
                    _ => {
                        worker.freeze();
                        sleep(dice.millis(lease() + 200..lease() + 4_000)).await;
                        worker.thaw();
                        count(&self.tally.zombies);
                    }
                }
            }
        }
    }

    /// The lives of the api.
    async fn serve(self: Arc<Self>) -> Process {
        let mut dice = self.dice("api");
        loop {
            let tide = self.tide();
            let mut api = self.scene.house.start(&self.scene.house.program, "api", &["api"], &[]);
            if !self.goes_on() {
                return api;
            }
            match api.ended_within(dice.millis(3_000..15_000)).await {
                Some(status) => {
                    assert!(!self.database_stayed(tide), "api ended by itself: {status}");
                    sleep(Duration::from_millis(100)).await;
                }
                None => {
                    api.kill().await;
                    count(&self.tally.kills);
                }
            }
        }
    }

    async fn post(self: Arc<Self>) {
        let mut dice = self.dice("posts");
        let states = vec!["planned", "preparing", "ready", "uploading", "processing", "committing", "waiting"];
        let query = RepostQuery { states, limit: BACKLOG_MAX, ..RepostQuery::default() };
        let mut number = 0;
        while self.goes_on() {
            let backlog = self.scene.database.reposts().list(TenantId::OWNER, &query).await;
            if backlog.is_ok_and(|backlog| backlog.len() < BACKLOG_MAX as usize) {
                let wanted = self.scene.post(number, &mut dice).await;
                self.wanted.lock().unwrap().push(wanted);
                number += 1;
            }
            self.pace(dice.millis(300..1_800)).await;
        }
    }

    async fn trouble_database(self: Arc<Self>) {
        let mut dice = self.dice("database");
        loop {
            self.pace(dice.millis(5_000..14_000)).await;
            if !self.goes_on() {
                return;
            }
            self.tide.fetch_add(1, Ordering::SeqCst);
            match dice.below(4) {
                0 => {
                    block_in_place(|| self.scene.postgres.freeze());
                    sleep(dice.millis(500..lease() + 3_000)).await;
                    block_in_place(|| self.scene.postgres.thaw());
                    count(&self.tally.hangs);
                }
                mode => {
                    let mode = if mode == 1 { "fast" } else { "immediate" };
                    block_in_place(|| self.scene.postgres.down(mode));
                    sleep(dice.millis(50..2_500)).await;
                    block_in_place(|| self.scene.postgres.up());
                    count(&self.tally.restarts);
                }
            }
            self.tide.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Redis is emptied, killed or frozen. Nobody may notice, but that everything is slower.
    async fn trouble_redis(self: Arc<Self>) {
        let Some(cloud) = &self.scene.cloud else { return };
        let mut dice = self.dice("redis");
        loop {
            self.pace(dice.millis(2_000..7_000)).await;
            if !self.goes_on() {
                return;
            }
            let time = dice.millis(100..4_000);
            match dice.below(3) {
                0 => drop(block_in_place(|| cloud.redis.cli(&["FLUSHALL"]))),
                1 => {
                    block_in_place(|| cloud.redis.kill());
                    sleep(time).await;
                    block_in_place(|| cloud.redis.up());
                }
                _ => {
                    block_in_place(|| cloud.redis.freeze());
                    sleep(time).await;
                    block_in_place(|| cloud.redis.thaw());
                }
            }
            count(&self.tally.redis);
        }
    }

    /// The bucket's server is killed, and is away for some ten seconds.
    async fn trouble_bucket(self: Arc<Self>) {
        let mut dice = self.dice("bucket");
        while self.scene.cloud.is_some() {
            self.pace(dice.millis(10_000..40_000)).await;
            if !self.goes_on() {
                return;
            }
            let stage = Arc::clone(&self);
            let time = dice.millis(1_000..6_000);
            // It waits for the server in its own way: not on a thread of the runtime.
            let turn = |up: bool| {
                let stage = Arc::clone(&stage);
                let turned = std::thread::spawn(move || match &stage.scene.cloud {
                    Some(cloud) if up => cloud.s3.up(),
                    Some(cloud) => cloud.s3.down(),
                    None => {}
                });
                block_in_place(|| turned.join()).unwrap();
            };
            turn(false);
            sleep(time).await;
            turn(true);
            count(&self.tally.buckets);
        }
    }

    async fn pause_rules(self: Arc<Self>) {
        let mut dice = self.dice("pauses");
        loop {
            self.pace(dice.millis(4_000..12_000)).await;
            if !self.goes_on() {
                return;
            }
            let rule = [VIDEOS, POSTS_ON_X][dice.below(2)];
            self.insist(&["rules", "pause", rule]).await;
            let from = now();
            // Some are long enough to tell what was let through from what was on its way.
            let time = if dice.percent(40) { 13_000..20_000 } else { 1_000..6_000 };
            self.pace(dice.millis(time)).await;
            let until = now();
            self.insist(&["rules", "resume", rule]).await;
            self.pauses.lock().unwrap().push(Pause { rule, from, until });
        }
    }

    /// Says something to the program until it is heard.
    async fn insist(&self, arguments: &[&str]) {
        let end = Instant::now() + HEARD_MAX;
        loop {
            count(&self.tally.commands);
            let output = self.scene.house.ask(arguments).await;
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(Instant::now() < end, "{arguments:?} is not heard: {said}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Operators look at things, and ask for what is there already.
    async fn meddle(self: Arc<Self>) {
        let mut dice = self.dice("operators");
        while self.goes_on() {
            let post = {
                let wanted = self.wanted.lock().unwrap();
                wanted[dice.below(wanted.len())].clone()
            };
            let arguments: &[&str] = match dice.below(6) {
                0 | 1 if post.everywhere() => &["repost", &post.id],
                2 => &["sync"],
                3 => &["explain", &post.id],
                4 => &["status"],
                _ => &["posts"],
            };
            count(&self.tally.commands);
            self.scene.house.ask(arguments).await;
            self.pace(dice.millis(500..3_000)).await;
        }
    }
}

/// How long a lease lasts, in milliseconds.
fn lease() -> u64 {
    Policy::brisk().lease.as_millis() as u64
}

/// Whether SIGTERM came before anybody listened.
fn was_early(status: ExitStatus, born: Instant) -> bool {
    const SIGTERM: i32 = 15;
    status.signal() == Some(SIGTERM) && born.elapsed() < EARLY
}
