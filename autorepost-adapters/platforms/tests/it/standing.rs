//! What a destination tells of something after it was published.

use autorepost_core::{
    Platform,
    port::{Commit, Destination},
    standing::Standing,
};
use autorepost_sandbox::{Effect, Fate, Fault, Step};

use crate::support::{Stage, UNIT, Work, stage, to_commit, work};

async fn published(stage: &Stage, destination: &dyn Destination) -> (Work, String) {
    let work = work(destination.platform(), "looked after", UNIT).await;
    let ticket = to_commit(destination, &work).await;
    assert!(matches!(destination.commit(&work.publication(), &ticket).await, Commit::Published(_)));
    let id = stage.shown(destination.platform()).pop().unwrap().id;
    (work, id)
}

#[tokio::test]
async fn each_fate_is_told_by_each_destination_that_can() {
    // Instagram, YouTube, X. What a platform does not tell looks like what is live.
    let fates = [
        (None, ["live", "live", "live"]),
        (Some(Fate::Removed), ["gone", "gone", "gone"]),
        (Some(Fate::Claimed), ["limited", "limited", "limited"]),
        (Some(Fate::Private), ["live", "not_public", "not_public"]),
        (Some(Fate::Adults), ["live", "limited", "live"]),
        (Some(Fate::Processing), ["processing", "processing", "live"]),
        (Some(Fate::Failed), ["live", "gone", "gone"]),
    ];
    let stage = stage().await;
    for (at, destination) in stage.destinations().into_iter().enumerate() {
        let platform = destination.platform();
        let (work, id) = published(&stage, destination).await;
        for (fate, told) in fates {
            stage.sandbox.world().set_fate(platform, &id, fate);
            let standing = destination.inspect(&work.publication(), &id).await.unwrap();
            assert_eq!(standing.name(), told[at], "{platform} {fate:?}: {standing}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_none_says_nothing_of_the_post() {
    let stage = stage().await;
    for destination in stage.destinations() {
        let platform = destination.platform();
        let (work, id) = published(&stage, destination).await;
        for effect in [Effect::ErrorBefore, Effect::CutBefore, Effect::RateLimit(5)] {
            stage.sandbox.world().set_faults(vec![Fault::first(platform, Step::List, effect.clone(), 1)]);
            let answer = destination.inspect(&work.publication(), &id).await;
            assert!(answer.is_err(), "{platform} {effect:?}: {answer:?}");
        }
        assert_eq!(destination.inspect(&work.publication(), &id).await.unwrap(), Standing::Live);
        let gone = destination.inspect(&work.publication(), "1").await.unwrap();
        assert!(matches!(gone, Standing::Gone { .. }), "{platform}: {gone}");
    }
    assert_eq!(stage.shown(Platform::X).len(), 1);
}
