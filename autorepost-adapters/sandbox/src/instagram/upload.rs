//! Containers, and the bytes of their videos: sent, or fetched by the sandbox.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::MethodFilter,
};
use futures_util::TryStreamExt;
use serde_json::json;

use super::{PLATFORM, authorized, error, holder, parameters};
use crate::{
    fault::Step,
    receive,
    server::{header, served_at},
    world::{Upload, World},
};

/// Longest caption in characters.
const CAPTION_MAX: usize = 2200;
/// Largest video that is fetched or taken, in bytes.
const VIDEO_BYTES_MAX: u64 = 1 << 30;

/// Where bytes are sent.
pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route(
        "/ig-api-upload/{version}/{id}",
        served_at(MethodFilter::POST, (PLATFORM, Step::Bytes), |world, (_, id): (String, String), request| {
            bytes(world, id, request)
        }),
    )
}

pub(super) async fn create(world: Arc<World>, id: String, request: Request) -> Response {
    let form = parameters(request).await;
    let account = match authorized(&world, &form) {
        Ok(account) if account.id == id => account,
        Ok(_) => return error(100, Some(33), "Unsupported post request. Object does not exist."),
        Err(refusal) => return *refusal,
    };
    if !account.may_publish {
        return error(10, None, "(#10) Application does not have permission for this action");
    }
    let told = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let caption = told("caption").to_owned();
    if told("media_type") != "REELS" {
        return error(100, Some(2_207_023), "The media type is unknown.");
    }
    if caption.chars().count() > CAPTION_MAX {
        return error(36_004, Some(2_207_010), "The caption was too long.");
    }
    let resumable = told("upload_type") == "resumable";
    let video_url = told("video_url").to_owned();
    if !resumable && video_url.is_empty() {
        return error(100, None, "(#100) The parameter video_url is required.");
    }
    let (container, file) = {
        let mut state = world.lock();
        let container = (17_889_000_000_000_000 + state.next()).to_string();
        let file = world.scratch.path().join(&container);
        let upload = Upload {
            platform: PLATFORM,
            account: account.id,
            text: caption,
            size: 0,
            received: 0,
            file: file.clone(),
            ready_at: None,
            sha256: None,
            failed: None,
            published: None,
            segments: BTreeMap::new(),
        };
        state.uploads.insert(container.clone(), upload);
        (container, file)
    };
    if resumable {
        let uri = format!("{}/facebook-upload/ig-api-upload/v26.0/{container}", world.base);
        return Json(json!({"id": container, "uri": uri})).into_response();
    }
    tokio::spawn({
        let (world, container) = (Arc::clone(&world), container.clone());
        async move {
            let fetched = fetch(&video_url, &file).await;
            let done = match fetched {
                Some(size) => complete(&world, &container, &file, size).await,
                None => false,
            };
            if !done && let Some(upload) = world.lock().uploads.get_mut(&container) {
                upload.failed = Some("Error: Media upload has failed with error code 2207052".into());
            }
        }
    });
    Json(json!({ "id": container })).into_response()
}

/// Fetches a video as Meta does, from loopback only.
async fn fetch(url: &str, file: &std::path::Path) -> Option<u64> {
    let host = url::Url::parse(url).ok()?;
    let local = matches!(host.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if !local || !url.is_ascii() {
        return None;
    }
    let response = reqwest::get(url).await.ok()?.error_for_status().ok()?;
    let announced = response.content_length();
    let body = Body::from_stream(response.bytes_stream().map_err(std::io::Error::other));
    let written = receive::into_file(file, 0, body, VIDEO_BYTES_MAX).await.ok()?;
    announced.is_none_or(|announced| announced == written).then_some(written)
}

/// The bytes are there: they are hashed, and processing begins.
async fn complete(world: &World, container: &str, file: &std::path::Path, size: u64) -> bool {
    let Ok(sha256) = receive::sha256(file).await else { return false };
    let _ = tokio::fs::remove_file(file).await;
    let ready_at = world.ready_at();
    if let Some(upload) = world.lock().uploads.get_mut(container) {
        (upload.size, upload.received) = (size, size);
        upload.sha256 = Some(sha256);
        upload.ready_at = Some(ready_at);
    }
    true
}

async fn bytes(world: Arc<World>, container: String, request: Request) -> Response {
    let debug = |kind: &str, message: &str| {
        let body = json!({"debug_info": {"retriable": false, "type": kind, "message": message}});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    };
    let token = header(request.headers(), "authorization").and_then(|value| value.strip_prefix("OAuth "));
    if token.is_none_or(|token| holder(&world, token).is_err()) {
        return debug("NotAuthorizedError", "User not authorized to perform this request");
    }
    let (Some(offset), Some(size)) = (number(&request, "offset"), number(&request, "file_size")) else {
        return debug("ProcessingFailedError", "Header Offset not convertable to unsigned long");
    };
    let stand = {
        let state = world.lock();
        state.uploads.get(&container).map(|upload| (upload.received, upload.file.clone()))
    };
    let Some((received, file)) = stand else { return debug("ProcessingFailedError", "Unknown upload") };
    if offset != received || size == 0 || size > VIDEO_BYTES_MAX {
        return debug("ProcessingFailedError", "Request processing failed");
    }
    let Ok(written) = receive::into_file(&file, offset, request.into_body(), size - offset).await else {
        return debug("ProcessingFailedError", "Request processing failed");
    };
    world.take(PLATFORM, written);
    if let Some(upload) = world.lock().uploads.get_mut(&container) {
        upload.received = received + written;
        upload.size = size;
    }
    if received + written < size || !complete(&world, &container, &file, size).await {
        return debug("ProcessingFailedError", "Request processing failed");
    }
    Json(json!({"success": true, "message": "Upload successful."})).into_response()
}

fn number(request: &Request, name: &str) -> Option<u64> {
    header(request.headers(), name).and_then(|text| text.parse().ok())
}
