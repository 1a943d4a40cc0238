//! A whole installation: processes, the database, the platforms, the operators; and what moves it by one act.

mod deeds;
mod watch;

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use autorepost_core::{
    Platform,
    brake::Scope,
    connection::{AccountId, AuthMethod, Connection, ConnectionStatus},
    credential::Credential,
    id::{ConnectionId, JobId, RuleId, TenantId},
    job::{Job, JobKind, JobState, Lease, NewJob},
    memory::{ManualClock, Memory, MemoryNotifier, MemoryScratch, MemoryWake, Repeat, SeededEntropy},
    operator::{Operator, Settled},
    policy::{Policy, after},
    port::{Authorizer, ConnectionStore, Destination, EntropyExt, JobQueue, Ports, RuleStore, Source},
    rule::{DestinationSpec, HashtagRule, Options, Privacy, ReplySettings, Rule, RuleSpec, RuleState},
    seal::{Binding, KeyRing, Purpose},
    state::RepostState,
    worker::Worker,
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    accounts::{Feed, Grants, Renewal},
    act::Setting,
    block_on,
    door::Door,
    hub::{Hub, LocalClock, secs},
    sabotage::Sabotage,
    shelf::{Budgets, Shelf},
    sites::{Site, Traits},
};

pub const TARGETS: [Platform; 3] = [Platform::Instagram, Platform::YouTube, Platform::X];
const OWNER: TenantId = TenantId::OWNER;
/// How often operators look whether something needs them.
const OPERATORS_LOOK: TimeDelta = TimeDelta::minutes(15);
/// Tasks that one process runs at once.
const TASKS_MAX: usize = 4;
const OLD_KEY: &str = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW_KEY: &str = "two:HxAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=";

/// A process: its worker, its clock, and whether it is stopped.
struct Process {
    worker: Arc<Worker>,
    clock: Arc<LocalClock>,
    frozen: u32,
    /// Since when it sleeps until everything is done without it.
    asleep_since: Option<DateTime<Utc>>,
}

struct Task {
    /// The process that it dies with; nothing for an operator's command.
    process: Option<usize>,
    job: Arc<Mutex<Option<Job>>>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// What strikes a process at a chosen await.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// It is killed.
    Kill,
    /// It sleeps until everything is done without it; and its clock is set back meanwhile, so that it sees no time go by.
    Sleep,
}

/// The keys that a process has when it starts; the first seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Old,
    Both,
    New,
}

pub struct World {
    pub hub: Arc<Hub>,
    pub feed: Arc<Feed>,
    pub sites: BTreeMap<Platform, Arc<Site>>,
    pub grants: Arc<Grants>,
    pub policy: Policy,
    pub accounts: Vec<Connection>,
    pub rules: Vec<RuleId>,
    /// Rules that are to be added.
    to_add: Vec<(&'static str, RuleSpec)>,
    base: Ports,
    processes: Vec<Process>,
    tasks: Vec<Task>,
    keys: Keys,
    born: u64,
    pub polls: u64,
    /// Polls right after which the polled task's process is struck.
    pub crash_at: Vec<u64>,
    /// What strikes it.
    pub blow: Blow,
    pub crashed_in: Vec<String>,
    hourly_cap: Option<u32>,
    anomalies: bool,
}

pub fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_000, 0).unwrap()
}

