//! Instagram: containers, resumable bytes, publishing and reading back, with either login.

pub(crate) mod login;

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::Platform;
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use crate::{
    fate::Fate,
    fault::Step,
    receive,
    server::{header, under_faults},
    world::{InstagramAccount, Upload, World},
};

const PLATFORM: Platform = Platform::Instagram;
/// Longest caption in characters.
const CAPTION_MAX: usize = 2200;
/// Largest video that is fetched or taken, in bytes.
const VIDEO_BYTES_MAX: u64 = 1 << 30;
/// Largest form that is read, in bytes.
const FORM_BYTES_MAX: usize = 64 << 10;
/// Fields of containers, accounts and media.
const NODE_FIELDS: [&str; 13] = [
    "id",
    "status_code",
    "status",
    "video_status",
    "permalink",
    "caption",
    "timestamp",
    "media_product_type",
    "user_id",
    "username",
    "name",
    "account_type",
    "copyright_check_information",
];
/// The parameter that is a token.
const TOKEN: &str = "access_token";

type Worldly = State<Arc<World>>;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route(
            "/{version}/{id}/media",
            post(async |State(world): Worldly, Path((_, id)): Path<(String, String)>, request: Request| {
                under_faults(&world, PLATFORM, Step::Begin, request, |world, request| create(world, id, request)).await
            })
            .get(
                async |State(world): Worldly, Path((_, id)): Path<(String, String)>, request: Request| {
                    under_faults(&world, PLATFORM, Step::List, request, |world, request| list(world, id, request)).await
                },
            ),
        )
        .route(
            "/{version}/{id}/media_publish",
            post(async |State(world): Worldly, Path((_, id)): Path<(String, String)>, request: Request| {
                under_faults(&world, PLATFORM, Step::Commit, request, |world, request| publish(world, id, request))
                    .await
            }),
        )
        .route(
            "/{version}/{id}/content_publishing_limit",
            get(async |State(world): Worldly, Path((_, id)): Path<(String, String)>, request: Request| {
                under_faults(&world, PLATFORM, Step::List, request, |world, request| limit(world, id, request)).await
            }),
        )
        .route(
            "/refresh_access_token",
            get(async |State(world): Worldly, request: Request| {
                under_faults(&world, PLATFORM, Step::Token, request, renew).await
            }),
        )
        .route("/{version}/{id}", get(read))
        // Meta's own SDK reads nodes so.
        .route("/{version}/{id}/", get(read))
}

async fn read(State(world): Worldly, Path((_, id)): Path<(String, String)>, request: Request) -> Response {
    // What is published is read back; the rest are containers and accounts.
    let published = world.ledger().iter().any(|shown| shown.platform == PLATFORM && shown.id == id);
    let step = if published { Step::List } else { Step::Status };
    under_faults(&world, PLATFORM, step, request, |world, request| node(world, id, request)).await
}

/// Where bytes are sent.
pub(crate) fn upload_routes() -> Router<Arc<World>> {
    Router::new().route(
        "/ig-api-upload/{version}/{id}",
        post(async |State(world): Worldly, Path((_, id)): Path<(String, String)>, request: Request| {
            under_faults(&world, PLATFORM, Step::Bytes, request, |world, request| bytes(world, id, request)).await
        }),
    )
}

async fn create(world: Arc<World>, id: String, request: Request) -> Response {
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

/// The fields that are asked for. One name that is not known fails the whole call.
fn fields<'a>(query: &'a BTreeMap<String, String>, known: &[&str]) -> Result<Vec<&'a str>, Box<Response>> {
    let fields: Vec<&str> = query.get("fields").map(|fields| fields.split(',').collect()).unwrap_or_default();
    match fields.iter().find(|field| !known.contains(field)) {
        Some(field) => Err(Box::new(error(100, None, &format!("(#100) Tried accessing nonexisting field ({field})")))),
        None => Ok(fields),
    }
}

/// Reads a container, an account or a published media.
async fn node(world: Arc<World>, id: String, request: Request) -> Response {
    let query = parameters(request).await;
    let account = match authorized(&world, &query) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let fields = match fields(&query, &NODE_FIELDS) {
        Ok(fields) => fields,
        Err(refusal) => return *refusal,
    };
    if id == "me" || id == account.id {
        let body =
            json!({"id": account.id, "user_id": account.id, "username": account.username, "account_type": "BUSINESS"});
        return Json(body).into_response();
    }
    if let Some((shown, fate)) = world.found(PLATFORM, &account.id, &id) {
        let mut body = json!({"id": id, "permalink": shown.url, "caption": shown.text});
        if fields.contains(&"copyright_check_information") {
            body["copyright_check_information"] = copyright_check(fate);
        }
        return Json(body).into_response();
    }
    let state = world.lock();
    let Some(upload) = state.uploads.get(&id).filter(|upload| upload.account == account.id) else {
        return error(100, Some(33), "Unsupported get request. Object does not exist.");
    };
    let (code, status) = match upload {
        Upload { published: Some(_), .. } => ("PUBLISHED", "Published: Media has been successfully published.".into()),
        Upload { failed: Some(why), .. } => ("ERROR", why.clone()),
        Upload { ready_at: Some(at), .. } if *at <= World::now() => {
            ("FINISHED", "Finished: Media has been uploaded and it is ready to be published.".into())
        }
        _ => ("IN_PROGRESS", "In Progress: Media is still being processed.".into()),
    };
    let uploading =
        json!({"status": "in_progress", "bytes_transferred": upload.received, "source_file_size": upload.size});
    Json(json!({"id": id, "status_code": code, "status": status, "video_status": {"uploading_phase": uploading}}))
        .into_response()
}

