//! Listing and fetching with a web session.

use autorepost_core::{
    ErrorKind, Platform,
    credential::Credential,
    port::{Clock, Fetched, Source},
    post::{FoundPost, PostKind, Unusable},
};
use autorepost_platforms::CookieJar;
use autorepost_sandbox::{Clip, Effect, Fault, Refusal, Step, TikTokPost};
use chrono::{SubsecRound as _, TimeDelta};
use futures_util::TryStreamExt;

use crate::support::{Stage, SystemClock, access, stage};

const BYTES: &[u8] = b"not really a video, but bytes that must arrive as they are";

fn add(stage: &Stage, folder: &tempfile::TempDir, id: u32, change: impl FnOnce(&mut TikTokPost)) {
    let path = folder.path().join(id.to_string());
    std::fs::write(&path, BYTES).unwrap();
    let mut post = TikTokPost {
        id: id.to_string(),
        caption: format!("post {id} <script> #tag"),
        created_at: SystemClock.now() - TimeDelta::minutes(i64::from(100 - id)),
        clip: Some(Clip { path, seconds: 9 }),
        private: false,
        deleted: false,
        pinned: false,
    };
    change(&mut post);
    stage.sandbox.world().add_post(post);
}

/// Every page, one after the other.
async fn all(stage: &Stage) -> Vec<FoundPost> {
    let (access, mut posts, mut page) = (access(Platform::TikTok), Vec::new(), None);
    loop {
        let listing = stage.tiktok.list(&access, page.as_deref()).await.unwrap();
        posts.extend(listing.posts);
        match listing.next {
            Some(next) => page = Some(next),
            None => return posts,
        }
    }
}

