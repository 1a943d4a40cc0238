//! What changes between the preparation of a post and its publication.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result,
    credential::Access,
    id::{JobId, TenantId},
    job::{NewJob, refresh_key, sync_key},
    memory::{Fault, ManualClock, MemorySource},
    operator::Operator,
    policy::Policy,
    port::{Clock, ConnectionStore, EntropyExt, Fetched, JobQueue, Listing, Ports, RuleStore, Source},
    post::{FoundPost, Unusable},
    rule::{Options, Privacy, RuleState},
    submission::Content,
    worker::Worker,
};
use bytes::Bytes;
use chrono::TimeDelta;
use futures_core::Stream;

use crate::support::{Installation, block_on};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn change_privacy(it: &Installation, to: Privacy) {
    let mut rule = block_on(RuleStore::get(it.bench.memory.as_ref(), TenantId::OWNER, it.rule)).unwrap().unwrap();
    for destination in &mut rule.spec.destinations {
        if let Options::YouTube { privacy, .. } = &mut destination.options {
            *privacy = to;
        }
    }
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "operator");
    block_on(operator.change_rule(rule.id, &rule.name, rule.spec.clone(), None)).unwrap();
}

fn privacy_of(it: &Installation, key: &str) -> Privacy {
    match &it.repost(key, Platform::YouTube).state.submission().unwrap().content {
        Content::YouTube { privacy, .. } => *privacy,
        other => panic!("{other:?}"),
    }
}

/// Who makes a rule private means the posts that are on their way, too.
#[test]
fn an_edit_of_a_rule_reaches_what_is_prepared() {
    let it = Installation::with(70, |spec| spec.delay_secs = 7200);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    assert_eq!((it.states("1"), privacy_of(&it, "1")), (vec!["ready"; 3], Privacy::Public));
    change_privacy(&it, Privacy::Unlisted);
    it.run_for(3 * HOUR);
    assert_eq!((it.states("1"), it.shown()), (vec!["published"; 3], vec![1; 3]));
    assert_eq!(privacy_of(&it, "1"), Privacy::Unlisted);
    let told = it.journal(&it.repost("1", Platform::YouTube));
    assert!(told.contains(&"adopted".to_owned()), "{told:?}");
    assert!(!it.journal(&it.repost("1", Platform::X)).contains(&"adopted".to_owned()), "nothing changed for X");
}

/// The same where the upload is done already and only the commit is missing: the ticket carries the old words.
#[test]
fn an_edit_of_a_rule_reaches_what_is_uploaded() {
    let it = Installation::new(71);
    it.post("1", 60);
    let youtube = &it.bench.destinations[&Platform::YouTube];
    (0..3).for_each(|_| youtube.fault("poll", Fault::Before));
    it.run_for(Duration::from_secs(4));
    assert_eq!(it.repost("1", Platform::YouTube).state.name(), "processing");
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "operator");
    block_on(operator.set_rule_state("everything", RuleState::Paused)).unwrap();
    it.run_for(10 * MINUTE);
    change_privacy(&it, Privacy::Private);
    block_on(operator.set_rule_state("everything", RuleState::Active)).unwrap();
    it.run_for(HOUR);
    assert_eq!((it.states("1"), it.shown()), (vec!["published"; 3], vec![1; 3]));
    assert_eq!(privacy_of(&it, "1"), Privacy::Private);
}

/// A post that its author deleted during the rule's delay does not go out; one whose source cannot be asked does.
#[test]
fn the_source_is_asked_again_before_a_late_publication() {
    let it = Installation::with(72, |spec| spec.delay_secs = 7200);
    it.post("kept", 120);
    it.post("deleted", 60);
    it.run_for(10 * MINUTE);
    it.bench.source.set_unusable("deleted", Some(Unusable::Deleted));
    it.run_for(3 * HOUR);
    assert_eq!((it.states("kept"), it.states("deleted")), (vec!["published"; 3], vec!["skipped"; 3]));
    assert_eq!(it.shown(), [1; 3]);

    let it = Installation::with(73, |spec| spec.delay_secs = 7200);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "operator");
    block_on(operator.set_paused("tiktok", true)).unwrap();
    it.run_for(3 * HOUR);
    assert_eq!(it.shown(), [1; 3], "what was taken from a source is not lost with it");
}

