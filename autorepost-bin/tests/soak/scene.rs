//! The installation that a run plays on: Postgres, the sandbox, accounts and rules; and the posts that are made on it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use autorepost::{
    ambient::SystemClock,
    demo::stage::{self, HANDLE, INSTAGRAM},
};
use autorepost_core::{Platform, media::MediaKey, port::Clock as _};
use autorepost_database::{Database, DatabaseConfig};
use autorepost_sandbox::{Clip, Effect, Fault, Shown, Step, TikTokPost, clips::CLIPS};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, sleep};

use crate::{
    cloud::Cloud,
    dice::Dice,
    postgres::{Server, free_port},
    process::{House, Process},
};

pub const VIDEOS: &str = "videos";
pub const POSTS_ON_X: &str = "posts on X";
pub const DESTINATIONS: [Platform; 3] = [Platform::Instagram, Platform::YouTube, Platform::X];
/// How long the sandbox may take to listen.
const LISTEN_MAX: Duration = Duration::from_secs(30);

/// What must become of a post at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// It is published once.
    Published,
    /// It is skipped, and the reason says this.
    Skipped(&'static str),
}

/// A post, and what must become of it.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub id: String,
    /// What names its video everywhere: no two posts have the same.
    pub video: Option<MediaKey>,
    pub at: [Want; 3],
}

impl Wanted {
    pub fn everywhere(&self) -> bool {
        self.at == [Want::Published; 3]
    }
}

pub struct Scene {
    pub house: House,
    pub postgres: Server,
    /// What there is in production besides Postgres.
    pub cloud: Option<Cloud>,
    pub database: Database,
    _sandbox: Process,
    base: String,
    http: reqwest::Client,
}

impl Scene {
    pub async fn set(seed: u64, production: bool) -> Self {
        let mut house = House::new();
        let postgres = Server::start();
        let folder = house.folder.path().join("sandbox");
        let arguments = ["sandbox", "--port", "0", "--seed", &seed.to_string(), "--folder", folder.to_str().unwrap()];
        let sandbox = house.start(&house.program, "sandbox", &arguments, &[]);
        let base = said(&house.log("sandbox"), "AUTOREPOST_SANDBOX=").await;
        house.environment = vec![
            ("AUTOREPOST_FOLDER", house.folder.path().join("data").to_str().unwrap().to_owned()),
            ("AUTOREPOST_SANDBOX", base.clone()),
        ];
        let secrets = [
            ("DATABASE_URL", postgres.url("postgres")),
            ("TOKEN_ENCRYPTION_KEY", autorepost_core::seal::generate([7; 32]).expose().to_owned()),
        ];
        let cloud = match production {
            true => Some(Cloud::start(house.folder.path().into(), secrets.into_iter().collect()).await),
            false => {
                house.environment.extend(secrets);
                None
            }
        };
        house.environment.extend(cloud.iter().flat_map(Cloud::environment));
        // Chosen last: a server that is away for a while keeps its port.
        let listen = format!("127.0.0.1:{}", free_port());
        house.environment.push(("AUTOREPOST_PUBLIC_URL", format!("http://{listen}")));
        house.environment.push(("AUTOREPOST_LISTEN", listen));
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        house.tell(&["migrate"]).await;
        house.tell(&["connect", "tiktok", "--handle", HANDLE, "--jar", &file("tiktok-cookies.json")]).await;
        let token = file("instagram-token.json");
        // Every other run lets Instagram fetch the videos from the api process instead of sending them.
        let login = if seed.is_multiple_of(2) { "instagram" } else { "facebook" };
        house.tell(&["connect", "instagram", "--login", login, "--account", INSTAGRAM.0, "--token", &token]).await;
        house.tell(&["connect", "youtube", "--token", &file("youtube-token.json")]).await;
        house.tell(&["connect", "x", "--token", &file("x-token.json")]).await;
        let to = ["--to", "instagram", "--to", "youtube", "--made-for-kids", "no", "--since", "all"];
        house.tell(&[&["rules", "add", VIDEOS], to.as_slice()].concat()).await;
        house.tell(&["rules", "add", POSTS_ON_X, "--to", "x", "--exclude-hashtag", "noX", "--since", "all"]).await;

        let config = DatabaseConfig::new(postgres.url("postgres"));
        let database = Database::connect(&config).await.unwrap();
        Self { house, postgres, cloud, database, _sandbox: sandbox, base, http: reqwest::Client::new() }
    }

