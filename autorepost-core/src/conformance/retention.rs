//! Cases of the retention of media.

use std::time::Duration;

use super::{Scene, Stores, connection, job, later, media, post, receipt, repost, start, step, tenant, to_processing};
use crate::{
    ErrorKind, Platform,
    job::{Finish, JobKind, NewJob},
    media::{Media, MediaKey},
    policy::after,
    preflight::{Pictures, Profile, Sound},
    repost::Repost,
    state::{Event, Owner, Reason},
};

/// Bytes are needed as long as one post that names them, of whatever tenant, needs them.
pub async fn media_are_stale_once_no_post_needs_them(stores: Stores) {
    let (mine, theirs) = (Scene::set(stores.clone()).await, Scene::set(stores.clone()).await);
    let all = after(start(), Duration::from_secs(3600));
    let stale = async |before| {
        let posts = stores.posts.stale_media(before, 10).await.unwrap();
        posts.into_iter().map(|post| post.id).collect::<Vec<_>>()
    };
    for scene in [&mine, &theirs] {
        let lease = scene.sync.lease();
        stores.posts.set_media(lease, scene.repost.tenant, scene.repost.post, &media()).await.unwrap();
    }
    let end = async |repost: &Repost, event| stores.reposts.step(&step(repost, event, None)).await.unwrap();
    // One that is published, and one that nobody can tell of until a person does.
    let ready = to_processing(&stores, &mine.repost).await;
    assert!(stale(all).await.is_empty());
    end(&ready, Event::Confirmed(receipt("published-1"))).await;
    assert!(stale(all).await.is_empty());
    let reason = || Reason::new(Owner::Operator, "why");
    let ready = to_processing(&stores, &theirs.repost).await;
    let committing = end(&ready, Event::Intended(start())).await;
    let doubted = end(&committing, Event::Doubted(reason())).await;
    assert!(stale(all).await.is_empty());
    let denied = end(&doubted, Event::Denied).await;
    assert!(stale(all).await.is_empty());
    let failed = end(&denied, Event::Failed(reason())).await;
    // Both posts were found, and their reposts moved, at the start.
    assert!(stale(start()).await.is_empty());
    assert_eq!(stale(all).await, [mine.repost.post, theirs.repost.post]);
    // One of them was moved later than the other.
    let lately = Repost { updated_at: later(60), ..end(&failed, Event::Retried).await };
    let lately = end(&lately, Event::Skipped(reason())).await;
    assert!(stale(later(60)).await.is_empty());
    assert_eq!(stale(later(61)).await.len(), 2);
    // A second repost of the post that is under way.
    let elsewhere = connection(lately.tenant, Platform::YouTube, "other");
    let another = repost(&post(&theirs.source, "first"), &theirs.rule, &elsewhere);
    let another = Repost { post: lately.post, ..another };
    let prep = NewJob::prep(job(JobKind::RepostPrep, "", "").id, &another, start());
    let entry = step(&another, Event::PrepStarted, None).entry.unwrap();
    assert!(stores.reposts.add(&another, &prep, &entry).await.unwrap());
    assert!(stale(all).await.is_empty());
    end(&another, Event::Skipped(reason())).await;
    assert_eq!(stale(all).await.len(), 2);
}

/// Forgetting is fenced, and happens only to what is stale.
pub async fn stale_media_are_listed_in_order_and_forgotten_under_a_lease(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let (lease, mine) = (scene.sync.lease(), scene.source.tenant);
    let before = later(3600);
    let reason = Reason::new(Owner::Nobody, "why");
    let mut kept = Vec::new();
    for n in 0..4_u8 {
        let repost = scene.admit(&format!("post {n}")).await;
        let media = Media { key: MediaKey::from_digest([9 - n; 32]), ..media() };
        stores.posts.set_media(lease, mine, repost.post, &media).await.unwrap();
        if n < 3 {
            stores.reposts.step(&step(&repost, Event::Skipped(reason.clone()), None)).await.unwrap();
        }
        kept.push(repost.post);
    }
    let listed = stores.posts.stale_media(before, 2).await.unwrap();
    assert_eq!(listed.iter().map(|post| post.id).collect::<Vec<_>>(), [kept[2], kept[1]]);
    assert_eq!(listed[0], stores.posts.get(mine, kept[2]).await.unwrap().unwrap());

    assert!(stores.posts.forget_media(lease, mine, kept[2], before).await.unwrap());
    assert_eq!(stores.posts.get(mine, kept[2]).await.unwrap().unwrap().media, None);
    // Nothing left to forget; nothing that is stale yet; needed; another tenant's.
    for (owner, post, before) in
        [(mine, kept[2], before), (mine, kept[1], start()), (mine, kept[3], before), (tenant(), kept[1], before)]
    {
        let had = stores.posts.get(mine, post).await.unwrap();
        assert!(!stores.posts.forget_media(lease, owner, post, before).await.unwrap());
        assert_eq!(stores.posts.get(mine, post).await.unwrap(), had);
    }
    stores.jobs.finish(lease, &Finish::Done).await.unwrap();
    let error = stores.posts.forget_media(lease, mine, kept[1], before).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    assert!(stores.posts.get(mine, kept[1]).await.unwrap().unwrap().media.is_some());
}

/// What was made of a source is found by the profile, the latest first, and goes with its source.
pub async fn renditions_are_found_by_source_and_profile(stores: Stores) {
    let renditions = &stores.renditions;
    let (source, other) = (MediaKey::of(b"source"), MediaKey::of(b"other"));
    let made = |text: &str| Media { key: MediaKey::of(text.as_bytes()), ..media() };
    let profile = |bytes_max| Profile { pictures: Pictures::Keep, sound: Sound::Keep, trim_ms: Some(1_000), bytes_max };
    assert_eq!(renditions.find(&source, &profile(1)).await.unwrap(), None);
    for (profile, made) in [(profile(1), made("one")), (profile(2), made("two")), (profile(2), made("one"))] {
        renditions.keep(&source, &profile, &made).await.unwrap();
    }
    renditions.keep(&other, &profile(1), &made("three")).await.unwrap();
    assert_eq!(renditions.find(&source, &profile(1)).await.unwrap(), Some(made("one")));
    assert_eq!(renditions.find(&other, &profile(2)).await.unwrap(), None);
    // What was lost and is made again comes last, and may be what was there before.
    let renewed = Media { bytes: 7, ..made("two") };
    renditions.keep(&source, &profile(2), &renewed).await.unwrap();
    assert_eq!(renditions.find(&source, &profile(2)).await.unwrap(), Some(renewed));
    let mut keys = [made("one").key, made("two").key];
    keys.sort();
    let mut of = renditions.of(&source).await.unwrap();
    of.sort();
    assert_eq!(of, keys);
    renditions.forget(&source).await.unwrap();
    renditions.forget(&source).await.unwrap();
    assert_eq!(renditions.find(&source, &profile(1)).await.unwrap(), None);
    assert!(renditions.of(&source).await.unwrap().is_empty());
    assert_eq!(renditions.of(&other).await.unwrap(), [made("three").key]);
}
