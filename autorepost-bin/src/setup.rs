//! Wiring: everything that an installation on one machine is made of.

pub mod keys;
mod platforms;
mod rotated;
pub mod services;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use autorepost_converter::{Ffmpeg, FfmpegConfig};
use autorepost_core::{
    Error, ErrorKind, Platform,
    connection::Connection,
    credential::Access,
    memory::{MemoryLimiter, MemoryScratch, MemoryWake},
    port::{
        Authorizer, Clock, ConnectionStore, Consent, Destination, Entropy, EventSink, MediaStore, Ports, RateLimiter,
        Scratch, Source, Wake, WebhookStore,
    },
    seal::KeyRing,
};
use autorepost_database::Database;
use autorepost_platforms::{Instagram, Observer, TikTok, X, YouTube};
use autorepost_redis::Redis;
use autorepost_storage::{LocalMediaStore, MediaLinks, Mp4Probe, S3MediaStore};
use autorepost_webhooks::{HttpNotifier, NotifierConfig};
use tokio::time::timeout;

use crate::{
    ambient::{SystemClock, SystemEntropy},
    config::{Config, Origin},
};

use rotated::Keyed;

pub use platforms::{Platforms, SandboxApps};
pub use rotated::RotatedKeys;

/// How long a bucket may take to answer before the program begins without its word.
const CHECK_MAX: Duration = Duration::from_secs(5);

/// Where the media are.
#[derive(Clone)]
pub enum Media {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(Arc<S3MediaStore>),
}

/// What an installation is wired from.
pub struct Wiring {
    /// The database, connected and migrated.
    pub database: Database,
    /// What several processes share, if there is a Redis.
    pub redis: Option<Redis>,
    /// Where the media are.
    pub media: Media,
    /// What converts media.
    pub ffmpeg: FfmpegConfig,
    /// The keys that seal credentials.
    pub keys: Arc<KeyRing>,
    /// Where they come from, when they may be rotated.
    pub rotated: Option<Arc<RotatedKeys>>,
    /// What signs public addresses of media, when there is a listener that serves them.
    pub links: Option<MediaLinks>,
    /// How the platforms are reached.
    pub platforms: Platforms,
    /// Who hears of every request to a platform.
    pub observer: Option<Observer>,
    /// Whether webhooks may go to addresses that are not on the internet.
    pub private_targets: bool,
}

impl Wiring {
    /// Looks whether the bucket takes media, if there is one. One that does not answer now may do so later.
    ///
    /// # Errors
    ///
    /// When it is missing, or the keys or the task's role may not use it.
    pub async fn check_media(&self) -> autorepost_core::Result<()> {
        let Media::Bucket(store) = &self.media else { return Ok(()) };
        match timeout(CHECK_MAX, store.check()).await {
            Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => tracing::warn!("{error}"),
            Ok(checked) => drop(checked?),
            Err(_) => tracing::warn!("the bucket did not answer within {} s", CHECK_MAX.as_secs()),
        }
        Ok(())
    }

