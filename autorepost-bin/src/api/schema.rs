//! The core's own words as the OpenAPI document shows them. The core knows nothing of OpenAPI, so their forms are repeated
//! here, and a test holds them against the core's.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A platform.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Platform)]
pub enum PlatformSchema {
    TikTok,
    Instagram,
    YouTube,
    X,
}

/// What a key may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub enum RoleSchema {
    Viewer,
    Operator,
    Admin,
}

/// How an account was connected.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuthMethod)]
pub enum AuthMethodSchema {
    TiktokSession,
    InstagramLogin,
    FacebookLogin,
    Google,
    #[serde(rename = "x_oauth1")]
    XOauth1,
}

/// Whether a connection works.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConnectionStatus)]
pub enum ConnectionStatusSchema {
    Active,
    Expiring,
    NeedsReconnect,
    Revoked,
    Error,
}

/// Whether a rule acts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleState)]
pub enum RuleStateSchema {
    Active,
    Paused,
    Removed,
}

/// Who must act.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Owner)]
pub enum OwnerSchema {
    Retry,
    Quota,
    Reconciling,
    Reconnect,
    AppReview,
    Content,
    Operator,
    Nobody,
}

/// What a job does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobKind)]
pub enum JobKindSchema {
    TiktokSync,
    SourceAudit,
    RepostPrep,
    RepostPublish,
    RepostLocate,
    TokenRefresh,
    Upkeep,
}

/// Where a job stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobState)]
pub enum JobStateSchema {
    Queued,
    Running,
    Done,
    Dead,
}

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
    /// The creator's other names: a TikTok handle without `@`, in lower case, to the handle on each platform.
    #[serde(default)]
    pub mentions: BTreeMap<String, HandlesSchema>,
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

/// What a post is, and so whether it can be reposted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = PostKind)]
pub enum PostKindSchema {
    /// A video.
    Video {
        /// Its duration in seconds, as the source tells it.
        duration_secs: Option<u32>,
    },
    /// Something that cannot be reposted.
    Unusable {
        /// Why.
        why: UnusableSchema,
    },
}

/// Why a post cannot be reposted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Unusable)]
pub enum UnusableSchema {
    Photo,
    Private,
    Deleted,
    RegionBlocked,
    Restricted,
}

/// What happens next to a repost, and who must act.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Next)]
pub struct NextSchema {
    /// Who must act.
    pub owner: OwnerSchema,
    /// When something happens by itself.
    pub at: Option<DateTime<Utc>>,
    /// What, for people.
    pub text: String,
}

/// Why a repost is where it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reason)]
pub struct ReasonSchema {
    /// The sentence that people read.
    pub text: String,
    /// Who must act.
    pub owner: OwnerSchema,
    /// The platform's own code.
    pub code: Option<String>,
    /// The platform's trace id.
    pub trace: Option<String>,
}

/// Where the public sees a repost.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Receipt)]
pub struct ReceiptSchema {
    /// The platform's own id, where it tells one.
    pub id: Option<String>,
    /// The public address, if it is known.
    pub url: Option<String>,
    /// When it was confirmed.
    pub at: DateTime<Utc>,
}

/// A line of a repost's journal.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JournalEntry)]
pub struct EntrySchema {
    /// When.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: String,
    /// The state that it led to.
    pub state: String,
    /// The details, for people.
    pub detail: String,
    /// Which try of the job it was, from 1; nothing for an operator's act.
    pub attempt: Option<u32>,
    /// Who did it.
    pub by: String,
}

/// A destination that a post does not go to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Untouched)]
pub struct UntouchedSchema {
    /// The rule that leads there.
    pub rule: String,
    /// The destination's platform.
    pub platform: PlatformSchema,
    /// The destination's handle.
    pub handle: String,
    /// Why.
    pub why: String,
}

/// What came of asking for a repost.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Asked)]
pub struct AskedSchema {
    /// The repost.
    pub repost: Uuid,
    /// The destination's platform.
    pub platform: PlatformSchema,
    /// What happens.
    pub answer: String,
    /// Whether something was set going.
    pub queued: bool,
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use autorepost_core::{
        ErrorKind, Platform,
        access::Role,
        connection::{AuthMethod, ConnectionStatus},
        id::{ConnectionId, RepostId},
        job::{JobKind, JobState},
        operator::{Asked, Next, Untouched},
        post::{PostKind, Unusable},
        repost::Entry,
        rule::{DestinationSpec, Filters, HashtagRule, Options, Privacy, ReplySettings, RuleSpec, RuleState},
        state::{Owner, Reason, Receipt},
    };
    use serde::de::DeserializeOwned;

    use super::*;

