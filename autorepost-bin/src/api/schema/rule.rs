//! Rules as the OpenAPI document shows them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a rule does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleSpec)]
pub struct RuleSpecSchema {
    /// Which posts it takes.
    #[serde(default)]
    pub filters: FiltersSchema,
    /// Where they go: no account twice.
    #[schema(min_items = 1, max_items = 20)]
    pub destinations: Vec<DestinationSchema>,
    /// How long after the post's own time it is published, in seconds.
    #[serde(default)]
    #[schema(default = 0)]
    pub delay_secs: u32,
    /// At most so many posts an hour to one destination account, counted over all rules.
    pub hourly_cap: Option<u32>,
    /// Do everything but publish.
    #[serde(default)]
    #[schema(default = false)]
    pub shadow: bool,
    /// What becomes of what it made of a post that is deleted or made private at its source; `keep` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OnSourceDeletedSchema, required = false)]
    pub on_source_deleted: Option<OnSourceDeletedSchema>,
    /// The creator's other names: a TikTok handle without `@`, in lower case, to the handle on each platform.
    #[serde(default)]
    pub mentions: BTreeMap<String, HandlesSchema>,
}

/// What becomes of what a rule made of a post that is deleted or made private at its source.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OnSourceDeleted)]
pub enum OnSourceDeletedSchema {
    /// Nothing is looked for. Before a late publication the source is asked all the same, and what is gone is left out.
    Keep,
    /// What is not published yet is left out, and of what is published the webhook `repost.source_deleted` tells.
    Notify,
}

/// A handle on each platform.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Handles)]
pub struct HandlesSchema {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tiktok: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instagram: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub youtube: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub x: String,
}

/// Which posts a rule takes. Empty lists ask for nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Filters)]
pub struct FiltersSchema {
    /// At least one of these hashtags, without `#`.
    #[serde(default)]
    pub require_hashtags: Vec<String>,
    /// None of these hashtags.
    #[serde(default)]
    pub exclude_hashtags: Vec<String>,
    /// At least one of these words or phrases.
    #[serde(default)]
    pub require_words: Vec<String>,
    /// None of these words or phrases.
    #[serde(default)]
    pub exclude_words: Vec<String>,
    /// The video is at least so long.
    pub min_duration_secs: Option<u32>,
    /// The video is at most so long.
    pub max_duration_secs: Option<u32>,
    /// The post was made at or after this time.
    pub since: Option<DateTime<Utc>>,
}

/// One destination of a rule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Destination)]
pub struct DestinationSchema {
    /// The connection to publish to.
    pub connection: Uuid,
    /// Held, while the rule's other destinations go on.
    #[serde(default)]
    #[schema(default = false)]
    pub paused: bool,
    /// What becomes of the caption's hashtags.
    #[serde(default)]
    pub hashtags: HashtagRuleSchema,
    /// A video that is too long for the platform is cut off at its limit, instead of being left out.
    #[serde(default)]
    #[schema(default = false)]
    pub trim: bool,
    /// The platform's own options.
    pub options: OptionsSchema,
}

/// What becomes of a caption's hashtags: `move` takes them to the end.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HashtagRule)]
pub enum HashtagRuleSchema {
    #[default]
    Keep,
    Drop,
    Move,
}

/// The options of a destination's platform. Texts are templates: `{caption}`, `{text}`, `{hashtags}`, `{title}`, `{url}`,
/// `{author}`, `{date}`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "platform", rename_all = "lowercase", deny_unknown_fields)]
#[schema(as = Options)]
pub enum OptionsSchema {
    /// An Instagram Reel.
    Instagram {
        /// Template of the caption.
        #[serde(default)]
        #[schema(default = "{caption}")]
        caption: String,
        /// Show it in the feed as well as among the Reels.
        #[serde(default)]
        #[schema(default = true)]
        share_to_feed: bool,
        /// Which frame becomes the cover, in milliseconds from the start.
        #[serde(default)]
        cover_offset_ms: Option<u32>,
    },
    /// A YouTube video; upright or square and at most 180 s long it becomes a Short.
    YouTube {
        /// Template of the title.
        #[serde(default)]
        #[schema(default = "{title}")]
        title: String,
        /// Template of the description.
        #[serde(default)]
        #[schema(default = "{caption}")]
        description: String,
        /// Tags to add to the post's own hashtags.
        #[serde(default)]
        tags: Vec<String>,
        /// Who may see it.
        #[serde(default)]
        privacy: PrivacySchema,
        /// Whether it is made for children. The law wants an answer, so there is no default.
        made_for_kids: bool,
        /// YouTube's category id; "22" is People & Blogs.
        #[serde(default)]
        #[schema(default = "22")]
        category_id: String,
        /// Tell the channel's subscribers.
        #[serde(default)]
        #[schema(default = true)]
        notify_subscribers: bool,
        /// Which frame becomes the thumbnail, in milliseconds from the start; YouTube chooses one without it.
        #[serde(default)]
        thumbnail_offset_ms: Option<u32>,
    },
    /// A post on X.
    X {
        /// Template of the text.
        #[serde(default)]
        #[schema(default = "{caption}")]
        text: String,
        /// Who may reply.
        #[serde(default)]
        reply_settings: ReplySettingsSchema,
    },
}

/// Who may see a YouTube video.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Privacy)]
pub enum PrivacySchema {
    #[default]
    Public,
    Unlisted,
    Private,
}

/// Who may reply to a post on X.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReplySettings)]
pub enum ReplySettingsSchema {
    #[default]
    Everyone,
    Following,
    MentionedUsers,
    Subscribers,
}
