//! What YouTube tells of channels and videos: lists, of which only the parts that were asked for are told.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::MethodFilter,
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{PLATFORM, authorized, error};
use crate::{
    fate::Fate,
    fault::Step,
    server::served,
    world::{Shown, World, YouTubeChannel},
};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/youtube/v3/channels", served(MethodFilter::GET, (PLATFORM, Step::Token), channels))
        .route("/youtube/v3/videos", served(MethodFilter::GET, (PLATFORM, Step::List), videos))
        .route("/youtube/v3/playlistItems", served(MethodFilter::GET, (PLATFORM, Step::List), playlist_items))
}

/// Who reads, and with which parameters. Which parts are wanted must be said.
fn asked(world: &World, request: &Request) -> Result<(YouTubeChannel, BTreeMap<String, String>), Box<Response>> {
    let channel = authorized(world, request)?;
    let query = request.uri().query().unwrap_or_default();
    let query: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    match query.get("part").is_some_and(|part| !part.is_empty()) {
        true => Ok((channel, query)),
        false => Err(Box::new(error(StatusCode::BAD_REQUEST, "missingRequiredParameter", "No filter selected: part"))),
    }
}

/// A list of which only the parts that were asked for are told.
fn told(kind: &str, part: &str, items: Vec<Value>, total: usize, next: Option<String>) -> Response {
    let kept = |item: Value| match item {
        Value::Object(fields) => {
            let wanted =
                |name: &str| ["kind", "id", "etag"].contains(&name) || part.split(',').any(|part| part == name);
            fields.into_iter().filter(|(name, _)| wanted(name)).collect()
        }
        other => other,
    };
    let items: Vec<Value> = items.into_iter().map(kept).collect();
    let page = json!({"totalResults": total, "resultsPerPage": items.len()});
    let mut body = json!({"kind": format!("youtube#{kind}"), "etag": "sandbox", "pageInfo": page, "items": items});
    if let Some(next) = next {
        body["nextPageToken"] = next.into();
    }
    Json(body).into_response()
}

/// The resources of published videos, as `videos.list` tells them to their owner.
async fn videos(world: Arc<World>, request: Request) -> Response {
    let (channel, query) = match asked(&world, &request) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    let ids = query.get("id").map(String::as_str).unwrap_or_default();
    let found = ids.split(',').filter_map(|id| world.found(PLATFORM, &channel.id, id));
    let items: Vec<Value> = found.map(|(shown, fate)| resource(&world, &shown, fate)).collect();
    let total = items.len();
    told("videoListResponse", &query["part"], items, total, None)
}

fn resource(world: &World, shown: &Shown, fate: Option<Fate>) -> Value {
    let privacy = world.lock().privacies.get(&shown.upload).cloned().unwrap_or_else(|| "public".into());
    let mut status = json!({"uploadStatus": "processed", "privacyStatus": privacy});
    let mut details = json!({"contentRating": {}});
    let mut processing = json!({"processingStatus": "succeeded"});
    match fate {
        Some(Fate::Processing) => {
            status["uploadStatus"] = "uploaded".into();
            processing["processingStatus"] = "processing".into();
        }
        Some(Fate::Failed) => {
            status["uploadStatus"] = "failed".into();
            status["failureReason"] = "codec".into();
        }
        Some(Fate::Private) => status["privacyStatus"] = "private".into(),
        Some(Fate::Claimed) => details["regionRestriction"] = json!({"blocked": ["DE", "FR"]}),
        Some(Fate::Adults) => details["contentRating"]["ytRating"] = "ytAgeRestricted".into(),
        Some(Fate::Removed) | None => {}
    }
    let snippet = json!({"publishedAt": time(shown.at), "channelId": shown.account, "title": shown.text});
    json!({"kind": "youtube#video", "id": shown.id, "snippet": snippet, "status": status, "contentDetails": details,
        "processingDetails": processing})
}

/// A time as Google writes it.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn channels(world: Arc<World>, request: Request) -> Response {
    let (channel, query) = match asked(&world, &request) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    if query.get("mine").is_none_or(|mine| mine != "true") {
        return error(StatusCode::BAD_REQUEST, "missingRequiredParameter", "No filter selected.");
    }
    let item = json!({"kind": "youtube#channel", "id": channel.id,
        "snippet": {"title": channel.title, "customUrl": format!("@{}", channel.title)},
        "contentDetails": {"relatedPlaylists": {"uploads": uploads(&channel)}}});
    told("channelListResponse", &query["part"], vec![item], 1, None)
}

/// The list of everything that a channel uploaded.
fn uploads(channel: &YouTubeChannel) -> String {
    channel.id.replacen("UC", "UU", 1)
}

async fn playlist_items(world: Arc<World>, request: Request) -> Response {
    let (channel, query) = match asked(&world, &request) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    if query.get("playlistId") != Some(&uploads(&channel)) {
        return error(StatusCode::NOT_FOUND, "playlistNotFound", "The playlist cannot be found.");
    }
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let (skip, max) = (number("pageToken").unwrap_or(0), number("maxResults").unwrap_or(5).min(50));
    let all = world.listed(PLATFORM, &channel.id);
    let items: Vec<_> = all
        .iter()
        .skip(skip)
        .take(max)
        .map(|shown| {
            json!({"kind": "youtube#playlistItem", "id": format!("item-{}", shown.id),
                "snippet": {"title": shown.text, "publishedAt": time(shown.at)},
                "contentDetails": {"videoId": shown.id, "videoPublishedAt": time(shown.at)}})
        })
        .collect();
    let next = (skip + max < all.len()).then(|| (skip + max).to_string());
    told("playlistItemListResponse", &query["part"], items, all.len(), next)
}
