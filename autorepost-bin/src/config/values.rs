//! Reading values: the environment, the file, the sources of secrets.

use std::{collections::BTreeMap, ops::RangeInclusive, path::Path, sync::Arc, time::Duration};

use autorepost_core::{port::SecretSource, seal::Secret};
use autorepost_secrets::{AwsAccess, AwsSecrets, AwsSecretsConfig, EnvSecrets, FileSecrets, Layers};
use autorepost_storage::AMBIENT_NAMES;

use super::{
    FILE, Origin,
    settings::{OTHERS, SETTINGS, Setting, file_key, nearest},
};

/// Largest configuration file in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How often bundles are read while a sandbox stands in for the platforms.
const QUICK_REFRESH: Duration = Duration::from_secs(2);

/// What was found, and what is wrong with it.
#[derive(Default)]
pub(super) struct Values {
    pub aws: BTreeMap<String, String>,
    pub path: Option<String>,
    pub found: Vec<(&'static Setting, String, Origin)>,
    pub problems: Vec<String>,
}

impl Values {
    /// Reads everything that there is: the environment, the file that is named or the usual one, and the sources of secrets.
    pub async fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Layers, Vec<Arc<AwsSecrets>>) {
        let mut values = Self::default();
        values.read_environment(environment);
        match file {
            Some(file) => values.read_file(file),
            None if Path::new(FILE).exists() => values.read_file(Path::new(FILE)),
            None => {}
        }
        let (secrets, bundles) = values.read_secrets().await;
        (values, secrets, bundles)
    }

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

    pub fn has(&self, setting: &Setting) -> bool {
        self.found.iter().any(|(other, ..)| other.name == setting.name)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.found.iter().find(|(setting, ..)| setting.name == name).map(|(_, value, _)| value.trim())
    }

    pub fn pair(&mut self, first: &str, second: &str) -> Option<(Secret, Secret)> {
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

    pub fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
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

    pub fn address(&mut self, name: &str) -> Option<String> {
        let text = self.get(name)?.trim_end_matches('/').to_owned();
        match url::Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(text),
            _ => {
                self.problems.push(format!("{name} is not an address: it must begin with https:// or http://"));
                None
            }
        }
    }
}
