//! Making a configuration of values.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use autorepost_core::{connection::AuthMethod, port::Budget, seal::Secret, webhook::SigningSecret};
use autorepost_platforms::{App, instagram::versions};
use autorepost_secrets::{AwsSecrets, Layers};
use autorepost_storage::S3Encryption;

use super::{
    Bucket, Config, Origin, Problems,
    settings::{SETTINGS, Setting},
    values::Values,
};
use crate::{api::Limits, credential::app_settings, inbox::Place, setup::SandboxApps};

/// Most requests in a minute that can be set: the limiter remembers each.
const REQUESTS_PER_MINUTE_MAX: u32 = Budget::LIMIT_MAX;
/// Longest wait for a dropped file that can be set: a day, in seconds.
const DROP_WAIT_MAX: u32 = 24 * 3600;
/// Connections to the database that can be asked for.
const DATABASE_CONNECTIONS_MAX: u32 = 200;

impl Values {
    pub fn into_config(mut self, secrets: Layers, bundles: Vec<Arc<AwsSecrets>>) -> Result<Config, Problems> {
        let folder = PathBuf::from(self.get("AUTOREPOST_FOLDER").unwrap_or("autorepost-data"));
        let database_url = match self.get("DATABASE_URL") {
            Some(url) => Secret::new(url),
            None => Secret::new(format!("sqlite://{}", folder.join("autorepost.db").display())),
        };
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if !known.iter().any(|scheme| database_url.expose().starts_with(scheme)) {
            self.problems.push("DATABASE_URL must begin with sqlite:// or postgres://".into());
        }
        let keys = self.get("TOKEN_ENCRYPTION_KEY").map(Secret::new);
        if let Some(Err(error)) = keys.as_ref().map(|keys| autorepost_core::seal::KeyRing::parse(keys.expose())) {
            self.problems.push(format!("TOKEN_ENCRYPTION_KEY: {}", error.detail()));
        }
        let mut listen = SocketAddr::from(([127, 0, 0, 1], 8787));
        if let Some(text) = self.get("AUTOREPOST_LISTEN") {
            match text.parse() {
                Ok(address) => listen = address,
                Err(_) => {
                    let text = "AUTOREPOST_LISTEN is not an address with a port, such as 127.0.0.1:8787";
                    self.problems.push(text.into());
                }
            }
        }
        let requests = self.number("AUTOREPOST_REQUESTS_PER_MINUTE", 1..=REQUESTS_PER_MINUTE_MAX);
        let requests_per_minute_max = requests.unwrap_or(Limits::default().requests_per_minute_max);
        let incoming = self.get("AUTOREPOST_WEBHOOK_SECRET").map(Secret::new);
        if let Some(Err(error)) = incoming.as_ref().map(SigningSecret::parse) {
            self.problems.push(format!("AUTOREPOST_WEBHOOK_SECRET: {}", error.detail()));
        }
        let api_key = self.get("AUTOREPOST_API_KEY").map(Secret::new);
        let private_targets = match self.get("AUTOREPOST_WEBHOOK_PRIVATE_TARGETS") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.problems.push("AUTOREPOST_WEBHOOK_PRIVATE_TARGETS is neither true nor false".into());
                false
            }
        };
        let ffmpeg = self.get("AUTOREPOST_FFMPEG").map(PathBuf::from).or_else(|| {
            let folders = self.path.as_deref().unwrap_or_default().split(':').filter(|folder| folder.starts_with('/'));
            folders.map(|folder| Path::new(folder).join("ffmpeg")).find(|program| program.is_file())
        });
        let public_url = self.address("AUTOREPOST_PUBLIC_URL");
        let database_ca = self.get("DATABASE_CA").map(PathBuf::from);
        let database_connections_max = self.number("DATABASE_CONNECTIONS", 1..=DATABASE_CONNECTIONS_MAX);
        let redis_ca = self.get("REDIS_CA").map(PathBuf::from);
        let redis = self.get("REDIS_URL").map(|url| (Secret::new(url), redis_ca));
        let region = self.get("AWS_REGION").map(Into::into);
        // A pair, whatever bucket they are for.
        self.pair("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY");
        let bucket = self.bucket();
        let secrets = Arc::new(secrets);
        let drop = self.drop();
        let drop_wait = self.number("AUTOREPOST_DROP_WAIT", 0..=DROP_WAIT_MAX);
        // The apps of the real platforms are nothing to a sandbox, which knows its own.
        let sandboxed = self.get("AUTOREPOST_SANDBOX").is_some();
        let mut app = |method| {
            let [id, secret] = app_settings(method);
            let pair = self.pair(id, secret).filter(|(id, _)| !sandboxed || SandboxApps::has(id.expose()));
            pair.map(|_| App::new(secrets.clone(), [id, secret]))
        };
        let (tiktok, instagram) = (app(AuthMethod::TiktokLogin), app(AuthMethod::InstagramLogin));
        let (facebook, youtube) = (app(AuthMethod::FacebookLogin), app(AuthMethod::Google));
        let (x, x_client) = (app(AuthMethod::XOauth1), app(AuthMethod::XOauth2));
        let push_url = self.address("PROMETHEUS_PUSH_URL").map(Secret::new);
        let otlp_endpoint = self.address("OTEL_EXPORTER_OTLP_ENDPOINT").map(Secret::new);
        let otlp_headers = self.get("OTEL_EXPORTER_OTLP_HEADERS").map(Secret::new);
        let heartbeat_url = self.address("AUTOREPOST_HEARTBEAT_URL").map(Secret::new);
        let sentry_dsn = self.get("SENTRY_DSN").map(Secret::new);
        if sentry_dsn.as_ref().is_some_and(|dsn| dsn.expose().parse::<sentry::types::Dsn>().is_err()) {
            self.problems.push("SENTRY_DSN is not the address of a Sentry project, as its settings show it".into());
        }
        let sandbox = self.address("AUTOREPOST_SANDBOX");
        let names = SETTINGS.iter().map(|setting| setting.name);
        let urls = names
            .filter(|name| {
                let own = ["AUTOREPOST_PUBLIC_URL", "AUTOREPOST_HEARTBEAT_URL"];
                name.ends_with("_URL") && name.starts_with("AUTOREPOST_") && !own.contains(name)
            })
            .filter_map(|name| Some((name, self.address(name)?)))
            .collect();
        let instagram_version = self.instagram_version();
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        let origin = |setting: &Setting| {
            let found = self.found.iter().find(|(other, ..)| other.name == setting.name);
            found.map_or(Origin::Default, |(.., origin)| *origin)
        };
        let origins = SETTINGS.iter().map(|setting| (setting, origin(setting))).collect();
        let hidden = self.found.iter().filter(|(setting, ..)| setting.secret);
        let hidden = hidden.map(|(_, value, _)| Secret::new(value.trim())).collect();
        Ok(Config {
            folder,
            database_url,
            keys,
            listen,
            requests_per_minute_max,
            database_ca,
            database_connections_max,
            redis,
            drop,
            drop_wait: Duration::from_secs(drop_wait.unwrap_or_default().into()),
            bucket,
            region,
            aws: self.aws,
            secrets,
            bundles,
            incoming,
            api_key,
            private_targets,
            ffmpeg,
            public_url,
            tiktok,
            instagram,
            facebook,
            youtube,
            x,
            x_client,
            push_url,
            otlp_endpoint,
            otlp_headers,
            sentry_dsn,
            heartbeat_url,
            hidden,
            sandbox,
            urls,
            instagram_version,
            origins,
        })
    }
}

