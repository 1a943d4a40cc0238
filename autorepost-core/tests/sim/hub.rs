//! What every part of a simulated world shares: true time, the log, the flaws of the stores, and the first broken promise.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use autorepost_core::{
    Platform,
    id::RepostId,
    job::JobKind,
    memory::{ManualClock, Memory},
    port::{Clock, EventSink, Signal},
    state::RepostState,
};
use chrono::{DateTime, Utc};

use crate::sabotage::Sabotage;

/// How a call to a store goes wrong without its caller crashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFlaw {
    /// The connection is cut before the transaction.
    Before,
    /// The transaction is committed, and its answer is lost.
    After,
}

pub struct Hub {
    /// True time: the platforms' and the database's.
    pub clock: Arc<ManualClock>,
    pub memory: Arc<Memory>,
    pub sabotage: Option<Sabotage>,
    loud: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    broken: Option<String>,
    log: Vec<String>,
    store_flaws: VecDeque<StoreFlaw>,
    arrivals: BTreeMap<(Platform, String), u32>,
    generations: BTreeMap<(Platform, String), u64>,
    intents: BTreeMap<RepostId, i64>,
}

impl Hub {
    pub fn new(clock: Arc<ManualClock>, memory: Arc<Memory>, sabotage: Option<Sabotage>, loud: bool) -> Arc<Self> {
        Arc::new(Self { clock, memory, sabotage, loud: AtomicBool::new(loud), inner: Mutex::default() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// Whether jobs of this kind are ever run: some faults are about what only an audit would find.
    pub fn runs(&self, kind: JobKind) -> bool {
        let unaudited =
            matches!(self.sabotage, Some(Sabotage::NoAudit | Sabotage::NoOverlap | Sabotage::CursorMovesAnyway));
        !unaudited || kind != JobKind::SourceAudit
    }

    /// Writes a line of the trace, when somebody is to read it.
    pub fn say(&self, line: impl FnOnce() -> String) {
        if self.loud.load(Ordering::Relaxed) {
            let line = format!("{} {}", self.now().format("%d %H:%M:%S%.3f"), line());
            self.inner().log.push(line);
        }
    }

    pub fn log(&self) -> Vec<String> {
        self.inner().log.clone()
    }

    /// Notes that a promise is broken; the first one counts.
    pub fn broken(&self, what: impl Into<String>) {
        let what = what.into();
        self.say(|| format!("BROKEN: {what}"));
        self.inner().broken.get_or_insert(what);
    }

    pub fn verdict(&self) -> Option<String> {
        self.inner().broken.clone()
    }

    pub fn flaw_store(&self, flaw: StoreFlaw) {
        self.inner().store_flaws.push_back(flaw);
    }

    pub fn put_store_flaws_aside(&self) -> VecDeque<StoreFlaw> {
        std::mem::take(&mut self.inner().store_flaws)
    }

    pub fn put_store_flaws_back(&self, flaws: VecDeque<StoreFlaw>) {
        self.inner().store_flaws = flaws;
    }

    pub fn take_store_flaw(&self) -> Option<StoreFlaw> {
        self.inner().store_flaws.pop_front()
    }

    /// A commit arrives at a platform: its intent must be stored, and for each intent there is one commit.
    pub fn arrival(&self, platform: Platform, ticket: &str) {
        let arrivals = {
            let mut inner = self.inner();
            let count = inner.arrivals.entry((platform, ticket.to_owned())).or_default();
            *count += 1;
            *count
        };
        let intents = self.memory.reposts().into_iter().find_map(|repost| match repost.state {
            RepostState::Committing(attempt) if attempt.ticket.handle == ticket && repost.key.platform == platform => {
                Some(attempt.commits)
            }
            _ => None,
        });
        match intents {
            None => self.broken(format!("a commit of {platform} {ticket} was sent without a stored intent")),
            Some(intents) if arrivals > intents => {
                self.broken(format!("{arrivals} commits of {platform} {ticket} were sent for {intents} intents"));
            }
            Some(_) => {}
        }
    }

    /// An intent of a repost was stored, or taken back.
    pub fn intents_changed(&self, repost: RepostId, by: i64) {
        *self.inner().intents.entry(repost).or_default() += by;
    }

    /// How many intents of a repost came to nothing that was certain.
    pub fn intents(&self, repost: RepostId) -> i64 {
        self.inner().intents.get(&repost).copied().unwrap_or(0)
    }

    /// A platform refused a commit for certain: its intent is taken back.
    pub fn refused(&self, platform: Platform, ticket: &str) {
        if let Some(count) = self.inner().arrivals.get_mut(&(platform, ticket.to_owned())) {
            *count -= 1;
        }
    }

    /// A credential is stored: never an older one over a newer one.
    pub fn stored_credential(&self, platform: Platform, account: &str, generation: u64) {
        let newest = {
            let mut inner = self.inner();
            let newest = inner.generations.entry((platform, account.to_owned())).or_default();
            let was = *newest;
            *newest = generation.max(was);
            was
        };
        if generation < newest {
            self.broken(format!("credential {newest} of {platform} was overwritten by the older {generation}"));
        }
    }

    /// The account was connected anew: its credentials are counted from the start.
    pub fn reconnected(&self, platform: Platform, account: &str) {
        self.inner().generations.remove(&(platform, account.to_owned()));
    }
}

impl EventSink for Hub {
    fn emit(&self, signal: &Signal<'_>) {
        match signal {
            Signal::JobFinished { job, outcome, note, .. } if note.is_some() || *outcome == "lost" => {
                self.say(|| format!("  {} {outcome}: {}", job.new.kind, note.unwrap_or_default()));
            }
            Signal::PostAdmitted { key, reposts, .. } => self.say(|| format!("  admitted {key}, {reposts} reposts")),
            Signal::RepostMoved { platform, from, to, detail, .. } => {
                self.say(|| format!("  {platform} {from} → {to}: {detail}"));
            }
            Signal::ConnectionChanged { status, detail, .. } => {
                self.say(|| format!("  connection {status} {}", detail.unwrap_or_default()));
            }
            Signal::Alarm { text, .. } => self.say(|| format!("  alarm: {text}")),
            _ => {}
        }
    }
}

/// A point at which a future can be dropped, stopped, or overtaken.
pub async fn tick() {
    let mut first = true;
    poll_fn(|cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// A process's own clock: true time, and how far it is off.
pub struct LocalClock {
    truth: Arc<ManualClock>,
    off_ms: std::sync::atomic::AtomicI64,
}

impl LocalClock {
    pub fn new(truth: Arc<ManualClock>) -> Arc<Self> {
        Arc::new(Self { truth, off_ms: 0.into() })
    }

    pub fn jump(&self, ms: i64) {
        self.off_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for LocalClock {
    fn now(&self) -> DateTime<Utc> {
        self.truth.now() + chrono::TimeDelta::milliseconds(self.off_ms.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        self.truth.uptime()
    }
}

pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
