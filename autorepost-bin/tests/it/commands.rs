//! Every command, from a fresh folder on, as its JSON tells it.

use autorepost_core::{
    Platform,
    id::TenantId,
    port::{After, AuditLog, AuditQuery, RepostQuery, Step as Change},
    repost::Repost,
    state::{Event, Owner, Reason, apply},
};
use autorepost_database::{Database, DatabaseConfig};
use autorepost_sandbox::{Effect, Fault, Step, TikTokPost};
use chrono::DateTime;
use serde_json::{Value, json};

use crate::support::{Stage, until};

fn names(value: &Value, key: &str) -> Vec<String> {
    value.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_fresh_folder_to_a_published_post() {
    let stage = Stage::new().await;
    assert_eq!(stage.ok(&["status"]).await["accounts"], json!([]));
    assert_eq!(stage.ok(&["posts"]).await, json!([]));
    assert_eq!(stage.ok(&["rules", "list"]).await, json!([]));
    assert!(stage.fails(1, &["doctor"]).await.contains("none is connected"));
    assert!(stage.fails(1, &["sync"]).await.contains("autorepost connect tiktok"));
    assert!(stage.fails(1, &["plan"]).await.contains("autorepost connect tiktok"));

    stage.connect_all().await;
    let status = stage.ok(&["status"]).await;
    assert_eq!(names(&status["accounts"], "handle"), ["demo", "demo.reels", "demo channel", "demo_x"]);
    assert_eq!(names(&status["accounts"], "status"), ["active"; 4]);
    assert!(stage.fails(1, &["doctor"]).await.contains("autorepost rules add"));

    let to = ["--to", "instagram", "--to", "youtube", "--to", "x", "--since", "all"];
    let rule = stage.ok(&[&["rules", "add", "all", "--made-for-kids", "no"][..], &to].concat()).await;
    assert_eq!((&rule["name"], &rule["state"]), (&json!("all"), &json!("active")));
    let findings = stage.ok(&["doctor"]).await;
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["ok"] == true), "{findings}");

    stage.add_posts([1]);
    let planned = stage.ok(&["plan"]).await;
    assert_eq!(names(&planned[0]["reposts"], "platform"), ["instagram", "youtube", "x"]);
    assert_eq!(names(&planned[0]["reposts"], "forecast"), ["publish"; 3]);
    assert_eq!(stage.ok(&["posts"]).await, json!([]), "a plan changes nothing");

    let synced = stage.ok(&["sync"]).await;
    assert_eq!((&synced["new"][0]["found"]["key"], &synced["broken"]), (&json!("1"), &json!([])));
    assert_eq!(stage.ok(&["sync"]).await["new"], json!([]));

    let daemon = stage.start().await;
    stage.all_once([1]).await;
    let status = stage.ok(&["status"]).await;
    assert_eq!(status["reposts"], json!({ "published": 3 }));
    let explained = stage.ok(&["explain", "https://www.tiktok.com/@demo/video/1?lang=en"]).await;
    assert_eq!(explained["reposts"].as_array().unwrap().len(), 3);
    let again = stage.ok(&["repost", "1"]).await;
    assert!(again.as_array().unwrap().iter().all(|one| one["queued"] == false), "{again}");
    daemon.stop().await;
    assert_eq!(stage.world().ledger().len(), 3);
    assert_eq!(stage.ok(&["migrate", "--check"]).await["pending"], json!([]));
    assert_eq!(stage.ok(&["migrate", "status"]).await["applied"][0], "m0001_begin");
}

/// A disconnected account is said to wait with the rules that name it, and what commands did stands in the audit log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_disconnected_and_the_audit_log_tells_it() {
    let stage = Stage::ready().await;
    let told = stage.ok(&["disconnect", "x"]).await;
    assert_eq!((&told["platform"], told["rules"].as_array().unwrap().len()), (&json!("x"), 1));
    let status = stage.ok(&["status"]).await;
    assert_eq!(names(&status["accounts"], "status"), ["active", "active", "active", "revoked"]);
    assert!(stage.fails(1, &["disconnect", "nobody"]).await.contains("no account"));
    stage.ok(&["pause"]).await;
    let url = format!("sqlite://{}", stage.path("autorepost-data/autorepost.db").display());
    let database = Database::connect(&DatabaseConfig::new(url)).await.unwrap();
    let log = async |tenant| {
        let query = AuditQuery { tenant, after: None, limit: 99 };
        let lines = AuditLog::list(&database, &query).await.unwrap();
        lines.into_iter().rev().map(|line| line.action).collect::<Vec<_>>()
    };
    let mut expected = vec!["connections.connect"; 4];
    expected.extend(["rules.create", "connections.disconnect"]);
    assert_eq!(log(Some(TenantId::OWNER)).await, expected);
    assert_eq!(log(None).await, ["brakes.engage_everything"]);
}

