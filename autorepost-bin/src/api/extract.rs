//! What handlers are given, and what is said when a request does not hold it.

use std::sync::Arc;

use autorepost_core::{Error, access::ApiKey, id::TenantId, operator::Operator, port::Ports};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Api, problem::Problem};

/// What a handler answers.
pub type Answer<T> = Result<Json<T>, Problem>;

/// Who asks, and in which tenant.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key with which it is asked.
    pub key: Arc<ApiKey>,
    /// The tenant in which it acts.
    pub tenant: TenantId,
}

impl Caller {
    /// Whether the key is one to the whole installation.
    pub fn is_installation(&self) -> bool {
        self.key.tenant.is_none()
    }
}

/// What a handler works with: the ports, and who asks.
pub struct Desk {
    api: Api,
    /// Who asks.
    pub caller: Caller,
}

impl Desk {
    /// The core's operator, for the caller's tenant and under the caller's name.
    pub fn operator(&self) -> Operator<'_> {
        Operator::new(self.ports(), self.caller.tenant, self.caller.key.actor())
    }

    /// The ports.
    pub fn ports(&self) -> &Ports {
        self.api.ports()
    }

    /// Where platforms send browsers back to, if they can reach the interface.
    pub fn redirect(&self) -> Option<&str> {
        self.api.redirect()
    }

    /// The tenant in which the caller acts.
    pub fn tenant(&self) -> TenantId {
        self.caller.tenant
    }
}

impl FromRequestParts<Api> for Desk {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        // Put there by the guard; a route without a guard has no caller.
        let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::internal)?;
        Ok(Self { api: api.clone(), caller })
    }
}

/// The id in a path. What is none names nothing.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        found.map(|path| Self(path.0)).map_err(|error: PathRejection| Problem::not_found(error.body_text()))
    }
}

/// The query.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        found.map(|query| Self(query.0)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = json_bytes(request, state).await?;
        parse(&bytes).map(Self).map_err(|error| unreadable(&error, Some(&error.to_string())))
    }
}

/// A JSON body that holds a secret: what is said of a bad one never quotes it.
pub struct SecretBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for SecretBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = json_bytes(request, state).await?;
        parse(&bytes).map(Self).map_err(|error| unreadable(&error, None))
    }
}

async fn json_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    if !is_json(request.headers()) {
        let detail = "the body must be JSON, and the header Content-Type must say application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "The body is not JSON", detail));
    }
    // The guard has read it, and kept to its limit.
    let bytes = Bytes::from_request(request, state).await.map_err(|error| Problem::bad_request(error.body_text()))?;
    // Postgres keeps it in no text, and reads no document that holds it.
    let suspect = bytes.windows(5).any(|part| part == b"u0000");
    if suspect && serde_json::from_slice(&bytes).is_ok_and(|value| has_nul(&value)) {
        return Err(Error::invalid("read body", "a text holds the character U+0000, which cannot be kept").into());
    }
    Ok(bytes)
}

/// Reads a body. JSON Schema counts 7.0 among the integers, serde does not: then it is read once more with 7 in its place.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(bytes).or_else(|error| {
        let mut value: Value = serde_json::from_slice(bytes)?;
        if whole(&mut value) { serde_json::from_value(value) } else { Err(error) }
    })
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// Writes numbers such as 7.0 as 7; `false` when there are none.
fn whole(value: &mut Value) -> bool {
    /// Every integer up to here is an f64.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |any, item| whole(item) | any),
        Value::Object(fields) => fields.values_mut().fold(false, |any, field| whole(field) | any),
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() <= EXACT_MAX => {
                *number = (float as i64).into();
                true
            }
            _ => false,
        },
        _ => false,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let stated = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    stated.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn unreadable(error: &serde_json::Error, text: Option<&str>) -> Problem {
    let (line, column) = (error.line(), error.column());
    match text {
        Some(text) => Problem::bad_request(format!("the body is not what is wanted here: {text}")),
        None => Problem::bad_request(format!(
            "the body is not what is wanted here (line {line}, column {column}): /openapi.json shows its form"
        )),
    }
}

/// The id of what was made: the audit log tells it.
#[derive(Clone)]
pub struct Made(pub String);

/// 201, with what was made.
pub struct Created<T>(pub String, pub T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.1)).into_response();
        response.extensions_mut().insert(Made(self.0));
        response
    }
}
