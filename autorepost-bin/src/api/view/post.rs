//! Posts, and what is told of them.

use autorepost_core::{
    Platform,
    operator::{Explanation, Forecast, Next, Planned, Story, Untouched},
    post::{Post, PostKind},
    repost::Entry,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::RepostView;
use crate::api::schema::{EntrySchema, NextSchema, PlatformSchema, PostKindSchema, UntouchedSchema};

/// A post that was found on a source.
#[derive(Serialize, ToSchema)]
#[schema(as = Post)]
pub struct PostView {
    /// Its own id.
    id: Uuid,
    /// The connection on which it was found.
    connection: Uuid,
    /// The platform's own id of it.
    key: String,
    /// Its public address.
    url: String,
    /// The author's handle at that time.
    author: String,
    /// The caption, as written.
    caption: String,
    /// When it was made public.
    posted_at: DateTime<Utc>,
    /// When it was found.
    found_at: DateTime<Utc>,
    /// What it is.
    #[schema(value_type = PostKindSchema)]
    kind: PostKind,
    /// Its video, once it is stored.
    media: Option<MediaView>,
}

/// A stored video.
#[derive(Serialize, ToSchema)]
#[schema(as = Media)]
pub struct MediaView {
    /// SHA-256 of its bytes.
    sha256: String,
    /// Size in bytes.
    bytes: u64,
    /// Duration in milliseconds.
    duration_ms: u64,
    /// Displayed width in pixels.
    width: u32,
    /// Displayed height in pixels.
    height: u32,
}

impl From<Post> for PostView {
    fn from(row: Post) -> Self {
        Self {
            id: row.id.uuid(),
            connection: row.connection.uuid(),
            key: row.found.key,
            url: row.found.url,
            author: row.found.author,
            caption: row.found.caption,
            posted_at: row.found.posted_at,
            found_at: row.found_at,
            kind: row.found.kind,
            media: row.media.map(|media| MediaView {
                sha256: media.key.to_string(),
                bytes: media.bytes,
                duration_ms: media.facts.duration_ms,
                width: media.facts.video.width,
                height: media.facts.video.height,
            }),
        }
    }
}

/// Everything that is known of a post.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplanationView {
    /// The post.
    post: PostView,
    /// The handle of the account that made it.
    handle: String,
    /// Its reposts.
    reposts: Vec<StoryView>,
    /// Destinations of its account's rules that it does not go to.
    #[schema(value_type = Vec<UntouchedSchema>)]
    untouched: Vec<Untouched>,
}

/// Everything that is known of a repost.
#[derive(Serialize, ToSchema)]
#[schema(as = Story)]
pub struct StoryView {
    /// The repost.
    repost: RepostView,
    /// The destination's handle.
    handle: String,
    /// The name of the rule that asked for it.
    rule: String,
    /// What happened, the oldest first.
    #[schema(value_type = Vec<EntrySchema>)]
    journal: Vec<Entry>,
    /// What happens next.
    #[schema(value_type = NextSchema)]
    next: Next,
}

impl From<Explanation> for ExplanationView {
    fn from(row: Explanation) -> Self {
        let story = |Story { repost, handle, rule, journal, next }| StoryView {
            repost: repost.into(),
            handle,
            rule,
            journal,
            next,
        };
        Self {
            post: row.post.into(),
            handle: row.handle,
            reposts: row.reposts.into_iter().map(story).collect(),
            untouched: row.untouched,
        }
    }
}

/// A post that a source shows, and what would become of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Planned)]
pub struct PlannedView {
    /// The platform's own id of the post.
    key: String,
    /// Its public address.
    url: String,
    /// The caption, as written.
    caption: String,
    /// When it was made public.
    posted_at: DateTime<Utc>,
    /// What would become of it at each destination.
    reposts: Vec<ForecastView>,
}

/// What would become of a post at a destination.
#[derive(Serialize, ToSchema)]
#[schema(as = Forecast)]
pub struct ForecastView {
    /// The destination's platform.
    #[schema(value_type = PlatformSchema)]
    platform: Platform,
    /// The destination's handle.
    handle: String,
    /// The name of the rule that decides.
    rule: String,
    /// `known`, `publish`, `hold` or `skip`.
    forecast: &'static str,
    /// The words that would be sent, the state of what is known already, or the reason.
    detail: String,
    /// What had to be changed, and what is worth knowing.
    notes: Vec<String>,
}

impl From<Planned> for PlannedView {
    fn from(row: Planned) -> Self {
        let reposts = row.reposts.into_iter().map(|one| {
            let (forecast, detail, notes) = match one.forecast {
                Forecast::Known { state } => ("known", state.to_owned(), Vec::new()),
                Forecast::Publish { content, notes } => ("publish", content.headline().to_owned(), notes),
                Forecast::Hold { why } => ("hold", why, Vec::new()),
                Forecast::Skip { why } => ("skip", why, Vec::new()),
            };
            ForecastView { platform: one.platform, handle: one.handle, rule: one.rule, forecast, detail, notes }
        });
        Self {
            reposts: reposts.collect(),
            key: row.post.key,
            url: row.post.url,
            caption: row.post.caption,
            posted_at: row.post.posted_at,
        }
    }
}
