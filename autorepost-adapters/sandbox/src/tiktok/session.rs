//! TikTok's log-in page: a name and a password make a web session.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::State,
    http::{StatusCode, header::SET_COOKIE},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use serde::Deserialize;

use crate::{
    page::{END, begin},
    world::World,
};

/// The password of every TikTok account of the sandbox; its name is the handle.
pub const PASSWORD: &str = "sandbox";
/// How long a session lasts, in seconds: 180 days, as TikTok's `sessionid` says.
const SESSION_SECS: u64 = 180 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    name: String,
    password: String,
}

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/login", get(async || page("")).post(sign_in))
}

async fn sign_in(State(world): State<Arc<World>>, Form(form): Form<SignIn>) -> Response {
    let mut state = world.lock();
    let account = state.tiktok.iter().find(|account| account.handle == form.name.trim_start_matches('@')).cloned();
    let Some(account) = account.filter(|_| form.password == PASSWORD) else {
        return (StatusCode::UNAUTHORIZED, page("This is no account, or not its password.")).into_response();
    };
    state.expired.remove(&account.session);
    let cookie = format!("sessionid={}; Path=/; Max-Age={SESSION_SECS}; HttpOnly; SameSite=Lax", account.session);
    ([(SET_COOKIE, cookie)], Redirect::to(&format!("/tiktok/@{}", account.handle))).into_response()
}

fn page(problem: &str) -> Html<String> {
    Html(format!(
        "{}<h1>TikTok (sandbox)</h1><p role=\"alert\">{problem}</p>\
         <form method=\"post\"><label>Name <input name=\"name\" autocomplete=\"username\" required></label>\
         <label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>\
         <p><button>Log in</button></p></form><p>The password of every account here is <code>{PASSWORD}</code>.</p>{END}",
        begin("TikTok: log in", "narrow", false)
    ))
}
