//! Cases of the creator's own files.

use std::time::Duration;

use super::{Scene, Stores, claim, claim_for, later, start, tenant, unique};
use crate::{
    ErrorKind,
    id::MasterId,
    job::JobKind,
    master::{Master, Sidecar},
    media::{Media, MediaKey},
    memory::MemoryMedia,
};

const SHORT: Duration = Duration::from_millis(200);

fn master(scene: &Scene, name: &str, secs: u64) -> Master {
    let id = MasterId::new(later(secs), unique());
    // The databases of a test are shared: these bytes are this case's own.
    let key = MediaKey::of(format!("{name} {id}").as_bytes());
    Master {
        id,
        tenant: scene.source.tenant,
        name: format!("{name} \"ü\".mp4"),
        made_at: later(secs),
        received_at: later(secs + 1),
        sidecar: Sidecar { caption: Some("Words 🐰".into()), ..Sidecar::default() },
        media: Media { key, bytes: 9, facts: MemoryMedia::upright(9_000) },
        post: None,
    }
}

/// The same bytes are kept once for a tenant; what is free is found by time or by the post that it names.
pub async fn a_master_is_kept_once_for_its_bytes(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let (early, late, mut named) = (master(&scene, "a", 10), master(&scene, "b", 20), master(&scene, "c", 90));
    named.sidecar = Sidecar { post: Some("https://example.com/video/77?x=1".into()), ..Sidecar::default() };
    for row in [&late, &early, &named] {
        assert!(stores.masters.keep(row).await.unwrap());
    }
    let twin = Master { id: MasterId::new(start(), unique()), name: "other".into(), ..early.clone() };
    assert!(!stores.masters.keep(&twin).await.unwrap());
    let elsewhere = Master { tenant: tenant(), id: MasterId::new(start(), unique()), ..early.clone() };
    assert!(stores.masters.keep(&elsewhere).await.unwrap());
    let free = async |from, to, key: &str, limit| {
        stores.masters.free(early.tenant, (later(from), later(to)), key, limit).await.unwrap()
    };
    assert_eq!(free(10, 20, "0", 9).await, [early.clone(), late.clone()]);
    assert_eq!(free(10, 20, "0", 1).await, std::slice::from_ref(&early));
    assert_eq!(free(11, 20, "77", 9).await, [late.clone(), named.clone()]);
    assert_eq!(free(21, 80, "7", 9).await, []);
    assert_eq!(stores.masters.list(early.tenant, 2).await.unwrap(), [named, late]);
}

/// A master and its post's media are written together, once, while the lease holds.
pub async fn a_master_is_given_to_one_post_under_a_lease(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let (one, tenant, post) = (master(&scene, "a", 10), scene.source.tenant, scene.repost.post);
    stores.masters.keep(&one).await.unwrap();
    let mine = claim_for(&stores, JobKind::RepostPrep, SHORT).await;
    stores.time.pass(2 * SHORT).await;
    let theirs = claim(&stores, JobKind::RepostPrep).await;
    let lost = stores.masters.give(mine.lease(), &one, post).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::LeaseLost);
    assert_eq!(stores.posts.get(tenant, post).await.unwrap().unwrap().media, None);
    assert!(stores.masters.give(theirs.lease(), &one, post).await.unwrap());
    assert_eq!(stores.posts.get(tenant, post).await.unwrap().unwrap().media.as_ref(), Some(&one.media));
    let other = scene.admit("second").await;
    assert!(!stores.masters.give(theirs.lease(), &one, other.post).await.unwrap());
    assert_eq!(stores.posts.get(tenant, other.post).await.unwrap().unwrap().media, None);
    assert!(stores.masters.free(tenant, (start(), later(99)), "0", 9).await.unwrap().is_empty());
    assert_eq!(stores.masters.list(tenant, 9).await.unwrap(), [Master { post: Some(post), ..one }]);
}

/// What came long ago is listed, the oldest first, and whether its bytes may go.
pub async fn old_masters_are_told_with_whether_a_post_names_their_bytes(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let (given, free, young) = (master(&scene, "a", 10), master(&scene, "b", 20), master(&scene, "c", 30));
    for row in [&given, &free, &young] {
        stores.masters.keep(row).await.unwrap();
    }
    let prep = claim(&stores, JobKind::RepostPrep).await;
    stores.masters.give(prep.lease(), &given, scene.repost.post).await.unwrap();
    let stale = async || {
        let mut rows = stores.masters.stale(later(31), 1_000).await.unwrap();
        rows.retain(|(row, _)| row.tenant == given.tenant);
        rows
    };
    let told = Master { post: Some(scene.repost.post), ..given.clone() };
    assert_eq!(stale().await, [(told, false), (free.clone(), true)]);
    stores.masters.forget(given.id).await.unwrap();
    stores.masters.forget(given.id).await.unwrap();
    assert_eq!(stale().await, [(free, true)]);
}
