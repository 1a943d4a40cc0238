//! Rules: which posts of a source go to which destinations, and how.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    Error, Platform, Result,
    id::{ConnectionId, RuleId, TenantId},
    policy::after,
};

/// From one source account to its destinations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its own id.
    pub id: RuleId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The name that people give it.
    pub name: String,
    /// The connection whose posts it looks at.
    pub source: ConnectionId,
    /// Whether it acts.
    pub state: RuleState,
    /// What it does.
    pub spec: RuleSpec,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Counts its changes; a write names the version that it read.
    pub version: u64,
}

/// Whether a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    /// New posts cause reposts, and these are published.
    Active,
    /// New posts are admitted, but everything that the rule causes is held until it is resumed.
    Paused,
    /// Gone for its owner; the row stays, because reposts name it.
    Removed,
}

/// What a rule does: the part that its owner writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// Which posts it takes.
    #[serde(default)]
    pub filters: Filters,
    /// Where they go. Two destinations of one rule never name the same connection.
    pub destinations: Vec<DestinationSpec>,
    /// How long after the post's own time it is published, in seconds.
    #[serde(default)]
    pub delay_secs: u32,
    /// At most this many posts an hour to one destination account, counted over all rules.
    #[serde(default)]
    pub hourly_cap: Option<u32>,
    /// Do everything but the commit.
    #[serde(default)]
    pub shadow: bool,
    /// What becomes of what it made of a post that is deleted or made private at its source.
    #[serde(default, skip_serializing_if = "OnSourceDeleted::is_keep")]
    pub on_source_deleted: OnSourceDeleted,
    /// The creator's other names: a TikTok handle without `@`, in lower case, to the handle on each platform.
    #[serde(default)]
    pub mentions: BTreeMap<String, BTreeMap<Platform, String>>,
}

/// What becomes of what a rule made of a post that is deleted or made private at its source. What is public at a destination
/// stays there: only a person takes it away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSourceDeleted {
    /// Nothing is looked for. Before a late publication the source is asked all the same, and what is gone is left out.
    #[default]
    Keep,
    /// What is not published yet is left out, and of what is published its owner is told.
    Notify,
}

