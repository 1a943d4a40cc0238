//! HTTP as every client here uses it: no redirects, no retries, limits on everything.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use autorepost_core::{Error, ErrorKind, Platform, Result, Retry, port::ByteStream};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::{Body, Client, ClientBuilder, RequestBuilder, Response, StatusCode, header::HeaderMap, redirect::Policy};
use serde_json::Value;

/// Largest answer that is read, in bytes; profile pages of TikTok have about a megabyte.
const ANSWER_BYTES_MAX: usize = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The slowest line on which an upload in one request ends: half a megabit a second.
const UPLOAD_BYTES_PER_SEC_MIN: u64 = 64 << 10;

/// A request that was sent, as its observer is told of it. It holds nothing of the address, the headers or the bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Whom it was sent to.
    pub platform: Platform,
    /// What it was for: one of a fixed set of names.
    pub op: &'static str,
    /// The status of the answer; nothing when there was none.
    pub status: Option<u16>,
    /// How long the head of the answer took.
    pub took: Duration,
}

/// What a platform told of an allowance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Whose it is.
    pub platform: Platform,
    /// The platform's own id of the account; empty for what all accounts share.
    pub account: String,
    /// What it allows: one of a fixed set of names.
    pub budget: &'static str,
    /// Units that are left.
    pub remaining: u64,
    /// Until when that may be believed.
    pub until: DateTime<Utc>,
}

/// What an observer is told.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// A request was sent.
    Sent(&'a Sent),
    /// A platform told what is left of an allowance.
    Allowance(&'a Allowance),
}

/// Hears of every request that was sent, and of what platforms tell of allowances. It must be quick.
pub type Observer = Arc<dyn Fn(Told<'_>) + Send + Sync>;

/// An HTTP client.
#[derive(Clone)]
pub(crate) struct Http {
    platform: Platform,
    client: Client,
    /// For requests that take as long as their bytes.
    uploads: Client,
    observer: Option<Observer>,
}

/// An answer, read.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Http {
    pub fn new(platform: Platform) -> Result<Self> {
        let client = build(Client::builder().read_timeout(READ_TIMEOUT))?;
        Ok(Self { platform, client, uploads: build(Client::builder())?, observer: None })
    }

    pub fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// Tells the observer what is left of an allowance.
    pub fn tell(&self, account: &str, budget: &'static str, remaining: u64, until: DateTime<Utc>) {
        if let Some(observer) = &self.observer {
            let (platform, account) = (self.platform, account.to_owned());
            observer(Told::Allowance(&Allowance { platform, account, budget, remaining, until }));
        }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A request that sends so many bytes at once. The client's own limit counts from the beginning of a request, however its
    /// bytes flow; this one has a time that a slow line keeps.
    pub fn upload(&self, url: &str, bytes: u64) -> RequestBuilder {
        self.uploads.post(url).timeout(READ_TIMEOUT + Duration::from_secs(bytes / UPLOAD_BYTES_PER_SEC_MIN))
    }

    /// A client for one commit: a connection of its own, and a deadline for the whole of it.
    pub fn once(deadline: Duration) -> Result<Client> {
        build(Client::builder().timeout(deadline).pool_max_idle_per_host(0))
    }

    /// Sends a request and reads the head of its answer.
    pub async fn begin(&self, op: &'static str, request: RequestBuilder) -> Result<Response> {
        let began = Instant::now();
        let response = request.send().await;
        if let Some(observer) = &self.observer {
            let status = response.as_ref().ok().map(|response| response.status().as_u16());
            observer(Told::Sent(&Sent { platform: self.platform, op, status, took: began.elapsed() }));
        }
        response.map_err(|cause| failed(op, cause))
    }

    /// Sends a request and reads its answer.
    pub async fn send(&self, op: &'static str, request: RequestBuilder) -> Result<Answer> {
        let response = self.begin(op, request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(|cause| failed(op, cause))?);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(Error::malformed(op, "the answer is larger than 8 MiB"));
            }
        }
        Ok(Answer { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

fn build(builder: ClientBuilder) -> Result<Client> {
    builder
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("autorepost/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|cause| Error::internal("build HTTP client", "the TLS set-up failed").source(cause))
}

impl Answer {
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    pub fn json(&self, op: &'static str) -> Result<Value> {
        serde_json::from_str(&self.text).map_err(|cause| {
            // Cut off, or the page of something in between: the next may be whole.
            let error = Error::malformed(op, format!("the answer ({}) is not JSON", self.status.as_u16()));
            error.retry(Retry::Soon).source(cause)
        })
    }

    /// The JSON of an answer that may be none.
    pub fn json_or_null(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How long `Retry-After` asks to wait, in its form of seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs)
    }

    /// The error of an answer that says nothing more than its status.
    pub fn status_error(&self, op: &'static str) -> Error {
        let code = self.status.as_u16();
        let retry = self.retry_after().map_or(Retry::Soon, Retry::After);
        match code {
            401 => Error::new(ErrorKind::Unauthorized, op, "the platform refuses the credential"),
            // A platform that refuses says why. This is whatever stands before it, such as a shield against robots.
            403 => Error::unavailable(op, "something before the platform answered 403").retry(retry),
            404 | 410 => Error::not_found(op, "the platform does not know it"),
            429 => Error::new(ErrorKind::RateLimited, op, "too many requests").retry(retry),
            408 | 409 | 425 | 500.. => {
                Error::new(ErrorKind::Unavailable, op, format!("the platform answered {code}")).retry(retry)
            }
            _ => Error::new(ErrorKind::Rejected, op, format!("the platform answered {code}")),
        }
        .code(code.to_string())
    }
}

/// A string at a path of an answer.
pub(crate) fn string(value: &Value, path: &str, op: &'static str) -> Result<String> {
    match value.pointer(path) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => {
            let text = format!("the answer has no {path}: the platform may have changed its API");
            Err(Error::malformed(op, text).retry(Retry::Soon))
        }
    }
}

/// A stream as a request's body.
pub(crate) fn body(stream: ByteStream) -> Body {
    Body::wrap_stream(stream)
}

/// A response's body as a stream.
pub(crate) fn stream(op: &'static str, response: Response) -> ByteStream {
    Box::pin(response.bytes_stream().map_err(move |cause| failed(op, cause)))
}

/// Maps a transport error; the address, which may hold secrets, is left out.
pub(crate) fn failed(op: &'static str, cause: reqwest::Error) -> Error {
    let cause = cause.without_url();
    let text = if cause.is_timeout() {
        "the platform did not answer in time"
    } else if cause.is_connect() {
        "the platform cannot be reached"
    } else {
        "the connection was cut"
    };
    Error::unavailable(op, text).source(cause)
}