    /// Wires the ports.
    ///
    /// # Errors
    ///
    /// When the media folder cannot be used, or a platform's configuration is wrong.
    pub fn ports(self, events: Arc<dyn EventSink>) -> autorepost_core::Result<Ports> {
        let Self { database, redis, media, ffmpeg, keys, rotated, links, platforms, observer, private_targets } = self;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let media: Arc<dyn MediaStore> = match media {
            Media::Folder(path) => Arc::new(LocalMediaStore::open(&path, links)?),
            Media::Bucket(store) => store,
        };
        let mut destinations: BTreeMap<Platform, Arc<dyn Destination>> = BTreeMap::new();
        let mut authorizers: BTreeMap<Platform, Arc<dyn Authorizer>> = BTreeMap::new();
        let mut consents: Vec<Arc<dyn Consent>> = Vec::new();

        let observer = observer.unwrap_or_else(|| Arc::new(|_| {}));
        let tiktok = TikTok::new(platforms.tiktok, Arc::clone(&clock), Arc::clone(&entropy))?;
        let tiktok = Arc::new(tiktok.observed(Arc::clone(&observer)));
        consents.extend(tiktok.consent());
        authorizers.insert(Platform::TikTok, tiktok.clone());
        let instagram = Instagram::new(platforms.instagram, Arc::clone(&clock))?;
        let instagram = Arc::new(instagram.observed(Arc::clone(&observer)));
        consents.extend(instagram.consents());
        destinations.insert(Platform::Instagram, instagram.clone());
        authorizers.insert(Platform::Instagram, instagram);
        if let Some(config) = platforms.youtube {
            let youtube = YouTube::new(config, Arc::clone(&clock))?;
            let youtube = Arc::new(youtube.observed(Arc::clone(&observer)));
            consents.push(youtube.consent());
            destinations.insert(Platform::YouTube, youtube.clone());
            authorizers.insert(Platform::YouTube, youtube);
        }
        if let Some(config) = platforms.x {
            let x = X::new(config, Arc::clone(&clock), Arc::clone(&entropy))?;
            let x = Arc::new(x.observed(Arc::clone(&observer)));
            consents.extend(x.consents());
            destinations.insert(Platform::X, x.clone());
            authorizers.insert(Platform::X, x);
        }
        let (wake, limiter, scratch): (Arc<dyn Wake>, Arc<dyn RateLimiter>, Arc<dyn Scratch>) = match &redis {
            Some(redis) => (redis.wake(), redis.limiter(), redis.scratch()),
            None => (
                Arc::new(MemoryWake::default()),
                Arc::new(MemoryLimiter::default()),
                Arc::new(MemoryScratch::new(Arc::clone(&clock))),
            ),
        };
        let (connections, webhooks) = match rotated {
            None => (database.connections(), database.webhooks()),
            Some(keys) => {
                let connections: Arc<dyn ConnectionStore> =
                    Arc::new(Keyed { store: database.connections(), keys: Arc::clone(&keys) });
                let webhooks: Arc<dyn WebhookStore> = Arc::new(Keyed { store: database.webhooks(), keys });
                (connections, webhooks)
            }
        };
        Ok(Ports {
            scratch,
            clock,
            entropy,
            keys,
            limiter,
            wake,
            events,
            connections,
            rules: database.rules(),
            backfills: database.backfills(),
            masters: database.masters(),
            brakes: database.brakes(),
            posts: database.posts(),
            reposts: database.reposts(),
            jobs: database.jobs(),
            access: database.access(),
            audit: database.audit(),
            answers: database.answers(),
            census: database.census(),
            webhooks,
            notifier: Arc::new(HttpNotifier::new(NotifierConfig { private_targets, ..NotifierConfig::default() })?),
            probe: Arc::new(Mp4Probe::new(media.clone())),
            converter: Arc::new(Ffmpeg::new(ffmpeg, media.clone())),
            renditions: database.renditions(),
            media,
            sources: BTreeMap::from([(Platform::TikTok, tiktok as Arc<dyn Source>)]),
            destinations,
            authorizers,
            consents: consents.into_iter().map(|consent| (consent.method(), consent)).collect(),
        })
    }
}

/// Wires the configured installation. With `public_url` its media have addresses below it.
///
/// # Errors
///
/// When the database, the folder or the keys cannot be used, or the keys open none of the accounts: working on would mark
/// each of them as broken.
pub async fn installation(config: &Config, public_url: Option<&str>) -> anyhow::Result<Wiring> {
    let wiring = with_any_key(config, public_url).await?;
    check_keys(wiring.database.connections().as_ref(), &wiring.keys).await?;
    Ok(wiring)
}

/// The same, even if its keys open nothing: for the commands that mend this.
///
/// # Errors
///
/// When the database, the folder or the keys cannot be used.
pub async fn with_any_key(config: &Config, public_url: Option<&str>) -> anyhow::Result<Wiring> {
    let key = keys::key(config)?;
    let database = services::database(config).await?;
    let media = match &config.bucket {
        Some(bucket) => Media::Bucket(Arc::new(services::bucket(config, bucket)?)),
        None => Media::Folder(config.folder.join("media")),
    };
    let ring = Arc::new(KeyRing::parse(key.expose())?);
    let links = public_url.map(|base| MediaLinks::new(base, keys::link_keys(&key)));
    // What is set by hand stays until the next start.
    let rotated = (config.origin(rotated::NAME) == Origin::Secrets)
        .then(|| Arc::new(RotatedKeys::new(config.secrets.clone(), key, Arc::clone(&ring), links.clone())));
    Ok(Wiring {
        database,
        redis: services::redis(config).await?,
        media,
        ffmpeg: FfmpegConfig { program: config.ffmpeg.clone(), folder: config.folder.join("conversions") },
        keys: ring,
        rotated,
        links,
        platforms: Platforms::configured(config),
        observer: None,
        private_targets: config.private_targets,
    })
}

/// Refuses keys that open none of the accounts.
pub(crate) async fn check_keys(store: &dyn ConnectionStore, keys: &KeyRing) -> autorepost_core::Result<()> {
    let connections = store.list(None).await?;
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
