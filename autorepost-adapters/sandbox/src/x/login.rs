//! X's two ways to log in: OAuth 1.0a with three legs, OAuth 2.0 with PKCE and refresh tokens that work once.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{RawQuery, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{MethodFilter, get},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    JSON_BYTES_MAX, PLATFORM, Worldly,
    signature::{Head, verified},
};
use crate::{
    consent::{self, Asked, Login, Presented, Refused},
    fault::Step,
    server::{header, served},
    world::{World, XAccount, XGrant},
};

pub(super) fn routes() -> Router<Arc<World>> {
    let under = |step: fn(Arc<World>, Request) -> futures_util::future::BoxFuture<'static, Response>| {
        served(MethodFilter::POST, (PLATFORM, Step::Token), step)
    };
    Router::new()
        .route("/oauth/request_token", under(|world, request| Box::pin(request_token(world, request))))
        .route("/oauth/access_token", under(|world, request| Box::pin(access_token(world, request))))
        .route("/2/oauth2/token", under(|world, request| Box::pin(token(world, request))))
        .route("/oauth/authorize", get(authorize))
}

/// The pages on which owners allow access; that of OAuth 1.0a is on the API's host, too.
pub(crate) fn page() -> Router<Arc<World>> {
    Router::new().route("/oauth/authorize", get(authorize)).route("/i/oauth2/authorize", consent::authorize(Login::X2))
}

async fn form_of(request: Request) -> Vec<(String, String)> {
    let bytes = to_bytes(request.into_body(), JSON_BYTES_MAX).await.unwrap_or_default();
    url::form_urlencoded::parse(&bytes).into_owned().collect()
}

fn get_field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
}

/// A parameter of the protocol: in the header, in the form, or in the query (RFC 5849, 3.5).
fn protocol(head: &Head, form: &[(String, String)], name: &str) -> String {
    let in_header = head.oauth().and_then(|mut oauth| oauth.remove(name));
    let in_query = || consent::parameters(head.path.split_once('?').map_or("", |(_, query)| query)).remove(name);
    in_header.or_else(in_query).unwrap_or_else(|| get_field(form, name).to_owned())
}

fn refused(status: StatusCode, code: u32, text: &str) -> Response {
    (status, Json(json!({"errors": [{"code": code, "message": text}]}))).into_response()
}

async fn request_token(world: Arc<World>, request: Request) -> Response {
    let head = Head::of(&request);
    let form = form_of(request).await;
    let app = verified(&world, &head, &form, |state, key, token| {
        let app = state.apps.iter().find(|app| app.login == Login::X1 && app.id == key && token.is_empty())?;
        Some((app.clone(), (app.secret.clone(), String::new())))
    });
    let Some(app) = app else { return refused(StatusCode::UNAUTHORIZED, 32, "Could not authenticate you.") };
    let redirect = protocol(&head, &form, "oauth_callback");
    if !app.redirects.contains(&redirect) {
        return refused(StatusCode::FORBIDDEN, 415, "Callback URL not approved for this client application.");
    }
    let (token, token_secret) = {
        let mut state = world.lock();
        (format!("request{}", state.next()), format!("request-secret{}", state.next()))
    };
    let body = format!("oauth_token={token}&oauth_token_secret={token_secret}&oauth_callback_confirmed=true");
    let asked = Asked {
        login: Login::X1,
        client: app.id,
        redirect,
        state: token.clone(),
        scopes: Vec::new(),
        challenge: None,
        token_secret,
    };
    consent::remember(&world, token, asked);
    ([("content-type", "application/x-www-form-urlencoded")], body).into_response()
}

async fn authorize(State(world): Worldly, RawQuery(query): RawQuery) -> Response {
    let token = consent::parameters(query.as_deref().unwrap_or_default()).remove("oauth_token").unwrap_or_default();
    let asked = world.lock().asked.remove(&token);
    match asked {
        Some(asked) => consent::lead(&world, asked),
        None => (StatusCode::FORBIDDEN, "This request token is not known.").into_response(),
    }
}

