//! What becomes of a publication is asked, shown and told; and the end of an API's version is warned of.

use autorepost_core::Platform;
use autorepost_sandbox::Fate;

use crate::support::{DESTINATIONS, Stage, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_platform_did_to_a_publication_is_shown() {
    let stage = Stage::ready().await;
    let daemon = stage.start().await;
    stage.add_posts([1]);
    stage.all_once([1]).await;
    let fates = [Fate::Claimed, Fate::Private, Fate::Removed];
    for (platform, fate) in DESTINATIONS.into_iter().zip(fates) {
        let shown = stage.world().ledger().into_iter().find(|shown| shown.platform == platform).unwrap();
        stage.world().set_fate(platform, &shown.id, Some(fate));
    }
    until("each platform was asked", async || {
        let story = stage.story(1).await;
        let is = |platform| story[&platform].value["repost"]["state"]["inspection"]["standing"]["is"].clone();
        (is(Platform::Instagram), is(Platform::YouTube), is(Platform::X))
            == ("limited".into(), "not_public".into(), "gone".into())
    })
    .await;
    let story = stage.story(1).await;
    for platform in DESTINATIONS {
        assert_eq!(story[&platform].state, "published", "{platform}");
        assert!(story[&platform].tells(&["confirmed", "inspected"]), "{platform}: {:#?}", story[&platform].journal);
        assert_eq!(story[&platform].value["next"]["owner"], "operator", "{platform}");
    }
    let status = stage.ok(&["status"]).await;
    assert_eq!(status["need"].as_array().map(Vec::len), Some(3), "{status}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_ended_is_told_by_doctor_and_status() {
    let mut stage = Stage::ready().await;
    stage.set("AUTOREPOST_INSTAGRAM_VERSION", "v20.0");
    let told = stage.fails(1, &["doctor"]).await;
    assert!(told.contains("v20.0 of Instagram's API ended on 2026-09-24"), "{told}");
    let status = stage.ok(&["status"]).await;
    assert!(status["warning"].as_str().is_some_and(|text| text.contains("ended")), "{status}");
    stage.set("AUTOREPOST_INSTAGRAM_VERSION", "26");
    assert!(stage.fails(78, &["status"]).await.contains("write it as in v26.0"));
}
