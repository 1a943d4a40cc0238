//! The creator's own files.

use std::time::Duration;

use autorepost_core::{
    Error, ErrorKind,
    master::{Master, Sidecar},
    operator::{NewMaster, Taken},
};
use axum::{Json, extract::Request};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::{
    extract::{Answer, Created, Desk, Query},
    page::{Page, PageAsk},
    problem::Problem,
};

/// Largest file in bytes.
const BYTES_MAX: u64 = 4 << 30;
/// Files that are listed at most: the latest.
const LISTED_MAX: u32 = 1_000;
/// How long a body may be silent between two pieces.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A file of the creator's.
#[derive(Serialize, ToSchema)]
#[schema(as = Master)]
pub struct MasterView {
    /// Its own id.
    id: Uuid,
    /// What the file was called.
    name: String,
    /// SHA-256 of its bytes.
    sha256: String,
    /// Size in bytes.
    bytes: u64,
    /// Duration in milliseconds.
    duration_ms: u64,
    /// When the file was last written.
    made_at: DateTime<Utc>,
    /// When it was taken in.
    received_at: DateTime<Utc>,
    /// The id or the address of the post that it was said to belong to.
    names: Option<String>,
    /// The key of the post that it is itself.
    key: Option<String>,
    /// The post that has it; null while it waits for one.
    post: Option<Uuid>,
}

impl From<Master> for MasterView {
    fn from(row: Master) -> Self {
        Self {
            id: row.id.uuid(),
            name: row.name,
            sha256: row.media.key.to_string(),
            bytes: row.media.bytes,
            duration_ms: row.media.facts.duration_ms,
            made_at: row.made_at,
            received_at: row.received_at,
            names: row.sidecar.post,
            key: row.sidecar.key,
            post: row.post.map(|post| post.uuid()),
        }
    }
}

/// What became of a file.
#[derive(Serialize, ToSchema)]
#[schema(as = TakenMaster)]
pub struct TakenView {
    /// `waits` for its post, was `known` already, or is a `post`, which a worker admits next.
    became: &'static str,
    /// SHA-256 of its bytes.
    sha256: String,
    /// Size in bytes.
    bytes: u64,
    /// Duration in milliseconds.
    duration_ms: u64,
}

/// What stands beside a file.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NewMasterAsk {
    /// What the file is called.
    #[param(min_length = 1, max_length = 255)]
    name: String,
    /// When it was last written; now without it.
    made_at: Option<DateTime<Utc>>,
    /// The id or the address of the post that it belongs to.
    #[param(max_length = 5000)]
    post: Option<String>,
    /// The caption of its post.
    #[param(max_length = 5000)]
    caption: Option<String>,
    /// It has no post elsewhere, and is itself one: by this name, once. Needs a caption.
    #[param(min_length = 1, max_length = 200)]
    key: Option<String>,
    /// When it counts as posted, as a post of its own; `made_at` without it.
    posted_at: Option<DateTime<Utc>>,
}

/// Lists the latest of the creator's own files, the oldest of them first.
#[utoipa::path(get, path = "/v1/masters", tag = "Masters", params(PageAsk),
    responses((status = 200, description = "A page of files", body = Page<MasterView>)))]
pub async fn list(desk: Desk, Query(page): Query<PageAsk>) -> Answer<Page<MasterView>> {
    let asked = page.checked()?;
    let mut rows = desk.operator().masters(LISTED_MAX).await?;
    rows.reverse();
    Ok(Json(asked.slice(rows, |row| (row.received_at, row.id.uuid()), MasterView::from)))
}

/// Takes in a file of the creator's, 4 GiB at most: it takes the place of the download of the post that it belongs to, or is
/// itself a post.
#[utoipa::path(post, path = "/v1/masters", tag = "Masters", params(NewMasterAsk),
    request_body(content = inline(FileBody), content_type = "application/octet-stream", description = "The video"),
    responses((status = 201, description = "It was taken in", body = TakenView)))]
pub async fn create(
    desk: Desk,
    Query(ask): Query<NewMasterAsk>,
    request: Request,
) -> Result<Created<TakenView>, Problem> {
    let made_at = ask.made_at.unwrap_or_else(|| desk.ports().clock.now());
    let sidecar = Sidecar { post: ask.post, caption: ask.caption, key: ask.key, posted_at: ask.posted_at };
    let body = Box::pin(request.into_body().into_data_stream());
    // A client that is gone without a word must not hold a place for ever.
    let pieces = stream::unfold(body, |mut body| async move {
        let piece = match timeout(SILENCE_MAX, body.next()).await {
            Ok(piece) => piece?.map_err(|_| Error::new(ErrorKind::Invalid, "read body", "the body ended too early")),
            Err(_) => Err(Error::new(ErrorKind::Invalid, "read body", "the body came too slowly")),
        };
        Some((piece, body))
    });
    let new = NewMaster { name: &ask.name, made_at, sidecar };
    let taken = desk.operator().take_master(new, Box::pin(pieces), BYTES_MAX).await?;
    let (became, id) = match &taken {
        Taken::Kept(master) => ("waits", master.id.to_string()),
        Taken::Known(media) => ("known", media.key.to_string()),
        Taken::Post(media, _) => ("post", media.key.to_string()),
    };
    let media = taken.media();
    let view =
        TakenView { became, sha256: media.key.to_string(), bytes: media.bytes, duration_ms: media.facts.duration_ms };
    Ok(Created(id, view))
}

/// The bytes of a video.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only its description is used")]
pub struct FileBody(Vec<u8>);
