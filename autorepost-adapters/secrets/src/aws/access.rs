//! How AWS is reached, and in whose name.

use std::{future::Future, time::Duration};

use autorepost_core::{Error, ErrorKind, Result, Retry, seal::Secret};
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError},
};
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};

/// How long a connection, a request and a question with its repetitions may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS_MAX: u32 = 3;

/// How AWS is reached.
#[derive(Debug, Clone, Default)]
pub struct AwsAccess {
    /// The region; nothing leaves it to `AWS_REGION` and the profile.
    pub region: Option<String>,
    /// Another address than the region's own, for a VPC endpoint or a stand-in.
    pub endpoint: Option<String>,
    /// In whose name.
    pub credentials: AwsCredentials,
}

/// In whose name AWS is asked.
#[derive(Debug, Clone, Default)]
pub enum AwsCredentials {
    /// The SDK's usual chain: environment, profile, web identity, task role, instance role.
    #[default]
    Ambient,
    /// Fixed keys.
    Static {
        /// The access key's id.
        access_key_id: String,
        /// The access key.
        secret_access_key: Secret,
        /// The session's token, when the keys are temporary.
        session_token: Option<Secret>,
    },
}

impl AwsAccess {
    pub(crate) async fn load(&self, op: &'static str) -> Result<SdkConfig> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(QUESTION_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let AwsCredentials::Static { access_key_id, secret_access_key, session_token } = &self.credentials {
            let token = session_token.as_ref().map(|token| token.expose().to_owned());
            let key = secret_access_key.expose();
            loader = loader.credentials_provider(Credentials::new(access_key_id, key, token, None, "autorepost"));
        }
        let config = muted(loader.load()).await;
        if config.region().is_none() {
            return Err(Error::new(ErrorKind::Configuration, op, "no AWS region is known: set AWS_REGION"));
        }
        Ok(config)
    }
}

/// The present credentials.
pub(crate) async fn credentials(op: &'static str, config: &SdkConfig) -> Result<Credentials> {
    let provider = config.credentials_provider().ok_or_else(|| no_credentials(op, "there is no provider"))?;
    muted(provider.provide_credentials()).await.map_err(|cause| refused(op, &cause))
}

/// What the credentials' provider could not do.
pub(super) fn refused(op: &'static str, cause: &CredentialsError) -> Error {
    match cause {
        CredentialsError::CredentialsNotLoaded(_) => no_credentials(op, "none of the usual places has any"),
        CredentialsError::ProviderTimedOut(_) => {
            Error::unavailable(op, "the service that gives the task its AWS credentials does not answer")
        }
        CredentialsError::InvalidConfiguration(_) => {
            no_credentials(op, "the AWS configuration of this machine is wrong")
        }
        _ => no_credentials(op, "the service that gives them refused").retry(Retry::Soon),
    }
}

fn no_credentials(op: &'static str, why: &str) -> Error {
    let detail = format!(
        "there are no AWS credentials: {why}; give the task a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    );
    Error::new(ErrorKind::Configuration, op, detail)
}

/// Runs a question to AWS without the SDK's own log lines: at the level `trace` it tells of requests and answers.
pub(crate) async fn muted<T>(question: impl Future<Output = T>) -> T {
    question.with_subscriber(NoSubscriber::default()).await
}
