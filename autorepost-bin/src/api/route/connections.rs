//! Connections.

use std::time::Duration;

use autorepost_core::{
    Error, ErrorKind, Platform, Retry,
    connection::AuthMethod,
    id::ConnectionId,
    port::{Budget, Permit},
};
use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        extract::{Answer, Body, Created, Desk, Path, Query, SecretBody},
        page::{Page, PageAsk},
        problem::Problem,
        schema::PlatformSchema,
        view::{ConnectionView, PlannedView},
    },
    credential::{self, Login},
};

/// Pages of a source that one plan looks at, at most.
const PLAN_PAGES_MAX: u32 = 5;

/// Lists the tenant's accounts, the oldest first.
#[utoipa::path(get, path = "/v1/connections", tag = "Connections", params(PageAsk),
    responses((status = 200, description = "A page of connections", body = Page<ConnectionView>)))]
pub async fn list(desk: Desk, Query(page): Query<PageAsk>) -> Answer<Page<ConnectionView>> {
    let asked = page.checked()?;
    let rows = desk.operator().connections().await?;
    Ok(Json(asked.slice(rows, |row| (row.created_at, row.id.uuid()), ConnectionView::from)))
}

/// An account to connect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConnection {
    /// The platform.
    #[schema(value_type = PlatformSchema)]
    platform: Platform,
    /// How the account was logged in; without it `facebook` for Instagram, and `oauth1` for X.
    login: Option<Login>,
    /// TikTok: the account's handle.
    #[schema(max_length = 100)]
    handle: Option<String>,
    /// Instagram with Facebook Login: the id of the professional account.
    #[schema(max_length = 100)]
    account: Option<String>,
    /// TikTok: the cookies of a signed-in browser, as JSON or as a text. Elsewhere: an object with `access_token` and
    /// `refresh_token`, for X with `oauth_token` and `oauth_token_secret`. It is sealed, and never shown again.
    credential: Value,
}

/// Connects an account, or renews its credential. The platform is asked whose it is.
#[utoipa::path(post, path = "/v1/connections", tag = "Connections", request_body = NewConnection,
    responses((status = 201, description = "The account is connected", body = ConnectionView)))]
pub async fn connect(
    desk: Desk,
    SecretBody(new): SecretBody<NewConnection>,
) -> Result<Created<ConnectionView>, Problem> {
    let method = credential::method(new.platform, new.login)?;
    let handle = new.handle.as_deref().unwrap_or_default().trim_start_matches('@').to_owned();
    let account = new.account.unwrap_or_default();
    let needs =
        |what: &str| Err(Error::invalid("connect", format!("this account needs \"{what}\" to be given")).into());
    if method == AuthMethod::FacebookLogin && account.is_empty() {
        return needs("account");
    }
    if method == AuthMethod::TiktokSession && handle.is_empty() {
        return needs("handle");
    }
    let text = match new.credential {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let credential = credential::read(method, &text, desk.ports().clock.now())?;
    let connection = desk.operator().connect(method, &account, &handle, credential).await?;
    Ok(Created(connection.id.to_string(), connection.into()))
}

/// An account to connect on the platform's own page.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConsent {
    /// The platform.
    #[schema(value_type = PlatformSchema)]
    platform: Platform,
    /// Instagram and X know two ways to log in; without it the first whose app is configured.
    login: Option<Login>,
}

/// The way to a platform's page.
#[derive(Serialize, ToSchema)]
#[schema(as = Consent)]
pub struct ConsentView {
    /// The page, for the account's owner: who opens it and allows access connects an account to this tenant.
    url: String,
    /// When it is too late to allow it.
    expires_at: DateTime<Utc>,
}

/// Begins to connect an account on the platform's own page. The browser comes back to `/connect/callback`, and the account
/// is there.
#[utoipa::path(post, path = "/v1/connections/consent", tag = "Connections", request_body = NewConsent,
    responses((status = 200, description = "Where the owner allows access", body = ConsentView)))]
