//! YouTube: resumable sessions and thumbnails; channels and lists in `lists`, tokens in `login`.

mod lists;
pub(crate) mod login;

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::Platform;
use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{MethodFilter, post},
};
use serde_json::{Value, json};

use crate::{
    fault::Step,
    receive,
    server::{header, served, token_of, under_faults},
    world::{Shown, Upload, World, YouTubeChannel},
};

const PLATFORM: Platform = Platform::YouTube;
/// Chunks other than the last are multiples of this, in bytes.
const CHUNK_UNIT: u64 = 256 << 10;
/// Largest image of a thumbnail, in bytes.
const THUMBNAIL_BYTES_MAX: usize = 2_000_000;
/// Longest tags of a video, together.
const TAGS_LENGTH_MAX: usize = 500;
/// Largest JSON body that is read, in bytes.
const JSON_BYTES_MAX: usize = 64 << 10;

type Worldly = State<Arc<World>>;

pub(crate) fn routes() -> Router<Arc<World>> {
    let upload = served(MethodFilter::POST, (PLATFORM, Step::Begin), begin).put(
        async |State(world): Worldly, request: Request| {
            let step = match range(&request) {
                Some(Sent::Probe) => Step::Status,
                Some(Sent::Bytes { end, total, .. }) if end + 1 == total => Step::Commit,
                _ => Step::Bytes,
            };
            under_faults(&world, PLATFORM, step, request, chunk).await
        },
    );
    Router::new()
        .route("/upload/youtube/v3/videos", upload.clone())
        .route("/resumable/upload/youtube/v3/videos", upload)
        .route(
            "/upload/youtube/v3/thumbnails/set",
            post(async |State(world): Worldly, request: Request| thumbnail(world, request).await),
        )
        .merge(lists::routes())
}

/// What a PUT to a session says of itself.
enum Sent {
    Probe,
    Bytes { start: u64, end: u64, total: u64 },
}

fn range(request: &Request) -> Option<Sent> {
    let text = header(request.headers(), "content-range")?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    if range == "*" {
        return Some(Sent::Probe);
    }
    let (start, end) = range.split_once('-')?;
    Some(Sent::Bytes { start: start.parse().ok()?, end: end.parse().ok()?, total: total.parse().ok()? })
}

