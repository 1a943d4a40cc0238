//! Cases of a source of secrets.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use super::all_at_once;
use crate::port::SecretSource;

/// A source that holds what [`sample`] gives.
pub struct SecretFixture {
    /// The source.
    pub source: Arc<dyn SecretSource>,
    /// Replaces all that the source draws from; nothing where that cannot be done while it lives.
    pub replace: Option<Replace>,
}

/// Replaces all values that a source draws from.
pub type Replace = Box<dyn Fn(BTreeMap<String, String>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What a source holds when a case begins.
pub fn sample() -> BTreeMap<String, String> {
    [
        ("PLAIN_SECRET", "plain-value"),
        ("WITH_SIGNS", " a \"quoted\\\" = {\"json\": 1}, tab\t, ümläut, 🔑 "),
        ("TWO_LINES", "-----BEGIN-----\nabc\n-----END-----"),
        ("EMPTY_SECRET", ""),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

async fn ask(source: &Arc<dyn SecretSource>, name: &str) -> Option<String> {
    source.secret(name).await.unwrap().map(|secret| secret.expose().to_owned())
}

/// A value is given as it is, to the last sign.
pub async fn what_is_set_is_given_whole(fixture: SecretFixture) {
    for (name, value) in sample().into_iter().filter(|(_, value)| !value.is_empty()) {
        assert_eq!(ask(&fixture.source, &name).await, Some(value), "{name}");
    }
}

/// A name that is not set is nothing, whatever it looks like.
pub async fn what_is_not_set_is_nothing(fixture: SecretFixture) {
    for name in ["NO_SUCH_SECRET", "plain_secret", "PLAIN_SECRET ", "", "../PLAIN_SECRET", "/etc/hostname", ".", "A\0B"]
    {
        assert_eq!(ask(&fixture.source, name).await, None, "{name:?}");
    }
}

/// An empty value counts as not set.
pub async fn an_empty_value_is_not_set(fixture: SecretFixture) {
    assert_eq!(ask(&fixture.source, "EMPTY_SECRET").await, None);
}

/// Refreshing, once and again, is safe.
pub async fn refreshing_changes_nothing_that_is_the_same(fixture: SecretFixture) {
    for _ in 0..3 {
        fixture.source.refresh().await.unwrap();
        assert_eq!(ask(&fixture.source, "PLAIN_SECRET").await.as_deref(), Some("plain-value"));
    }
}

/// Whoever asks first or at once with others gets the same.
pub async fn asking_at_once_gives_the_same(fixture: SecretFixture) {
    let asked = (0..20).map(|_| ask(&fixture.source, "PLAIN_SECRET")).collect();
    for answer in all_at_once(asked).await {
        assert_eq!(answer.as_deref(), Some("plain-value"));
    }
}

/// Asking again after a refresh gives the rotated value, and what did not change stays.
pub async fn a_rotated_value_is_given_after_a_refresh(fixture: SecretFixture) {
    assert_eq!(ask(&fixture.source, "PLAIN_SECRET").await.as_deref(), Some("plain-value"));
    let mut values = sample();
    values.insert("PLAIN_SECRET".into(), "rotated-value".into());
    values.insert("NEW_SECRET".into(), "new-value".into());
    replace(&fixture, values).await;
    fixture.source.refresh().await.unwrap();
    assert_eq!(ask(&fixture.source, "PLAIN_SECRET").await.as_deref(), Some("rotated-value"));
    assert_eq!(ask(&fixture.source, "NEW_SECRET").await.as_deref(), Some("new-value"));
    assert_eq!(ask(&fixture.source, "WITH_SIGNS").await, sample().remove("WITH_SIGNS"));
}

/// What is no longer there is not given from memory.
pub async fn a_value_that_is_taken_away_is_not_set_any_more(fixture: SecretFixture) {
    assert!(ask(&fixture.source, "PLAIN_SECRET").await.is_some());
    let mut values = sample();
    values.remove("PLAIN_SECRET");
    replace(&fixture, values).await;
    fixture.source.refresh().await.unwrap();
    assert_eq!(ask(&fixture.source, "PLAIN_SECRET").await, None);
}

async fn replace(fixture: &SecretFixture, values: BTreeMap<String, String>) {
    fixture.replace.as_ref().expect("this source's values can change")(values).await;
}
