//! X: chunked media upload and posts, with OAuth 1.0a user context or OAuth 2.0.
//!
//! The commit is `POST /2/tweets`. What became of it is read from the account's own timeline, by the media key of the
//! upload, which no other post has.

mod consent;
mod errors;
mod inspect;
mod oauth1;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result,
    connection::AccountId,
    credential::{Access, Credential},
    port::{
        Authorizer, Budget, Clock, Commit, Destination, Entropy, EntropyExt, Finding, Grant, Identity, Poll, Progress,
        Publication, Timing,
    },
    rule::ReplySettings,
    standing::Standing,
    state::{Receipt, Ticket},
    submission::Content,
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_util::TryStreamExt;
use reqwest::{
    RequestBuilder,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use url::Url;

pub(crate) use errors::ROWS;

use crate::{
    app::App,
    catalogue::{DAY, MINUTE},
    http::{Answer, Http, Observer, string},
};
use errors::is_problem;
use oauth1::Keys;

/// Segments of one upload at most (X media upload, append).
const SEGMENTS_MAX: u64 = 1000;
/// Posts that an account may create within fifteen minutes, and the app within a day, by whatever accounts (X API, rate
/// limits; read 2026-11-23).
const POSTS_MAX: u32 = 100;
const APP_POSTS_MAX: u32 = 10_000;
/// Pages of the timeline that a search reads at most.
const PAGES_MAX: u32 = 5;
/// How much a platform's clock may differ from ours.
const SKEW: TimeDelta = TimeDelta::minutes(2);

/// How X is reached.
#[derive(Clone)]
pub struct XConfig {
    /// `https://api.x.com`.
    pub api_url: String,
    /// `https://x.com`, with the page on which owners allow access by OAuth 2.0.
    pub page_url: String,
    /// The app's OAuth 1.0a keys (`TWITTER_CONSUMER_KEY`).
    pub consumer: Option<App>,
    /// The app's OAuth 2.0 client (`TWITTER_CLIENT_ID`).
    pub client: Option<App>,
    /// Bytes of a segment; larger ones are used when a video would have more than 1,000.
    pub segment_bytes: u64,
    /// The commit's deadline.
    pub commit_timeout: Duration,
    /// The settle window: longer than the deadline and the timeline's lag together, and longer than X takes a signature to
    /// be fresh (five minutes), so that a request that was held up for long is refused rather than late. A bearer token of
    /// OAuth 2.0 has no such age.
    pub settle: Duration,
}

impl XConfig {
    /// X itself. 1 MiB is the size of segment that is proven in production; 5 MB are refused.
    pub fn new(consumer: Option<App>, client: Option<App>) -> Self {
        Self {
            api_url: "https://api.x.com".into(),
            page_url: "https://x.com".into(),
            consumer,
            client,
            segment_bytes: 1 << 20,
            commit_timeout: Duration::from_secs(30),
            settle: Duration::from_secs(360),
        }
    }
}

/// The client of X.
pub struct X {
    config: XConfig,
    http: Http,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl X {
    /// A client with this configuration.
    pub fn new(config: XConfig, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self> {
        Ok(Self { config, http: Http::new(Platform::X)?, clock, entropy })
    }

    /// Lets an observer hear of every request.
    #[must_use]
    pub fn observed(mut self, observer: Observer) -> Self {
        self.http.observe(observer);
        self
    }

    fn url(&self, op: &'static str, path: &str) -> Result<Url> {
        Url::parse(&format!("{}{path}", self.config.api_url))
            .map_err(|cause| Error::new(ErrorKind::Configuration, op, "X's base address is not a URL").source(cause))
    }

    async fn authorization(&self, op: &'static str, access: &Access, method: &str, url: &Url) -> Result<String> {
        match &access.credential {
            Credential::OAuth1 { token, secret } => {
                let app = self.config.consumer.as_ref().ok_or_else(|| {
                    let text = "this account needs TWITTER_CONSUMER_KEY and TWITTER_CONSUMER_SECRET: set them, or connect \
                                it again";
                    Error::new(ErrorKind::Configuration, op, text)
                })?;
                let keys = app.keys().await?;
                Ok(self.sign(method, url, &[], &Keys::new(&keys, [token, secret])))
            }
            Credential::Bearer { access, .. } => Ok(format!("Bearer {access}")),
            Credential::Cookies { .. } | Credential::Forgotten => {
                Err(Error::new(ErrorKind::Unauthorized, op, "this connection has no token"))
            }
        }
    }

    fn sign(&self, method: &str, url: &Url, form: &[(&str, &str)], keys: &Keys<'_>) -> String {
        let nonce = format!("{:032x}", u128::from_be_bytes(self.entropy.bytes()));
        oauth1::authorization(method, url, form, keys, &nonce, self.clock.now().timestamp())
    }

    async fn get(&self, op: &'static str, access: &Access, path: &str) -> Result<RequestBuilder> {
        let url = self.url(op, path)?;
        let authorization = self.authorization(op, access, "GET", &url).await?;
        Ok(self.http.client().get(url).header("authorization", authorization))
    }

    async fn post(&self, op: &'static str, access: &Access, path: &str) -> Result<RequestBuilder> {
        let url = self.url(op, path)?;
        let authorization = self.authorization(op, access, "POST", &url).await?;
        Ok(self.http.client().post(url).header("authorization", authorization))
    }

    async fn status(&self, op: &'static str, access: &Access, media: &str) -> Result<Value> {
        let request = self.get(op, access, &format!("/2/media/upload?command=STATUS&media_id={media}")).await?;
        let answer = self.http.send(op, request).await?;
        match answer.is_success() {
            true => answer.json(op),
            false => Err(self.refusal(op, access, &answer).await),
        }
    }

    /// What an answer means. A signature is refused like a token, so when the app's secret was rotated meanwhile, the token is
    /// not to blame: the next request is signed with the new one.
    async fn refusal(&self, op: &'static str, access: &Access, answer: &Answer) -> Error {
        let signed = matches!(access.credential, Credential::OAuth1 { .. }) && answer.status.as_u16() == 401;
        if signed
            && let Some(app) = &self.config.consumer
            && app.was_rotated().await
        {
            return Error::unavailable(op, "X refused a signature, and the app's secret was rotated meanwhile")
                .code("401");
        }
        errors::refusal(op, answer, self.clock.now())
    }

    /// Tells what X's headers say of the allowance for posts (X API, rate limits).
    fn tell_limits(&self, access: &Access, answer: &Answer) {
        let number = |name: String| answer.header(&name).and_then(|text| text.parse::<i64>().ok());
        let limits = [
            ("x-rate-limit", "posts_15min"),
            ("x-user-limit-24hour", "posts_day"),
            ("x-app-limit-24hour", "app_posts_day"),
        ];
        for (header, budget) in limits {
            let told = (number(format!("{header}-remaining")), number(format!("{header}-reset")));
            if let (Some(remaining), Some(reset)) = told
                && let Some(until) = DateTime::from_timestamp(reset, 0)
            {
                let account = if header.starts_with("x-app") { "" } else { access.account.as_str() };
                self.http.tell(account, budget, remaining.max(0).unsigned_abs(), until);
            }
        }
    }

    fn receipt(&self, access: &Access, id: String) -> Receipt {
        let url = Some(format!("https://x.com/{}/status/{id}", access.handle));
        Receipt { id: Some(id), url, at: self.clock.now() }
    }
}

#[async_trait]
impl Destination for X {
    fn platform(&self) -> Platform {
        Platform::X
    }

    fn timing(&self) -> Timing {
        Timing { settle: self.config.settle }
    }

    fn budgets(&self, access: &Access) -> Vec<Budget> {
        let budget = |name, limit, per| Budget { name, limit, per };
        vec![
            budget(format!("x:post:{}", access.account), POSTS_MAX, 15 * MINUTE),
            budget("x:post".into(), APP_POSTS_MAX, DAY),
        ]
    }

    async fn begin(&self, publication: &Publication<'_>) -> Result<Ticket> {
        let op = "initialize upload";
        let body = json!({
            "media_type": "video/mp4",
            "total_bytes": publication.body.size(),
            "media_category": "tweet_video",
        });
        let answer = self
            .http
            .send(op, self.post(op, publication.access, "/2/media/upload/initialize").await?.json(&body))
            .await?;
        if !answer.is_success() {
            return Err(self.refusal(op, publication.access, &answer).await);
        }
        let body = answer.json(op)?;
        let now = self.clock.now();
        let life = body["data"]["expires_after_secs"].as_i64().and_then(TimeDelta::try_seconds);
        Ok(Ticket {
            handle: string(&body, "/data/id", op)?,
            extra: Some(string(&body, "/data/media_key", op)?),
            begun_at: now,
            expires_at: life.map(|life| now + life),
        })
    }

    async fn upload(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        sent: u64,
        progress: &dyn Progress,
    ) -> Result<()> {
        let (access, size) = (publication.access, publication.body.size());
        let segment = self.config.segment_bytes.max(size.div_ceil(SEGMENTS_MAX));
        let op = "append segment";
        // X does not tell what it has, but takes a segment again: the one that was being sent is sent anew. When the last
        // was taken, only the end is missing.
        let first = if sent >= size { size.div_ceil(segment) } else { sent / segment };
        for index in first..size.div_ceil(segment) {
            let (start, end) = (index * segment, ((index + 1) * segment).min(size));
            let stream = publication.body.open(start..end).await?;
            let bytes = stream
                .try_fold(Vec::new(), |mut all, chunk| async move {
                    all.extend_from_slice(&chunk);
                    Ok(all)
                })
                .await?;
            let form = Form::new()
                .text("segment_index", index.to_string())
                .part("media", Part::bytes(bytes).file_name("segment"));
            let path = format!("/2/media/upload/{}/append", ticket.handle);
            let answer = self.http.send(op, self.post(op, access, &path).await?.multipart(form)).await?;
            if !answer.is_success() {
                return Err(lost(self.refusal(op, access, &answer).await));
            }
            progress.sent(end).await?;
        }
        let op = "finalize upload";
        let path = format!("/2/media/upload/{}/finalize", ticket.handle);
        let answer = self.http.send(op, self.post(op, access, &path).await?).await?;
        if answer.is_success() {
            return Ok(());
        }
        let error = self.refusal(op, access, &answer).await;
        // An upload that was finalized before, when the answer was lost, has a status.
        match self.status("read upload status", access, &ticket.handle).await {
            Ok(status) if status["data"]["processing_info"].is_object() => Ok(()),
            Ok(_) => Err(lost(error)),
            // Whether it was finalized is not known: no refusal may be believed.
            Err(unread) if unread.kind() != ErrorKind::NotFound => Err(unread),
            Err(_) => Err(lost(error)),
        }
    }

    async fn poll(&self, publication: &Publication<'_>, ticket: &Ticket) -> Result<Poll> {
        let op = "read upload status";
        if ticket.expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Ok(Poll::Gone);
        }
        let body = match self.status(op, publication.access, &ticket.handle).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Poll::Gone),
            other => other?,
        };
        let info = &body["data"]["processing_info"];
        Ok(match info["state"].as_str() {
            None | Some("succeeded") => Poll::Ready,
            Some("failed") => {
                let why = info["error"]["message"].as_str().unwrap_or("X could not process the video");
                let code = info["error"]["name"].as_str().unwrap_or("failed");
                Poll::Failed(Error::new(ErrorKind::Rejected, op, why).code(code))
            }
            Some(state) => {
                let after = Duration::from_secs(info["check_after_secs"].as_u64().unwrap_or(1));
                Poll::Pending { after, note: format!("X is processing the video ({state})") }
            }
        })
    }

    async fn commit(&self, publication: &Publication<'_>, ticket: &Ticket) -> Commit {
        let op = "create post";
        let Content::X { text, reply_settings } = &publication.submission.content else {
            return Commit::Refused(Error::internal(op, "the content is not for X"));
        };
        let mut body = json!({"text": text, "media": {"media_ids": [ticket.handle]}});
        if *reply_settings != ReplySettings::Everyone {
            body["reply_settings"] = json!(reply_settings);
        }
        let prepared = async {
            let url = self.url(op, "/2/tweets")?;
            let authorization = self.authorization(op, publication.access, "POST", &url).await?;
            Ok(Http::once(self.config.commit_timeout)?.post(url).header("authorization", authorization).json(&body))
        };
        let request = match prepared.await {
            Ok(request) => request,
            // Nothing was sent.
            Err(error) => return Commit::Refused(error),
        };
        let answer = match self.http.send(op, request).await {
            Ok(answer) => answer,
            Err(error) => return Commit::Doubt(error),
        };
        self.tell_limits(publication.access, &answer);
        if answer.is_success() {
            return match string(&answer.json_or_null(), "/data/id", op) {
                Ok(id) => Commit::Published(self.receipt(publication.access, id)),
                Err(error) => Commit::Doubt(error),
            };
        }
        let error = self.refusal(op, publication.access, &answer).await;
        match answer.status.as_u16() {
            // Validation, authentication, credits and rate limits are checked before X acts.
            400 | 401 | 402 | 429 => Commit::Refused(error),
            // "Duplicate content" says that it is probably there already.
            403 if error.kind() != ErrorKind::Conflict && is_problem(&answer.json_or_null()) => Commit::Refused(error),
            _ => Commit::Doubt(error),
        }
    }

    async fn find(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        since: DateTime<Utc>,
        _: &[String],
    ) -> Result<Finding> {
        let op = "read timeline";
        let Some(media_key) = ticket.extra.as_deref() else {
            return Ok(Finding::Unknown("the upload's media key is not known".into()));
        };
        let access = publication.access;
        let start = (since - SKEW).to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut page = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!(
                "/2/users/{}/tweets?max_results=100&start_time={start}&tweet.fields=created_at,attachments\
                 &expansions=attachments.media_keys{page}",
                access.account
            );
            let answer = self.http.send(op, self.get(op, access, &path).await?).await?;
            if !answer.is_success() {
                return Err(self.refusal(op, access, &answer).await);
            }
            let body = answer.json(op)?;
            if body["data"].is_null() && body["errors"].as_array().is_some_and(|errors| !errors.is_empty()) {
                return Ok(Finding::Unknown("X shows errors in place of the timeline".into()));
            }
            let posts = body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
            // Fields that are asked for come together: without this one, X may have renamed them, and a post of ours shows no
            // media.
            if posts.iter().any(|post| post["created_at"].is_null()) {
                return Ok(Finding::Unknown("X does not tell what was asked of the timeline".into()));
            }
            let mine = |post: &&Value| {
                let keys = post["attachments"]["media_keys"].as_array();
                keys.is_some_and(|keys| keys.iter().filter_map(Value::as_str).any(|key| same_media(key, media_key)))
            };
            if let Some(post) = posts.iter().find(mine) {
                return Ok(Finding::Published(self.receipt(access, string(post, "/id", op)?)));
            }
            match body["meta"]["next_token"].as_str() {
                Some(next) => page = format!("&pagination_token={next}"),
                None => return Ok(Finding::Absent),
            }
        }
        Ok(Finding::Unknown("the account posted too much since to be searched".into()))
    }

    async fn inspect(&self, publication: &Publication<'_>, id: &str) -> Result<Standing> {
        let op = "inspect post";
        let path = format!("/2/tweets/{id}?tweet.fields=withheld");
        let answer = self.http.send(op, self.get(op, publication.access, &path).await?).await?;
        match inspect::standing(answer.status.as_u16(), &answer.json_or_null()) {
            Some(standing) => Ok(standing),
            None => Err(self.refusal(op, publication.access, &answer).await),
        }
    }
}

