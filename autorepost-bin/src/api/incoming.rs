//! What an outside automation brings, signed: fresh cookies of a TikTok account. No API key is needed, and none would do.

use autorepost_core::{
    Error, ErrorKind,
    connection::AuthMethod,
    id::{ConnectionId, TenantId},
    operator::Operator,
    webhook::{TOLERANCE, verify},
};
use axum::{
    Extension, Json,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;
use tracing::Instrument as _;
use utoipa::{OpenApi, ToSchema};

use super::{
    Api,
    guard::{self, RequestId},
    problem::Problem,
    view::ConnectionView,
};
use crate::{credential, rotation};

/// Where cookies are brought.
pub const COOKIES_PATH: &str = "/v1/webhooks/incoming/cookies";
const ACTION: &str = "connections.bring_cookies";

/// What this page adds to the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(cookies))]
pub struct Described;

/// Cookies that are brought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Brought {
    /// The tenant; the installation's owner without it.
    #[schema(value_type = Option<Uuid>)]
    tenant: Option<TenantId>,
    /// The connection that the cookies are for.
    #[schema(value_type = Uuid)]
    connection: ConnectionId,
    /// The cookies, as `POST /v1/connections` takes them.
    credential: Value,
}

/// Takes fresh cookies of a TikTok account from an outside automation: checks the signature, asks the platform whose they
/// are, stores them. Needs no key, but `AUTOREPOST_WEBHOOK_SECRET`, with which the message is signed as Standard Webhooks says.
#[utoipa::path(post, path = COOKIES_PATH, tag = "Connections", operation_id = "connections.bring_cookies",
    request_body = Brought,
    params(
        ("webhook-id" = String, Header, description = "A name for the message: one that was taken is refused with 409"),
        ("webhook-timestamp" = String, Header, description = "When it was signed, in seconds since 1970"),
    ),
    responses((status = 200, description = "The account has them", body = ConnectionView)))]
pub async fn cookies(
    State(api): State<Api>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Result<Response, Problem> {
    if api.incoming().is_none() {
        return Err(Problem::not_found("nothing is taken here: AUTOREPOST_WEBHOOK_SECRET is not set"));
    }
    let Ok(place) = api.incoming_places().try_acquire_owned() else { return Err(guard::busy()) };
    let request_max = api.limits().request_max;
    let late = || {
        let detail = format!("it took more than {} s; what it began may still be done", request_max.as_secs());
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_slow", "The request took too long", detail)
    };
    let read = timeout(request_max, guard::read(&api, request)).await.map_err(|_| late())??;
    let (parts, body) = read.into_parts();
    // The guard has read it, and kept to its limit.
    let body = to_bytes(body, usize::MAX).await.map_err(|_| Problem::internal())?;
    // A task of its own: a client that goes away must not leave something half done.
    let work = async move {
        let _place = place;
        take(&api, &parts.headers, &body, &request_id).await
    };
    match timeout(request_max, tokio::spawn(work.in_current_span())).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Problem::internal()),
        Err(_) => Err(late()),
    }
}

async fn take(api: &Api, headers: &HeaderMap, body: &Bytes, request: &RequestId) -> Result<Response, Problem> {
    let ports = api.ports();
    let secret = api.incoming().ok_or_else(Problem::internal)?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    verify(secret, told, body, ports.clock.now()).map_err(|error| unsigned(&error))?;
    // What is not signed never gets here, so only the signer can fill the memory of ids.
    let seen = format!("webhook-in:{}", told.0);
    claim(api, &seen).await?;
    let done = bring(api, body, told.0, request).await;
    if done.is_err() {
        // It did nothing, and may be sent again under the same id.
        drop(ports.scratch.take(&seen).await);
    }
    done
}

/// Notes an id, or refuses one that is known. It is forgotten when a message of its age is refused anyway.
async fn claim(api: &Api, seen: &str) -> Result<(), Problem> {
    // One at a time in this process. Of two copies of a message that reach two processes in the same moment both may be
    // taken: they bring the same cookies.
    let _turn = api.turn().await;
    let scratch = &api.ports().scratch;
    if scratch.peek(seen).await?.is_some() {
        let title = "The message was seen before";
        return Err(Problem::new(StatusCode::CONFLICT, "seen", title, "a message of this webhook-id was taken"));
    }
    // A message may be as much ahead of our time as behind it.
    Ok(scratch.put(seen, b"1", TOLERANCE * 2 + std::time::Duration::from_secs(1)).await?)
}

async fn bring(api: &Api, body: &Bytes, id: &str, request: &RequestId) -> Result<Response, Problem> {
    let ports = api.ports();
    // What is said of a bad body never quotes it.
    let brought: Brought = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let detail = format!("the body is not tenant, connection and credential (line {line}, column {column})");
        Problem::bad_request(detail)
    })?;
    let tenant = brought.tenant.unwrap_or(TenantId::OWNER);
    let operator = Operator::new(ports, tenant, format!("webhook {id}"));
    let connection = operator.connection_by_id(brought.connection).await?;
    if connection.method != AuthMethod::TiktokSession {
        return Err(Error::invalid("bring cookies", "only TikTok accounts are connected by cookies").into());
    }
    let text = match brought.credential {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let credential = credential::read(connection.method, &text, ports.clock.now())?;
    let subject = format!("connections/{}", connection.id);
    let record = async |detail: &str| operator.record(Some(tenant), ACTION, &subject, detail, &request.0).await;
    // What cannot be written down is not done.
    record("asked").await?;
    let renewed = rotation::rotate(&operator, &connection, credential, api.bundles()).await;
    let detail = rotation::outcome(&renewed);
    if let Err(error) = record(&detail).await {
        tracing::error!(action = ACTION, subject, "the audit log does not tell the outcome: {error}");
    }
    tracing::info!(action = ACTION, subject, "{detail}");
    let renewed = renewed?;
    // What brought them brings them again, under the same id, until the bundle has them, too.
    renewed.written?;
    Ok(Json(ConnectionView::from(renewed.connection)).into_response())
}

fn unsigned(error: &Error) -> Problem {
    debug_assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let title = "The message is not signed as it must be";
    Problem::new(StatusCode::UNAUTHORIZED, "unsigned", title, error.detail())
}
