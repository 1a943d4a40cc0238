//! Older posts, published a few a day.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use autorepost_core::{
    Error, ErrorKind, Platform,
    backfill::{Backfill, Ending, Stage},
    id::{ConnectionId, TenantId},
    job::JobKind,
    media::MediaKey,
    operator::{BackfillAsk, Operator},
    port::Clock,
    rule::RuleState,
};
use chrono::TimeDelta;

use crate::support::{Installation, add_rule, block_on, destination, start};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const DAYS_AGO: i64 = 24 * 3600;

/// A rule that begins now, and so many posts from before.
fn older(seed: u64, posts: u32) -> Installation {
    let it = Installation::with(seed, |spec| spec.filters.since = Some(start() - TimeDelta::hours(1)));
    (1..=posts).for_each(|n| drop(it.post(&format!("{n}"), (posts + 2 - n) as i64 * DAYS_AGO)));
    it
}

fn operator(it: &Installation) -> Operator<'_> {
    Operator::new(&it.bench.ports, TenantId::OWNER, "tester")
}

fn ask(days: i64, per_day: u32) -> BackfillAsk {
    BackfillAsk { since: start() - TimeDelta::days(days), until: None, per_day: Some(per_day) }
}

fn begin(it: &Installation, ask: &BackfillAsk) -> Result<Backfill, Error> {
    let rule = block_on(operator(it).rule("everything"))?;
    block_on(operator(it).begin_backfill(&rule, ask))
}

fn stored(it: &Installation) -> Backfill {
    block_on(it.bench.ports.backfills.get(TenantId::OWNER, it.rule)).unwrap().unwrap()
}

/// The posts that a destination shows, in the order in which they came.
fn shown(it: &Installation, platform: Platform) -> Vec<u32> {
    let shown = it.bench.destinations[&platform].shown();
    let key = |media| (0..100_u32).find(|n| MediaKey::of(format!("bytes of {n}").as_bytes()) == media);
    shown.iter().map(|one| key(one.media).expect("a post that was added")).collect()
}

#[test]
fn older_posts_go_out_once_each_the_oldest_first_and_some_a_day() {
    // Two pages and a half.
    let it = older(1, 12);
    it.run_for(HOUR);
    assert_eq!(it.shown(), [0, 0, 0]);
    begin(&it, &ask(11, 2)).unwrap();
    // Post 1 and 2 are 13 and 12 days old, and so not asked for.
    let first = it.bench.clock.now();
    it.run_for(HOUR);
    for platform in [Platform::Instagram, Platform::YouTube, Platform::X] {
        assert_eq!(shown(&it, platform), [3], "{platform}");
    }
    it.run_for(DAY);
    assert_eq!(it.shown(), [3, 3, 3]);
    it.run_for(5 * DAY);
    for platform in [Platform::Instagram, Platform::YouTube, Platform::X] {
        assert_eq!(shown(&it, platform), (3..=12).collect::<Vec<_>>(), "{platform}");
        let times: Vec<_> = it.bench.destinations[&platform].shown().iter().map(|one| one.at).collect();
        assert!(times.windows(2).all(|two| two[1] - two[0] >= TimeDelta::hours(11)), "{times:?}");
        assert!(times[9] <= first + TimeDelta::hours(9 * 12 + 1), "{times:?}");
    }
    assert!(matches!(stored(&it).stage, Stage::Ended { why: Ending::Done, .. }));
    assert_eq!(stored(&it).released(), 30);
    assert!(block_on(it.bench.ports.jobs.find(&stored(&it).job_key())).unwrap().is_none());
    let lines = it.bench.events.lines();
    assert!(!lines.iter().any(|line| line.contains("alarm")), "{lines:?}");
    let repost = it.repost("3", Platform::X);
    assert_eq!(it.journal(&repost)[0], "backfilled");
    // Asked for again, it finds nothing to do.
    begin(&it, &ask(11, 24)).unwrap();
    it.run_for(5 * DAY);
    assert_eq!(it.shown(), [10, 10, 10]);
}

