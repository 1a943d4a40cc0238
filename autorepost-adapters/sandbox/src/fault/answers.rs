//! What a fault answers.

use autorepost_core::Platform;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::Refusal;
use crate::world::World;

/// What says nothing more than that it failed.
pub(crate) fn unavailable() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable").into_response()
}

/// A limit, in a platform's own form and with its own headers.
pub(crate) fn rate_limited(platform: Platform, secs: u64) -> Response {
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
pub(crate) fn refused(platform: Platform, refusal: &Refusal) -> Response {
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
