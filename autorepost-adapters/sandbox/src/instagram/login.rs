//! Meta's two ways to log in: Instagram's own, and Facebook's with its Pages.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::MethodFilter,
};
use serde_json::json;

use super::{PLATFORM, TOKEN, error, parameters};
use crate::{
    consent::{self, Allowed, Login, Presented, Refused},
    fault::Step,
    server::served,
    world::{InstagramAccount, State as Platforms, World},
};

/// The page of Instagram Login.
pub(crate) fn page() -> Router<Arc<World>> {
    Router::new().route("/oauth/authorize", consent::authorize(Login::Instagram))
}

/// Where its codes are exchanged.
pub(crate) fn code_routes() -> Router<Arc<World>> {
    Router::new().route("/oauth/access_token", served(MethodFilter::POST, (PLATFORM, Step::Token), login_token))
}

/// Where its tokens are exchanged for longer ones.
pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/access_token", served(MethodFilter::GET, (PLATFORM, Step::Token), login_exchange))
}

async fn login_token(world: Arc<World>, request: Request) -> Response {
    let form = parameters(request).await;
    let told = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let bad = |text: &str| {
        let body = json!({"error_type": "OAuthException", "code": 400, "error_message": text});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    };
    let presented = Presented {
        client: told("client_id"),
        secret: told("client_secret"),
        code: told("code"),
        redirect: told("redirect_uri"),
        verifier: None,
    };
    if told("grant_type") != "authorization_code" {
        return bad("Invalid grant_type");
    }
    let mut state = world.lock();
    match consent::redeem(&mut state, Login::Instagram, &presented) {
        Ok(allowed) => {
            let token = format!("IGAAshort{}", state.next());
            let body = json!({"access_token": token, "user_id": allowed.accounts.concat().parse::<u64>().unwrap_or(0),
                "permissions": allowed.scopes});
            state.meta_tokens.insert(token, allowed);
            Json(body).into_response()
        }
        Err(Refused::App) => bad("Error validating client secret."),
        Err(Refused::Code) => bad("Matching code was not found or was already used"),
        Err(Refused::Redirect) => {
            bad("Error validating verification code. Please make sure your redirect_uri is identical")
        }
    }
}

fn secret_of(world: &World, login: Login, client: Option<&str>) -> Option<String> {
    let state = world.lock();
    let app = state.apps.iter().find(|app| app.login == login && client.is_none_or(|client| client == app.id));
    app.map(|app| app.secret.clone())
}

/// A short-lived token for a long-lived one.
async fn login_exchange(world: Arc<World>, request: Request) -> Response {
    let query = parameters(request).await;
    let told = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    if told("grant_type") != "ig_exchange_token"
        || secret_of(&world, Login::Instagram, None).as_deref() != Some(told("client_secret"))
    {
        return error(101, None, "Error validating application. Cannot get application info due to a system error.");
    }
    let mut state = world.lock();
    let Some(allowed) = state.meta_tokens.get(told("access_token")).cloned() else {
        return error(190, Some(463), "Error validating access token: Session has expired");
    };
    let token = format!("IGAAlong{}", state.next());
    grant(&mut state, &allowed.accounts.concat(), &token, &allowed.scopes);
    Json(json!({"access_token": token, "token_type": "bearer", "expires_in": 5_183_944})).into_response()
}

/// An account gets another token.
fn grant(state: &mut Platforms, account: &str, token: &str, scopes: &[String]) {
    let known = state.instagram.iter().find(|known| known.id == account).cloned();
    let may_publish = scopes.iter().any(|scope| scope.ends_with("content_publish"));
    state.instagram.extend(known.map(|known| InstagramAccount { token: token.to_owned(), may_publish, ..known }));
}

/// The page of Facebook Login.
pub(crate) fn facebook_page() -> Router<Arc<World>> {
    Router::new().route("/{version}/dialog/oauth", consent::authorize(Login::Facebook))
}

