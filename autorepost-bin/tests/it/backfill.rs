//! Older posts, published some a day by the program as a process.

use std::{collections::BTreeSet, time::SystemTime};

use autorepost_core::id::TenantId;
use autorepost_database::{Database, DatabaseConfig};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::support::{DESTINATIONS, Stage, until};

/// A stage with a rule that begins now, and 45 older posts: more than a page.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage.connect_all().await;
    let to = ["--to", "instagram", "--to", "youtube", "--to", "x", "--made-for-kids", "no"];
    stage.ok(&[&["rules", "add", "all"][..], &to].concat()).await;
    stage.add_posts(1..=45);
    stage
}

fn since(seconds_ago: i64) -> String {
    (DateTime::<Utc>::from(SystemTime::now()) - TimeDelta::seconds(seconds_ago)).to_rfc3339()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_posts_have_their_turns_across_kills_and_are_told_of() {
    let stage = stage().await;
    assert!(stage.fails(1, &["backfill", "all"]).await.contains("has no backfill"));
    assert!(stage.fails(1, &["backfill", "all", "--since", "2999-01-01"]).await.contains("nothing lies between"));
    stage.fails(64, &["backfill", "all", "--since", "all", "--per-day", "25"]).await;
    stage.fails(64, &["backfill", "all", "--since", "now"]).await;

    // Each post is a second younger than the one before; the first of these is number 3, or a later one on a busy machine.
    let since = since(10_000 - 2 - 1);
    let ask = ["backfill", "all", "--since", &since, "--per-day", "24"];
    let plan = stage.ok(&[&ask[..], &["--dry-run"]].concat()).await;
    let turns = plan["turns"].as_array().unwrap();
    assert!((30..=43).contains(&turns.len()) && plan["whole"] == true, "{plan}");
    assert_eq!(stage.ok(&["posts"]).await, json!([]), "a plan changes nothing");
    let oldest: u32 = turns[0]["post"]["key"].as_str().unwrap().parse().unwrap();

    let begun = stage.ok(&ask).await;
    assert_eq!((&begun["stage"]["stage"], &begun["left"]), (&json!("walking"), &json!(null)));
    assert!(stage.fails(1, &ask).await.contains("going already"));
    let publishing = async || stage.ok(&["backfill", "all"]).await["stage"]["stage"] == "publishing";
    let released = async || stage.ok(&["backfill", "all"]).await["tracks"][0]["released"].as_u64().unwrap();
    for _ in 0..2 {
        let mut daemon = stage.start().await;
        daemon.until_listening().await;
        daemon.signal("KILL").await;
        daemon.ends().await;
    }
    let daemon = stage.start().await;
    until("the walk ends", publishing).await;
    until("the first posts are out", async || stage.published(oldest).await == 3).await;
    daemon.stop().await;

    // An hour later, as the database tells it.
    pass_an_hour(&stage).await;
    let daemon = stage.start().await;
    until("the second posts are out", async || stage.published(oldest + 1).await == 3).await;
    assert_eq!(released().await, 2);
    stage.all_once([oldest, oldest + 1]).await;
    let status = stage.ok(&["status"]).await;
    assert_eq!(status["backfills"][0]["rule_name"], "all");
    let left = status["backfills"][0]["left"].as_u64().unwrap();
    assert_eq!(left as usize, 3 * (turns.len() - 2), "{status}");
    let told = stage.cli(&["explain", &(oldest + 2).to_string()]).await;
    let told = crate::support::text(&told.stdout);
    assert!(told.contains("its turn in the rule's backfill is to come, 24 a day"), "{told}");

    // What is new does not wait for what is old.
    stage.add_posts([10_000]);
    stage.all_once([oldest, oldest + 1, 10_000]).await;
    stage.ok(&["backfill", "all", "--stop"]).await;
    assert!(stage.fails(1, &["backfill", "all", "--stop"]).await.contains("called off"));
    pass_an_hour(&stage).await;
    stage.ok(&["sync"]).await;
    daemon.stop().await;
    let posts: BTreeSet<_> = stage.reposts().await.into_iter().map(|(post, ..)| post).collect();
    assert_eq!(posts.len(), 3, "{posts:?}");
    assert_eq!(stage.world().ledger().len(), 3 * DESTINATIONS.len());
}

/// Moves the next turns to now, as an hour does.
async fn pass_an_hour(stage: &Stage) {
    let path = stage.path("autorepost-data/autorepost.db");
    let database = Database::connect(&DatabaseConfig::new(format!("sqlite://{}", path.display()))).await.unwrap();
    let stored = database.backfills().list(Some(TenantId::OWNER)).await.unwrap().remove(0);
    let mut next = stored.clone();
    next.tracks.iter_mut().for_each(|track| track.next_at -= TimeDelta::hours(1));
    database.backfills().step(&next, None, &[]).await.unwrap();
    database.jobs().hasten(&[stored.job_key()]).await.unwrap();
}
