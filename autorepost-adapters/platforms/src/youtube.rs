//! YouTube: resumable upload whose last chunk is held back, because the video exists once that has arrived.
//!
//! What became of the commit is asked of the session itself: it answers with the finished video for as long as it lives
//! (YouTube Data API, resumable upload protocol). Only when the session is gone is the channel's list of uploads searched.

mod consent;
mod errors;
mod inspect;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result, Retry,
    connection::AccountId,
    credential::{Access, Credential},
    port::{Authorizer, Clock, Commit, Destination, Finding, Grant, Identity, Poll, Progress, Publication, Timing},
    preflight,
    standing::Standing,
    state::{Receipt, Ticket},
    submission::Content,
};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use url::Url;

pub(crate) use errors::ROWS;

use crate::{
    app::{App, AppKeys, is_unknown_client},
    http::{Answer, Http, Observer, body, string},
};

/// Chunks other than the last are multiples of this, in bytes.
const CHUNK_UNIT: u64 = 256 << 10;
/// How much YouTube's clock may differ from ours.
const SKEW: TimeDelta = TimeDelta::minutes(2);

/// How long the stored video may take to be opened for a commit. The settle window counts with a commit that begins at once.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// How YouTube is reached.
#[derive(Clone)]
pub struct YouTubeConfig {
    /// `https://www.googleapis.com`.
    pub api_url: String,
    /// `https://oauth2.googleapis.com`.
    pub oauth_url: String,
    /// `https://accounts.google.com`, with the page on which owners allow access.
    pub accounts_url: String,
    /// The OAuth client (`YOUTUBE_CLIENT_ID`).
    pub client: App,
    /// Bytes of a chunk: a multiple of 256 KiB.
    pub chunk_bytes: u64,
    /// The commit's deadline.
    pub commit_timeout: Duration,
    /// The settle window: longer than the deadline and the session's lag together.
    pub settle: Duration,
}

impl YouTubeConfig {
    /// YouTube itself.
    pub fn new(client: App) -> Self {
        Self {
            api_url: "https://www.googleapis.com".into(),
            oauth_url: "https://oauth2.googleapis.com".into(),
            accounts_url: "https://accounts.google.com".into(),
            client,
            chunk_bytes: 8 << 20,
            commit_timeout: Duration::from_secs(60),
            settle: Duration::from_secs(180),
        }
    }
}

/// The client of YouTube.
pub struct YouTube {
    config: YouTubeConfig,
    http: Http,
    clock: Arc<dyn Clock>,
}

/// What a session says of itself.
enum Session {
    /// It has this many bytes.
    Has(u64),
    /// The video is there.
    Finished(Receipt),
    /// It is not known any more.
    Gone,
}

impl YouTube {
    /// A client with this configuration.
    pub fn new(config: YouTubeConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        if config.chunk_bytes == 0 || !config.chunk_bytes.is_multiple_of(CHUNK_UNIT) {
            let text = "YouTube's chunk size must be a multiple of 262144 bytes";
            return Err(Error::new(ErrorKind::Configuration, "set up YouTube", text));
        }
        Ok(Self { config, http: Http::new(Platform::YouTube)?, clock })
    }

    async fn token(&self, op: &'static str, form: &[(&str, &str)]) -> Result<Answer> {
        let app = &self.config.client;
        let keys = app.keys().await?;
        let answer = self.ask_token(op, &keys, form).await?;
        match app.newer(&keys, is_unknown_client(&answer)).await {
            Some(newer) => self.ask_token(op, &newer, form).await,
            None => Ok(answer),
        }
    }

    async fn ask_token(&self, op: &'static str, keys: &AppKeys, form: &[(&str, &str)]) -> Result<Answer> {
        let own = [("client_id", keys.id.expose()), ("client_secret", keys.secret.expose())];
        let form: Vec<_> = own.iter().chain(form).collect();
        let request = self.http.client().post(format!("{}/token", self.config.oauth_url));
        self.http.send(op, request.form(&form)).await
    }

    /// Lets an observer hear of every request.
    #[must_use]
    pub fn observed(mut self, observer: Observer) -> Self {
        self.http.observe(observer);
        self
    }

    fn authorize(&self, op: &'static str, access: &Access, request: RequestBuilder) -> Result<RequestBuilder> {
        match &access.credential {
            Credential::Bearer { access, .. } => Ok(request.bearer_auth(access)),
            _ => Err(Error::new(ErrorKind::Unauthorized, op, "this connection has no access token")),
        }
    }

