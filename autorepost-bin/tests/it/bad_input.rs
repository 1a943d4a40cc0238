//! What is wrong is said, with what to do about it; and what is right goes on beside it.

use autorepost_core::{Platform, connection::Connection};
use autorepost_database::{Database, DatabaseConfig};
use autorepost_sandbox::TikTokAccount;
use sea_orm::ConnectionTrait;

use crate::support::{Stage, until, video};

fn url(stage: &Stage) -> String {
    format!("sqlite://{}", stage.path("autorepost-data/autorepost.db").display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_jar_that_cannot_work_is_refused() {
    let stage = Stage::new().await;
    for (jar, part) in [
        ("[{\"name\": \"sessionid\", \"value\": ", "not whole JSON"),
        ("", "cookie"),
        ("<html>", "this is no cookie jar"),
        ("[]", "sessionid"),
        (r#"[{"name": "msToken", "value": "a", "domain": ".tiktok.com"}]"#, "sign in to TikTok"),
        (r#"[{"name": "sessionid", "value": "", "domain": ".tiktok.com"}]"#, "sign in to TikTok"),
        (r#"[{"name": "sessionid", "value": "a", "domain": ".example.com"}]"#, "sign in to TikTok"),
        (r#"[{"name": "sessionid", "value": "a", "domain": ".tiktok.com", "expires": 1000}]"#, "sign in to TikTok"),
        // The jar of a browser that was signed out since.
        (r#"[{"name": "sessionid", "value": "ended", "domain": ".tiktok.com"}]"#, "session has ended"),
    ] {
        stage.write("jar", jar);
        let told = stage.fails(1, &["connect", "tiktok", "--handle", "demo", "--jar", "jar"]).await;
        assert!(told.contains(part), "{jar:?}: {part:?} is missing: {told}");
        assert!(!told.contains("panicked"), "{told}");
    }
    let told = stage.fails(1, &["connect", "tiktok", "--handle", "other", "--jar", "tiktok-cookies.json"]).await;
    assert!(told.contains("belong to @demo, not to @other"), "{told}");
    assert_eq!(stage.ok(&["status"]).await["accounts"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_file_that_cannot_work_is_refused() {
    let mut stage = Stage::new().await;
    for (platform, token, part) in [
        ("youtube", "{\"access_token\": \"hunter2\"", "not the JSON of a token"),
        ("youtube", "{\"acess_token\": \"hunter2\"}", "not the JSON of a token"),
        ("youtube", "{\"refresh_token\": \"hunter2\"}", "no access_token"),
        ("youtube", "{\"access_token\": \"hunter2\"}", "YouTube"),
        ("x", "{\"access_token\": \"hunter2\"}", "no oauth_token"),
        ("x", "{\"oauth_token\": \"hunter2\"}", "no oauth_token_secret"),
        ("x", "{\"oauth_token\": \"hunter2\", \"oauth_token_secret\": \"hunter2\"}", "X refuses the token"),
    ] {
        stage.write("token", token);
        let told = stage.fails(1, &["connect", platform, "--token", "token"]).await;
        assert!(told.contains(part) && !told.contains("hunter2"), "{token}: {part:?} is missing: {told}");
    }
    assert!(stage.fails(1, &["connect", "x", "--token", "nowhere"]).await.contains("nowhere cannot be read"));
    assert!(stage.fails(64, &["connect", "instagram", "--token", "instagram-token.json"]).await.contains("--account"));
    assert!(stage.fails(64, &["connect", "tiktok", "--handle", "demo"]).await.contains("--jar"));

    stage.environment.remove("AUTOREPOST_SANDBOX");
    let told = stage.fails(78, &["connect", "youtube", "--token", "youtube-token.json"]).await;
    assert!(told.contains("YOUTUBE_CLIENT_ID and YOUTUBE_CLIENT_SECRET"), "{told}");
    let told = stage.fails(78, &["connect", "x", "--token", "x-token.json"]).await;
    assert!(told.contains("TWITTER_CONSUMER_KEY and TWITTER_CONSUMER_SECRET"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_stops_everything_and_breaks_nothing() {
    let mut stage = Stage::ready().await;
    let key = stage.ok(&["keys", "generate"]).await["key"].as_str().unwrap().to_owned();
    stage.set("TOKEN_ENCRYPTION_KEY", &key);
    for command in [&["run"][..], &["sync"], &["status"]] {
        let told = stage.fails(78, command).await;
        for part in ["opens none of the accounts", "youtube:@demo channel", "TOKEN_ENCRYPTION_KEY"] {
            assert!(told.contains(part), "{command:?}: {told}");
        }
        assert!(!told.contains(&key), "{told}");
    }
    assert_eq!(stage.fails(1, &["doctor"]).await.matches("does not open").count(), 4);
    stage.set("TOKEN_ENCRYPTION_KEY", &key[..20]);
    assert!(stage.fails(78, &["status"]).await.contains("TOKEN_ENCRYPTION_KEY: key 1"));

    stage.environment.remove("TOKEN_ENCRYPTION_KEY");
    stage.add_posts([1]);
    let daemon = stage.start().await;
    stage.all_once([1]).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_token_that_was_altered_marks_its_account_alone() {
    let stage = Stage::ready().await;
    let database = Database::connect(&DatabaseConfig::new(url(&stage))).await.unwrap();
    let connections = database.connections().list(None).await.unwrap();
    let alter = async |platform: Platform, change: fn(&str) -> String| {
        let connection = connections.iter().find(|one| one.platform == platform).unwrap();
        let credential = change(connection.credential.as_str()).parse().unwrap();
        database.connections().update(&Connection { credential, ..connection.clone() }, None, &[]).await.unwrap();
    };
    alter(Platform::Instagram, |sealed| sealed[..sealed.len() - 9].to_owned()).await;
    alter(Platform::YouTube, |sealed| {
        let swapped = if sealed.ends_with('A') { "B" } else { "A" };
        format!("{}{swapped}{}", &sealed[..sealed.len() - 30], &sealed[sealed.len() - 29..])
    })
    .await;

    stage.add_posts([1]);
    let daemon = stage.start().await;
    until("X goes on", async || stage.world().ledger().len() == 1).await;
    until("the others are marked", async || {
        let accounts = &stage.ok(&["status"]).await["accounts"];
        let broken = |one: &&serde_json::Value| one["status"] == "error";
        accounts.as_array().unwrap().iter().filter(broken).count() == 2
    })
    .await;
    let status = stage.fails(0, &["status"]).await;
    assert_eq!(status.matches("does not open").count(), 2, "{status}");
    assert!(status.contains("connect the account again"), "{status}");
    stage.connect_all().await;
    stage.all_once([1]).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_that_is_none_is_said_before_anything_is_made() {
    let mut stage = Stage::new().await;
    stage.write("autorepost.toml", "foldr = 'x'\nlisten = 3");
    stage.set("AUTOREPOST_PUBLIC_ULR", "x");
    let told = stage.fails(78, &["run"]).await;
    for part in ["3 problems", "did you mean folder?", "in quotes", "did you mean AUTOREPOST_PUBLIC_URL?"] {
        assert!(told.contains(part), "{part:?} is missing: {told}");
    }
    assert!(!stage.path("autorepost-data").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_a_newer_version_is_left_alone() {
    let stage = Stage::ready().await;
    let database = sea_orm::Database::connect(url(&stage)).await.unwrap();
    database.execute_unprepared("INSERT INTO seaql_migrations VALUES ('m9999_future', 1)").await.unwrap();
    for command in [&["run"][..], &["status"], &["migrate"]] {
        let told = stage.fails(78, command).await;
        assert!(told.contains("newer version") && told.contains("m9999_future"), "{command:?}: {told}");
    }
    assert!(stage.fails(1, &["doctor"]).await.contains("newer version"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_video_that_is_none_is_skipped_and_the_next_goes_on() {
    let stage = Stage::ready().await;
    for (id, content) in [(1, "This is a text."), (2, "<!doctype html><title>Gone</title>"), (3, "\0\0\0\x18ftypmp42")]
    {
        let path = stage.path(&format!("{id}.txt"));
        std::fs::write(&path, content).unwrap();
        stage.world().add_post(video(id, path));
    }
    stage.add_posts([4]);
    let daemon = stage.start().await;
    until("the good one is published", async || stage.world().ledger().len() == 3).await;
    for (id, part) in [(1, "it is text"), (2, "it is a web page"), (3, "cut off")] {
        until("what is no video comes to its end", async || {
            stage.story(id).await.values().filter(|story| matches!(story.state.as_str(), "skipped" | "failed")).count()
                == 3
        })
        .await;
        let explained = stage.fails(0, &["explain", &id.to_string()]).await;
        assert!(explained.contains(part), "{part:?} is missing: {explained}");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_whose_shape_changed_marks_its_account_and_no_other() {
    let stage = Stage::ready().await;
    let other = TikTokAccount {
        id: "6800000000000000002".into(),
        handle: "second".into(),
        sec_uid: "MS4wLjABAAAAsecond".into(),
        session: "second-session".into(),
    };
    stage.world().add_tiktok(other.clone());
    stage.write("second", r#"[{"name": "sessionid", "value": "second-session", "domain": ".tiktok.com"}]"#);
    stage.ok(&["connect", "tiktok", "--handle", "second", "--jar", "second"]).await;
    stage.ok(&["rules", "add", "second", "--from", "tiktok:@second", "--to", "x", "--since", "all"]).await;
    stage.world().change_pages("6800000000000000001", true);
    stage.add_posts([1]);
    stage.world().add_post_of(&other.id, stage.post(2));

    let daemon = stage.start().await;
    until("the other account goes on", async || stage.world().ledger().len() == 1).await;
    until("the account is marked", async || {
        let accounts = stage.ok(&["status"]).await["accounts"].clone();
        let of =
            |handle: &str| accounts.as_array().unwrap().iter().find(|one| one["handle"] == handle).unwrap().clone();
        let detail = of("demo")["detail"].as_str().unwrap_or_default().to_owned();
        of("demo")["status"] == "error"
            && detail.contains("TikTok changed its page")
            && of("second")["status"] == "active"
    })
    .await;
    let told = stage.fails(1, &["doctor"]).await;
    assert!(told.contains("look for a newer version"), "{told}");

    // The program waits a quarter of an hour, or for a person's word.
    stage.world().change_pages("6800000000000000001", false);
    assert_eq!(stage.ok(&["sync", "--from", "tiktok:@demo"]).await["new"].as_array().unwrap().len(), 1);
    until("what was missed is published", async || stage.world().ledger().len() == 4).await;
    daemon.stop().await;
}
