//! Cases of backfills.

use std::time::Duration;

use super::{Scene, Stores, claim, claim_for, later, post, repost, start, tenant, unique};
use crate::{
    ErrorKind,
    backfill::{Backfill, Ending, Stage, Track, Turn},
    id::JobId,
    job::{JobKind, NewJob},
    port::{Admission, NewPost, PostQuery},
    post::Cursor,
    repost::Entry,
};

const SHORT: Duration = Duration::from_millis(200);

fn backfill(scene: &Scene) -> Backfill {
    Backfill {
        rule: scene.rule.id,
        tenant: scene.rule.tenant,
        source: scene.source.id,
        since: start(),
        until: later(900),
        per_day: 3,
        began_at: later(1_000),
        by: "operator".into(),
        stage: Stage::Walking { page: Some("page \"ü\"".into()), pages: 7 },
        tracks: vec![Track {
            connection: scene.destination.id,
            after: Some((later(3), scene.repost.post)),
            next_at: later(4),
            released: 2,
            done: false,
        }],
        version: 0,
    }
}

fn job(backfill: &Backfill) -> NewJob {
    NewJob::backfill(JobId::new(start(), unique()), backfill, start())
}

/// One of a rule is going at a time; one that is over is replaced, and its version counts on.
pub async fn a_backfill_is_going_once(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let new = backfill(&scene);
    assert_eq!(stores.backfills.begin(&new, &job(&new)).await.unwrap(), new);
    assert!(stores.jobs.find(&new.job_key()).await.unwrap().is_some());
    assert_eq!(stores.backfills.begin(&new, &job(&new)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(stores.backfills.get(new.tenant, new.rule).await.unwrap().as_ref(), Some(&new));
    assert_eq!(stores.backfills.get(tenant(), new.rule).await.unwrap(), None);
    assert_eq!(stores.backfills.list(Some(new.tenant)).await.unwrap(), std::slice::from_ref(&new));
    assert!(stores.backfills.list(None).await.unwrap().contains(&new));
    assert_eq!(stores.backfills.list(Some(tenant())).await.unwrap(), []);
    let over = Backfill { stage: Stage::Ended { at: later(9), why: Ending::CalledOff }, ..new.clone() };
    let over = stores.backfills.step(&over, None, &[]).await.unwrap();
    let again = stores.backfills.begin(&new, &job(&new)).await.unwrap();
    assert_eq!(again, Backfill { version: over.version + 1, ..new.clone() });
    assert_eq!(stores.backfills.list(Some(new.tenant)).await.unwrap(), [again]);
}

/// A step names the version that it read, and its lease holds.
pub async fn a_backfill_is_written_under_its_version_and_lease(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let new = backfill(&scene);
    // The sync has the lane; what is written under a lease is the same for any job.
    stores.jobs.finish(scene.sync.lease(), &crate::job::Finish::Done).await.unwrap();
    stores.backfills.begin(&new, &job(&new)).await.unwrap();
    let mine = claim_for(&stores, JobKind::Backfill, SHORT).await;
    stores.time.pass(2 * SHORT).await;
    let theirs = claim(&stores, JobKind::Backfill).await;
    let next = Backfill { stage: Stage::Publishing, ..new.clone() };
    let lost = stores.backfills.step(&next, Some(mine.lease()), &[]).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::LeaseLost);
    let stored = stores.backfills.step(&next, Some(theirs.lease()), &[]).await.unwrap();
    assert_eq!(stored, Backfill { version: 1, ..next.clone() });
    let stale = stores.backfills.step(&next, Some(theirs.lease()), &[]).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    let foreign = Backfill { tenant: tenant(), ..stored.clone() };
    assert_eq!(stores.backfills.step(&foreign, None, &[]).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(stores.backfills.get(new.tenant, new.rule).await.unwrap(), Some(stored));
}

/// A turn is a repost with its job and journal, and none of it is there without the rest.
pub async fn turns_are_written_with_their_backfill_or_not_at_all(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let new = stores.backfills.begin(&backfill(&scene), &job(&backfill(&scene))).await.unwrap();
    let post = post(&scene.source, "older");
    let posts = vec![NewPost { post: post.clone(), reposts: Vec::new() }];
    let admission = Admission { posts, cursor: Cursor::default() };
    stores.posts.admit(scene.sync.lease(), new.tenant, new.source, &admission).await.unwrap();
    let turn = || -> Turn {
        let repost = repost(&post, &scene.rule, &scene.destination);
        let prep = NewJob::prep(JobId::new(start(), unique()), &repost, start());
        let entry = Entry {
            at: start(),
            event: "backfilled".into(),
            state: "planned".into(),
            detail: "its turn".into(),
            attempt: Some(1),
            by: "worker".into(),
        };
        (repost, prep, entry)
    };
    let (first, second) = (turn(), turn());
    let stored = stores.backfills.step(&new, None, std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(stores.reposts.get(new.tenant, first.0.id).await.unwrap().as_ref(), Some(&first.0));
    assert_eq!(stores.reposts.journal(new.tenant, first.0.id).await.unwrap(), std::slice::from_ref(&first.2));
    assert_eq!(stores.jobs.find(&first.0.job_key()).await.unwrap().map(|job| job.new.id), Some(first.1.id));
    let twice = stores.backfills.step(&stored, None, std::slice::from_ref(&second)).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Conflict);
    assert_eq!(stores.backfills.get(new.tenant, new.rule).await.unwrap(), Some(stored));
    assert_eq!(stores.reposts.get(new.tenant, second.0.id).await.unwrap(), None);
    assert!(stores.jobs.find(&second.0.job_key()).await.unwrap().is_none());
}

/// Posts are listed from a time on, the oldest first, and page by page.
pub async fn posts_of_a_span_are_listed_the_oldest_first(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let posts = (1..6_u64).map(|n| {
        let mut post = post(&scene.source, &format!("post {n}"));
        post.found.posted_at = later(n / 2 * 10);
        NewPost { post, reposts: Vec::new() }
    });
    let admission = Admission { posts: posts.collect(), cursor: Cursor::default() };
    stores.posts.admit(scene.sync.lease(), scene.rule.tenant, scene.source.id, &admission).await.unwrap();
    let (mut after, mut met) = (None, Vec::new());
    loop {
        let query = PostQuery {
            connection: Some(scene.source.id),
            since: Some(later(10)),
            before: Some(later(20)),
            oldest_first: true,
            after,
            limit: 1,
        };
        let rows = stores.posts.list(scene.rule.tenant, &query).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some((last.found.posted_at, last.id));
        met.extend(rows.into_iter().map(|row| row.found.key));
    }
    assert_eq!(met, ["post 2", "post 3"]);
    let query = PostQuery { since: Some(later(10)), limit: 9, ..PostQuery::default() };
    let keys: Vec<_> = stores.posts.list(scene.rule.tenant, &query).await.unwrap();
    let keys: Vec<_> = keys.iter().map(|row| row.found.key.as_str()).collect();
    assert_eq!(keys, ["post 5", "post 4", "post 3", "post 2"]);
}
