//! Secrets that are rotated in their bundle while processes run.

use autorepost::setup::SandboxApps;
use autorepost_core::seal::generate_on;
use autorepost_sandbox::Login;
use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::{
    moto::MOTO,
    support::{Stage, until},
};

/// Puts a bundle, and makes it what the stage's programs read.
fn put(stage: &mut Stage, name: &str, bundle: &Value) {
    let (id, text) = (json!(name), json!(bundle.to_string()));
    let lines = format!(
        "c = client('secretsmanager')\ntry:\n c.create_secret(Name={id}, SecretString={text})\n\
         except c.exceptions.ResourceExistsException:\n c.put_secret_value(SecretId={id}, SecretString={text})\n"
    );
    let endpoint = tokio::task::block_in_place(|| {
        MOTO.python(&lines);
        MOTO.access().endpoint.unwrap()
    });
    for (setting, value) in [
        ("AUTOREPOST_SECRETS", name),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ] {
        stage.set(setting, value);
    }
}

fn key(number: u8) -> String {
    let day = NaiveDate::from_ymd_opt(2026, 11, u32::from(number)).unwrap();
    generate_on(day, [number; 32]).expose().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_seals_in_running_processes_and_what_the_old_one_sealed_is_sealed_anew() {
    let mut stage = Stage::new().await;
    let bundle = "autorepost/keys";
    let keys = |keys: &[u8]| {
        let keys: Vec<_> = keys.iter().map(|number| key(*number)).collect();
        json!({ "TOKEN_ENCRYPTION_KEY": keys.join(",") })
    };
    put(&mut stage, bundle, &keys(&[1]));
    stage.set_up().await;
    let daemons = [stage.start().await, stage.start_part("worker").await];
    until("both listen", async || stage.log().matches("listening on").count() == 2).await;
    stage.add_posts([1]);
    stage.all_once([1]).await;

    put(&mut stage, bundle, &keys(&[2, 1]));
    // A command seals with the new key before the processes have seen it: they look for it, and the account stays well.
    stage.ok(&["connect", "x", "--token", "x-token.json"]).await;
    stage.add_posts([2]);
    stage.all_once([1, 2]).await;
    until("both have the new key", async || stage.log().matches("the sealing keys were rotated").count() == 2).await;
    until("all is sealed anew", async || stage.log().contains("sealed anew with the present key")).await;
    // Without the old key everything opens: in the processes, and for a command.
    put(&mut stage, bundle, &keys(&[2]));
    until("the old key is gone", async || stage.log().matches("1 open").count() == 2).await;
    stage.add_posts([3]);
    stage.all_once([1, 2, 3]).await;
    let all = stage.ok(&["refresh", "--all"]).await;
    assert!(all.as_array().unwrap().iter().all(|one| one["well"] == true), "{all}");
    assert!(!stage.log().contains("does not open"), "{}", stage.log());

    // What is no key is not taken, and said once.
    put(&mut stage, bundle, &json!({ "TOKEN_ENCRYPTION_KEY": "hunter2" }));
    until("the bad key is told", async || stage.log().matches("the keys read before go on being used").count() == 2)
        .await;
    stage.add_posts([4]);
    // A command would be told of the bad key; the processes go on.
    until("they go on", async || stage.world().ledger().len() == 12).await;
    assert!(!stage.log().contains("hunter2"));
    for daemon in daemons {
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_secret_of_an_app_is_used_by_the_next_request() {
    let mut stage = Stage::new().await;
    let bundle = |youtube: &str, x: &str| {
        json!({
            "YOUTUBE_CLIENT_ID": SandboxApps::YOUTUBE.0, "YOUTUBE_CLIENT_SECRET": youtube,
            "TWITTER_CONSUMER_KEY": SandboxApps::X.0, "TWITTER_CONSUMER_SECRET": x,
        })
    };
    let name = "autorepost/apps";
    put(&mut stage, name, &bundle(SandboxApps::YOUTUBE.1, SandboxApps::X.1));
    stage.set_up().await;
    let daemon = stage.start().await;
    daemon.until_listening().await;
    stage.add_posts([1]);
    stage.all_once([1]).await;

    // The platforms know the new secrets a while before the bundle does: an account that is refused meanwhile comes back.
    stage.world().rotate_app(Login::Google, SandboxApps::YOUTUBE.0, "second");
    stage.world().rotate_app(Login::X1, SandboxApps::X.0, "second-x");
    stage.add_posts([2]);
    until("X is called dead", async || {
        let status = stage.ok(&["status"]).await;
        let accounts = status["accounts"].as_array().unwrap();
        accounts.iter().any(|one| one["platform"] == "x" && one["status"] == "needs_reconnect")
    })
    .await;
    put(&mut stage, name, &bundle("second", "second-x"));
    stage.add_posts([3]);
    stage.all_once([1, 2, 3]).await;
    let all = stage.ok(&["refresh", "--all"]).await;
    assert!(all.as_array().unwrap().iter().all(|one| one["well"] == true), "{all}\n{}", stage.log());
    assert!(!stage.log().contains("second"), "no secret is logged");
    daemon.stop().await;
}
