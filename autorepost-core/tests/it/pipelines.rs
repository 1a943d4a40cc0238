//! The pipelines on in-memory ports, with a clock that is moved by hand.

use std::time::Duration;

use autorepost_core::{
    Error, ErrorKind, Platform, Retry,
    brake::Scope,
    connection::ConnectionStatus,
    credential::Access,
    id::TenantId,
    job::{JobKind, JobState, refresh_key},
    media::{Media, MediaKey},
    memory::{Fault, MemoryMedia, Repeat},
    operator::Operator,
    policy::Policy,
    port::{Clock, ConnectionStore},
    post::{FoundPost, PostKind, Unusable},
    rule::ReplySettings,
    seal::KeyRing,
    standing::Standing,
    state::{Attempt, Event, Owner, RepostState, Ticket, apply},
    submission::{Content, Submission},
    worker::Worker,
};
use chrono::TimeDelta;

use crate::support::{Installation, block_on, found, start};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_post_goes_to_every_destination_once() {
    let it = Installation::new(1);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["published"; 3]);
    assert_eq!(it.shown(), [1, 1, 1]);
    let events = it.journal(&it.repost("1", Platform::X));
    assert_eq!(events, ["prep_started", "prepared", "began", "uploaded", "intended", "confirmed"]);
    it.run_for(24 * HOUR);
    assert_eq!(it.shown(), [1, 1, 1]);
}

#[test]
fn a_burst_over_many_pages_goes_out_the_oldest_first() {
    let it = Installation::new(2);
    for n in 0..13 {
        it.post(&format!("{n:02}"), 60 * (14 - n));
    }
    it.run_for(HOUR);
    for destination in it.bench.destinations.values() {
        let shown: Vec<_> = destination.shown().into_iter().map(|shown| shown.media).collect();
        let wanted: Vec<_> = (0..13).map(|n| MediaKey::of(format!("bytes of {n:02}").as_bytes())).collect();
        assert_eq!(shown, wanted);
    }
}

/// Complaints R4 and R15: a pinned post, a late one, and one that was made while we looked.
#[test]
fn a_post_that_appears_late_and_out_of_order_is_not_missed() {
    let it = Installation::new(3);
    let mut pinned = found("pinned", start() - TimeDelta::days(300));
    pinned.pinned = true;
    it.bench.source.add(pinned, "bytes of pinned");
    it.post("new", 60);
    it.run_for(10 * MINUTE);
    // It was made a day before the newest one that is known, and is listed only now.
    it.post("late", 24 * 3600);
    it.run_for(30 * MINUTE);
    assert_eq!(it.states("late"), ["published"; 3]);
    assert_eq!(it.states("pinned"), ["published"; 3]);
}

/// Complaints R1, 1, 2, 3, 5: an answer that is lost after the effect.
#[test]
fn a_commit_whose_answer_is_lost_is_found_and_not_repeated() {
    for repeat in [Repeat::Error, Repeat::Same, Repeat::Second] {
        let it = Installation::new(4);
        it.post("1", 60);
        for destination in it.bench.destinations.values() {
            destination.set_repeat(repeat);
            destination.set_read_lag(Duration::from_secs(20));
            destination.fault("commit", Fault::After);
        }
        it.run_for(HOUR);
        assert_eq!(it.states("1"), ["published"; 3], "{repeat:?}");
        assert_eq!(it.shown(), [1, 1, 1], "{repeat:?}");
        assert!(it.journal(&it.repost("1", Platform::X)).contains(&"in_doubt".to_owned()));
    }
}

