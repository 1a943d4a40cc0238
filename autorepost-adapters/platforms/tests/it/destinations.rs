//! The publish protocol at each destination: in good weather and in bad.

use autorepost_core::{
    ErrorKind, Platform, Retry,
    credential::Credential,
    port::{Authorizer, Clock, Commit, Destination, Finding},
};
use autorepost_sandbox::{Effect, Fault, Refusal, Step};
use chrono::TimeDelta;

use crate::support::{Quiet, SystemClock, UNIT, access, stage, to_commit, until_ready, work};

#[tokio::test]
async fn each_destination_publishes_the_very_bytes() {
    let stage = stage().await;
    for destination in stage.destinations() {
        let platform = destination.platform();
        for bytes in [1, UNIT, 2 * UNIT + 5] {
            let work = work(platform, &format!("clip of {bytes}"), bytes).await;
            let ticket = to_commit(destination, &work).await;
            assert!(!stage.shown(platform).iter().any(|shown| shown.text.contains(&format!("clip of {bytes}"))));
            let Commit::Published(receipt) = destination.commit(&work.publication(), &ticket).await else {
                panic!("{platform} did not publish {bytes} bytes");
            };
            let shown = stage.shown(platform).pop().unwrap();
            assert_eq!((Some(shown.id), shown.bytes), (receipt.id, bytes as u64), "{platform}");
            assert_eq!(shown.sha256, work.submission.media.key.to_string(), "{platform}");
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_cut_goes_on_where_the_platform_stands() {
    let stage = stage().await;
    for destination in stage.destinations() {
        let platform = destination.platform();
        let work = work(platform, "cut", 3 * UNIT).await;
        let ticket = destination.begin(&work.publication()).await.unwrap();
        stage.sandbox.world().set_faults(vec![Fault::first(platform, Step::Bytes, Effect::CutMiddle, 1)]);
        let error = destination.upload(&work.publication(), &ticket, 0, &Quiet).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Unavailable, Retry::Soon), "{platform}: {error}");
        destination.upload(&work.publication(), &ticket, 0, &Quiet).await.unwrap();
        until_ready(destination, &work, &ticket).await;
        assert!(matches!(destination.commit(&work.publication(), &ticket).await, Commit::Published(_)));
        let shown = stage.shown(platform).pop().unwrap();
        assert_eq!(shown.sha256, work.submission.media.key.to_string(), "{platform}");
    }
}

/// Complaints R1, 1, 3, 6: the answer is lost, the post is there.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_a_doubt_and_is_found() {
    let stage = stage().await;
    for destination in stage.destinations() {
        let platform = destination.platform();
        for effect in [Effect::ErrorAfter, Effect::CutAfter, Effect::Slow(2_500)] {
            let since = SystemClock.now();
            let work = work(platform, &format!("lost by {effect:?}"), UNIT + 1).await;
            let ticket = to_commit(destination, &work).await;
            stage.sandbox.world().set_faults(vec![Fault::first(platform, Step::Commit, effect.clone(), 1)]);
            let before = stage.shown(platform).len();
            let answer = destination.commit(&work.publication(), &ticket).await;
            assert!(matches!(answer, Commit::Doubt(_)), "{platform} {effect:?}: {answer:?}");
            let shown = loop {
                match stage.shown(platform) {
                    shown if shown.len() > before => break shown.last().unwrap().clone(),
                    _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                }
            };
            let finding = destination.find(&work.publication(), &ticket, since, &[]).await.unwrap();
            let Finding::Published(receipt) = finding else { panic!("{platform} {effect:?}: {finding:?}") };
            assert_eq!(receipt.id, Some(shown.id), "{platform} {effect:?}");
            assert_eq!(stage.shown(platform).len(), before + 1);
        }
    }
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_absent_and_can_be_sent_again() {
    let stage = stage().await;
    for destination in stage.destinations() {
        let platform = destination.platform();
        for effect in [Effect::ErrorBefore, Effect::CutBefore] {
            let since = SystemClock.now();
            let work = work(platform, &format!("never by {effect:?}"), UNIT + 1).await;
            let ticket = to_commit(destination, &work).await;
            stage.sandbox.world().set_faults(vec![Fault::first(platform, Step::Commit, effect.clone(), 1)]);
            let before = stage.shown(platform).len();
            let answer = destination.commit(&work.publication(), &ticket).await;
            assert!(matches!(answer, Commit::Doubt(_)), "{platform} {effect:?}: {answer:?}");
            let finding = destination.find(&work.publication(), &ticket, since, &[]).await.unwrap();
            assert!(matches!(finding, Finding::Absent), "{platform} {effect:?}: {finding:?}");
            assert!(matches!(destination.commit(&work.publication(), &ticket).await, Commit::Published(_)));
            assert_eq!(stage.shown(platform).len(), before + 1);
        }
    }
}

#[tokio::test]
async fn a_commit_that_is_sent_twice_publishes_once() {
    let stage = stage().await;
    for destination in stage.destinations() {
        let platform = destination.platform();
        let work = work(platform, "twice", UNIT + 1).await;
        let ticket = to_commit(destination, &work).await;
        assert!(matches!(destination.commit(&work.publication(), &ticket).await, Commit::Published(_)));
        let again = destination.commit(&work.publication(), &ticket).await;
        assert!(!matches!(again, Commit::Refused(_)), "{platform}: {again:?} would be taken for absent");
        assert_eq!(stage.shown(platform).len(), 1, "{platform}");
    }
}

#[tokio::test]
async fn a_commit_before_processing_ends_is_certainly_refused() {
    let stage = stage().await;
    let work = work(Platform::Instagram, "early", UNIT).await;
    let ticket = stage.instagram.begin(&work.publication()).await.unwrap();
    let Commit::Refused(error) = stage.instagram.commit(&work.publication(), &ticket).await else {
        panic!("an empty container was published");
    };
    assert_eq!(error.platform_code(), Some("9007/2207027"));
    assert!(error.platform_trace().is_some());
}

#[tokio::test]
async fn a_dead_token_a_limit_and_a_wrong_text_are_told_apart() {
    let stage = stage().await;
    let world = stage.sandbox.world();
    for destination in stage.destinations() {
        let platform = destination.platform();
        let work = work(platform, "limits", UNIT).await;
        world.set_faults(vec![Fault::first(platform, Step::Begin, Effect::RateLimit(90), 1)]);
        let error = destination.begin(&work.publication()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{platform}: {error}");
        let Retry::After(wait) = error.retry_hint() else { panic!("{platform}: {error}") };
        assert!((80..=90).contains(&wait.as_secs()), "{platform}: {wait:?}");
    }
    let long = work(Platform::Instagram, &"x".repeat(2_201), UNIT).await;
    let error = stage.instagram.begin(&long.publication()).await.unwrap_err();
    assert_eq!((error.kind(), error.platform_code()), (ErrorKind::Rejected, Some("36004/2207010")));
    let angles = work(Platform::YouTube, "a <b>", UNIT).await;
    let error = stage.youtube.begin(&angles.publication()).await.unwrap_err();
    assert_eq!((error.kind(), error.platform_code()), (ErrorKind::Rejected, Some("invalidTitle")));

    for token in ["ig-token", "yt-token", "x-token"] {
        world.expire(token);
    }
    for destination in stage.destinations() {
        let platform = destination.platform();
        let work = work(platform, "dead", UNIT).await;
        let error = destination.begin(&work.publication()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{platform}: {error}");
        assert!(!error.to_string().contains("token") || !error.to_string().contains("ig-token"));
    }
}

/// Complaints 13–16: a renewal keeps the refresh token, and only `invalid_grant` is a dead grant.
#[tokio::test]
async fn youtube_renews_and_tells_a_dead_grant_from_a_blip() {
    let stage = stage().await;
    let (world, youtube) = (stage.sandbox.world(), access(Platform::YouTube));
    let grant = stage.youtube.refresh(&youtube).await.unwrap().unwrap();
    let Credential::Bearer { access, refresh } = &grant.credential else { panic!("no bearer token") };
    assert_eq!(refresh.as_deref(), Some("yt-refresh"));
    assert_ne!(access, "yt-token");
    assert!(grant.expires_at.unwrap() > SystemClock.now() + TimeDelta::minutes(50));
    world.set_faults(vec![Fault::first(Platform::YouTube, Step::Token, Effect::ErrorBefore, 1)]);
    let error = stage.youtube.refresh(&youtube).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Unavailable, Retry::Soon));
    world.expire("yt-refresh");
    let error = stage.youtube.refresh(&youtube).await.unwrap_err();
    assert_eq!((error.kind(), error.platform_code()), (ErrorKind::Unauthorized, Some("invalid_grant")));
}

#[tokio::test]
async fn each_credential_knows_whose_it_is() {
    let stage = stage().await;
    let authorizers: [&dyn Authorizer; 4] = [&*stage.tiktok, &*stage.instagram, &*stage.youtube, &*stage.x];
    for authorizer in authorizers {
        let access = access(authorizer.platform());
        let identity = authorizer.verify(&access).await.unwrap();
        assert_eq!((identity.account, identity.handle.as_str()), (access.account, "alice"));
    }
}

/// X refuses to finalize what was finalized before. When its status cannot be read either, nothing is known, and no
/// refusal ends the repost.
#[tokio::test]
async fn a_refusal_to_finalize_is_not_believed_while_the_status_cannot_be_read() {
    let stage = stage().await;
    let destination = stage.x.as_ref();
    let work = work(Platform::X, "finalize", UNIT).await;
    let ticket = destination.begin(&work.publication()).await.unwrap();
    let refusal = Refusal { status: 400, code: "invalid-request".into(), message: "It was finalized before".into() };
    let fault = |effect| Fault::first(Platform::X, Step::Status, effect, 1);
    stage.sandbox.world().set_faults(vec![fault(Effect::Refuse(refusal.clone())), fault(Effect::ErrorBefore)]);
    let error = destination.upload(&work.publication(), &ticket, 0, &Quiet).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Unavailable, Retry::Soon), "{error}");
    // Where the status can be read and knows of no processing, the refusal stands.
    stage.sandbox.world().set_faults(vec![fault(Effect::Refuse(refusal))]);
    let error = destination.upload(&work.publication(), &ticket, 0, &Quiet).await.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::Unavailable, "{error}");
    destination.upload(&work.publication(), &ticket, 0, &Quiet).await.unwrap();
}
