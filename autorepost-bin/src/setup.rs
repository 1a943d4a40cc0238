//! Wiring: everything that an installation on one machine is made of.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use autorepost_core::{
    Error, ErrorKind, Platform,
    connection::Connection,
    credential::Access,
    memory::{MemoryLimiter, MemoryScratch, MemoryWake},
    port::{Authorizer, Clock, Destination, Entropy, EventSink, Ports, Source},
    seal::{KeyRing, Secret},
};
use autorepost_database::{Database, DatabaseConfig};
use autorepost_platforms::{Instagram, InstagramConfig, TikTok, TikTokConfig, X, XConfig, YouTube, YouTubeConfig};
use autorepost_storage::{LocalMediaStore, MediaLinks, Mp4Probe};
use autorepost_webhooks::{HttpNotifier, NotifierConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    ambient::{SystemClock, SystemEntropy},
    config::Config,
};

/// How the platforms are reached. One whose app is not configured is left out.
pub struct Platforms {
    /// TikTok.
    pub tiktok: TikTokConfig,
    /// Instagram.
    pub instagram: InstagramConfig,
    /// YouTube.
    pub youtube: Option<YouTubeConfig>,
    /// X.
    pub x: Option<XConfig>,
}

/// The OAuth clients that a sandbox knows.
pub struct SandboxApps;

impl SandboxApps {
    /// Client id and secret of YouTube.
    pub const YOUTUBE: (&str, &str) = ("demo-client", "demo-client-secret");
    /// Consumer key and secret of X.
    pub const X: (&str, &str) = ("demo-consumer", "demo-consumer-secret");
}

impl Platforms {
    /// The platforms of a sandbox at `base`, with waits that fit it.
    pub fn sandbox(base: &str) -> Self {
        let commit_timeout = Duration::from_secs(3);
        // Longer than a commit's deadline and the sandbox's lags together.
        let settle = Duration::from_secs(5);
        let pair = |(first, second): (&str, &str)| (Secret::new(first), Secret::new(second));
        let (client_id, client_secret) = pair(SandboxApps::YOUTUBE);
        let (consumer_key, consumer_secret) = pair(SandboxApps::X);
        Self {
            tiktok: TikTokConfig { web_url: format!("{base}/tiktok"), page_posts: 5 },
            instagram: InstagramConfig {
                instagram_url: format!("{base}/instagram"),
                facebook_url: format!("{base}/facebook"),
                poll_after: Duration::from_millis(150),
                commit_timeout,
                settle,
                ..InstagramConfig::default()
            },
            youtube: Some(YouTubeConfig {
                api_url: format!("{base}/google"),
                oauth_url: format!("{base}/google-oauth"),
                chunk_bytes: 256 << 10,
                commit_timeout,
                settle,
                ..YouTubeConfig::new(client_id, client_secret)
            }),
            x: Some(XConfig {
                api_url: format!("{base}/x"),
                segment_bytes: 256 << 10,
                commit_timeout,
                settle,
                ..XConfig::new(consumer_key, consumer_secret)
            }),
        }
    }

    /// The platforms as configured.
    pub fn configured(config: &Config) -> Self {
        if let Some(base) = &config.sandbox {
            return Self::sandbox(base);
        }
        let or = |name, default: String| config.url(name).unwrap_or(default);
        let (tiktok, instagram) = (TikTokConfig::default(), InstagramConfig::default());
        Self {
            tiktok: TikTokConfig { web_url: or("AUTOREPOST_TIKTOK_URL", tiktok.web_url), ..tiktok },
            instagram: InstagramConfig {
                instagram_url: or("AUTOREPOST_INSTAGRAM_URL", instagram.instagram_url),
                facebook_url: or("AUTOREPOST_FACEBOOK_URL", instagram.facebook_url),
                ..instagram
            },
            youtube: config.youtube.clone().map(|(id, secret)| {
                let youtube = YouTubeConfig::new(id, secret);
                YouTubeConfig {
                    api_url: or("AUTOREPOST_YOUTUBE_URL", youtube.api_url),
                    oauth_url: or("AUTOREPOST_GOOGLE_OAUTH_URL", youtube.oauth_url),
                    ..youtube
                }
            }),
            x: config.x.clone().map(|(key, secret)| {
                let x = XConfig::new(key, secret);
                XConfig { api_url: or("AUTOREPOST_X_URL", x.api_url), ..x }
            }),
        }
    }
}

