//! What went wrong, as a client reads it: problem details of RFC 9457.

use std::time::Duration;

use autorepost_core::{Error, ErrorKind, Retry, state::Owner};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of problem details.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The one table from what went wrong to a status. 401 and 403 speak of the caller's own key and come from nowhere else: what
/// a platform refuses is no fault of the key.
pub const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict | ErrorKind::LeaseLost => StatusCode::CONFLICT,
        ErrorKind::Invalid
        | ErrorKind::Unauthorized
        | ErrorKind::Forbidden
        | ErrorKind::Rejected
        | ErrorKind::Unsealable
        | ErrorKind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::RateLimited | ErrorKind::Quota => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Blocked | ErrorKind::Malformed => StatusCode::BAD_GATEWAY,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What went wrong, before the request's id is added.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    platform_code: Option<String>,
    owner: Option<Owner>,
    retry_after: Option<Duration>,
}

/// Problem details, as they are sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// What kind of problem it is: `urn:autorepost:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of problem it is, for people.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong here, and how to mend it.
    detail: &'a str,
    /// What kind of problem it is, for programs.
    code: &'a str,
    /// The platform's own code, where a platform refused something.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_code: Option<&'a str>,
    /// Who must act.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::api::schema::OwnerSchema>)]
    owner: Option<Owner>,
    /// When to come again, in seconds; the header `Retry-After` says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_secs: Option<u64>,
    /// The id of the request: it stands in the program's log too.
    request_id: &'a str,
}

impl Problem {
    /// A problem with the request itself, which the core never saw.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into(), platform_code: None, owner: None, retry_after: None }
    }

    /// Says when to come again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", "The request cannot be read", detail)
    }

    /// There is nothing at this address, or not for this caller: the two are not told apart.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing", detail)
    }

    /// There is no key, or it opens nothing.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A valid API key is needed", detail)
    }

    /// The key may not do this.
    pub fn not_allowed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_allowed", "The API key may not do this", detail)
    }

    /// Something in the program failed; the log has more.
    pub fn internal() -> Self {
        let detail = "the program failed: its log has more under the request's id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The program failed", detail)
    }

    /// The answer, complete with the request's id.
    pub fn answer(&self, request: &str) -> Response {
        let retry_after_secs = self.retry_after.map(|wait| wait.as_secs_f64().ceil().max(1.0) as u64);
        let body = ProblemBody {
            kind: format!("urn:autorepost:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            platform_code: self.platform_code.as_deref(),
            owner: self.owner,
            retry_after_secs,
            request_id: request,
        };
        let text = serde_json::to_vec(&body).expect("a problem has a JSON form");
        let mut response = (self.status, Body::from(text)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(secs) = retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"autorepost\""));
        }
        response
    }
}

impl From<Error> for Problem {
    /// Logs what is the program's own trouble: here it is handled.
    fn from(error: Error) -> Self {
        let status = status(error.kind());
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(kind = error.kind().as_str(), cause, "{error}");
        }
        let detail = match error.kind() {
            // Its text is for those who read the program's code.
            ErrorKind::Internal => Self::internal().detail,
            _ => format!("{}: {}", error.op(), error.detail()),
        };
        let retry_after = match error.retry_hint() {
            Retry::After(wait) => Some(wait),
            Retry::Soon => Some(SOON),
            Retry::Never => None,
        };
        Self {
            status,
            code: error.kind().as_str(),
            title: title(error.kind()),
            detail,
            platform_code: error.platform_code().map(Into::into),
            owner: Some(Owner::of(error.kind())),
            retry_after,
        }
    }
}

/// When to come again where nobody says it.
const SOON: Duration = Duration::from_secs(2);

const fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "What is asked cannot work",
        ErrorKind::NotFound => "There is no such thing",
        ErrorKind::Conflict => "It is not in a state for this",
        ErrorKind::LeaseLost => "Somebody else does this now",
        ErrorKind::Unauthorized => "The account's credential is dead",
        ErrorKind::Forbidden => "The account's credential may not do this",
        ErrorKind::RateLimited => "Too many requests for the moment",
        ErrorKind::Quota => "An allowance is used up",
        ErrorKind::Rejected => "The platform refuses this content",
        ErrorKind::Unavailable => "Something does not answer for the moment",
        ErrorKind::Blocked => "The source does not show its content",
        ErrorKind::Malformed => "An answer or a stored value is not understood",
        ErrorKind::Unsealable => "The account's credential does not open",
        ErrorKind::Configuration => "The program's configuration is wrong",
        ErrorKind::Unsupported => "This is not possible here",
        _ => "The program failed",
    }
}

impl IntoResponse for Problem {
    /// An answer without a body: the outermost layer completes it with the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
