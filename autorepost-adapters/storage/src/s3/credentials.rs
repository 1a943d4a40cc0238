//! Keys that can be replaced while the program runs.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use autorepost_core::{Error, ErrorKind, Result, port::SecretSource, seal::Secret};
use object_store::{CredentialProvider, aws::AwsCredential, retry};
use tokio::sync::Mutex;

const ACCESS_KEY_ID: &str = "S3_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "S3_SECRET_ACCESS_KEY";
/// Denials do not make the secrets be read more often than this.
const REREAD_MIN: Duration = Duration::from_secs(1);
/// A request that is denied so soon after the keys changed may have been signed with the old ones.
const CHANGED_LATELY: Duration = Duration::from_secs(60);

/// The keys that the program's secrets hold, as they are now.
pub(super) struct SecretCredentials {
    source: Arc<dyn SecretSource>,
    reread: Duration,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    credential: Arc<AwsCredential>,
    read_at: Instant,
    changed_at: Option<Instant>,
}

impl SecretCredentials {
    pub fn new(source: Arc<dyn SecretSource>, reread: Duration) -> Self {
        Self { source, reread, kept: Mutex::new(None) }
    }

    /// Reads the keys again, because S3 denied something. Answers whether other keys may be better.
    pub async fn renew(&self) -> bool {
        let mut kept = self.kept.lock().await;
        let Some(old) = kept.as_ref() else { return false };
        if old.changed_at.is_some_and(|at| at.elapsed() < CHANGED_LATELY) {
            return true;
        }
        if old.read_at.elapsed() < REREAD_MIN {
            return false;
        }
        // The denial is what the caller is told of, if the secrets cannot be read either.
        let Ok(credential) = self.read().await else { return false };
        let changed = credential != old.credential;
        Self::keep(&mut kept, credential);
        changed
    }

    fn keep(kept: &mut Option<Kept>, credential: Arc<AwsCredential>) {
        let now = Instant::now();
        let changed_at = match kept {
            Some(old) if old.credential != credential => Some(now),
            Some(old) => old.changed_at,
            None => None,
        };
        *kept = Some(Kept { credential, read_at: now, changed_at });
    }

    async fn read(&self) -> Result<Arc<AwsCredential>> {
        let missing = |name: &str| {
            let text = format!("{name} is not set: set it, or leave both keys out to use the role of the machine");
            Error::new(ErrorKind::Configuration, "read S3 keys", text)
        };
        let (id, key) = (self.source.secret(ACCESS_KEY_ID).await?, self.source.secret(SECRET_ACCESS_KEY).await?);
        let text = |secret: &Secret| secret.expose().trim().to_owned();
        Ok(Arc::new(AwsCredential {
            key_id: text(&id.ok_or_else(|| missing(ACCESS_KEY_ID))?),
            secret_key: text(&key.ok_or_else(|| missing(SECRET_ACCESS_KEY))?),
            token: None,
        }))
    }
}

#[async_trait]
impl CredentialProvider for SecretCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.read_at.elapsed() < self.reread) {
            return Ok(Arc::clone(&kept.credential));
        }
        let credential = match (self.read().await, kept.as_ref()) {
            (Ok(credential), _) => credential,
            // Secrets that cannot be read for the moment: the old keys may still be good.
            (Err(error), Some(old)) if error.kind() == ErrorKind::Unavailable => Arc::clone(&old.credential),
            (Err(error), _) => return Err(object_store::Error::Generic { store: "S3", source: error.into() }),
        };
        Self::keep(&mut kept, Arc::clone(&credential));
        Ok(credential)
    }
}

impl fmt::Debug for SecretCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretCredentials")
    }
}

/// Sends a part again that was denied, once, with keys that were replaced meanwhile.
#[derive(Debug)]
pub(super) struct WithNewKeys(pub Arc<SecretCredentials>);

#[async_trait]
impl retry::RetryPolicy for WithNewKeys {
    async fn retry(&self, context: retry::RetryContext) -> bool {
        matches!(context.failure, retry::RetryFailure::Status(status) if matches!(status.as_u16(), 400 | 401 | 403))
            && context.attempt == 1
            && self.0.renew().await
    }
}
