//! Cases of the job queue.

use std::{collections::BTreeSet, time::Duration};

use super::{Stores, all_at_once, claim, claim_for, job, later, near};
use crate::{
    ErrorKind,
    job::{Finish, Job, JobKind, JobState, NewJob},
    policy::{after, before},
};

const LEASE: Duration = Duration::from_secs(600);

/// A lease or a wait that a case lets end.
const SHORT: Duration = Duration::from_millis(200);

async fn claim_all(stores: &Stores, max: u32) -> Vec<Job> {
    stores.jobs.claim(&JobKind::ALL, max, LEASE).await.unwrap()
}

fn keys(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.new.key.as_str()).collect()
}

/// While a job with a key is queued or running, another with it changes nothing.
pub async fn a_key_is_queued_once(stores: Stores) {
    let first = job(JobKind::TiktokSync, "key", "a");
    let second = NewJob { lane: "b".into(), ..job(JobKind::TiktokSync, "key", "b") };
    stores.jobs.enqueue(&[first.clone(), second.clone()]).await.unwrap();
    let running = claim(&stores, JobKind::TiktokSync).await;
    assert_eq!(running.new, first);
    stores.jobs.enqueue(std::slice::from_ref(&second)).await.unwrap();
    assert_eq!(stores.jobs.find("key").await.unwrap().unwrap().new.id, first.id);
    stores.jobs.finish(running.lease(), &Finish::Done).await.unwrap();
    assert!(stores.jobs.find("key").await.unwrap().is_none());
    stores.jobs.enqueue(std::slice::from_ref(&second)).await.unwrap();
    assert_eq!(stores.jobs.find("key").await.unwrap().unwrap().new, second);
}

/// By kind, then by the order that was asked for, then by age.
pub async fn jobs_come_by_priority_then_order_then_age(stores: Stores) {
    let late = NewJob { order_at: later(9), ..job(JobKind::RepostPrep, "late", "1") };
    let early = job(JobKind::RepostPrep, "early", "2");
    let younger = job(JobKind::RepostPrep, "younger", "3");
    let urgent = NewJob { order_at: later(99), ..job(JobKind::TokenRefresh, "urgent", "4") };
    stores.jobs.enqueue(&[late, younger.clone(), early.clone(), urgent]).await.unwrap();
    assert!(early.id < younger.id);
    assert_eq!(keys(&claim_all(&stores, 3).await), ["urgent", "early", "younger"]);
    assert_eq!(keys(&claim_all(&stores, 3).await), ["late"]);
}

/// A job is due from its time on, and only for those who ask for its kind.
pub async fn a_job_is_not_due_before_its_time(stores: Stores) {
    let due = after(stores.time.now(), SHORT);
    let far = after(due, 100 * LEASE);
    let soon = NewJob { run_at: due, ..job(JobKind::Upkeep, "soon", "a") };
    let later = NewJob { run_at: far, ..job(JobKind::Upkeep, "later", "b") };
    stores.jobs.enqueue(&[later, soon]).await.unwrap();
    assert_eq!(stores.jobs.next_due().await.unwrap(), Some(due));
    stores.time.pass(2 * SHORT).await;
    assert!(stores.jobs.claim(&[JobKind::RepostPrep], 9, LEASE).await.unwrap().is_empty());
    let claimed = claim_all(&stores, 9).await;
    assert_eq!((keys(&claimed), claimed[0].epoch), (vec!["soon"], 1));
    assert!(near(claimed[0].leased_until, after(stores.time.now(), LEASE)), "{claimed:?}");
    assert_eq!(stores.jobs.next_due().await.unwrap(), Some(far));
}

/// A lane is a queue with one server.
pub async fn of_a_lane_one_runs(stores: Stores) {
    let jobs: Vec<_> = (0..3).map(|n| job(JobKind::RepostPublish, &format!("key {n}"), "lane")).collect();
    stores.jobs.enqueue(&jobs).await.unwrap();
    for n in 0..3 {
        let claimed = claim_all(&stores, 9).await;
        assert_eq!(keys(&claimed), [format!("key {n}")]);
        assert!(claim_all(&stores, 9).await.is_empty());
        stores.jobs.finish(claimed[0].lease(), &Finish::Done).await.unwrap();
    }
}

