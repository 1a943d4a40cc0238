//! Where the bucket is, and how it is spoken to.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use autorepost_core::{Error, ErrorKind, Result, port::SecretSource};
use object_store::{
    BackoffConfig, Certificate, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
};

use super::{
    credentials::SecretCredentials,
    encryption::{Noting, S3Encryption},
};

/// The settings of [`S3Credentials::Ambient`], by the names that AWS gives them in a task's or an instance's environment.
pub const AMBIENT_NAMES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// The smallest part that S3 takes, other than the last one (its documentation, "Amazon S3 multipart upload limits").
const PART_BYTES_MIN: usize = 5 << 20;
/// The largest part that is held in memory.
const PART_BYTES_MAX: usize = 64 << 20;
/// Each wait between two tries of one request is drawn from between the first one and three times the one before.
const BACKOFF: BackoffConfig =
    BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5), base: 3.0 };

/// Whose right the requests are made with.
#[derive(Clone)]
pub enum S3Credentials {
    /// Keys from the program's secrets `S3_ACCESS_KEY_ID` and `S3_SECRET_ACCESS_KEY`: read again after `reread`, and as
    /// soon as S3 denies something.
    Secrets {
        /// Who gives them.
        source: Arc<dyn SecretSource>,
        /// How long they are used before they are asked for again.
        reread: Duration,
    },
    /// The role of the ECS task, the pod or the instance: whatever of [`AMBIENT_NAMES`] the environment has. With none of
    /// them it is the role of the EC2 instance.
    Ambient(BTreeMap<String, String>),
}

/// A bucket, and how it is used.
#[derive(Clone)]
pub struct S3Config {
    /// The bucket's name.
    pub bucket: String,
    /// What every name in the bucket begins with; may be empty.
    pub prefix: String,
    /// The bucket's region.
    pub region: String,
    /// The address of another server than AWS's own, without the bucket.
    pub endpoint: Option<String>,
    /// Whose right the requests are made with.
    pub credentials: S3Credentials,
    /// How S3 encrypts what is stored.
    pub encryption: S3Encryption,
    /// Names the bucket in the path instead of the host. Servers other than AWS's mostly want it.
    pub path_style: bool,
    /// Allows an `http://` endpoint that is not on loopback.
    pub allow_http: bool,
    /// Certificates, as PEM, of authorities to trust beside the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// The size of the pieces in which large media are sent. Three of them are in memory at most.
    pub part_bytes: usize,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long S3 may be silent: until it answers a request, or between two pieces of an answer.
    pub silence_max: Duration,
    /// How often one request is tried again when S3 is busy or does not answer.
    pub retries_max: usize,
    /// No new try begins when the first was this long ago.
    pub retry_within: Duration,
}