fn keys(posts: &[FoundPost]) -> Vec<u32> {
    let mut keys: Vec<u32> = posts.iter().map(|post| post.key.parse().unwrap()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[tokio::test]
async fn posts_of_one_second_are_listed_when_a_page_ends_between_them() {
    let (stage, folder) = (stage().await, tempfile::tempdir().unwrap());
    let second = SystemClock.now().trunc_subsecs(0) - TimeDelta::minutes(1);
    for id in 1..=12 {
        let millis = TimeDelta::milliseconds(i64::from(id % 3) * 300);
        let time = second + TimeDelta::seconds(i64::from(id / 3)) + millis;
        // The one that is pinned is on the first page, and begins the second.
        add(&stage, &folder, id, |post| (post.created_at, post.pinned) = (time, id == 8));
    }
    assert_eq!(keys(&all(&stage).await), (1..=12).collect::<Vec<_>>());
}

#[tokio::test]
async fn every_post_is_listed_whatever_the_page_it_is_on() {
    let (stage, folder) = (stage().await, tempfile::tempdir().unwrap());
    for id in 1..=8 {
        add(&stage, &folder, id, |post| post.pinned = id == 2);
    }
    add(&stage, &folder, 9, |post| post.clip = None);
    add(&stage, &folder, 10, |post| post.private = true);
    let posts = all(&stage).await;
    assert_eq!(keys(&posts), (1..=10).collect::<Vec<_>>());
    let kind = |key: &str| posts.iter().find(|post| post.key == key).unwrap().kind.clone();
    assert_eq!(kind("9"), PostKind::Unusable { why: Unusable::Photo });
    assert_eq!(kind("10"), PostKind::Unusable { why: Unusable::Private });
    assert_eq!(kind("1"), PostKind::Video { duration_secs: Some(9) });
    assert_eq!(posts.iter().find(|post| post.key == "1").unwrap().caption, "post 1 <script> #tag");
}

/// TikTok tells times in whole seconds: the border of a page may lie between posts of the same one, or a page may have
/// nothing else.
#[tokio::test]
async fn posts_of_the_same_second_are_listed_on_whatever_page() {
    // Three posts a page; so many posts a second.
    for together in [1, 2, 3] {
        let (stage, folder) = (stage().await, tempfile::tempdir().unwrap());
        let second = SystemClock.now() - TimeDelta::hours(1);
        for id in 1..=9 {
            add(&stage, &folder, id, |post| {
                post.created_at = second + TimeDelta::seconds(i64::from((id - 1) / together))
            });
        }
        let (access, mut keys, mut page) = (access(Platform::TikTok), std::collections::BTreeSet::new(), None);
        loop {
            let listing = stage.tiktok.list(&access, page.as_deref()).await.unwrap();
            keys.extend(listing.posts.into_iter().map(|post| post.key));
            match listing.next {
                Some(next) => page = Some(next),
                None => break,
            }
        }
        assert_eq!(keys.len(), 9, "{together} posts a second: {keys:?}");
    }
}

#[tokio::test]
async fn a_video_arrives_as_it_is_and_a_deleted_one_is_known() {
    let (stage, folder) = (stage().await, tempfile::tempdir().unwrap());
    add(&stage, &folder, 1, |_| {});
    add(&stage, &folder, 2, |post| post.deleted = true);
    add(&stage, &folder, 3, |post| post.private = true);
    let access = access(Platform::TikTok);
    let posts = stage.tiktok.list(&access, None).await.unwrap().posts;
    let post = |key: &str| posts.iter().find(|post| post.key == key).unwrap();
    let Fetched::Video { bytes, body } = stage.tiktok.fetch(&access, post("1")).await.unwrap() else {
        panic!("no video");
    };
    let content: Vec<u8> = body.try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!((content.as_slice(), bytes), (BYTES, Some(BYTES.len() as u64)));
    let fetched = stage.tiktok.fetch(&access, post("2")).await.unwrap();
    assert!(matches!(fetched, Fetched::Unusable(Unusable::Deleted)));
    let fetched = stage.tiktok.fetch(&access, post("3")).await.unwrap();
    assert!(matches!(fetched, Fetched::Unusable(Unusable::Private)));
}

/// A page that says neither that a post is there nor that it is gone: the account's own list settles it.
#[tokio::test]
async fn a_page_without_words_is_settled_by_the_list() {
    let (stage, folder) = (stage().await, tempfile::tempdir().unwrap());
    for id in 1..=8 {
        add(&stage, &folder, id, |_| {});
    }
    let access = access(Platform::TikTok);
    let silent = || {
        let refusal = Refusal { status: 200, code: "10204".into(), message: String::new() };
        stage.sandbox.world().set_faults(vec![Fault::first(Platform::TikTok, Step::Page, Effect::Refuse(refusal), 1)]);
    };
    for post in all(&stage).await {
        silent();
        let error = stage.tiktok.fetch(&access, &post).await.err().expect("it is listed");
        assert_eq!((error.kind(), error.platform_code()), (ErrorKind::Blocked, Some("10204")), "{error}");
        // The sandbox knows no such id: the page is as silent, and no list shows it.
        let gone = FoundPost { key: format!("{}0", post.key), ..post };
        let fetched = stage.tiktok.fetch(&access, &gone).await.unwrap();
        assert!(matches!(fetched, Fetched::Unusable(Unusable::Deleted)), "{}", gone.key);
    }
}

#[tokio::test]
async fn a_download_that_is_cut_is_no_short_video() {
    let (stage, folder) = (stage().await, tempfile::tempdir().unwrap());
    add(&stage, &folder, 1, |_| {});
    let access = access(Platform::TikTok);
    let post = stage.tiktok.list(&access, None).await.unwrap().posts.remove(0);
    for effect in [Effect::CutBefore, Effect::ErrorBefore] {
        stage.sandbox.world().set_faults(vec![Fault::first(Platform::TikTok, Step::Media, effect, 1)]);
        let error = stage.tiktok.fetch(&access, &post).await.err().expect("no video");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}

/// Complaint P8: a session that has ended is said, with what to do.
#[tokio::test]
async fn a_session_that_has_ended_is_said() {
    let stage = stage().await;
    let mut access = access(Platform::TikTok);
    let jar = CookieJar::parse("sessionid=ended", SystemClock.now()).unwrap();
    access.credential = Credential::Cookies { jar: jar.to_text() };
    let error = stage.tiktok.list(&access, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.detail().contains("sign in"), "{error}");
    assert!(!error.to_string().contains("ended\""));
}
