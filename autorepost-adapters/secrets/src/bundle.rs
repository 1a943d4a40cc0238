//! A bundle: one JSON object of names and values.

use std::{collections::BTreeMap, fmt};

use autorepost_core::{Error, ErrorKind, Result, seal::Secret};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The largest bundle, file or value that is read, in bytes: as much as Secrets Manager keeps in a secret
/// (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>).
pub const BUNDLE_BYTES_MAX: usize = 65_536;
/// The most names of a bundle.
pub const NAMES_MAX: usize = 256;

const OP: &str = "read secrets";

/// The values of a JSON object. Only its strings can be secrets; what else it holds is an error when it is asked for, so
/// that a bundle which another tool also uses can be read.
#[derive(Default, PartialEq)]
pub(crate) struct Bundle(BTreeMap<String, Entry>);

#[derive(PartialEq)]
enum Entry {
    Text(Secret),
    Other(&'static str),
}

impl Bundle {
    /// Reads a bundle. `place` says where it comes from.
    pub(crate) fn parse(place: &str, text: &str) -> Result<Self> {
        check_bytes(place, text.len())?;
        let entries: BTreeMap<String, Entry> = serde_json::from_str(text).map_err(|cause| {
            // The cause may quote a value, so it is not kept.
            let detail = match cause.is_data() {
                true => {
                    format!("{place} is JSON, but not an object of names and values: write {{\"NAME\": \"value\"}}")
                }
                false => format!("{place} is not JSON (line {}, column {})", cause.line(), cause.column()),
            };
            Error::new(ErrorKind::Configuration, OP, detail)
        })?;
        if entries.len() > NAMES_MAX {
            let detail = format!("{place} has {} names, more than {NAMES_MAX}: split it", entries.len());
            return Err(Error::new(ErrorKind::Configuration, OP, detail));
        }
        Ok(Self(entries))
    }

    /// The value of a name; an empty one counts as not set.
    pub(crate) fn value(&self, place: &str, name: &str) -> Result<Option<Secret>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Entry::Text(secret)) => Ok(Some(secret).filter(|secret| !secret.expose().is_empty()).cloned()),
            Some(Entry::Other(kind)) => {
                let detail = format!("{name} in {place} is {kind}, not a string: put the value in quotes");
                Err(Error::new(ErrorKind::Configuration, OP, detail))
            }
        }
    }

    /// The names whose values differ, in order.
    pub(crate) fn changes(&self, newer: &Self) -> Vec<String> {
        let differs = |name: &&String| self.0.get(*name) != newer.0.get(*name);
        let mut names: Vec<String> = self.0.keys().chain(newer.0.keys()).filter(differs).cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Refuses what is too large.
pub(crate) fn check_bytes(place: &str, bytes: usize) -> Result<()> {
    if bytes > BUNDLE_BYTES_MAX {
        let detail = format!("{place} has more than {BUNDLE_BYTES_MAX} bytes: this is no bundle of secrets");
        return Err(Error::new(ErrorKind::Configuration, OP, detail));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Entry, E> {
        Ok(Entry::Text(Secret::new(text)))
    }

    fn visit_string<E>(self, text: String) -> Result<Entry, E> {
        Ok(Entry::Text(Secret::new(text)))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Entry, E> {
        Ok(Entry::Other("true or false"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Entry, E> {
        Ok(Entry::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Entry, E> {
        Ok(Entry::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Entry, E> {
        Ok(Entry::Other("a number"))
    }

    fn visit_unit<E>(self) -> Result<Entry, E> {
        // `null` is how other tools write "not set".
        Ok(Entry::Text(Secret::new("")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entry, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Entry, A::Error> {
        while pairs.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Entry::Other("an object"))
    }
}
