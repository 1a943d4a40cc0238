//! A sandbox in this process, a folder, and the program as a process that works with both.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::PathBuf,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use autorepost::{demo::stage, setup::SandboxApps};
use autorepost_core::Platform;
use autorepost_sandbox::{
    Clip, InstagramAccount, Sandbox, SandboxConfig, Shown, TikTokPost, Timing, World, XAccount, clips::CLIPS,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

pub const DESTINATIONS: [Platform; 3] = [Platform::Instagram, Platform::YouTube, Platform::X];
/// Clips that are short enough for every destination.
const SHORT: usize = 8;
/// A post whose video is larger than one chunk of YouTube and one segment of X.
pub const LARGE: u32 = 7;
/// How long a test waits for what must come.
pub const LIMIT: Duration = Duration::from_secs(120);
/// The time between two looks at what must come.
const LOOK: Duration = Duration::from_millis(50);

/// A sandbox with its accounts, and a folder for one installation.
pub struct Stage {
    pub sandbox: Sandbox,
    pub folder: TempDir,
    pub environment: BTreeMap<String, String>,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(SandboxConfig::default()).await
    }

    pub async fn timed(processing: Duration, read_lag: Duration) -> Self {
        Self::with(SandboxConfig { timing: Timing { processing, read_lag }, ..SandboxConfig::default() }).await
    }

    pub async fn with(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).await.unwrap();
        stage::accounts(sandbox.world());
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in stage::credentials() {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let environment = [
            ("AUTOREPOST_SANDBOX", sandbox.base_url()),
            ("AUTOREPOST_LISTEN", "127.0.0.1:0"),
            ("PATH", "/usr/bin:/bin"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { sandbox, folder, environment }
    }

    /// A stage with all accounts connected and one rule that takes everything everywhere.
    pub async fn ready() -> Self {
        let stage = Self::new().await;
        stage.set_up().await;
        stage
    }

    pub async fn set_up(&self) {
        self.connect_all().await;
        let to = ["--to", "instagram", "--to", "youtube", "--to", "x", "--made-for-kids", "no", "--since", "all"];
        self.ok(&[&["rules", "add", "all"][..], &to].concat()).await;
    }

    pub async fn connect_all(&self) {
        self.ok(&["connect", "tiktok", "--handle", "demo", "--jar", "tiktok-cookies.json"]).await;
        self.ok(&["connect", "instagram", "--account", stage::INSTAGRAM.0, "--token", "instagram-token.json"]).await;
        self.ok(&["connect", "youtube", "--token", "youtube-token.json"]).await;
        self.ok(&["connect", "x", "--token", "x-token.json"]).await;
    }

    /// The platforms give their accounts new tokens, and the owner keeps them in the old files.
    pub fn renew_tokens(&self) {
        let account = |id: &str, token: &str| InstagramAccount {
            id: id.into(),
            username: "demo.reels".into(),
            token: token.into(),
            may_publish: true,
        };
        self.world().add_instagram(account(stage::INSTAGRAM.0, "new-token"));
        self.write("instagram-token.json", r#"{"access_token": "new-token"}"#);
        let (consumer_key, consumer_secret) = SandboxApps::X;
        self.world().add_x(XAccount {
            id: "7000001".into(),
            username: "demo_x".into(),
            consumer_key: consumer_key.into(),
            consumer_secret: consumer_secret.into(),
            token: "7000001-new".into(),
            token_secret: "new-secret".into(),
        });
        self.write("x-token.json", r#"{"oauth_token": "7000001-new", "oauth_token_secret": "new-secret"}"#);
    }

    pub fn world(&self) -> &World {
        self.sandbox.world()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// A new post with a short clip whose bytes no other post has.
    pub fn post(&self, id: u32) -> TikTokPost {
        let path = self.path(&format!("{id}.mp4"));
        fs::write(&path, clip(id)).unwrap();
        video(id, path)
    }

    pub fn add_posts(&self, ids: impl IntoIterator<Item = u32>) {
        ids.into_iter().for_each(|id| self.world().add_post(self.post(id)));
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autorepost"));
        command.args(arguments).env_clear().envs(&self.environment).current_dir(self.folder.path()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn cli(&self, arguments: &[&str]) -> Output {
        let ended = tokio::time::timeout(LIMIT, self.command(arguments).stdin(Stdio::null()).output()).await;
        ended.unwrap_or_else(|_| panic!("{arguments:?} did not end")).unwrap()
    }

    /// Runs a command that must do well, and reads the JSON of its answer.
    pub async fn ok(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[arguments, &["--json"]].concat()).await;
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", text(&output.stdout)))
    }

    /// Runs a command that must fail with this exit code, and answers with what it says.
    pub async fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.cli(arguments).await;
        let told = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        told
    }

    /// Starts `run`; its log is kept in a file.
    pub async fn start(&self) -> Daemon {
        self.start_part("run").await
    }

    /// Starts `run`, `api` or `worker`.
    pub async fn start_part(&self, part: &str) -> Daemon {
        let path = self.path("run.log");
        let log = File::options().create(true).append(true).open(&path).unwrap();
        let (out, part) = (log.try_clone().unwrap(), [part]);
        let child = self.command(&part).stdin(Stdio::null()).stdout(out).stderr(log).spawn().unwrap();
        Daemon { child, log: path }
    }

    /// What the programs that ran here logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("run.log")).unwrap_or_default()
    }

    /// The state of a post at each destination, and what is known of it there.
    pub async fn story(&self, post: u32) -> BTreeMap<Platform, Story> {
        let explained = self.ok(&["explain", &post.to_string()]).await;
        let stories = explained["reposts"].as_array().unwrap();
        let story = |value: &Value| {
            let platform = serde_json::from_value(value["repost"]["key"]["platform"].clone()).unwrap();
            let lines = value["journal"].as_array().unwrap().iter();
            let journal =
                lines.map(|line| format!("{} {}", line["event"].as_str().unwrap(), line["detail"].as_str().unwrap()));
            let repost = &value["repost"];
            (
                platform,
                Story {
                    state: repost["state"]["state"].as_str().unwrap().to_owned(),
                    journal: journal.collect(),
                    value: value.clone(),
                },
            )
        };
        stories.iter().map(story).collect()
    }

    /// Every repost: its post's id, its platform, its state, and the platform's id of what was published.
    pub async fn reposts(&self) -> Vec<(String, Platform, String, Option<String>)> {
        let posts = self.ok(&["posts", "--limit", "1000"]).await;
        let reposts = posts.as_array().unwrap().iter().flat_map(|post| post["reposts"].as_array().unwrap());
        let read = |repost: &Value| {
            let key = &repost["key"];
            (
                key["post"].as_str().unwrap().to_owned(),
                serde_json::from_value(key["platform"].clone()).unwrap(),
                repost["state"]["state"].as_str().unwrap().to_owned(),
                repost["state"]["receipt"]["id"].as_str().map(str::to_owned),
            )
        };
        reposts.map(read).collect()
    }

    /// At how many destinations a post is published.
    pub async fn published(&self, post: u32) -> usize {
        let reposts = self.reposts().await.into_iter();
        reposts.filter(|(key, _, state, _)| *key == post.to_string() && state == "published").count()
    }

    /// Waits until every one of these posts is published everywhere, and holds our book against the public's: each once.
    pub async fn all_once(&self, ids: impl IntoIterator<Item = u32>) {
        let wanted: BTreeSet<_> =
            ids.into_iter().flat_map(|id| DESTINATIONS.map(|platform| (id.to_string(), platform))).collect();
        let deadline = Instant::now() + LIMIT;
        loop {
            let reposts = self.reposts().await;
            let done: BTreeSet<_> = reposts
                .iter()
                .filter(|(_, _, state, _)| state == "published")
                .map(|(post, platform, ..)| (post.clone(), *platform))
                .collect();
            if wanted.is_subset(&done) {
                break;
            }
            let missing: Vec<_> = wanted.difference(&done).collect();
            assert!(Instant::now() < deadline, "not published: {missing:?}\n{reposts:?}\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
        let (reposts, ledger) = (self.reposts().await, self.world().ledger());
        assert_eq!((reposts.len(), ledger.len()), (wanted.len(), wanted.len()), "{reposts:?}\n{ledger:?}");
        for (post, platform, state, id) in &reposts {
            let seen: Vec<&Shown> = ledger.iter().filter(|one| one.platform == *platform && shows(one, post)).collect();
            assert_eq!((seen.len(), state.as_str()), (1, "published"), "post {post} on {platform}: {seen:?}");
            assert!(id.as_ref().is_none_or(|id| *id == seen[0].id), "post {post} on {platform}: {id:?}, {seen:?}");
        }
    }
}

/// What is known of a post at a destination.
#[derive(Debug)]
pub struct Story {
    pub state: String,
    pub journal: Vec<String>,
    pub value: Value,
}

impl Story {
    /// Whether the journal tells these things, in this order.
    pub fn tells(&self, parts: &[&str]) -> bool {
        let mut lines = self.journal.iter();
        parts.iter().all(|part| lines.any(|line| line.contains(part)))
    }
}

/// A running `autorepost run`.
pub struct Daemon {
    pub child: Child,
    log: PathBuf,
}

impl Daemon {
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub async fn until_listening(&self) {
        until("the program listens", async || self.log().contains("listening on")).await;
    }

    /// Sends a signal by name.
    pub async fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.pid());
        assert!(Command::new("sh").args(["-c", &script]).status().await.unwrap().success());
    }

    /// Waits for its end, and answers with its exit code.
    pub async fn ends(&mut self) -> Option<i32> {
        tokio::time::timeout(LIMIT, self.child.wait()).await.expect("it ends").unwrap().code()
    }

    /// Stops it as a person does; it must end well.
    pub async fn stop(mut self) {
        self.signal("INT").await;
        assert_eq!(self.ends().await, Some(0), "{}", self.log());
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, waiting).await.is_ok(), "waited in vain: {what}");
}

/// A short clip whose bytes no other post has: a real one, and a box with the post's id, which players skip.
fn clip(id: u32) -> Vec<u8> {
    let (_, _, bytes) = CLIPS[id as usize % SHORT];
    [bytes, &12_u32.to_be_bytes(), b"free", &id.to_be_bytes()].concat()
}

pub fn video(id: u32, path: PathBuf) -> TikTokPost {
    let seconds = CLIPS[id as usize % SHORT].1;
    TikTokPost {
        id: id.to_string(),
        caption: format!("Number {id} #tag{id}"),
        // Each in a second of its own, in the order of their ids.
        created_at: DateTime::<Utc>::from(std::time::SystemTime::now()) - TimeDelta::seconds(10_000 - i64::from(id)),
        clip: Some(Clip { path, seconds }),
        private: false,
        deleted: false,
        pinned: false,
    }
}

fn shows(shown: &Shown, post: &str) -> bool {
    shown.text.split_whitespace().nth(1) == Some(post)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
