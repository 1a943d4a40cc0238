//! Secrets from AWS Secrets Manager: one bundle, which is one secret that holds a JSON object.

mod access;
mod errors;

use std::{collections::BTreeMap, fmt, time::Duration};

use async_trait::async_trait;
use autorepost_core::{Error, ErrorKind, Result, port::SecretSource, seal::Secret};
use aws_sdk_secretsmanager::Client;
use zeroize::Zeroizing;

use crate::{bundle::Bundle, cache::Cache};
pub use access::{AwsAccess, AwsCredentials};
pub(crate) use access::{credentials, muted};

/// The version that counts; the one that a rotation is still testing has another label.
const CURRENT: &str = "AWSCURRENT";
/// The label of a version that is written and does not count yet.
const NEXT: &str = "AUTOREPOST_NEXT";
const OP: &str = "read secrets";
const OP_WRITE: &str = "write secrets";

/// Which bundle is read, and how often.
#[derive(Debug, Clone)]
pub struct AwsSecretsConfig {
    /// The secret's ARN or name.
    pub secret: String,
    /// Where it is, and in whose name it is read.
    pub access: AwsAccess,
    /// The age at which it is read again when it is asked for; up to a fifth less, by chance.
    pub refresh_every: Duration,
    /// A refresh sooner after the last attempt does nothing.
    pub again_min: Duration,
}

impl AwsSecretsConfig {
    /// The usual times: every 5 minutes, and after refusals every 10 seconds at most.
    pub fn new(secret: impl Into<String>, access: AwsAccess) -> Self {
        Self {
            secret: secret.into(),
            access,
            refresh_every: Duration::from_secs(300),
            again_min: Duration::from_secs(10),
        }
    }
}

/// One bundle of Secrets Manager. Its values are kept, read again when they are old or a refresh is asked for, and go on
/// being used, with one line in the log, while they cannot be read.
pub struct AwsSecrets {
    client: Client,
    secret: String,
    place: String,
    cache: Cache,
}

impl AwsSecrets {
    /// Prepares to read a bundle. Nothing is asked of Secrets Manager before the first question.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when no region is known.
    pub async fn open(config: AwsSecretsConfig) -> Result<Self> {
        let shared = config.access.load(OP).await?;
        let place = format!("the secret {}", config.secret);
        Ok(Self {
            client: Client::new(&shared),
            cache: Cache::new(place.clone(), config.refresh_every, config.again_min),
            secret: config.secret,
            place,
        })
    }

    /// What people call it: `the secret NAME`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Sets values in the bundle and keeps its others. When somebody else writes it meanwhile, nothing is changed.
    ///
    /// The new version is written under a label of its own, and becomes the current one only if the version that it was
    /// made from still is. The role needs `secretsmanager:PutSecretValue` and `secretsmanager:UpdateSecretVersionStage`.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) when the bundle changed meanwhile: update again.
    pub async fn update(&self, values: &BTreeMap<String, Secret>) -> Result<()> {
        let (text, version) = self.read(OP_WRITE).await?;
        let merged = merge(&self.place, &text, values)?;
        let bundle = Bundle::parse(&self.place, &merged)?;
        let put = self
            .client
            .put_secret_value()
            .secret_id(&self.secret)
            .client_request_token(uuid()?)
            .secret_string(merged.as_str())
            .version_stages(NEXT);
        let wrong = |cause| errors::error(OP_WRITE, "secretsmanager:PutSecretValue", &self.place, &cause);
        let written = muted(put.send()).await.map_err(wrong)?;
        let promote = self
            .client
            .update_secret_version_stage()
            .secret_id(&self.secret)
            .version_stage(CURRENT)
            .set_remove_from_version_id(version)
            .set_move_to_version_id(written.version_id);
        muted(promote.send()).await.map_err(|cause| {
            let error = errors::error(OP_WRITE, "secretsmanager:UpdateSecretVersionStage", &self.place, &cause);
            match error.platform_code() {
                Some("InvalidParameterException" | "InvalidRequestException") => {
                    Error::conflict(OP_WRITE, format!("{} was changed by somebody else meanwhile", self.place))
                        .source(error)
                }
                _ => error,
            }
        })?;
        self.cache.put(bundle).await;
        Ok(())
    }

    async fn fetch(&self) -> Result<Bundle> {
        let (text, _) = self.read(OP).await?;
        Bundle::parse(&self.place, &text)
    }

    /// The current text, and the version that it is.
    async fn read(&self, op: &'static str) -> Result<(Zeroizing<String>, Option<String>)> {
        let ask = self.client.get_secret_value().secret_id(&self.secret).version_stage(CURRENT);
        let wrong = |cause| errors::error(op, "secretsmanager:GetSecretValue", &self.place, &cause);
        let answer = muted(ask.send()).await.map_err(wrong)?;
        let text = answer.secret_string.map(Zeroizing::new).ok_or_else(|| {
            let detail = format!("{} holds bytes, not text: store a JSON object as its text", self.place);
            Error::new(ErrorKind::Configuration, op, detail)
        })?;
        Ok((text, answer.version_id))
    }
}

impl fmt::Debug for AwsSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSecrets").field("secret", &self.secret).finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretSource for AwsSecrets {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        self.cache.current(self.fetch()).await?.value(&self.place, name)
    }

    async fn refresh(&self) -> Result<()> {
        self.cache.refresh(self.fetch()).await
    }
}

/// The bundle's text with these values. What else it holds stays as it is, whatever its type.
fn merge(place: &str, text: &str, values: &BTreeMap<String, Secret>) -> Result<Zeroizing<String>> {
    let mut object: BTreeMap<String, &serde_json::value::RawValue> = serde_json::from_str(text).map_err(|_| {
        let detail = format!("{place} is not a JSON object: nothing was written");
        Error::new(ErrorKind::Configuration, OP_WRITE, detail)
    })?;
    let quoted: Vec<(&String, Zeroizing<String>)> = values
        .iter()
        .map(|(name, value)| (name, Zeroizing::new(serde_json::Value::from(value.expose()).to_string())))
        .collect();
    for (name, value) in &quoted {
        let raw = serde_json::from_str(value).expect("what serde_json wrote is JSON");
        object.insert((*name).clone(), raw);
    }
    Ok(Zeroizing::new(serde_json::to_string(&object).expect("JSON with text as keys has a text form")))
}

/// A random UUID: what makes a repeated request known as the same.
fn uuid() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::internal(OP_WRITE, "the system gives no randomness"))?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]))
}
