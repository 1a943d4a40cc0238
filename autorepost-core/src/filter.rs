//! Filters: whether a rule takes a post.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::rule::Filters;

/// Why a rule does not take a post.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The post was made before the rule's start.
    BeforeSince {
        /// The rule's start.
        since: DateTime<Utc>,
    },
    /// None of the wanted hashtags is there.
    NoHashtagOf(Vec<String>),
    /// An unwanted hashtag is there.
    Hashtag(String),
    /// None of the wanted words is there.
    NoWordOf(Vec<String>),
    /// An unwanted word is there.
    Word(String),
    /// The video is too short for the rule; seconds.
    TooShort {
        /// Its duration.
        is: u32,
        /// The least that the rule takes.
        min: u32,
    },
    /// The video is too long for the rule; seconds.
    TooLong {
        /// Its duration.
        is: u32,
        /// The most that the rule takes.
        max: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeforeSince { since } => write!(f, "posted before {}", since.format("%Y-%m-%d %H:%M UTC")),
            Self::NoHashtagOf(tags) => write!(f, "has none of the required hashtags (#{})", tags.join(", #")),
            Self::Hashtag(tag) => write!(f, "has the excluded hashtag #{tag}"),
            Self::NoWordOf(words) => write!(f, "has none of the required words ({})", words.join(", ")),
            Self::Word(word) => write!(f, "has the excluded word \"{word}\""),
            Self::TooShort { is, min } => write!(f, "lasts {is} s, the rule wants at least {min} s"),
            Self::TooLong { is, max } => write!(f, "lasts {is} s, the rule wants at most {max} s"),
        }
    }
}

/// Decides whether a rule takes a post. A duration that the source did not tell refuses nothing.
pub fn admits(
    filters: &Filters,
    caption: &str,
    duration_secs: Option<u32>,
    posted_at: DateTime<Utc>,
) -> Result<(), Refusal> {
    if let Some(since) = filters.since.filter(|since| posted_at < *since) {
        return Err(Refusal::BeforeSince { since });
    }
    let caption = caption.to_lowercase();
    let tagged = |tag: &&String| has(&caption, &format!("#{}", tag.trim_start_matches('#').to_lowercase()));
    let worded = |word: &&String| has(&caption, &word.to_lowercase());
    if let Some(tag) = filters.exclude_hashtags.iter().find(tagged) {
        return Err(Refusal::Hashtag(tag.clone()));
    }
    if let Some(word) = filters.exclude_words.iter().find(worded) {
        return Err(Refusal::Word(word.clone()));
    }
    if !filters.require_hashtags.is_empty() && !filters.require_hashtags.iter().any(|tag| tagged(&tag)) {
        return Err(Refusal::NoHashtagOf(filters.require_hashtags.clone()));
    }
    if !filters.require_words.is_empty() && !filters.require_words.iter().any(|word| worded(&word)) {
        return Err(Refusal::NoWordOf(filters.require_words.clone()));
    }
    match (duration_secs, filters.min_duration_secs, filters.max_duration_secs) {
        (Some(is), Some(min), _) if is < min => Err(Refusal::TooShort { is, min }),
        (Some(is), _, Some(max)) if is > max => Err(Refusal::TooLong { is, max }),
        _ => Ok(()),
    }
}

/// Whether `needle` stands in `text` as a whole word or phrase.
fn has(text: &str, needle: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let edge = |inner: Option<char>, outer: Option<char>| !(inner.is_some_and(is_word) && outer.is_some_and(is_word));
    !needle.is_empty()
        && text.match_indices(needle).any(|(at, found)| {
            edge(found.chars().next(), text[..at].chars().next_back())
                && edge(found.chars().next_back(), text[at + found.len()..].chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(secs, 0).unwrap()
    }

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn each_filter_refuses_and_names_itself() {
        let caption = "New VIDEO about Ärger in Köln #Fun #runner";
        let table: [(Filters, Option<&str>); 11] = [
            (Filters::default(), None),
            (Filters { require_hashtags: list(&["fun"]), ..Filters::default() }, None),
            (
                Filters { require_hashtags: list(&["run"]), ..Filters::default() },
                Some("none of the required hashtags (#run)"),
            ),
            (Filters { exclude_hashtags: list(&["FUN"]), ..Filters::default() }, Some("excluded hashtag #FUN")),
            (Filters { require_words: list(&["about ärger"]), ..Filters::default() }, None),
            (Filters { require_words: list(&["vide"]), ..Filters::default() }, Some("none of the required words")),
            (Filters { exclude_words: list(&["köln"]), ..Filters::default() }, Some("excluded word \"köln\"")),
            (Filters { min_duration_secs: Some(20), ..Filters::default() }, Some("at least 20 s")),
            (Filters { max_duration_secs: Some(5), ..Filters::default() }, Some("at most 5 s")),
            (Filters { since: Some(at(2000)), ..Filters::default() }, Some("posted before")),
            (Filters { since: Some(at(1000)), ..Filters::default() }, None),
        ];
        for (filters, refusal) in table {
            match (admits(&filters, caption, Some(10), at(1000)), refusal) {
                (Ok(()), None) => {}
                (Err(found), Some(part)) => assert!(found.to_string().contains(part), "{found}"),
                (found, wanted) => panic!("{filters:?}: {found:?} instead of {wanted:?}"),
            }
        }
    }

    #[test]
    fn an_unknown_duration_refuses_nothing() {
        let filters = Filters { max_duration_secs: Some(5), ..Filters::default() };
        assert_eq!(admits(&filters, "", None, at(0)), Ok(()));
    }
}