/// What a platform makes of a publication later is written down and told, and never moves the repost.
#[test]
fn what_becomes_of_a_publication_is_asked_twice_and_told() {
    let it = Installation::new(40);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    let x = &it.bench.destinations[&Platform::X];
    x.set_standing(Standing::Limited { why: "withheld in DE".into() });
    x.fault("inspect", Fault::Before);
    it.run_for(2 * HOUR);
    let repost = it.repost("1", Platform::X);
    let seen = repost.state.inspection().unwrap();
    assert_eq!(seen.standing.to_string(), "limited: withheld in DE");
    assert_eq!(it.repost("1", Platform::YouTube).state.inspection().unwrap().standing, Standing::Live);
    x.set_standing(Standing::Gone { why: "removed".into() });
    it.run_for(23 * HOUR);
    let repost = it.repost("1", Platform::X);
    assert_eq!((repost.state.name(), repost.state.inspection().unwrap().standing.name()), ("published", "gone"));
    x.set_standing(Standing::Live);
    it.run_for(48 * HOUR);
    assert_eq!(it.repost("1", Platform::X).state.inspection().unwrap().standing.name(), "gone", "nobody asks any more");
    let looks = it.journal(&repost).into_iter().filter(|event| event == "inspected").count();
    assert_eq!((looks, it.shown()), (2, vec![1, 1, 1]));
}

/// A platform that never answers cannot tell; one that takes more than a day to process is looked at by a person.
#[test]
fn a_platform_that_cannot_tell_is_not_asked_for_ever() {
    let it = Installation::new(41);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    let x = &it.bench.destinations[&Platform::X];
    (0..100).for_each(|_| x.fault("inspect", Fault::Before));
    it.bench.destinations[&Platform::YouTube].set_standing(Standing::Processing);
    it.run_for(72 * HOUR);
    let standing = |platform| it.repost("1", platform).state.inspection().unwrap().standing.clone();
    assert!(matches!(standing(Platform::X), Standing::Unknown { .. }));
    assert!(matches!(standing(Platform::YouTube), Standing::NotPublic { .. }));
    assert_eq!(it.states("1"), ["published"; 3]);
}

/// An allowance that only money brings back holds the account, and nothing else, until a person resumes it.
#[test]
fn an_allowance_that_no_time_brings_back_holds_the_account_for_a_person() {
    let it = Installation::new(42);
    let error = Error::new(ErrorKind::Quota, "begin", "the app has no credits").owner(Owner::Operator);
    it.bench.destinations[&Platform::X].refuse_next(error);
    it.post("1", 60);
    it.run_for(2 * HOUR);
    assert_eq!(it.states("1"), ["published", "published", "waiting"]);
    let reason = it.repost("1", Platform::X).state.reason().cloned().unwrap();
    assert_eq!(reason.owner, Owner::Operator);
    assert!(reason.text.contains("is paused") && reason.text.contains("no credits"), "{}", reason.text);
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "test");
    block_on(operator.set_paused("x", false)).unwrap();
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["published"; 3]);
}

/// What holds for the app holds for all of its accounts; `explain` says until when.
#[test]
fn a_quota_of_the_whole_platform_closes_it_for_every_account() {
    let it = Installation::new(43);
    let error = Error::new(ErrorKind::Quota, "begin", "used up").retry(Retry::After(6 * HOUR)).shared();
    it.bench.destinations[&Platform::YouTube].refuse_next(error);
    it.post("1", 60);
    it.run_for(HOUR);
    let closed = block_on(it.bench.ports.limiter.closed_until("platform:youtube", it.bench.clock.now())).unwrap();
    assert!(closed.is_some_and(|until| until > it.bench.clock.now() + TimeDelta::hours(4)));
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "test");
    let post = block_on(operator.post("1")).unwrap();
    let told = block_on(operator.explain(&post)).unwrap().to_string();
    assert!(told.contains("next: waits for quota until 2025-11-2"), "{told}");
    it.run_for(7 * HOUR);
    assert_eq!(it.states("1"), ["published"; 3]);
}

#[test]
fn a_commit_that_never_arrived_is_sent_again_after_the_settle_window() {
    let it = Installation::new(5);
    it.post("1", 60);
    it.bench.destinations[&Platform::X].fault("commit", Fault::Before);
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["published"; 3]);
    let events = it.journal(&it.repost("1", Platform::X));
    assert_eq!(events.iter().filter(|event| *event == "intended").count(), 2);
    assert_eq!(it.shown(), [1, 1, 1]);
}