/// While everything or an account is held, nothing is published there; and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_everything_or_of_an_account_holds_and_loses_nothing() {
    let stage = Stage::ready().await;
    stage.ok(&["pause", "--reason", "a fire drill"]).await;
    let status = stage.ok(&["status"]).await;
    assert_eq!(status["brakes"][0]["reason"], "a fire drill");
    stage.add_posts([1]);
    let daemon = stage.start().await;
    until("everything waits", async || stage.ok(&["status"]).await["reposts"] == json!({ "waiting": 3 })).await;
    let text = String::from_utf8(stage.cli(&["explain", "1"]).await.stdout).unwrap();
    assert!(text.contains("publishing is stopped: a fire drill"), "{text}");
    assert!(stage.world().ledger().is_empty());

    assert_eq!(stage.ok(&["pause", "x"]).await["paused"], true);
    assert_eq!(stage.ok(&["resume"]).await["released"], true);
    let two = json!({ "published": 2, "waiting": 1 });
    until("two are published", async || stage.ok(&["status"]).await["reposts"] == two).await;
    assert!(stage.world().ledger().iter().all(|shown| shown.platform != Platform::X));
    assert_eq!(stage.ok(&["resume", "x"]).await["paused"], false);
    stage.all_once([1]).await;
    daemon.stop().await;
    assert_eq!(stage.ok(&["resume"]).await["released"], false);
}

