//! Configuration: the environment, and an optional TOML file. Every problem is told at once.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use autorepost_core::{
    connection::AuthMethod,
    policy::Policy,
    port::{Budget, SecretSource},
    seal::Secret,
    webhook::SigningSecret,
};
use autorepost_platforms::{App, instagram::versions};
use autorepost_secrets::{AwsAccess, AwsSecrets, AwsSecretsConfig, EnvSecrets, FileSecrets, Layers};
use autorepost_storage::{AMBIENT_NAMES, S3Encryption};

use crate::{api::Limits, credential::app_settings, inbox::Place, setup::SandboxApps};

/// One thing that can be set. In the file it has the same name in lower case, without `AUTOREPOST_`.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the environment.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
}

const fn setting(name: &'static str, what: &'static str) -> Setting {
    Setting { name, what, secret: false }
}

const fn secret(name: &'static str, what: &'static str) -> Setting {
    Setting { name, what, secret: true }
}

/// Everything that can be set.
pub const SETTINGS: &[Setting] = &[
    setting("AUTOREPOST_FOLDER", "where database, media and key are kept; \"autorepost-data\" without it"),
    secret(
        "DATABASE_URL",
        "sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME; a SQLite file in the folder without it",
    ),
    setting("DATABASE_CA", "PEM file of the authorities that Postgres's certificate is from, as for RDS"),
    setting("DATABASE_CONNECTIONS", "connections to Postgres at most; 10 without it"),
    secret("REDIS_URL", "redis[s]://USER:PASSWORD@HOST:PORT, for several processes; in-process without it"),
    setting("REDIS_CA", "PEM file of the authorities that Redis's certificate is from; the system's without it"),
    setting("S3_BUCKET", "the bucket that keeps the media; a folder without it"),
    setting("S3_REGION", "the bucket's region; AWS_REGION without it"),
    setting("S3_ENDPOINT", "address of another S3 server than AWS's"),
    setting("S3_CA", "PEM file of the authorities that its certificate is from"),
    setting("S3_ENCRYPTION", "bucket, sse-s3, or sse-kms:KEY; what the bucket does by itself without it"),
    secret("S3_ACCESS_KEY_ID", "access key of the bucket; the task's role without it"),
    secret("S3_SECRET_ACCESS_KEY", "its secret"),
    setting("AUTOREPOST_DROP", "folder, or s3://BUCKET/PREFIX, where the creator's own files are dropped"),
    setting("AUTOREPOST_DROP_WAIT", "seconds that a new post waits for its file there; 0 without it"),
    setting("AWS_REGION", "region of the bucket, the database and the bundles of secrets"),
    setting("AUTOREPOST_SECRETS_FILE", "JSON file, or folder with a file for each, of secrets that are not set here"),
    setting(
        "AUTOREPOST_SECRETS",
        "bundles in AWS Secrets Manager, by name or ARN with commas between, asked after that",
    ),
    secret("TOKEN_ENCRYPTION_KEY", "the keys that seal credentials; the file token.key in the folder without it"),
    setting("AUTOREPOST_LISTEN", "address of the program's own HTTP listener; 127.0.0.1:8787 without it"),
    setting("AUTOREPOST_REQUESTS_PER_MINUTE", "requests that one API key may make in a minute; 600 without it"),
    secret("AUTOREPOST_API_KEY", "key to the HTTP interface, ar_..., with which \"smoke\" asks for a job"),
    secret("AUTOREPOST_WEBHOOK_SECRET", "whsec_..., which signs the cookies that an outside automation brings"),
    setting("AUTOREPOST_WEBHOOK_PRIVATE_TARGETS", "true permits webhooks to addresses that are not on the internet"),
    setting(
        "AUTOREPOST_FFMPEG",
        "the ffmpeg program, which converts what a platform would refuse; the one on the PATH without it",
    ),
    setting("AUTOREPOST_PUBLIC_URL", "where the listener is reached from the internet, for Instagram Login"),
    secret("TIKTOK_CLIENT_KEY", "app of TikTok's Login Kit"),
    secret("TIKTOK_CLIENT_SECRET", "its secret"),
    secret("INSTAGRAM_APP_ID", "Instagram app of Instagram Login: its own id, not the one of the Facebook app"),
    secret("INSTAGRAM_APP_SECRET", "its secret"),
    secret("FACEBOOK_APP_ID", "Facebook app of Facebook Login"),
    secret("FACEBOOK_APP_SECRET", "its secret"),
    secret("TIKTOK_COOKIE", "base64 of the JSON of a TikTok session's cookies, for \"connect tiktok --from-secrets\""),
    secret("YOUTUBE_CLIENT_ID", "OAuth client of YouTube"),
    secret("YOUTUBE_CLIENT_SECRET", "its secret"),
    secret("TWITTER_CONSUMER_KEY", "OAuth 1.0a consumer key of X"),
    secret("TWITTER_CONSUMER_SECRET", "its secret"),
    secret("TWITTER_CLIENT_ID", "OAuth 2.0 client of X"),
    secret("TWITTER_CLIENT_SECRET", "its secret"),
    secret(
        "PROMETHEUS_PUSH_URL",
        "Pushgateway that is given the metrics, for networks where nobody can fetch /metrics",
    ),
    secret("OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP collector that is given traces, by HTTP with protobuf"),
    secret("OTEL_EXPORTER_OTLP_HEADERS", "headers for it, as NAME=VALUE,NAME=VALUE"),
    secret("SENTRY_DSN", "Sentry project that is told of errors"),
    secret("AUTOREPOST_HEARTBEAT_URL", "address that is fetched after each minute in which the worker could work"),
    setting("AUTOREPOST_SANDBOX", "address of an \"autorepost sandbox\" that stands in for all platforms"),
    setting("AUTOREPOST_TIKTOK_URL", "base address of TikTok's site"),
    setting("AUTOREPOST_INSTAGRAM_URL", "base address of Instagram's API with Instagram Login"),
    setting("AUTOREPOST_INSTAGRAM_VERSION", "version of Instagram's API, such as v26.0, which is used without it"),
    setting("AUTOREPOST_FACEBOOK_URL", "base address of Instagram's API with Facebook Login"),
    setting("AUTOREPOST_YOUTUBE_URL", "base address of YouTube's API"),
    setting("AUTOREPOST_GOOGLE_OAUTH_URL", "base address of Google's token endpoint"),
    setting("AUTOREPOST_X_URL", "base address of X's API"),
];

