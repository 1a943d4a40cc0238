//! Media in segments: initialize, append, finalize, and how they stand.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{FromRequest, Multipart, Request},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::MethodFilter,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{PLATFORM, json_body, problem, signature::signed};
use crate::{
    fault::Step,
    receive,
    server::{header, served, served_at},
    world::{Upload, World},
};

/// Longest video in seconds.
const VIDEO_SECONDS_MAX: f64 = 140.0;
/// Largest video in bytes.
const VIDEO_BYTES_MAX: u64 = 512 << 20;
/// Largest segment of an upload, in bytes.
const SEGMENT_BYTES_MAX: usize = 5 << 20;
/// Most segments of an upload.
const SEGMENTS_MAX: u64 = 1000;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/2/media/upload/initialize", served(MethodFilter::POST, (PLATFORM, Step::Begin), initialize))
        .route("/2/media/upload/{id}/append", served_at(MethodFilter::POST, (PLATFORM, Step::Bytes), append))
        .route("/2/media/upload/{id}/finalize", served_at(MethodFilter::POST, (PLATFORM, Step::Status), finalize))
        .route("/2/media/upload", served(MethodFilter::GET, (PLATFORM, Step::Status), status))
}

async fn initialize(world: Arc<World>, request: Request) -> Response {
    let account = match signed(&world, &request) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let body = json_body(request.into_body()).await;
    let fields = body.as_object().map(|object| object.keys().map(String::as_str).collect::<Vec<_>>());
    let known = ["media_type", "total_bytes", "media_category", "shared", "additional_owners"];
    let size = body["total_bytes"].as_u64().unwrap_or(0);
    let unknown = fields.is_none_or(|fields| fields.iter().any(|field| !known.contains(field)));
    if unknown || size == 0 || size > VIDEO_BYTES_MAX || body["media_category"] != "tweet_video" {
        return problem(
            StatusCode::BAD_REQUEST,
            "Invalid Request",
            "One or more parameters to your request was invalid.",
        );
    }
    let mut state = world.lock();
    let id = (1_880_000_000_000_000_000 + state.next()).to_string();
    let upload = Upload {
        platform: PLATFORM,
        account: account.id,
        text: String::new(),
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
    let data = json!({"id": id, "media_key": format!("7_{id}"), "expires_after_secs": 86_400});
    Json(json!({ "data": data })).into_response()
}

async fn append(world: Arc<World>, id: String, request: Request) -> Response {
    let account = match signed(&world, &request) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let bad = |detail: &str| problem(StatusCode::BAD_REQUEST, "Invalid Request", detail);
    let segment =
        match header(request.headers(), "content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            true => json_segment(request.into_body()).await,
            false => form_segment(request).await,
        };
    let (index, bytes) = match segment {
        Ok((index, bytes)) if index < SEGMENTS_MAX => (index, bytes),
        Ok(_) => return bad("segment_index must be 0 to 999"),
        Err(detail) => return bad(detail),
    };
    if bytes.len() > SEGMENT_BYTES_MAX {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large", "the segment is too large");
    }
    let folder = {
        let state = world.lock();
        match state.uploads.get(&id) {
            Some(upload) if upload.account == account.id && upload.ready_at.is_none() => upload.file.clone(),
            _ => return bad("Your media IDs are invalid."),
        }
    };
    let file = folder.with_extension(format!("{index:03}"));
    world.take(PLATFORM, bytes.len() as u64);
    if receive::segment(&file, &bytes).await.is_err() {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "Internal Error", "the segment was not kept");
    }
    if let Some(upload) = world.lock().uploads.get_mut(&id) {
        upload.segments.insert(index, bytes.len() as u64);
    }
    Json(json!({"data": {"expires_at": World::now().timestamp() + 86_400}})).into_response()
}

/// A segment of a multipart form.
async fn form_segment(request: Request) -> Result<(u64, Bytes), &'static str> {
    let wrong = "segment_index and media are wanted";
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| "multipart/form-data is wanted")?;
    let (mut index, mut bytes) = (None, None);
    while let Ok(Some(field)) = form.next_field().await {
        match field.name() {
            Some("segment_index") => index = field.text().await.ok().and_then(|text| text.parse().ok()),
            Some("media") => bytes = field.bytes().await.ok(),
            _ => return Err("an unknown field"),
        }
    }
    Ok((index.ok_or(wrong)?, bytes.ok_or(wrong)?))
}