    /// The core's value and the document's have one JSON form.
    fn same<C: Serialize + DeserializeOwned + PartialEq + Debug, D: Serialize + DeserializeOwned>(value: C) {
        let text = serde_json::to_value(&value).unwrap();
        let read: D = serde_json::from_value(text.clone()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let back = serde_json::to_value(&read).unwrap();
        assert_eq!(back, text);
        assert_eq!(serde_json::from_value::<C>(back).unwrap(), value);
    }

    fn shown<C: Serialize, D: Serialize + DeserializeOwned>(value: C) {
        let text = serde_json::to_value(&value).unwrap();
        let read: D = serde_json::from_value(text.clone()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(serde_json::to_value(&read).unwrap(), text);
    }

    #[test]
    fn every_word_of_the_core_is_one_of_the_document() {
        Platform::ALL.into_iter().for_each(same::<_, PlatformSchema>);
        Role::ALL.into_iter().for_each(same::<_, RoleSchema>);
        JobKind::ALL.into_iter().for_each(same::<_, JobKindSchema>);
        ErrorKind::ALL.into_iter().map(Owner::of).for_each(same::<_, OwnerSchema>);
        [Owner::Reconciling, Owner::Nobody].into_iter().for_each(same::<_, OwnerSchema>);
        use AuthMethod::{FacebookLogin, Google, InstagramLogin, TiktokSession, XOauth1};
        [TiktokSession, InstagramLogin, FacebookLogin, Google, XOauth1]
            .into_iter()
            .for_each(same::<_, AuthMethodSchema>);
        use ConnectionStatus::{Active, Error, Expiring, NeedsReconnect, Revoked};
        [Active, Expiring, NeedsReconnect, Revoked, Error].into_iter().for_each(same::<_, ConnectionStatusSchema>);
        [RuleState::Active, RuleState::Paused, RuleState::Removed].into_iter().for_each(same::<_, RuleStateSchema>);
        use JobState::{Dead, Done, Queued, Running};
        [Queued, Running, Done, Dead].into_iter().for_each(same::<_, JobStateSchema>);
        use Unusable::{Deleted, Photo, Private, RegionBlocked, Restricted};
        for why in [Photo, Private, Deleted, RegionBlocked, Restricted] {
            same::<_, PostKindSchema>(PostKind::Unusable { why });
        }
        same::<_, PostKindSchema>(PostKind::Video { duration_secs: None });
    }

    #[test]
    fn every_value_of_the_core_has_the_documents_form() {
        let at = DateTime::UNIX_EPOCH;
        let text = || Some("text".to_owned());
        same::<_, ReasonSchema>(Reason { code: text(), trace: text(), ..Reason::new(Owner::Content, "why") });
        same::<_, ReceiptSchema>(Receipt { id: text(), url: None, at });
        let words = || "words".to_owned();
        let entry = Entry { at, event: words(), state: words(), detail: words(), attempt: Some(1), by: words() };
        same::<_, EntrySchema>(entry);
        shown::<_, NextSchema>(Next { owner: Owner::Retry, at: Some(at), text: words() });
        let (rule, platform, handle, why) = (words(), Platform::X, words(), words());
        shown::<_, UntouchedSchema>(Untouched { rule, platform, handle, why });
        let repost = RepostId::from_uuid(Uuid::nil());
        shown::<_, AskedSchema>(Asked { repost, platform, answer: words(), queued: true });
    }

    #[test]
    fn a_rule_of_every_form_has_the_documents_form() {
        let instagram = Options::Instagram { caption: "a".into(), share_to_feed: true, cover_offset_ms: Some(1) };
        let youtube = |privacy| Options::YouTube {
            title: "a".into(),
            description: "b".into(),
            tags: vec!["c".into()],
            privacy,
            made_for_kids: false,
            category_id: "22".into(),
            notify_subscribers: true,
        };
        let x = |reply_settings| Options::X { text: "a".into(), reply_settings };
        use ReplySettings::{Everyone, Following, MentionedUsers, Subscribers};
        let mut all = vec![instagram];
        all.extend([Privacy::Public, Privacy::Unlisted, Privacy::Private].map(youtube));
        all.extend([Everyone, Following, MentionedUsers, Subscribers].map(x));
        let rules = [HashtagRule::Keep, HashtagRule::Drop, HashtagRule::Move].into_iter().cycle();
        let connection = ConnectionId::from_uuid(Uuid::nil());
        let to = |(options, hashtags)| DestinationSpec { connection, paused: true, hashtags, options };
        let words = || vec!["word".to_owned()];
        let handles = Platform::ALL.map(|platform| (platform, "name".to_owned()));
        same::<_, RuleSpecSchema>(RuleSpec {
            filters: Filters {
                require_hashtags: words(),
                exclude_hashtags: words(),
                require_words: words(),
                exclude_words: words(),
                min_duration_secs: Some(1),
                max_duration_secs: Some(2),
                since: Some(DateTime::UNIX_EPOCH),
            },
            destinations: all.into_iter().zip(rules).map(to).collect(),
            delay_secs: 1,
            hourly_cap: Some(2),
            shadow: true,
            mentions: [("friend".to_owned(), handles.into())].into(),
        });
    }
}
