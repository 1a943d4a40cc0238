//! Instagram Reels: a container, its bytes, and `media_publish`.
//!
//! Connections by Facebook Login send the bytes themselves, resumably; those by Instagram Login name an address from which
//! Meta fetches them. What became of a publish is read from the container, which says `PUBLISHED` for as long as it lives,
//! and from the account's own media; a publish is never repeated on a guess.

mod allowance;
mod consent;
mod errors;
mod inspect;
pub mod versions;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result,
    connection::{AccountId, AuthMethod},
    credential::{Access, Credential},
    port::{
        Authorizer, Budget, Clock, Commit, Destination, Finding, Grant, Identity, Poll, Progress, Publication, Timing,
    },
    standing::Standing,
    state::{Receipt, Ticket},
    submission::Content,
};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::RequestBuilder;
use serde_json::Value;

pub(crate) use errors::ROWS;

use crate::{
    app::App,
    http::{Http, Observer, body, string},
};
use consent::unwrapped;

/// How long a container lives (Instagram content publishing).
const CONTAINER_LIFE: TimeDelta = TimeDelta::hours(24);
/// How long the address of a video can be read: Meta fetches it while it processes the container.
const LINK_LIFE: TimeDelta = TimeDelta::hours(6);
/// How much Meta's clock may differ from ours.
const SKEW: TimeDelta = TimeDelta::minutes(2);

/// How Instagram is reached.
#[derive(Clone)]
pub struct InstagramConfig {
    /// `https://graph.instagram.com`, for connections by Instagram Login.
    pub instagram_url: String,
    /// `https://graph.facebook.com`, for connections by Facebook Login.
    pub facebook_url: String,
    /// `https://www.instagram.com`, with the page on which owners allow access.
    pub instagram_page_url: String,
    /// `https://api.instagram.com`, where codes are exchanged.
    pub instagram_token_url: String,
    /// `https://www.facebook.com`, with the page on which owners allow access.
    pub facebook_page_url: String,
    /// The app of Instagram Login (`INSTAGRAM_APP_ID`).
    pub instagram_app: Option<App>,
    /// The app of Facebook Login (`FACEBOOK_APP_ID`): Meta gives the two logins an id each.
    pub facebook_app: Option<App>,
    /// The version of the Graph API.
    pub version: String,
    /// Between two questions about a container.
    pub poll_after: Duration,
    /// The commit's deadline.
    pub commit_timeout: Duration,
    /// The settle window: longer than the deadline and the lag of the container's status together.
    pub settle: Duration,
}

impl Default for InstagramConfig {
    /// Instagram itself. Meta's page asks for a question a minute; in the field every 15 seconds is usual.
    fn default() -> Self {
        Self {
            instagram_url: "https://graph.instagram.com".into(),
            facebook_url: "https://graph.facebook.com".into(),
            instagram_page_url: "https://www.instagram.com".into(),
            instagram_token_url: "https://api.instagram.com".into(),
            facebook_page_url: "https://www.facebook.com".into(),
            instagram_app: None,
            facebook_app: None,
            version: versions::NEWEST.into(),
            poll_after: Duration::from_secs(15),
            commit_timeout: Duration::from_secs(45),
            settle: Duration::from_secs(180),
        }
    }
}

/// The client of Instagram.
pub struct Instagram {
    config: InstagramConfig,
    http: Http,
    clock: Arc<dyn Clock>,
}

impl Instagram {
    /// A client with this configuration.
    pub fn new(config: InstagramConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self { config, http: Http::new(Platform::Instagram)?, clock })
    }

    /// Lets an observer hear of every request.
    #[must_use]
    pub fn observed(mut self, observer: Observer) -> Self {
        self.http.observe(observer);
        self
    }

    fn url(&self, access: &Access, path: &str) -> String {
        let host = match access.method {
            AuthMethod::FacebookLogin => &self.config.facebook_url,
            _ => &self.config.instagram_url,
        };
        format!("{host}/{}/{path}", self.config.version)
    }

    async fn call(&self, op: &'static str, request: RequestBuilder) -> Result<Value> {
        let answer = self.http.send(op, request).await?;
        match answer.is_success() {
            true => answer.json(op),
            false => Err(errors::refusal(op, &answer, self.clock.now())),
        }
    }

    async fn get(&self, op: &'static str, access: &Access, path: &str) -> Result<Value> {
        let request = self.http.client().get(self.url(access, path)).bearer_auth(token(op, access)?);
        self.call(op, request).await
    }

    async fn container(&self, op: &'static str, access: &Access, ticket: &Ticket) -> Result<Value> {
        let path = format!("{}?fields=status_code,status,video_status", ticket.handle);
        self.get(op, access, &path).await
    }

    /// The account's Reels since a time that have this caption and belong to no other repost: id and address.
    async fn candidates(
        &self,
        publication: &Publication<'_>,
        since: DateTime<Utc>,
        taken: &[String],
    ) -> Result<Vec<(String, Option<String>)>> {
        let op = "read media";
        let fields = "fields=id,caption,media_product_type,permalink,timestamp&limit=50";
        let path = format!("{}/media?{fields}", publication.access.account);
        let list = self.get(op, publication.access, &path).await?;
        let caption = normalised(publication.submission.content.headline());
        let items = list["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mine = items.iter().filter(|item| {
            let at =
                item["timestamp"].as_str().and_then(|text| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z").ok());
            item["media_product_type"] == "REELS"
                && at.is_some_and(|at| at >= since - SKEW)
                && normalised(item["caption"].as_str().unwrap_or_default()) == caption
        });
        let ids = mine
            .filter_map(|item| Some((item["id"].as_str()?.to_owned(), item["permalink"].as_str().map(str::to_owned))));
        Ok(ids.filter(|(id, _)| !taken.contains(id)).collect())
    }

    fn receipt(&self, id: Option<String>, url: Option<String>) -> Receipt {
        Receipt { id, url, at: self.clock.now() }
    }
}