/// Most requests in a minute that can be set: the limiter remembers each.
const REQUESTS_PER_MINUTE_MAX: u32 = Budget::LIMIT_MAX;
/// Read by the command line itself.
const OTHERS: [&str; 3] = ["AUTOREPOST_CONFIG", "AUTOREPOST_LOG", "AUTOREPOST_LOG_FORMAT"];
/// The file that is read when none is named.
pub const FILE: &str = "autorepost.toml";
/// Longest wait for a dropped file that can be set: a day, in seconds.
const DROP_WAIT_MAX: u32 = 24 * 3600;
/// Connections to the database that can be asked for.
const DATABASE_CONNECTIONS_MAX: u32 = 200;
/// How often bundles are read while a sandbox stands in for the platforms.
const QUICK_REFRESH: Duration = Duration::from_secs(2);
/// Largest configuration file in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What an installation is configured to be.
pub struct Config {
    /// Where database, media and key are kept.
    pub folder: PathBuf,
    /// Where the database is.
    pub database_url: Secret,
    /// The keys that seal credentials; nothing when they are in the folder.
    pub keys: Option<Secret>,
    /// Where the program listens.
    pub listen: SocketAddr,
    /// Requests that one API key may make in a minute.
    pub requests_per_minute_max: u32,
    /// What signs what an outside automation brings.
    pub incoming: Option<Secret>,
    /// The key to the HTTP interface with which `smoke` asks.
    pub api_key: Option<Secret>,
    /// Whether webhooks may go to addresses that are not on the internet.
    pub private_targets: bool,
    /// The ffmpeg program, if there is one.
    pub ffmpeg: Option<PathBuf>,
    /// Where the listener is reached from the internet.
    pub public_url: Option<String>,
    /// The authorities of the database's certificate.
    pub database_ca: Option<PathBuf>,
    /// Connections to the database at most.
    pub database_connections_max: Option<u32>,
    /// Where Redis is, if there is one, and the authorities of its certificate.
    pub redis: Option<(Secret, Option<PathBuf>)>,
    /// Where the creator's own files are dropped, if anywhere.
    pub drop: Option<Place>,
    /// How long a new post waits for one of them.
    pub drop_wait: Duration,
    /// The bucket of the media, if there is one.
    pub bucket: Option<Bucket>,
    /// The region of what is on AWS.
    pub region: Option<String>,
    /// What of the environment tells in whose name AWS is asked.
    pub aws: BTreeMap<String, String>,
    /// Where secrets come from, so that a rotated one is found.
    pub secrets: Arc<Layers>,
    /// App of TikTok's Login Kit.
    pub tiktok: Option<App>,
    /// App of Instagram Login.
    pub instagram: Option<App>,
    /// App of Facebook Login.
    pub facebook: Option<App>,
    /// The version of Instagram's API.
    pub instagram_version: String,
    /// The bundles among them, in order, for what is written back.
    pub bundles: Vec<Arc<AwsSecrets>>,
    /// OAuth client of YouTube.
    pub youtube: Option<App>,
    /// OAuth 1.0a consumer of X.
    pub x: Option<App>,
    /// OAuth 2.0 client of X.
    pub x_client: Option<App>,
    /// Who is given the metrics.
    pub push_url: Option<Secret>,
    /// Who is given traces.
    pub otlp_endpoint: Option<Secret>,
    /// Headers for that.
    pub otlp_headers: Option<Secret>,
    /// Who is told of errors.
    pub sentry_dsn: Option<Secret>,
    /// What is fetched while the worker works.
    pub heartbeat_url: Option<Secret>,
    /// Every value that must not be shown.
    hidden: Vec<Secret>,
    /// A sandbox that stands in for all platforms.
    pub sandbox: Option<String>,
    /// Base addresses that differ from the platforms' own, by setting.
    pub urls: Vec<(&'static str, String)>,
    /// Where each value came from.
    pub origins: Vec<(&'static Setting, Origin)>,
}

/// What is set, right or wrong.
pub struct Survey {
    /// Each setting that is set.
    pub found: Vec<(&'static Setting, Secret, Origin)>,
    /// Where secrets are looked for.
    pub places: Arc<Layers>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// A bucket for the media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Another server than AWS's.
    pub endpoint: Option<String>,
    /// The authorities of its certificate.
    pub ca: Option<PathBuf>,
    /// How its objects are encrypted.
    pub encryption: S3Encryption,
    /// Whether keys are set; otherwise it is the task's role.
    pub keys: bool,
}

/// Where a value came from. The environment beats the file, and the file the sources of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The environment.
    Environment,
    /// The file.
    File,
    /// A source of secrets: the file of them, or a bundle.
    Secrets,
    /// Nowhere: the default holds.
    Default,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem{}", self.0.len(), if self.0.len() == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl Config {
    /// Reads the configuration from `environment`, and from `file` or, when none is named, from [`FILE`] if it exists.
    ///
    /// # Errors
    ///
    /// All problems at once.
    pub async fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut values = Values::default();
        values.read_environment(environment);
        match file {
            Some(file) => values.read_file(file),
            None if Path::new(FILE).exists() => values.read_file(Path::new(FILE)),
            None => {}
        }
        let (secrets, bundles) = values.read_secrets().await;
        values.into_config(secrets, bundles)
    }

    /// Every secret as it was found, and what is wrong, even when it makes no configuration.
    pub async fn survey(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Survey {
        let mut values = Values::default();
        values.read_environment(environment);
        match file {
            Some(file) => values.read_file(file),
            None if Path::new(FILE).exists() => values.read_file(Path::new(FILE)),
            None => {}
        }
        let (secrets, bundles) = values.read_secrets().await;
        let found = values.found.iter().map(|(setting, value, origin)| (*setting, Secret::new(value.trim()), *origin));
        let found = found.collect();
        let places = Arc::new(secrets.clone());
        let problems =
            values.into_config(secrets, bundles).err().map(|Problems(problems)| problems).unwrap_or_default();
        Survey { found, places, problems }
    }

    /// The base address that is set under this name.
    pub fn url(&self, name: &str) -> Option<String> {
        self.urls.iter().find(|(setting, _)| *setting == name).map(|(_, url)| url.clone())
    }

    /// Where the value of this setting came from.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.iter().find(|(setting, _)| setting.name == name).map_or(Origin::Default, |(_, origin)| *origin)
    }

    /// What the HTTP interface takes on.
    pub fn limits(&self) -> Limits {
        Limits { requests_per_minute_max: self.requests_per_minute_max, ..Limits::default() }
    }

    /// Every value that must not be shown.
    pub fn hidden(&self) -> &[Secret] {
        &self.hidden
    }

    /// The numbers to work by: short waits for the sandbox, where every answer is quick.
    pub fn policy(&self) -> Policy {
        let policy = if self.sandbox.is_some() { Policy::brisk() } else { Policy::default() };
        Policy { master_wait: self.drop_wait, ..policy }
    }
}

#[derive(Default)]
struct Values {
    aws: BTreeMap<String, String>,
    path: Option<String>,
    found: Vec<(&'static Setting, String, Origin)>,
    problems: Vec<String>,
}

impl Values {
    fn read_environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in environment {
            if AMBIENT_NAMES.contains(&name.as_str()) {
                self.aws.insert(name.clone(), value.clone());
            }
            if name == "PATH" {
                self.path = Some(value.clone());
            }
            match SETTINGS.iter().find(|setting| setting.name == name) {
                Some(_) if value.trim().is_empty() => {}
                Some(setting) => self.found.push((setting, value, Origin::Environment)),
                None if name.starts_with("AUTOREPOST_") && !OTHERS.contains(&name.as_str()) => {
                    let nearest = nearest(&name, SETTINGS.iter().map(|setting| setting.name.to_owned()));
                    self.problems.push(format!("{name} in the environment is not a setting{nearest}"));
                }
                None => {}
            }
        }
    }

