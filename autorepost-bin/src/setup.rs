//! Wiring: everything that an installation on one machine is made of.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use autorepost_core::{
    Platform, Result,
    connection::{AccountId, AuthMethod, Connection, ConnectionStatus},
    credential::{Access, Credential},
    id::{ConnectionId, JobId, TenantId},
    job::NewJob,
    memory::{MemoryLimiter, MemoryWake},
    port::{Authorizer, Clock, Destination, Entropy, EntropyExt, EventSink, Identity, Ports, Source},
    seal::{Binding, KeyRing, Purpose},
};
use autorepost_database::{Database, DatabaseConfig};
use autorepost_platforms::{Instagram, InstagramConfig, TikTok, TikTokConfig, X, XConfig, YouTube, YouTubeConfig};
use autorepost_storage::{LocalMediaStore, Mp4Probe};

use crate::ambient::{SystemClock, SystemEntropy};

/// How the platforms are reached.
pub struct Platforms {
    /// TikTok.
    pub tiktok: TikTokConfig,
    /// Instagram.
    pub instagram: InstagramConfig,
    /// YouTube.
    pub youtube: YouTubeConfig,
    /// X.
    pub x: XConfig,
}

/// Wires an installation whose database and media are in one folder.
///
/// # Errors
///
/// When the database or the media folder cannot be opened, or a platform's configuration is wrong.
pub async fn wire(folder: &Path, keys: KeyRing, events: Arc<dyn EventSink>, platforms: Platforms) -> Result<Ports> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let url = format!("sqlite://{}", folder.join("autorepost.db").display());
    let database = Database::connect(&DatabaseConfig::new(url)).await?;
    database.migrate().await?;
    let media = Arc::new(LocalMediaStore::open(&folder.join("media"), None)?);

    let tiktok = Arc::new(TikTok::new(platforms.tiktok, Arc::clone(&clock), Arc::clone(&entropy))?);
    let instagram = Arc::new(Instagram::new(platforms.instagram, Arc::clone(&clock))?);
    let youtube = Arc::new(YouTube::new(platforms.youtube, Arc::clone(&clock))?);
    let x = Arc::new(X::new(platforms.x, Arc::clone(&clock), Arc::clone(&entropy))?);
    Ok(Ports {
        clock,
        entropy,
        keys: Arc::new(keys),
        limiter: Arc::new(MemoryLimiter::default()),
        wake: Arc::new(MemoryWake::default()),
        events,
        connections: database.connections(),
        rules: database.rules(),
        posts: database.posts(),
        reposts: database.reposts(),
        jobs: database.jobs(),
        probe: Arc::new(Mp4Probe::new(media.clone())),
        media,
        sources: BTreeMap::from([(Platform::TikTok, Arc::clone(&tiktok) as Arc<dyn Source>)]),
        destinations: BTreeMap::from([
            (Platform::Instagram, Arc::clone(&instagram) as Arc<dyn Destination>),
            (Platform::YouTube, Arc::clone(&youtube) as Arc<dyn Destination>),
            (Platform::X, Arc::clone(&x) as Arc<dyn Destination>),
        ]),
        authorizers: BTreeMap::from([
            (Platform::TikTok, tiktok as Arc<dyn Authorizer>),
            (Platform::Instagram, instagram as Arc<dyn Authorizer>),
            (Platform::YouTube, youtube as Arc<dyn Authorizer>),
            (Platform::X, x as Arc<dyn Authorizer>),
        ]),
    })
}

/// Connects an account: asks the platform whose credential it is, seals it, and stores it with its perpetual jobs.
///
/// `account` and `handle` are what the owner says; the platform's own answer replaces them.
///
/// # Errors
///
/// When the platform refuses the credential, or the account is another one than was said.
pub async fn connect(
    ports: &Ports,
    method: AuthMethod,
    account: &str,
    handle: &str,
    credential: Credential,
) -> Result<Connection> {
    let (tenant, platform, now) = (TenantId::OWNER, method.platform(), ports.clock.now());
    let access =
        Access { account: AccountId::new(account), handle: handle.to_owned(), method, credential: credential.clone() };
    let Identity { account, handle, expires_at } = ports.authorizer(platform)?.verify(&access).await?;
    let known = ports.connections.find(tenant, platform, &account).await?;
    let id = known.map_or_else(|| ConnectionId::new(now, ports.entropy.bytes()), |known| known.id);
    let binding = Binding { tenant, connection: id, purpose: Purpose::Credential };
    let connection = Connection {
        id,
        tenant,
        platform,
        account,
        handle,
        method,
        credential: credential.seal(&ports.keys, &binding, ports.entropy.bytes())?,
        scopes: Vec::new(),
        expires_at,
        status: ConnectionStatus::Active,
        status_detail: None,
        paused: false,
        created_at: now,
        renewed_at: now,
        version: 0,
    };
    let jobs = NewJob::perpetual(&connection, now, || JobId::new(now, ports.entropy.bytes()));
    let connection = ports.connections.connect(&connection, &jobs).await?;
    let waiting = jobs.iter().map(|job| job.key.clone());
    let lane = autorepost_core::repost::publish_lane(tenant, platform, &connection.account);
    ports.jobs.hasten(&waiting.chain([lane]).collect::<Vec<_>>(), now).await?;
    Ok(connection)
}
