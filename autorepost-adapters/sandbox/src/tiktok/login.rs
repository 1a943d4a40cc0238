//! TikTok's Login Kit: its page, and its tokens.

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::Platform;
use axum::{
    Json, Router,
    body::to_bytes,
    extract::Request,
    response::{IntoResponse, Response},
    routing::MethodFilter,
};
use serde_json::json;

use crate::{
    consent::{self, Login, Presented, Refused},
    fault::Step,
    server::served,
    world::{TikTokGrant, World},
};

const PLATFORM: Platform = Platform::TikTok;
/// Largest form that is read, in bytes.
const FORM_BYTES_MAX: usize = 64 << 10;

/// Login Kit's page.
pub(crate) fn page() -> Router<Arc<World>> {
    Router::new().route("/v2/auth/authorize/", consent::authorize(Login::TikTok))
}

/// Login Kit's tokens.
pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/v2/oauth/token/", served(MethodFilter::POST, (PLATFORM, Step::Token), login_token))
}

async fn login_token(world: Arc<World>, request: Request) -> Response {
    let bytes = to_bytes(request.into_body(), FORM_BYTES_MAX).await.unwrap_or_default();
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&bytes).into_owned().collect();
    let told = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    // Told with the status of a success.
    let bad = |code: &str, text: &str| {
        Json(json!({"error": code, "error_description": text, "log_id": "2026sandbox"})).into_response()
    };
    let mut state = world.lock();
    let number = state.next();
    let grant = |account: String| TikTokGrant {
        account,
        access: format!("act.sandbox{number}"),
        refresh: format!("rft.sandbox{number}"),
    };
    let (grant, scopes) = match told("grant_type") {
        "authorization_code" => {
            let presented = Presented {
                client: told("client_key"),
                secret: told("client_secret"),
                code: told("code"),
                redirect: told("redirect_uri"),
                verifier: form.get("code_verifier").map(String::as_str),
            };
            match consent::redeem(&mut state, Login::TikTok, &presented) {
                Ok(allowed) => (grant(allowed.accounts.concat()), allowed.scopes),
                Err(Refused::App) => return bad("invalid_client", "Client key or secret is incorrect."),
                Err(Refused::Code) => return bad("invalid_grant", "Authorization code is expired."),
                Err(Refused::Redirect) => return bad("invalid_request", "Redirect_uri is not matched."),
            }
        }
        "refresh_token" => {
            let app = state.apps.iter().find(|app| app.login == Login::TikTok && app.id == told("client_key"));
            if app.is_none_or(|app| app.secret != told("client_secret")) {
                return bad("invalid_client", "Client key or secret is incorrect.");
            }
            let Some(index) = state.tiktok_grants.iter().position(|one| one.refresh == told("refresh_token")) else {
                state.refreshes.1 += 1;
                return bad("invalid_grant", "Refresh token is invalid or expired.");
            };
            state.refreshes.0 += 1;
            let old = state.tiktok_grants.remove(index);
            (grant(old.account), Login::TikTok.scopes().iter().map(|scope| (*scope).to_owned()).collect())
        }
        _ => return bad("unsupported_grant_type", "Grant type is not supported."),
    };
    let body = json!({"access_token": grant.access, "expires_in": 7200, "open_id": open_id(&grant.account),
        "refresh_expires_in": 15_552_000, "refresh_token": grant.refresh, "scope": scopes.join(","),
        "token_type": "Bearer"});
    state.tiktok_grants.push(grant);
    Json(body).into_response()
}

/// The id that one app is told of an account.
pub(crate) fn open_id(account: &str) -> String {
    format!("-000{account}")
}
