//! Where platforms send the browsers of accounts' owners back to. No API key is needed: the state is one, and works once.

use autorepost_core::{
    Error,
    connection::Connection,
    operator::{Comeback, Operator},
    port::Returned,
};
use axum::{
    Extension,
    extract::{RawQuery, State},
    response::Response,
};
use tokio::time::timeout;
use tracing::Instrument as _;
use url::form_urlencoded;

use super::{Api, guard::RequestId};
use crate::landing;

/// Where the answers of platforms are taken, below `AUTOREPOST_PUBLIC_URL`.
pub const CALLBACK_PATH: &str = "/connect/callback";
const ACTION: &str = "connections.consent_answered";

/// Takes an answer, connects what its owner allowed, and shows what came of it.
pub async fn callback(
    State(api): State<Api>,
    Extension(request_id): Extension<RequestId>,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(place) = api.places().try_acquire_owned() else { return landing::busy() };
    let request_max = api.limits().request_max;
    // A task of its own: the code works once, and a browser that goes away must not leave it half used.
    let work = async move {
        let _place = place;
        take(&api, query.as_deref().unwrap_or_default(), &request_id).await
    };
    let late = || Error::unavailable("connect account", "it took too long: look whether the account is connected");
    let outcome = match timeout(request_max, tokio::spawn(work.in_current_span())).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Error::internal("connect account", "the program failed: begin again")),
        Err(_) => Err(late()),
    };
    landing::page(&outcome)
}

async fn take(api: &Api, query: &str, request: &RequestId) -> Result<Vec<Connection>, Error> {
    let redirect = api.redirect().ok_or_else(|| Error::not_found("connect account", "nobody is sent here"))?;
    let returned = Returned::read(form_urlencoded::parse(query.as_bytes()).into_owned())?;
    let comeback = Operator::come_back(api.ports(), redirect, returned).await?;
    let (tenant, by) = (comeback.operator().tenant(), comeback.operator().name().to_owned());
    let operator = Operator::new(api.ports(), tenant, by);
    let subject = format!("connections/{}", comeback.method().platform());
    let record = async |detail: &str| operator.record(Some(tenant), ACTION, &subject, detail, &request.0).await;
    // What cannot be written down is not done.
    record("asked").await?;
    let outcome = Comeback::connect(comeback).await;
    let detail = match &outcome {
        Ok(connections) => {
            let ids: Vec<_> = connections.iter().map(|one| one.id.to_string()).collect();
            format!("connected {}", ids.join(", "))
        }
        Err(error) => format!("refused: {}", error.kind().as_str()),
    };
    if let Err(error) = record(&detail).await {
        tracing::error!(action = ACTION, subject, "the audit log does not tell the outcome: {error}");
    }
    tracing::info!(action = ACTION, subject, "{detail}");
    outcome
}
