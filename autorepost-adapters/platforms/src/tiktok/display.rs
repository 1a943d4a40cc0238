//! The Display API: the official way to list the posts of an account that is connected by Login Kit. It shows public posts
//! only, cuts their words at 150 characters, and has no file of any of them (Display API v2, video list; read 2026-11-23).

use autorepost_core::{
    Error, ErrorKind, Result, Retry,
    credential::{Access, Credential},
    port::Listing,
    post::{FoundPost, PostKind},
    state::Owner,
};
use chrono::DateTime;
use serde_json::{Value, json};
use url::Url;

use super::{TikTok, changed, errors, items::text};

/// What is asked for. The cover is not: its address ends after six hours.
const FIELDS: &str = "id,create_time,share_url,video_description,title,duration";
/// Posts of a page at most.
const PAGE_POSTS_MAX: u32 = 20;

/// The access token of a grant.
pub(super) fn token<'a>(op: &'static str, access: &'a Access) -> Result<&'a str> {
    match &access.credential {
        Credential::Bearer { access, .. } => Ok(access),
        _ => Err(Error::new(ErrorKind::Unauthorized, op, "this connection has no access token")),
    }
}

/// Why nothing can be fetched by it.
pub(super) fn no_file(op: &'static str) -> Error {
    let text = "TikTok's API lists this post and gives no file of it: its video must come from a session of the same account \
                (connect it with the cookies of a browser, --jar) or from a master";
    Error::new(ErrorKind::Blocked, op, text).retry(Retry::Soon).owner(Owner::Reconnect)
}

impl TikTok {
    /// One page of the account's public posts, the newest first. A page begins where the cursor of the one before says.
    pub(super) async fn display(&self, access: &Access, page: Option<&str>) -> Result<Listing> {
        let op = "list posts";
        let token = token(op, access)?;
        let mut body = json!({ "max_count": self.config.page_posts.min(PAGE_POSTS_MAX) });
        let begin =
            page.map(|page| page.parse::<i64>().map_err(|_| Error::malformed(op, "the page token is not ours")));
        let begin = begin.transpose()?;
        if let Some(cursor) = begin {
            body["cursor"] = cursor.into();
        }
        let url = format!("{}/v2/video/list/?fields={FIELDS}", self.config.api_url);
        let answer = self.http.send(op, self.http.client().post(url).bearer_auth(token).json(&body)).await?;
        if answer.json_or_null()["error"]["code"] != "ok" {
            return Err(errors::refusal(op, &answer, self.clock.now()));
        }
        let data = &answer.json(op)?["data"];
        let (Some(videos), Some(more)) = (data["videos"].as_array(), data["has_more"].as_bool()) else {
            // A list that only seems to end would hide what follows for good.
            return Err(changed(op, "the list has no videos, or does not tell whether it goes on"));
        };
        let next = match (more, data["cursor"].as_i64()) {
            (false, _) => None,
            (true, Some(cursor)) if begin.is_none_or(|begin| cursor < begin) => Some(cursor.to_string()),
            (true, _) => return Err(changed(op, "the list goes on where it began")),
        };
        let posts: Vec<FoundPost> = videos.iter().filter_map(|video| listed(video, &access.handle)).collect();
        if posts.is_empty() && !videos.is_empty() {
            return Err(changed(op, "a post has no id"));
        }
        let unreadable = videos.len() - posts.len();
        // The name that it is shown by is no handle, so it tells none.
        Ok(Listing { posts, next, handle: None, rotated: None, unreadable })
    }
}

/// A post as the API lists it; nothing when it lacks its id or its time.
fn listed(video: &Value, handle: &str) -> Option<FoundPost> {
    let key = text(&video["id"])?;
    let posted_at = DateTime::from_timestamp(video["create_time"].as_i64()?, 0)?;
    let author = text(&video["share_url"]).and_then(|url| author(&url)).unwrap_or_else(|| handle.to_owned());
    let duration_secs = video["duration"].as_u64().and_then(|secs| u32::try_from(secs).ok());
    Some(FoundPost {
        url: format!("https://www.tiktok.com/@{author}/video/{key}"),
        key,
        author,
        caption: text(&video["video_description"]).or_else(|| text(&video["title"])).unwrap_or_default(),
        posted_at,
        kind: PostKind::Video { duration_secs: duration_secs.filter(|secs| *secs > 0) },
        pinned: false,
    })
}

/// The author's handle, as a post's public address has it.
fn author(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let handle = url.path_segments()?.next()?.strip_prefix('@')?;
    (!handle.is_empty()).then(|| handle.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_author_is_read_from_the_public_address() {
        let url = "https://www.tiktok.com/@alice.b/video/7300000000000000001?utm_campaign=x";
        assert_eq!(author(url).as_deref(), Some("alice.b"));
        assert_eq!(author("https://vm.tiktok.com/ZM8/"), None);
    }
}