    fn read_file(&mut self, file: &Path) {
        let shown = file.display();
        let text = match std::fs::metadata(file) {
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
                self.problems.push(format!("{shown} is larger than {FILE_BYTES_MAX} bytes: it is no configuration"));
                return;
            }
            _ => std::fs::read_to_string(file),
        };
        let table = match text.map(|text| text.parse::<toml::Table>()) {
            Ok(Ok(table)) => table,
            Ok(Err(error)) => {
                // The message alone: the excerpt that TOML's own display shows may hold a secret.
                let at = error.span().map(|span| format!(" (at byte {})", span.start)).unwrap_or_default();
                self.problems.push(format!("{shown} is not TOML{at}: {}", error.message()));
                return;
            }
            Err(error) => {
                self.problems.push(format!("{shown} cannot be read: {error}"));
                return;
            }
        };
        for (key, value) in table {
            let Some(setting) = SETTINGS.iter().find(|setting| file_key(setting) == key) else {
                let nearest = nearest(&key, SETTINGS.iter().map(file_key));
                self.problems.push(format!("\"{key}\" in {shown} is not a setting{nearest}"));
                continue;
            };
            match value {
                toml::Value::String(text) if text.trim().is_empty() => {}
                toml::Value::String(text) if !self.has(setting) => self.found.push((setting, text, Origin::File)),
                toml::Value::String(_) => {}
                other => {
                    let is = other.type_str();
                    self.problems.push(format!("\"{key}\" in {shown} is a {is}: write it as a string in quotes"));
                }
            }
        }
    }

