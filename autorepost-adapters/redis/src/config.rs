//! Where Redis is, and how it is reached.

use std::{sync::Arc, time::Duration};

use autorepost_core::{Error, ErrorKind, Result, seal::Secret};
use fred::{
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, pem::PemObject},
    },
    rustls_native_certs::load_native_certs,
    types::{
        RespVersion,
        config::{Config, ServerConfig, TlsConfig, TlsConnector},
    },
};
use url::Url;

const OP: &str = "connect Redis";

/// Bytes of a namespace at most.
const NAMESPACE_BYTES_MAX: usize = 64;

/// Where Redis is, and how it is reached.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://` or, with TLS, `rediss://`, then `USER:PASSWORD@HOST:PORT/DATABASE`; for a cluster `redis-cluster://` or
    /// `rediss-cluster://`, further nodes as `?node=HOST:PORT`. Special characters of a password are percent-encoded.
    pub url: Secret,
    /// The authorities to trust instead of the system's, as PEM.
    pub ca_pem: Option<String>,
    /// What all keys and channels begin with: installations that share a Redis differ in it.
    pub namespace: String,
    /// How long a connection may take, from the name's resolution to the login.
    pub connect_timeout: Duration,
    /// How long a call may take in all.
    pub command_timeout: Duration,
}

impl RedisConfig {
    /// The usual numbers for a server.
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            ca_pem: None,
            namespace: "autorepost".into(),
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(1),
        }
    }

    /// The driver's form of it.
    pub(crate) fn parse(&self) -> Result<Config> {
        let url = Url::parse(self.url.expose()).map_err(|cause| wrong(format!("REDIS_URL is not a URL: {cause}")))?;
        let tls = match url.scheme() {
            "redis" | "redis-cluster" => false,
            "rediss" | "rediss-cluster" => true,
            // What stands there instead may be a secret.
            _ => return Err(wrong("REDIS_URL begins with redis:// or, with TLS, rediss://")),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("REDIS_URL names no host"));
        }
        let named = self.namespace.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
        if !named || self.namespace.is_empty() || self.namespace.len() > NAMESPACE_BYTES_MAX {
            let text = format!("the namespace in Redis has 1 to {NAMESPACE_BYTES_MAX} letters, digits, or -_.:");
            return Err(wrong(text));
        }
        // The driver would read the system's authorities for `rediss` and fail where there are none.
        let plain = self.url.expose().replacen("rediss", "redis", 1);
        let mut config = Config::from_url(&plain).map_err(|_| {
            wrong("REDIS_URL cannot be read: it is redis[s]://USER:PASSWORD@HOST:PORT/DATABASE, with a number as database")
        })?;
        if let ServerConfig::Centralized { server } = &mut config.server {
            // Brackets belong to the URL, not to the address.
            let host = server.host.trim_matches(['[', ']']).to_owned();
            server.host = host.into();
        }
        config.tls = match (tls, &self.ca_pem) {
            (true, ca) => Some(tls_config(ca.as_deref())?),
            (false, None) => None,
            (false, Some(_)) => {
                return Err(wrong("authorities for TLS are given, but REDIS_URL begins with redis://: use rediss://"));
            }
        };
        config.version = RespVersion::RESP3;
        Ok(config)
    }
}

fn tls_config(ca_pem: Option<&str>) -> Result<TlsConfig> {
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
                added.ok_or_else(|| wrong("the authorities for Redis are not certificates in PEM form"))?;
            }
            if roots.is_empty() {
                return Err(wrong("the authorities for Redis hold no certificate in PEM form"));
            }
        }
        None => {
            roots.add_parsable_certificates(load_native_certs().certs);
            if roots.is_empty() {
                return Err(wrong(
                    "this system has no certificate authorities: install them (Debian: ca-certificates), or give \
                     those of Redis as PEM",
                ));
            }
        }
    }
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::internal(OP, "the TLS provider has no protocol version"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(client).into())
}

fn wrong(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, OP, text)
}
