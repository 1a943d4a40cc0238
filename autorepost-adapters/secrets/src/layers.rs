//! Several sources in order of precedence.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use autorepost_core::{Result, port::SecretSource, seal::Secret};

/// Sources in order: the first that has a name gives its value.
///
/// The usual order is environment, then file, then Secrets Manager, most urgent first: in an emergency an operator sets a
/// variable or a file by hand on the machine at hand, and that must count whatever the shared bundle says. What overrides
/// a bundle also hides its rotations, so [`origin`](Self::origin) tells what stands in front of what.
///
/// A source that fails is an error for every name that no source before it has: going on to the next would quietly use
/// another value than the one that was meant.
#[derive(Default, Clone)]
pub struct Layers(Vec<(String, Arc<dyn SecretSource>)>);

/// Which source gives a value. It never holds the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The source that gives it.
    pub layer: String,
    /// Sources behind it that have the name too, and are not asked.
    pub hidden: Vec<String>,
}

impl Layers {
    /// No source yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source behind those that are there. `label` is how people call it: `environment`, a file's path, a bundle's
    /// name.
    #[must_use]
    pub fn then(mut self, label: impl Into<String>, source: Arc<dyn SecretSource>) -> Self {
        self.0.push((label.into(), source));
        self
    }

    /// Tells which source gives a name, for `doctor`; nothing when none does.
    ///
    /// # Errors
    ///
    /// When a source fails before one has the name. Behind the one that gives it, a source that fails counts as one that
    /// does not have it.
    pub async fn origin(&self, name: &str) -> Result<Option<Origin>> {
        let mut origin: Option<Origin> = None;
        for (label, source) in &self.0 {
            match (source.secret(name).await, &mut origin) {
                (Ok(Some(_)), None) => origin = Some(Origin { layer: label.clone(), hidden: Vec::new() }),
                (Ok(Some(_)), Some(origin)) => origin.hidden.push(label.clone()),
                (Err(error), None) => return Err(error),
                (Ok(None), _) | (Err(_), Some(_)) => {}
            }
        }
        Ok(origin)
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(label, _)| label)).finish()
    }
}

#[async_trait]
impl SecretSource for Layers {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        for (_, source) in &self.0 {
            if let Some(secret) = source.secret(name).await? {
                return Ok(Some(secret));
            }
        }
        Ok(None)
    }

    async fn refresh(&self) -> Result<()> {
        let mut first = Ok(());
        for (_, source) in &self.0 {
            let refreshed = source.refresh().await;
            first = first.and(refreshed);
        }
        first
    }
}