    /// Asks the sources of secrets for what is not set otherwise; answers with everything that gives secrets, in order.
    async fn read_secrets(&mut self) -> (Layers, Vec<Arc<AwsSecrets>>) {
        let given = |origin| {
            let mine = self.found.iter().filter(move |(.., from)| *from == origin);
            EnvSecrets::new(mine.map(|(setting, value, _)| (setting.name.to_owned(), value.clone())))
        };
        let mut layers = Layers::new()
            .then("environment", Arc::new(given(Origin::Environment)))
            .then("configuration file", Arc::new(given(Origin::File)));
        let mut sources = Layers::new();
        if let Some(path) = self.get("AUTOREPOST_SECRETS_FILE") {
            let file: Arc<dyn SecretSource> = Arc::new(FileSecrets::new(path));
            layers = layers.then("secrets file", file.clone());
            sources = sources.then("secrets file", file);
        }
        let mut opened = Vec::new();
        let bundles: Vec<String> =
            self.get("AUTOREPOST_SECRETS").unwrap_or_default().split(',').map(Into::into).collect();
        // Against the sandbox everything is quick.
        let quick = self.get("AUTOREPOST_SANDBOX").map(|_| QUICK_REFRESH);
        for bundle in bundles.iter().map(|bundle| bundle.trim()).filter(|bundle| !bundle.is_empty()) {
            let access = AwsAccess { region: self.get("AWS_REGION").map(Into::into), ..AwsAccess::default() };
            let usual = AwsSecretsConfig::new(bundle, access);
            let bundle_config = AwsSecretsConfig {
                refresh_every: quick.unwrap_or(usual.refresh_every),
                again_min: quick.unwrap_or(usual.again_min),
                ..usual
            };
            match AwsSecrets::open(bundle_config).await {
                Ok(bundle_secrets) => {
                    let bundle_secrets = Arc::new(bundle_secrets);
                    opened.push(bundle_secrets.clone());
                    let source: Arc<dyn SecretSource> = bundle_secrets;
                    layers = layers.then(format!("bundle {bundle}"), source.clone());
                    sources = sources.then(format!("bundle {bundle}"), source);
                }
                Err(error) => self.problems.push(format!("AUTOREPOST_SECRETS: {}", error.detail())),
            }
        }
        for setting in SETTINGS.iter().filter(|setting| setting.secret) {
            if self.has(setting) {
                continue;
            }
            match sources.secret(setting.name).await {
                Ok(Some(value)) => self.found.push((setting, value.expose().to_owned(), Origin::Secrets)),
                Ok(None) => {}
                Err(error) => {
                    // A source that fails, fails for every name alike.
                    self.problems.push(format!("the sources of secrets: {}", error.detail()));
                    break;
                }
            }
        }
        (layers, opened)
    }

