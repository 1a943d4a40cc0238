//! The listener, and what every request passes: the fault plan.

use std::{net::SocketAddr, panic::resume_unwind, path::PathBuf, sync::Arc, task::Poll};

use autorepost_core::Platform;
use axum::{
    Router,
    body::{Body, BodyDataStream},
    extract::{Path, Request, State},
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, get, on},
};
use futures_util::{StreamExt, stream::poll_fn};
use serde::de::DeserializeOwned;
use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle};

use crate::{
    consent, control,
    fault::{
        Effect, Step,
        answers::{rate_limited, refused, unavailable},
    },
    hosts::Urls,
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
            .nest("/facebook-upload", instagram::upload::routes())
            .nest("/facebook-page", instagram::login::facebook_page())
            .nest("/google", youtube::routes())
            .nest("/google-oauth", youtube::login::routes())
            .nest("/google-accounts", youtube::login::page())
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

/// Serves what one method asks for, under the faults of a step.
pub(crate) fn served<F>(
    method: MethodFilter,
    (platform, step): (Platform, Step),
    handler: impl FnOnce(Arc<World>, Request) -> F + Clone + Send + Sync + 'static,
) -> MethodRouter<Arc<World>>
where
    F: Future<Output = Response> + Send + 'static,
{
    on(method, async move |State(world): State<Arc<World>>, request: Request| {
        under_faults(&world, platform, step, request, handler).await
    })
}

/// The same for a handler that wants the path's parameters.
pub(crate) fn served_at<P, F>(
    method: MethodFilter,
    (platform, step): (Platform, Step),
    handler: impl FnOnce(Arc<World>, P, Request) -> F + Clone + Send + Sync + 'static,
) -> MethodRouter<Arc<World>>
where
    P: DeserializeOwned + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    on(method, async move |State(world): State<Arc<World>>, Path(place): Path<P>, request: Request| {
        under_faults(&world, platform, step, request, |world, request| handler(world, place, request)).await
    })
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
