//! Passwords for RDS that are made of AWS credentials: IAM authentication tokens.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    port::{Clock, SecretSource},
    seal::Secret,
};
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4::SigningParams,
};
use tracing::subscriber::NoSubscriber;

use crate::aws::{AwsAccess, credentials};

/// How long a token opens new connections; those that are open stay
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html>).
pub const RDS_TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

const OP: &str = "make RDS token";

/// For which database and user tokens are made.
#[derive(Debug, Clone)]
pub struct RdsIamConfig {
    /// The name under which it is asked for the password, such as `DATABASE_PASSWORD`. Other names are not set.
    pub name: String,
    /// The host as RDS names it, not an alias: it is signed.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database's user, which must be allowed to sign in with IAM (`GRANT rds_iam`).
    pub user: String,
    /// In whose name, and in which region the database is. The endpoint is not used.
    pub access: AwsAccess,
}

/// Makes a new token each time it is asked, without a request to RDS. The token is as good as the credentials: AWS refuses
/// it in the database when the role may not `rds-db:connect`.
pub struct RdsIamToken {
    config: RdsIamConfig,
    shared: SdkConfig,
    clock: Arc<dyn Clock>,
}

impl RdsIamToken {
    /// Prepares to make tokens.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when no region is known.
    pub async fn open(config: RdsIamConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        let shared = config.access.load(OP).await?;
        Ok(Self { config, shared, clock })
    }

    fn sign(&self, credentials: Credentials) -> Result<Secret> {
        let RdsIamConfig { host, port, user, .. } = &self.config;
        let url = format!("https://{host}:{port}/?Action=connect&DBUser={}", encoded(user));
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(RDS_TOKEN_LIFE);
        settings.signature_location = SignatureLocation::QueryParams;
        let identity = credentials.into();
        let wrong = |what: &str| Error::new(ErrorKind::Configuration, OP, format!("{host}:{port}: {what}"));
        let region = self.shared.region().ok_or_else(|| wrong("no AWS region is known"))?;
        let params = SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name("rds-db")
            .time(self.clock.now().into())
            .settings(settings)
            .build()
            .map_err(|_| wrong("the credentials cannot sign"))?
            .into();
        // The signer tells its log what it signs.
        let signed = tracing::subscriber::with_default(NoSubscriber::default(), || {
            let request = SignableRequest::new("GET", &*url, std::iter::empty(), SignableBody::Bytes(&[]))?;
            sign(request, &params)
        });
        let (instructions, _) = signed.map_err(|_| wrong("this is not the address of a database"))?.into_parts();
        let mut token = url.trim_start_matches("https://").to_owned();
        for (name, value) in instructions.params() {
            token.push_str(&format!("&{name}={}", encoded(value)));
        }
        Ok(Secret::new(token))
    }
}

impl fmt::Debug for RdsIamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RdsIamToken").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretSource for RdsIamToken {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        if name != self.config.name {
            return Ok(None);
        }
        let credentials = credentials(OP, &self.shared).await?;
        self.sign(credentials).map(Some)
    }
}

/// Percent-encodes all but the unreserved signs (RFC 3986 §2.3), as SigV4 wants it.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
