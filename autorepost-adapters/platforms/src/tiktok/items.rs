//! What TikTok's pages say of posts, read.

use autorepost_core::post::{FoundPost, PostKind, Unusable};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Where the next page begins, in milliseconds, given where this one began and the times on it.
///
/// Times are told in whole seconds, and the border of a page may lie within one: the next page begins with that second once
/// more, unless nothing else is on this page, which would come again for ever. A page without posts is followed by the week
/// before, as in TikTok's own client, until the time when there was no TikTok.
pub(super) fn next_cursor(cursor: i64, times: &[DateTime<Utc>]) -> Option<i64> {
    const BEGINNING: i64 = 1_472_706_000_000;
    const WEEK: i64 = 7 * 24 * 3_600_000;
    match (times.iter().min(), times.iter().max()) {
        (Some(oldest), Some(newest)) if oldest < newest => Some(oldest.timestamp_millis() + 1_000),
        (Some(oldest), _) => Some(oldest.timestamp_millis()),
        (None, _) => Some(cursor - WEEK).filter(|cursor| *cursor >= BEGINNING),
    }
}

/// A text, or a number as a text: TikTok writes both.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// When an item was made. Where it does not say so, its id does: the upper half of it counts seconds since 1970.
pub(super) fn created_at(item: &Value) -> Option<DateTime<Utc>> {
    let told = text(&item["createTime"]).and_then(|secs| secs.parse().ok());
    let secs = told.or_else(|| Some(text(&item["id"])?.parse::<i64>().ok()? >> 32))?;
    DateTime::from_timestamp(secs, 0)
}

/// A post as an item tells it, of an account with this handle; nothing when it has no id.
pub(super) fn found(item: &Value, handle: &str) -> Option<FoundPost> {
    let key = text(&item["id"])?;
    let author = text(&item["author"]["uniqueId"]).unwrap_or_else(|| handle.to_owned());
    let posted_at = created_at(item)?;
    let duration_secs = item["video"]["duration"].as_u64().and_then(|secs| u32::try_from(secs).ok());
    let kind = if item.get("imagePost").is_some() {
        PostKind::Unusable { why: Unusable::Photo }
    } else if item["privateItem"] == true || item["secret"] == true || item["forFriend"] == true {
        PostKind::Unusable { why: Unusable::Private }
    } else if item.get("video").is_none() {
        PostKind::Unusable { why: Unusable::Restricted }
    } else {
        PostKind::Video { duration_secs: duration_secs.filter(|secs| *secs > 0) }
    };
    Some(FoundPost {
        url: format!("https://www.tiktok.com/@{author}/video/{key}"),
        key,
        author,
        caption: item["desc"].as_str().unwrap_or_default().to_owned(),
        posted_at,
        kind,
        pinned: item["isPinnedItem"] == true,
    })
}

/// The best rendition that every destination takes, and its size; never the one with the watermark.
pub(super) fn rendition(video: &Value) -> Option<(String, Option<u64>)> {
    let renditions = video["bitrateInfo"].as_array().map(Vec::as_slice).unwrap_or_default();
    let best = renditions
        .iter()
        .filter(|one| one["CodecType"].as_str().is_none_or(|codec| codec.starts_with("h264")))
        .max_by_key(|one| one["Bitrate"].as_u64());
    let best = best.and_then(|one| {
        let address = one["PlayAddr"]["UrlList"].as_array()?.iter().find_map(Value::as_str)?;
        let size = text(&one["PlayAddr"]["DataSize"]).and_then(|size| size.parse().ok());
        Some((address.to_owned(), size))
    });
    best.or_else(|| Some((text(&video["playAddr"])?, None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_read_as_long_as_it_has_an_id() {
        let item = serde_json::json!({"id": "7574573612738645291", "video": {"duration": 9}});
        let post = found(&item, "alice").expect("it has an id");
        assert_eq!((post.author.as_str(), post.posted_at.timestamp()), ("alice", 7_574_573_612_738_645_291 >> 32));
        assert_eq!(found(&serde_json::json!({"createTime": 1_763_600_000, "video": {}}), "alice"), None);
    }

    #[test]
    fn the_next_page_leaves_out_no_second_and_no_week() {
        let now = 1_763_600_000_000;
        let times = |secs: &[i64]| -> Vec<_> {
            secs.iter().filter_map(|secs| DateTime::from_timestamp_millis(now - secs * 1_000)).collect()
        };
        assert_eq!(next_cursor(now, &times(&[2, 9, 5])), Some(now - 8_000));
        assert_eq!(next_cursor(now, &times(&[9, 9])), Some(now - 9_000), "nothing else is on the page");
        assert_eq!(next_cursor(now, &[]), Some(now - 604_800_000));
        assert_eq!(next_cursor(1_473_000_000_000, &[]), None);
    }
}