/// When a lease ends its job is due again, one failure more is counted, and the old claim is void.
pub async fn an_ended_lease_counts_as_a_failure_and_is_void(stores: Stores) {
    stores.jobs.enqueue(&[job(JobKind::Upkeep, "key", "lane")]).await.unwrap();
    let mine = claim_for(&stores, JobKind::Upkeep, SHORT).await;
    stores.time.pass(SHORT).await;
    let theirs = claim(&stores, JobKind::Upkeep).await;
    assert!(claim_all(&stores, 9).await.is_empty());
    assert_eq!((mine.attempts, theirs.attempts, theirs.epoch), (0, 1, mine.epoch + 1));
    assert_eq!(stores.jobs.heartbeat(&[mine.lease()], LEASE).await.unwrap(), [mine.lease()]);
    let error = stores.jobs.finish(mine.lease(), &Finish::Done).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    stores.jobs.finish(theirs.lease(), &Finish::Done).await.unwrap();
}

/// Heartbeats extend what holds, and name what does not.
pub async fn a_heartbeat_keeps_a_lease_and_tells_what_is_lost(stores: Stores) {
    stores.jobs.enqueue(&[job(JobKind::Upkeep, "a", "a"), job(JobKind::Upkeep, "b", "b")]).await.unwrap();
    let jobs = stores.jobs.claim(&JobKind::ALL, 9, 5 * SHORT).await.unwrap();
    stores.jobs.finish(jobs[1].lease(), &Finish::Done).await.unwrap();
    let leases: Vec<_> = jobs.iter().map(Job::lease).collect();
    assert_eq!(stores.jobs.heartbeat(&leases, LEASE).await.unwrap(), [jobs[1].lease()]);
    // The lease would have ended by now.
    stores.time.pass(6 * SHORT).await;
    assert!(claim_all(&stores, 9).await.is_empty());
    assert!(stores.jobs.heartbeat(&leases[..1], SHORT).await.unwrap().is_empty());
    stores.time.pass(SHORT).await;
    assert_eq!(keys(&claim_all(&stores, 9).await), [jobs[0].new.key.as_str()]);
}

/// Done ends it, again queues it with the count that is given, dead keeps it to be looked at.
pub async fn each_finish_does_what_it_says(stores: Stores) {
    stores.jobs.enqueue(&[job(JobKind::Upkeep, "key", "lane")]).await.unwrap();
    let first = claim(&stores, JobKind::Upkeep).await;
    let again = Finish::Again { run_at: later(10), attempts: 4, note: Some("why".into()) };
    stores.jobs.finish(first.lease(), &again).await.unwrap();
    let queued = stores.jobs.find("key").await.unwrap().unwrap();
    assert_eq!((queued.state, queued.attempts, queued.new.run_at), (JobState::Queued, 4, later(10)));
    assert_eq!((queued.note.as_deref(), queued.leased_until), (Some("why"), None));
    let second = claim(&stores, JobKind::Upkeep).await;
    stores.jobs.finish(second.lease(), &Finish::Dead { note: "broken".into() }).await.unwrap();
    assert!(stores.jobs.find("key").await.unwrap().is_none());
    let dead = stores.jobs.dead(9).await.unwrap();
    assert_eq!((dead.len(), dead[0].note.as_deref()), (1, Some("broken")));
    let stats = stores.jobs.stats().await.unwrap();
    assert_eq!((stats.len(), stats[0].kind, stats[0].state, stats[0].count), (1, JobKind::Upkeep, JobState::Dead, 1));
}

/// A late finish changes nothing, and so does a second one.
pub async fn a_finish_under_a_lost_lease_writes_nothing(stores: Stores) {
    stores.jobs.enqueue(&[job(JobKind::Upkeep, "key", "lane")]).await.unwrap();
    let mine = claim(&stores, JobKind::Upkeep).await;
    let again = Finish::Again { run_at: later(1), attempts: 0, note: None };
    stores.jobs.finish(mine.lease(), &again).await.unwrap();
    let error = stores.jobs.finish(mine.lease(), &Finish::Done).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    assert_eq!(stores.jobs.find("key").await.unwrap().unwrap().state, JobState::Queued);
}

