//! Google's page, and its tokens.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::MethodFilter,
};
use serde_json::json;

use super::{JSON_BYTES_MAX, PLATFORM};
use crate::{
    consent::{self, Login, Presented, Refused},
    fault::Step,
    server::served,
    world::{World, YouTubeChannel},
};

/// Where codes and refresh tokens are exchanged.
pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/token", served(MethodFilter::POST, (PLATFORM, Step::Token), token))
}

/// The page on which owners allow access.
pub(crate) fn page() -> Router<Arc<World>> {
    Router::new().route("/o/oauth2/v2/auth", consent::authorize(Login::Google))
}

async fn token(world: Arc<World>, request: Request) -> Response {
    let bytes = to_bytes(request.into_body(), JSON_BYTES_MAX).await.unwrap_or_default();
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(&bytes).into_owned().collect();
    let told = |name: &str| form.get(name).cloned().unwrap_or_default();
    let bad = |code: &str, text: &str| {
        (StatusCode::BAD_REQUEST, Json(json!({"error": code, "error_description": text}))).into_response()
    };
    if told("grant_type") == "authorization_code" {
        return exchange(&world, &form);
    }
    if told("grant_type") != "refresh_token" {
        return bad("unsupported_grant_type", "Invalid grant_type");
    }
    let mut state = world.lock();
    let access = format!("ya29.sandbox{}", state.next());
    let revoked = state.expired.contains(&told("refresh_token"));
    let is_client = |id: &str, secret: &str| id == told("client_id") && secret == told("client_secret");
    if !state.youtube.iter().any(|channel| is_client(&channel.client_id, &channel.client_secret)) {
        return (StatusCode::UNAUTHORIZED, bad("invalid_client", "The provided client secret is invalid."))
            .into_response();
    }
    let channel = state.youtube.iter_mut().find(|channel| {
        channel.refresh == told("refresh_token")
            && channel.client_id == told("client_id")
            && channel.client_secret == told("client_secret")
    });
    match channel.filter(|_| !revoked) {
        Some(channel) => {
            channel.access.clone_from(&access);
            Json(json!({"access_token": access, "expires_in": 3599, "token_type": "Bearer"})).into_response()
        }
        None => bad("invalid_grant", "Token has been expired or revoked."),
    }
}

/// Gives a token for a code. The channel's earlier tokens go on working.
fn exchange(world: &World, form: &BTreeMap<String, String>) -> Response {
    let told = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let presented = Presented {
        client: told("client_id"),
        secret: told("client_secret"),
        code: told("code"),
        redirect: told("redirect_uri"),
        verifier: form.get("code_verifier").map(String::as_str),
    };
    let mut state = world.lock();
    let allowed = match consent::redeem(&mut state, Login::Google, &presented) {
        Ok(allowed) => allowed,
        Err(refused) => {
            let (status, code, text) = match refused {
                Refused::App => (StatusCode::UNAUTHORIZED, "invalid_client", "Unauthorized"),
                Refused::Code => (StatusCode::BAD_REQUEST, "invalid_grant", "Malformed auth code."),
                Refused::Redirect => (StatusCode::BAD_REQUEST, "redirect_uri_mismatch", "Bad Request"),
            };
            return (status, Json(json!({"error": code, "error_description": text}))).into_response();
        }
    };
    let Some(channel) = state.youtube.iter().find(|one| allowed.accounts.contains(&one.id)).cloned() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let (number, access) = (state.next(), format!("ya29.sandbox{}", state.next()));
    let mut body = json!({"access_token": access, "expires_in": 3599, "scope": allowed.scopes.join(" "),
        "token_type": "Bearer"});
    let mut granted = YouTubeChannel {
        access,
        client_id: presented.client.into(),
        client_secret: presented.secret.into(),
        ..channel
    };
    if !state.no_refresh_token {
        granted.refresh = format!("1//sandbox{number}");
        body["refresh_token"] = json!(granted.refresh);
    }
    state.youtube.push(granted);
    Json(body).into_response()
}
