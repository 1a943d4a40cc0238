//! Takes secrets out of what leaves the program in words.

use serde_json::Value;
use zeroize::Zeroizing;

use crate::config::Config;

/// What replaces a secret.
const GONE: &str = "[secret]";
/// Shorter values would be found in ordinary words.
const SECRET_BYTES_MIN: usize = 6;

/// Knows every secret of the configuration.
pub(super) struct Scrub(Vec<Zeroizing<String>>);

impl Scrub {
    pub fn of(config: &Config) -> Self {
        let mut known: Vec<Zeroizing<String>> = Vec::new();
        for secret in config.hidden() {
            let text = secret.expose();
            known.push(Zeroizing::new(text.to_owned()));
            // The parts of an address, of headers and of a list of keys are secrets by themselves.
            let parts = text.split(['/', '@', '?', '&', '=', ',', ':', ' ']);
            known.extend(parts.map(|part| Zeroizing::new(part.to_owned())));
        }
        // What everybody may know, and may want to read.
        let plain = ["http", "https", "sqlite", "postgres", "postgresql", "authorization", "localhost", "autorepost"];
        known.retain(|text| text.len() >= SECRET_BYTES_MIN && !plain.contains(&text.to_lowercase().as_str()));
        // The whole before its parts.
        known.sort_by_key(|text| std::cmp::Reverse(text.len()));
        known.dedup();
        Self(known)
    }

    /// The text without what it knows, and without the queries of addresses.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), GONE);
            }
        }
        let mut out = String::with_capacity(text.len());
        for word in text.split_inclusive(char::is_whitespace) {
            match (word.contains("://"), word.split_once('?')) {
                (true, Some((before, query))) => {
                    out.push_str(before);
                    out.push_str("?…");
                    out.extend(query.chars().rev().take_while(|one| one.is_whitespace()));
                }
                _ => out.push_str(word),
            }
        }
        out
    }

    /// The same for every string of a value.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(values) => values.values_mut().for_each(|value| self.value(value)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn secrets_and_queries_are_taken_out() {
        let settings = [("DATABASE_URL", "postgres://owner:hunter2000@db.example/posts")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let scrub = Scrub::of(&Config::load(Some(std::path::Path::new("/dev/null")), settings).await.unwrap());
        assert_eq!(scrub.text("password hunter2000 is wrong"), "password [secret] is wrong");
        assert_eq!(scrub.text("see https://a.example/x?token=1 now?"), "see https://a.example/x?… now?");
        let mut value = serde_json::json!({ "a": [{ "b": "x hunter2000" }], "n": 1 });
        scrub.value(&mut value);
        assert_eq!(value, serde_json::json!({ "a": [{ "b": "x [secret]" }], "n": 1 }));
    }
}
