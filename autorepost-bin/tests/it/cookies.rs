//! `cookies rotate`, `refresh` and `connect --from-secrets`.

use serde_json::{Value, json};

use crate::{
    moto::MOTO,
    support::{Stage, text},
};

/// The session of the sandbox's TikTok account.
const SESSION: &str = "demo-session";

fn bundle(name: &str) -> Value {
    let name = json!(name);
    let value = format!("client('secretsmanager').get_secret_value(SecretId={name}, VersionStage='AWSCURRENT')");
    let line = format!("print({value}['SecretString'])");
    serde_json::from_str(&tokio::task::block_in_place(|| MOTO.python(&line))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_are_rotated_in_the_connection_and_in_the_bundle() {
    let mut stage = Stage::new().await;
    stage.connect_all().await;
    // Without a bundle the connection alone is renewed, and that is said.
    let output = stage.cli(&["cookies", "rotate", "--jar", "tiktok-cookies.json"]).await;
    assert!(output.status.success() && text(&output.stdout).contains("names no bundle"), "{output:?}");

    let name = "autorepost/cookies";
    let lines = format!(
        "client('secretsmanager').create_secret(Name={}, SecretString={})",
        json!(name),
        json!(json!({ "OTHER": "stays" }).to_string())
    );
    let endpoint = tokio::task::block_in_place(|| {
        MOTO.python(&lines);
        MOTO.access().endpoint.unwrap()
    });
    for (name, value) in [
        ("AUTOREPOST_SECRETS", name),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ] {
        stage.set(name, value);
    }
    // What TikTok does not know changes nothing, and is not shown.
    stage.write("dead.txt", "sessionid=hunter2; ttwid=w");
    let told = stage.fails(1, &["cookies", "rotate", "--jar", "dead.txt"]).await;
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(bundle(name), json!({ "OTHER": "stays" }));

    for _ in 0..2 {
        let done = stage.ok(&["cookies", "rotate", "--jar", "tiktok-cookies.json"]).await;
        assert_eq!(done["written"], format!("the secret {name}"));
        assert_eq!((&done["accounts"][0]["well"], done["accounts"].as_array().unwrap().len()), (&json!(true), 1));
        assert!(!done.to_string().contains(SESSION), "{done}");
    }
    let written = bundle(name);
    assert_eq!((&written["OTHER"], &written["TIKTOK_SESSION_ID"]), (&json!("stays"), &json!(SESSION)));
    assert_eq!(written["TIKTOK_WEBID"], "");

    // A new installation is connected from it.
    stage.set("AUTOREPOST_FOLDER", "second");
    let connected = stage.ok(&["connect", "tiktok", "--handle", "demo", "--from-secrets"]).await;
    assert_eq!(connected["handle"], "demo");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_tells_how_each_account_does() {
    let stage = Stage::new().await;
    stage.connect_all().await;
    let all = stage.ok(&["refresh", "--all"]).await;
    assert!(all.as_array().unwrap().iter().all(|one| one["well"] == true), "{all}");
    assert_eq!(all.as_array().unwrap().len(), 4);
    stage.world().expire("7000001-demo-token");
    let told = stage.fails(1, &["refresh", "x", "--json"]).await;
    assert!(told.contains("\"well\": false"), "{told}");
    assert_eq!(stage.ok(&["refresh", "youtube"]).await[0]["well"], true);
    stage.fails(64, &["refresh"]).await;
}
