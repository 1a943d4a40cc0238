//! TikTok's web pages: profile, list, post page and media, behind the owner's session.

pub(crate) mod display;
pub(crate) mod login;
mod session;

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::Platform;
use axum::{
    Json, Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::MethodFilter,
};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

pub use session::PASSWORD;

use crate::{
    fault::{Refusal, Step},
    server::{header, served, served_at},
    world::{TikTokAccount, TikTokPost, World},
};

const PLATFORM: Platform = Platform::TikTok;
/// The cookie without which the media host refuses, and its value.
const CHAIN_TOKEN: &str = "sandbox-chain-token";

/// Bytes of a video that are read at once.
const READ_BYTES: usize = 256 << 10;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .merge(session::routes())
        .route("/{profile}", served_at(MethodFilter::GET, (PLATFORM, Step::Page), profile))
        .route("/api/creator/item_list/", served(MethodFilter::GET, (PLATFORM, Step::Page), list))
        .route(
            "/{profile}/video/{id}",
            served_at(MethodFilter::GET, (PLATFORM, Step::Page), |world, (_, id): (String, String), request| {
                post(world, id, request)
            }),
        )
        .route("/cdn/{id}", served_at(MethodFilter::GET, (PLATFORM, Step::Media), media))
}

async fn profile(world: Arc<World>, name: String, request: Request) -> Response {
    let Some(account) = logged_in(&world, &request) else {
        return Redirect::temporary("/tiktok/login").into_response();
    };
    let wanted = name.trim_start_matches('@');
    let detail = match wanted == account.handle {
        true => {
            let user = json!({"id": account.id, "uniqueId": account.handle, "nickname": account.handle,
                "secUid": account.sec_uid, "privateAccount": false, "secret": false});
            let count = world.posts_of(&account.id).len();
            json!({"statusCode": 0, "statusMsg": "", "userInfo": {"user": user, "stats": {"videoCount": count}, "itemList": []}})
        }
        false => json!({"statusCode": 10202, "statusMsg": ""}),
    };
    page(&world, &account, json!({ "webapp.user-detail": detail }))
}

async fn list(world: Arc<World>, request: Request) -> Response {
    let Some(account) = logged_in(&world, &request) else { return StatusCode::OK.into_response() };
    let query: BTreeMap<_, _> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    if query.get("secUid") != Some(&account.sec_uid) {
        return Json(json!({"statusCode": 10201, "statusMsg": ""})).into_response();
    }
    let good_device = query.get("device_id").is_some_and(|id| id.len() == 19 && id.bytes().all(|b| b.is_ascii_digit()));
    let count: usize = query.get("count").and_then(|text| text.parse().ok()).unwrap_or(15);
    let mut posts = world.posts_of(&account.id);
    posts.sort_by_key(|post| std::cmp::Reverse((post.created_at.timestamp(), post.id.clone())));
    // A device id that TikTok does not like gets the first page for ever.
    let cursor: i64 =
        query.get("cursor").and_then(|text| text.parse().ok()).filter(|_| good_device).unwrap_or(i64::MAX);
    // Times have whole seconds there, also in comparisons.
    let older = |post: &&TikTokPost| post.created_at.timestamp() * 1_000 < cursor;
    let rest: Vec<_> = posts.iter().filter(older).collect();
    let mut items: Vec<Value> = rest.iter().take(count).map(|post| item(&world, &account, post)).collect();
    if cursor == i64::MAX || cursor > World::now().timestamp_millis() - 60_000 {
        // Pinned posts stand at the top of the first page, out of order.
        items.sort_by_key(|item| item["isPinnedItem"] != true);
    }
    let more = rest.len() > items.len();
    Json(json!({"statusCode": 0, "itemList": items, "hasMorePrevious": more})).into_response()
}

async fn post(world: Arc<World>, id: String, request: Request) -> Response {
    let Some(account) = logged_in(&world, &request) else {
        return Redirect::temporary("/tiktok/login").into_response();
    };
    let found = world.posts_of(&account.id).into_iter().find(|post| post.id == id);
    let detail = match found {
        None => json!({"statusCode": 10204, "statusMsg": ""}),
        Some(post) if post.deleted => json!({"statusCode": 10204, "statusMsg": "status_deleted"}),
        Some(post) if post.private => json!({"statusCode": 10216, "statusMsg": "private"}),
        Some(post) => json!({"statusCode": 0, "itemInfo": {"itemStruct": item(&world, &account, &post)}}),
    };
    let mut response = page(&world, &account, json!({ "webapp.video-detail": detail }));
    let cookie = format!("tt_chain_token={CHAIN_TOKEN}; Path=/; Domain=.tiktok.com; Secure; HttpOnly");
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().append("set-cookie", cookie);
    }
    response
}