#[test]
fn a_commit_that_nobody_can_settle_is_left_to_a_person() {
    let it = Installation::new(6);
    it.post("1", 60);
    let x = &it.bench.destinations[&Platform::X];
    x.fault("commit", Fault::After);
    (0..2_000).for_each(|_| x.fault("find", Fault::Before));
    it.run_for(26 * HOUR);
    let RepostState::Unconfirmed { evidence, .. } = it.repost("1", Platform::X).state else {
        panic!("{:?}", it.states("1"));
    };
    assert_eq!(evidence.owner, Owner::Operator);
    assert!(evidence.text.contains("confirm or deny"), "{}", evidence.text);
    assert_eq!(it.shown(), [1, 1, 1]);
}

#[test]
fn an_upload_that_is_cut_goes_on() {
    let it = Installation::new(7);
    it.bench.source.add(found("big", start() - TimeDelta::seconds(60)), vec![7_u8; 300_000]);
    for destination in it.bench.destinations.values() {
        destination.fault("upload", Fault::After);
        destination.fault("begin", Fault::After);
    }
    it.run_for(HOUR);
    assert_eq!(it.states("big"), ["published"; 3]);
    for destination in it.bench.destinations.values() {
        assert_eq!(destination.shown()[0].media, MediaKey::of(&vec![7_u8; 300_000]));
    }
}

#[test]
fn what_cannot_be_reposted_is_skipped_with_its_reason() {
    let it = Installation::new(8);
    let mut photo = found("photo", start() - TimeDelta::seconds(60));
    photo.kind = PostKind::Unusable { why: Unusable::Photo };
    it.bench.source.add(photo, "");
    it.post("gone", 50);
    it.bench.source.set_unusable("gone", Some(Unusable::Deleted));
    it.post("long", 40);
    let key = MediaKey::of(b"bytes of long");
    it.bench.media.set_facts(key, Ok(MemoryMedia::upright(150_000)));
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("photo"), ["skipped"; 3]);
    assert_eq!(it.states("gone"), ["skipped"; 3]);
    assert_eq!(it.states("long"), ["published", "published", "skipped"]);
    let reason = |key, platform| it.repost(key, platform).state.reason().unwrap().text.clone();
    assert!(reason("photo", Platform::X).contains("photos"));
    assert!(reason("gone", Platform::Instagram).contains("deleted"));
    assert!(reason("long", Platform::X).contains("X takes at most 140 s"));
}

#[test]
fn a_file_that_is_no_video_fails_and_others_go_on() {
    let it = Installation::new(9);
    it.post("bad", 60);
    it.post("good", 50);
    it.bench.media.set_facts(MediaKey::of(b"bytes of bad"), Err("this is not a video: it is text".into()));
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("bad"), ["failed"; 3]);
    assert_eq!(it.states("good"), ["published"; 3]);
    let reason = it.repost("bad", Platform::X).state.reason().unwrap().clone();
    assert_eq!(reason.owner, Owner::Content);
}

/// Complaints 13–16 and R8: a token is renewed ahead of its end, and a blip does not disconnect.
#[test]
fn tokens_are_renewed_ahead_of_their_end() {
    let it = Installation::new(16);
    let account = it.destinations[1].account.clone();
    let youtube = &it.bench.authorizers[&Platform::YouTube];
    youtube.set_refresh(account.clone(), "refresh-0");
    youtube.fail_next(Error::unavailable("refresh token", "the network is down"));
    let mut latest = start();
    for _ in 0..24 {
        it.run_for(HOUR);
        let connection =
            block_on(it.bench.memory.find(it.source.tenant, Platform::YouTube, &account)).unwrap().unwrap();
        assert_eq!(connection.status, ConnectionStatus::Active);
        assert!(connection.expires_at.unwrap() > it.bench.clock.now(), "a token ended before it was renewed");
        assert!(connection.renewed_at > latest, "no renewal within the hour");
        latest = connection.renewed_at;
    }
    assert_eq!(youtube.reused(), 0);
}