impl Values {
    fn drop(&mut self) -> Option<Place> {
        let text = self.get("AUTOREPOST_DROP")?.to_owned();
        let Some(rest) = text.strip_prefix("s3://") else { return Some(Place::Folder(text.into())) };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/').to_owned();
        if name.is_empty() || prefix.is_empty() {
            self.problems.push("AUTOREPOST_DROP is not s3://BUCKET/PREFIX with a name and a prefix".into());
            return None;
        }
        Some(Place::Bucket(self.bucket_called("AUTOREPOST_DROP", name.to_owned())?, prefix))
    }

    fn bucket(&mut self) -> Option<Bucket> {
        let name = self.get("S3_BUCKET")?.to_owned();
        self.bucket_called("S3_BUCKET", name)
    }

    /// A bucket with the settings that all of them share.
    fn bucket_called(&mut self, setting: &str, name: String) -> Option<Bucket> {
        let keys = self.get("S3_ACCESS_KEY_ID").is_some();
        let region = self.get("S3_REGION").or(self.get("AWS_REGION")).map(Into::into);
        let ca = self.get("S3_CA").map(PathBuf::from);
        let encryption = match self.get("S3_ENCRYPTION") {
            None | Some("bucket") => S3Encryption::BucketDefault,
            Some("sse-s3") => S3Encryption::SseS3,
            Some(text) => match text.strip_prefix("sse-kms:").filter(|key| !key.is_empty()) {
                Some(key) => S3Encryption::SseKms { key_id: key.into() },
                None => {
                    self.problems.push("S3_ENCRYPTION is none of bucket, sse-s3, sse-kms:KEY".into());
                    S3Encryption::BucketDefault
                }
            },
        };
        let endpoint = self.address("S3_ENDPOINT");
        let Some(region) = region.or_else(|| endpoint.as_ref().map(|_| "us-east-1".into())) else {
            self.problems
                .push(format!("{setting} names a bucket, but its region is not set: set S3_REGION or AWS_REGION"));
            return None;
        };
        Some(Bucket { name, region, endpoint, ca, encryption, keys })
    }

    fn instagram_version(&mut self) -> String {
        let version = self.get("AUTOREPOST_INSTAGRAM_VERSION").unwrap_or(versions::NEWEST).trim().to_owned();
        if !versions::is_version(&version) {
            let text = format!("AUTOREPOST_INSTAGRAM_VERSION is \"{version}\": write it as in {}", versions::NEWEST);
            self.problems.push(text);
        }
        version
    }
}