fn token<'a>(op: &'static str, access: &'a Access) -> Result<&'a str> {
    match &access.credential {
        Credential::Bearer { access, .. } => Ok(access),
        _ => Err(Error::new(ErrorKind::Unauthorized, op, "this connection has no access token")),
    }
}

fn normalised(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[async_trait]
impl Destination for Instagram {
    fn platform(&self) -> Platform {
        Platform::Instagram
    }

    fn timing(&self) -> Timing {
        Timing { settle: self.config.settle }
    }

    fn budgets(&self, access: &Access) -> Vec<Budget> {
        vec![allowance::containers(&access.account)]
    }

    async fn begin(&self, publication: &Publication<'_>) -> Result<Ticket> {
        let op = "create container";
        let access = publication.access;
        let Content::Instagram { caption, share_to_feed, cover_offset_ms } = &publication.submission.content else {
            return Err(Error::internal(op, "the content is not for Instagram"));
        };
        self.check_allowance(access).await?;
        let now = self.clock.now();
        let mut form = vec![
            ("media_type", "REELS".to_owned()),
            ("caption", caption.clone()),
            ("share_to_feed", share_to_feed.to_string()),
        ];
        form.extend(cover_offset_ms.map(|offset| ("thumb_offset", offset.to_string())));
        if access.method == AuthMethod::FacebookLogin {
            form.push(("upload_type", "resumable".to_owned()));
        } else {
            let url = publication.body.url(now + LINK_LIFE).await?.ok_or_else(|| {
                let text = "connections by Instagram Login need a public address from which Meta can fetch videos: set \
                    AUTOREPOST_PUBLIC_URL, or connect the account by Facebook Login";
                Error::new(ErrorKind::Configuration, op, text)
            })?;
            form.push(("video_url", url));
        }
        let url = self.url(access, &format!("{}/media", access.account));
        let answer = self.call(op, self.http.client().post(url).bearer_auth(token(op, access)?).form(&form)).await?;
        Ok(Ticket {
            handle: string(&answer, "/id", op)?,
            extra: answer["uri"].as_str().map(str::to_owned),
            begun_at: now,
            expires_at: Some(now + CONTAINER_LIFE),
        })
    }

    async fn upload(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        _: u64,
        progress: &dyn Progress,
    ) -> Result<()> {
        // Without an upload address Meta fetches the video by itself.
        let Some(uri) = &ticket.extra else { return Ok(()) };
        let op = "upload bytes";
        let (access, size) = (publication.access, publication.body.size());
        let container = self.container(op, access, ticket).await?;
        if container["status_code"] == "EXPIRED" {
            return Err(Error::not_found(op, "Instagram let go of the container"));
        }
        let has = container["video_status"]["uploading_phase"]["bytes_transferred"].as_u64().unwrap_or(0);
        if has >= size {
            return Ok(());
        }
        let stream = publication.body.open(has..size).await?;
        let request = self
            .http
            .upload(uri, size - has)
            .header("authorization", format!("OAuth {}", token(op, access)?))
            .header("offset", has)
            .header("file_size", size)
            .header("content-length", size - has)
            .header("content-type", "application/octet-stream")
            .body(body(stream));
        let answer = self.http.send(op, request).await?;
        if !answer.is_success() {
            return Err(errors::upload_refusal(op, &answer, self.clock.now()));
        }
        progress.sent(size).await
    }

    async fn poll(&self, publication: &Publication<'_>, ticket: &Ticket) -> Result<Poll> {
        let op = "read container";
        let container = self.container(op, publication.access, ticket).await?;
        let status = container["status"].as_str().unwrap_or_default();
        let pending = |note: &str| Poll::Pending { after: self.config.poll_after, note: note.to_owned() };
        Ok(match container["status_code"].as_str() {
            Some("FINISHED") => Poll::Ready,
            Some("PUBLISHED") => Poll::Published(self.receipt(None, None)),
            Some("EXPIRED") => Poll::Gone,
            Some("ERROR") => Poll::Failed(errors::processing(op, status, self.clock.now())),
            Some(_) => {
                let has = container["video_status"]["uploading_phase"]["bytes_transferred"].as_u64();
                match (ticket.extra.is_some(), has) {
                    (true, Some(has)) if has < publication.body.size() => Poll::Incomplete,
                    _ => pending("Instagram is processing the video"),
                }
            }
            None => pending("Instagram does not tell how the container stands"),
        })
    }

    async fn commit(&self, publication: &Publication<'_>, ticket: &Ticket) -> Commit {
        let op = "publish container";
        let access = publication.access;
        let url = self.url(access, &format!("{}/media_publish", access.account));
        let prepared = token(op, access).and_then(|token| {
            let form = [("creation_id", ticket.handle.as_str())];
            Ok(Http::once(self.config.commit_timeout)?.post(url).bearer_auth(token).form(&form))
        });
        let request = match prepared {
            Ok(request) => request,
            // Nothing was sent.
            Err(error) => return Commit::Refused(error),
        };
        let answer = match self.http.send(op, request).await {
            Ok(answer) => answer,
            Err(error) => return Commit::Doubt(error),
        };
        if answer.is_success() {
            return match string(&answer.json_or_null(), "/id", op) {
                Ok(id) => Commit::Published(self.receipt(Some(id), None)),
                Err(error) => Commit::Doubt(error),
            };
        }
        let error = errors::refusal(op, &answer, self.clock.now());
        match errors::certainly_not_published(&answer) {
            true => Commit::Refused(error),
            false => Commit::Doubt(error),
        }
    }

    async fn find(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        since: DateTime<Utc>,
        taken: &[String],
    ) -> Result<Finding> {
        let op = "read container";
        let status = match self.container(op, publication.access, ticket).await {
            Ok(container) => container["status_code"].as_str().unwrap_or_default().to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let found = self.candidates(publication, since, taken).await?;
        Ok(match (status.as_str(), &found[..]) {
            // The container is the proof: another Reel may have the same words.
            ("PUBLISHED", [(id, url)]) => Finding::Published(self.receipt(Some(id.clone()), url.clone())),
            ("PUBLISHED", _) => Finding::Published(self.receipt(None, None)),
            ("", _) => {
                let text =
                    format!("Instagram does not know the container; {} new Reels have this caption", found.len());
                Finding::Unknown(text)
            }
            (_, []) => Finding::Absent,
            // The container's status may lag behind the list.
            (status, _) => Finding::Unknown(format!("a new Reel has this caption, and the container is {status}")),
        })
    }

    async fn locate(&self, publication: &Publication<'_>, id: &str) -> Result<Option<String>> {
        let body = self.get("read permalink", publication.access, &format!("{id}?fields=permalink")).await?;
        Ok(body["permalink"].as_str().map(str::to_owned))
    }

    async fn inspect(&self, publication: &Publication<'_>, id: &str) -> Result<Standing> {
        self.standing(publication.access, id).await
    }
}

#[async_trait]
impl Authorizer for Instagram {
    fn platform(&self) -> Platform {
        Platform::Instagram
    }

    async fn verify(&self, access: &Access) -> Result<Identity> {
        let op = "verify account";
        let (path, id) = match access.method {
            AuthMethod::FacebookLogin => (format!("{}?fields=id,username", access.account), "/id"),
            _ => ("me?fields=user_id,username".to_owned(), "/user_id"),
        };
        let body = self.get(op, access, &path).await?;
        let body = unwrapped(&body);
        Ok(Identity {
            account: AccountId::new(string(body, id, op)?),
            handle: string(body, "/username", op)?,
            expires_at: None,
        })
    }

    async fn refresh(&self, access: &Access) -> Result<Option<Grant>> {
        let op = "refresh token";
        if access.method == AuthMethod::FacebookLogin {
            // Page tokens from a long-lived login do not end; others are renewed by logging in again.
            return Ok(None);
        }
        let token = token(op, access)?;
        let url = format!("{}/refresh_access_token", self.config.instagram_url);
        let query = [("grant_type", "ig_refresh_token"), ("access_token", token)];
        let body = match self.call(op, self.http.client().get(url).query(&query)).await {
            // A token that is younger than a day is not renewed yet.
            Err(error) if error.kind() == ErrorKind::Rejected => return Ok(None),
            other => other?,
        };
        let life = body["expires_in"].as_i64().and_then(TimeDelta::try_seconds);
        Ok(Some(Grant {
            credential: Credential::Bearer { access: string(&body, "/access_token", op)?, refresh: None },
            expires_at: life.map(|life| self.clock.now() + life),
        }))
    }
}
