//! A small installation on in-memory ports: one TikTok account, three destinations, one rule.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use autorepost_core::{
    Platform,
    connection::{AccountId, AuthMethod, Connection, ConnectionStatus},
    credential::Credential,
    id::{ConnectionId, JobId, RuleId, TenantId},
    job::{JobKind, NewJob},
    memory::Bench,
    policy::Policy,
    port::{Clock, ConnectionStore, EntropyExt, RuleStore},
    post::{FoundPost, PostKind},
    repost::Repost,
    rule::{DestinationSpec, HashtagRule, Options, Privacy, ReplySettings, Rule, RuleSpec, RuleState},
    seal::{Binding, Purpose},
    worker::Worker,
};
use chrono::{DateTime, TimeDelta, Utc};

/// Runs a future that never waits for anything but itself.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

pub fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_000, 0).unwrap()
}

pub struct Installation {
    pub bench: Bench,
    pub worker: Worker,
    pub source: Connection,
    pub destinations: Vec<Connection>,
    pub rule: RuleId,
}

impl Installation {
    /// Everything connected, and one rule to all destinations.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    /// The same, with the rule's spec changed.
    pub fn with(seed: u64, change: impl FnOnce(&mut RuleSpec)) -> Self {
        Self::of(seed, AuthMethod::TiktokSession, change)
    }

    /// The same, with a source that is connected in this way.
    pub fn of(seed: u64, method: AuthMethod, change: impl FnOnce(&mut RuleSpec)) -> Self {
        let bench = Bench::new(seed, start());
        let source = connect(&bench, Platform::TikTok, method);
        let destinations = vec![
            connect(&bench, Platform::Instagram, AuthMethod::FacebookLogin),
            connect(&bench, Platform::YouTube, AuthMethod::Google),
            connect(&bench, Platform::X, AuthMethod::XOauth1),
        ];
        let mut spec = RuleSpec {
            filters: Default::default(),
            destinations: destinations.iter().map(destination).collect(),
            delay_secs: 0,
            hourly_cap: None,
            shadow: false,
            on_source_deleted: Default::default(),
            mentions: Default::default(),
        };
        change(&mut spec);
        let rule = add_rule(&bench, "everything", &source, spec);
        let worker = Worker::new(bench.ports.clone(), Policy::default(), "worker-1");
        Self { bench, worker, source, destinations, rule }
    }

    /// Adds a post that was made so many seconds before the start; its bytes are its own.
    pub fn post(&self, key: &str, secs_ago: i64) -> FoundPost {
        let post = found(key, start() - TimeDelta::seconds(secs_ago));
        self.bench.source.add(post.clone(), format!("bytes of {key}"));
        post
    }

    /// Runs every due job, moving the clock from one due time to the next, until `span` has passed.
    pub fn run_for(&self, span: Duration) {
        let end = self.bench.clock.now() + TimeDelta::from_std(span).unwrap();
        loop {
            let jobs = block_on(self.worker.claim(&JobKind::ALL, 10)).unwrap();
            if !jobs.is_empty() {
                jobs.into_iter().for_each(|job| block_on(self.worker.run(job)));
                continue;
            }
            match block_on(self.bench.ports.jobs.next_due()).unwrap() {
                Some(due) if due <= end => self.bench.clock.set(due.max(self.bench.clock.now())),
                _ => {
                    self.bench.clock.set(end);
                    return;
                }
            }
        }
    }

    pub fn reposts(&self) -> Vec<Repost> {
        self.bench.memory.reposts()
    }