/// Its tokens, and the Pages that they lead to.
pub(crate) fn facebook_routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{version}/oauth/access_token", served(MethodFilter::GET, (PLATFORM, Step::Token), facebook_token))
        .route("/{version}/me/permissions", served(MethodFilter::GET, (PLATFORM, Step::Token), permissions))
        .route("/{version}/me/accounts", served(MethodFilter::GET, (PLATFORM, Step::Token), pages))
}

async fn facebook_token(world: Arc<World>, request: Request) -> Response {
    let query = parameters(request).await;
    let told = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let unknown = || error(101, None, "Error validating application. Invalid application ID or secret.");
    if secret_of(&world, Login::Facebook, Some(told("client_id"))).as_deref() != Some(told("client_secret")) {
        return unknown();
    }
    let mut state = world.lock();
    let (name, life) = if query.contains_key("code") { ("EAAshort", 5_000) } else { ("EAAlong", 5_183_944) };
    let allowed = match query.contains_key("code") {
        true => {
            let presented = Presented {
                client: told("client_id"),
                secret: told("client_secret"),
                code: told("code"),
                redirect: told("redirect_uri"),
                verifier: None,
            };
            match consent::redeem(&mut state, Login::Facebook, &presented) {
                Ok(allowed) => allowed,
                Err(Refused::App) => return unknown(),
                Err(Refused::Code) => return error(100, None, "This authorization code has been used."),
                Err(Refused::Redirect) => {
                    return error(
                        100,
                        None,
                        "Error validating verification code. Please make sure your redirect_uri is \
                        identical to the one you used in the OAuth dialog request",
                    );
                }
            }
        }
        false => match state.meta_tokens.get(told("fb_exchange_token")).cloned() {
            Some(allowed) if told("grant_type") == "fb_exchange_token" => allowed,
            _ => return error(190, Some(463), "Error validating access token: Session has expired"),
        },
    };
    let token = format!("{name}{}", state.next());
    state.meta_tokens.insert(token.clone(), allowed);
    Json(json!({"access_token": token, "token_type": "bearer", "expires_in": life})).into_response()
}

fn facebook_user(world: &World, told: &BTreeMap<String, String>) -> Result<Allowed, Box<Response>> {
    let found = told.get(TOKEN).and_then(|token| world.lock().meta_tokens.get(token).cloned());
    let expired = || Box::new(error(190, Some(463), "Error validating access token: Session has expired"));
    found.filter(|allowed| allowed.asked.login == Login::Facebook).ok_or_else(expired)
}

async fn permissions(world: Arc<World>, request: Request) -> Response {
    let allowed = match facebook_user(&world, &parameters(request).await) {
        Ok(allowed) => allowed,
        Err(refusal) => return *refusal,
    };
    let row = |scope: &String| {
        let status = if allowed.scopes.contains(scope) { "granted" } else { "declined" };
        json!({"permission": scope, "status": status})
    };
    let rows: Vec<_> = allowed.asked.scopes.iter().map(row).collect();
    Json(json!({ "data": rows })).into_response()
}

/// A Page for each chosen account, one to an answer, and one without an Instagram account.
async fn pages(world: Arc<World>, request: Request) -> Response {
    let query = parameters(request).await;
    let allowed = match facebook_user(&world, &query) {
        Ok(allowed) => allowed,
        Err(refusal) => return *refusal,
    };
    let at: usize = query.get("after").and_then(|after| after.parse().ok()).unwrap_or(0);
    let mut state = world.lock();
    let data = match allowed.accounts.get(at) {
        Some(account) => {
            let (number, token) = (state.next(), format!("EAApage{}", state.next()));
            grant(&mut state, account, &token, &allowed.scopes);
            let username = state.instagram.iter().find(|one| one.id == *account).map(|one| one.username.clone());
            json!([{"id": number.to_string(), "name": "A page", "access_token": token,
                "instagram_business_account": {"id": account, "username": username}}])
        }
        None => json!([{"id": "1", "name": "A page without Instagram", "access_token": "EAAnone"}]),
    };
    let mut paging = json!({"cursors": {"before": at.to_string(), "after": (at + 1).to_string()}});
    if at < allowed.accounts.len() {
        paging["next"] = json!("https://graph.facebook.com/next");
    }
    Json(json!({"data": data, "paging": paging})).into_response()
}
