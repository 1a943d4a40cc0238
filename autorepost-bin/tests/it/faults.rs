//! Each fault of the sandbox alone, at each platform: the end is right, and `explain` tells what happened.

use std::time::Duration;

use autorepost::demo::stage::INSTAGRAM;
use autorepost_core::Platform;
use autorepost_sandbox::{Effect, Fault, Step};
use futures_util::{StreamExt, stream};

use crate::support::{DESTINATIONS, LARGE, Stage, until};

/// Programs that run at once.
const AT_ONCE: usize = 6;

/// A fault, and what the journal of a post that met it must tell, in this order, at each platform.
struct Case {
    step: Step,
    effect: Effect,
    told: [&'static [&'static str]; 3],
}

const fn case(step: Step, effect: Effect, told: [&'static [&'static str]; 3]) -> Case {
    Case { step, effect, told }
}

/// The answer was lost, and the platform says that it is there.
const FOUND: &[&str] = &["intended", "in_doubt no clear answer to the commit", "confirmed found"];
/// The answer was lost, the platform does not show it for the whole settle window, and it is sent again.
const ABSENT: &[&str] =
    &["in_doubt no clear answer to the commit", "absent the settle window is over", "intended", "confirmed"];
/// The platform certainly did nothing, and says when to come again.
const REFUSED: &[&str] = &["refused the platform refused the commit", "held", "resumed the wait is over", "confirmed"];
/// The upload went on where it was.
const WENT_ON: &[&str] = &["began", "error upload", "uploaded", "confirmed"];
const X_WENT_ON: &[&str] = &["began", "error append segment", "uploaded", "confirmed"];
const BEGAN_AGAIN: &[&str] = &["prepared", "error", "began", "confirmed"];
const WAITED: &[&str] = &["prepared", "held", "resumed the wait is over", "began", "confirmed"];
const ASKED_AGAIN: &[&str] = &["began", "error", "uploaded", "confirmed"];
const UPLOAD: [&[&str]; 3] = [WENT_ON, WENT_ON, X_WENT_ON];

const CASES: &[Case] = &[
    case(Step::Commit, Effect::ErrorAfter, [FOUND; 3]),
    case(Step::Commit, Effect::CutAfter, [FOUND; 3]),
    // Longer than the commit's deadline.
    case(Step::Commit, Effect::Slow(4_000), [FOUND; 3]),
    case(Step::Commit, Effect::ErrorBefore, [ABSENT; 3]),
    case(Step::Commit, Effect::CutBefore, [ABSENT; 3]),
    case(Step::Commit, Effect::CutMiddle, [ABSENT; 3]),
    // YouTube's 429 does not say at which byte it came.
    case(Step::Commit, Effect::RateLimit(2), [REFUSED, ABSENT, REFUSED]),
    case(Step::Bytes, Effect::ErrorBefore, UPLOAD),
    case(Step::Bytes, Effect::ErrorAfter, UPLOAD),
    case(Step::Bytes, Effect::CutBefore, UPLOAD),
    case(Step::Bytes, Effect::CutMiddle, UPLOAD),
    case(Step::Bytes, Effect::CutAfter, UPLOAD),
    case(Step::Bytes, Effect::RateLimit(2), [&["began", "held", "resumed", "confirmed"]; 3]),
    case(Step::Begin, Effect::RateLimit(2), [WAITED; 3]),
    case(Step::Begin, Effect::ErrorBefore, [BEGAN_AGAIN; 3]),
    case(Step::Begin, Effect::ErrorAfter, [BEGAN_AGAIN; 3]),
    case(Step::Begin, Effect::CutAfter, [BEGAN_AGAIN; 3]),
    case(Step::Status, Effect::ErrorBefore, [ASKED_AGAIN; 3]),
    case(Step::Status, Effect::CutAfter, [ASKED_AGAIN; 3]),
];

/// What the source does wrong leaves no more than a line in the journal.
const SOURCE: &[(Step, Effect)] = &[
    (Step::Page, Effect::ErrorBefore),
    (Step::Page, Effect::CutAfter),
    (Step::Page, Effect::RateLimit(1)),
    (Step::Media, Effect::ErrorBefore),
    (Step::Media, Effect::CutBefore),
];

