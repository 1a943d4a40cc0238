//! Sealing keys that are rotated while processes run: read again now and then, and at once when something was sealed with a
//! key that is not known.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use autorepost_core::{
    Error, Platform, Result,
    access::TENANTS_MAX,
    connection::{AccountId, Connection},
    id::{ConnectionId, TenantId, WebhookId},
    job::{Lease, NewJob},
    operator::Operator,
    port::{ConnectionStore, Ports, SecretSource, WebhookStore},
    seal::{KeyRing, SealedToken, Secret},
    webhook::Webhook,
};
use autorepost_storage::MediaLinks;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::keys::link_keys;

/// The name under which the keys are asked for.
pub(crate) const NAME: &str = "TOKEN_ENCRYPTION_KEY";
/// For so long after it was first met a key may be one that the source has, and was not looked for: a source leaves out a
/// look within ten seconds of the last, and other processes seal with a new key as soon as they have it.
const LOOKED_FOR: Duration = Duration::from_secs(15);
/// Unknown keys that are remembered at most.
const UNKNOWN_MAX: usize = 16;
/// The time between two looks at what the source has read. It keeps a bundle for longer than that.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The keys of an installation, as a source of secrets gives them.
pub struct RotatedKeys {
    source: Arc<dyn SecretSource>,
    ring: Arc<KeyRing>,
    links: Option<MediaLinks>,
    /// What was read last.
    text: Mutex<Secret>,
    /// Keys that the source does not have, and when they were first met.
    unknown: Mutex<BTreeMap<String, Instant>>,
    /// Whether this process goes on for long. One that does not has read the keys just now.
    watched: AtomicBool,
}

impl RotatedKeys {
    /// The keys `ring`, which were read from `text` of this source, and what is signed with them.
    pub fn new(source: Arc<dyn SecretSource>, text: Secret, ring: Arc<KeyRing>, links: Option<MediaLinks>) -> Self {
        Self { source, ring, links, text: Mutex::new(text), unknown: Mutex::default(), watched: AtomicBool::new(false) }
    }

    /// Takes the keys that the source gives now.
    ///
    /// # Errors
    ///
    /// When the source cannot be read, or its keys are wrong. Those before go on being used.
    async fn read(&self) -> Result<()> {
        let Some(text) = self.source.secret(NAME).await? else {
            return Err(Error::unavailable("read keys", format!("{NAME} is not set any more: set it again")));
        };
        let text = Secret::new(text.expose().trim());
        let mut last = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == text {
            return Ok(());
        }
        let read = KeyRing::parse(text.expose())?;
        self.ring.replace(&read);
        if let Some(links) = &self.links {
            links.replace(link_keys(&text));
        }
        *last = text;
        let (sealing, count) = (self.ring.sealing_key_id(), self.ring.key_ids().len());
        tracing::info!("the sealing keys were rotated: {sealing} seals, {count} open");
        Ok(())
    }

    /// Sees to it that the key of a sealed value is known, if the source has it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](autorepost_core::ErrorKind::Unavailable) while the source may have it and could not be asked. What
    /// certainly has no key any more is left to whoever opens it.
    async fn meet(&self, sealed: &SealedToken) -> Result<()> {
        if self.ring.knows(sealed) {
            return Ok(());
        }
        let asked = self.ask().await;
        if self.ring.knows(sealed) {
            return Ok(());
        }
        let unsure = self.watched.load(Ordering::Relaxed) && (asked.is_err() || self.is_new(sealed.key_id()));
        let text = format!("the key {} is not known yet, and is looked for", sealed.key_id());
        if unsure { Err(Error::unavailable("look for a key", text)) } else { Ok(()) }
    }

    async fn ask(&self) -> Result<()> {
        self.source.refresh().await?;
        self.read().await
    }

    /// Whether a key was first met a moment ago.
    fn is_new(&self, key: &str) -> bool {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= UNKNOWN_MAX && !unknown.contains_key(key) {
            unknown.clear();
        }
        unknown.entry(key.to_owned()).or_insert_with(Instant::now).elapsed() < LOOKED_FOR
    }

