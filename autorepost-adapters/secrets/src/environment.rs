//! Secrets from the environment, read once by the program and handed over.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use autorepost_core::{Result, port::SecretSource, seal::Secret};

/// Secrets of the process's environment. It does not read the environment itself, and what it was given does not change.
#[derive(Default)]
pub struct EnvSecrets(BTreeMap<String, Secret>);

impl EnvSecrets {
    /// The secrets among these names and values; empty values are left out.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let set = variables.into_iter().filter(|(_, value)| !value.is_empty());
        Self(set.map(|(name, value)| (name, Secret::new(value))).collect())
    }
}

impl fmt::Debug for EnvSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EnvSecrets").field(&self.0.len()).finish()
    }
}

#[async_trait]
impl SecretSource for EnvSecrets {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        Ok(self.0.get(name).cloned())
    }
}