    fn has(&self, setting: &Setting) -> bool {
        self.found.iter().any(|(other, ..)| other.name == setting.name)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.found.iter().find(|(setting, ..)| setting.name == name).map(|(_, value, _)| value.trim())
    }

    fn pair(&mut self, first: &str, second: &str) -> Option<(Secret, Secret)> {
        let pair = (self.get(first).map(Secret::new), self.get(second).map(Secret::new));
        match pair {
            (Some(first), Some(second)) => Some((first, second)),
            (None, None) => None,
            (Some(_), None) => {
                self.problems.push(format!("{first} is set, but {second} is not: set both"));
                None
            }
            (None, Some(_)) => {
                self.problems.push(format!("{second} is set, but {first} is not: set both"));
                None
            }
        }
    }

    fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.get(name)?;
        match text.parse() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let text = format!("{name} is not a number from {} to {}", range.start(), range.end());
                self.problems.push(text);
                None
            }
        }
    }

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

    fn address(&mut self, name: &str) -> Option<String> {
        let text = self.get(name)?.trim_end_matches('/').to_owned();
        match url::Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(text),
            _ => {
                self.problems.push(format!("{name} is not an address: it must begin with https:// or http://"));
                None
            }
        }
    }

    fn into_config(mut self, secrets: Layers, bundles: Vec<Arc<AwsSecrets>>) -> Result<Config, Problems> {
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
    fn instagram_version(&mut self) -> String {
        let version = self.get("AUTOREPOST_INSTAGRAM_VERSION").unwrap_or(versions::NEWEST).trim().to_owned();
        if !versions::is_version(&version) {
            let text = format!("AUTOREPOST_INSTAGRAM_VERSION is \"{version}\": write it as in {}", versions::NEWEST);
            self.problems.push(text);
        }
        version
    }
}