#[test]
fn a_plan_tells_what_a_backfill_does() {
    let it = older(2, 7);
    it.bench.source.change("4", |post| post.caption = "no tag".into());
    it.set_rule(|rule| rule.spec.filters.require_hashtags = vec!["fun".into()]);
    it.run_for(HOUR);
    let rule = block_on(operator(&it).rule("everything")).unwrap();
    let plan = block_on(operator(&it).plan_backfill(&rule, &ask(100, 4), 10)).unwrap();
    let out: Vec<_> = plan.turns.iter().filter(|turn| turn.at.is_some()).collect();
    let keys: Vec<_> = out.iter().map(|turn| turn.planned.post.key.as_str()).collect();
    assert_eq!(keys, ["1", "2", "3", "5", "6", "7"]);
    let now = it.bench.clock.now();
    assert_eq!(plan.last_at, Some(now + TimeDelta::hours(30)));
    assert!(plan.whole && plan.to_string().contains("would be skipped"), "{plan}");
    assert!(!block_on(operator(&it).plan_backfill(&rule, &ask(100, 4), 1)).unwrap().whole);
    assert!(it.reposts().is_empty(), "a plan writes nothing");

    begin(&it, &ask(100, 4)).unwrap();
    it.run_for(HOUR);
    let status = block_on(operator(&it).backfill(it.rule)).unwrap();
    assert_eq!((status.backfill.released(), status.left), (3, Some(15)), "{status}");
    assert!(status.last_at.unwrap() - plan.last_at.unwrap() < TimeDelta::minutes(5), "{status}");
    it.run_for(2 * DAY);
    assert_eq!(shown(&it, Platform::X), [1, 2, 3, 5, 6, 7]);
}

#[test]
fn what_is_new_goes_first() {
    let it = older(3, 4);
    it.run_for(HOUR);
    // The new post is held for a while, and the backfill with it.
    block_on(operator(&it).set_paused("x", true)).unwrap();
    it.bench.source.add(crate::support::found("50", it.bench.clock.now()), "bytes of 50");
    it.run_for(HOUR);
    begin(&it, &ask(100, 24)).unwrap();
    it.run_for(HOUR / 2);
    assert_eq!(shown(&it, Platform::X), [0; 0]);
    assert_eq!(shown(&it, Platform::YouTube), [50, 1]);
    block_on(operator(&it).set_paused("x", false)).unwrap();
    it.run_for(12 * HOUR);
    assert_eq!(shown(&it, Platform::X), [50, 1, 2, 3, 4]);
    assert_eq!(shown(&it, Platform::YouTube), [50, 1, 2, 3, 4]);
}

#[test]
fn what_is_held_never_piles_up_and_a_rule_holds_and_ends_it() {
    let it = older(4, 6);
    it.run_for(HOUR);
    begin(&it, &ask(100, 24)).unwrap();
    it.run_for(HOUR / 2);
    it.set_rule(|rule| rule.state = RuleState::Paused);
    it.run_for(2 * DAY);
    assert_eq!(it.shown(), [1, 1, 1]);
    assert_eq!(it.reposts().len(), 3, "nothing had its turn");
    let status = block_on(operator(&it).backfill(it.rule)).unwrap();
    assert!(status.note.as_deref().is_some_and(|note| note.contains("paused")), "{status}");
    it.set_rule(|rule| rule.state = RuleState::Active);
    // A stop of everything for days: of what was due meanwhile, one is on its way.
    block_on(operator(&it).set_paused("youtube", true)).unwrap();
    it.run_for(3 * DAY);
    assert_eq!(it.shown(), [6, 1, 6]);
    block_on(operator(&it).set_paused("youtube", false)).unwrap();
    it.run_for(HOUR + HOUR / 2);
    assert!(it.shown()[1] <= 3, "{:?}", it.shown());
    it.set_rule(|rule| rule.state = RuleState::Removed);
    it.run_for(DAY);
    assert!(matches!(stored(&it).stage, Stage::Ended { why: Ending::RuleRemoved, .. }));
    assert!(it.shown()[1] <= 3, "{:?}", it.shown());
}

#[test]
fn it_is_called_off_and_told_of() {
    let it = older(5, 6);
    it.run_for(HOUR);
    begin(&it, &ask(100, 2)).unwrap();
    it.run_for(HOUR);
    let post = block_on(operator(&it).post("4")).unwrap();
    let told = block_on(operator(&it).explain(&post)).unwrap();
    assert!(told.untouched.iter().all(|one| one.why.contains("backfill is to come")), "{told}");
    assert_eq!(block_on(operator(&it).backfills()).unwrap().len(), 1);
    block_on(operator(&it).end_backfill(it.rule)).unwrap();
    let again = block_on(operator(&it).end_backfill(it.rule)).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    it.run_for(5 * DAY);
    assert_eq!(it.shown(), [1, 1, 1]);
    let told = block_on(operator(&it).explain(&post)).unwrap();
    assert!(told.untouched.iter().all(|one| one.why.contains("posted before")), "{told}");
    // Another may begin at once, though the job of the first waited for its next turn.
    begin(&it, &ask(100, 24)).unwrap();
    it.run_for(DAY);
    assert_eq!(it.shown(), [6, 6, 6]);
}

