//! TikTok's Display API: whose a token is, and the account's public posts. It is as strict as the documentation: fields are asked
//! for by name, a page has 20 posts at most, and 600 calls a minute are answered.

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::Platform;
use axum::{
    Json, Router,
    body::to_bytes,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::MethodFilter,
};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::login::open_id;
use crate::{
    fault::Step,
    server::{served, token_of},
    world::{TikTokAccount, World},
};

const PLATFORM: Platform = Platform::TikTok;
/// Largest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Calls of one endpoint within a minute at most.
const CALLS_MAX: usize = 600;
const VIDEO_FIELDS: [&str; 15] = [
    "id",
    "create_time",
    "cover_image_url",
    "share_url",
    "video_description",
    "title",
    "duration",
    "height",
    "width",
    "embed_html",
    "embed_link",
    "like_count",
    "comment_count",
    "share_count",
    "view_count",
];
const USER_FIELDS: [&str; 6] =
    ["open_id", "union_id", "avatar_url", "avatar_url_100", "avatar_large_url", "display_name"];
/// These need a scope that no app of the sandbox has.
const PROFILE_FIELDS: [&str; 4] = ["username", "bio_description", "is_verified", "profile_deep_link"];

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v2/user/info/", served(MethodFilter::GET, (PLATFORM, Step::Token), user_info))
        .route("/v2/video/list/", served(MethodFilter::POST, (PLATFORM, Step::List), video_list))
}

fn answer(status: u16, code: &str, message: &str, data: &Value) -> Response {
    let error = json!({"code": code, "message": message, "log_id": "2026sandbox"});
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(json!({"data": data, "error": error}))).into_response()
}

/// What a refusal is answered with.
pub(crate) fn refused(status: u16, code: &str, message: &str) -> Response {
    answer(status, code, message, &json!({}))
}

/// The account of a request's token and the fields that it asks for, or why it gets no answer.
fn asked(
    world: &World,
    endpoint: &'static str,
    request: &Request,
) -> Result<(TikTokAccount, Vec<String>), Box<Response>> {
    let refuse = |status, code, message: &str| Err(Box::new(refused(status, code, message)));
    if !world.called(endpoint, CALLS_MAX, TimeDelta::minutes(1)) {
        return refuse(429, "rate_limit_exceeded", "The API rate limit was exceeded.");
    }
    let token = token_of(request).unwrap_or_default();
    let state = world.lock();
    let grant = state.tiktok_grants.iter().find(|grant| grant.access == token);
    let grant = grant.filter(|_| !state.expired.contains(&token));
    let Some(account) = grant.and_then(|grant| state.tiktok.iter().find(|account| account.id == grant.account)) else {
        return refuse(401, "access_token_invalid", "The access token is invalid or not found in the request.");
    };
    let query = request.uri().query().unwrap_or_default();
    let query: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let fields = query.get("fields").map(String::as_str).unwrap_or_default();
    if fields.is_empty() {
        return refuse(400, "invalid_params", "Fields is required.");
    }
    Ok((account.clone(), fields.split(',').map(str::to_owned).collect()))
}

/// Those fields of a whole that were asked for; nothing when one is not known.
fn chosen(whole: &Value, fields: &[String], known: &[&str]) -> Option<Value> {
    let one = |field: &String| known.contains(&field.as_str()).then(|| (field.clone(), whole[field].clone()));
    fields.iter().map(one).collect::<Option<Map<_, _>>>().map(Value::Object)
}

async fn user_info(world: Arc<World>, request: Request) -> Response {
    let (account, fields) = match asked(&world, "user/info", &request) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    if fields.iter().any(|field| PROFILE_FIELDS.contains(&field.as_str())) {
        return refused(401, "scope_not_authorized", "The user did not authorize the scope required.");
    }
    let user = json!({"open_id": open_id(&account.id), "union_id": format!("union-{}", account.id),
        "avatar_url": "", "avatar_url_100": "", "avatar_large_url": "", "display_name": account.handle});
    match chosen(&user, &fields, &USER_FIELDS) {
        Some(user) => answer(200, "ok", "", &json!({ "user": user })),
        None => refused(400, "invalid_params", "A field is invalid."),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    #[serde(default = "ten")]
    max_count: usize,
    cursor: Option<i64>,
}

fn ten() -> usize {
    10
}

async fn video_list(world: Arc<World>, request: Request) -> Response {
    let (account, fields) = match asked(&world, "video/list", &request) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX).await.unwrap_or_default();
    let Ok(ask) = serde_json::from_slice::<Ask>(&bytes) else {
        return refused(400, "invalid_params", "The body is invalid.");
    };
    if !(1..=20).contains(&ask.max_count) {
        return refused(400, "invalid_params", "Max_count must be from 1 to 20.");
    }
    let mut posts = world.posts_of(&account.id);
    posts.retain(|post| !post.private && !post.deleted && post.clip.is_some());
    posts.sort_by_key(|post| std::cmp::Reverse((post.created_at, post.id.clone())));
    posts.retain(|post| ask.cursor.is_none_or(|cursor| post.created_at.timestamp_millis() < cursor));
    let has_more = posts.len() > ask.max_count;
    posts.truncate(ask.max_count);
    let cursor = posts.last().map_or(0, |post| post.created_at.timestamp_millis());
    let video = |post: &crate::world::TikTokPost| {
        let words: String = post.caption.chars().take(150).collect();
        let seconds = post.clip.as_ref().map(|clip| clip.seconds);
        let whole = json!({"id": post.id, "create_time": post.created_at.timestamp(), "title": words,
            "video_description": words, "duration": seconds, "height": 1024, "width": 576,
            "share_url": format!("https://www.tiktok.com/@{}/video/{}?utm_campaign=sandbox", account.handle, post.id),
            "cover_image_url": format!("https://example.com/{}.jpeg", post.id), "embed_html": "", "embed_link": "",
            "like_count": 0, "comment_count": 0, "share_count": 0, "view_count": 0});
        chosen(&whole, &fields, &VIDEO_FIELDS)
    };
    match posts.iter().map(video).collect::<Option<Vec<Value>>>() {
        Some(videos) => answer(200, "ok", "", &json!({"videos": videos, "cursor": cursor, "has_more": has_more})),
        None => refused(400, "invalid_params", "A field is invalid."),
    }
}