pub async fn consent(desk: Desk, Body(new): Body<NewConsent>) -> Answer<ConsentView> {
    let op = "ask for access";
    let redirect = desk.redirect().ok_or_else(|| {
        let text = "browsers do not reach this interface: set AUTOREPOST_PUBLIC_URL to where they do";
        Error::new(ErrorKind::Unsupported, op, text)
    })?;
    // An app that is not set up, here or at the platform, is no failure of the program.
    let unsupported = |error: Error| match error.kind() {
        ErrorKind::Configuration => Error::new(ErrorKind::Unsupported, op, error.detail()),
        _ => error,
    };
    let method = credential::consent_method(desk.ports(), new.platform, new.login).map_err(unsupported)?;
    let asked = desk.operator().ask_consent(method, redirect).await.map_err(unsupported)?;
    Ok(Json(ConsentView { url: asked.page.expose().to_owned(), expires_at: asked.expires_at }))
}

/// Shows an account.
#[utoipa::path(get, path = "/v1/connections/{id}", tag = "Connections",
    params(("id" = Uuid, Path, description = "The connection")),
    responses((status = 200, description = "The connection", body = ConnectionView)))]
pub async fn get(desk: Desk, Path(id): Path<ConnectionId>) -> Answer<ConnectionView> {
    Ok(Json(desk.operator().connection_by_id(id).await?.into()))
}

/// Disconnects an account: its credential is destroyed. What a rule still sends there waits until it is connected again. The
/// platform is not told: withdraw the grant on its own page of connected apps.
#[utoipa::path(delete, path = "/v1/connections/{id}", tag = "Connections",
    params(("id" = Uuid, Path, description = "The connection")),
    responses((status = 200, description = "The connection is revoked", body = ConnectionView)))]
pub async fn disconnect(desk: Desk, Path(id): Path<ConnectionId>) -> Answer<ConnectionView> {
    Ok(Json(desk.operator().disconnect(id).await?.into()))
}

/// Holds an account: nothing is read from it or published to it, and nothing is lost.
#[utoipa::path(post, path = "/v1/connections/{id}/pause", tag = "Connections",
    params(("id" = Uuid, Path, description = "The connection")),
    responses((status = 200, description = "The connection is paused", body = ConnectionView)))]
pub async fn pause(desk: Desk, Path(id): Path<ConnectionId>) -> Answer<ConnectionView> {
    set_paused(&desk, id, true).await
}

/// Lets a paused account go on.
#[utoipa::path(post, path = "/v1/connections/{id}/resume", tag = "Connections",
    params(("id" = Uuid, Path, description = "The connection")),
    responses((status = 200, description = "The connection goes on", body = ConnectionView)))]
pub async fn resume(desk: Desk, Path(id): Path<ConnectionId>) -> Answer<ConnectionView> {
    set_paused(&desk, id, false).await
}

async fn set_paused(desk: &Desk, id: ConnectionId, paused: bool) -> Answer<ConnectionView> {
    let operator = desk.operator();
    operator.connection_by_id(id).await?;
    Ok(Json(operator.set_paused(&id.to_string(), paused).await?.into()))
}

/// Whether a platform knows an account's credential.
#[derive(Serialize, ToSchema)]
pub struct Checked {
    /// Whether it does.
    ok: bool,
    /// As what it knows it, or why it does not.
    detail: String,
    /// When the credential stops working, if the platform says so.
    expires_at: Option<DateTime<Utc>>,
}

/// Asks the platform whether it still knows the account's credential. Nothing is changed.
#[utoipa::path(post, path = "/v1/connections/{id}/check", tag = "Connections",
    params(("id" = Uuid, Path, description = "The connection")),
    responses((status = 200, description = "What the platform answers", body = Checked)))]
pub async fn check(desk: Desk, Path(id): Path<ConnectionId>) -> Answer<Checked> {
    let operator = desk.operator();
    let connection = operator.connection_by_id(id).await?;
    sparingly(&desk, id).await?;
    Ok(Json(match operator.check(&connection).await {
        Ok(identity) => Checked {
            ok: true,
            detail: format!("the platform knows it as @{}", identity.handle),
            expires_at: identity.expires_at,
        },
        Err(error) => Checked { ok: false, detail: error.to_string(), expires_at: None },
    }))
}

