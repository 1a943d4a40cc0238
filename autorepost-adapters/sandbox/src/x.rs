//! X: chunked media upload, posts and timelines, with OAuth 1.0a user context.

pub(crate) mod login;

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::{Platform, caption::weighted_length};
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{FromRequest, Multipart, OriginalUri, Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use url::Url;

use crate::{
    fate::Fate,
    fault::Step,
    receive,
    server::{header, under_faults},
    world::{State as Platforms, Upload, World, XAccount},
};

const PLATFORM: Platform = Platform::X;
/// Longest text in weighted characters.
const TEXT_WEIGHT_MAX: usize = 280;
/// Longest video in seconds.
const VIDEO_SECONDS_MAX: f64 = 140.0;
/// Largest video in bytes.
const VIDEO_BYTES_MAX: u64 = 512 << 20;
/// How far a request's timestamp may be off, in seconds.
const SKEW_SECS_MAX: i64 = 300;
/// Largest JSON body that is read, in bytes.
const JSON_BYTES_MAX: usize = 64 << 10;
/// Largest segment of an upload, in bytes.
const SEGMENT_BYTES_MAX: usize = 5 << 20;
/// Most segments of an upload.
const SEGMENTS_MAX: u64 = 1000;

type Worldly = State<Arc<World>>;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .merge(login::routes())
        .route(
            "/2/media/upload/initialize",
            post(async |State(world): Worldly, request: Request| {
                under_faults(&world, PLATFORM, Step::Begin, request, initialize).await
            }),
        )
        .route(
            "/2/media/upload/{id}/append",
            post(async |State(world): Worldly, Path(id): Path<String>, request: Request| {
                under_faults(&world, PLATFORM, Step::Bytes, request, |world, request| append(world, id, request)).await
            }),
        )
        .route(
            "/2/media/upload/{id}/finalize",
            post(async |State(world): Worldly, Path(id): Path<String>, request: Request| {
                under_faults(&world, PLATFORM, Step::Status, request, |world, request| finalize(world, id, request))
                    .await
            }),
        )
        .route(
            "/2/media/upload",
            get(async |State(world): Worldly, request: Request| {
                under_faults(&world, PLATFORM, Step::Status, request, status).await
            }),
        )
        .route(
            "/2/tweets",
            post(async |State(world): Worldly, request: Request| {
                under_faults(&world, PLATFORM, Step::Commit, request, create_post).await
            }),
        )
        .route(
            "/2/tweets/{id}",
            get(async |State(world): Worldly, Path(id): Path<String>, request: Request| {
                under_faults(&world, PLATFORM, Step::List, request, |world, request| lookup(world, id, request)).await
            }),
        )
        .route(
            "/2/users/me",
            get(async |State(world): Worldly, request: Request| {
                under_faults(&world, PLATFORM, Step::Token, request, me).await
            }),
        )
        .route(
            "/2/users/{id}/tweets",
            get(async |State(world): Worldly, Path(id): Path<String>, request: Request| {
                under_faults(&world, PLATFORM, Step::List, request, |world, request| timeline(world, id, request)).await
            }),
        )
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

async fn create_post(world: Arc<World>, request: Request) -> Response {
    let account = match signed(&world, &request) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let body = json_body(request.into_body()).await;
    let text = body["text"].as_str().unwrap_or_default().to_owned();
    let known = ["text", "media", "reply_settings", "made_with_ai", "paid_partnership"];
    if body.as_object().is_none_or(|object| object.keys().any(|key| !known.contains(&key.as_str()))) {
        return problem(
            StatusCode::BAD_REQUEST,
            "Invalid Request",
            "One or more parameters to your request was invalid.",
        );
    }
    if weighted_length(&text) > TEXT_WEIGHT_MAX {
        return problem(StatusCode::BAD_REQUEST, "Invalid Request", "Your post text is too long.");
    }
    let media = body["media"]["media_ids"][0].as_str().unwrap_or_default().to_owned();
    {
        let mut state = world.lock();
        let twin = |shown: &&crate::Shown| {
            shown.platform == PLATFORM && shown.account == account.id && strip_link(&shown.text) == text
        };
        if state.ledger.iter().any(|shown| twin(&shown)) {
            let detail = "You are not allowed to create a Tweet with duplicate content.";
            return problem(StatusCode::FORBIDDEN, "Forbidden", detail);
        }
        let ready = |upload: &&mut Upload| {
            upload.account == account.id
                && upload.failed.is_none()
                && upload.ready_at.is_some_and(|at| at <= World::now())
        };
        match state.uploads.get_mut(&media).filter(ready) {
            Some(upload) => upload.text = format!("{text} https://t.co/sandbox{}", &media[media.len() - 4..]),
            None => return problem(StatusCode::BAD_REQUEST, "Invalid Request", "Your media IDs are invalid."),
        }
    }
    let id = (1_990_000_000_000_000_000 + world.lock().next()).to_string();
    let url = format!("https://x.com/{}/status/{id}", account.username);
    let shown = world.publish(&media, id.clone(), url);
    let text = shown.map(|shown| shown.text).unwrap_or_default();
    let data = json!({"id": id, "text": text, "edit_history_tweet_ids": [id]});
    (StatusCode::CREATED, limits(), Json(json!({ "data": data }))).into_response()
}

fn strip_link(text: &str) -> &str {
    text.rsplit_once(" https://t.co/").map_or(text, |(text, _)| text)
}

async fn me(world: Arc<World>, request: Request) -> Response {
    match signed(&world, &request) {
        Ok(account) => {
            let data = json!({"id": account.id, "name": account.username, "username": account.username});
            (limits(), Json(json!({ "data": data }))).into_response()
        }
        Err(refusal) => *refusal,
    }
}

/// One post. What is not there is an answer of 200 with the problem among its errors.
async fn lookup(world: Arc<World>, id: String, request: Request) -> Response {
    let account = match signed(&world, &request) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let missing = |kind: &str, title: &str, detail: String| {
        let kind = format!("https://api.x.com/2/problems/{kind}");
        let one = json!({"resource_type": "tweet", "resource_id": id, "title": title, "detail": detail, "type": kind});
        (limits(), Json(json!({ "errors": [one] }))).into_response()
    };
    match world.found(PLATFORM, &account.id, &id) {
        None | Some((_, Some(Fate::Failed))) => {
            missing("resource-not-found", "Not Found Error", format!("Could not find tweet with id: [{id}]."))
        }
        Some((_, Some(Fate::Private))) => {
            let detail = format!("Sorry, you are not authorized to see the Tweet with id: [{id}].");
            missing("not-authorized-for-resource", "Authorization Error", detail)
        }
        Some((shown, fate)) => {
            let mut data = json!({"id": id, "text": shown.text});
            if fate == Some(Fate::Claimed) {
                data["withheld"] = json!({"copyright": true, "country_codes": ["DE"], "scope": "post"});
            }
            (limits(), Json(json!({ "data": data }))).into_response()
        }
    }
}

async fn timeline(world: Arc<World>, id: String, request: Request) -> Response {
    let account = match signed(&world, &request) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    if account.id != id {
        return problem(StatusCode::FORBIDDEN, "Forbidden", "You are not permitted to perform this action.");
    }
    let query: BTreeMap<_, _> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    let since = query.get("start_time").and_then(|text| text.parse::<DateTime<Utc>>().ok());
    let max: usize = query.get("max_results").and_then(|text| text.parse().ok()).unwrap_or(10);
    if !(5..=100).contains(&max) {
        return problem(StatusCode::BAD_REQUEST, "Invalid Request", "max_results must be 5 to 100");
    }
    let skip: usize = query.get("pagination_token").and_then(|text| text.parse().ok()).unwrap_or(0);
    let all: Vec<_> =
        world.listed(PLATFORM, &id).into_iter().filter(|shown| since.is_none_or(|since| shown.at >= since)).collect();
    let page: Vec<_> = all.iter().skip(skip).take(max).collect();
    if page.is_empty() {
        return (limits(), Json(json!({"meta": {"result_count": 0}}))).into_response();
    }
    let data: Vec<_> = page
        .iter()
        .map(|shown| {
            let keys = [format!("7_{}", shown.upload)];
            json!({"id": shown.id, "text": shown.text, "created_at": shown.at.to_rfc3339(), "attachments": {"media_keys": keys}})
        })
        .collect();
    let mut meta = json!({"result_count": page.len()});
    if skip + max < all.len() {
        meta["next_token"] = json!((skip + max).to_string());
    }
    (limits(), Json(json!({"data": data, "meta": meta}))).into_response()
}

fn limits() -> [(&'static str, String); 3] {
    let reset = (World::now() + TimeDelta::minutes(15)).timestamp().to_string();
    [("x-rate-limit-limit", "100".into()), ("x-rate-limit-remaining", "99".into()), ("x-rate-limit-reset", reset)]
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = json!({"title": title, "detail": detail, "type": "about:blank", "status": status.as_u16()});
    (status, limits(), Json(body)).into_response()
}

async fn json_body(body: Body) -> Value {
    let bytes = to_bytes(body, JSON_BYTES_MAX).await.unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// The account in whose name a request is made: by its signature, or by a bearer token of OAuth 2.0.
fn signed(world: &World, request: &Request) -> Result<XAccount, Box<Response>> {
    let refused = || Box::new(problem(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized"));
    let authorization = header(request.headers(), "authorization").unwrap_or_default();
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        let state = world.lock();
        let grant = state.x_grants.iter().find(|grant| grant.access == token && !state.expired.contains(token));
        let account = grant.and_then(|grant| state.x.iter().find(|account| account.id == grant.account));
        return account.cloned().ok_or_else(refused);
    }
    let head = Head::of(request);
    let found = verified(world, &head, &[], |state, key, token| {
        let account = state.x.iter().find(|account| account.consumer_key == key && account.token == token)?;
        let lives = !state.expired.contains(&account.token);
        let secrets = (account.consumer_secret.clone(), account.token_secret.clone());
        lives.then(|| (account.clone(), secrets))
    });
    found.ok_or_else(refused)
}

/// What of a request is signed, apart from a form.
struct Head {
    method: String,
    path: String,
    authorization: String,
}

impl Head {
    fn of(request: &Request) -> Self {
        let called =
            request.extensions().get::<OriginalUri>().map_or_else(|| request.uri().clone(), |uri| uri.0.clone());
        Self {
            method: request.method().to_string(),
            path: called.to_string(),
            authorization: header(request.headers(), "authorization").unwrap_or_default().to_owned(),
        }
    }

    /// The parameters of the header (RFC 5849, 3.5.1).
    fn oauth(&self) -> Option<BTreeMap<String, String>> {
        let pairs = self.authorization.strip_prefix("OAuth ")?;
        let decode = |text: &str| percent_decode(text.trim().trim_matches('"'));
        Some(pairs.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decode(k), decode(v))).collect())
    }
}

/// Checks a signature (RFC 5849, HMAC-SHA1) against the address that was really called. `find` knows whose key and token
/// they are, and the two secrets.
fn verified<T>(
    world: &World,
    head: &Head,
    form: &[(String, String)],
    find: impl FnOnce(&Platforms, &str, &str) -> Option<(T, (String, String))>,
) -> Option<T> {
    let mut oauth = head.oauth()?;
    let signature = oauth.remove("oauth_signature")?;
    oauth.remove("realm");
    let told = |name: &str| oauth.get(name).cloned().unwrap_or_default();

    let url = Url::parse(&format!("{}{}", world.base, head.path)).ok()?;
    let mut parameters: Vec<(String, String)> = oauth.clone().into_iter().collect();
    parameters.extend(url.query_pairs().into_owned());
    parameters.extend(form.iter().cloned());
    let mut parameters: Vec<_> = parameters.iter().map(|(k, v)| (encode(k), encode(v))).collect();
    parameters.sort();
    parameters.dedup();
    let joined: Vec<_> = parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mut bare = url.clone();
    bare.set_query(None);
    let base = format!("{}&{}&{}", head.method, encode(bare.as_str()), encode(&joined.join("&")));

    let mut state = world.lock();
    let (found, (consumer_secret, token_secret)) = find(&state, &told("oauth_consumer_key"), &told("oauth_token"))?;
    let secret = format!("{}&{}", encode(&consumer_secret), encode(&token_secret));
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(base.as_bytes());
    mac.verify_slice(&STANDARD.decode(signature).ok()?).ok()?;
    let at: i64 = told("oauth_timestamp").parse().ok()?;
    let fresh = (World::now().timestamp() - at).abs() <= SKEW_SECS_MAX && state.nonces.insert(told("oauth_nonce"));
    fresh.then_some(found)
}

/// Percent-encoding of RFC 3986: everything but letters, digits and `-._~`.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

fn percent_decode(text: &str) -> String {
    let plain = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("k={plain}").as_bytes()).next().map(|(_, v)| v.into_owned()).unwrap_or_default()
}
