//! The listener, and what every request passes: the fault plan.

use std::{net::SocketAddr, panic::resume_unwind, path::PathBuf, sync::Arc, task::Poll};

use autorepost_core::Platform;
use axum::{
    Json, Router,
    body::{Body, BodyDataStream},
    extract::Request,
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{StreamExt, stream::poll_fn};
use serde_json::json;
use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle};

use crate::{
    consent, control,
    fault::{Effect, Refusal, Step},
    instagram, page,
    record::{self, Recorder},
    tiktok,
    world::{Timing, World},
    x, youtube,
};

/// How a sandbox is started.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where it listens; port 0 takes a free one. It refuses any address that is not loopback.
    pub addr: SocketAddr,
    /// How quick the platforms are.
    pub timing: Timing,
    /// Seed of the faults' dice.
    pub seed: u64,
    /// The file to which each request is appended, as a line of JSON without its secrets.
    pub record: Option<PathBuf>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self { addr: SocketAddr::from(([127, 0, 0, 1], 0)), timing: Timing::default(), seed: 1, record: None }
    }
}

/// The vendors' hosts, each with the path under which the listener plays it.
const HOSTS: [(&str, &str); 13] = [
    ("tiktok", "www.tiktok.com"),
    ("tiktok-api", "open.tiktokapis.com"),
    ("instagram", "graph.instagram.com"),
    ("instagram-api", "api.instagram.com"),
    ("instagram-page", "www.instagram.com"),
    ("facebook", "graph.facebook.com"),
    ("facebook-upload", "rupload.facebook.com"),
    ("facebook-page", "www.facebook.com"),
    ("google", "www.googleapis.com"),
    ("google-oauth", "oauth2.googleapis.com"),
    ("google-accounts", "accounts.google.com"),
    ("x", "api.x.com"),
    ("x-page", "x.com"),
];

/// The vendor's host that is played under a path.
pub(crate) fn vendor_host(prefix: &str) -> Option<&'static str> {
    HOSTS.iter().find(|(path, _)| *path == prefix).map(|(_, host)| *host)
}

/// Base addresses, one for each vendor host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    /// `https://www.tiktok.com`.
    pub tiktok: String,
    /// `https://open.tiktokapis.com`.
    pub tiktok_api: String,
    /// `https://graph.instagram.com`.
    pub instagram: String,
    /// `https://api.instagram.com`.
    pub instagram_api: String,
    /// `https://www.instagram.com`.
    pub instagram_page: String,
    /// `https://graph.facebook.com`.
    pub facebook: String,
    /// `https://rupload.facebook.com`.
    pub facebook_upload: String,
    /// `https://www.facebook.com`.
    pub facebook_page: String,
    /// `https://www.googleapis.com`.
    pub google: String,
    /// `https://oauth2.googleapis.com`.
    pub google_oauth: String,
    /// `https://accounts.google.com`.
    pub google_accounts: String,
    /// `https://api.x.com`.
    pub x: String,
    /// `https://x.com`.
    pub x_page: String,
}

impl Urls {
    /// The addresses of a sandbox that listens on `base`.
    pub fn at(base: &str) -> Self {
        let at = |prefix: &str| format!("{base}/{prefix}");
        Self {
            tiktok: at("tiktok"),
            tiktok_api: at("tiktok-api"),
            instagram: at("instagram"),
            instagram_api: at("instagram-api"),
            instagram_page: at("instagram-page"),
            facebook: at("facebook"),
            facebook_upload: at("facebook-upload"),
            facebook_page: at("facebook-page"),
            google: at("google"),
            google_oauth: at("google-oauth"),
            google_accounts: at("google-accounts"),
            x: at("x"),
            x_page: at("x-page"),
        }
    }
}

/// A running sandbox. It stops when it is dropped.
pub struct Sandbox {
    world: Arc<World>,
    task: JoinHandle<()>,
}