/// What the copyright check of a published video tells.
fn copyright_check(fate: Option<Fate>) -> Value {
    let policy = json!({"name": "Policy", "actions": [{"action": "MUTE", "territories": "3", "geos": ["DE"]}]});
    let claim = json!({"author": "Label", "content_title": "Song", "owner_copyright_policy": policy});
    match fate {
        Some(Fate::Claimed) => {
            json!({"status": {"status": "completed", "matches_found": true}, "copyright_matches": [claim]})
        }
        Some(Fate::Processing) => json!({"status": {"status": "in_progress", "matches_found": false}}),
        _ => json!({"status": {"status": "completed", "matches_found": false}}),
    }
}

async fn limit(world: Arc<World>, id: String, request: Request) -> Response {
    match authorized(&world, &parameters(request).await) {
        Ok(account) if account.id == id => {}
        Ok(_) => return error(100, Some(33), "Unsupported get request. Object does not exist."),
        Err(refusal) => return *refusal,
    }
    let (used, total) = world.posts_of_day(&id);
    let config = json!({"quota_total": total, "quota_duration": 86_400});
    Json(json!({"data": [{"quota_usage": used, "config": config}]})).into_response()
}

/// Instagram Login: a token lives sixty days from its last renewal, and stays the same.
async fn renew(world: Arc<World>, request: Request) -> Response {
    let query = parameters(request).await;
    let token = query.get(TOKEN).cloned().unwrap_or_default();
    let state = world.lock();
    let lives = state.instagram.iter().any(|account| account.token == token) && !state.expired.contains(&token);
    match lives && query.get("grant_type").is_some_and(|grant| grant == "ig_refresh_token") {
        true => Json(json!({"access_token": token, "token_type": "bearer", "expires_in": 5_184_000})).into_response(),
        false => error(190, Some(463), "Error validating access token: Session has expired"),
    }
}

async fn publish(world: Arc<World>, id: String, request: Request) -> Response {
    let form = parameters(request).await;
    let account = match authorized(&world, &form) {
        Ok(account) if account.id == id => account,
        Ok(_) => return error(100, Some(33), "Unsupported post request. Object does not exist."),
        Err(refusal) => return *refusal,
    };
    let container = form.get("creation_id").cloned().unwrap_or_default();
    {
        let state = world.lock();
        let upload = state.uploads.get(&container).filter(|upload| upload.account == account.id);
        match upload {
            None => return error(24, Some(2_207_006), "The requested resource does not exist"),
            Some(upload) if upload.published.is_some() => {
                return error(24, Some(2_207_006), "The requested resource does not exist");
            }
            Some(upload) if upload.ready_at.is_none_or(|at| at > World::now()) => {
                return error(9007, Some(2_207_027), "Media ID is not available");
            }
            Some(_) => {}
        }
    }
    let (used, total) = world.posts_of_day(&id);
    if used >= total {
        return error(9, Some(2_207_042), "You have reached the maximum number of posts that can be published.");
    }
    let media = (17_900_000_000_000_000 + world.lock().next()).to_string();
    let url = format!("https://www.instagram.com/reel/C{}/", &media[10..]);
    world.publish(&container, media.clone(), url);
    Json(json!({ "id": media })).into_response()
}

async fn list(world: Arc<World>, id: String, request: Request) -> Response {
    let query = parameters(request).await;
    match authorized(&world, &query) {
        Ok(account) if account.id == id => {}
        Ok(_) => return error(100, Some(33), "Unsupported get request. Object does not exist."),
        Err(refusal) => return *refusal,
    }
    if let Err(refusal) = fields(&query, &NODE_FIELDS) {
        return *refusal;
    }
    let data: Vec<_> = world
        .listed(PLATFORM, &id)
        .into_iter()
        .take(50)
        .map(|shown| {
            json!({"id": shown.id, "caption": shown.text, "media_product_type": "REELS", "permalink": shown.url,
                "timestamp": shown.at.format("%Y-%m-%dT%H:%M:%S+0000").to_string()})
        })
        .collect();
    Json(json!({"data": data, "paging": {}})).into_response()
}

/// What a request says, in its query, its form or its JSON: Meta takes all three (Graph API, overview).
async fn parameters(request: Request) -> BTreeMap<String, String> {
    let (parts, body) = request.into_parts();
    let pairs = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<BTreeMap<_, _>>();
    let mut told = pairs(parts.uri.query().unwrap_or_default().as_bytes());
    let bytes = to_bytes(body, FORM_BYTES_MAX).await.unwrap_or_default();
    match serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes) {
        Ok(fields) => told.extend(fields.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        })),
        Err(_) => told.extend(pairs(&bytes)),
    }
    let bearer = header(&parts.headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    if let Some(token) = bearer {
        told.insert(TOKEN.into(), token.into());
    }
    told
}

/// The account whose token came with a request.
fn authorized(world: &World, told: &BTreeMap<String, String>) -> Result<InstagramAccount, Box<Response>> {
    holder(world, told.get(TOKEN).map(String::as_str).unwrap_or_default())
}

fn holder(world: &World, token: &str) -> Result<InstagramAccount, Box<Response>> {
    let state = world.lock();
    let account = state.instagram.iter().find(|account| account.token == token).cloned();
    account
        .filter(|_| !state.expired.contains(token))
        .ok_or_else(|| Box::new(error(190, Some(463), "Error validating access token: Session has expired")))
}

fn error(code: u32, subcode: Option<u32>, message: &str) -> Response {
    let mut error = json!({"message": message, "type": "OAuthException", "code": code, "is_transient": false, "fbtrace_id": "Asandbox"});
    if let Some(subcode) = subcode {
        error["error_subcode"] = Value::from(subcode);
    }
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
}
