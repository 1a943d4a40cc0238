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

/// The keys that the program's secrets hold, as they are now.
pub(super) struct SecretCredentials {
    source: Arc<dyn SecretSource>,
    reread: Duration,
    kept: Mutex<Option<(Arc<AwsCredential>, Instant)>>,
}

impl SecretCredentials {
    pub fn new(source: Arc<dyn SecretSource>, reread: Duration) -> Self {
        Self { source, reread, kept: Mutex::new(None) }
    }

    /// Reads the keys again, because S3 denied something. Answers whether they differ from those that were used.
    pub async fn renew(&self) -> bool {
        let mut kept = self.kept.lock().await;
        let Some((old, since)) = kept.clone() else { return false };
        if since.elapsed() < REREAD_MIN.min(self.reread) {
            return false;
        }
        match self.read().await {
            Ok(new) => {
                let changed = *new != *old;
                *kept = Some((new, Instant::now()));
                changed
            }
            // The denial is what its caller is told of.
            Err(_) => false,
        }
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
        if let Some((credential, since)) = &*kept
            && since.elapsed() < self.reread
        {
            return Ok(Arc::clone(credential));
        }
        let credential = match (self.read().await, &*kept) {
            (Ok(credential), _) => credential,
            // Secrets that cannot be read for the moment: the old keys may still be good.
            (Err(error), Some((old, _))) if error.kind() == ErrorKind::Unavailable => Arc::clone(old),
            (Err(error), _) => return Err(object_store::Error::Generic { store: "S3", source: error.into() }),
        };
        *kept = Some((Arc::clone(&credential), Instant::now()));
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
