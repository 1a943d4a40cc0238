//! What is done around a deployment: `keys`, `secrets check`, `smoke`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Daemon, Stage, text};

/// Where a running program listens.
fn base(daemon: &Daemon) -> String {
    let log = daemon.log();
    log.split("listening on ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// What a check that did well says.
fn detail(list: &Value, what: &str) -> String {
    let row = list.as_array().unwrap().iter().find(|row| row["what"] == what);
    let row = row.unwrap_or_else(|| panic!("no {what} in {list}"));
    assert_eq!(row["ok"], true, "{list}");
    row["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_and_everything_is_sealed_anew() {
    let mut stage = Stage::new().await;
    stage.connect_all().await;
    let before = stage.ok(&["keys", "status"]).await;
    let old = before["keys"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&before["keys"][0]["state"], &before["keys"][0]["credentials"]), (&json!("seals"), &json!(4)));
    assert_eq!(before["unchanged_for_days"], 0);

    let rotated = stage.ok(&["keys", "rotate"]).await;
    assert_eq!((&rotated["resealed"], &rotated["broken"]), (&json!(4), &json!([])));
    let after = stage.ok(&["keys", "status"]).await;
    assert_eq!((&after["keys"][0]["id"], &after["keys"][0]["credentials"]), (&rotated["seals"], &json!(4)));
    assert_eq!((&after["keys"][1]["id"], &after["keys"][1]["may_be_retired"]), (&json!(old), &json!(true)));
    let well = stage.ok(&["refresh", "--all"]).await;
    assert!(well.as_array().unwrap().iter().all(|one| one["well"] == true), "{well}");

    // In steps: what is added seals nothing until it is told to.
    let added = stage.ok(&["keys", "rotate", "--step", "add"]).await;
    assert_eq!(added["seals"], rotated["seals"]);
    let sealing = stage.ok(&["keys", "rotate", "--step", "seal"]).await;
    assert_ne!(sealing["seals"], rotated["seals"]);
    assert_eq!(stage.ok(&["keys", "rotate", "--step", "reseal"]).await["resealed"], 4);
    assert_eq!(stage.ok(&["keys", "rotate", "--step", "reseal"]).await["already"], 4);

    // A key that is missing is said, and one that this program does not keep is left alone.
    let keys = fs::read_to_string(stage.path("autorepost-data/token.key")).unwrap();
    let generated = stage.ok(&["keys", "generate"]).await["key"].as_str().unwrap().to_owned();
    stage.set("TOKEN_ENCRYPTION_KEY", &generated);
    assert!(stage.fails(1, &["keys", "status"]).await.contains("missing"));
    let told = stage.fails(64, &["keys", "rotate"]).await;
    assert!(told.contains("--step reseal") && !told.contains(&generated), "{told}");
    assert_eq!(fs::read_to_string(stage.path("autorepost-data/token.key")).unwrap(), keys);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_not_rotated_under_a_running_program() {
    let mut stage = Stage::new().await;
    let daemon = stage.start().await;
    daemon.until_listening().await;
    let listen = base(&daemon).replace("http://", "");
    stage.set("AUTOREPOST_LISTEN", &listen);
    assert!(stage.fails(1, &["keys", "rotate"]).await.contains("stop it first"));
    daemon.stop().await;
    stage.ok(&["keys", "rotate"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_checked_and_never_shown() {
    let mut stage = Stage::new().await;
    let well = stage.ok(&["secrets", "check"]).await;
    assert_eq!(well["wrong"], json!([]));
    let state = |checked: &Value, name: &str| {
        let all = checked["secrets"].as_array().unwrap().clone();
        all.iter().find(|one| one["name"] == name).unwrap()["state"].as_str().unwrap().to_owned()
    };
    for (name, value) in [
        ("TOKEN_ENCRYPTION_KEY", "hunter2"),
        ("REDIS_URL", "redis://:hunter2@redis.example.com:6379"),
        ("DATABASE_URL", "postgres://u:hunter2@db.example.com/x?sslmode=prefer"),
        ("TWITTER_CLIENT_ID", "hunter2"),
        ("YOUTUBE_CLIENT_ID", "id"),
        ("YOUTUBE_CLIENT_SECRET", "hunter2"),
        ("AUTOREPOST_API_KEY", "hunter2"),
    ] {
        stage.set(name, value);
    }
    let output = stage.cli(&["secrets", "check", "--json"]).await;
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (name, wanted) in [
        ("TOKEN_ENCRYPTION_KEY", "malformed"),
        ("REDIS_URL", "malformed"),
        ("DATABASE_URL", "malformed"),
        ("AUTOREPOST_API_KEY", "malformed"),
        ("TWITTER_CLIENT_ID", "present"),
        ("TWITTER_CLIENT_SECRET", "missing"),
        ("YOUTUBE_CLIENT_SECRET", "present"),
        ("FACEBOOK_APP_ID", "not_set"),
    ] {
        assert_eq!(state(&checked, name), wanted, "{name}: {checked}");
    }
    assert!(!stage.fails(1, &["secrets", "check"]).await.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smoke_test_tells_what_works_and_what_does_not() {
    let mut stage = Stage::ready().await;
    let daemon = stage.start().await;
    daemon.until_listening().await;
    let base = base(&daemon);
    let without = stage.ok(&["smoke", &base]).await;
    assert!(detail(&without, "a worker runs a job").starts_with("not checked: "), "{without}");
    let key = stage.ok(&["api-keys", "add", "smoke"]).await["text"].as_str().unwrap().to_owned();
    stage.set("AUTOREPOST_API_KEY", &key);
    let checks = stage.ok(&["smoke", &base]).await;
    for what in ["healthz", "readyz", "openapi", "refuses without a key", "a worker runs a job"] {
        assert!(!detail(&checks, what).starts_with("not checked"), "{checks}");
    }
    assert!(detail(&checks, "tls and redirect").starts_with("not checked: "), "{checks}");
    // A port that does not speak TLS, a key that opens nothing, and something else that answers.
    let told = stage.fails(1, &["smoke", &base.replace("http://", "https://")]).await;
    assert!(told.contains("are wrong: healthz") && told.contains("tls and redirect"), "{told}");
    stage.set("AUTOREPOST_API_KEY", "ar_00000000-0000-7000-8000-000000000000_hunter2");
    let told = stage.fails(1, &["smoke", &base]).await;
    assert!(told.contains("1 of 6 are wrong: a worker runs a job\n") && !told.contains("hunter2"), "{told}");
    let told = stage.fails(1, &["smoke", stage.sandbox.base_url()]).await;
    assert!(told.contains("are wrong: healthz, readyz, openapi, refuses without a key"), "{told}");
    daemon.stop().await;
}
