//! One creator who is connected by a session and by a log-in: no post goes out twice, and none is lost.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use autorepost_core::{
    Platform, Result,
    connection::{AuthMethod, Connection, ConnectionStatus},
    credential::Access,
    id::{ConnectionId, TenantId},
    job::sync_key,
    memory::MemorySource,
    operator::Operator,
    policy::Policy,
    port::{Fetched, Listing, PostQuery, Source},
    post::FoundPost,
    rule::{RuleSpec, RuleState},
    worker::Worker,
};

use crate::support::{Installation, add_rule, block_on, connect_as, destination};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Connects the creator in the other way, with a rule of its own to the same destinations.
fn join(it: &Installation, method: AuthMethod) -> Connection {
    let joined = connect_as(&it.bench, method, "the other id");
    let spec = RuleSpec {
        filters: Default::default(),
        destinations: it.destinations.iter().map(destination).collect(),
        delay_secs: 0,
        hourly_cap: None,
        shadow: false,
        on_source_deleted: Default::default(),
        mentions: Default::default(),
    };
    add_rule(&it.bench, "the same again", &joined, spec);
    joined
}

fn stored(it: &Installation, id: ConnectionId) -> Connection {
    block_on(it.bench.ports.connections.get(TenantId::OWNER, id)).unwrap().unwrap()
}

fn set_status(it: &Installation, id: ConnectionId, status: ConnectionStatus) {
    let next = Connection { status, ..stored(it, id) };
    block_on(it.bench.ports.connections.update(&next, None, &[])).unwrap();
}

fn set_paused(it: &Installation, paused: bool) {
    let next = Connection { paused, ..stored(it, it.source.id) };
    block_on(it.bench.ports.connections.update(&next, None, &[])).unwrap();
}

fn posts(it: &Installation) -> usize {
    let query = PostQuery { limit: 100, ..PostQuery::default() };
    block_on(it.bench.ports.posts.list(TenantId::OWNER, &query)).unwrap().len()
}

#[test]
fn a_creator_with_both_is_published_once_whichever_came_first() {
    use AuthMethod::{TiktokLogin, TiktokSession};
    for (seed, (first, second)) in [(TiktokSession, TiktokLogin), (TiktokLogin, TiktokSession)].into_iter().enumerate()
    {
        let it = Installation::of(900 + seed as u64, first, |_| {});
        it.post("1", 60);
        it.run_for(10 * MINUTE);
        assert_eq!(it.shown(), [1, 1, 1], "{first:?}");
        let joined = join(&it, second);
        it.run_for(HOUR);
        for key in ["2", "3"] {
            it.post(key, 0);
            it.run_for(HOUR);
        }
        it.run_for(12 * HOUR);
        assert_eq!((it.shown(), posts(&it)), (vec![3, 3, 3], 3), "{first:?}");
        let (login, session) = if first == TiktokLogin { (it.source.id, joined.id) } else { (joined.id, it.source.id) };
        assert_eq!(stored(&it, login).lists_for, Some(session), "{first:?}");
        assert_eq!(stored(&it, session).lists_for, None, "{first:?}");
    }
}

#[test]
fn a_login_takes_nothing_until_a_post_tells_whose_it_is() {
    let it = Installation::new(902);
    set_paused(&it, true);
    let login = join(&it, AuthMethod::TiktokLogin);
    it.post("1", 60);
    it.run_for(HOUR);
    assert_eq!((posts(&it), it.shown()), (0, vec![0, 0, 0]));
    let job = block_on(it.bench.ports.jobs.find(&sync_key(login.id))).unwrap().unwrap();
    assert!(job.note.as_deref().unwrap_or_default().contains("nothing is taken"), "{:?}", job.note);
    set_paused(&it, false);
    it.run_for(HOUR);
    assert_eq!((posts(&it), it.shown()), (1, vec![1, 1, 1]));
    assert_eq!(stored(&it, login.id).lists_for, Some(it.source.id));
}

#[test]
fn a_login_lists_on_for_a_session_that_is_dead() {
    let it = Installation::new(903);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    let login = join(&it, AuthMethod::TiktokLogin);
    it.run_for(HOUR);
    assert_eq!(stored(&it, login.id).lists_for, Some(it.source.id));
    set_status(&it, it.source.id, ConnectionStatus::NeedsReconnect);
    it.post("2", 0);
    it.run_for(HOUR);
    let known = block_on(it.bench.ports.posts.known(TenantId::OWNER, &it.source.account, &["2".to_owned()])).unwrap();
    assert_eq!(known.iter().map(|post| post.connection).collect::<Vec<_>>(), [it.source.id]);
    assert_eq!(it.states("2"), ["waiting"; 3]);
    assert!(it.reposts().iter().filter_map(|one| one.state.reason()).any(|why| why.text.contains("connect TikTok")));
    set_status(&it, it.source.id, ConnectionStatus::Active);
    it.run_for(HOUR);
    assert_eq!((it.states("2"), it.shown()), (vec!["published"; 3], vec![2, 2, 2]));
    // The log-in's rules are those of the session's posts, too.
    block_on(Operator::new(&it.bench.ports, TenantId::OWNER, "test").set_rule_state("everything", RuleState::Removed))
        .unwrap();
    it.post("3", 0);
    it.run_for(3 * HOUR);
    assert_eq!((it.states("3"), it.shown()), (vec!["published"; 3], vec![3, 3, 3]));
}

#[test]
fn posts_of_a_login_are_fetched_by_the_session_that_comes_later() {
    let it = Installation::of(904, AuthMethod::TiktokLogin, |spec| spec.delay_secs = 7200);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    let session = join(&it, AuthMethod::TiktokSession);
    it.run_for(HOUR);
    let known = block_on(it.bench.ports.posts.known(TenantId::OWNER, &it.source.account, &["1".to_owned()])).unwrap();
    assert_eq!(known.iter().map(|post| post.connection).collect::<Vec<_>>(), [session.id]);
    it.run_for(3 * HOUR);
    assert_eq!((posts(&it), it.shown()), (1, vec![1, 1, 1]));
}

/// Lists the posts of the log-in's creator for the log-in only.
struct Apart(Arc<MemorySource>);

#[async_trait]
impl Source for Apart {
    fn platform(&self) -> Platform {
        Platform::TikTok
    }

    async fn list(&self, access: &Access, page: Option<&str>) -> Result<Listing> {
        match access.method {
            AuthMethod::TiktokLogin => self.0.list(access, page).await,
            _ => Ok(Listing { posts: Vec::new(), next: None, handle: None, rotated: None, unreadable: 0 }),
        }
    }

    async fn fetch(&self, access: &Access, post: &FoundPost) -> Result<Fetched> {
        self.0.fetch(access, post).await
    }
}

#[test]
fn a_login_of_another_creator_stands_for_itself_after_its_next_post() {
    let mut it = Installation::new(905);
    it.bench.ports.sources.insert(Platform::TikTok, Arc::new(Apart(Arc::clone(&it.bench.source))));
    it.worker = Worker::new(it.bench.ports.clone(), Policy::default(), "worker-1");
    let login = join(&it, AuthMethod::TiktokLogin);
    it.post("1", 60);
    it.run_for(2 * HOUR);
    assert_eq!(it.shown(), [0, 0, 0], "it is older than both");
    it.post("2", -2 * 3600);
    it.run_for(30 * MINUTE);
    assert_eq!(it.shown(), [0, 0, 0], "the session may show it yet");
    it.run_for(2 * HOUR);
    assert_eq!(it.shown(), [2, 2, 2]);
    assert_eq!(stored(&it, login.id).lists_for, None);
}