    async fn read(&self, op: &'static str, access: &Access, path: &str) -> Result<Value> {
        let request = self.http.client().get(format!("{}/youtube/v3/{path}", self.config.api_url));
        let answer = self.http.send(op, self.authorize(op, access, request)?).await?;
        match answer.is_success() {
            true => answer.json(op),
            false => Err(errors::refusal(op, &answer, self.clock.now())),
        }
    }

    /// Asks a session what it has.
    async fn probe(&self, op: &'static str, publication: &Publication<'_>, ticket: &Ticket) -> Result<Session> {
        let range = format!("bytes */{}", publication.body.size());
        let request = self.http.client().put(&ticket.handle).header("content-range", range).header("content-length", 0);
        let answer = self.http.send(op, self.authorize(op, publication.access, request)?).await?;
        self.session(op, &answer, publication)
    }

    fn session(&self, op: &'static str, answer: &Answer, publication: &Publication<'_>) -> Result<Session> {
        match answer.status.as_u16() {
            308 => Ok(Session::Has(received(answer))),
            200 | 201 => {
                let id = string(&answer.json_or_null(), "/id", op)?;
                Ok(Session::Finished(self.receipt(id, publication)))
            }
            404 | 410 => Ok(Session::Gone),
            _ => Err(errors::refusal(op, answer, self.clock.now())),
        }
    }

    fn receipt(&self, id: String, publication: &Publication<'_>) -> Receipt {
        let url = match preflight::is_short(&publication.submission.media.facts) {
            true => format!("https://www.youtube.com/shorts/{id}"),
            false => format!("https://www.youtube.com/watch?v={id}"),
        };
        Receipt { id: Some(id), url: Some(url), at: self.clock.now() }
    }

    /// A session lives on Google's hosts, or on the host that we are told to use: the token goes nowhere else.
    fn check_session(&self, session: &str) -> Result<()> {
        let host = |text: &str| Url::parse(text).ok().and_then(|url| Some((url.host_str()?.to_owned(), url.port())));
        let (found, ours) = (host(session), host(&self.config.api_url));
        let google = found.as_ref().is_some_and(|(host, _)| host.ends_with(".googleapis.com"));
        if found.is_some() && (found == ours || (google && session.starts_with("https://"))) {
            return Ok(());
        }
        Err(Error::malformed("begin upload", "YouTube named an upload address that is not its own"))
    }
}

/// What of a video is held back until the commit: the last chunk unit, or the rest of one.
fn held_back(size: u64) -> u64 {
    size.saturating_sub(1) / CHUNK_UNIT * CHUNK_UNIT
}

/// How many bytes a 308 says are stored; without `Range` none are.
fn received(answer: &Answer) -> u64 {
    let end = answer.header("range").and_then(|range| range.rsplit('-').next()?.parse::<u64>().ok());
    end.map_or(0, |end| end + 1)
}

#[async_trait]
impl Destination for YouTube {
    fn platform(&self) -> Platform {
        Platform::YouTube
    }

    fn timing(&self) -> Timing {
        Timing { settle: self.config.settle }
    }

    async fn begin(&self, publication: &Publication<'_>) -> Result<Ticket> {
        let op = "begin upload";
        let Content::YouTube {
            title,
            description,
            tags,
            privacy,
            made_for_kids,
            category_id,
            notify_subscribers,
            thumbnail_offset_ms: _,
        } = &publication.submission.content
        else {
            return Err(Error::internal(op, "the content is not for YouTube"));
        };
        let metadata = json!({
            "snippet": {"title": title, "description": description, "tags": tags, "categoryId": category_id},
            // Both always said: an omitted privacy means public since 2 November 2026.
            "status": {"privacyStatus": privacy, "selfDeclaredMadeForKids": made_for_kids},
        });
        let url = format!(
            "{}/upload/youtube/v3/videos?uploadType=resumable&part=snippet,status&notifySubscribers={notify_subscribers}",
            self.config.api_url
        );
        let request = self
            .http
            .client()
            .post(url)
            .header("x-upload-content-type", "video/mp4")
            .header("x-upload-content-length", publication.body.size())
            .json(&metadata);
        let answer = self.http.send(op, self.authorize(op, publication.access, request)?).await?;
        if !answer.is_success() {
            return Err(errors::refusal(op, &answer, self.clock.now()));
        }
        let session = answer.header("location").ok_or_else(|| Error::malformed(op, "the answer has no Location"))?;
        self.check_session(session)?;
        let now = self.clock.now();
        // YouTube says only that a session's life is finite; a day is what is safe to rely on.
        Ok(Ticket {
            handle: session.to_owned(),
            extra: None,
            begun_at: now,
            expires_at: Some(now + TimeDelta::days(1)),
        })
    }

