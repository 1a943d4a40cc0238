//! The program's own HTTP listener: the interface below `/v1`, media for platforms that fetch by themselves, and
//! probes.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use anyhow::Context;
use autorepost_core::{ErrorKind, port::Ports, seal::Secret, webhook::SigningSecret};
use autorepost_secrets::AwsSecrets;
use autorepost_storage::MediaLinks;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::sleep,
};
use tower::ServiceExt;

use crate::{
    api::{Api, Limits},
    telemetry::Meters,
};

/// Media that are read at once at most; who comes then is asked to come again.
const READERS_MAX: usize = 32;

/// Connections at once at most; who comes then waits to be taken.
const CONNECTIONS_MAX: usize = 1_024;
/// How long the head of a request may take to come, and how long a connection may lie idle: longer than a load balancer
/// keeps an idle one (AWS's Application Load Balancer: 60 s), so that it is never us who close it under a request.
const HEAD_MAX: Duration = Duration::from_secs(75);
/// The wait after a connection that could not be taken.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

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
pub async fn serve_routes(listener: TcpListener, app: Router, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    serve_within(listener, app, stop, HEAD_MAX).await
}

async fn serve_within(
    listener: TcpListener,
    app: Router,
    mut stop: watch::Receiver<bool>,
    head_max: Duration,
) -> anyhow::Result<()> {
    // HTTP/1.1 alone: telling it from HTTP/2 waits for the first bytes without an end, and balancers speak it to us anyway.
    let mut server = Builder::new(TokioExecutor::new()).http1_only();
    server.http1().timer(TokioTimer::new()).header_read_timeout(head_max);
    let (places, mut open) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), JoinSet::new());
    loop {
        while open.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = told(&mut stop) => break,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Such as no file handles left: others close theirs.
                tracing::warn!("a connection cannot be taken: {error}");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let (server, app, mut stop) = (server.clone(), app.clone(), stop.clone());
        open.spawn(async move {
            let service = tower::service_fn(move |request: http::Request<_>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                app.clone().oneshot(request)
            });
            let mut connection = pin!(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
            // What goes wrong with a connection is its client's business.
            let over = tokio::select! {
                _ = connection.as_mut() => true,
                () = told(&mut stop) => false,
            };
            if !over {
                connection.as_mut().graceful_shutdown();
                drop(connection.await);
            }
            drop(place);
        });
    }
    // Nobody new is taken while the last answers go out.
    drop(listener);
    while open.join_next().await.is_some() {}
    Ok(())
}

/// Waits for the word to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // The sender is gone only when the program ends.
    let _ = stop.wait_for(|stop| *stop).await;
}

type Accepted = (TcpStream, SocketAddr, OwnedSemaphorePermit);

/// Takes the next connection when there is a place for it; until then it waits in the system's queue.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> std::io::Result<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
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
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::timeout,
    };

    use super::*;

    /// Who opens a connection and says nothing, or the half of it, does not keep it.
    #[tokio::test]
    async fn a_connection_that_says_nothing_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let app = Router::new().route("/", get(async || "here"));
        let serving = tokio::spawn(serve_within(listener, app, stopped, Duration::from_millis(200)));
        for said in ["", "GET / HTTP/1.1\r\nHost: a\r\nX-Half: "] {
            let mut silent = TcpStream::connect(address).await.unwrap();
            silent.write_all(said.as_bytes()).await.unwrap();
            let mut told = String::new();
            timeout(Duration::from_secs(20), silent.read_to_string(&mut told)).await.expect("it is closed").unwrap();
            assert!(!told.contains("here"), "{told}");
        }
        let answer = reqwest::get(format!("http://{address}/")).await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "here");
        stop.send_replace(true);
        timeout(Duration::from_secs(20), serving).await.expect("it ends").unwrap().unwrap();
    }

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