impl World {
    pub fn new(seed: u64, setting: &Setting, sabotage: Option<Sabotage>, loud: bool) -> Self {
        let clock = Arc::new(ManualClock::new(start()));
        let memory = Memory::new(clock.clone());
        let access = memory.clone();
        let hub = Hub::new(clock.clone(), memory, sabotage, loud);
        let grants = Arc::new(Grants::default());
        let feed = Feed::new(hub.clone());
        let traits = |platform| Traits {
            repeat: setting.repeat,
            read_lag: secs(setting.read_lag_secs),
            polls: if platform == Platform::YouTube { 0 } else { 1 },
        };
        let sites: BTreeMap<_, _> = TARGETS
            .into_iter()
            .map(|platform| (platform, Site::new(platform, hub.clone(), traits(platform), grants.clone())))
            .collect();
        let authorizers = Platform::ALL.into_iter().map(|platform| {
            let renewal = Renewal { platform, hub: hub.clone(), grants: grants.clone() };
            (platform, Arc::new(renewal) as Arc<dyn Authorizer>)
        });
        let keys = Arc::new(KeyRing::parse(&format!("{OLD_KEY},{NEW_KEY}")).unwrap());
        let door =
            Arc::new(Door { hub: hub.clone(), keys: keys.clone(), grants: grants.clone(), held: Mutex::default() });
        let shelf = Arc::new(Shelf::default());
        let base = Ports {
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(seed)),
            keys,
            limiter: Arc::new(Budgets::default()),
            wake: Arc::new(MemoryWake::default()),
            scratch: Arc::new(MemoryScratch::new(clock.clone())),
            events: hub.clone(),
            connections: door.clone(),
            rules: door.clone(),
            brakes: door.clone(),
            posts: door.clone(),
            reposts: door.clone(),
            jobs: door.clone(),
            renditions: door,
            access: access.clone(),
            audit: access.clone(),
            answers: access.clone(),
            census: access.clone(),
            backfills: access.clone(),
            masters: access.clone(),
            webhooks: access,
            notifier: Arc::new(MemoryNotifier::default()),
            media: shelf.clone(),
            probe: shelf.clone(),
            converter: shelf,
            sources: BTreeMap::from([(Platform::TikTok, feed.clone() as Arc<dyn Source>)]),
            destinations: sites
                .iter()
                .map(|(platform, site)| (*platform, site.clone() as Arc<dyn Destination>))
                .collect(),
            authorizers: authorizers.collect(),
            consents: BTreeMap::new(),
        };
        let mut policy = Policy {
            sync_pages_max: 2,
            sync_overlap: secs(2 * 3600),
            sync_min: secs(240),
            sync_max: secs(1_200),
            audit_every: secs(2 * 3600),
            upkeep_every: secs(1_800),
            inspect_first: secs(120),
            inspect_last: secs(1_800),
            anomaly_max: setting.anomaly_max,
            recheck_after: secs(600),
            ..Policy::default()
        };
        if sabotage == Some(Sabotage::NoOverlap) {
            policy.sync_overlap = Duration::ZERO;
        }
        let mut world = Self {
            hub,
            feed,
            sites,
            grants,
            policy,
            accounts: Vec::new(),
            rules: Vec::new(),
            to_add: Vec::new(),
            base,
            processes: Vec::new(),
            tasks: Vec::new(),
            keys: Keys::Old,
            born: 0,
            polls: 0,
            crash_at: Vec::new(),
            blow: Blow::Kill,
            crashed_in: Vec::new(),
            hourly_cap: setting.hourly_cap,
            anomalies: setting.anomaly_max < 1000,
        };
        world.set_up(setting);
        world
    }

    fn set_up(&mut self, setting: &Setting) {
        block_on(Operator::new(&self.base, OWNER, "owner").add_webhook("https://example.com", &[])).unwrap();
        for platform in Platform::ALL {
            let account = self.connect(platform, ConnectionId::new(start(), self.base.entropy.bytes()));
            self.accounts.push(account);
        }
        let mut spec = RuleSpec {
            filters: Default::default(),
            destinations: self.accounts[1..].iter().map(destination).collect(),
            delay_secs: 0,
            hourly_cap: setting.hourly_cap,
            shadow: false,
            on_source_deleted: Default::default(),
            mentions: Default::default(),
        };
        self.to_add.push(("everything", spec.clone()));
        if setting.twin_rule {
            spec.destinations.truncate(2);
            self.to_add.push(("twin", spec));
        }
        if !setting.late_rules {
            self.add_rules();
        }
        let upkeep = NewJob::upkeep(JobId::new(start(), self.base.entropy.bytes()), start());
        block_on(self.hub.memory.enqueue(&[upkeep])).unwrap();
        (0..setting.processes).for_each(|_| self.spawn());
    }

    fn add_rules(&mut self) {
        for (name, spec) in std::mem::take(&mut self.to_add) {
            let created_at = self.hub.now();
            let id = RuleId::new(created_at, self.base.entropy.bytes());
            let (tenant, state, source) = (OWNER, RuleState::Active, self.accounts[0].id);
            let rule = Rule { id, tenant, name: name.into(), source, state, spec, created_at, version: 0 };
            block_on(RuleStore::insert(self.hub.memory.as_ref(), &rule)).unwrap();
            self.rules.push(id);
        }
    }

    /// A person signs in.
    fn connect(&self, platform: Platform, id: ConnectionId) -> Connection {
        let now = self.hub.now();
        let (method, credential) = match platform {
            Platform::TikTok => (AuthMethod::TiktokSession, Credential::Cookies { jar: "jar".into() }),
            Platform::Instagram => (AuthMethod::FacebookLogin, self.grants.login(platform)),
            Platform::YouTube => (AuthMethod::Google, self.grants.login(platform)),
            Platform::X => (AuthMethod::XOauth1, self.grants.login(platform)),
        };
        let binding = Binding { tenant: OWNER, connection: id, purpose: Purpose::Credential };
        let connection = Connection {
            id,
            tenant: OWNER,
            platform,
            account: AccountId::new(format!("{platform}-account")),
            handle: "alice".into(),
            method,
            credential: credential.seal(&self.ring(), &binding, self.base.entropy.bytes()).unwrap(),
            scopes: Vec::new(),
            expires_at: Some(now + TimeDelta::hours(1)),
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
        let jobs = NewJob::perpetual(&connection, now, || JobId::new(now, self.base.entropy.bytes()));
        let stored = block_on(self.hub.memory.connect(&connection, &jobs)).unwrap();
        self.hub.reconnected(platform, stored.account.as_str());
        let keys: Vec<_> = jobs.iter().map(|job| job.key.clone()).collect();
        block_on(self.hub.memory.hasten(&keys)).unwrap();
        stored
    }

    fn ring(&self) -> Arc<KeyRing> {
        let text = match self.keys {
            Keys::Old => format!("{OLD_KEY},{NEW_KEY}"),
            Keys::Both => format!("{NEW_KEY},{OLD_KEY}"),
            Keys::New => NEW_KEY.to_owned(),
        };
        Arc::new(KeyRing::parse(&text).unwrap())
    }

    fn worker(&mut self, clock: &Arc<LocalClock>) -> Arc<Worker> {
        self.born += 1;
        let ports = Ports { clock: clock.clone(), keys: self.ring(), ..self.base.clone() };
        Arc::new(Worker::new(ports, self.policy.clone(), format!("process-{}", self.born)))
    }

    fn spawn(&mut self) {
        let clock = LocalClock::new(self.hub.clock.clone());
        let worker = self.worker(&clock);
        self.processes.push(Process { worker, clock, frozen: 0, asleep_since: None });
    }

    fn claim(&mut self, process: usize) {
        let running = self.tasks.iter().filter(|task| task.process == Some(process)).count();
        if running >= TASKS_MAX || self.processes[process].frozen > 0 {
            return;
        }
        let (worker, claimed) = (self.processes[process].worker.clone(), Arc::<Mutex<Option<Job>>>::default());
        let told = claimed.clone();
        let future = Box::pin(async move {
            for job in worker.claim(&JobKind::ALL, 1).await.unwrap_or_default() {
                *told.lock().unwrap() = Some(job.clone());
                worker.run(job).await;
            }
        });
        self.tasks.push(Task { process: Some(process), job: claimed, future });
    }

    fn poll(&mut self, n: u16) {
        for process in &mut self.processes {
            process.frozen = process.frozen.saturating_sub(1);
        }
        let able: Vec<usize> = (0..self.tasks.len()).filter(|at| self.is_awake(&self.tasks[*at])).collect();
        if able.is_empty() {
            return;
        }
        self.polls += 1;
        let at = able[usize::from(n) % able.len()];
        let crashing = self.crash_at.contains(&self.polls).then(|| (self.label(at), self.tasks[at].process));
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(()) = self.tasks[at].future.as_mut().poll(&mut cx) {
            drop(self.tasks.swap_remove(at));
        }
        if let Some((label, process)) = crashing {
            self.hub.say(|| format!("crash in {label}"));
            self.crashed_in.push(label);
            match (process, self.blow) {
                (None, _) => {}
                (Some(process), Blow::Kill) => self.crash(process),
                (Some(process), Blow::Sleep) => {
                    self.processes[process].frozen = u32::MAX;
                    self.processes[process].asleep_since = Some(self.hub.now());
                }
            }
        }
    }

    fn is_awake(&self, task: &Task) -> bool {
        task.process.is_none_or(|process| self.processes[process].frozen == 0)
    }

    /// Wakes the processes that sleep until everything is done; `false` when there are none.
    fn wake(&mut self) -> bool {
        let mut woken = false;
        for process in &mut self.processes {
            if let Some(since) = process.asleep_since.take() {
                process.frozen = 0;
                process.clock.jump((since - self.hub.now()).num_milliseconds());
                woken = true;
            }
        }
        woken
    }

    /// What a task does: the kind of its job, and the platform that it works on.
    fn label(&self, at: usize) -> String {
        let job = self.tasks[at].job.lock().unwrap();
        let Some(job) = job.as_ref() else { return "claim".into() };
        let repost = self.hub.memory.reposts().into_iter().find(|repost| repost.id.uuid() == job.new.subject);
        match repost.filter(|_| job.new.kind == JobKind::RepostPublish) {
            Some(repost) => format!("{} to {}", job.new.kind, repost.key.platform),
            None => job.new.kind.to_string(),
        }
    }

    /// The process is gone, and another takes its place.
    fn crash(&mut self, process: usize) {
        self.tasks.retain(|task| task.process != Some(process));
        let clock = self.processes[process].clock.clone();
        let worker = self.worker(&clock);
        self.processes[process] = Process { worker, clock, frozen: 0, asleep_since: None };
    }

    /// The process extends its leases, and drops what it has lost.
    fn beat(&mut self, process: usize) {
        if self.processes[process].frozen > 0 {
            return;
        }
        let held = |task: &Task| {
            let job = task.job.lock().unwrap();
            job.as_ref().filter(|_| task.process == Some(process)).map(Job::lease)
        };
        let leases: Vec<Lease> = self.tasks.iter().filter_map(held).collect();
        if let Ok(lost) = block_on(self.processes[process].worker.heartbeat(&leases)) {
            self.tasks.retain(|task| !held(task).is_some_and(|lease| lost.contains(&lease)));
        }
    }

    /// Nothing more goes wrong than what is on its way already, and the operators undo what they did.
    pub fn calm(&mut self) {
        (0..self.feed.posts().len()).for_each(|at| self.feed.show(at));
        self.add_rules();
        // Commands that are not done by now died with their terminals.
        self.tasks.retain(|task| task.process.is_some());
        for process in &mut self.processes {
            process.frozen = 0;
        }
        self.settle_down();
        self.retire_old_key();
    }

    /// As the operators do it: every process has both keys, everything is sealed anew, and then the old key is taken away.
    fn retire_old_key(&mut self) {
        if self.keys == Keys::Old {
            return;
        }
        (0..self.processes.len()).for_each(|process| self.crash(process));
        let ports = Ports { keys: self.ring(), ..self.base.clone() };
        let flaws = self.hub.put_store_flaws_aside();
        let result = block_on(Operator::new(&ports, OWNER, "operator").reseal()).unwrap();
        self.hub.put_store_flaws_back(flaws);
        if let Some(broken) = result.broken.first() {
            self.hub.broken(format!("a credential opens with no key: {broken}"));
        }
        self.keys = Keys::New;
        (0..self.processes.len()).for_each(|process| self.crash(process));
    }

    /// What the operators see to whenever they look: nothing stays held, dead or in doubt.
    fn settle_down(&mut self) {
        let ports = Ports { keys: self.ring(), ..self.base.clone() };
        let operator = Operator::new(&ports, OWNER, "operator");
        // Nothing of this is cut: what was to be cut is for the processes.
        let flaws = self.hub.put_store_flaws_aside();
        block_on(async {
            operator.go_on(Scope::Everything).await.unwrap();
            for id in &self.rules {
                set_rule(&operator, *id, |rule| {
                    if rule.state == RuleState::Paused {
                        rule.state = RuleState::Active;
                    }
                    rule.spec.destinations.iter_mut().for_each(|spec| spec.paused = false);
                })
                .await;
            }
            for account in &self.accounts {
                let stored = ports.connections.get(OWNER, account.id).await.unwrap().unwrap();
                if stored.paused {
                    operator.set_paused(account.platform.as_str(), false).await.unwrap();
                }
                if !stored.status.is_usable() {
                    self.connect(account.platform, account.id);
                }
            }
        });
        for repost in self.hub.memory.reposts() {
            if let RepostState::Unconfirmed { attempt, .. } = &repost.state {
                let shown = self.sites[&repost.key.platform].shown();
                let mine = shown.iter().find(|shown| shown.ticket == attempt.ticket.handle);
                let seen = match mine {
                    Some(shown) => Settled::Published { id: Some(shown.id.clone()), url: None },
                    None => Settled::Absent,
                };
                block_on(async {
                    let post = operator.post(&repost.key.post).await.unwrap();
                    operator.settle(&post, repost.connection, seen).await.unwrap();
                });
            }
        }
        self.hub.put_store_flaws_back(flaws);
    }

    /// Runs everything fairly until nothing is left to do; `false` when that does not come.
    pub fn drain(&mut self, rounds_max: u32) -> bool {
        let calm_at = self.hub.now();
        let (mut looked_at, mut turn) = (calm_at, 0);
        for _ in 0..rounds_max {
            if !self.tasks.iter().any(|task| self.is_awake(task)) {
                if self.hub.now() - looked_at >= OPERATORS_LOOK {
                    self.look_for_delays(calm_at);
                    self.look_for_needless_stops();
                    self.settle_down();
                    looked_at = self.hub.now();
                }
                if self.is_done() {
                    match self.wake() {
                        true => continue,
                        false => return true,
                    }
                }
                self.skip_idle_time();
                turn = (turn + 1) % self.processes.len();
                self.claim(turn);
            }
            let mut round = self.tasks.len();
            while round > 0 {
                round -= 1;
                self.poll(u16::try_from(round).unwrap());
            }
        }
        false
    }

    /// A little time passes while there is work; else as much as it takes until something can be claimed.
    fn skip_idle_time(&self) {
        let now = self.hub.now();
        let next = self.hub.memory.look_at_live_jobs(|jobs| {
            let held = |lane: &str| jobs.iter().any(|job| job.state == JobState::Running && job.new.lane == lane);
            let times = jobs.iter().filter(|job| self.hub.runs(job.new.kind)).filter_map(|job| match job.state {
                JobState::Queued if !held(&job.new.lane) => Some(job.new.run_at),
                JobState::Running => job.leased_until,
                _ => None,
            });
            times.min()
        });
        let little = after(now, Duration::from_millis(100));
        self.hub.clock.set(next.unwrap_or(little).max(little));
    }
}

