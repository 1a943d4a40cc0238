//! Masters: the creator's own files of videos, without watermark and not yet coded by a platform.
//!
//! A master takes the place of the download of the post that it belongs to. A sidecar may name that post. Otherwise it is
//! matched by duration, time and words, and where more than one thing fits, nothing is guessed.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    id::{MasterId, PostId, TenantId},
    media::{Media, MediaFacts},
    policy::{after, before},
    post::{FoundPost, Post, PostKind},
};

/// How far the durations of a master and of the download may be apart: platforms cut to whole frames and sounds.
pub const DURATION_OFF_MAX_MS: u64 = 500;
/// How far a duration that the source tells in whole seconds may be from the true one.
const WHOLE_SECONDS_OFF_MAX_MS: u64 = 1_000;
/// How long before its post a master is finished at most.
pub const MADE_BEFORE_MAX: Duration = Duration::from_secs(48 * 3600);
/// How long after its post a master is finished at most: clocks differ, and a file may be copied later.
pub const MADE_AFTER_MAX: Duration = Duration::from_secs(3600);
/// How far the proportions of a master and of the download may differ, in thousandths.
const SHAPE_OFF_MAX_MILLI: u64 = 20;
/// Largest sidecar in bytes.
pub const SIDECAR_BYTES_MAX: u64 = 64 << 10;
/// Longest name of a master, in characters.
pub const NAME_CHARS_MAX: usize = 255;
/// Longest caption in a sidecar, in characters.
const TEXT_CHARS_MAX: usize = 5_000;
/// Longest key in a sidecar, in characters: it is in the index of posts.
const KEY_CHARS_MAX: usize = 200;
/// What the key of a post begins with that is itself a file.
const FILE_PREFIX: &str = "file:";

/// A file of the creator's that waits for its post, was given to it, or is itself one. Unique within its tenant by its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Master {
    /// Its own id.
    pub id: MasterId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// What the file was called.
    pub name: String,
    /// When the file was last written.
    pub made_at: DateTime<Utc>,
    /// When it was taken in.
    pub received_at: DateTime<Utc>,
    /// What its sidecar says.
    pub sidecar: Sidecar,
    /// Its bytes.
    pub media: Media,
    /// The post that has it.
    pub post: Option<PostId>,
}

/// What stands beside a master, in a JSON file of the same name or in the request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sidecar {
    /// The id or the address of the post that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// The caption of its post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// It has no post elsewhere, and is itself one: by this name, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When it counts as posted, as a post of its own; the time of the file without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted_at: Option<DateTime<Utc>>,
}

/// Which master belongs to a post.
#[derive(Debug, PartialEq)]
pub enum Match<'a> {
    /// None that is there.
    None,
    /// This one.
    One(&'a Master),
    /// More than one thing fits; the text names them, for people.
    Ambiguous(String),
}

impl Sidecar {
    /// Reads a sidecar.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self> {
        let bad = |cause: serde_json::Error| {
            Error::invalid("read sidecar", format!("the sidecar is not understood: {cause}"))
        };
        let sidecar: Self = serde_json::from_slice(text).map_err(bad)?;
        sidecar.check()?;
        Ok(sidecar)
    }

    /// Holds it against its limits.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what is wrong with it.
    pub fn check(&self) -> Result<()> {
        let bad = |text: &str| Err(Error::invalid("read sidecar", text));
        let texts = [&self.post, &self.caption, &self.key];
        if texts.into_iter().flatten().any(|text| text.chars().count() > TEXT_CHARS_MAX || text.contains('\0')) {
            return bad("a text of the sidecar is longer than 5,000 characters, or holds U+0000");
        }
        match (&self.post, &self.key) {
            (Some(_), Some(_)) => bad("\"post\" names a post, \"key\" makes it one: only one of them can be meant"),
            (None, Some(key)) if !is_key(key) => {
                bad("\"key\" must be 1 to 200 characters on one line, without / ? and #")
            }
            (None, Some(_)) if self.caption.is_none() => bad("what is itself a post needs a \"caption\""),
            (_, None) if self.posted_at.is_some() => {
                bad("\"posted_at\" is for what has a \"key\" and is itself a post")
            }
            _ => Ok(()),
        }
    }

    /// The id of the post that it names.
    pub fn post_key(&self) -> Option<&str> {
        let path = self.post.as_deref()?.split(['?', '#']).next()?.trim_end_matches('/');
        path.rsplit('/').next()
    }

    /// The post that a file is by itself, if it is one.
    pub fn own_post(&self, author: &str, made_at: DateTime<Utc>, duration_ms: u64) -> Option<FoundPost> {
        let key = self.key.as_ref()?;
        Some(FoundPost {
            key: format!("{FILE_PREFIX}{key}"),
            url: String::new(),
            author: author.to_owned(),
            caption: self.caption.clone().unwrap_or_default(),
            posted_at: self.posted_at.unwrap_or(made_at),
            kind: PostKind::Video { duration_secs: u32::try_from(duration_ms.div_ceil(1_000)).ok() },
            pinned: false,
        })
    }
}