/// Whether two media keys name one upload. A key is a kind of media and the media's id, `7_1945...`, and the kind of an
/// upload may differ from that of the post (X data dictionary, media).
fn same_media(one: &str, other: &str) -> bool {
    let id = |key: &str| key.rsplit('_').next().unwrap_or_default().to_owned();
    !id(one).is_empty() && id(one) == id(other)
}

/// An upload that X does not know any more must be begun anew.
fn lost(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unavailable if error.detail().contains("media IDs are invalid") => {
            Error::not_found("upload", "X let go of the upload")
        }
        _ => error,
    }
}

#[async_trait]
impl Authorizer for X {
    fn platform(&self) -> Platform {
        Platform::X
    }

    async fn verify(&self, access: &Access) -> Result<Identity> {
        let op = "verify account";
        let answer = self.http.send(op, self.get(op, access, "/2/users/me").await?).await?;
        if !answer.is_success() {
            return Err(self.refusal(op, access, &answer).await);
        }
        let body = answer.json(op)?;
        Ok(Identity {
            account: AccountId::new(string(&body, "/data/id", op)?),
            handle: string(&body, "/data/username", op)?,
            expires_at: None,
        })
    }

    async fn refresh(&self, access: &Access) -> Result<Option<Grant>> {
        match &access.credential {
            Credential::Bearer { refresh: Some(refresh), .. } => self.renew(refresh).await.map(Some),
            // Tokens of OAuth 1.0a live until they are revoked.
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_keys_of_one_upload_are_told_by_their_ids() {
        assert!(same_media("7_1945", "13_1945") && same_media("7_1945", "1945"));
        assert!(!same_media("7_1945", "7_1946") && !same_media("7_", "7_"));
    }
}
