//! `connect` without a file: the program as a process, the sandbox's page, and an owner who answers.

use std::{process::Stdio, time::Duration};

use autorepost::demo::stage;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::TcpListener,
    process::Child,
    time::timeout,
};
use url::Url;

use crate::{
    browser::{self, Says},
    support::{LIMIT, Stage, until},
};

/// A command that waits for an answer.
struct Waiting {
    child: Child,
    page: String,
}

impl Waiting {
    async fn new(stage: &Stage, arguments: &[&str]) -> Self {
        let port = free_port().await;
        stage::apps(stage.world(), &[&format!("http://127.0.0.1:{port}/callback")]);
        let port = port.to_string();
        let all = [&["connect"], arguments, &["--no-browser", "--json", "--port", &port]].concat();
        let mut command = stage.command(&all);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
        let page = timeout(LIMIT, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.trim().starts_with("http") {
                    return line.trim().to_owned();
                }
            }
            panic!("no page was told")
        });
        Self { page: page.await.unwrap(), child }
    }

    /// How it ended: its exit code, and what it printed.
    async fn ended(mut self) -> (Option<i32>, String) {
        let status = timeout(LIMIT, self.child.wait()).await.unwrap().unwrap();
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
        (status.code(), text)
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_platform_is_connected_on_its_page() {
    let stage = Stage::new().await;
    for (arguments, account) in [
        (&["youtube"][..], "UCdemo0000000000000000001"),
        (&["instagram"], stage::INSTAGRAM.0),
        (&["instagram", "--login", "instagram"], stage::INSTAGRAM.0),
        (&["x"], "7000001"),
        (&["x", "--login", "oauth2"], "7000001"),
        (&["tiktok"], "-0006800000000000000001"),
    ] {
        let waiting = Waiting::new(&stage, arguments).await;
        let address = browser::answer(&waiting.page, Says::Allow).await;
        let page = browser::land(&address).await;
        assert_eq!(page.status(), 200, "{arguments:?}");
        assert!(page.text().await.unwrap().contains("You may close this page"), "{arguments:?}");
        let (code, text) = waiting.ended().await;
        assert!(code == Some(0) && text.contains(account), "{arguments:?}: {text}");
    }
    // What was connected on the pages publishes.
    stage.ok(&["connect", "tiktok", "--handle", "demo", "--jar", "tiktok-cookies.json"]).await;
    let to = ["--to", "instagram", "--to", "youtube", "--to", "x", "--made-for-kids", "no", "--since", "all"];
    stage.ok(&[&["rules", "add", "all", "--from", "tiktok:6800000000000000001"][..], &to].concat()).await;
    stage.add_posts([1]);
    let daemon = stage.start().await;
    stage.all_once([1]).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_ends_the_command_and_a_stray_request_does_not() {
    let stage = Stage::new().await;
    let waiting = Waiting::new(&stage, &["youtube"]).await;
    let address = browser::answer(&waiting.page, Says::Deny).await;
    let mut stray = address.clone();
    stray.set_query(Some("code=guessed&state=guessed"));
    let page = browser::land(&stray).await;
    assert_eq!(page.status(), 404);
    assert!(page.text().await.unwrap().contains("begin again"));
    let page = browser::land(&address).await.text().await.unwrap();
    assert!(page.contains("Not connected") && page.contains("refused on YouTube"), "{page}");
    let (code, text) = waiting.ended().await;
    assert!(code == Some(1) && text.contains("refused on YouTube"), "{text}");
    assert_eq!(stage.ok(&["status"]).await["accounts"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_app_its_settings_are_named() {
    let mut stage = Stage::new().await;
    stage.environment.remove("AUTOREPOST_SANDBOX");
    for (platform, names) in [
        ("youtube", &["YOUTUBE_CLIENT_ID"][..]),
        ("instagram", &["FACEBOOK_APP_ID", "INSTAGRAM_APP_ID"]),
        ("x", &["TWITTER_CONSUMER_KEY", "TWITTER_CLIENT_ID"]),
        ("tiktok", &["TIKTOK_CLIENT_KEY"]),
    ] {
        let told = stage.fails(78, &["connect", platform, "--no-browser"]).await;
        assert!(names.iter().all(|name| told.contains(name)), "{platform}: {told}");
    }
}

/// The interface of a running program, over HTTP: asked for with a key, answered by a browser.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_program_takes_the_answer_of_a_browser() {
    let mut stage = Stage::new().await;
    let base = format!("http://127.0.0.1:{}", free_port().await);
    stage.set("AUTOREPOST_LISTEN", base.trim_start_matches("http://"));
    stage::apps(stage.world(), &[&format!("{base}/connect/callback")]);
    let key = stage.ok(&["api-keys", "add", "laptop", "--role", "operator"]).await["text"].as_str().unwrap().to_owned();
    let daemon = stage.start_part("api").await;
    daemon.until_listening().await;
    let client = reqwest::Client::new();
    let answer = client
        .post(format!("{base}/v1/connections/consent"))
        .bearer_auth(&key)
        .json(&serde_json::json!({ "platform": "x", "login": "oauth2" }))
        .send()
        .await
        .unwrap();
    let told: serde_json::Value = answer.json().await.unwrap();
    let address = browser::answer(told["url"].as_str().unwrap(), Says::Allow).await;
    let page = browser::land(&address).await.text().await.unwrap();
    assert!(page.contains("Connected") && page.contains("demo_x"), "{page}");
    until("the account is there", async || stage.ok(&["status"]).await.to_string().contains("demo_x")).await;
    let code = secret_of(&address, "code");
    assert!(!daemon.log().contains(&code) && !daemon.log().contains(&secret_of(&address, "state")), "{}", daemon.log());
    timeout(Duration::from_secs(60), daemon.stop()).await.unwrap();
}

fn secret_of(address: &Url, name: &str) -> String {
    browser::pairs(address).into_iter().find(|(key, _)| key == name).unwrap().1
}