impl Sandbox {
    /// Starts the four platforms.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, or is not a loopback address.
    pub async fn start(config: SandboxConfig) -> std::io::Result<Self> {
        if !config.addr.ip().is_loopback() {
            return Err(std::io::Error::other("the sandbox listens on loopback addresses only"));
        }
        let listener = TcpListener::bind(config.addr).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let world = Arc::new(World::new(config.timing, config.seed, base)?);
        let mut app = Router::new()
            .route("/", get(page::ledger))
            .nest("/sandbox", control::routes())
            .nest("/consent", consent::routes())
            .nest("/tiktok", tiktok::routes().merge(tiktok::login::page()))
            .nest("/tiktok-api", tiktok::login::routes().merge(tiktok::display::routes()))
            .nest("/instagram", instagram::routes().merge(instagram::login::routes()))
            .nest("/instagram-api", instagram::login::code_routes())
            .nest("/instagram-page", instagram::login::page())
            .nest("/facebook", instagram::routes().merge(instagram::login::facebook_routes()))
            .nest("/facebook-upload", instagram::upload_routes())
            .nest("/facebook-page", instagram::login::facebook_page())
            .nest("/google", youtube::routes())
            .nest("/google-oauth", youtube::token_routes())
            .nest("/google-accounts", youtube::page())
            .nest("/x", x::routes())
            .nest("/x-page", x::login::page())
            .with_state(Arc::clone(&world));
        if let Some(path) = &config.record {
            app = app.layer(middleware::from_fn_with_state(Arc::new(Recorder::open(path)?), record::record));
        }
        let task = tokio::spawn(async move {
            // Serving ends only with its task.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { world, task })
    }

    /// The platforms' state.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Where it listens, such as `http://127.0.0.1:4000`.
    pub fn base_url(&self) -> &str {
        &self.world.base
    }

    /// The base address of each vendor host.
    pub fn urls(&self) -> Urls {
        Urls::at(&self.world.base)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs a handler under the fault plan. The handler's work goes on even when the client has given up.
pub(crate) async fn under_faults<F>(
    world: &Arc<World>,
    platform: Platform,
    step: Step,
    request: Request,
    handler: impl FnOnce(Arc<World>, Request) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let effect = world.fault(platform, step);
    let request = match &effect {
        Some(Effect::ErrorBefore) => {
            drain(request).await;
            return unavailable();
        }
        Some(Effect::CutBefore) => cut(),
        Some(Effect::RateLimit(secs)) => {
            drain(request).await;
            return rate_limited(platform, *secs);
        }
        Some(Effect::Refuse(refusal)) => {
            let response = match platform {
                Platform::TikTok => tiktok::refused(world, &request, refusal),
                _ => refused(platform, refusal),
            };
            drain(request).await;
            return response;
        }
        Some(Effect::CutMiddle) => halve(request),
        Some(Effect::ExpireToken) => {
            if let Some(token) = token_of(&request) {
                world.expire(&token);
            }
            drained(request)
        }
        _ => drained(request),
    };
    let task = tokio::spawn({
        let world = Arc::clone(world);
        let delay = effect.as_ref().map(Effect::delay).unwrap_or_default();
        async move {
            tokio::time::sleep(delay).await;
            handler(world, request).await
        }
    });
    let response = match task.await {
        Ok(response) => response,
        Err(failed) => return (StatusCode::INTERNAL_SERVER_ERROR, failed.to_string()).into_response(),
    };
    match effect {
        Some(Effect::ErrorAfter) => unavailable(),
        Some(Effect::CutAfter | Effect::CutMiddle) => cut(),
        _ => response,
    }
}

/// Ends the connection without an answer: the connection's task unwinds, quietly, and its socket closes.
fn cut() -> ! {
    resume_unwind(Box::new("the fault plan cuts this connection"))
}

/// Reads a request's body to its end: an answer that comes before that is lost with the connection.
async fn drain(request: Request) {
    let mut body = request.into_body().into_data_stream();
    while let Some(Ok(_)) = body.next().await {}
}

/// A request of which whatever the handler leaves is read all the same: a refusal that comes before the end of a body would be
/// lost with the connection, and vendors' servers read on.
fn drained(request: Request) -> Request {
    struct Rest(Option<BodyDataStream>);

    impl Drop for Rest {
        fn drop(&mut self) {
            if let (Some(mut stream), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
                runtime.spawn(async move { while let Some(Ok(_)) = stream.next().await {} });
            }
        }
    }

    request.map(|body| {
        let mut rest = Rest(Some(body.into_data_stream()));
        Body::from_stream(poll_fn(move |context| match &mut rest.0 {
            Some(stream) => stream.poll_next_unpin(context),
            None => Poll::Ready(None),
        }))
    })
}

/// Lets half of a request's announced body through.
fn halve(request: Request) -> Request {
    let (parts, body) = request.into_parts();
    let announced: u64 = header(&parts.headers, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut left = announced / 2;
    let stream = body.into_data_stream().scan((), move |(), chunk| {
        let chunk = chunk.ok().filter(|_| left > 0).map(|mut chunk: bytes::Bytes| {
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= chunk.len() as u64;
            Ok::<_, std::io::Error>(chunk)
        });
        std::future::ready(chunk)
    });
    Request::from_parts(parts, Body::from_stream(stream))
}

fn unavailable() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable").into_response()
}

fn rate_limited(platform: Platform, secs: u64) -> Response {
    let secs_text = secs.to_string();
    match platform {
        Platform::X => {
            let reset = (World::now().timestamp() + secs.cast_signed()).to_string();
            let headers = [
                ("x-rate-limit-limit", "100".to_owned()),
                ("x-rate-limit-remaining", "0".to_owned()),
                ("x-rate-limit-reset", reset),
            ];
            let body = json!({"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429});
            (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
        }
        Platform::Instagram => {
            let usage = json!({"business": [{"type": "instagram", "call_count": 100, "estimated_time_to_regain_access": secs.div_ceil(60)}]});
            let body = json!({"error": {"message": "(#80002) There have been too many calls to this Instagram account.",
                "type": "OAuthException", "code": 80002, "fbtrace_id": "Asandbox"}});
            let headers = [("x-business-use-case-usage", usage.to_string()), ("retry-after", secs_text)];
            (StatusCode::BAD_REQUEST, headers, Json(body)).into_response()
        }
        Platform::TikTok => {
            let error = json!({"code": "rate_limit_exceeded", "message": "", "log_id": "2026sandbox"});
            let body = json!({"data": {}, "error": error});
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", secs_text)], Json(body)).into_response()
        }
        Platform::YouTube => {
            let body = json!({"error": {"code": 429, "message": "Rate limit exceeded.",
                "errors": [{"domain": "usageLimits", "reason": "rateLimitExceeded", "message": "Rate limit exceeded."}]}});
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", secs_text)], Json(body)).into_response()
        }
    }
}

/// A refusal in a platform's own form.
fn refused(platform: Platform, refusal: &Refusal) -> Response {
    let Refusal { status, code, message } = refusal;
    let body = match platform {
        Platform::Instagram => {
            let (code, subcode) = code.split_once('/').unwrap_or((code, ""));
            let number = |text: &str| text.parse::<i64>().ok();
            let mut error =
                json!({"message": message, "type": "OAuthException", "code": number(code), "fbtrace_id": "Asandbox"});
            if let Some(subcode) = number(subcode) {
                error["error_subcode"] = subcode.into();
            }
            json!({ "error": error })
        }
        Platform::X => {
            let kind = match code.as_str() {
                "" => "about:blank".to_owned(),
                code => format!("https://api.twitter.com/2/problems/{code}"),
            };
            json!({"title": "Refused", "detail": message, "type": kind, "status": status})
        }
        _ => json!({"error": {"code": status, "message": message,
            "errors": [{"domain": "youtube", "reason": code, "message": message}]}}),
    };
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(body)).into_response()
}

pub(crate) fn header<'a>(headers: &'a axum::http::HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The access token of a request, in whatever scheme.
pub(crate) fn token_of(request: &Request) -> Option<String> {
    let value = header(request.headers(), "authorization")?;
    let token = value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("OAuth "))?;
    // OAuth 1.0a names it among its parameters.
    let named = token.split_once("oauth_token=\"").and_then(|(_, rest)| rest.split_once('"'));
    Some(named.map_or(token, |(token, _)| token).to_owned())
}