async fn media(world: Arc<World>, id: String, request: Request) -> Response {
    let cookies = header(request.headers(), "cookie").unwrap_or_default();
    let query = request.uri().query().unwrap_or_default();
    let expires = query.split('&').find_map(|pair| pair.strip_prefix("expire=")).and_then(|text| text.parse().ok());
    let allowed = cookies.contains(&format!("tt_chain_token={CHAIN_TOKEN}"))
        && header(request.headers(), "referer").is_some()
        && expires.is_some_and(|at: i64| at > World::now().timestamp());
    if !allowed {
        return (StatusCode::FORBIDDEN, "Access Denied").into_response();
    }
    let id = id.trim_end_matches(".mp4");
    let clip = world.posts().into_iter().find(|post| post.id == id).and_then(|post| post.clip);
    let Some(clip) = clip else { return StatusCode::NOT_FOUND.into_response() };
    let opened = tokio::fs::File::open(&clip.path).await;
    let Ok(file) = opened else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(size) = file.metadata().await.map(|metadata| metadata.len()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [("content-type", "video/mp4".to_owned()), ("content-length", size.to_string())];
    (headers, Body::from_stream(ReaderStream::with_capacity(file, READ_BYTES))).into_response()
}

fn item(world: &World, account: &TikTokAccount, post: &TikTokPost) -> Value {
    let mut item = json!({
        "id": post.id, "desc": post.caption, "createTime": post.created_at.timestamp().to_string(),
        "isPinnedItem": post.pinned, "privateItem": post.private, "secret": false,
        "author": {"id": account.id, "uniqueId": account.handle, "secUid": account.sec_uid},
        "video": {"id": post.id, "duration": 0, "playAddr": ""},
    });
    match &post.clip {
        Some(clip) => {
            let expires = World::now().timestamp() + 3600;
            let address = format!("{}/tiktok/cdn/{}.mp4?expire={expires}&tk=tt_chain_token", world.base, post.id);
            let size = std::fs::metadata(&clip.path).map(|metadata| metadata.len()).unwrap_or_default();
            let rendition = json!({"Bitrate": 1_000_000, "CodecType": "h264",
                "PlayAddr": {"UrlList": [address], "DataSize": size.to_string()}});
            item["video"] = json!({"id": post.id, "duration": clip.seconds, "codecType": "h264", "playAddr": address,
                "bitrateInfo": [rendition]});
        }
        None => {
            item["imagePost"] =
                json!({"images": [{"imageURL": {"urlList": ["https://example.com/photo.jpeg"]}}], "title": ""})
        }
    }
    item
}

/// A refusal in the form of the page that was asked for: of the open API where the code is no number.
pub(crate) fn refused(world: &World, request: &Request, refusal: &Refusal) -> Response {
    let Refusal { status, code, message } = refusal;
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
    let Ok(number) = code.parse::<i64>() else {
        return display::refused(status.as_u16(), code, message);
    };
    let detail = json!({"statusCode": number, "statusMsg": message});
    match logged_in(world, request).filter(|_| !request.uri().path().starts_with("/api/")) {
        Some(account) => page(world, &account, json!({ "webapp.video-detail": detail, "webapp.user-detail": detail })),
        None => (status, Json(detail)).into_response(),
    }
}

fn logged_in(world: &World, request: &Request) -> Option<TikTokAccount> {
    let cookies = header(request.headers(), "cookie").unwrap_or_default();
    let session = cookies.split(';').find_map(|pair| pair.trim().strip_prefix("sessionid="))?;
    let state = world.lock();
    let account = state.tiktok.iter().find(|account| account.session == session).cloned();
    account.filter(|_| !state.expired.contains(session))
}

fn page(world: &World, account: &TikTokAccount, mut scope: Value) -> Response {
    if world.lock().changed.contains(&account.id) {
        return Html("<!DOCTYPE html><html><body><div id=\"app\"></div></body></html>").into_response();
    }
    let user = json!({"uid": account.id, "uniqueId": account.handle, "secUid": account.sec_uid});
    scope["webapp.app-context"] = json!({ "user": user });
    let data = json!({ "__DEFAULT_SCOPE__": scope }).to_string().replace('<', "\\u003c");
    let html = format!(
        "<!DOCTYPE html><html><body><script id=\"__UNIVERSAL_DATA_FOR_REHYDRATION__\" type=\"application/json\">{data}</script></body></html>"
    );
    Html(html).into_response()
}
