//! Cases of the connection, rule, post and repost stores.

use std::{pin::Pin, time::Duration};

use super::{
    Scene, Stores, all_at_once, claim, claim_for, connection, job, later, media, near, post, receipt, repost, rule,
    start, step, tenant, to_processing,
};
use crate::{
    ErrorKind, Platform, Result,
    brake::{Brake, Scope},
    connection::{AccountId, Connection, ConnectionStatus},
    job::{Finish, JobKind, JobState, NewJob},
    policy::{after, before},
    port::{Admission, After, Guard, NewPost, PostQuery, RepostQuery},
    post::{Cursor, FoundPost, Post},
    rule::{Rule, RuleState},
    state::Event,
};

/// A lease that a case lets end.
const SHORT: Duration = Duration::from_millis(200);

/// Connecting an account again renews its row and keeps id, creation time and pause.
pub async fn a_connection_is_unique_by_account_and_renewed_in_place(stores: Stores) {
    let first = connection(tenant(), Platform::X, "7");
    let new = job(JobKind::TokenRefresh, "refresh:7", "refresh:7");
    assert_eq!(stores.connections.connect(&first, std::slice::from_ref(&new)).await.unwrap(), first);
    assert!(stores.jobs.find(&new.key).await.unwrap().is_some());
    let held = Connection { paused: true, ..first.clone() };
    let held = stores.connections.update(&held, None, &[]).await.unwrap();

    let again = Connection {
        handle: "renamed".into(),
        created_at: later(9),
        status: ConnectionStatus::Active,
        ..first.clone()
    };
    let renewed = stores.connections.connect(&again, &[]).await.unwrap();
    assert_eq!((renewed.handle.as_str(), renewed.paused, renewed.created_at), ("renamed", true, first.created_at));
    assert_eq!(renewed.version, held.version + 1);
    let found = stores.connections.find(first.tenant, Platform::X, &AccountId::new("7")).await.unwrap();
    assert_eq!(found, Some(renewed));

    let other_id = connection(first.tenant, Platform::X, "7");
    let error = stores.connections.connect(&other_id, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// An update names the version that it read, holds its lease, and writes its jobs with it or not at all.
pub async fn a_connection_is_written_under_its_version_and_lease(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let read = scene.destination.clone();
    let told = |key: &str| [job(JobKind::WebhookDelivery, key, key)];
    let written = stores.connections.update(&read, Some(scene.sync.lease()), &told("told")).await.unwrap();
    assert_eq!(written.version, read.version + 1);
    assert!(stores.jobs.find("told").await.unwrap().is_some());
    let error = stores.connections.update(&read, None, &told("stale")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    stores.jobs.finish(scene.sync.lease(), &Finish::Done).await.unwrap();
    let error = stores.connections.update(&written, Some(scene.sync.lease()), &told("late")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    for key in ["stale", "late"] {
        assert_eq!(stores.jobs.find(key).await.unwrap(), None, "{key}");
    }
    assert_eq!(stores.connections.get(read.tenant, read.id).await.unwrap(), Some(written));
}

/// A name belongs to one rule that is not removed.
pub async fn a_rule_name_is_free_again_once_the_rule_is_removed(stores: Stores) {
    let source = connection(tenant(), Platform::TikTok, "1");
    let first = rule(&source, &source, "name");
    stores.rules.insert(&first).await.unwrap();
    let second = rule(&source, &source, "name");
    let error = stores.rules.insert(&second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.detail().contains("\"name\""), "{error}");
    stores.rules.update(&Rule { state: RuleState::Removed, ..first.clone() }).await.unwrap();
    stores.rules.insert(&second).await.unwrap();
    assert_eq!(stores.rules.list(source.tenant).await.unwrap(), [second]);
    let removed = stores.rules.get(source.tenant, first.id).await.unwrap().unwrap();
    assert_eq!(removed.state, RuleState::Removed);
}

/// An update names the version that it read.
pub async fn a_rule_is_written_under_its_version(stores: Stores) {
    let source = connection(tenant(), Platform::TikTok, "1");
    let read = rule(&source, &source, "name");
    stores.rules.insert(&read).await.unwrap();
    let paused = Rule { state: RuleState::Paused, ..read.clone() };
    let written = stores.rules.update(&paused).await.unwrap();
    assert_eq!((written.version, written.state), (1, RuleState::Paused));
    let error = stores.rules.update(&read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(stores.rules.get(read.tenant, read.id).await.unwrap(), Some(written));

    let other = rule(&source, &source, "other");
    stores.rules.insert(&other).await.unwrap();
    let error = stores.rules.update(&Rule { name: "name".into(), ..other.clone() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.detail().contains("\"name\""), "{error}");
    assert_eq!(stores.rules.get(other.tenant, other.id).await.unwrap(), Some(other));
}

/// Every look-up is scoped by its tenant.
pub async fn tenants_never_see_each_other(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let (other, mine) = (tenant(), &scene.repost);
    assert_eq!(stores.connections.get(other, scene.source.id).await.unwrap(), None);
    let account = &scene.source.account;
    assert_eq!(stores.connections.find(other, Platform::TikTok, account).await.unwrap(), None);
    assert!(stores.connections.list(Some(other)).await.unwrap().is_empty());
    assert_eq!(stores.connections.list(Some(mine.tenant)).await.unwrap().len(), 2);
    assert_eq!(stores.rules.get(other, scene.rule.id).await.unwrap(), None);
    assert!(stores.rules.list(other).await.unwrap().is_empty());
    assert_eq!(stores.posts.get(other, mine.post).await.unwrap(), None);
    assert!(stores.posts.find(other, "first").await.unwrap().is_empty());
    assert!(stores.posts.known(other, account, &["first".into()]).await.unwrap().is_empty());
    let query = PostQuery { limit: 10, ..PostQuery::default() };
    assert!(stores.posts.list(other, &query).await.unwrap().is_empty());
    assert_eq!(stores.reposts.get(other, mine.id).await.unwrap(), None);
    let query = RepostQuery { limit: 10, ..RepostQuery::default() };
    assert!(stores.reposts.list(other, &query).await.unwrap().is_empty());
    assert!(stores.reposts.journal(other, mine.id).await.unwrap().is_empty());
    let update = Connection { tenant: other, ..scene.source.clone() };
    assert_eq!(stores.connections.update(&update, None, &[]).await.unwrap_err().kind(), ErrorKind::Conflict);
}

/// Posts, reposts, jobs and the cursor come together, once; a known post is left out with all that it causes.
pub async fn an_admission_is_all_or_nothing_and_knows_what_it_knows(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let (lease, source) = (scene.sync.lease(), &scene.source);
    let known = post(source, "first");
    let fresh = post(source, "second");
    let twin = repost(&known, &scene.rule, &scene.destination);
    let mine = repost(&fresh, &scene.rule, &scene.destination);
    let prep = |repost| NewJob::prep(job(JobKind::RepostPrep, "", "").id, repost, start());
    let cursor = Cursor { complete_through: Some(later(5)), resume: Some("page".into()), ..Cursor::default() };
    let admission = Admission {
        posts: vec![
            NewPost { post: known, reposts: vec![(twin.clone(), Some(prep(&twin)))] },
            NewPost { post: fresh.clone(), reposts: vec![(mine.clone(), Some(prep(&mine)))] },
        ],
        cursor: cursor.clone(),
    };
    assert_eq!(stores.posts.admit(lease, source.tenant, source.id, &admission).await.unwrap(), [fresh.id]);
    assert_eq!(stores.posts.cursor(source.tenant, source.id).await.unwrap(), cursor);
    assert_eq!(stores.posts.get(source.tenant, fresh.id).await.unwrap(), Some(fresh.clone()));
    assert_eq!(stores.reposts.get(source.tenant, twin.id).await.unwrap(), None);
    assert_eq!(stores.reposts.get(source.tenant, mine.id).await.unwrap(), Some(mine.clone()));
    assert!(stores.jobs.find(&twin.job_key()).await.unwrap().is_none());
    assert!(stores.jobs.find(&mine.job_key()).await.unwrap().is_some());
    let asked = ["first".into(), "second".into(), "third".into()];
    assert_eq!(stores.posts.known(source.tenant, &source.account, &asked).await.unwrap().len(), 2);

    // The same id for another account: nothing is added, and the post is fetched through that connection from now on.
    let again = post(&scene.destination, "second");
    let other = repost(&again, &scene.rule, &scene.destination);
    let posts = vec![NewPost { post: again.clone(), reposts: vec![(other.clone(), Some(prep(&other)))] }];
    let admission = Admission { posts, cursor: cursor.clone() };
    assert_eq!(stores.posts.admit(lease, source.tenant, source.id, &admission).await.unwrap(), []);
    let fresh = Post { connection: scene.destination.id, ..fresh };
    assert_eq!(stores.posts.find(source.tenant, "second").await.unwrap(), std::slice::from_ref(&fresh));
    assert_eq!(stores.reposts.get(source.tenant, other.id).await.unwrap(), None);

    stores.posts.set_media(lease, source.tenant, fresh.id, &media()).await.unwrap();
    assert_eq!(stores.posts.get(source.tenant, fresh.id).await.unwrap().unwrap().media, Some(media()));

    let shown = FoundPost { caption: "other words".into(), ..fresh.found.clone() };
    stores.posts.reveal(lease, source.tenant, fresh.id, &shown).await.unwrap();
    let revealed = stores.posts.get(source.tenant, fresh.id).await.unwrap().unwrap();
    assert_eq!((revealed.found, revealed.media), (shown.clone(), Some(media())));

    // A worker that lost its lease admits nothing, moves no cursor and sets no media.
    stores.jobs.finish(lease, &Finish::Done).await.unwrap();
    let third = post(source, "third");
    let posts = vec![NewPost { post: third.clone(), reposts: Vec::new() }];
    let late = Admission { posts, cursor: Cursor::default() };
    let error = stores.posts.admit(lease, source.tenant, source.id, &late).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    let error = stores.posts.set_media(lease, source.tenant, fresh.id, &media()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    let error = stores.posts.reveal(lease, source.tenant, fresh.id, &shown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    assert_eq!(stores.posts.get(source.tenant, third.id).await.unwrap(), None);
    assert_eq!(stores.posts.cursor(source.tenant, source.id).await.unwrap(), cursor);
}

/// One post to one destination account is one repost, whatever rule or connection asks.
pub async fn a_repost_key_exists_once(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let again = repost(&post(&scene.source, "first"), &scene.rule, &scene.destination);
    let entry = step(&scene.repost, Event::PrepStarted, None).entry.unwrap();
    let prep = NewJob::prep(job(JobKind::RepostPrep, "", "").id, &again, start());
    assert!(!stores.reposts.add(&again, &prep, &entry).await.unwrap());
    assert_eq!(stores.reposts.get(again.tenant, again.id).await.unwrap(), None);
    assert!(stores.jobs.find(&again.job_key()).await.unwrap().is_none());

    let elsewhere = connection(again.tenant, Platform::YouTube, "other");
    let new = repost(&post(&scene.source, "first"), &scene.rule, &elsewhere);
    let prep = NewJob::prep(job(JobKind::RepostPrep, "", "").id, &new, start());
    assert!(stores.reposts.add(&new, &prep, &entry).await.unwrap());
    assert_eq!(scene.journal(&new).await, [entry]);
    assert!(stores.jobs.find(&new.job_key()).await.unwrap().is_some());
}

/// A step names the version that it read; a stale one writes nothing at all.
pub async fn a_step_is_written_under_its_version(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let first = step(&scene.repost, Event::PrepStarted, None);
    let moved = stores.reposts.step(&first).await.unwrap();
    assert_eq!((moved.version, moved.state.name()), (1, "preparing"));
    assert_eq!(scene.stored(&moved).await, moved);
    let mut stale = first.clone();
    stale.jobs = vec![job(JobKind::Upkeep, "caused", "caused")];
    let error = stores.reposts.step(&stale).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(scene.journal(&moved).await.len(), 1);
    assert!(stores.jobs.find("caused").await.unwrap().is_none());
}

/// What is written to a connection while it is connected anew stays, and every write counts: of two that read the same
/// version one fails.
pub async fn connecting_anew_loses_no_write_made_meanwhile(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let (tenant, id) = (scene.destination.tenant, scene.destination.id);
    let connect = async || stores.connections.connect(&scene.destination, &[]).await;
    let hold = async || {
        let read = stores.connections.get(tenant, id).await?.unwrap();
        stores.connections.update(&Connection { paused: true, ..read }, None, &[]).await
    };
    for _ in 0..20 {
        let before = stores.connections.get(tenant, id).await.unwrap().unwrap();
        let before = Connection { paused: false, ..before };
        let before = stores.connections.update(&before, None, &[]).await.unwrap();
        let writes: Vec<Pin<Box<dyn Future<Output = Result<Connection>> + Send + '_>>> =
            vec![Box::pin(connect()), Box::pin(hold()), Box::pin(connect()), Box::pin(hold())];
        let written = all_at_once(writes).await;
        let held = written[1].is_ok() || written[3].is_ok();
        let count = written.iter().filter(|result| result.is_ok()).count() as u64;
        let after = stores.connections.get(tenant, id).await.unwrap().unwrap();
        assert_eq!(after.version, before.version + count, "{written:?}");
        assert_eq!(after.paused, held, "{written:?}");
    }
}

/// A worker whose job was claimed again writes nothing.
pub async fn a_step_under_a_lost_lease_writes_nothing(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let mine = claim_for(&stores, JobKind::RepostPrep, SHORT).await;
    stores.time.pass(SHORT).await;
    let theirs = claim(&stores, JobKind::RepostPrep).await;
    assert_eq!((theirs.new.id, theirs.epoch), (mine.new.id, mine.epoch + 1));
    let late = step(&scene.repost, Event::PrepStarted, Some(&mine));
    let error = stores.reposts.step(&late).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    assert_eq!(scene.stored(&scene.repost).await, scene.repost);
    assert!(scene.journal(&scene.repost).await.is_empty());
    let good = step(&scene.repost, Event::PrepStarted, Some(&theirs));
    stores.reposts.step(&good).await.unwrap();
}

/// The job that makes a step ends before the jobs that it causes are written: they may share its key.
pub async fn a_step_ends_its_job_before_the_next_is_written(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let prep = claim(&stores, JobKind::RepostPrep).await;
    let mut last = step(&scene.repost, Event::PrepStarted, Some(&prep));
    let publish = NewJob::publish(job(JobKind::RepostPublish, "", "").id, &scene.repost, start());
    last.after = After::Finish(Finish::Done);
    last.jobs = vec![publish.clone()];
    stores.reposts.step(&last).await.unwrap();
    let live = stores.jobs.find(&scene.repost.job_key()).await.unwrap().unwrap();
    assert_eq!((live.new, live.state), (publish, JobState::Queued));
}

/// A step can extend the lease that it is written under.
pub async fn a_step_extends_its_lease(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let prep = claim(&stores, JobKind::RepostPrep).await;
    let mut kept = step(&scene.repost, Event::PrepStarted, Some(&prep));
    kept.after = After::KeepFor(Duration::from_secs(5000));
    stores.reposts.step(&kept).await.unwrap();
    let live = stores.jobs.find(&scene.repost.job_key()).await.unwrap().unwrap();
    assert_eq!(live.state, JobState::Running);
    assert!(near(live.leased_until, after(stores.time.now(), Duration::from_secs(5000))), "{live:?}");
}

/// Each guard is looked at in the step's own transaction, and stops it whole.
pub async fn a_guard_that_does_not_hold_stops_the_step(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let (id, connection) = (scene.rule.id, scene.destination.id);
    let rule_guard = Guard::Rule { id, version: 0 };
    let usable = Guard::ConnectionUsable(connection);
    let guarded = |guard: &Guard| {
        let mut step = step(&scene.repost, Event::PrepStarted, None);
        step.guards = vec![guard.clone()];
        step
    };
    for wrong in
        [Guard::Rule { id, version: 1 }, Guard::ConnectionUsable(crate::id::ConnectionId::new(start(), [7; 10]))]
    {
        let error = stores.reposts.step(&guarded(&wrong)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{wrong:?}");
    }
    stores.rules.update(&Rule { state: RuleState::Paused, ..scene.rule.clone() }).await.unwrap();
    let dead = Connection { status: ConnectionStatus::NeedsReconnect, ..scene.destination.clone() };
    stores.connections.update(&dead, None, &[]).await.unwrap();
    for guard in [&rule_guard, &Guard::Rule { id, version: 1 }, &usable] {
        let error = stores.reposts.step(&guarded(guard)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{guard:?}");
    }
    assert_eq!(scene.stored(&scene.repost).await, scene.repost);
    assert!(scene.journal(&scene.repost).await.is_empty());
    stores.rules.update(&Rule { version: 1, ..scene.rule.clone() }).await.unwrap();
    stores.reposts.step(&guarded(&Guard::Rule { id, version: 2 })).await.unwrap();
}

/// A brake holds what it covers, and nothing else; the last word on a scope is the one that holds.
pub async fn a_brake_stops_its_scope_until_it_is_released(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let (mine, other) = (scene.repost.tenant, tenant());
    let brake = |scope, reason: &str| Brake { scope, reason: reason.into(), by: "case".into(), since: start() };
    let mut guarded = step(&scene.repost, Event::PrepStarted, None);
    guarded.guards = vec![Guard::NoBrake];
    stores.brakes.engage(&brake(Scope::Tenant(other), "theirs")).await.unwrap();
    assert!(stores.brakes.holding(mine).await.unwrap().is_empty());
    for scope in [Scope::Everything, Scope::Tenant(mine)] {
        stores.brakes.engage(&brake(scope, "first")).await.unwrap();
        stores.brakes.engage(&brake(scope, "second")).await.unwrap();
        assert_eq!(stores.brakes.holding(mine).await.unwrap(), [brake(scope, "second")]);
        let error = stores.reposts.step(&guarded).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.detail().contains("second"), "{error}");
        assert!(stores.brakes.release(scope).await.unwrap());
        assert!(!stores.brakes.release(scope).await.unwrap());
    }
    stores.reposts.step(&guarded).await.unwrap();
}

/// Either the step comes before the brake, or it is not written: never after it.
pub async fn a_brake_and_a_commit_at_once_have_an_order(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    for n in 0..6 {
        let repost = scene.admit(&format!("post {n}")).await;
        let mut guarded = step(&repost, Event::PrepStarted, None);
        guarded.guards = vec![Guard::NoBrake];
        let brake = Brake { scope: Scope::Everything, reason: "stop".into(), by: "case".into(), since: start() };
        let stepping = async { stores.reposts.step(&guarded).await.is_ok() };
        // What is stored when the brake is on stays as it is.
        let braking = async {
            stores.brakes.engage(&brake).await.unwrap();
            scene.stored(&repost).await.version > 0
        };
        let futures: Vec<Pin<Box<dyn Future<Output = bool> + Send + '_>>> = if n % 2 == 0 {
            vec![Box::pin(stepping), Box::pin(braking)]
        } else {
            vec![Box::pin(braking), Box::pin(stepping)]
        };
        all_at_once(futures).await;
        let was = scene.stored(&repost).await;
        assert!(stores.reposts.step(&guarded).await.is_err());
        assert_eq!(scene.stored(&repost).await, was);
        stores.brakes.release(Scope::Everything).await.unwrap();
    }
}

/// A step that rests on a time is written only when that time is the store's, give or take.
pub async fn a_step_by_a_wrong_clock_is_refused(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let hour = Duration::from_secs(3600);
    let mut guarded = step(&scene.repost, Event::PrepStarted, None);
    for at in [after(stores.time.now(), hour), before(stores.time.now(), hour)] {
        guarded.guards = vec![Guard::Clock { at, off_max: hour / 2 }];
        assert_eq!(stores.reposts.step(&guarded).await.unwrap_err().kind(), ErrorKind::Conflict);
    }
    guarded.guards = vec![Guard::Clock { at: after(stores.time.now(), hour), off_max: 2 * hour }];
    stores.reposts.step(&guarded).await.unwrap();
}

/// Of two steps from the same version exactly one is written.
pub async fn of_two_steps_at_once_one_wins(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let wanted = step(&scene.repost, Event::PrepStarted, None);
    let results = all_at_once((0..8).map(|_| stores.reposts.step(&wanted)).collect()).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(scene.journal(&scene.repost).await.len(), 1);
}

/// However many commits are about to be sent at once, the cap holds.
pub async fn steps_at_once_never_exceed_a_cap(stores: Stores) {
    const CAP: u32 = 3;
    let scene = Scene::set(stores.clone()).await;
    let mut steps = Vec::new();
    for n in 0..8 {
        let repost = scene.admit(&format!("post {n}")).await;
        let ready = to_processing(&stores, &repost).await;
        let mut step = step(&ready, Event::Intended(later(10)), None);
        step.guards = vec![Guard::CommitsBelow {
            code: "cap",
            platform: Platform::X,
            account: scene.destination.account.clone(),
            since: start(),
            max: CAP,
        }];
        steps.push(step);
    }
    let results = all_at_once(steps.iter().map(|step| stores.reposts.step(step)).collect()).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), CAP as usize);
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.platform_code(), Some("cap"), "{error}");
    }
    // Outside the window they do not count.
    let Guard::CommitsBelow { since, .. } = &mut steps[7].guards[0] else { panic!("another guard") };
    *since = later(11);
    let fresh = stores.reposts.get(steps[7].repost.tenant, steps[7].repost.id).await.unwrap().unwrap();
    if fresh.version == steps[7].repost.version {
        stores.reposts.step(&steps[7]).await.unwrap();
    }
}

/// What is known to be published is told by account and time.
pub async fn published_ids_are_the_accounts_own(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let ready = to_processing(&stores, &scene.repost).await;
    stores.reposts.step(&step(&ready, Event::Confirmed(receipt("published-1")), None)).await.unwrap();
    let (tenant, account) = (ready.tenant, &ready.key.account);
    let ids = |platform, since| stores.reposts.published_ids(tenant, platform, account, since);
    assert_eq!(ids(Platform::X, start()).await.unwrap(), ["published-1"]);
    assert!(ids(Platform::X, later(1)).await.unwrap().is_empty());
    assert!(ids(Platform::YouTube, start()).await.unwrap().is_empty());
}

/// A repost that is not terminal must have a job.
pub async fn a_live_repost_without_a_job_is_an_orphan(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    assert!(stores.reposts.orphans(10).await.unwrap().is_empty());
    let prep = claim(&stores, JobKind::RepostPrep).await;
    assert!(stores.reposts.orphans(10).await.unwrap().is_empty());
    stores.jobs.finish(prep.lease(), &Finish::Done).await.unwrap();
    assert_eq!(stores.reposts.orphans(10).await.unwrap(), std::slice::from_ref(&scene.repost));
    let reason = crate::state::Reason::new(crate::state::Owner::Nobody, "why");
    stores.reposts.step(&step(&scene.repost, Event::Skipped(reason), None)).await.unwrap();
    assert!(stores.reposts.orphans(10).await.unwrap().is_empty());
}

/// Lists keep to their query.
pub async fn lists_are_filtered_ordered_and_limited(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let tenant = scene.source.tenant;
    let mut posts = Vec::new();
    for n in 1..4_u64 {
        let mut post = post(&scene.source, &format!("post {n}"));
        post.found.posted_at = later(n * 10);
        let repost = repost(&post, &scene.rule, &scene.destination);
        posts.push(NewPost { post, reposts: vec![(repost, None)] });
    }
    let admission = Admission { posts, cursor: Cursor::default() };
    stores.posts.admit(scene.sync.lease(), tenant, scene.source.id, &admission).await.unwrap();

    let query = PostQuery { before: Some(later(30)), limit: 2, ..PostQuery::default() };
    let listed = stores.posts.list(tenant, &query).await.unwrap();
    let keys: Vec<_> = listed.iter().map(|post| post.found.key.as_str()).collect();
    assert_eq!(keys, ["post 2", "post 1"]);
    let query = PostQuery { connection: Some(scene.destination.id), limit: 9, ..PostQuery::default() };
    assert!(stores.posts.list(tenant, &query).await.unwrap().is_empty());

    let account = Some((Platform::X, scene.destination.account.clone()));
    let query = RepostQuery {
        account,
        states: vec!["planned", "ready"],
        posted_before: Some(later(30)),
        limit: 2,
        ..RepostQuery::default()
    };
    let listed = stores.reposts.list(tenant, &query).await.unwrap();
    let keys: Vec<_> = listed.iter().map(|repost| repost.key.post.as_str()).collect();
    assert_eq!(keys, ["first", "post 1"]);
    let query = RepostQuery { states: vec!["published"], limit: 9, ..RepostQuery::default() };
    assert!(stores.reposts.list(tenant, &query).await.unwrap().is_empty());
    let query = RepostQuery { post: Some(listed[1].post), limit: 9, ..RepostQuery::default() };
    assert_eq!(stores.reposts.list(tenant, &query).await.unwrap(), [listed[1].clone()]);
}