/// A segment in base64, within JSON: X's own SDK sends it so.
async fn json_segment(body: Body) -> Result<(u64, Bytes), &'static str> {
    let bytes = to_bytes(body, 2 * SEGMENT_BYTES_MAX).await.map_err(|_| "the segment is too large")?;
    let body: Value = serde_json::from_slice(&bytes).map_err(|_| "the body is not JSON")?;
    let fields = body.as_object().ok_or("an object is wanted")?;
    if fields.keys().any(|field| !["segment_index", "media"].contains(&field.as_str())) {
        return Err("an unknown field");
    }
    // X's document takes the index as a number or as text.
    let index = body["segment_index"].as_u64().or_else(|| body["segment_index"].as_str()?.parse().ok());
    let media = body["media"].as_str().and_then(|media| STANDARD.decode(media).ok());
    Ok((index.ok_or("segment_index is wanted")?, media.ok_or("media in base64 is wanted")?.into()))
}

async fn finalize(world: Arc<World>, id: String, request: Request) -> Response {
    if let Err(refusal) = signed(&world, &request) {
        return *refusal;
    }
    let bad = |detail: &str| problem(StatusCode::BAD_REQUEST, "Invalid Request", detail);
    let (file, segments, size, done) = {
        let state = world.lock();
        let Some(upload) = state.uploads.get(&id) else { return bad("Your media IDs are invalid.") };
        (upload.file.clone(), upload.segments.clone(), upload.size, upload.ready_at.is_some())
    };
    if !done {
        let in_order = segments.keys().copied().eq(0..segments.len() as u64);
        if !in_order || segments.values().sum::<u64>() != size {
            return bad("Segments do not add up to provided total file size.");
        }
        let Ok((sha256, seconds)) = join(&file, segments.len()).await else {
            return problem(StatusCode::INTERNAL_SERVER_ERROR, "Internal Error", "the segments were lost");
        };
        let mut state = world.lock();
        if let Some(upload) = state.uploads.get_mut(&id) {
            upload.received = size;
            upload.sha256 = Some(sha256);
            upload.ready_at = Some(world.ready_at());
            upload.failed = seconds
                .filter(|seconds| *seconds > VIDEO_SECONDS_MAX)
                .map(|seconds| format!("Duration {seconds:.0} seconds exceeds max duration of 2.minutes+20.seconds"));
        }
    }
    let mut data = media_data(&world, &id);
    data["processing_info"] = json!({"state": "pending", "check_after_secs": 1});
    Json(json!({ "data": data })).into_response()
}

/// Joins the segments of an upload, and answers with the hash and the duration of the whole.
async fn join(file: &std::path::Path, segments: usize) -> std::io::Result<(String, Option<f64>)> {
    for index in 0..segments {
        let part = file.with_extension(format!("{index:03}"));
        receive::append(file, &part).await?;
        tokio::fs::remove_file(&part).await?;
    }
    let told = (receive::sha256(file).await?, receive::mp4_seconds(file).await?);
    tokio::fs::remove_file(file).await?;
    Ok(told)
}

async fn status(world: Arc<World>, request: Request) -> Response {
    if let Err(refusal) = signed(&world, &request) {
        return *refusal;
    }
    let query: BTreeMap<_, _> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    let Some(id) = query.get("media_id") else {
        return problem(StatusCode::BAD_REQUEST, "Invalid Request", "media_id is wanted");
    };
    if !world.lock().uploads.contains_key(id) {
        return problem(StatusCode::NOT_FOUND, "Not Found Error", "Could not find the media.");
    }
    Json(json!({ "data": media_data(&world, id) })).into_response()
}

fn media_data(world: &World, id: &str) -> Value {
    let state = world.lock();
    let Some(upload) = state.uploads.get(id) else { return Value::Null };
    let mut data = json!({"id": id, "media_key": format!("7_{id}"), "size": upload.size, "expires_after_secs": 86_400});
    data["processing_info"] = match (upload.ready_at, &upload.failed) {
        (Some(at), _) if at > World::now() => {
            json!({"state": "in_progress", "progress_percent": 50, "check_after_secs": 1})
        }
        (Some(_), Some(why)) => {
            json!({"state": "failed", "error": {"code": 3, "name": "UnsupportedMedia", "message": why}})
        }
        (Some(_), None) => json!({"state": "succeeded", "progress_percent": 100}),
        (None, _) => Value::Null,
    };
    data
}