/// A setting's name in the file.
pub fn file_key(setting: &Setting) -> String {
    setting.name.trim_start_matches("AUTOREPOST_").to_lowercase()
}

fn nearest(name: &str, names: impl Iterator<Item = String>) -> String {
    const ALIKE: f64 = 0.8;
    let best = names.map(|other| (strsim::jaro_winkler(name, &other), other)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((alike, other)) if alike >= ALIKE => format!(": did you mean {other}?"),
        _ => ": see \"autorepost settings\"".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Config, Problems> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, file.unwrap_or_default()).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        block_on(Config::load(Some(&path), environment))
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn nothing_needs_to_be_set() {
        let config = load(None, &[("PATH", "/bin"), ("DATABASE_URL", " ")]).unwrap();
        assert_eq!(config.database_url.expose(), "sqlite://autorepost-data/autorepost.db");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8787");
        assert!(config.keys.is_none() && config.youtube.is_none());
    }

    #[test]
    fn the_environment_beats_the_file() {
        let file = "folder = 'from-file'\nlisten = '127.0.0.1:1'";
        let config = load(Some(file), &[("AUTOREPOST_FOLDER", "from-environment")]).unwrap();
        assert_eq!(config.folder, Path::new("from-environment"));
        assert_eq!(config.listen.port(), 1);
        let origin = |name| config.origins.iter().find(|(setting, _)| setting.name == name).unwrap().1;
        assert_eq!(origin("AUTOREPOST_FOLDER"), Origin::Environment);
        assert_eq!(origin("AUTOREPOST_LISTEN"), Origin::File);
        assert_eq!(origin("AUTOREPOST_SANDBOX"), Origin::Default);
    }

    #[test]
    fn every_problem_is_told_at_once_and_no_secret() {
        let file = "databse_url = 'x'\nlisten = 8787\nyoutube_client_id = 'only-the-id'";
        let environment = [
            ("TOKEN_ENCRYPTION_KEY", "hunter2-hunter2"),
            ("AUTOREPOST_PUBLC_URL", "x"),
            ("AUTOREPOST_SANDBOX", "localhost"),
            ("DATABASE_URL", "mysql://root:hunter2@db/x"),
        ];
        let Err(problems) = load(Some(file), &environment) else { panic!("it is wrong") };
        let text = problems.to_string();
        for part in [
            "\"databse_url\"",
            "did you mean database_url?",
            "\"listen\"",
            "in quotes",
            "YOUTUBE_CLIENT_SECRET is not: set both",
            "TOKEN_ENCRYPTION_KEY: key 1",
            "did you mean AUTOREPOST_PUBLIC_URL?",
            "AUTOREPOST_SANDBOX is not an address",
            "DATABASE_URL must begin with",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert_eq!(problems.0.len(), 7, "{text}");
        assert!(!text.contains("hunter2") && !text.contains("only-the-id"), "{text}");
    }

    #[test]
    fn a_file_that_is_no_toml_is_said_without_its_text() {
        let Err(problems) = load(Some("token_encryption_key = hunter2"), &[]) else { panic!("it is wrong") };
        assert!(
            problems.to_string().contains("is not TOML") && !problems.to_string().contains("hunter2"),
            "{problems}"
        );
        let Err(problems) = block_on(Config::load(Some(Path::new("no-such.toml")), [])) else { panic!("it is wrong") };
        assert!(problems.to_string().contains("no-such.toml cannot be read"), "{problems}");
    }
}