    /// The names of the states of a post's reposts: Instagram, YouTube, X.
    pub fn states(&self, key: &str) -> Vec<&'static str> {
        let reposts = self.reposts();
        [Platform::Instagram, Platform::YouTube, Platform::X]
            .into_iter()
            .filter_map(|platform| {
                reposts.iter().find(|repost| repost.key.post == key && repost.key.platform == platform)
            })
            .map(|repost| repost.state.name())
            .collect()
    }

    pub fn repost(&self, key: &str, platform: Platform) -> Repost {
        let wanted = |repost: &&Repost| repost.key.post == key && repost.key.platform == platform;
        self.reposts().iter().find(wanted).expect("the repost exists").clone()
    }

    /// How many posts each destination shows: Instagram, YouTube, X.
    pub fn shown(&self) -> Vec<usize> {
        [Platform::Instagram, Platform::YouTube, Platform::X]
            .into_iter()
            .map(|platform| self.bench.destinations[&platform].shown().len())
            .collect()
    }

    pub fn set_rule(&self, change: impl FnOnce(&mut Rule)) {
        let rules = &self.bench.memory;
        let mut rule = block_on(RuleStore::get(rules.as_ref(), TenantId::OWNER, self.rule)).unwrap().unwrap();
        change(&mut rule);
        block_on(RuleStore::update(rules.as_ref(), &rule)).unwrap();
    }

    pub fn journal(&self, repost: &Repost) -> Vec<String> {
        let journal = block_on(self.bench.ports.reposts.journal(repost.tenant, repost.id)).unwrap();
        journal.into_iter().map(|entry| entry.event).collect()
    }
}

pub fn found(key: &str, posted_at: DateTime<Utc>) -> FoundPost {
    FoundPost {
        key: key.into(),
        url: format!("https://www.tiktok.com/@alice/video/{key}"),
        author: "alice".into(),
        caption: format!("Clip {key} #fun"),
        posted_at,
        kind: PostKind::Video { duration_secs: Some(9) },
        pinned: false,
    }
}

pub fn connect(bench: &Bench, platform: Platform, method: AuthMethod) -> Connection {
    connect_as(bench, method, &format!("{platform}-account"))
}

/// Connects the account of this id.
pub fn connect_as(bench: &Bench, method: AuthMethod, account: &str) -> Connection {
    let platform = method.platform();
    let now = bench.clock.now();
    let entropy = &bench.ports.entropy;
    let id = ConnectionId::new(now, entropy.bytes());
    let binding = Binding { tenant: TenantId::OWNER, connection: id, purpose: Purpose::Credential };
    let credential = Credential::Bearer { access: "access-0".into(), refresh: Some("refresh-0".into()) };
    let connection = Connection {
        id,
        tenant: TenantId::OWNER,
        platform,
        account: AccountId::new(account),
        handle: "alice".into(),
        method,
        credential: credential.seal(&bench.ports.keys, &binding, entropy.bytes()).unwrap(),
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
    let jobs = NewJob::perpetual(&connection, now, || JobId::new(now, entropy.bytes()));
    block_on(bench.memory.connect(&connection, &jobs)).unwrap()
}

pub fn destination(connection: &Connection) -> DestinationSpec {
    let caption = "{caption}".to_owned();
    let options = match connection.platform {
        Platform::Instagram => Options::Instagram { caption, share_to_feed: true, cover_offset_ms: None },
        Platform::YouTube => Options::YouTube {
            title: "{title}".into(),
            description: caption,
            tags: Vec::new(),
            privacy: Privacy::Public,
            made_for_kids: false,
            category_id: "22".into(),
            notify_subscribers: true,
            thumbnail_offset_ms: None,
        },
        _ => Options::X { text: caption, reply_settings: ReplySettings::Everyone },
    };
    DestinationSpec { connection: connection.id, paused: false, hashtags: HashtagRule::Keep, trim: false, options }
}

pub fn add_rule(bench: &Bench, name: &str, source: &Connection, spec: RuleSpec) -> RuleId {
    let now = bench.clock.now();
    let id = RuleId::new(now, bench.ports.entropy.bytes());
    let rule = Rule {
        id,
        tenant: TenantId::OWNER,
        name: name.into(),
        source: source.id,
        state: RuleState::Active,
        spec,
        created_at: now,
        version: 0,
    };
    block_on(RuleStore::insert(bench.memory.as_ref(), &rule)).unwrap();
    id
}