/// Makes the renewal of an account's credential due now.
#[utoipa::path(post, path = "/v1/connections/{id}/refresh", tag = "Connections",
    params(("id" = Uuid, Path, description = "The connection")),
    responses((status = 200, description = "A worker does it next", body = ConnectionView)))]
pub async fn refresh(desk: Desk, Path(id): Path<ConnectionId>) -> Answer<ConnectionView> {
    let operator = desk.operator();
    let connection = operator.connection_by_id(id).await?;
    operator.hasten_refresh(std::slice::from_ref(&connection)).await?;
    Ok(Json(connection.into()))
}

/// Makes the renewal of the credentials of all the tenant's accounts due now.
#[utoipa::path(post, path = "/v1/connections/refresh", tag = "Connections",
    responses((status = 200, description = "Workers do it next", body = Vec<ConnectionView>)))]
pub async fn refresh_all(desk: Desk) -> Answer<Vec<ConnectionView>> {
    let operator = desk.operator();
    let connections = operator.connections().await?;
    operator.hasten_refresh(&connections).await?;
    Ok(Json(connections.into_iter().map(ConnectionView::from).collect()))
}

/// Makes the next look at a source due now.
#[utoipa::path(post, path = "/v1/connections/{id}/sync", tag = "Connections",
    params(("id" = Uuid, Path, description = "The connection")),
    responses((status = 200, description = "A worker does it next", body = ConnectionView)))]
pub async fn sync(desk: Desk, Path(id): Path<ConnectionId>) -> Answer<ConnectionView> {
    let operator = desk.operator();
    let connection = operator.connection_by_id(id).await?;
    if operator.hasten_sync(Some(id)).await?.is_empty() {
        return Err(no_source(connection.platform));
    }
    Ok(Json(connection.into()))
}

/// How often a platform may be asked about one account on behalf of requests: it looks at what the session of the owner does.
const QUESTIONS_MAX: u32 = 10;

/// Holds questions to a platform about one account below a rate.
pub(super) async fn sparingly(desk: &Desk, id: ConnectionId) -> Result<(), Problem> {
    let ports = desk.ports();
    let now = ports.clock.now();
    let per = Duration::from_secs(60);
    let budget = Budget { name: format!("questions:{id}"), limit: QUESTIONS_MAX, per };
    match ports.limiter.acquire(&budget, now).await? {
        Permit::Granted => Ok(()),
        Permit::WaitUntil(until) => {
            let text = format!("the platform is asked about one account {QUESTIONS_MAX} times in a minute at most");
            let wait = (until - now).to_std().unwrap_or_default();
            Err(Error::new(ErrorKind::RateLimited, "ask platform", text).retry(Retry::After(wait)).into())
        }
    }
}

fn no_source(platform: Platform) -> Problem {
    Error::invalid("read source", format!("{} is no source: posts come from TikTok", platform.title())).into()
}

/// How far a plan looks.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlanAsk {
    /// Pages of posts to look at.
    #[serde(default = "one")]
    #[param(minimum = 1, maximum = 5, default = 1, required = false)]
    pages: u32,
}

const fn one() -> u32 {
    1
}

/// Looks at the newest posts that a source shows now, and tells what would become of each. Nothing is written or sent.
#[utoipa::path(get, path = "/v1/connections/{id}/plan", tag = "Connections",
    params(("id" = Uuid, Path, description = "The source"), PlanAsk),
    responses((status = 200, description = "What would become of each post", body = Vec<PlannedView>)))]
pub async fn plan(desk: Desk, Path(id): Path<ConnectionId>, Query(ask): Query<PlanAsk>) -> Answer<Vec<PlannedView>> {
    let operator = desk.operator();
    let source = operator.connection_by_id(id).await?;
    if !(1..=PLAN_PAGES_MAX).contains(&ask.pages) {
        return Err(Problem::bad_request(format!("\"pages\" must be 1 to {PLAN_PAGES_MAX}")));
    }
    if !desk.ports().sources.contains_key(&source.platform) {
        return Err(no_source(source.platform));
    }
    sparingly(&desk, id).await?;
    Ok(Json(operator.plan(&source, ask.pages).await?.into_iter().map(PlannedView::from).collect()))
}