/// What an installation is wired from.
pub struct Wiring {
    /// The database, connected and migrated.
    pub database: Database,
    /// Where the media are.
    pub media: PathBuf,
    /// The keys that seal credentials.
    pub keys: KeyRing,
    /// What signs public addresses of media, when there is a listener that serves them.
    pub links: Option<MediaLinks>,
    /// How the platforms are reached.
    pub platforms: Platforms,
    /// Whether webhooks may go to addresses that are not on the internet.
    pub private_targets: bool,
}

impl Wiring {
    /// Wires the ports.
    ///
    /// # Errors
    ///
    /// When the media folder cannot be used, or a platform's configuration is wrong.
    pub fn ports(self, events: Arc<dyn EventSink>) -> autorepost_core::Result<Ports> {
        let Self { database, media, keys, links, platforms, private_targets } = self;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let media = Arc::new(LocalMediaStore::open(&media, links)?);
        let mut destinations: BTreeMap<Platform, Arc<dyn Destination>> = BTreeMap::new();
        let mut authorizers: BTreeMap<Platform, Arc<dyn Authorizer>> = BTreeMap::new();

        let tiktok = Arc::new(TikTok::new(platforms.tiktok, Arc::clone(&clock), Arc::clone(&entropy))?);
        authorizers.insert(Platform::TikTok, tiktok.clone());
        let instagram = Arc::new(Instagram::new(platforms.instagram, Arc::clone(&clock))?);
        destinations.insert(Platform::Instagram, instagram.clone());
        authorizers.insert(Platform::Instagram, instagram);
        if let Some(config) = platforms.youtube {
            let youtube = Arc::new(YouTube::new(config, Arc::clone(&clock))?);
            destinations.insert(Platform::YouTube, youtube.clone());
            authorizers.insert(Platform::YouTube, youtube);
        }
        if let Some(config) = platforms.x {
            let x = Arc::new(X::new(config, Arc::clone(&clock), Arc::clone(&entropy))?);
            destinations.insert(Platform::X, x.clone());
            authorizers.insert(Platform::X, x);
        }
        Ok(Ports {
            scratch: Arc::new(MemoryScratch::new(Arc::clone(&clock))),
            clock,
            entropy,
            keys: Arc::new(keys),
            limiter: Arc::new(MemoryLimiter::default()),
            wake: Arc::new(MemoryWake::default()),
            events,
            connections: database.connections(),
            rules: database.rules(),
            brakes: database.brakes(),
            posts: database.posts(),
            reposts: database.reposts(),
            jobs: database.jobs(),
            access: database.access(),
            audit: database.audit(),
            answers: database.answers(),
            census: database.census(),
            webhooks: database.webhooks(),
            notifier: Arc::new(HttpNotifier::new(NotifierConfig { private_targets, ..NotifierConfig::default() })?),
            probe: Arc::new(Mp4Probe::new(media.clone())),
            media,
            sources: BTreeMap::from([(Platform::TikTok, tiktok as Arc<dyn Source>)]),
            destinations,
            authorizers,
        })
    }
}