/// Complaints P9 and 15: a dead grant is told, the reposts wait, and a reconnection lets them go on.
#[test]
fn a_dead_grant_holds_its_reposts_until_the_account_is_connected_again() {
    let it = Installation::new(17);
    let x = &it.bench.authorizers[&Platform::X];
    // One refusal is no proof: platforms have refused living tokens. Nor are two, with something else in between.
    x.fail_next(Error::unavailable("verify", "no answer"));
    for _ in 0..2 {
        x.fail_next(Error::new(ErrorKind::Unauthorized, "verify", "the token was revoked"));
        x.fail_next(Error::unavailable("verify", "no answer"));
    }
    it.run_for(10 * MINUTE);
    let status = |id| block_on(it.bench.ports.connections.get(TenantId::OWNER, id)).unwrap().unwrap().status;
    assert_eq!(status(it.destinations[2].id), ConnectionStatus::Active);
    for _ in 0..20 {
        x.fail_next(Error::new(ErrorKind::Unauthorized, "verify", "the token was revoked"));
    }
    block_on(it.bench.ports.jobs.hasten(&[refresh_key(it.destinations[2].id)])).unwrap();
    it.run_for(10 * MINUTE);
    assert_eq!(status(it.destinations[2].id), ConnectionStatus::NeedsReconnect);
    it.post("1", 0);
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["published", "published", "waiting"]);
    assert_eq!(it.repost("1", Platform::X).state.reason().unwrap().owner, Owner::Reconnect);
    block_on(it.bench.memory.connect(&it.destinations[2], &[])).unwrap();
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["published"; 3]);
}

/// An app's secret that was rotated at the platform before it was here makes living accounts look dead: they come back.
#[test]
fn what_was_called_dead_and_lives_comes_back_by_itself() {
    let it = Installation::new(19);
    it.run_for(10 * MINUTE);
    let x = &it.bench.authorizers[&Platform::X];
    for _ in 0..3 {
        x.fail_next(Error::new(ErrorKind::Unauthorized, "verify", "the app is not known"));
    }
    let (id, memory) = (it.destinations[2].id, &it.bench.memory);
    let status = || block_on(ConnectionStore::get(memory.as_ref(), TenantId::OWNER, id)).unwrap().unwrap().status;
    block_on(it.bench.ports.jobs.hasten(&[refresh_key(id)])).unwrap();
    it.run_for(2 * MINUTE);
    assert_eq!(status(), ConnectionStatus::NeedsReconnect);
    it.post("1", -600);
    it.run_for(HOUR);
    assert_eq!((status(), it.states("1"), it.shown()), (ConnectionStatus::Active, vec!["published"; 3], vec![1; 3]));
}

#[test]
fn a_quota_parks_and_does_not_fail() {
    let it = Installation::new(18);
    it.post("1", 60);
    let until = Error::new(ErrorKind::Quota, "list posts", "used up").retry(Retry::After(HOUR));
    it.bench.source.fail_next(until);
    it.run_for(50 * MINUTE);
    assert_eq!(it.reposts().len(), 0);
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["published"; 3]);
}

/// Complaint P8: a source that answers with a challenge is marked, and is tried again by itself.
#[test]
fn a_blocked_source_is_marked_and_recovers() {
    let it = Installation::new(19);
    it.bench.source.fail_next(Error::new(ErrorKind::Blocked, "list posts", "a challenge page").retry(Retry::Soon));
    it.run_for(Duration::from_secs(1));
    let status =
        || block_on(ConnectionStore::get(it.bench.memory.as_ref(), it.source.tenant, it.source.id)).unwrap().unwrap();
    assert_eq!(status().status, ConnectionStatus::Error);
    assert!(status().status_detail.unwrap().contains("challenge"));
    it.run_for(10 * MINUTE);
    assert_eq!(status().status, ConnectionStatus::Active);
}

#[test]
fn upkeep_gives_a_job_to_what_has_none() {
    let it = Installation::new(20);
    it.post("1", 60);
    it.run_for(Duration::from_millis(1));
    // Jobs that vanish: as after a backup that was restored in part.
    let id = it.bench.memory.jobs()[0].new.id;
    let upkeep = autorepost_core::job::NewJob::upkeep(id, it.bench.clock.now());
    let other = Installation::new(20);
    drop(other);
    let mut upkeep = upkeep;
    upkeep.id = autorepost_core::id::JobId::new(it.bench.clock.now(), [9; 10]);
    block_on(it.bench.ports.jobs.enqueue(&[upkeep])).unwrap();
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["published"; 3]);
    let live = it.bench.memory.jobs().into_iter().filter(|job| job.state == JobState::Queued);
    let kinds: Vec<_> = live.map(|job| job.new.kind).collect();
    assert!(kinds.contains(&JobKind::Upkeep) && kinds.contains(&JobKind::TiktokSync), "{kinds:?}");
}