/// A platform that answers a commit with something against the account is not sent the next one.
#[test]
fn a_block_of_the_account_stops_it_and_the_commit_is_not_repeated() {
    let it = Installation::new(74);
    it.post("1", 60);
    let x = &it.bench.destinations[&Platform::X];
    x.doubt_next(Error::new(ErrorKind::Forbidden, "create post", "the account looks automated").code("spam"));
    it.run_for(2 * HOUR);
    let account = block_on(ConnectionStore::get(it.bench.memory.as_ref(), TenantId::OWNER, it.destinations[2].id));
    let account = account.unwrap().unwrap();
    assert!(account.paused && account.status_detail.as_ref().unwrap().contains("looks automated"), "{account:?}");
    assert_eq!((it.repost("1", Platform::X).state.name(), it.shown()), ("waiting", vec![1, 1, 0]));
    let commits = it.journal(&it.repost("1", Platform::X)).into_iter().filter(|event| event == "intended").count();
    assert_eq!(commits, 1, "it was looked for, was absent, and waits for a person");
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "operator");
    block_on(operator.set_paused("x", false)).unwrap();
    it.run_for(HOUR);
    assert_eq!(it.shown(), [1; 3]);
}

/// A clock that ran ahead put jobs where nobody would live to see them.
#[test]
fn jobs_from_a_clock_that_ran_ahead_are_brought_back() {
    let it = Installation::new(75);
    it.run_for(HOUR);
    let keys = [sync_key(it.source.id), refresh_key(it.source.id)];
    let queue = it.bench.memory.as_ref();
    let at = |key: &str| block_on(JobQueue::find(queue, key)).unwrap().unwrap().new.run_at;
    let now = it.bench.clock.now();
    it.bench.clock.set(now + TimeDelta::days(3_650));
    it.run_for(HOUR);
    it.bench.clock.set(now);
    assert!(keys.iter().all(|key| at(key) > now + TimeDelta::days(3_000)));
    let upkeep = NewJob::upkeep(JobId::new(now, it.bench.ports.entropy.bytes()), now);
    block_on(queue.enqueue(&[upkeep])).unwrap();
    it.run_for(HOUR);
    assert!(at(&keys[0]) < now + TimeDelta::days(1), "{}", at(&keys[0]));
    assert!(at(&keys[1]) < now + TimeDelta::days(32), "{}", at(&keys[1]));
}

/// A source that sends a byte in ten minutes, and never ends.
struct Trickle {
    inner: Arc<MemorySource>,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl Source for Trickle {
    fn platform(&self) -> Platform {
        self.inner.platform()
    }

    async fn list(&self, access: &Access, page: Option<&str>) -> Result<Listing> {
        self.inner.list(access, page).await
    }

    async fn fetch(&self, _: &Access, _: &FoundPost) -> Result<Fetched> {
        Ok(Fetched::Video { bytes: None, body: Box::pin(Drops(self.clock.clone())) })
    }
}

struct Drops(Arc<ManualClock>);

impl Stream for Drops {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.advance(10 * MINUTE);
        Poll::Ready(Some(Ok(Bytes::from_static(b"x"))))
    }
}

/// However steadily the bytes of a download come, it does not hold its place for ever.
#[test]
fn a_download_that_trickles_has_an_end() {
    let it = Installation::new(76);
    it.post("1", 60);
    let slow = Trickle { inner: it.bench.source.clone(), clock: it.bench.clock.clone() };
    let sources = BTreeMap::from([(Platform::TikTok, Arc::new(slow) as Arc<dyn Source>)]);
    let ports = Ports { sources, ..it.bench.ports.clone() };
    let worker = Worker::new(ports, Policy::default(), "worker-1");
    let it = Installation { worker, ..it };
    it.run_for(2 * HOUR);
    let reposts = it.reposts();
    let journal = block_on(it.bench.ports.reposts.journal(TenantId::OWNER, reposts[0].id)).unwrap();
    let told = journal.iter().find(|entry| entry.event == "error").expect("a failure is told");
    assert!(told.detail.contains("the download took too long: 7 bytes came"), "{told:?}");
}
