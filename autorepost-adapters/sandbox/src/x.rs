//! X: posts and timelines; uploads in `media`, tokens in `login`, who asks in `signature`.

pub(crate) mod login;
mod media;
mod signature;

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::{Platform, caption::weighted_length};
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::MethodFilter,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use signature::signed;

use crate::{
    fate::Fate,
    fault::Step,
    server::{served, served_at},
    world::{Upload, World},
};

const PLATFORM: Platform = Platform::X;
/// Longest text in weighted characters.
const TEXT_WEIGHT_MAX: usize = 280;
/// Largest JSON body that is read, in bytes.
const JSON_BYTES_MAX: usize = 64 << 10;

type Worldly = State<Arc<World>>;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .merge(login::routes())
        .merge(media::routes())
        .route("/2/tweets", served(MethodFilter::POST, (PLATFORM, Step::Commit), create_post))
        .route("/2/tweets/{id}", served_at(MethodFilter::GET, (PLATFORM, Step::List), lookup))
        .route("/2/users/me", served(MethodFilter::GET, (PLATFORM, Step::Token), me))
        .route("/2/users/{id}/tweets", served_at(MethodFilter::GET, (PLATFORM, Step::List), timeline))
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