#[test]
fn a_worker_that_lost_its_lease_writes_nothing() {
    let it = Installation::new(21);
    it.post("1", 60);
    it.run_for(Duration::ZERO);
    let slow = Worker::new(it.bench.ports.clone(), Policy::default(), "slow");
    it.bench.clock.advance(Duration::from_secs(120));
    let mine = block_on(slow.claim(&[JobKind::TiktokSync], 1)).unwrap().remove(0);
    it.bench.clock.advance(Duration::from_secs(120));
    let theirs = block_on(it.worker.claim(&[JobKind::TiktokSync], 1)).unwrap().remove(0);
    assert_eq!(theirs.attempts, 1);
    it.post("2", 0);
    block_on(slow.run(mine));
    assert!(it.states("2").is_empty(), "a stale worker admitted a post");
    assert!(it.bench.events.lines().iter().any(|line| line.contains("lost")));
    block_on(it.worker.run(theirs));
    assert_eq!(it.states("2"), ["planned"; 3]);
}

/// A post that appears with an old date, too late for any sync, is found by the audit, with an alarm.
#[test]
fn the_audit_finds_what_no_sync_can_see() {
    let it = Installation::new(40);
    const DAY: i64 = 24 * 3600;
    it.post("new", 60);
    // More than a page from before the overlap of a sync: it never comes to what lies behind them.
    (0..6).for_each(|n| drop(it.post(&format!("{n}"), 3 * DAY + 60 * n)));
    it.run_for(HOUR);
    // It was private for twenty days.
    it.post("late", 20 * DAY);
    it.run_for(8 * HOUR);
    assert_eq!(it.states("late"), ["published"; 3]);
    let alarm = |line: &String| line.contains("alarm") && line.contains("had been missed") && line.contains("late");
    assert!(it.bench.events.lines().iter().any(alarm));
}

/// A private post that its author makes public is reposted then, whether a sync or only the audit can see it.
#[test]
fn what_was_private_is_reposted_when_it_is_shown() {
    const DAY: i64 = 24 * 3600;
    let it = Installation::new(45);
    let private = |post: &mut FoundPost| post.kind = PostKind::Unusable { why: Unusable::Private };
    it.post("new", 60);
    (0..6).for_each(|n| drop(it.post(&format!("{n}"), 3 * DAY + 60 * n)));
    for (key, age) in [("soon", 120), ("late", 20 * DAY)] {
        it.post(key, age);
        it.bench.source.change(key, private);
    }
    it.run_for(HOUR);
    assert_eq!((it.states("soon"), it.states("late")), (vec!["skipped"; 3], vec!["skipped"; 3]));
    let public = |post: &mut FoundPost| post.kind = PostKind::Video { duration_secs: Some(9) };
    ["soon", "late"].iter().for_each(|key| it.bench.source.change(key, public));
    it.run_for(HOUR);
    assert_eq!((it.states("soon"), it.states("late")), (vec!["published"; 3], vec!["skipped"; 3]));
    it.run_for(8 * HOUR);
    assert_eq!(it.states("late"), ["published"; 3]);
    assert_eq!(it.shown(), [9; 3]);
}

/// A brake stops every commit, and what it held goes on when it is released.
#[test]
fn a_brake_holds_everything_and_loses_nothing() {
    let it = Installation::new(41);
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "operator");
    block_on(operator.stop(Scope::Everything, "a drill")).unwrap();
    it.post("1", 60);
    it.run_for(HOUR);
    assert_eq!((it.states("1"), it.shown()), (vec!["waiting"; 3], vec![0; 3]));
    assert!(it.repost("1", Platform::X).state.reason().unwrap().text.contains("a drill"));
    assert!(block_on(operator.go_on(Scope::Everything)).unwrap());
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["published"; 3]);
}

