//! The program: in process, and as a process.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod after;
mod api;
mod backfill;
mod bad_input;
#[path = "../../../autorepost-adapters/platforms/tests/it/browser.rs"]
#[expect(dead_code, reason = "these tests need a part of it")]
mod browser;
mod commands;
mod connect;
mod conversion;
mod cookies;
mod deployment;
mod faults;
mod inbox;
#[expect(dead_code, reason = "its own tests use all of it")]
#[path = "../../../autorepost-adapters/secrets/tests/it/moto.rs"]
mod moto;
mod operations;
#[path = "../../../autorepost-adapters/database/tests/it/server.rs"]
#[expect(dead_code, reason = "these tests need a part of it")]
mod postgres;
mod production;
#[expect(dead_code, reason = "its own tests use all of it")]
#[path = "../../../autorepost-adapters/redis/tests/it/server.rs"]
mod redis;
mod rotated;
mod run;
mod sign_in;
mod support;
mod telemetry;
mod webhooks;

use std::process::Command;

use autorepost::demo::{self, Options};

/// What the Redis server's other users are kept apart by.
fn namespace() -> String {
    "autorepost".into()
}

fn autorepost(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_autorepost")).args(arguments).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_publishes_everything_once() {
    let (report, sandbox) = demo::run(&Options::default()).await.unwrap();
    assert_eq!(report.disagreements, Vec::<String>::new());
    // Ten clips to Instagram and YouTube; X takes neither the one that a rule excludes nor the one that is too long.
    assert_eq!(report.published(), 28);
    assert_eq!(sandbox.world().ledger().len(), 28);
    let text = report.to_string();
    assert!(text.contains("excluded hashtag #noX") && text.contains("X takes at most 140 s"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_everything_going_wrong_the_demo_still_publishes_once() {
    for seed in [1, 7] {
        let options = Options { chaos: true, seed, ..Options::default() };
        let (report, _sandbox) = demo::run(&options).await.unwrap();
        assert_eq!(report.disagreements, Vec::<String>::new(), "seed {seed}\n{report}");
        assert_eq!(report.published(), 28, "seed {seed}\n{report}");
        assert!(report.faults() >= 12, "only {} faults happened", report.faults());
    }
}

#[test]
fn the_demo_command_ends_well_and_says_so() {
    let output = autorepost(&["demo"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("Both books agree"), "{text}");
}

#[test]
fn the_demo_tells_programs_what_it_found() {
    let output = autorepost(&["demo", "--json", "--chaos", "--seed", "3"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["published"], &summary["disagreements"]), (&28.into(), &serde_json::json!([])));
    assert!(output.status.success());
}

#[test]
fn a_video_that_is_missing_is_said() {
    let output = autorepost(&["demo", "--video", "no-such-file.mp4"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("cannot read no-such-file.mp4"), "{text}");
}

#[test]
fn a_generated_key_is_one_that_works() {
    let output = autorepost(&["keys", "generate"]);
    let key = String::from_utf8(output.stdout).unwrap();
    autorepost_core::seal::KeyRing::parse(key.trim()).unwrap();
}
