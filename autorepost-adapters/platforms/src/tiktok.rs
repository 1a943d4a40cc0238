//! TikTok as a source, with the account's own web session; and with Login Kit, by which posts are listed and not fetched.
//!
//! These pages are not a published API and drift: whatever is missing or new is an error that says so, never an empty list.

mod consent;
mod cookies;
mod display;
mod errors;
mod items;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result, Retry,
    connection::{AccountId, AuthMethod},
    credential::{Access, Credential},
    port::{Authorizer, Clock, Entropy, EntropyExt, Fetched, Grant, Identity, Listing, Source},
    post::{FoundPost, Unusable},
};
use chrono::SubsecRound as _;
use reqwest::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

pub use cookies::CookieJar;
pub(crate) use errors::ROWS;

use crate::{
    app::App,
    http::{Answer, Http, Observer, stream},
};
use errors::Status;
use items::{created_at, found, next_cursor, rendition, text};

/// The host as which TikTok's cookies know its site, whatever the base address is.
const SITE_HOST: &str = "www.tiktok.com";
/// A browser's name: TikTok serves others a different page.
const USER_AGENT: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const SCRIPT: &str = "__UNIVERSAL_DATA_FOR_REHYDRATION__";

/// How TikTok is reached.
#[derive(Clone)]
pub struct TikTokConfig {
    /// `https://www.tiktok.com`.
    pub web_url: String,
    /// `https://open.tiktokapis.com`, for accounts that are connected by Login Kit.
    pub api_url: String,
    /// `https://www.tiktok.com`, with Login Kit's page on which owners allow access.
    pub page_url: String,
    /// The app of Login Kit (`TIKTOK_CLIENT_KEY`).
    pub app: Option<App>,
    /// Posts that a page is asked for.
    pub page_posts: u32,
}

impl Default for TikTokConfig {
    fn default() -> Self {
        Self {
            web_url: "https://www.tiktok.com".into(),
            api_url: "https://open.tiktokapis.com".into(),
            page_url: "https://www.tiktok.com".into(),
            app: None,
            page_posts: 15,
        }
    }
}