async fn access_token(world: Arc<World>, request: Request) -> Response {
    let head = Head::of(&request);
    let form = form_of(request).await;
    let verifier = protocol(&head, &form, "oauth_verifier");
    let allowed = verified(&world, &head, &form, |state, key, token| {
        let allowed = state.codes.get(&verifier)?;
        let asked = &allowed.asked;
        let app = state.apps.iter().find(|app| app.login == Login::X1 && app.id == key)?;
        let fits = asked.login == Login::X1 && asked.client == key && asked.state == token;
        fits.then(|| (allowed.clone(), (app.secret.clone(), asked.token_secret.clone())))
    });
    let Some(allowed) = allowed else {
        return refused(StatusCode::UNAUTHORIZED, 89, "Invalid or expired token.");
    };
    let mut state = world.lock();
    // The one who takes it away is the one who gets it.
    if state.codes.remove(&verifier).is_none() {
        return refused(StatusCode::UNAUTHORIZED, 89, "Invalid or expired token.");
    }
    let secret = state.apps.iter().find(|app| app.login == Login::X1 && app.id == allowed.asked.client);
    let secret = secret.map(|app| app.secret.clone()).unwrap_or_default();
    let Some(account) = state.x.iter().find(|one| allowed.accounts.contains(&one.id)).cloned() else {
        return refused(StatusCode::UNAUTHORIZED, 89, "Invalid or expired token.");
    };
    let (token, token_secret) = (format!("{}-token{}", account.id, state.next()), format!("secret{}", state.next()));
    let body = format!(
        "oauth_token={token}&oauth_token_secret={token_secret}&user_id={}&screen_name={}",
        account.id, account.username
    );
    let granted =
        XAccount { consumer_key: allowed.asked.client, consumer_secret: secret, token, token_secret, ..account };
    state.x.push(granted);
    ([("content-type", "application/x-www-form-urlencoded")], body).into_response()
}

/// The client of a Basic header (RFC 6749, 2.3.1).
fn basic(request: &Request) -> Option<(String, String)> {
    let encoded = header(request.headers(), "authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
}

async fn token(world: Arc<World>, request: Request) -> Response {
    let (client, secret) = basic(&request).unwrap_or_default();
    let form = form_of(request).await;
    let bad = |status, code: &str, text: &str| {
        (status, Json(json!({"error": code, "error_description": text}))).into_response()
    };
    let stranger = || bad(StatusCode::UNAUTHORIZED, "unauthorized_client", "Missing valid authorization header");
    let told = |name: &str| get_field(&form, name);
    let mut state = world.lock();
    let number = state.next();
    let grant = |account: String| XGrant {
        account,
        client: client.clone(),
        access: format!("x-access{number}"),
        refresh: format!("x-refresh{number}"),
    };
    let (grant, scopes) = match told("grant_type") {
        "authorization_code" => {
            let presented = Presented {
                client: &client,
                secret: &secret,
                code: told("code"),
                redirect: told("redirect_uri"),
                verifier: Some(told("code_verifier")),
            };
            match consent::redeem(&mut state, Login::X2, &presented) {
                Ok(allowed) => (grant(allowed.accounts.concat()), allowed.scopes),
                Err(Refused::App) => return stranger(),
                Err(Refused::Code | Refused::Redirect) => {
                    let text = "Value passed for the authorization code was invalid.";
                    return bad(StatusCode::BAD_REQUEST, "invalid_request", text);
                }
            }
        }
        "refresh_token" => {
            let app = state.apps.iter().find(|app| app.login == Login::X2 && app.id == client);
            if app.is_none_or(|app| app.secret != secret) {
                return stranger();
            }
            let own = |one: &XGrant| one.refresh == told("refresh_token") && one.client == client;
            let Some(index) = state.x_grants.iter().position(own) else {
                state.refreshes.1 += 1;
                let text = "Value passed for the token was invalid.";
                return bad(StatusCode::BAD_REQUEST, "invalid_request", text);
            };
            state.refreshes.0 += 1;
            let old = state.x_grants.remove(index);
            (grant(old.account), Login::X2.scopes().iter().map(|scope| (*scope).to_owned()).collect())
        }
        _ => return bad(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Grant type is not supported."),
    };
    let body = json!({"token_type": "bearer", "expires_in": 7200, "access_token": grant.access,
        "scope": scopes.join(" "), "refresh_token": grant.refresh});
    state.x_grants.push(grant);
    Json(body).into_response()
}