impl OnSourceDeleted {
    const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl RuleSpec {
    /// When a post of that time may be published at the earliest.
    pub fn due_at(&self, posted_at: DateTime<Utc>) -> DateTime<Utc> {
        after(posted_at, Duration::from_secs(self.delay_secs.into()))
    }

    /// What it asks of one of its destinations.
    ///
    /// # Errors
    ///
    /// [`Internal`](crate::ErrorKind::Internal) when a rule has no JSON form, which is a bug.
    pub fn terms(&self, destination: &DestinationSpec) -> Result<Terms> {
        let asked = DestinationSpec { paused: false, ..destination.clone() };
        let json = serde_json::to_vec(&(&asked, &self.mentions))
            .map_err(|cause| Error::internal("read rule", "a rule has no JSON form").source(cause))?;
        let digest = Sha256::digest(&json);
        Ok(Terms(digest.iter().take(TERMS_BYTES).map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Holds what an owner wrote against the limits of its parts: captions are rendered from it for every post.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), naming the part and its limit.
    pub fn check_sizes(&self) -> Result<()> {
        let bad = |text: String| Err(Error::invalid("check rule", text));
        let filters = &self.filters;
        let lists = [
            ("required hashtags", &filters.require_hashtags),
            ("excluded hashtags", &filters.exclude_hashtags),
            ("required words", &filters.require_words),
            ("excluded words", &filters.exclude_words),
        ];
        for (name, list) in lists {
            if list.len() > ENTRIES_MAX {
                return bad(format!("there are {} {name}: {ENTRIES_MAX} at most", list.len()));
            }
            if list.iter().any(|text| !is_short(text)) {
                return bad(format!(
                    "one of the {name} is no short text: {WORD_CHARS_MAX} characters on one line at most"
                ));
            }
        }
        if self.mentions.len() > ENTRIES_MAX {
            return bad(format!("there are {} mentions: {ENTRIES_MAX} at most", self.mentions.len()));
        }
        if self.mentions.iter().any(|(from, to)| !is_short(from) || to.values().any(|handle| !is_short(handle))) {
            return bad(format!("a mention is no short text: {WORD_CHARS_MAX} characters on one line at most"));
        }
        Ok(())
    }

    /// Reads what an owner wrote. What is stored may hold what only a later version knows; what a person writes may not: a
    /// misspelt filter must not be a filter that is missing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), naming the place.
    pub fn read(written: &Value) -> Result<Self> {
        let op = "read rule";
        let spec: Self = serde_json::from_value(written.clone())
            .map_err(|cause| Error::invalid(op, format!("this is not a rule: {cause}")))?;
        let read = serde_json::to_value(&spec)
            .map_err(|cause| Error::internal(op, "a rule has no JSON form").source(cause))?;
        match unknown(written, &read) {
            Some(key) => Err(Error::invalid(op, format!("nothing in a rule is called \"{key}\" there"))),
            None => Ok(spec),
        }
    }
}

/// What a rule asked of a destination when something was prepared for it, as a digest: when the rule asks for something
/// else by now, what was prepared is not what its owner wants published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Terms(String);

/// Bytes of the digest: it tells the versions of one rule apart, and nobody gains from two that are alike.
const TERMS_BYTES: usize = 8;

/// Entries of each list of a rule at most.
const ENTRIES_MAX: usize = 100;
/// Characters of a word, a hashtag or a handle at most.
const WORD_CHARS_MAX: usize = 100;

fn is_short(text: &str) -> bool {
    text.chars().count() <= WORD_CHARS_MAX && !text.chars().any(char::is_control)
}

/// What is not stored where it says nothing, because the first version refuses rules with keys that it does not know.
const LEFT_OUT: [&str; 3] = ["trim", "thumbnail_offset_ms", "on_source_deleted"];

fn says_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value == "keep"
}

/// The path of the first key that nothing was made of.
fn unknown(written: &Value, read: &Value) -> Option<String> {
    let below = |key: &str, value, read| unknown(value, read).map(|rest| format!("{key}.{rest}"));
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => written.iter().find_map(|(key, value)| match read.get(key) {
            Some(read) => below(key, value, read),
            None if LEFT_OUT.contains(&key.as_str()) && says_nothing(value) => None,
            None => Some(key.clone()),
        }),
        (Value::Array(written), Value::Array(read)) => {
            written.iter().zip(read).enumerate().find_map(|(at, (value, read))| below(&at.to_string(), value, read))
        }
        _ => None,
    }
}

/// Which posts a rule takes. Empty lists ask for nothing. Words and hashtags are compared without case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filters {
    /// The caption has at least one of these hashtags (without `#`).
    pub require_hashtags: Vec<String>,
    /// The caption has none of these hashtags (without `#`).
    pub exclude_hashtags: Vec<String>,
    /// The caption has at least one of these words or phrases.
    pub require_words: Vec<String>,
    /// The caption has none of these words or phrases.
    pub exclude_words: Vec<String>,
    /// The video is at least this long.
    pub min_duration_secs: Option<u32>,
    /// The video is at most this long.
    pub max_duration_secs: Option<u32>,
    /// The post was made at or after this time.
    pub since: Option<DateTime<Utc>>,
}

/// One destination of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DestinationSpec {
    /// The connection to publish to.
    pub connection: ConnectionId,
    /// Held, while the rule's other destinations go on.
    #[serde(default)]
    pub paused: bool,
    /// What becomes of the caption's hashtags.
    #[serde(default)]
    pub hashtags: HashtagRule,
    /// A video that is too long for the platform is cut off at its limit, instead of being left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trim: bool,
    /// The platform's own options.
    pub options: Options,
}

/// What becomes of a caption's hashtags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashtagRule {
    /// They stay where they stand; those over the platform's limit go, the last first.
    #[default]
    Keep,
    /// They go.
    Drop,
    /// They move to the end, on a line of their own.
    Move,
}

