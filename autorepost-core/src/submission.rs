//! What a repost sends: frozen when the post is prepared, so that every attempt sends the same.

use serde::{Deserialize, Serialize};

use crate::{
    Platform,
    media::Media,
    rule::{Privacy, ReplySettings, Terms},
};

/// Everything that one repost sends to its destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// The video.
    pub media: Media,
    /// The words and options around it.
    pub content: Content,
    /// What the rule asked for when this was made; nothing in what an older version prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// The words and options around a video, in the destination's own terms: templates are rendered, limits are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "platform", rename_all = "lowercase")]
pub enum Content {
    /// An Instagram Reel.
    Instagram {
        /// The caption.
        caption: String,
        /// Show it in the feed as well as among the Reels.
        share_to_feed: bool,
        /// Which frame becomes the cover, in milliseconds from the start.
        cover_offset_ms: Option<u32>,
    },
    /// A YouTube video.
    YouTube {
        /// The title.
        title: String,
        /// The description.
        description: String,
        /// The tags, without `#`.
        tags: Vec<String>,
        /// Who may see it.
        privacy: Privacy,
        /// Whether it is made for children.
        made_for_kids: bool,
        /// YouTube's category id.
        category_id: String,
        /// Tell the channel's subscribers.
        notify_subscribers: bool,
        /// Which frame becomes the thumbnail, in milliseconds from the start; YouTube chooses one without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thumbnail_offset_ms: Option<u32>,
    },
    /// A post on X.
    X {
        /// The text.
        text: String,
        /// Who may reply.
        reply_settings: ReplySettings,
    },
}

impl Content {
    /// The platform that this content is for.
    pub const fn platform(&self) -> Platform {
        match self {
            Self::Instagram { .. } => Platform::Instagram,
            Self::YouTube { .. } => Platform::YouTube,
            Self::X { .. } => Platform::X,
        }
    }

    /// Which frame is to become the thumbnail once it is published, in milliseconds from the start.
    pub const fn thumbnail_offset_ms(&self) -> Option<u32> {
        match self {
            Self::YouTube { thumbnail_offset_ms, .. } => *thumbnail_offset_ms,
            // Instagram takes its cover from the video itself, before the commit.
            Self::Instagram { .. } | Self::X { .. } => None,
        }
    }

    /// The text that followers read first: the caption, the title or the post.
    pub fn headline(&self) -> &str {
        match self {
            Self::Instagram { caption, .. } => caption,
            Self::YouTube { title, .. } => title,
            Self::X { text, .. } => text,
        }
    }
}
