//! The addresses of probes, and the command that asks one.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::Health;
use crate::telemetry::{Meters, push::TEXT};

/// How long `healthcheck` waits: less than a container's own limit.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// What of an answer is read at most.
const ANSWER_BYTES_MAX: u64 = 4096;

/// `/healthz`, `/readyz` and `/metrics`, to be merged into the listener's routes.
pub fn router(health: Arc<Health>, meters: Arc<Meters>) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))))
        .route("/readyz", get(ready).with_state(health))
        .route("/metrics", get(metrics).with_state(meters))
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let report = health.report().await;
    let ready = report.checks.iter().all(|line| line.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

/// The metrics, for whoever asks from nearby. To anybody else there is no such page.
async fn metrics(
    State(meters): State<Arc<Meters>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !is_near(peer.ip()) || is_forwarded(&headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    ([(header::CONTENT_TYPE, TEXT)], meters.render()).into_response()
}

/// Loopback, and the address ranges of private networks (RFC 1918, RFC 4193, RFC 6598, link-local).
fn is_near(peer: IpAddr) -> bool {
    match peer.to_canonical() {
        IpAddr::V4(peer) => {
            let [first, second, ..] = peer.octets();
            let shared = first == 100 && (64..128).contains(&second);
            peer.is_loopback() || peer.is_private() || peer.is_link_local() || shared
        }
        IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local() || peer.is_unicast_link_local(),
    }
}

/// Whether a proxy hands the request on for somebody: a scraper asks by itself.
fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

/// Asks the listener at this address whether the program is alive.
///
/// # Errors
///
/// When there is no answer in time, or a bad one.
pub async fn ask(listen: SocketAddr) -> anyhow::Result<()> {
    anyhow::ensure!(listen.port() != 0, "AUTOREPOST_LISTEN has port 0: the port of the program is not known");
    let host = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(host, listen.port());
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let question = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(question.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = timeout(ANSWER_MAX, asking)
        .await
        .map_err(|_| anyhow::anyhow!("{address} gave no answer within {} s", ANSWER_MAX.as_secs()))?
        .with_context(|| format!("{address} does not answer: is the program running there?"))?;
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    anyhow::ensure!(line.starts_with(b"HTTP/1.1 200"), "{address} answered {}", String::from_utf8_lossy(line));
    Ok(())
}

/// The version of the program that a base address leads to.
///
/// # Errors
///
/// When there is no answer in time, or that of something else.
pub async fn version_at(base: &str) -> anyhow::Result<String> {
    #[derive(serde::Deserialize)]
    struct Alive {
        version: String,
    }
    let client = reqwest::Client::builder().timeout(ANSWER_MAX).redirect(reqwest::redirect::Policy::none()).build()?;
    let mut answer = client.get(format!("{}/healthz", base.trim_end_matches('/'))).send().await?;
    anyhow::ensure!(answer.status() == StatusCode::OK, "it answers with {}", answer.status());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        anyhow::ensure!(body.len() as u64 <= ANSWER_BYTES_MAX, "it answers with something else");
    }
    Ok(serde_json::from_slice::<Alive>(&body).context("it answers with something else")?.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_nearby_sees_metrics() {
        for near in ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.7.7", "100.64.0.1", "::1", "fd00::1", "fe80::1"] {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
        assert!(is_near("::ffff:127.0.0.1".parse().unwrap()));
    }
}