/// The client of TikTok.
pub struct TikTok {
    config: TikTokConfig,
    base: Url,
    http: Http,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// Where a walk over the pages goes on.
#[derive(Serialize, Deserialize)]
struct PageToken {
    sec_uid: String,
    device: String,
    cursor: i64,
    /// The last post of the page before: a device that TikTok does not like gets the same page for ever.
    #[serde(rename = "first")]
    last: String,
}

/// A page's data, and what it did to the cookies.
struct Page {
    scope: Value,
    jar: CookieJar,
}

impl TikTok {
    /// A client with this configuration.
    pub fn new(config: TikTokConfig, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self> {
        let base = Url::parse(&config.web_url).map_err(|cause| {
            Error::new(ErrorKind::Configuration, "set up TikTok", "TikTok's base address is not a URL").source(cause)
        })?;
        Ok(Self { config, base, http: Http::new(Platform::TikTok)?, clock, entropy })
    }

    /// Lets an observer hear of every request.
    #[must_use]
    pub fn observed(mut self, observer: Observer) -> Self {
        self.http.observe(observer);
        self
    }

    fn jar(&self, access: &Access) -> Result<CookieJar> {
        match &access.credential {
            Credential::Cookies { jar } => CookieJar::from_text(jar),
            _ => Err(Error::new(ErrorKind::Unauthorized, "open cookie jar", "this connection has no cookie jar")),
        }
    }

    /// Gets a page of the site with the session's cookies, and keeps those that the answer sets.
    async fn get(&self, op: &'static str, jar: &mut CookieJar, path: &str) -> Result<Answer> {
        let now = self.clock.now();
        let route = path.split('?').next().unwrap_or(path);
        let cookies = jar.header(SITE_HOST, route, now).unwrap_or_default();
        let request = self
            .http
            .client()
            .get(format!("{}{path}", self.config.web_url))
            .header("user-agent", USER_AGENT)
            .header("cookie", cookies);
        let answer = self.http.send(op, request).await?;
        for set in answer.headers.get_all("set-cookie") {
            if let Ok(set) = set.to_str() {
                jar.absorb(set, SITE_HOST);
            }
        }
        match answer.status.as_u16() {
            200 => Ok(answer),
            300..400 => {
                let to = answer.header("location").unwrap_or_default();
                match to.contains("/login") {
                    true => Err(signed_out(op)),
                    false => Err(blocked(op, "TikTok sends this region elsewhere")),
                }
            }
            403 => Err(blocked(op, "TikTok refuses this address for the moment")),
            _ => Err(answer.status_error(op)),
        }
    }

    /// Gets a page and the data in it.
    async fn page(&self, op: &'static str, mut jar: CookieJar, path: &str) -> Result<Page> {
        let answer = self.get(op, &mut jar, path).await?;
        let html = answer.text.as_str();
        let json = html.find(SCRIPT).and_then(|at| {
            let rest = &html[at..];
            let start = rest.find('>')? + 1;
            Some(&rest[start..start + rest[start..].find("</script>")?])
        });
        let Some(json) = json else {
            let challenge =
                html.contains("Please wait") || html.contains("_wafchallengeid") || html.contains("captcha");
            return Err(match challenge {
                true => {
                    blocked(op, "TikTok shows a challenge: open TikTok in the browser, answer it, and connect again")
                }
                false => changed(op, "the page's data script is missing"),
            });
        };
        let data: Value = serde_json::from_str(json).map_err(|_| changed(op, "the page's data is not JSON"))?;
        match data.get("__DEFAULT_SCOPE__") {
            Some(scope) => Ok(Page { scope: scope.clone(), jar }),
            None => Err(changed(op, "the page's data has no __DEFAULT_SCOPE__")),
        }
    }

    /// The account's own profile page: who is signed in, and the account's secUid.
    async fn profile(&self, op: &'static str, access: &Access) -> Result<(String, String, Page)> {
        let page = self.page(op, self.jar(access)?, &format!("/@{}", access.handle)).await?;
        let user = &page.scope["webapp.app-context"]["user"];
        let (Some(id), Some(sec_uid)) = (text(&user["uid"]), text(&user["secUid"])) else {
            return Err(signed_out(op));
        };
        if id != access.account.as_str() && !access.account.as_str().is_empty() {
            let handle = user["uniqueId"].as_str().unwrap_or("another account");
            let text = format!("the cookies belong to @{handle}: export them from a browser with the right account");
            return Err(Error::new(ErrorKind::Unauthorized, op, text));
        }
        let handle = text(&user["uniqueId"]).unwrap_or_else(|| access.handle.clone());
        // An account that is known may have a new name; one that is new is the one that its owner names.
        if access.account.as_str().is_empty() && !handle.eq_ignore_ascii_case(&access.handle) {
            let text = format!(
                "the cookies belong to @{handle}, not to @{}: connect @{handle}, or export the cookies of a \
                browser that is signed in as @{}",
                access.handle, access.handle
            );
            return Err(Error::new(ErrorKind::Unauthorized, op, text));
        }
        Ok((sec_uid, handle, page))
    }

    async fn items(&self, op: &'static str, jar: &mut CookieJar, token: &PageToken) -> Result<(Vec<Value>, bool)> {
        let query = form_urlencoded([
            ("aid", "1988"),
            ("app_language", "en"),
            ("app_name", "tiktok_web"),
            ("browser_language", "en-US"),
            ("browser_name", "Mozilla"),
            ("browser_online", "true"),
            ("browser_platform", "Win32"),
            ("browser_version", "5.0 (Windows)"),
            ("channel", "tiktok_web"),
            ("cookie_enabled", "true"),
            ("count", &self.config.page_posts.to_string()),
            ("cursor", &token.cursor.to_string()),
            ("device_id", &token.device),
            ("device_platform", "web_pc"),
            ("from_page", "user"),
            ("language", "en"),
            ("os", "windows"),
            ("secUid", &token.sec_uid),
            ("type", "1"),
            ("tz_name", "UTC"),
        ]);
        let answer = self.get(op, jar, &format!("/api/creator/item_list/?{query}")).await?;
        if answer.text.trim().is_empty() {
            return Err(blocked(op, "TikTok answers with nothing"));
        }
        let body = answer.json(op).map_err(|_| changed(op, "the list is not JSON"))?;
        if let Some(status) = Status::of(&body) {
            return Err(status.error(op, self.clock.now()));
        }
        let items = match &body["itemList"] {
            Value::Array(items) => items.clone(),
            Value::Null if body["hasMorePrevious"] == false => Vec::new(),
            _ => return Err(changed(op, "the list has no itemList")),
        };
        match &body["hasMorePrevious"] {
            Value::Bool(more) => Ok((items, *more)),
            // A list that only seems to end would hide what follows for good.
            _ => Err(changed(op, "the list does not tell whether it goes on")),
        }
    }

    /// Whether the account's own list shows a post. What the list cannot tell for certain counts as shown.
    async fn is_listed(&self, op: &'static str, access: &Access, page: &Page, post: &FoundPost) -> Result<bool> {
        let sec_uid = text(&page.scope["webapp.app-context"]["user"]["secUid"]).ok_or_else(|| signed_out(op))?;
        if !is_own(&page.scope["webapp.app-context"]["user"]["uid"], access) {
            return Ok(true);
        }
        let mut jar = page.jar.clone();
        // The list shows what is older than its cursor, in whole seconds: the post is the first, beside those of its second.
        let cursor = post.posted_at.timestamp_millis() + 1_000;
        let token = PageToken { sec_uid, device: self.device(), cursor, last: String::new() };
        let (items, more) = self.items(op, &mut jar, &token).await?;
        let shown = items.iter().any(|item| text(&item["id"]).as_deref() == Some(post.key.as_str()));
        // A page that has nothing older and goes on may have left the post out.
        let told = !more || items.iter().filter_map(created_at).any(|at| at < post.posted_at.trunc_subsecs(0));
        Ok(shown || !told)
    }

    /// A number of nineteen digits, as TikTok's own of a device.
    fn device(&self) -> String {
        (7_000_000_000_000_000_000 + self.entropy.number() % 1_000_000_000_000_000_000).to_string()
    }

    /// A media host must be TikTok's own, or the one that we are told to use.
    fn check_media(&self, op: &'static str, address: &str) -> Result<(Url, String)> {
        let url = Url::parse(address).map_err(|_| changed(op, "the media address is not a URL"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if url.origin() == self.base.origin() {
            return Ok((url, SITE_HOST.to_owned()));
        }
        let allowed = [".tiktok.com", ".tiktokcdn.com", ".tiktokcdn-us.com", ".tiktokv.com", ".byteoversea.com"];
        if url.scheme() == "https" && allowed.iter().any(|suffix| host.ends_with(suffix)) {
            return Ok((url, host));
        }
        Err(Error::new(ErrorKind::Blocked, op, "TikTok names a media address that is not its own"))
    }
}

/// Whether an id is the account's own.
fn is_own(id: &Value, access: &Access) -> bool {
    text(id).as_deref() == Some(access.account.as_str())
}

fn signed_out(op: &'static str) -> Error {
    let text = "the TikTok session has ended: sign in to TikTok in the browser and connect the account again";
    Error::new(ErrorKind::Unauthorized, op, text)
}

fn blocked(op: &'static str, text: &str) -> Error {
    Error::new(ErrorKind::Blocked, op, text).retry(Retry::Soon)
}

fn changed(op: &'static str, what: &str) -> Error {
    let text = format!("TikTok changed its page ({what}): look for a newer version of autorepost");
    Error::malformed(op, text).retry(Retry::After(Duration::from_secs(900)))
}

fn form_urlencoded<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[async_trait]
impl Source for TikTok {
    fn platform(&self) -> Platform {
        Platform::TikTok
    }

    async fn list(&self, access: &Access, page: Option<&str>) -> Result<Listing> {
        if access.method == AuthMethod::TiktokLogin {
            return self.display(access, page).await;
        }
        let op = "list posts";
        let mut jar = self.jar(access)?;
        let before = jar.clone();
        let (token, handle) = match page {
            Some(page) => {
                let token =
                    serde_json::from_str(page).map_err(|_| Error::malformed(op, "the page token is not ours"))?;
                (token, None)
            }
            None => {
                let (sec_uid, handle, page) = self.profile(op, access).await?;
                jar = page.jar;
                let cursor = self.clock.now().timestamp_millis();
                (PageToken { sec_uid, device: self.device(), cursor, last: String::new() }, Some(handle))
            }
        };
        let (items, more) = self.items(op, &mut jar, &token).await?;
        let last = items.last().and_then(|item| text(&item["id"])).unwrap_or_default();
        // A page that has nothing but the second of the border is the end, whatever it announces.
        let border = items.iter().filter_map(created_at).all(|at| at.timestamp_millis() + 1_000 >= token.cursor);
        let repeated = !last.is_empty() && last == token.last;
        if repeated && more && !border {
            return Err(blocked(op, "TikTok repeats the same page for ever"));
        }
        // A pinned post is out of order and says nothing about where the next page begins.
        let mut times: Vec<_> =
            items.iter().filter(|item| item["isPinnedItem"] != true).filter_map(created_at).collect();
        if times.is_empty() {
            times = items.iter().filter_map(created_at).collect();
        }
        let cursor = next_cursor(token.cursor, &times);
        let next = cursor.filter(|_| more && !repeated).map(|cursor| {
            let next = PageToken { cursor, last, ..token };
            serde_json::to_string(&next).expect("a page token has a JSON form")
        });
        let own = |item: &&Value| item["author"]["id"].is_null() || is_own(&item["author"]["id"], access);
        // One entry that cannot be read must not hide the others.
        let (posts, unreadable): (Vec<_>, Vec<_>) =
            items.iter().filter(own).map(|item| found(item, &access.handle).ok_or(())).partition(Result::is_ok);
        if posts.is_empty() && !unreadable.is_empty() {
            return Err(changed(op, "a post has no id"));
        }
        let rotated = (jar != before).then(|| Credential::Cookies { jar: jar.to_text() });
        let posts = posts.into_iter().flatten().collect();
        Ok(Listing { posts, next, handle, rotated, unreadable: unreadable.len() })
    }

    async fn fetch(&self, access: &Access, post: &FoundPost) -> Result<Fetched> {
        let op = "fetch video";
        if access.method == AuthMethod::TiktokLogin {
            return Err(display::no_file(op));
        }
        let path = format!("/@{}/video/{}", post.author, post.key);
        let page = self.page(op, self.jar(access)?, &path).await?;
        let detail = &page.scope["webapp.video-detail"];
        if let Some(status) = Status::of(detail) {
            return match status.unusable() {
                Some(why) => Ok(Fetched::Unusable(why)),
                None if status.is_silent() && !self.is_listed(op, access, &page, post).await? => {
                    Ok(Fetched::Unusable(Unusable::Deleted))
                }
                None => Err(status.error(op, self.clock.now())),
            };
        }
        let item = &detail["itemInfo"]["itemStruct"];
        if item.is_null() {
            return Err(changed(op, "the post's page has no itemStruct"));
        }
        if item.get("imagePost").is_some() {
            return Ok(Fetched::Unusable(Unusable::Photo));
        }
        let (address, size) =
            rendition(&item["video"]).ok_or_else(|| changed(op, "the post names no video address"))?;
        let (url, host) = self.check_media(op, &address)?;
        let mut request = self
            .http
            .client()
            .get(url.clone())
            .header("user-agent", USER_AGENT)
            .header("referer", format!("https://{SITE_HOST}{path}"));
        if let Some(cookies) = page.jar.header(&host, url.path(), self.clock.now()) {
            request = request.header("cookie", cookies);
        }
        let response = self.http.begin(op, request).await?;
        let bytes = video_length(op, &response, size)?;
        Ok(Fetched::Video { bytes, body: stream(op, response) })
    }
}

/// An answer is a video only if it says so and has the size that the page told.
fn video_length(op: &'static str, response: &Response, told: Option<u64>) -> Result<Option<u64>> {
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let length = response.content_length();
    if status == 403 {
        return Err(Error::unavailable(op, "the media address has expired, or its cookie is missing"));
    }
    if status != 200 || !(kind.starts_with("video/") || kind == "application/octet-stream") || length == Some(0) {
        return Err(Error::unavailable(op, format!("TikTok's media host answered {status} with no video")));
    }
    match (length, told) {
        (Some(length), Some(told)) if length != told => {
            Err(Error::unavailable(op, format!("TikTok's media host offers {length} bytes instead of {told}")))
        }
        _ => Ok(length.or(told)),
    }
}

#[async_trait]
impl Authorizer for TikTok {
    fn platform(&self) -> Platform {
        Platform::TikTok
    }

    async fn verify(&self, access: &Access) -> Result<Identity> {
        if access.method == AuthMethod::TiktokLogin {
            return self.login_identity(access).await;
        }
        let op = "verify session";
        let (_, handle, page) = self.profile(op, access).await?;
        let id = text(&page.scope["webapp.app-context"]["user"]["uid"]).ok_or_else(|| signed_out(op))?;
        Ok(Identity { account: AccountId::new(id), handle, expires_at: page.jar.session_ends_at() })
    }

    async fn refresh(&self, access: &Access) -> Result<Option<Grant>> {
        match &access.credential {
            Credential::Bearer { refresh: Some(refresh), .. } => self.renew(refresh).await.map(Some),
            // A web session is renewed by its owner, in the browser.
            _ => Ok(None),
        }
    }
}