async fn play(case: &Case) {
    let what = format!("{:?} {:?}", case.step, case.effect);
    let stage = Stage::ready().await;
    let daemon = stage.start().await;
    // When a post is out, the checks of the credentials at the start are over, which would meet the faults too.
    stage.add_posts([1]);
    stage.all_once([1]).await;
    let faults = DESTINATIONS.map(|platform| Fault::first(platform, case.step, case.effect.clone(), 1));
    stage.world().set_faults(faults.into());
    stage.add_posts([LARGE]);
    stage.all_once([1, LARGE]).await;
    let story = stage.story(LARGE).await;
    for (platform, told) in DESTINATIONS.into_iter().zip(case.told) {
        let journal = &story[&platform].journal;
        assert!(story[&platform].tells(told), "{what} at {platform}: {told:?} is missing in {journal:#?}");
    }
    assert_eq!(stage.world().fired().len(), DESTINATIONS.len(), "{what}: {:?}", stage.world().fired());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_alone_ends_well_and_is_told() {
    stream::iter(CASES).for_each_concurrent(AT_ONCE, play).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_the_source_ends_well() {
    let play = async |(step, effect): &(Step, Effect)| {
        let stage = Stage::ready().await;
        stage.world().set_faults(vec![Fault::first(Platform::TikTok, *step, effect.clone(), 2)]);
        stage.add_posts([LARGE]);
        let daemon = stage.start().await;
        stage.all_once([LARGE]).await;
        assert_eq!(stage.world().fired().values().sum::<u32>(), 2, "{step:?} {effect:?}");
        daemon.stop().await;
    };
    stream::iter(SOURCE).for_each_concurrent(AT_ONCE, play).await;
}

/// YouTube's token is renewed by itself; the others' owners connect the account again, and what waited goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_in_the_middle_holds_its_account_until_it_is_renewed() {
    let stage = Stage::ready().await;
    let faults = DESTINATIONS.map(|platform| Fault::first(platform, Step::Begin, Effect::ExpireToken, 1));
    stage.world().set_faults(faults.into());
    stage.add_posts([LARGE]);
    let daemon = stage.start().await;
    until("YouTube goes on by itself", async || stage.world().ledger().len() == 1).await;
    for platform in [Platform::Instagram, Platform::X] {
        until("the others wait for their owners", async || {
            let story = stage.story(LARGE).await;
            story[&platform].state == "waiting" && story[&platform].value["next"]["owner"] == "reconnect"
        })
        .await;
    }
    let told = stage.fails(0, &["status"]).await;
    assert_eq!(told.matches("needs_reconnect").count(), 2, "{told}");
    assert!(told.contains("instagram:@demo.reels: ") && told.contains("x:@demo_x: "), "{told}");

    stage.renew_tokens();
    stage.ok(&["connect", "instagram", "--account", INSTAGRAM.0, "--token", "instagram-token.json"]).await;
    stage.ok(&["connect", "x", "--token", "x-token.json"]).await;
    stage.all_once([LARGE]).await;
    assert!(stage.story(LARGE).await[&Platform::X].tells(&["held", "resumed", "confirmed"]));
    daemon.stop().await;
}

/// Slow processing is waited for, and what listings do not show yet is not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_platforms_are_waited_for() {
    let stage = Stage::timed(Duration::from_secs(4), Duration::from_secs(3)).await;
    stage.set_up().await;
    stage.world().set_faults(DESTINATIONS.map(|to| Fault::first(to, Step::Commit, Effect::CutAfter, 1)).into());
    stage.add_posts([LARGE]);
    let daemon = stage.start().await;
    stage.all_once([LARGE]).await;
    for (platform, story) in stage.story(LARGE).await {
        assert!(story.tells(FOUND) && !story.tells(&["absent"]), "{platform}: {story:#?}");
    }
    daemon.stop().await;
}

/// An upload that is cut goes on at the platform's offset: what was kept is not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_cut_does_not_start_over() {
    let stage = Stage::ready().await;
    let faults = DESTINATIONS.map(|platform| Fault::first(platform, Step::Bytes, Effect::CutMiddle, 1));
    stage.world().set_faults(faults.into());
    stage.add_posts([LARGE]);
    let daemon = stage.start().await;
    stage.all_once([LARGE]).await;
    let size = stage.world().ledger()[0].bytes;
    // A chunk of YouTube and a segment of X are the most that may come twice.
    for (platform, twice_max) in [(Platform::Instagram, 0), (Platform::YouTube, 256 << 10), (Platform::X, 256 << 10)] {
        let taken = stage.world().bytes_taken(platform);
        assert!((size..=size + twice_max).contains(&taken), "{platform} took {taken} bytes of a video of {size}");
    }
    daemon.stop().await;
}
