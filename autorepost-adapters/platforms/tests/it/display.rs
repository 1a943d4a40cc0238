//! Listing by the Display API: the same posts by the same ids as the session's, and no file of any of them.

use std::collections::BTreeSet;

use autorepost_core::{
    ErrorKind, Platform,
    credential::Access,
    port::{Clock, Source},
    post::{FoundPost, PostKind},
    state::Owner,
};
use autorepost_sandbox::{Clip, Effect, Fault, Step, TikTokPost};
use chrono::{SubsecRound as _, TimeDelta};

use crate::support::{Stage, SystemClock, access, stage};

fn add(stage: &Stage, id: i64, change: impl FnOnce(&mut TikTokPost)) {
    let mut post = TikTokPost {
        id: id.to_string(),
        caption: format!("post {id} #tag {}", "long ".repeat(60)),
        created_at: SystemClock.now() - TimeDelta::minutes(100 - id),
        clip: Some(Clip { path: "/nonexistent".into(), seconds: 9 }),
        private: false,
        deleted: false,
        pinned: false,
    };
    change(&mut post);
    stage.sandbox.world().add_post(post);
}

/// Every page, one after the other.
async fn all(stage: &Stage, access: &Access) -> Vec<FoundPost> {
    let (mut posts, mut page) = (Vec::new(), None);
    loop {
        let listing = stage.tiktok.list(access, page.as_deref()).await.unwrap();
        posts.extend(listing.posts);
        match listing.next {
            Some(next) => page = Some(next),
            None => return posts,
        }
    }
}

#[tokio::test]
async fn public_posts_are_listed_as_the_session_lists_them() {
    let stage = stage().await;
    for id in 1..=7 {
        add(&stage, id, |post| post.pinned = id == 2);
    }
    add(&stage, 8, |post| post.private = true);
    add(&stage, 9, |post| post.deleted = true);
    let login = all(&stage, &stage.login()).await;
    let mut session = all(&stage, &access(Platform::TikTok)).await;
    session.retain(|post| !["8", "9"].contains(&post.key.as_str()));
    let mark = |post: &FoundPost| (post.key.clone(), post.url.clone(), post.author.clone(), post.posted_at);
    let marks = |posts: &[FoundPost]| posts.iter().map(mark).collect::<BTreeSet<_>>();
    assert_eq!(marks(&login), marks(&session));
    assert_eq!((login.len(), login[0].key.as_str()), (7, "7"), "the newest first, each once");
    assert!(login.iter().all(|post| post.kind == PostKind::Video { duration_secs: Some(9) }));
    assert!(
        login
            .iter()
            .all(|post| post.caption.chars().count() == 150 && post.posted_at.trunc_subsecs(0) == post.posted_at)
    );
}

#[tokio::test]
async fn a_file_is_refused_with_what_to_do() {
    let stage = stage().await;
    add(&stage, 1, |_| {});
    let login = stage.login();
    let post = all(&stage, &login).await.remove(0);
    let error = stage.tiktok.fetch(&login, &post).await.err().expect("no file");
    assert_eq!((error.kind(), error.who_acts()), (ErrorKind::Blocked, Owner::Reconnect), "{error}");
    assert!(error.detail().contains("session") && error.detail().contains("master"), "{error}");
}

#[tokio::test]
async fn a_token_that_ended_and_a_limit_are_told() {
    let stage = stage().await;
    let login = stage.login();
    let limit = Fault::first(Platform::TikTok, Step::List, Effect::RateLimit(7), 1);
    stage.sandbox.world().set_faults(vec![limit]);
    let error = stage.tiktok.list(&login, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    let ended = Fault::first(Platform::TikTok, Step::List, Effect::ExpireToken, 1);
    stage.sandbox.world().set_faults(vec![ended]);
    let error = stage.tiktok.list(&login, None).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.platform_code()),
        (ErrorKind::Unauthorized, Some("access_token_invalid")),
        "{error}"
    );
}