/// What a filter, a pause, a shadow and a removal leave out, and how each is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_back_what_they_say() {
    let stage = Stage::new().await;
    stage.connect_all().await;
    for (name, more) in [
        ("filtered", &["--to", "instagram", "--exclude-hashtag", "tag1", "--min-duration", "4"][..]),
        ("shadow", &["--to", "x", "--shadow"]),
        ("paused", &["--to", "youtube", "--made-for-kids", "no", "--title", "On YouTube: {title}"]),
    ] {
        stage.ok(&[&["rules", "add", name, "--since", "2026-01-01"][..], more].concat()).await;
    }
    assert_eq!(stage.ok(&["rules", "pause", "paused"]).await["state"], "paused");
    assert_eq!(names(&stage.ok(&["rules", "list"]).await, "state"), ["active", "active", "paused"]);
    // The clip of post 8 lasts three seconds; post 3 is older than the rules' first day.
    stage.add_posts([1, 2, 8]);
    stage.world().add_post(TikTokPost { created_at: DateTime::UNIX_EPOCH, ..stage.post(3) });
    let daemon = stage.start().await;
    until("the one that is left is published", async || stage.world().ledger().len() == 1).await;
    assert_eq!(stage.world().ledger()[0].text, "Number 2 #tag2");
    for (id, why) in [(1, "excluded hashtag #tag1"), (8, "at least 4 s"), (3, "posted before 2026-01-01")] {
        let explained = stage.fails(0, &["explain", &id.to_string()]).await;
        assert!(explained.contains(why), "{why:?} is missing: {explained}");
    }
    until("the shadow says what it does", async || {
        let story = stage.story(2).await;
        story
            .get(&Platform::X)
            .is_some_and(|story| story.state == "skipped" && story.value.to_string().contains("shadow"))
    })
    .await;
    until("the pause says that it holds", async || {
        stage.story(2).await.get(&Platform::YouTube).is_some_and(|story| story.state == "waiting")
    })
    .await;

    assert_eq!(stage.ok(&["rules", "resume", "paused"]).await["state"], "active");
    until("what waited is published", async || stage.world().ledger().len() == 4).await;
    let titles = stage.world().ledger().into_iter().filter(|shown| shown.platform == Platform::YouTube);
    assert!(titles.into_iter().all(|shown| shown.text.starts_with("On YouTube: Number")));

    stage.ok(&["rules", "remove", "paused"]).await;
    assert_eq!(names(&stage.ok(&["rules", "list"]).await, "name"), ["filtered", "shadow"]);
    assert!(stage.fails(1, &["rules", "resume", "paused"]).await.contains("there is \"filtered\""));
    stage.add_posts([9]);
    until("a post is on Instagram alone", async || stage.world().ledger().len() == 5).await;
    // In spite of the filter, when a person asks for it.
    let answers = stage.ok(&["repost", "1", "--to", "instagram"]).await;
    assert_eq!(answers[0]["queued"], true, "{answers}");
    until("what was asked for is published", async || stage.world().ledger().len() == 6).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_file_says_what_options_cannot() {
    let stage = Stage::new().await;
    stage.connect_all().await;
    stage.write(
        "rule.toml",
        r##"
        delay_secs = 1
        [filters]
        require_hashtags = ["tag2"]
        since = "all"
        [[destinations]]
        connection = "instagram:@demo.reels"
        hashtags = "drop"
        options = { platform = "instagram", caption = "From a file: {text}", share_to_feed = false, cover_offset_ms = 500 }
        [[destinations]]
        connection = "x"
        options = { platform = "x", text = "{title} by {author}", reply_settings = "following" }
        "##,
    );
    let rule = stage.ok(&["rules", "add", "file", "--file", "rule.toml"]).await;
    assert_eq!(rule["spec"]["delay_secs"], 1);
    stage.add_posts([1, 2]);
    let daemon = stage.start().await;
    until("both are published", async || stage.world().ledger().len() == 2).await;
    let mut texts: Vec<_> = stage.world().ledger().into_iter().map(|shown| shown.text).collect();
    texts.sort();
    assert_eq!(texts[0], "From a file: Number 2");
    assert!(texts[1].starts_with("Number 2 by demo"), "{texts:?}");
    daemon.stop().await;

    for (text, part) in [
        ("[[destinations]]\nconnection = 'myspace'\n", "no account is connected as \"myspace\""),
        ("[filters]\nsince = 'yesterday'\n", "filters.since"),
        ("destinations = 3", "is not a rule"),
        ("delay = 3\n[[destinations]]\nconnection = 'x'\noptions = { platform = 'x', text = '{text}' }", "delay"),
        ("not toml", "is not TOML"),
        ("[[destinations]]\nconnection = 'x'\noptions = { platform = 'x', text = '{text}', reply = 'x' }", "reply"),
    ] {
        stage.write("wrong.toml", text);
        let told = stage.fails(1, &["rules", "add", "wrong", "--file", "wrong.toml"]).await;
        assert!(told.contains("wrong.toml") || told.contains("no account"), "{told}");
        assert!(told.contains(part), "{part} is missing: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_settles_what_is_in_doubt_and_nothing_else() {
    for there in [true, false] {
        let stage = Stage::ready().await;
        let effect = if there { Effect::CutAfter } else { Effect::CutBefore };
        // The commit's answer is lost, and X answers no question about it.
        let silent = Fault::first(Platform::X, Step::List, Effect::ErrorBefore, u32::MAX);
        stage.world().set_faults(vec![Fault::first(Platform::X, Step::Commit, effect, 1), silent]);
        stage.add_posts([1]);
        let mut daemon = stage.start().await;
        until("the commit is in doubt", async || {
            stage.published(1).await == 2 && stage.story(1).await[&Platform::X].tells(&["in_doubt"])
        })
        .await;
        daemon.child.kill().await.unwrap();
        give_up(&stage).await;
        let status = stage.fails(0, &["status"]).await;
        assert!(status.contains("X 1 unconfirmed"), "{status}");

        let told = stage.fails(1, &["settle", "1", "--to", "youtube", "--absent"]).await;
        assert!(told.contains("there is no doubt about it: it is published"), "{told}");
        stage.world().set_faults(Vec::new());
        if there {
            let id = stage.world().ledger().into_iter().find(|shown| shown.platform == Platform::X).unwrap().id;
            let settled = stage.ok(&["settle", "1", "--to", "x", "--published", "--id", &id]).await;
            assert_eq!(settled["state"]["receipt"]["id"], id.as_str());
        } else {
            stage.ok(&["settle", "1", "--to", "x", "--absent"]).await;
        }
        let daemon = stage.start().await;
        stage.all_once([1]).await;
        daemon.stop().await;
    }
}

/// What the pipeline does when a doubt lasts for a day: it leaves it to a person.
async fn give_up(stage: &Stage) {
    let url = format!("sqlite://{}", stage.path("autorepost-data/autorepost.db").display());
    let database = Database::connect(&DatabaseConfig::new(url)).await.unwrap();
    let query = RepostQuery { limit: 10, ..RepostQuery::default() };
    let reposts = database.reposts().list(TenantId::OWNER, &query).await.unwrap();
    let repost = reposts.into_iter().find(|repost| repost.key.platform == Platform::X).unwrap();
    let doubt = Event::Doubted(Reason::new(Owner::Operator, "X did not answer for a day"));
    let state = apply(repost.state.clone(), doubt).unwrap();
    let repost = Repost { state, ..repost };
    let step = Change { lease: None, repost, entry: None, guards: Vec::new(), after: After::Keep, jobs: Vec::new() };
    database.reposts().step(&step).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_say_where_each_value_is_from() {
    let mut stage = Stage::new().await;
    stage.write("autorepost.toml", "folder = 'elsewhere'\n");
    stage.set("YOUTUBE_CLIENT_ID", "id");
    stage.set("YOUTUBE_CLIENT_SECRET", "hunter2");
    let settings = stage.ok(&["settings"]).await;
    let from = |name: &str| {
        let found = settings.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        found["from"].as_str().unwrap().to_owned()
    };
    assert_eq!(from("AUTOREPOST_FOLDER"), "file");
    assert_eq!(from("AUTOREPOST_SANDBOX"), "environment");
    assert_eq!(from("DATABASE_URL"), "default");
    assert!(!settings.to_string().contains("hunter2"));
    stage.ok(&["status"]).await;
    assert!(stage.path("elsewhere/autorepost.db").exists() && !stage.path("autorepost-data").exists());
}

/// The first key seals, all of them open; a key of one's own is not written to the folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_from_the_environment_or_are_made() {
    let mut stage = Stage::new().await;
    let key = async |stage: &Stage| stage.ok(&["keys", "generate"]).await["key"].as_str().unwrap().to_owned();
    let (old, new) = (key(&stage).await, key(&stage).await);
    assert_ne!(old, new);
    stage.set("TOKEN_ENCRYPTION_KEY", &old);
    stage.connect_all().await;
    assert!(!stage.path("autorepost-data/token.key").exists());
    stage.set("TOKEN_ENCRYPTION_KEY", &format!("{new},{old}"));
    let doctor = stage.fails(1, &["doctor"]).await;
    assert_eq!(doctor.matches("WRONG").count(), 1, "only the rules are missing: {doctor}");

    let fresh = Stage::new().await;
    fresh.connect_all().await;
    let path = fresh.path("autorepost-data/token.key");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "others may read the key");
    }
    std::fs::remove_file(&path).unwrap();
    let told = fresh.fails(1, &["status"]).await;
    assert!(told.contains("put back") && !path.exists(), "{told}");
}