#[test]
fn what_cannot_work_is_refused() {
    let it = older(6, 2);
    let kind = |ask: &BackfillAsk| begin(&it, ask).unwrap_err().kind();
    assert_eq!(kind(&ask(100, 0)), ErrorKind::Invalid);
    assert_eq!(kind(&ask(100, 25)), ErrorKind::Invalid);
    assert_eq!(kind(&ask(0, 3)), ErrorKind::Invalid, "the rule takes these by itself");
    let until = Some(start() - TimeDelta::days(101));
    assert_eq!(kind(&BackfillAsk { until, ..ask(100, 3) }), ErrorKind::Invalid);
    begin(&it, &ask(100, 3)).unwrap();
    assert_eq!(kind(&ask(100, 3)), ErrorKind::Conflict, "one is going");
    let spec = block_on(operator(&it).rule("everything")).unwrap().spec;
    add_rule(&it.bench, "other", &it.source, spec);
    let other = block_on(operator(&it).rule("other")).unwrap();
    let error = block_on(operator(&it).begin_backfill(&other, &ask(100, 3))).unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.detail().contains("everything"), "{error}");
    it.set_rule(|rule| rule.spec.filters.since = None);
    block_on(operator(&it).end_backfill(it.rule)).unwrap();
    assert_eq!(kind(&ask(100, 3)), ErrorKind::Invalid, "the rule takes the posts of all times");
}

/// A worker is killed at each of its awaits in turn: nothing is lost, and nothing is published twice.
#[test]
fn a_crash_anywhere_loses_and_doubles_nothing() {
    let mut kills = 0;
    for polls in 0..60 {
        let it = older(7, 7);
        it.run_for(HOUR);
        begin(&it, &ask(100, 24)).unwrap();
        let mut left = polls;
        // Every run of the backfill is killed once it has been polled so often, all in all, and then no more.
        while left > 0 {
            let jobs = block_on(it.worker.claim(&[JobKind::Backfill], 1)).unwrap();
            for job in jobs {
                let mut run = pin!(it.worker.run(job));
                let mut cx = Context::from_waker(Waker::noop());
                while left > 0 {
                    left -= 1;
                    if let Poll::Ready(()) = run.as_mut().poll(&mut cx) {
                        break;
                    }
                    kills += u32::from(left == 0);
                }
            }
            it.bench.clock.advance(Duration::from_secs(61));
        }
        it.run_for(3 * DAY);
        for platform in [Platform::Instagram, Platform::YouTube, Platform::X] {
            assert_eq!(shown(&it, platform), (1..=7).collect::<Vec<_>>(), "{platform}, killed after {polls}");
        }
        assert!(matches!(stored(&it).stage, Stage::Ended { why: Ending::Done, .. }));
    }
    assert!(kills > 0, "no run was ever killed");
}

#[test]
fn a_page_that_stays_broken_is_walked_to_anew() {
    let it = older(8, 12);
    it.run_for(HOUR);
    begin(&it, &ask(100, 24)).unwrap();
    let jobs = block_on(it.worker.claim(&[JobKind::Backfill], 1)).unwrap();
    jobs.into_iter().for_each(|job| block_on(it.worker.run(job)));
    assert!(matches!(stored(&it).stage, Stage::Walking { page: Some(_), pages: 1 }));
    (0..3).for_each(|_| it.bench.source.fail_next(Error::unavailable("list posts", "a stale page")));
    it.bench.clock.advance(Duration::from_secs(6));
    for _ in 0..3 {
        let due = stored(&it);
        let job = block_on(it.bench.ports.jobs.find(&due.job_key())).unwrap().unwrap();
        it.bench.clock.set(job.new.run_at.max(it.bench.clock.now()));
        let jobs = block_on(it.worker.claim(&[JobKind::Backfill], 1)).unwrap();
        jobs.into_iter().for_each(|job| block_on(it.worker.run(job)));
    }
    assert!(matches!(stored(&it).stage, Stage::Walking { page: None, .. }), "{:?}", stored(&it).stage);
    it.run_for(2 * DAY);
    assert_eq!(it.shown(), [12, 12, 12]);
}

/// A destination that the rule does not name any more ends for it; one that is new to the rule is none of the backfill's.
#[test]
fn destinations_are_those_of_its_beginning() {
    let it = older(9, 3);
    it.set_rule(|rule| rule.spec.destinations.retain(|one| one.options.platform() != Platform::X));
    it.run_for(HOUR);
    begin(&it, &ask(100, 24)).unwrap();
    let x: ConnectionId = it.destinations[2].id;
    it.set_rule(|rule| {
        rule.spec.destinations.retain(|one| one.options.platform() == Platform::Instagram);
        rule.spec.destinations.push(destination(&it.destinations[2]));
    });
    it.run_for(DAY);
    assert_eq!(it.shown(), [3, 0, 0]);
    assert!(stored(&it).tracks.iter().all(|track| track.done && track.connection != x));
}
