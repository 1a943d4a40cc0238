//! What every request passes: its id, its limits, its key; and for one that changes something the audit log and its
//! idempotency key.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use autorepost_core::{
    Error,
    access::{PresentedKey, Role},
    id::{ApiKeyId, TenantId},
    operator::Operator,
    port::{Budget, EntropyExt, KeyQuery, Permit},
};
use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tokio::time::timeout;
use tracing::Instrument as _;

use super::{
    Api,
    again::{self, Repeat},
    extract::{Caller, Made},
    need::{Need, Scope},
    problem::Problem,
};

/// Names the tenant in which a key to the whole installation acts.
pub const TENANT_HEADER: &str = "autorepost-tenant";
/// The id of a request: taken from its client when it is fit to be written down, and told in the answer.
pub const REQUEST_HEADER: &str = "x-request-id";
/// Longest id of a request in characters.
const REQUEST_ID_MAX: usize = 64;
/// How long what a request began may go on after its answer: it ends before its idempotency claim does.
const WORK_MAX: Duration = Duration::from_secs(150);
/// How long an upload may take: four gibibytes at ten megabits a second.
const UPLOAD_MAX: Duration = Duration::from_secs(3_600);
/// Window of the allowance of one key.
const MINUTE: Duration = Duration::from_secs(60);

/// The id of the present request.
#[derive(Clone)]
pub struct RequestId(pub Arc<str>);