impl S3Config {
    /// The usual numbers for a bucket on AWS.
    pub fn new(bucket: impl Into<String>, region: impl Into<String>, credentials: S3Credentials) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            region: region.into(),
            endpoint: None,
            credentials,
            encryption: S3Encryption::BucketDefault,
            path_style: false,
            allow_http: false,
            ca_pem: None,
            part_bytes: 8 << 20,
            connect_timeout: Duration::from_secs(5),
            silence_max: Duration::from_secs(60),
            retries_max: 30,
            retry_within: Duration::from_secs(60),
        }
    }

    /// Builds a client alone.
    pub(crate) fn client(&self) -> Result<AmazonS3> {
        self.build().map(|(client, _)| client)
    }

    /// Builds the client; its credentials, when they can be replaced.
    pub(super) fn build(&self) -> Result<(AmazonS3, Option<Arc<SecretCredentials>>)> {
        let endpoint = self.endpoint()?;
        let mut options = ClientOptions::new()
            // A limit on the whole of a request would cut the reading of gigabytes. Silence is limited instead.
            .with_timeout_disabled()
            .with_read_timeout(self.silence_max)
            .with_connect_timeout(self.connect_timeout)
            .with_http1_only()
            .with_allow_http(endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")))
            .with_default_content_type("video/mp4");
        if let Some(pem) = &self.ca_pem {
            let bad = "the certificates of the S3 server's authority cannot be read: give them as PEM";
            let found = Certificate::from_pem_bundle(pem).map_err(|cause| wrong(bad).source(cause))?;
            if found.is_empty() {
                return Err(wrong(bad));
            }
            for certificate in found {
                options = options.with_root_certificate(certificate);
            }
        }
        let retry = RetryConfig { backoff: BACKOFF, max_retries: self.retries_max, retry_timeout: self.retry_within };
        let mut builder = AmazonS3Builder::new()
            .with_http_connector(Noting::default())
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_client_options(options)
            .with_retry(retry)
            .with_virtual_hosted_style_request(!self.path_style)
            // One object at a time, which every server understands.
            .with_disable_bulk_delete(true);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        builder = self.encryption.apply(builder);
        let mut replaceable = None;
        match &self.credentials {
            S3Credentials::Secrets { source, reread } => {
                let credentials = Arc::new(SecretCredentials::new(Arc::clone(source), *reread));
                builder = builder.with_credentials(Arc::clone(&credentials) as _);
                replaceable = Some(credentials);
            }
            S3Credentials::Ambient(settings) => {
                for (name, value) in settings.iter().filter(|(name, _)| AMBIENT_NAMES.contains(&name.as_str())) {
                    let key: AmazonS3ConfigKey = name
                        .to_ascii_lowercase()
                        .parse()
                        .map_err(|cause| wrong(format!("{name} is no setting of S3")).source(cause))?;
                    builder = builder.with_config(key, value);
                }
            }
        }
        let client = builder.build().map_err(|cause| {
            let text = "the settings of the S3 bucket do not fit together: check its endpoint and credentials";
            wrong(text).source(cause)
        })?;
        Ok((client, replaceable))
    }

    /// The address that requests go to, checked; nothing for AWS's own.
    fn endpoint(&self) -> Result<Option<String>> {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        if !(3..=63).contains(&self.bucket.len()) || !plain(&self.bucket) {
            return Err(wrong("the name of an S3 bucket has 3 to 63 letters, digits, '-' and '.': check S3_BUCKET"));
        }
        if self.region.is_empty() || !plain(&self.region) {
            return Err(wrong("the region of the S3 bucket is missing or has odd characters, as in eu-central-1"));
        }
        if !(PART_BYTES_MIN..=PART_BYTES_MAX).contains(&self.part_bytes) {
            return Err(wrong("media go to S3 in parts of 5 to 64 MiB: choose another size"));
        }
        let Some(endpoint) = &self.endpoint else { return Ok(None) };
        let Some((scheme, host)) = endpoint.trim_end_matches('/').split_once("://") else {
            return Err(wrong("the endpoint of S3 must begin with https://"));
        };
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        match scheme {
            "https" => {}
            "http" if self.allow_http || matches!(name, "localhost" | "127.0.0.1" | "[::1]") => {}
            "http" => return Err(wrong("the endpoint of S3 must begin with https://, unless it is on this machine")),
            _ => return Err(wrong("the endpoint of S3 must begin with https://")),
        }
        Ok(Some(match self.path_style {
            true => format!("{scheme}://{host}"),
            false => format!("{scheme}://{}.{host}", self.bucket),
        }))
    }
}

fn wrong(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, "set up S3", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> S3Config {
        S3Config::new("media", "eu-central-1", S3Credentials::Ambient(BTreeMap::new()))
    }

    #[test]
    fn an_endpoint_names_the_bucket_where_it_is_wanted() {
        let aws = config();
        assert_eq!(aws.endpoint().unwrap(), None);
        let hosted = S3Config { endpoint: Some("https://s3.example.com/".into()), ..config() };
        assert_eq!(hosted.endpoint().unwrap().unwrap(), "https://media.s3.example.com");
        let path = S3Config { path_style: true, ..hosted };
        assert_eq!(path.endpoint().unwrap().unwrap(), "https://s3.example.com");
        assert!(path.build().is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let endpoint = |endpoint: &str| S3Config { endpoint: Some(endpoint.into()), path_style: true, ..config() };
        for (config, part) in [
            (S3Config { bucket: "My Bucket".into(), ..config() }, "S3_BUCKET"),
            (S3Config { region: String::new(), ..config() }, "region"),
            (S3Config { part_bytes: 1 << 20, ..config() }, "5 to 64 MiB"),
            (S3Config { ca_pem: Some(b"no PEM".to_vec()), ..config() }, "PEM"),
            (endpoint("s3.example.com"), "https://"),
            (endpoint("http://s3.example.com:9000"), "https://"),
            (endpoint("http://localhost.example.com"), "https://"),
        ] {
            let error = config.build().expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.detail().contains(part), "{error}");
        }
        assert!(endpoint("http://127.0.0.1:9000").build().is_ok());
        assert!(S3Config { allow_http: true, ..endpoint("http://minio:9000") }.build().is_ok());
    }
}
