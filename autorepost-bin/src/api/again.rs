//! Requests that may be asked again: the same idempotency key, the same answer.

use std::time::Duration;

use autorepost_core::{
    policy::after,
    port::{Begun, EntropyExt, IdempotencyClaim, IdempotencyKey, StoredAnswer},
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Api, extract::Caller, need::Need, problem::Problem};

/// Names a request that may be asked again.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// Says that an answer was given before.
pub const REPLAYED_HEADER: &str = "idempotency-replayed";
/// Longest idempotency key in characters.
pub const IDEMPOTENCY_KEY_MAX: usize = 128;
/// How long an answer is given again.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Largest answer that is kept: more than a body may have, because answers repeat what was sent.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// After this time a request whose process died may be asked again. Longer than what a request begins may go on.
const CLAIM_MAX: Duration = Duration::from_secs(180);

/// What there is to do for a request.
pub enum Repeat {
    /// It has no idempotency key.
    Once,
    /// Nobody asked before.
    Claimed(Claim),
    /// It was done before, and this was the answer.
    Done(Response),
}

/// The right to do a request.
pub struct Claim {
    key: IdempotencyKey,
    token: Uuid,
}

/// Claims a request by its idempotency key, or finds its answer.
///
/// # Errors
///
/// When the key is none, stands for another request, or the request is being done now.
pub async fn begin(api: &Api, need: &Need, caller: &Caller, request: &mut Request) -> Result<Repeat, Problem> {
    // The other methods are as good twice as once.
    if request.method() != Method::POST {
        return Ok(Repeat::Once);
    }
    let Some(name) = named(request.headers())? else { return Ok(Repeat::Once) };
    if !need.repeatable {
        let detail = "the answer holds a secret, which is kept nowhere: leave the header Idempotency-Key out";
        return Err(Problem::bad_request(detail));
    }
    let body = std::mem::replace(request.body_mut(), Body::empty());
    // The guard has read it, and kept to its limit.
    let bytes = to_bytes(body, usize::MAX).await.map_err(|_| Problem::internal())?;
    let digest = digest(request, caller, &bytes);
    *request.body_mut() = Body::from(bytes);

    let ports = api.ports();
    let now = ports.clock.now();
    let key = IdempotencyKey { tenant: caller.tenant, api_key: caller.key.id, name };
    let claim =
        IdempotencyClaim { digest, token: Uuid::from_bytes(ports.entropy.bytes()), until: after(now, CLAIM_MAX) };
    match ports.answers.begin(&key, &claim, now).await? {
        Begun::Claimed => Ok(Repeat::Claimed(Claim { key, token: claim.token })),
        Begun::Answered(answer) => Ok(Repeat::Done(replay(answer))),
        Begun::Running => {
            let title = "The same request is being done";
            let problem = Problem::new(StatusCode::CONFLICT, "in_progress", title, "ask again for its answer");
            Err(problem.retry_after(Duration::from_secs(1)))
        }
        Begun::Different => {
            let title = "The idempotency key stands for another request";
            let detail = "a request with another address or body has this Idempotency-Key: choose a new one";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", title, detail))
        }
    }
}

/// Keeps what was done. What was refused is not kept: nothing was changed, and asking again may go better.
pub async fn end(api: &Api, claim: Claim, response: Result<Response, Problem>) -> Result<Response, Problem> {
    let ports = api.ports();
    let kept = match response {
        Ok(response) if response.status().is_success() => response,
        other => {
            forget(api, &claim).await;
            return other;
        }
    };
    let (parts, body) = kept.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(|_| Problem::internal())?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if bytes.len() <= ANSWER_BYTES_MAX => {
            let answer = StoredAnswer { status: parts.status.as_u16(), body: text.to_owned() };
            let until = after(ports.clock.now(), KEPT);
            if let Err(error) = ports.answers.finish(&claim.key, claim.token, &answer, until).await {
                tracing::error!("an answer cannot be kept, and is not given again: {error}");
            }
        }
        _ => {
            tracing::error!(bytes = bytes.len(), "an answer is too large to be kept, and is not given again");
            forget(api, &claim).await;
        }
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

async fn forget(api: &Api, claim: &Claim) {
    if let Err(error) = api.ports().answers.forget(&claim.key, claim.token).await {
        tracing::error!("a request cannot be asked again for a while: {error}");
    }
}

fn named(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_HEADER) else { return Ok(None) };
    let fit = |text: &&str| {
        (1..=IDEMPOTENCY_KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match value.to_str().ok().filter(fit) {
        Some(text) => Ok(Some(text.to_owned())),
        None => {
            let detail = format!("the header Idempotency-Key has 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII characters");
            Err(Problem::bad_request(detail))
        }
    }
}

/// A digest of everything that is asked.
fn digest(request: &Request, caller: &Caller, body: &Bytes) -> String {
    let mut hash = Sha256::new();
    let address = request.uri().path_and_query().map(|part| part.as_str()).unwrap_or_default();
    for part in [request.method().as_str(), address, &caller.tenant.to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(body);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn replay(answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
    response
}
