//! `run` as a daemon: on its schedule, stopped by signals, killed at any moment.

use std::time::{Duration, Instant};

use autorepost::demo::stage;
use autorepost_sandbox::SandboxConfig;

use crate::support::{Stage, until};

/// Signs of life and of work are there within seconds.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_posts_are_seen_and_published_within_seconds() {
    let stage = Stage::ready().await;
    let daemon = stage.start().await;
    daemon.until_listening().await;
    for id in [1, 2, 3] {
        let began = Instant::now();
        stage.add_posts([id]);
        stage.all_once(1..=id).await;
        assert!(began.elapsed() < SOON, "post {id} took {:?}\n{}", began.elapsed(), daemon.log());
    }
    assert!(daemon.log().contains("published: https://x.com/demo_x/status/"), "{}", daemon.log());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_signal_stops_it_cleanly_in_the_middle_of_work() {
    for signal in ["INT", "TERM"] {
        let stage = Stage::ready().await;
        stage.add_posts(1..=4);
        let mut daemon = stage.start().await;
        until("something is published", async || !stage.world().ledger().is_empty()).await;
        let began = Instant::now();
        daemon.signal(signal).await;
        assert_eq!(daemon.ends().await, Some(0), "{signal}: {}", daemon.log());
        assert!(began.elapsed() < Duration::from_secs(25), "{signal}: {:?}", began.elapsed());
        assert!(daemon.log().contains("stopped"), "{}", daemon.log());

        let daemon = stage.start().await;
        stage.all_once(1..=4).await;
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_program_on_the_same_address_says_so() {
    let mut stage = Stage::ready().await;
    let daemon = stage.start().await;
    daemon.until_listening().await;
    let log = daemon.log();
    let address = log.split("listening on http://").nth(1).unwrap().lines().next().unwrap().trim();
    stage.set("AUTOREPOST_LISTEN", address);
    let told = stage.fails(1, &["run"]).await;
    assert!(told.contains("is autorepost running already?") && told.contains("AUTOREPOST_LISTEN"), "{told}");
    daemon.stop().await;
}

/// The same seed kills at the same moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_is_lost_and_nothing_doubled() {
    const KILLS: u32 = 14;
    const POSTS: u32 = 10;
    let seed: u64 = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("KILL_SEED={seed}");
    let stage = Stage::with(SandboxConfig { seed, ..SandboxConfig::default() }).await;
    stage.set_up().await;
    stage.world().set_faults(stage::chaos());
    let mut random = seed;
    let mut dice = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for kill in 0..KILLS {
        if kill < POSTS {
            stage.add_posts([kill + 1]);
        }
        let mut daemon = stage.start().await;
        // Counted from the first sign of life, so that the moments are spread over its work and not its start.
        daemon.until_listening().await;
        tokio::time::sleep(Duration::from_millis(dice(900))).await;
        daemon.child.kill().await.unwrap();
    }
    let daemon = stage.start().await;
    stage.all_once(1..=POSTS).await;
    let fired = stage.world().fired();
    assert!(fired.len() >= 5, "hardly any fault happened: {fired:?}");
    daemon.stop().await;
}