async fn set_rule(operator: &Operator<'_>, id: RuleId, change: impl Fn(&mut Rule)) {
    for _ in 0..8 {
        let Ok(Some(mut rule)) = operator.ports().rules.get(OWNER, id).await else { return };
        if rule.state == RuleState::Removed {
            return;
        }
        let before = rule.clone();
        change(&mut rule);
        if rule == before || operator.ports().rules.update(&rule).await.is_ok() {
            return;
        }
    }
}

fn destination(connection: &Connection) -> DestinationSpec {
    let text: String = "{caption}".into();
    let options = match connection.platform {
        Platform::Instagram => Options::Instagram { caption: text, share_to_feed: true, cover_offset_ms: None },
        Platform::YouTube => Options::YouTube {
            title: "{title}".into(),
            description: text,
            tags: Vec::new(),
            privacy: Privacy::Public,
            made_for_kids: false,
            category_id: "22".into(),
            notify_subscribers: true,
            thumbnail_offset_ms: None,
        },
        _ => Options::X { text, reply_settings: ReplySettings::Everyone },
    };
    DestinationSpec { connection: connection.id, paused: false, hashtags: HashtagRule::Keep, trim: false, options }
}

/// Changes what a rule asks of a destination, and back.
fn edit(spec: &mut DestinationSpec) {
    match &mut spec.options {
        Options::Instagram { share_to_feed, .. } => *share_to_feed = !*share_to_feed,
        Options::YouTube { privacy, .. } => {
            *privacy = if *privacy == Privacy::Public { Privacy::Unlisted } else { Privacy::Public };
        }
        Options::X { reply_settings, .. } => {
            *reply_settings = match reply_settings {
                ReplySettings::Everyone => ReplySettings::Following,
                _ => ReplySettings::Everyone,
            };
        }
    }
}

impl Setting {
    /// The gentlest world: one process, nothing special.
    pub fn plain() -> Self {
        Self {
            processes: 1,
            repeat: Repeat::Error,
            read_lag_secs: 0,
            hourly_cap: None,
            anomaly_max: 1000,
            twin_rule: false,
            late_rules: false,
        }
    }
}
