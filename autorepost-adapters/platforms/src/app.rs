//! An app that is registered with a platform: its id and its secret, as a source of secrets gives them now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use autorepost_core::{Error, ErrorKind, Result, port::SecretSource, seal::Secret};

use crate::http::Answer;

/// A request that was signed with keys that were replaced longer ago than this has its answer, or none any more.
const REQUEST_MAX: Duration = Duration::from_secs(120);

/// An app. Its keys are asked for at each use, so that rotated ones count without a restart.
#[derive(Clone)]
pub struct App {
    source: Arc<dyn SecretSource>,
    names: [&'static str; 2],
    last: Arc<Mutex<Last>>,
}

/// The keys that were given last, and when they took the place of others.
#[derive(Default)]
struct Last {
    keys: Option<AppKeys>,
    replaced: Option<Instant>,
}

/// What an app's keys are now.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AppKeys {
    /// Its id, or its key.
    pub id: Secret,
    /// Its secret.
    pub secret: Secret,
}

impl App {
    /// An app whose id and secret a source has under these names.
    pub fn new(source: Arc<dyn SecretSource>, names: [&'static str; 2]) -> Self {
        Self { source, names, last: Arc::default() }
    }

    /// An app that stays as it is.
    pub fn fixed(id: impl Into<String>, secret: impl Into<String>) -> Self {
        const NAMES: [&str; 2] = ["the app's id", "the app's secret"];
        let [id, secret] = [Secret::new(id), Secret::new(secret)];
        Self::new(Arc::new(Fixed(BTreeMap::from([(NAMES[0], id), (NAMES[1], secret)]))), NAMES)
    }

    /// The present keys.
    ///
    /// # Errors
    ///
    /// When the source cannot be read, or has one of the names no more.
    pub(crate) async fn keys(&self) -> Result<AppKeys> {
        let [id, secret] = self.names;
        let keys = AppKeys { id: self.value(id).await?, secret: self.value(secret).await? };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.keys.as_ref() != Some(&keys) && last.keys.replace(keys.clone()).is_some() {
            last.replaced = Some(Instant::now());
        }
        Ok(keys)
    }

    /// Other keys than those that were used, if the platform does not know these and the source has others when it is asked
    /// anew. A source that cannot be asked has none: the platform's answer says more.
    pub(crate) async fn newer(&self, used: &AppKeys, unknown: bool) -> Option<AppKeys> {
        if !unknown {
            return None;
        }
        // A source says itself why it cannot be read.
        drop(self.source.refresh().await);
        self.keys().await.ok().filter(|keys| keys != used)
    }

    /// Whether a request that the platform refused just now may have been signed with keys that were rotated meanwhile. The
    /// source is asked anew for that.
    pub(crate) async fn was_rotated(&self) -> bool {
        let Ok(known) = self.keys().await else { return false };
        if self.newer(&known, true).await.is_some() {
            return true;
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.replaced.is_some_and(|at| at.elapsed() < REQUEST_MAX)
    }

    async fn value(&self, name: &'static str) -> Result<Secret> {
        let found = self.source.secret(name).await?;
        found.map(|value| Secret::new(value.expose().trim())).ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "read app", format!("{name} is not set any more: set it again"))
        })
    }
}

/// Whether a token endpoint does not know the client (RFC 6749, 5.2).
pub(crate) fn is_unknown_client(answer: &Answer) -> bool {
    matches!(answer.json_or_null()["error"].as_str(), Some("invalid_client" | "unauthorized_client"))
}

struct Fixed(BTreeMap<&'static str, Secret>);

#[async_trait]
impl SecretSource for Fixed {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        Ok(self.0.get(name).cloned())
    }
}