    /// Reads on until `stop` says so. With ports, what older keys sealed is sealed anew: at the start, and after each
    /// rotation.
    pub async fn watch(self: Arc<Self>, ports: Option<Ports>, mut stop: watch::Receiver<bool>) {
        self.watched.store(true, Ordering::Relaxed);
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The key with which everything is sealed.
        let mut sealed_with = None;
        let mut failing = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            match self.read().await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!("{error}; the keys read before go on being used");
                }
                Err(_) => {}
            }
            let sealing = self.ring.sealing_key_id();
            let Some(ports) = ports.as_ref().filter(|_| sealed_with.as_ref() != Some(&sealing)) else { continue };
            tokio::select! {
                resealed = reseal_all(ports) => match resealed {
                    Ok(()) => sealed_with = Some(sealing),
                    Err(error) => tracing::warn!("not everything was sealed anew, and is tried again: {error}"),
                },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

/// Seals anew what older keys sealed, of every tenant.
async fn reseal_all(ports: &Ports) -> Result<()> {
    for tenant in ports.access.tenants(None, TENANTS_MAX).await? {
        let resealed = Operator::new(ports, tenant.id, "keys").reseal().await?;
        if resealed.resealed > 0 {
            tracing::info!(tenant = %tenant.id, resealed = resealed.resealed, "sealed anew with the present key");
        }
        for broken in resealed.broken {
            tracing::warn!(tenant = %tenant.id, "not sealed anew: {broken}");
        }
    }
    Ok(())
}

/// Stores whose rows name a key: it is looked for before anybody opens them.
pub(super) struct Keyed<S: ?Sized> {
    pub store: Arc<S>,
    pub keys: Arc<RotatedKeys>,
}

impl<S: ?Sized> Keyed<S> {
    /// One row: who asked for it will open it.
    async fn one<T>(&self, row: Option<T>, sealed: impl Fn(&T) -> &SealedToken) -> Result<Option<T>> {
        if let Some(row) = &row {
            self.keys.meet(sealed(row)).await?;
        }
        Ok(row)
    }

    /// Many rows: one of them whose key is not known holds up none of the others.
    async fn many<T>(&self, rows: Vec<T>, sealed: impl Fn(&T) -> &SealedToken) -> Result<Vec<T>> {
        if let Some(row) = rows.iter().find(|row| !self.keys.ring.knows(sealed(row))) {
            drop(self.keys.meet(sealed(row)).await);
        }
        Ok(rows)
    }
}

#[async_trait]
impl ConnectionStore for Keyed<dyn ConnectionStore> {
    async fn connect(&self, connection: &Connection, jobs: &[NewJob]) -> Result<Connection> {
        self.store.connect(connection, jobs).await
    }

    async fn get(&self, tenant: TenantId, id: ConnectionId) -> Result<Option<Connection>> {
        self.one(self.store.get(tenant, id).await?, |row| &row.credential).await
    }

    async fn find(&self, tenant: TenantId, platform: Platform, account: &AccountId) -> Result<Option<Connection>> {
        self.one(self.store.find(tenant, platform, account).await?, |row| &row.credential).await
    }

    async fn list(&self, tenant: Option<TenantId>) -> Result<Vec<Connection>> {
        self.many(self.store.list(tenant).await?, |row| &row.credential).await
    }

    async fn update(&self, connection: &Connection, lease: Option<Lease>, jobs: &[NewJob]) -> Result<Connection> {
        self.store.update(connection, lease, jobs).await
    }
}

#[async_trait]
impl WebhookStore for Keyed<dyn WebhookStore> {
    async fn insert(&self, webhook: &Webhook) -> Result<()> {
        self.store.insert(webhook).await
    }

    async fn get(&self, tenant: TenantId, id: WebhookId) -> Result<Option<Webhook>> {
        self.one(self.store.get(tenant, id).await?, |row| &row.secret).await
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Webhook>> {
        self.many(self.store.list(tenant).await?, |row| &row.secret).await
    }

    async fn update(&self, webhook: &Webhook) -> Result<Webhook> {
        self.store.update(webhook).await
    }

    async fn remove(&self, tenant: TenantId, id: WebhookId) -> Result<bool> {
        self.store.remove(tenant, id).await
    }
}
