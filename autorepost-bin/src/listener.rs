//! The program's own HTTP listener: the interface below `/v1`, media for platforms that fetch by themselves, and
//! probes.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use autorepost_core::{ErrorKind, port::Ports, seal::Secret, webhook::SigningSecret};
use autorepost_secrets::AwsSecrets;
use autorepost_storage::MediaLinks;
use axum::{
    Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::{net::TcpListener, sync::Semaphore, sync::watch};

use crate::{
    api::{Api, Limits},
    telemetry::Meters,
};

/// Media that are read at once at most; who comes then is asked to come again.
const READERS_MAX: usize = 32;

/// What the listener serves from.
#[derive(Clone)]
pub struct Served {
    /// The installation.
    pub ports: Ports,
    /// What checks the addresses of media.
    pub links: Option<MediaLinks>,
    /// What the interface takes on.
    pub limits: Limits,
    /// The address at which browsers reach the listener, if they do.
    pub base: Option<String>,
    /// The secret of what an outside automation brings, if anything is taken from one.
    pub incoming: Option<Secret>,
    /// The bundles of secrets, to one of which the owner's cookies that are brought are written.
    pub bundles: Vec<Arc<AwsSecrets>>,
    /// The addresses of probes.
    pub probes: Router,
    /// What counts the interface's answers.
    pub meters: Arc<Meters>,
}

#[derive(Clone)]
struct Shared {
    served: Served,
    readers: Arc<Semaphore>,
}

/// Takes the address.
///
/// # Errors
///
/// When something else has it.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: is autorepost running already? Set AUTOREPOST_LISTEN to another address")
    })
}

/// Serves until `stop` says so.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(listener: TcpListener, served: Served, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let incoming = served.incoming.as_ref().map(SigningSecret::parse).transpose()?;
    let (ports, limits, bundles) = (served.ports.clone(), served.limits.clone(), served.bundles.clone());
    let api = Api::with_bundles(ports, limits, incoming, served.base.as_deref(), bundles);
    let (probes, meters) = (served.probes.clone(), Arc::clone(&served.meters));
    let shared = Shared { served, readers: Arc::new(Semaphore::new(READERS_MAX)) };
    let others = Router::new().route("/media/{key}", get(media)).with_state(shared);
    let app = api.router(others.merge(probes)).layer(from_fn_with_state(meters, count));
    serve_routes(listener, app, stop).await
}

/// Counts what the interface answers. Probes, pages and media are not of it.
async fn count(State(meters): State<Arc<Meters>>, request: Request, next: Next) -> Response {
    let ours = request.uri().path().starts_with("/v1/");
    let answer = next.run(request).await;
    if ours {
        meters.answered(answer.status());
    }
    answer
}

/// Serves these routes alone until `stop` says so.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve_routes(listener: TcpListener, app: Router, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let stopped = async move {
        // The sender is gone only when the program ends.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Link {
    expires: i64,
    signature: String,
}

/// Media by a signed address, whole or in part. GET and HEAD.
async fn media(
    State(Shared { served, readers }): State<Shared>,
    Path(key): Path<String>,
    Query(link): Query<Link>,
    headers: HeaderMap,
) -> Response {
    let refuse = |status: StatusCode, text: &str| (status, text.to_owned()).into_response();
    let Some(links) = &served.links else { return refuse(StatusCode::NOT_FOUND, "there are no media here") };
    let key = match links.verify(&key, link.expires, &link.signature, served.ports.clock.now()) {
        Ok(key) => key,
        Err(error) => return refuse(StatusCode::FORBIDDEN, error.detail()),
    };
    let Ok(permit) = readers.try_acquire_owned() else {
        let mut busy = refuse(StatusCode::SERVICE_UNAVAILABLE, "too many readers: come again");
        busy.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("2"));
        return busy;
    };
    let size = match served.ports.media.size(&key).await {
        Ok(Some(size)) => size,
        Ok(None) => return refuse(StatusCode::NOT_FOUND, "the media is not here any more"),
        Err(error) => {
            tracing::error!("{error}");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "the media cannot be read now");
        }
    };
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let (status, range) = match asked.map(|asked| part(asked, size)) {
        None | Some(Part::Whole) => (StatusCode::OK, 0..size),
        Some(Part::Of(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Part::Beyond) => {
            let told = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, told).into_response();
        }
    };
    let body = match served.ports.media.open(&key, range.clone()).await {
        Ok(body) => body,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return refuse(StatusCode::NOT_FOUND, "the media is not here any more");
        }
        Err(error) => {
            tracing::error!("{error}");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "the media cannot be read now");
        }
    };
    let body = futures_util::StreamExt::map(body, move |chunk| {
        // The place among the readers is kept until the last byte.
        let _ = &permit;
        chunk
    });
    let mut answer = (status, Body::from_stream(body)).into_response();
    let told = answer.headers_mut();
    let mut tell = |name, value: String| {
        told.insert(name, value.parse().expect("numbers and names are fit for a header"));
    };
    tell(header::CONTENT_TYPE, "video/mp4".into());
    tell(header::ACCEPT_RANGES, "bytes".into());
    tell(header::CONTENT_LENGTH, (range.end - range.start).to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        tell(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    answer
}

enum Part {
    Whole,
    Of(std::ops::Range<u64>),
    Beyond,
}

/// A single range of RFC 9110 (14.1.2); whatever else is asked gets the whole, as the RFC allows.
fn part(asked: &str, size: u64) -> Part {
    let Some((first, last)) = asked.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..size,
        (Err(_), Ok(count)) if first.trim().is_empty() => size.saturating_sub(count)..size,
        _ => return Part::Whole,
    };
    if range.start >= range.end { Part::Beyond } else { Part::Of(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_rfc_says() {
        let table = [
            ("bytes=0-9", Some(0..10)),
            ("bytes=90-", Some(90..100)),
            ("bytes=90-200", Some(90..100)),
            ("bytes=-10", Some(90..100)),
            ("bytes=-200", Some(0..100)),
            ("bytes=9-0", Some(0..100)),
            ("bytes=0-1,5-6", Some(0..100)),
            ("pages=1-2", Some(0..100)),
            ("bytes=100-", None),
            ("bytes=-0", None),
        ];
        for (asked, wanted) in table {
            let got = match part(asked, 100) {
                Part::Whole => Some(0..100),
                Part::Of(range) => Some(range),
                Part::Beyond => None,
            };
            assert_eq!(got, wanted, "{asked}");
        }
    }
}