    async fn upload(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        _: u64,
        progress: &dyn Progress,
    ) -> Result<()> {
        let op = "upload chunk";
        let size = publication.body.size();
        let end = held_back(size);
        let mut at = match self.probe(op, publication, ticket).await? {
            Session::Has(bytes) => bytes,
            Session::Finished(_) => return Ok(()),
            Session::Gone => return Err(Error::not_found(op, "YouTube let go of the upload")),
        };
        while at < end {
            let next = (at + self.config.chunk_bytes).min(end);
            let stream = publication.body.open(at..next).await?;
            let request = self
                .http
                .client()
                .put(&ticket.handle)
                .header("content-type", "video/mp4")
                .header("content-length", next - at)
                .header("content-range", format!("bytes {at}-{}/{size}", next - 1))
                .body(body(stream));
            let answer = self.http.send(op, self.authorize(op, publication.access, request)?).await?;
            // What the session says counts, not what was sent.
            let stored = match self.session(op, &answer, publication)? {
                Session::Has(bytes) => bytes,
                Session::Finished(_) => return Ok(()),
                Session::Gone => return Err(Error::not_found(op, "YouTube let go of the upload")),
            };
            if stored <= at {
                return Err(Error::unavailable(op, "YouTube kept nothing of the chunk"));
            }
            at = stored;
            progress.sent(at).await?;
        }
        Ok(())
    }

    async fn poll(&self, publication: &Publication<'_>, ticket: &Ticket) -> Result<Poll> {
        let ready = held_back(publication.body.size());
        Ok(match self.probe("read session", publication, ticket).await? {
            Session::Finished(receipt) => Poll::Published(receipt),
            Session::Gone => Poll::Gone,
            Session::Has(bytes) if bytes < ready => Poll::Incomplete,
            Session::Has(_) => Poll::Ready,
        })
    }

    async fn commit(&self, publication: &Publication<'_>, ticket: &Ticket) -> Commit {
        let op = "upload last chunk";
        let size = publication.body.size();
        let start = held_back(size);
        let began = Instant::now();
        let prepared: Result<RequestBuilder> = async {
            let stream = publication.body.open(start..size).await?;
            // A process that was stopped meanwhile must not send what another one has settled.
            if began.elapsed() > OPEN_MAX {
                return Err(Error::unavailable(op, "the stored video was opened too late for its commit"));
            }
            let request = Http::once(self.config.commit_timeout)?
                .put(&ticket.handle)
                .header("content-type", "video/mp4")
                .header("content-length", size - start)
                .header("content-range", format!("bytes {start}-{}/{size}", size - 1))
                .body(body(stream));
            self.authorize(op, publication.access, request)
        }
        .await;
        let request = match prepared {
            Ok(request) => request,
            // Nothing was sent.
            Err(error) => return Commit::Refused(error),
        };
        let answer = match self.http.send(op, request).await {
            Ok(answer) => answer,
            Err(error) => return Commit::Doubt(error),
        };
        match self.session(op, &answer, publication) {
            Ok(Session::Finished(receipt)) => Commit::Published(receipt),
            // The session wants more bytes: it took less than was sent, so there is no video.
            Ok(Session::Has(bytes)) if bytes < size => {
                Commit::Refused(Error::unavailable(op, "YouTube kept only a part of the last chunk"))
            }
            // All bytes are there and no video is named: the session is asked until it is.
            Ok(Session::Has(_)) => Commit::Doubt(Error::unavailable(op, "YouTube has all bytes and names no video")),
            Ok(Session::Gone) => Commit::Doubt(Error::not_found(op, "YouTube does not know the session any more")),
            // The token is looked at before a byte is taken.
            Err(error) if answer.status.as_u16() == 401 => Commit::Refused(error),
            Err(error) => Commit::Doubt(error),
        }
    }