/// With Instagram Login the platform fetches the video from the program's own listener.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instagram_login_fetches_the_video_from_the_listener() {
    let stage = Stage::new().await;
    stage.ok(&["connect", "tiktok", "--handle", "demo", "--jar", "tiktok-cookies.json"]).await;
    stage.ok(&["connect", "instagram", "--login", "instagram", "--token", "instagram-token.json"]).await;
    stage.ok(&["rules", "add", "one", "--to", "instagram", "--since", "all"]).await;
    stage.add_posts([3]);
    let daemon = stage.start().await;
    until("it is published", async || stage.world().ledger().len() == 1).await;
    assert_eq!(stage.world().bytes_taken(Platform::Instagram), 0, "nothing was uploaded");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_help_reads_well() {
    let stage = Stage::new().await;
    let commands = [
        "demo",
        "run",
        "sandbox",
        "migrate",
        "connect",
        "rules",
        "sync",
        "repost",
        "settle",
        "posts",
        "status",
        "explain",
        "plan",
        "keys",
        "doctor",
        "settings",
        "disconnect",
    ];
    let all = stage.fails(0, &["--help"]).await;
    for command in commands {
        assert!(all.contains(&format!("  {command} ")), "{command} is missing: {all}");
        let help = stage.fails(0, &[command, "--help"]).await;
        assert!(help.contains(&format!("Usage: autorepost {command}")), "{help}");
    }
    assert!(stage.fails(64, &["no-such-command"]).await.contains("unrecognized"));
    let told = stage.fails(64, &["connect", "myspace", "--token", "x"]).await;
    assert!(told.contains("myspace"), "{told}");
}