    /// The posts that the sandbox begins with.
    pub fn first_posts() -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for (index, (name, _, bytes)) in CLIPS.iter().enumerate() {
            let x = match *name {
                "05-grey" => Want::Skipped("#noX"),
                "10-long" => Want::Skipped("at most 140 s"),
                _ => Want::Published,
            };
            let at = [Want::Published, Want::Published, x];
            wanted.push(Wanted { id: id(index), video: Some(MediaKey::of(bytes)), at });
        }
        let count = CLIPS.len();
        wanted.push(Wanted { id: id(count), video: None, at: [Want::Skipped("photos"); 3] });
        wanted.push(Wanted { id: id(count + 1), video: None, at: [Want::Skipped("private"); 3] });
        wanted
    }

    /// A new post appears on TikTok.
    pub async fn post(&self, number: usize, dice: &mut Dice) -> Wanted {
        let index = CLIPS.len() + 2 + number;
        let id = id(index);
        // Some appear late.
        let late = if dice.percent(30) { dice.below(20_000) as i64 } else { 0 };
        let mut post = TikTokPost {
            id: id.clone(),
            caption: format!("Soak number {number}, for all who wait #soak"),
            created_at: now() - TimeDelta::milliseconds(late),
            clip: None,
            private: false,
            deleted: false,
            pinned: dice.percent(3),
        };
        let (path, seconds, bytes) = self.clip(number, dice);
        let mut wanted = Wanted { id, video: Some(MediaKey::of(&bytes)), at: [Want::Published; 3] };
        match dice.below(20) {
            0 => wanted = Wanted { video: None, at: [Want::Skipped("photos"); 3], ..wanted },
            1 => {
                post.private = true;
                wanted = Wanted { video: None, at: [Want::Skipped("private"); 3], ..wanted };
            }
            2 => {
                post.deleted = true;
                wanted = Wanted { video: None, at: [Want::Skipped("deleted"); 3], ..wanted };
            }
            3 => {
                post.caption += " #noX";
                wanted.at[2] = Want::Skipped("#noX");
            }
            _ => {}
        }
        if wanted.at[0] != Want::Skipped("photos") {
            std::fs::write(&path, &bytes).unwrap();
            post.clip = Some(Clip { path, seconds });
        }
        let url = format!("{}/sandbox/posts", self.base);
        self.http.post(url).json(&post).send().await.unwrap().error_for_status().unwrap();
        wanted
    }

    /// A video that nobody else has: a clip with a box behind it that players skip.
    fn clip(&self, number: usize, dice: &mut Dice) -> (std::path::PathBuf, u32, Vec<u8>) {
        let short: Vec<_> = CLIPS.iter().filter(|(_, _, bytes)| bytes.len() < 110_000).collect();
        let (_, seconds, bytes) = short[dice.below(short.len())];
        let mut bytes = bytes.to_vec();
        bytes.extend_from_slice(&16_u32.to_be_bytes());
        bytes.extend_from_slice(b"free");
        bytes.extend_from_slice(&(number as u64).to_be_bytes());
        (self.house.folder.path().join(format!("clip-{number}.mp4")), *seconds, bytes)
    }

    pub async fn ledger(&self) -> Vec<Shown> {
        let url = format!("{}/sandbox/ledger", self.base);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub async fn set_faults(&self, faults: &[Fault]) {
        let url = format!("{}/sandbox/faults", self.base);
        self.http.put(url).json(faults).send().await.unwrap().error_for_status().unwrap();
    }

    /// How many faults have happened.
    pub async fn faults(&self) -> u32 {
        let url = format!("{}/sandbox/faults", self.base);
        let fired: BTreeMap<String, u32> = self.http.get(url).send().await.unwrap().json().await.unwrap();
        fired.values().sum()
    }
}

/// What goes wrong at the platforms: the demo's faults without an end, but less often each time.
pub fn faults() -> Vec<Fault> {
    let mut faults = stage::chaos();
    for fault in faults.iter_mut().filter(|fault| fault.per_mille < 1000) {
        (fault.times, fault.per_mille) = (u32::MAX, fault.per_mille / 2);
    }
    for platform in DESTINATIONS {
        for effect in [Effect::ErrorAfter, Effect::Slow(2_500), Effect::Slow(3_500)] {
            faults.push(Fault { platform, step: Step::Commit, effect, times: u32::MAX, per_mille: 40 });
        }
    }
    faults
}

fn id(index: usize) -> String {
    (7_300_000_000_000_000_001 + index as u64).to_string()
}

/// Waits until a log says what follows these words.
async fn said(log: &Path, words: &str) -> String {
    let end = Instant::now() + LISTEN_MAX;
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if let Some((_, rest)) = text.split_once(words)
            && let Some((value, _)) = rest.split_once('\n')
        {
            return value.to_owned();
        }
        assert!(Instant::now() < end, "the sandbox does not listen: {text}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The time, as the sandbox's clock has it: ours, for it is on this machine.
pub fn now() -> DateTime<Utc> {
    SystemClock.now()
}
