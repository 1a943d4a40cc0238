//! Configuration: the environment, and an optional TOML file. Every problem is told at once.

mod build;
mod settings;
#[cfg(test)]
mod tests;
mod values;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use autorepost_core::{policy::Policy, seal::Secret};
use autorepost_platforms::App;
use autorepost_secrets::{AwsSecrets, Layers};
use autorepost_storage::S3Encryption;

use crate::{api::Limits, inbox::Place};
pub use settings::{SETTINGS, Setting, file_key};
use values::Values;

/// The file that is read when none is named.
pub const FILE: &str = "autorepost.toml";

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
        let (values, secrets, bundles) = Values::read(file, environment).await;
        values.into_config(secrets, bundles)
    }

    /// Every secret as it was found, and what is wrong, even when it makes no configuration.
    pub async fn survey(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Survey {
        let (values, secrets, bundles) = Values::read(file, environment).await;
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