/// Connects the configured database. SQLite is brought up to date; elsewhere that is the operator's word.
///
/// # Errors
///
/// When it does not answer, is newer than this program, or is not up to date.
pub async fn database(config: &Config) -> anyhow::Result<Database> {
    fs::create_dir_all(&config.folder)
        .with_context(|| format!("the folder {} cannot be made", config.folder.display()))?;
    let url = config.database_url.expose();
    let database = Database::connect(&DatabaseConfig::new(url)).await?;
    if url.starts_with("sqlite:") {
        database.migrate().await?;
    } else if !database.schema().await?.pending.is_empty() {
        bail!("the database is not up to date: run \"autorepost migrate\"");
    }
    Ok(database)
}

/// Wires the configured installation. With `public_url` its media have addresses below it.
///
/// # Errors
///
/// When the database, the folder or the keys cannot be used, or the keys open none of the accounts: working on would mark
/// each of them as broken.
pub async fn installation(config: &Config, public_url: Option<&str>) -> anyhow::Result<Wiring> {
    let wiring = with_any_key(config, public_url).await?;
    check_keys(&wiring.database, &wiring.keys).await?;
    Ok(wiring)
}

/// The same, even if its keys open nothing: for the commands that mend this.
///
/// # Errors
///
/// When the database, the folder or the keys cannot be used.
pub async fn with_any_key(config: &Config, public_url: Option<&str>) -> anyhow::Result<Wiring> {
    let key = key(config)?;
    let database = database(config).await?;
    Ok(Wiring {
        database,
        media: config.folder.join("media"),
        keys: KeyRing::parse(key.expose())?,
        links: public_url.map(|base| MediaLinks::new(base, link_key(&key))),
        platforms: Platforms::configured(config),
        private_targets: config.private_targets,
    })
}

async fn check_keys(database: &Database, keys: &KeyRing) -> autorepost_core::Result<()> {
    let connections = database.connections().list(None).await?;
    let opens = |one: &Connection| match Access::open(one, keys) {
        Err(error) => error.kind() != ErrorKind::Unsealable,
        Ok(_) => true,
    };
    if connections.is_empty() || connections.iter().any(opens) {
        return Ok(());
    }
    let names: Vec<_> = connections.iter().map(|one| format!("{}:@{}", one.platform, one.handle)).collect();
    let text = format!(
        "the key {} opens none of the accounts ({}): set TOKEN_ENCRYPTION_KEY to the key that sealed them, add that key \
         to the new one (NEW,OLD), or connect the accounts again",
        keys.sealing_key_id(),
        names.join(", ")
    );
    Err(Error::new(ErrorKind::Configuration, "open credentials", text))
}

/// The configured keys; or those of the folder, where a new installation makes its own.
fn key(config: &Config) -> anyhow::Result<Secret> {
    if let Some(keys) = &config.keys {
        return Ok(keys.clone());
    }
    let path = config.folder.join("token.key");
    match fs::read_to_string(&path) {
        Ok(text) => {
            KeyRing::parse(text.trim()).with_context(|| format!("the key in {} is wrong", path.display()))?;
            Ok(Secret::new(text.trim()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // A new key would open nothing that an older one sealed, so it is made for a new installation only.
            let fresh = !config.folder.join("autorepost.db").exists();
            if !fresh || !config.database_url.expose().starts_with("sqlite:") {
                bail!(
                    "there is no key: set TOKEN_ENCRYPTION_KEY, or put back {}. A key that is new opens nothing that was \
                     sealed before; \"autorepost keys generate\" makes one",
                    path.display()
                );
            }
            make_key(&path)
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn make_key(path: &Path) -> anyhow::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let key = autorepost_core::seal::generate(bytes);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("{} cannot be written", path.display()))?;
    writeln!(file, "{}", key.expose())?;
    file.sync_all()?;
    tracing::warn!("made a new key, {}: keep a copy of it, without it no account opens", path.display());
    Ok(key)
}

/// What signs media addresses: bound to the key of the installation, so that every process of it agrees.
fn link_key(key: &Secret) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(b"autorepost media links v1");
    mac.finalize().into_bytes().into()
}
