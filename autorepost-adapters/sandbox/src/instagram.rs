//! Instagram: publishing and reading back, with either login; containers and bytes in `upload`, tokens in `login`.

pub(crate) mod login;
pub(crate) mod upload;

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::Platform;
use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{MethodFilter, get},
};
use serde_json::{Value, json};

use crate::{
    fate::Fate,
    fault::Step,
    server::{header, served, served_at, under_faults},
    world::{InstagramAccount, Upload, World},
};

const PLATFORM: Platform = Platform::Instagram;
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
            served_at(MethodFilter::POST, (PLATFORM, Step::Begin), |world, (_, id): (String, String), request| {
                upload::create(world, id, request)
            })
            .merge(served_at(
                MethodFilter::GET,
                (PLATFORM, Step::List),
                |world, (_, id): (String, String), request| list(world, id, request),
            )),
        )
        .route(
            "/{version}/{id}/media_publish",
            served_at(MethodFilter::POST, (PLATFORM, Step::Commit), |world, (_, id): (String, String), request| {
                publish(world, id, request)
            }),
        )
        .route(
            "/{version}/{id}/content_publishing_limit",
            served_at(MethodFilter::GET, (PLATFORM, Step::List), |world, (_, id): (String, String), request| {
                limit(world, id, request)
            }),
        )
        .route("/refresh_access_token", served(MethodFilter::GET, (PLATFORM, Step::Token), renew))
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