/// So many posts in so short a time are nobody's wish: the account is held, with an alarm, until a person resumes it.
#[test]
fn an_anomaly_stops_the_account() {
    let it = Installation::new(42);
    let policy = Policy { anomaly_max: 3, anomaly_window: HOUR, ..Policy::default() };
    let worker = Worker::new(it.bench.ports.clone(), policy, "worker-1");
    let it = Installation { worker, ..it };
    (0..5).for_each(|n| drop(it.post(&format!("{n}"), 60 * (9 - n))));
    it.run_for(HOUR / 2);
    assert_eq!(it.shown(), [3; 3]);
    let x = block_on(it.bench.ports.connections.get(TenantId::OWNER, it.destinations[2].id)).unwrap().unwrap();
    assert!(x.paused && x.status_detail.as_ref().unwrap().contains("3 posts went there"), "{x:?}");
    assert!(it.bench.events.lines().iter().any(|line| line.contains("alarm X @alice was paused")));
    it.run_for(HOUR / 4);
    assert_eq!(it.shown(), [3; 3], "it waits for a person");
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "operator");
    ["instagram", "youtube", "x"].iter().for_each(|name| drop(block_on(operator.set_paused(name, false)).unwrap()));
    // Long before the window is over: what a person has looked at is no reason to stop again.
    it.run_for(HOUR / 4);
    assert_eq!(it.shown(), [5; 3]);
}

/// A session that cannot be renewed is looked at once a day, however near its end is.
#[test]
fn a_credential_that_cannot_be_renewed_is_not_asked_about_all_the_time() {
    let it = Installation::new(43);
    let mut source = it.source.clone();
    source.expires_at = Some(start() + TimeDelta::minutes(10));
    block_on(it.bench.ports.connections.update(&source, None, &[])).unwrap();
    it.run_for(48 * HOUR);
    let asked = it
        .bench
        .events
        .lines()
        .iter()
        .filter(|line| line.starts_with("job refresh:") && line.contains(&source.id.to_string()))
        .count();
    assert!((1..=4).contains(&asked), "{asked} times in two days");
}

/// Rotated keys: what is sealed anew stays open, and a renewal that ran meanwhile loses nothing.
#[test]
fn credentials_are_sealed_anew_while_everything_runs() {
    const OLD: &str = "bench:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "new:HxAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=";
    let it = Installation::new(44);
    let mut ports = it.bench.ports.clone();
    ports.keys = KeyRing::parse(&format!("{NEW},{OLD}")).unwrap().into();
    let operator = Operator::new(&ports, TenantId::OWNER, "operator");
    let first = block_on(operator.reseal()).unwrap();
    assert_eq!((first.resealed, first.already, first.broken.len()), (4, 0, 0));
    let again = block_on(operator.reseal()).unwrap();
    assert_eq!((again.resealed, again.already), (0, 4));
    // The old key alone opens nothing any more; the new one alone opens all.
    ports.keys = KeyRing::parse(NEW).unwrap().into();
    for connection in block_on(ports.connections.list(None)).unwrap() {
        assert!(Access::open(&connection, &ports.keys).is_ok());
        assert!(Access::open(&connection, &KeyRing::parse(OLD).unwrap()).is_err());
    }
}

/// A commit that is refused for a limit, however often, is no commit that never took effect.
#[test]
fn limits_at_the_commit_park_and_do_not_fail() {
    let mut state = RepostState::Processing(attempt());
    for _ in 0..20 {
        state = apply(state, Event::Intended(start())).unwrap();
        state = apply(state, Event::Refused).unwrap();
    }
    assert_eq!(state.attempt().unwrap().commits, 0);
}

fn attempt() -> Attempt {
    let content = Content::X { text: "hi".into(), reply_settings: ReplySettings::Everyone };
    let media = Media { key: MediaKey::of(b"bytes"), bytes: 5, facts: MemoryMedia::upright(9_000) };
    Attempt {
        submission: Submission { media, content, terms: None },
        ticket: Ticket { handle: "upload".into(), extra: None, begun_at: start(), expires_at: None },
        sent: 5,
        commits: 0,
        first_commit_at: None,
        last_commit_at: None,
    }
}