/// The options of a destination's platform. Texts are templates, see [`caption`](crate::caption).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "platform", rename_all = "lowercase")]
pub enum Options {
    /// An Instagram Reel.
    Instagram {
        /// Template of the caption.
        #[serde(default = "caption_template")]
        caption: String,
        /// Show it in the feed as well as among the Reels.
        #[serde(default = "yes")]
        share_to_feed: bool,
        /// Which frame becomes the cover, in milliseconds from the start.
        #[serde(default)]
        cover_offset_ms: Option<u32>,
    },
    /// A YouTube video; upright or square and at most 180 s long it becomes a Short.
    YouTube {
        /// Template of the title.
        #[serde(default = "title_template")]
        title: String,
        /// Template of the description.
        #[serde(default = "caption_template")]
        description: String,
        /// Tags to add to the post's own hashtags.
        #[serde(default)]
        tags: Vec<String>,
        /// Who may see it.
        #[serde(default)]
        privacy: Privacy,
        /// Whether it is made for children. The law wants an answer, so there is no default.
        made_for_kids: bool,
        /// YouTube's category id; "22" is People & Blogs.
        #[serde(default = "people_and_blogs")]
        category_id: String,
        /// Tell the channel's subscribers.
        #[serde(default = "yes")]
        notify_subscribers: bool,
        /// Which frame becomes the thumbnail, in milliseconds from the start; YouTube chooses one without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thumbnail_offset_ms: Option<u32>,
    },
    /// A post on X.
    X {
        /// Template of the text.
        #[serde(default = "caption_template")]
        text: String,
        /// Who may reply.
        #[serde(default)]
        reply_settings: ReplySettings,
    },
}

impl Options {
    /// The platform that these options are for.
    pub const fn platform(&self) -> Platform {
        match self {
            Self::Instagram { .. } => Platform::Instagram,
            Self::YouTube { .. } => Platform::YouTube,
            Self::X { .. } => Platform::X,
        }
    }
}

fn caption_template() -> String {
    "{caption}".into()
}

fn title_template() -> String {
    "{title}".into()
}

fn people_and_blogs() -> String {
    "22".into()
}

const fn yes() -> bool {
    true
}

/// Who may see a YouTube video. Always sent: since 2 November 2026 an omitted value means public.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// Everybody.
    #[default]
    Public,
    /// Who has the link.
    Unlisted,
    /// The owner.
    Private,
}

/// Who may reply to a post on X.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplySettings {
    /// Everybody.
    #[default]
    Everyone,
    /// Accounts that the author follows.
    Following,
    /// Accounts that the post mentions.
    MentionedUsers,
    /// The author's subscribers.
    Subscribers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_writes_is_read_strictly_and_what_is_stored_is_not() {
        let nobody = "00000000-0000-0000-0000-000000000000";
        let options = serde_json::json!({"platform": "x", "text": "{caption}", "colour": "red"});
        let mut written = serde_json::json!({
            "filters": {"require_words": ["a"]},
            "destinations": [{"connection": nobody, "options": options}],
        });
        let told = RuleSpec::read(&written).unwrap_err().detail().to_owned();
        assert!(told.contains("\"destinations.0.options.colour\""), "{told}");
        assert!(serde_json::from_value::<RuleSpec>(written.clone()).is_ok());
        written["destinations"][0]["options"] = serde_json::json!({"platform": "x"});
        assert_eq!(RuleSpec::read(&written).unwrap().filters.require_words, ["a"]);
        // What says nothing is not stored, and may be written.
        written["destinations"][0]["trim"] = false.into();
        assert!(!RuleSpec::read(&written).unwrap().destinations[0].trim);
        written["destinations"][0]["trim"] = true.into();
        assert!(RuleSpec::read(&written).unwrap().destinations[0].trim);
        written["destinations"] = Value::Null;
        assert!(RuleSpec::read(&written).is_err());
    }
}
