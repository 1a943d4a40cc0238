//! Configuration: the environment, and an optional TOML file. Every problem is told at once.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use autorepost_core::{policy::Policy, seal::Secret, webhook::SigningSecret};

use crate::api::Limits;

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
    secret("TOKEN_ENCRYPTION_KEY", "the keys that seal credentials; the file token.key in the folder without it"),
    setting("AUTOREPOST_LISTEN", "address of the program's own HTTP listener; 127.0.0.1:8787 without it"),
    setting("AUTOREPOST_REQUESTS_PER_MINUTE", "requests that one API key may make in a minute; 600 without it"),
    secret("AUTOREPOST_WEBHOOK_SECRET", "whsec_..., which signs the cookies that an outside automation brings"),
    setting("AUTOREPOST_WEBHOOK_PRIVATE_TARGETS", "true permits webhooks to addresses that are not on the internet"),
    setting("AUTOREPOST_PUBLIC_URL", "where the listener is reached from the internet, for Instagram Login"),
    secret("YOUTUBE_CLIENT_ID", "OAuth client of YouTube"),
    secret("YOUTUBE_CLIENT_SECRET", "its secret"),
    secret("TWITTER_CONSUMER_KEY", "OAuth 1.0a consumer key of X"),
    secret("TWITTER_CONSUMER_SECRET", "its secret"),
    setting("AUTOREPOST_SANDBOX", "address of an \"autorepost sandbox\" that stands in for all platforms"),
    setting("AUTOREPOST_TIKTOK_URL", "base address of TikTok's site"),
    setting("AUTOREPOST_INSTAGRAM_URL", "base address of Instagram's API with Instagram Login"),
    setting("AUTOREPOST_FACEBOOK_URL", "base address of Instagram's API with Facebook Login"),
    setting("AUTOREPOST_YOUTUBE_URL", "base address of YouTube's API"),
    setting("AUTOREPOST_GOOGLE_OAUTH_URL", "base address of Google's token endpoint"),
    setting("AUTOREPOST_X_URL", "base address of X's API"),
];

/// Most requests in a minute that can be set: the limiter remembers each.
const REQUESTS_PER_MINUTE_MAX: u32 = 100_000;
/// Read by the command line itself.
const OTHERS: [&str; 3] = ["AUTOREPOST_CONFIG", "AUTOREPOST_LOG", "AUTOREPOST_LOG_FORMAT"];
/// The file that is read when none is named.
pub const FILE: &str = "autorepost.toml";
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
    /// Whether webhooks may go to addresses that are not on the internet.
    pub private_targets: bool,
    /// Where the listener is reached from the internet.
    pub public_url: Option<String>,
    /// OAuth client of YouTube.
    pub youtube: Option<(Secret, Secret)>,
    /// OAuth 1.0a consumer of X.
    pub x: Option<(Secret, Secret)>,
    /// A sandbox that stands in for all platforms.
    pub sandbox: Option<String>,
    /// Base addresses that differ from the platforms' own, by setting.
    pub urls: Vec<(&'static str, String)>,
    /// Where each value came from.
    pub origins: Vec<(&'static Setting, Origin)>,
}

/// Where a value came from. The environment beats the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The environment.
    Environment,
    /// The file.
    File,
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
    pub fn load(
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
        values.into_config()
    }

    /// The base address that is set under this name.
    pub fn url(&self, name: &str) -> Option<String> {
        self.urls.iter().find(|(setting, _)| *setting == name).map(|(_, url)| url.clone())
    }

    /// What the HTTP interface takes on.
    pub fn limits(&self) -> Limits {
        Limits { requests_per_minute_max: self.requests_per_minute_max, ..Limits::default() }
    }

    /// The numbers to work by: short waits for the sandbox, where every answer is quick.
    pub fn policy(&self) -> Policy {
        if self.sandbox.is_some() { Policy::brisk() } else { Policy::default() }
    }
}

#[derive(Default)]
struct Values {
    found: Vec<(&'static Setting, String, Origin)>,
    problems: Vec<String>,
}

impl Values {
    fn read_environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in environment {
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

    fn into_config(mut self) -> Result<Config, Problems> {
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
        let mut requests_per_minute_max = Limits::default().requests_per_minute_max;
        if let Some(text) = self.get("AUTOREPOST_REQUESTS_PER_MINUTE") {
            match text.parse() {
                Ok(number @ 1..=REQUESTS_PER_MINUTE_MAX) => requests_per_minute_max = number,
                _ => {
                    let text =
                        format!("AUTOREPOST_REQUESTS_PER_MINUTE is not a number from 1 to {REQUESTS_PER_MINUTE_MAX}");
                    self.problems.push(text);
                }
            }
        }
        let incoming = self.get("AUTOREPOST_WEBHOOK_SECRET").map(Secret::new);
        if let Some(Err(error)) = incoming.as_ref().map(SigningSecret::parse) {
            self.problems.push(format!("AUTOREPOST_WEBHOOK_SECRET: {}", error.detail()));
        }
        let private_targets = match self.get("AUTOREPOST_WEBHOOK_PRIVATE_TARGETS") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.problems.push("AUTOREPOST_WEBHOOK_PRIVATE_TARGETS is neither true nor false".into());
                false
            }
        };
        let public_url = self.address("AUTOREPOST_PUBLIC_URL");
        let youtube = self.pair("YOUTUBE_CLIENT_ID", "YOUTUBE_CLIENT_SECRET");
        let x = self.pair("TWITTER_CONSUMER_KEY", "TWITTER_CONSUMER_SECRET");
        let sandbox = self.address("AUTOREPOST_SANDBOX");
        let names = SETTINGS.iter().map(|setting| setting.name);
        let urls = names
            .filter(|name| {
                name.ends_with("_URL") && name.starts_with("AUTOREPOST_") && *name != "AUTOREPOST_PUBLIC_URL"
            })
            .filter_map(|name| Some((name, self.address(name)?)))
            .collect();
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        let origin = |setting: &Setting| {
            let found = self.found.iter().find(|(other, ..)| other.name == setting.name);
            found.map_or(Origin::Default, |(.., origin)| *origin)
        };
        let origins = SETTINGS.iter().map(|setting| (setting, origin(setting))).collect();
        Ok(Config {
            folder,
            database_url,
            keys,
            listen,
            requests_per_minute_max,
            incoming,
            private_targets,
            public_url,
            youtube,
            x,
            sandbox,
            urls,
            origins,
        })
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
        Config::load(Some(&path), environment)
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
        let Err(problems) = Config::load(Some(Path::new("no-such.toml")), []) else { panic!("it is wrong") };
        assert!(problems.to_string().contains("no-such.toml cannot be read"), "{problems}");
    }
}