/// Gives every request its id, completes what went wrong, and logs the request once.
pub async fn frame(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let given = request.headers().get(REQUEST_HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_fit(id));
    let ports = api.ports();
    let id: Arc<str> = match given {
        Some(given) => given.into(),
        None => ApiKeyId::new(ports.clock.now(), ports.entropy.bytes()).to_string().into(),
    };
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", id = &*id);
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let bare = std::mem::replace(&mut response, problem.answer(&id));
        // Such as the methods that a route has.
        for (name, value) in bare.headers() {
            if !response.headers().contains_key(name) && name != header::CONTENT_LENGTH {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_HEADER, HeaderValue::from_str(&id).expect("an id of letters and digits"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let (status, took_ms) = (response.status().as_u16(), began.elapsed().as_millis() as u64);
    span.in_scope(|| match status {
        500.. => tracing::warn!(%method, path, status, took_ms, "answered"),
        _ => tracing::debug!(%method, path, status, took_ms, "answered"),
    });
    response
}

fn is_fit(id: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=REQUEST_ID_MAX).contains(&id.len()) && id.bytes().all(fit)
}

/// Lets a request through to its handler, if it may.
pub async fn guard(
    State(api): State<Api>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let need = Need::of(request.method(), path.as_str()).ok_or_else(Problem::internal)?;
    // Uploads take long, and so have places of their own.
    let places = if need.is_upload { api.upload_places() } else { api.places() };
    let Ok(place) = places.try_acquire_owned() else { return Err(busy()) };
    let (request_max, work_max) = match need.is_upload {
        true => (UPLOAD_MAX, UPLOAD_MAX),
        false => (api.limits().request_max, WORK_MAX),
    };
    let passing = async move {
        let caller = admit(&api, need, request.headers()).await?;
        let share = api.crowd().enter(caller.key.id, api.limits().requests_of_key_max).ok_or_else(busy)?;
        // Nothing is asked with the body of a GET, so nothing is waited for.
        let request = match need.changes() {
            true if need.is_upload => request,
            true => read(&api, request).await?,
            false => request.map(|_| Body::empty()),
        };
        Ok::<_, Problem>((api, caller, request, share))
    };
    let late = || {
        let detail = format!("it took more than {} s; what it began may still be done", request_max.as_secs());
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_slow", "The request took too long", detail)
            .retry_after(Duration::from_secs(5))
    };
    let began = Instant::now();
    let (api, caller, request, share) = timeout(request_max, passing).await.map_err(|_| late())??;
    // A task of its own: a client that goes away, or does not wait, must not leave something half done.
    let work = async move {
        let _places = (place, share);
        match timeout(work_max, perform(&api, need, caller, request, next)).await {
            Ok(answer) => answer,
            Err(_) => {
                tracing::error!(action = need.action, "a request did not end, and was given up");
                Err(Problem::internal())
            }
        }
    };
    let work = tokio::spawn(work.in_current_span());
    match timeout(request_max.saturating_sub(began.elapsed()), work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => {
            tracing::error!("a request's handler failed: {panicked}");
            Err(Problem::internal())
        }
        Err(_) => Err(late()),
    }
}

/// What of a path the audit log keeps.
const SUBJECT_CHARS_MAX: usize = 200;
/// How long a body may take: it holds a place, and has half a megabyte at most.
const READ_MAX: Duration = Duration::from_secs(10);

/// There is no place for one more request now.
pub(super) fn busy() -> Problem {
    let title = "Too many requests at once";
    let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, "come again in a moment");
    busy.retry_after(Duration::from_secs(1))
}

/// Reads the body, which the idempotency key speaks for too.
pub(super) async fn read(api: &Api, request: Request) -> Result<Request, Problem> {
    let bytes_max = api.limits().body_bytes_max;
    let (parts, body) = request.into_parts();
    let stated = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let too_large = || {
        let detail = format!("a body has at most {bytes_max} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large", detail)
    };
    if stated.is_some_and(|stated| stated > bytes_max) {
        return Err(too_large());
    }
    let slow = |_| {
        let detail = format!("a body must arrive within {} s", READ_MAX.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, "slow_body", "The body came too slowly", detail)
    };
    let bytes = timeout(READ_MAX, to_bytes(body, bytes_max)).await.map_err(slow)?.map_err(|error| {
        let source = std::error::Error::source(&error);
        // Otherwise the client has gone, and reads nothing.
        if source.is_some_and(|source| source.to_string().contains("length limit")) {
            return too_large();
        }
        Problem::bad_request("the body ended too early")
    })?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// Finds out who asks, and whether they may.
async fn admit(api: &Api, need: &Need, headers: &HeaderMap) -> Result<Caller, Problem> {
    let ports = api.ports();
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let key = match bearer.and_then(PresentedKey::parse) {
        Some(presented) => ports.access.key(presented.id).await?.filter(|key| key.admits(&presented)),
        None => None,
    };
    let Some(key) = key else { return Err(stranger(api).await?) };
    let now = ports.clock.now();
    let limit = api.limits().requests_per_minute_max;
    let budget = Budget { name: format!("api:{}", key.id), limit, per: MINUTE };
    if let Permit::WaitUntil(until) = ports.limiter.acquire(&budget, now).await? {
        let detail = format!("a key may ask {limit} times in a minute");
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "Too many requests", detail);
        return Err(problem.retry_after((until - now).to_std().unwrap_or(MINUTE)));
    }
    if key.role < need.role {
        let detail = format!("this needs a key with the role {} or more; this key is {}", need.role, key.role);
        return Err(Problem::not_allowed(detail));
    }
    if need.scope == Scope::Installation && key.tenant.is_some() {
        return Err(Problem::not_allowed("this needs a key to the whole installation; this key is one tenant's"));
    }
    let tenant = tenant(api, key.tenant, headers).await?;
    Ok(Caller { key: Arc::new(key), tenant })
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What a caller without a key that opens is told.
async fn stranger(api: &Api) -> Result<Problem, Problem> {
    let any = KeyQuery { limit: 1, ..KeyQuery::default() };
    Ok(Problem::unauthenticated(match api.ports().access.keys(&any).await?.is_empty() {
        true => "there is no API key so far: make one with \"autorepost api-keys add NAME --role operator\"",
        false => "send \"Authorization: Bearer ar_...\" with a key that is not revoked",
    }))
}

/// The tenant in which a key acts: its own, or the one that the header names.
async fn tenant(api: &Api, own: Option<TenantId>, headers: &HeaderMap) -> Result<TenantId, Problem> {
    let named = headers.get(TENANT_HEADER).map(|value| value.to_str().ok().and_then(|text| text.parse().ok()));
    let missing = || Problem::not_found("the header Autorepost-Tenant names no tenant that this key may act in");
    match (own, named) {
        (Some(own), None) => Ok(own),
        (Some(own), Some(Some(named))) if named == own => Ok(own),
        (None, None) => Ok(TenantId::OWNER),
        (None, Some(Some(named))) if api.ports().access.tenant(named).await?.is_some() => Ok(named),
        _ => Err(missing()),
    }
}

/// Does what is asked. What changes something is written to the audit log before, and its outcome after; what is asked
/// again by its idempotency key is answered as it was.
async fn perform(
    api: &Api,
    need: &Need,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_else(|| "".into());
    request.extensions_mut().insert(caller.clone());
    let repeat = again::begin(api, need, &caller, &mut request).await?;
    let claim = match repeat {
        Repeat::Done(response) => return Ok(response),
        Repeat::Once => None,
        Repeat::Claimed(claim) => Some(claim),
    };
    let response = match need.changes() {
        true => audited(api, need, &caller, &id, request, next).await,
        false => Ok(next.run(request).await),
    };
    match claim {
        Some(claim) => again::end(api, claim, response).await,
        None => response,
    }
}

async fn audited(
    api: &Api,
    need: &Need,
    caller: &Caller,
    id: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let operator = Operator::new(api.ports(), caller.tenant, caller.key.actor());
    let tenant = (need.scope == Scope::Tenant).then_some(caller.tenant);
    let path = request.uri().path().trim_start_matches("/v1/");
    // It is written down before it is understood.
    let mut subject: String = path.chars().take(SUBJECT_CHARS_MAX).flat_map(char::escape_default).collect();
    // What cannot be written down is not done.
    operator.record(tenant, need.action, &subject, "asked", id).await?;
    let response = next.run(request).await;
    if let Some(Made(made)) = response.extensions().get() {
        subject = format!("{subject}/{made}");
    }
    let detail = match response.extensions().get::<Problem>() {
        Some(_) => format!("refused with {}", response.status().as_u16()),
        None => format!("done with {}", response.status().as_u16()),
    };
    if let Err(error) = operator.record(tenant, need.action, &subject, &detail, id).await {
        // It is done, and that it was asked for stands there.
        tracing::error!(action = need.action, subject, "the audit log does not tell the outcome: {error}");
    }
    tracing::info!(action = need.action, subject, actor = caller.key.actor(), "{detail}");
    Ok(response)
}

/// Whether a role may be given out by a caller: nobody gives more than they have.
pub fn may_give(caller: &Caller, role: Role, installation: bool) -> Result<(), Problem> {
    if installation && !caller.is_installation() {
        return Err(Problem::not_allowed("a key to the whole installation is made by another such key"));
    }
    if role > caller.key.role {
        return Err(Error::invalid("make API key", "a key cannot have more rights than the one that makes it").into());
    }
    Ok(())
}
