//! The platforms' consent pages: strict about apps, redirects and challenges, with a choice of accounts and scopes, and
//! with codes that work once.

mod apps;
mod page;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use crate::world::{State as Platforms, World};

pub use apps::{Login, RegisteredApp};

/// Log-ins that are remembered at most; then one is forgotten for another.
const ASKED_MAX: usize = 1_000;

/// A log-in on its way through the owner's page.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub login: Login,
    pub client: String,
    pub redirect: String,
    pub state: String,
    pub scopes: Vec<String>,
    pub challenge: Option<String>,
    /// OAuth 1.0a: the secret of the request token, which is the state.
    pub token_secret: String,
}

/// What an owner allowed.
#[derive(Debug, Clone)]
pub(crate) struct Allowed {
    pub asked: Asked,
    pub accounts: Vec<String>,
    pub scopes: Vec<String>,
    at: DateTime<Utc>,
}

/// Why a code is not exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The app is not known, or its secret is another.
    App,
    /// The code is not known: it was used, it is too old, or the verifier does not fit.
    Code,
    /// The redirect is not the one of the log-in.
    Redirect,
}

/// What comes with a code.
pub(crate) struct Presented<'a> {
    pub client: &'a str,
    pub secret: &'a str,
    pub code: &'a str,
    pub redirect: &'a str,
    pub verifier: Option<&'a str>,
}

type Worldly = State<Arc<World>>;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/{id}", get(show).post(decide))
}