/// Whether a text can be a post's key, and be asked for by it.
fn is_key(text: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '?' | '#');
    !text.trim().is_empty() && text.chars().count() <= KEY_CHARS_MAX && !text.chars().any(odd)
}

impl FoundPost {
    /// Whether it is a file of the creator's, and shown by no source.
    pub fn is_file(&self) -> bool {
        self.key.starts_with(FILE_PREFIX)
    }
}

impl Master {
    /// Whether its sidecar names this post.
    pub fn names(&self, post: &FoundPost) -> bool {
        self.sidecar.post_key() == Some(post.key.as_str())
    }

    /// The time in which its post was made.
    pub fn window(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        (before(self.made_at, MADE_AFTER_MAX), after(self.made_at, MADE_BEFORE_MAX))
    }

    fn in_time_for(&self, post: &FoundPost) -> bool {
        let (from, to) = self.window();
        (from..=to).contains(&post.posted_at)
    }

    /// Whether it may belong to a post, as far as a list tells of it: its time, and its duration in whole seconds.
    pub fn may_fit(&self, post: &FoundPost) -> bool {
        let is_near = match post.kind {
            PostKind::Video { duration_secs: Some(secs) } => {
                let off = self.media.facts.duration_ms.abs_diff(u64::from(secs) * 1_000);
                off <= WHOLE_SECONDS_OFF_MAX_MS + DURATION_OFF_MAX_MS
            }
            PostKind::Video { duration_secs: None } => true,
            PostKind::Unusable { .. } => false,
        };
        let other = self.sidecar.key.is_some() || (self.sidecar.post.is_some() && !self.names(post));
        !other && is_near && self.in_time_for(post) && self.says_no_other(post)
    }

    /// Whether it is the same video as a download.
    fn is_like(&self, download: &MediaFacts) -> bool {
        let shape = |facts: &MediaFacts| u64::from(facts.video.width) * 1_000 / u64::from(facts.video.height.max(1));
        let (mine, theirs) = (shape(&self.media.facts), shape(download));
        let off = self.media.facts.duration_ms.abs_diff(download.duration_ms);
        off <= DURATION_OFF_MAX_MS && mine.abs_diff(theirs) <= theirs * SHAPE_OFF_MAX_MILLI / 1_000
    }

    /// Whether its sidecar's caption, if it has one, is the post's.
    fn says_no_other(&self, post: &FoundPost) -> bool {
        self.sidecar.caption.as_ref().is_none_or(|caption| words(caption) == words(&post.caption))
    }

    /// Whether the words of its sidecar, or of its name, are the post's.
    fn speaks_of(&self, post: &FoundPost) -> bool {
        let stem = self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem);
        let mine = words(self.sidecar.caption.as_deref().unwrap_or(stem));
        !mine.is_empty() && mine.is_subset(&words(&post.caption))
    }
}

/// The words of a text, without case and signs.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Which of the free `masters` belongs to a post. `download` is what the post's own video is like, once it was fetched;
/// `others` are the other posts of the source that one of the masters may fit.
pub fn find<'a>(post: &FoundPost, download: Option<&MediaFacts>, masters: &'a [Master], others: &[Post]) -> Match<'a> {
    if let Some(named) = masters.iter().find(|master| master.names(post)) {
        return Match::One(named);
    }
    let Some(download) = download else { return Match::None };
    let mut fit: Vec<&Master> = masters.iter().filter(|one| one.may_fit(post) && one.is_like(download)).collect();
    if fit.len() > 1 && fit.iter().any(|one| one.speaks_of(post)) {
        fit.retain(|one| one.speaks_of(post));
    }
    let [one] = fit[..] else {
        let names: Vec<_> = fit.iter().map(|one| format!("\"{}\"", one.name)).collect();
        return if names.is_empty() { Match::None } else { Match::Ambiguous(format!("{} fit it", names.join(", "))) };
    };
    let is_rival = |other: &&Post| {
        let unlike = other.media.as_ref().is_some_and(|media| !one.is_like(&media.facts));
        other.found.key != post.key && one.may_fit(&other.found) && !unlike
    };
    let mut rivals = others.iter().filter(is_rival).peekable();
    if rivals.peek().is_none() || (one.speaks_of(post) && !rivals.any(|other| one.speaks_of(&other.found))) {
        return Match::One(one);
    }
    Match::Ambiguous(format!("\"{}\" fits other posts as well", one.name))
}

#[cfg(test)]
mod tests;