/// Queued jobs are made due by key or by lane; one that is due is not put off.
pub async fn hasten_moves_queued_jobs_only(stores: Stores) {
    let now = stores.time.now();
    let (past, future) = (before(now, LEASE), after(now, LEASE));
    let at = |key: &str, lane: &str, run_at| NewJob { run_at, ..job(JobKind::Upkeep, key, lane) };
    let jobs = [at("a", "a", future), at("b", "lane", future), at("c", "c", future), at("d", "d", past)];
    stores.jobs.enqueue(&jobs).await.unwrap();
    stores.jobs.hasten(&["a".into(), "lane".into(), "d".into()]).await.unwrap();
    let mut times = Vec::new();
    for key in ["a", "b", "c", "d"] {
        times.push(stores.jobs.find(key).await.unwrap().unwrap().new.run_at);
    }
    assert!(near(Some(times[0]), now) && near(Some(times[1]), now), "{times:?}");
    assert_eq!(times[2..], [future, past]);
}

/// A dead job can be queued again, unless its key is in use.
pub async fn a_dead_job_can_be_replayed(stores: Stores) {
    let new = job(JobKind::Upkeep, "key", "lane");
    stores.jobs.enqueue(std::slice::from_ref(&new)).await.unwrap();
    assert!(!stores.jobs.replay(new.id).await.unwrap());
    let mine = claim(&stores, JobKind::Upkeep).await;
    stores.jobs.finish(mine.lease(), &Finish::Dead { note: "x".into() }).await.unwrap();
    let other = job(JobKind::Upkeep, "key", "lane");
    stores.jobs.enqueue(&[other]).await.unwrap();
    assert!(!stores.jobs.replay(new.id).await.unwrap());
    let other = claim(&stores, JobKind::Upkeep).await;
    stores.jobs.finish(other.lease(), &Finish::Done).await.unwrap();
    assert!(stores.jobs.replay(new.id).await.unwrap());
    let replayed = stores.jobs.find("key").await.unwrap().unwrap();
    assert_eq!((replayed.new.id, replayed.attempts), (new.id, 0));
    assert!(near(Some(replayed.new.run_at), stores.time.now()), "{replayed:?}");
}

/// Pruning takes done jobs that are old enough, and no more than it may.
pub async fn pruning_deletes_old_done_jobs_only(stores: Stores) {
    for n in 0..4 {
        stores.jobs.enqueue(&[job(JobKind::Upkeep, &format!("{n}"), "lane")]).await.unwrap();
        let claimed = claim(&stores, JobKind::Upkeep).await;
        let finish = if n == 3 { Finish::Dead { note: "x".into() } } else { Finish::Done };
        stores.jobs.finish(claimed.lease(), &finish).await.unwrap();
    }
    assert_eq!(stores.jobs.prune(LEASE, 9).await.unwrap(), 0);
    stores.time.pass(SHORT).await;
    assert_eq!(stores.jobs.prune(SHORT / 2, 1).await.unwrap(), 1);
    assert_eq!(stores.jobs.prune(SHORT / 2, 9).await.unwrap(), 2);
    assert_eq!(stores.jobs.prune(SHORT / 2, 9).await.unwrap(), 0);
    assert_eq!(stores.jobs.dead(9).await.unwrap().len(), 1);
}

/// Whatever happens at once, a job has one owner and a lane one job.
pub async fn claims_at_once_never_share_a_job_or_a_lane(stores: Stores) {
    let jobs: Vec<_> =
        (0..40).map(|n| job(JobKind::RepostPublish, &format!("key {n}"), &format!("lane {}", n % 10))).collect();
    stores.jobs.enqueue(&jobs).await.unwrap();
    let mut done = BTreeSet::new();
    while done.len() < jobs.len() {
        let claims = all_at_once((0..6).map(|_| claim_all(&stores, 3)).collect()).await;
        let claimed: Vec<Job> = claims.into_iter().flatten().collect();
        assert!(!claimed.is_empty(), "due jobs are not claimed");
        let lanes: BTreeSet<_> = claimed.iter().map(|job| job.new.lane.clone()).collect();
        assert_eq!(lanes.len(), claimed.len(), "two jobs of a lane run at once");
        for job in claimed {
            assert!(done.insert(job.new.key.clone()), "{} was claimed twice", job.new.key);
            stores.jobs.finish(job.lease(), &Finish::Done).await.unwrap();
        }
    }
}