/// Reads the parameters of a query or a form. One that is there twice is taken for none.
pub(crate) fn parameters(text: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// The page of a platform, to be put where the vendor has it.
pub(crate) fn authorize(login: Login) -> MethodRouter<Arc<World>> {
    get(async move |world: Worldly, query: RawQuery| ask(login, world, query).await)
}

/// Checks what an app asks for, and leads on to the owner.
async fn ask(login: Login, State(world): Worldly, RawQuery(query): RawQuery) -> Response {
    let query = parameters(query.as_deref().unwrap_or_default());
    let told = |name: &str| query.get(name).cloned().unwrap_or_default();
    let client = told(if login == Login::TikTok { "client_key" } else { "client_id" });
    let redirect = told("redirect_uri");
    let scopes: Vec<String> =
        told("scope").split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    let problem = {
        let state = world.lock();
        match state.apps.iter().find(|app| app.login == login && app.id == client) {
            None => Some("This app is not known."),
            // Exactly, and before anything else: nobody is sent to an address that the app does not own.
            Some(app) if !app.redirects.contains(&redirect) => Some("This redirect address is not registered."),
            Some(_) if told("response_type") != "code" => Some("response_type must be code."),
            Some(_) if told("state").is_empty() => Some("state is missing."),
            Some(_) if scopes.is_empty() || scopes.iter().any(|scope| !login.scopes().contains(&scope.as_str())) => {
                Some("A scope is not known.")
            }
            Some(_) if login.needs_challenge(&redirect) && told("code_challenge").is_empty() => {
                Some("code_challenge is missing.")
            }
            Some(_) if query.contains_key("code_challenge") && told("code_challenge_method") != "S256" => {
                Some("code_challenge_method must be S256.")
            }
            Some(_) if login == Login::Google && told("access_type") != "offline" => {
                Some("access_type must be offline.")
            }
            Some(_) => None,
        }
    };
    if let Some(problem) = problem {
        return (StatusCode::BAD_REQUEST, page::refusal(login, problem)).into_response();
    }
    let challenge = query.get("code_challenge").cloned();
    let asked = Asked { login, client, redirect, state: told("state"), scopes, challenge, token_secret: String::new() };
    lead(&world, asked)
}

/// Leads to the owner's page.
pub(crate) fn lead(world: &World, asked: Asked) -> Response {
    let id = format!("ask{}", world.lock().next());
    remember(world, id.clone(), asked);
    Redirect::to(&format!("{}/consent/{id}", world.base)).into_response()
}

/// Keeps a log-in until its owner answers.
pub(crate) fn remember(world: &World, id: String, asked: Asked) {
    let mut state = world.lock();
    while state.asked.len() >= ASKED_MAX {
        state.asked.pop_first();
    }
    state.asked.insert(id, asked);
}

async fn show(State(world): Worldly, Path(id): Path<String>) -> Response {
    let state = world.lock();
    match state.asked.get(&id) {
        Some(asked) => page::ask(asked, &accounts(&state, asked.login)).into_response(),
        None => (StatusCode::NOT_FOUND, page::gone()).into_response(),
    }
}

/// The accounts that an owner may choose from: id and name.
fn accounts(state: &Platforms, login: Login) -> Vec<(String, String)> {
    let all: Vec<(String, String)> = match login {
        Login::TikTok => state.tiktok.iter().map(|one| (one.id.clone(), one.handle.clone())).collect(),
        Login::Instagram | Login::Facebook => {
            state.instagram.iter().map(|one| (one.id.clone(), one.username.clone())).collect()
        }
        Login::Google => state.youtube.iter().map(|one| (one.id.clone(), one.title.clone())).collect(),
        Login::X1 | Login::X2 => state.x.iter().map(|one| (one.id.clone(), one.username.clone())).collect(),
    };
    let mut seen = std::collections::BTreeSet::new();
    all.into_iter().filter(|(id, _)| seen.insert(id.clone())).collect()
}

async fn decide(State(world): Worldly, Path(id): Path<String>, body: String) -> Response {
    let form: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let all = |name: &str| -> Vec<String> {
        form.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    };
    let mut state = world.lock();
    let Some(asked) = state.asked.get(&id).cloned() else {
        return (StatusCode::NOT_FOUND, page::gone()).into_response();
    };
    let known = accounts(&state, asked.login);
    let chosen: Vec<String> =
        all("account").into_iter().filter(|account| known.iter().any(|(id, _)| id == account)).collect();
    let allowed = all("decision") == ["allow"];
    let several = asked.login == Login::Facebook;
    if allowed && (chosen.is_empty() || (chosen.len() > 1 && !several)) {
        return (StatusCode::BAD_REQUEST, page::refusal(asked.login, "Choose an account.")).into_response();
    }
    state.asked.remove(&id);
    let Ok(mut url) = Url::parse(&asked.redirect) else { return StatusCode::BAD_REQUEST.into_response() };
    if !allowed {
        asked.login.refuse(&mut url, &asked.state);
        return Redirect::to(url.as_str()).into_response();
    }
    let scopes: Vec<String> = match asked.login {
        // X does not let owners choose.
        Login::X1 | Login::X2 => asked.scopes.clone(),
        _ => all("scope").into_iter().filter(|scope| asked.scopes.contains(scope)).collect(),
    };
    let code = format!("code-{}-{}", asked.login.name(), state.next());
    asked.login.answer(&mut url, &asked.state, &code, &scopes);
    state.codes.insert(code, Allowed { asked, accounts: chosen, scopes, at: World::now() });
    Redirect::to(url.as_str()).into_response()
}

/// Exchanges a code, once.
pub(crate) fn redeem(state: &mut Platforms, login: Login, presented: &Presented<'_>) -> Result<Allowed, Refused> {
    let known = |app: &&RegisteredApp| app.login == login && app.id == presented.client;
    if state.apps.iter().find(known).is_none_or(|app| app.secret != presented.secret) {
        return Err(Refused::App);
    }
    let allowed = state.codes.remove(presented.code).filter(|allowed| {
        allowed.asked.login == login
            && allowed.asked.client == presented.client
            && allowed.at + TimeDelta::seconds(login.code_secs()) > World::now()
    });
    let allowed = allowed.ok_or(Refused::Code)?;
    if allowed.asked.redirect != presented.redirect {
        return Err(Refused::Redirect);
    }
    let made = presented.verifier.map(|verifier| login.challenge(verifier));
    // A verifier without a challenge, and a challenge without a verifier, are as bad as a wrong one.
    if made != allowed.asked.challenge || presented.verifier.is_some_and(|verifier| verifier.len() < 43) {
        return Err(Refused::Code);
    }
    Ok(allowed)
}

/// The challenge that a verifier makes (RFC 7636; TikTok's has hexadecimal digits).
fn challenge(login: Login, verifier: &str) -> String {
    let hash = Sha256::digest(verifier.as_bytes());
    match login {
        Login::TikTok => hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => URL_SAFE_NO_PAD.encode(hash),
    }
}