async fn begin(world: Arc<World>, request: Request) -> Response {
    let channel = match authorized(&world, &request) {
        Ok(channel) => channel,
        Err(refusal) => return *refusal,
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let size: u64 =
        header(request.headers(), "x-upload-content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let body: Value = serde_json::from_slice(&to_bytes(request.into_body(), JSON_BYTES_MAX).await.unwrap_or_default())
        .unwrap_or_default();
    let title = body["snippet"]["title"].as_str().unwrap_or_default();
    let description = body["snippet"]["description"].as_str().unwrap_or_default();
    if !query.contains("uploadType=resumable") || !query.contains("part=") || size == 0 {
        return error(StatusCode::BAD_REQUEST, "required", "Required parameter: part");
    }
    if title.is_empty() || title.chars().count() > 100 || title.contains(['<', '>']) {
        return error(
            StatusCode::BAD_REQUEST,
            "invalidTitle",
            "The request metadata specifies an invalid video title.",
        );
    }
    let tags = body["snippet"]["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    if tags_length(tags) > TAGS_LENGTH_MAX {
        return error(StatusCode::BAD_REQUEST, "invalidTags", "The request metadata specifies invalid video keywords.");
    }
    if description.len() > 5000 || description.contains(['<', '>']) {
        let text = "The request metadata specifies an invalid video description.";
        return error(StatusCode::BAD_REQUEST, "invalidDescription", text);
    }
    let privacy = body["status"]["privacyStatus"].as_str().unwrap_or("public").to_owned();
    let mut state = world.lock();
    let id = format!("session{}", state.next());
    state.privacies.insert(id.clone(), privacy);
    let upload = Upload {
        platform: PLATFORM,
        account: channel.id,
        text: title.to_owned(),
        size,
        received: 0,
        file: world.scratch.path().join(&id),
        ready_at: None,
        sha256: None,
        failed: None,
        published: None,
        segments: BTreeMap::new(),
    };
    state.uploads.insert(id.clone(), upload);
    let location = format!("{}/google/upload/youtube/v3/videos?uploadType=resumable&upload_id={id}", world.base);
    (StatusCode::OK, [("location", location)]).into_response()
}

/// How long tags are together: with a comma between two, and with quotes around one that has a space (Videos resource,
/// `snippet.tags`).
fn tags_length(tags: &[Value]) -> usize {
    let length = |tag: &str| tag.chars().count() + if tag.contains(' ') { 2 } else { 0 };
    let lengths: usize = tags.iter().filter_map(Value::as_str).map(length).sum();
    lengths + tags.len().saturating_sub(1)
}

async fn chunk(world: Arc<World>, request: Request) -> Response {
    if let Err(refusal) = authorized(&world, &request) {
        return *refusal;
    }
    let query = request.uri().query().unwrap_or_default();
    let id = query.split('&').find_map(|pair| pair.strip_prefix("upload_id=")).unwrap_or_default().to_owned();
    let stand = {
        let state = world.lock();
        state
            .uploads
            .get(&id)
            .map(|upload| (upload.received, upload.size, upload.file.clone(), upload.published.clone()))
    };
    let Some((received, size, file, published)) = stand else {
        return error(StatusCode::NOT_FOUND, "notFound", "Not Found");
    };
    if let Some(video) = published {
        return video_resource(&world, &video);
    }
    let sent = range(&request);
    match sent {
        Some(Sent::Probe) => resume(received),
        Some(Sent::Bytes { start, end, total }) => {
            let length = end.saturating_sub(start) + 1;
            let last = end + 1 == total;
            if total != size || start != received || end >= total || (!last && length % CHUNK_UNIT != 0) {
                let text = "Failed to parse Content-Range header.";
                return error(StatusCode::BAD_REQUEST, "badRequest", text);
            }
            let Ok(written) = receive::into_file(&file, start, request.into_body(), length).await else {
                return error(StatusCode::INTERNAL_SERVER_ERROR, "internalError", "Internal error");
            };
            world.take(PLATFORM, written);
            let received = received + if written == length { written } else { written / CHUNK_UNIT * CHUNK_UNIT };
            if let Some(upload) = world.lock().uploads.get_mut(&id) {
                upload.received = received;
            }
            if received < size {
                return resume(received);
            }
            finish(&world, &id, &file).await
        }
        None => error(StatusCode::BAD_REQUEST, "badRequest", "Content-Range is wanted"),
    }
}

async fn finish(world: &World, id: &str, file: &std::path::Path) -> Response {
    let Ok(sha256) = receive::sha256(file).await else {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "internalError", "Internal error");
    };
    // The upload's record outlives its bytes.
    let _ = tokio::fs::remove_file(file).await;
    let video = {
        let mut state = world.lock();
        let video = format!("vid{:08}", state.next());
        if let Some(upload) = state.uploads.get_mut(id) {
            upload.sha256 = Some(sha256);
        }
        video
    };
    world.publish(id, video.clone(), format!("https://www.youtube.com/watch?v={video}"));
    let mut response = video_resource(world, &video);
    *response.status_mut() = StatusCode::CREATED;
    response
}

fn resume(received: u64) -> Response {
    match received {
        0 => StatusCode::PERMANENT_REDIRECT.into_response(),
        _ => (StatusCode::PERMANENT_REDIRECT, [("range", format!("bytes=0-{}", received - 1))]).into_response(),
    }
}

fn video_resource(world: &World, video: &str) -> Response {
    let shown = world.ledger().into_iter().find(|shown| shown.platform == PLATFORM && shown.id == video);
    let Some(Shown { account, text, at, .. }) = shown else { return StatusCode::NOT_FOUND.into_response() };
    let snippet = json!({"publishedAt": lists::time(at), "channelId": account, "title": text});
    Json(json!({"kind": "youtube#video", "id": video, "snippet": snippet, "status": {"uploadStatus": "uploaded"}}))
        .into_response()
}

/// `thumbnails.set` with a simple upload. Every grant of the sandbox has the scope `youtube.upload`, which is enough.
async fn thumbnail(world: Arc<World>, request: Request) -> Response {
    let channel = match authorized(&world, &request) {
        Ok(channel) => channel,
        Err(refusal) => return *refusal,
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let told = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let (video, kind) = (told("videoId"), header(request.headers(), "content-type").unwrap_or_default().to_owned());
    if told("uploadType") != "media" || !["image/jpeg", "image/png", "application/octet-stream"].contains(&&*kind) {
        return error(StatusCode::BAD_REQUEST, "badRequest", "Media type is not supported.");
    }
    let Ok(image) = to_bytes(request.into_body(), THUMBNAIL_BYTES_MAX).await else {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "uploadTooLarge", "The image is larger than 2 MB.");
    };
    if image.is_empty() {
        return error(StatusCode::BAD_REQUEST, "mediaBodyRequired", "The request does not include the image content.");
    }
    if !image.starts_with(&[0xff, 0xd8, 0xff]) && !image.starts_with(b"\x89PNG") {
        return error(StatusCode::BAD_REQUEST, "invalidImage", "The provided image content is invalid.");
    }
    match world.ledger().into_iter().find(|shown| shown.platform == PLATFORM && shown.id == video) {
        None => error(StatusCode::NOT_FOUND, "videoNotFound", "The video cannot be found."),
        Some(shown) if shown.account != channel.id => {
            error(StatusCode::FORBIDDEN, "forbidden", "The thumbnail can't be set for the specified video.")
        }
        Some(_) => {
            let item = json!({"default": {"url": format!("https://i.ytimg.com/vi/{video}/default.jpg")}});
            world.lock().thumbnails.insert(video, image);
            Json(json!({"kind": "youtube#thumbnailSetResponse", "items": [item]})).into_response()
        }
    }
}

fn authorized(world: &World, request: &Request) -> Result<YouTubeChannel, Box<Response>> {
    let token = token_of(request).unwrap_or_default();
    let state = world.lock();
    let channel = state.youtube.iter().find(|channel| channel.access == token).cloned();
    channel.filter(|_| !state.expired.contains(&token)).ok_or_else(|| {
        let text = "Request had invalid authentication credentials.";
        Box::new(error(StatusCode::UNAUTHORIZED, "authError", text))
    })
}

fn error(status: StatusCode, reason: &str, message: &str) -> Response {
    let one = json!({"domain": "youtube.video", "reason": reason, "message": message});
    let body = json!({"error": {"code": status.as_u16(), "message": message, "errors": [one]}});
    (status, Json(body)).into_response()
}