    async fn find(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        since: DateTime<Utc>,
        taken: &[String],
    ) -> Result<Finding> {
        let op = "read session";
        match self.probe(op, publication, ticket).await? {
            Session::Finished(receipt) => return Ok(Finding::Published(receipt)),
            Session::Has(bytes) if bytes < publication.body.size() => return Ok(Finding::Absent),
            Session::Has(_) => return Ok(Finding::Unknown("YouTube has all bytes and names no video yet".into())),
            Session::Gone => {}
        }
        let op = "read uploads";
        let access = publication.access;
        let channel = self.read(op, access, "channels?part=contentDetails&mine=true").await?;
        let uploads = string(&channel, "/items/0/contentDetails/relatedPlaylists/uploads", op)?;
        let path = format!("playlistItems?part=snippet,contentDetails&maxResults=50&playlistId={uploads}");
        let list = self.read(op, access, &path).await?;
        let title = publication.submission.content.headline();
        let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let candidates: Vec<&str> = items
            .iter()
            .filter(|item| item["snippet"]["title"] == title)
            .filter(|item| {
                let at = item["snippet"]["publishedAt"].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
                at.is_some_and(|at| at >= since - SKEW)
            })
            .filter_map(|item| item["contentDetails"]["videoId"].as_str())
            .filter(|id| !taken.iter().any(|taken| taken == id))
            .collect();
        // The session was the proof, and YouTube has forgotten it. A title proves nothing, neither that it is there nor that
        // it is not; a new session would make a second video.
        let told = match candidates[..] {
            [] => "no new video of the channel has this title".to_owned(),
            _ => format!("new videos of this title: {}", candidates.join(", ")),
        };
        Ok(Finding::Unknown(format!("YouTube does not know the upload any more; {told}")))
    }

    async fn set_thumbnail(&self, publication: &Publication<'_>, id: &str, jpeg: Bytes) -> Result<()> {
        let op = "set thumbnail";
        let request = self
            .http
            .client()
            .post(format!("{}/upload/youtube/v3/thumbnails/set", self.config.api_url))
            .query(&[("videoId", id), ("uploadType", "media")])
            .header("content-type", "image/jpeg")
            .body(jpeg);
        let answer = self.http.send(op, self.authorize(op, publication.access, request)?).await?;
        if answer.is_success() {
            return Ok(());
        }
        let error = errors::refusal(op, &answer, self.clock.now());
        // A new video is not known everywhere at once.
        let lagging = error.kind() == ErrorKind::NotFound;
        Err(if lagging { error.retry(Retry::Soon) } else { error })
    }

    async fn inspect(&self, publication: &Publication<'_>, id: &str) -> Result<Standing> {
        let path = format!("videos?part=status,contentDetails,processingDetails&id={id}");
        let body = self.read("inspect video", publication.access, &path).await?;
        Ok(inspect::standing(&body["items"][0], &publication.submission.content))
    }
}

#[async_trait]
impl Authorizer for YouTube {
    fn platform(&self) -> Platform {
        Platform::YouTube
    }

    async fn verify(&self, access: &Access) -> Result<Identity> {
        let op = "verify channel";
        let body = self.read(op, access, "channels?part=id,snippet&mine=true").await?;
        if body["items"].as_array().is_none_or(Vec::is_empty) {
            let text = "this Google account has no YouTube channel: make one, and connect it again";
            return Err(Error::new(ErrorKind::Forbidden, op, text));
        }
        Ok(Identity {
            account: AccountId::new(string(&body, "/items/0/id", op)?),
            handle: string(&body, "/items/0/snippet/title", op)?,
            expires_at: None,
        })
    }

    async fn refresh(&self, access: &Access) -> Result<Option<Grant>> {
        let op = "refresh token";
        let Credential::Bearer { refresh: Some(refresh), .. } = &access.credential else { return Ok(None) };
        let answer = self.token(op, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await?;
        let body = answer.json_or_null();
        if !answer.is_success() {
            return Err(match body["error"].as_str() {
                // The only answer that says that the grant itself is dead.
                Some("invalid_grant") => {
                    let text = "the grant was withdrawn or has ended: connect the channel again";
                    Error::new(ErrorKind::Unauthorized, op, text).code("invalid_grant")
                }
                Some(code @ ("invalid_client" | "unauthorized_client")) => {
                    let text =
                        "Google does not know the OAuth client: check YOUTUBE_CLIENT_ID and YOUTUBE_CLIENT_SECRET";
                    Error::new(ErrorKind::Configuration, op, text).code(code)
                }
                _ => Error::unavailable(op, format!("Google answered {}", answer.status.as_u16())),
            });
        }
        let life = body["expires_in"].as_i64().and_then(TimeDelta::try_seconds);
        Ok(Some(Grant {
            credential: Credential::Bearer {
                access: string(&body, "/access_token", op)?,
                // Google names the refresh token only when it changes.
                refresh: Some(body["refresh_token"].as_str().unwrap_or(refresh).to_owned()),
            },
            expires_at: life.map(|life| self.clock.now() + life),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_unit_is_held_back_and_never_nothing() {
        assert_eq!(held_back(1), 0);
        assert_eq!(held_back(CHUNK_UNIT), 0);
        assert_eq!(held_back(CHUNK_UNIT + 1), CHUNK_UNIT);
        assert_eq!(held_back(3 * CHUNK_UNIT), 2 * CHUNK_UNIT);
    }
}
