//! Webhooks of the program as a process: added by the command line, told by the worker, tested and removed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use autorepost_core::{
    seal::Secret,
    webhook::{SigningSecret, verify},
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};

use crate::support::{Stage, until};

/// An endpoint that is down at first.
#[derive(Clone, Default)]
struct Endpoint {
    up: Arc<AtomicBool>,
    arrived: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

async fn arrive(State(endpoint): State<Endpoint>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !endpoint.up.load(Ordering::Relaxed) {
        return StatusCode::BAD_GATEWAY;
    }
    endpoint.arrived.lock().unwrap().push((headers, body));
    StatusCode::OK
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_comes_back_is_told_of_each_publication() {
    let mut stage = Stage::ready().await;
    let endpoint = Endpoint::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(arrive)).with_state(endpoint.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let refused = stage.fails(1, &["webhooks", "add", &url]).await;
    assert!(refused.contains("must begin with https://"), "{refused}");
    stage.set("AUTOREPOST_WEBHOOK_PRIVATE_TARGETS", "true");
    let made = stage.ok(&["webhooks", "add", &url, "--event", "repost.published"]).await;
    let secret = SigningSecret::parse(&Secret::new(made["secret"].as_str().unwrap())).unwrap();
    let id = made["id"].as_str().unwrap();
    let listed = stage.ok(&["webhooks", "list"]).await;
    assert_eq!((&listed[0]["url"], &listed[0]["secret"]), (&json!(url), &Value::Null));
    let down = stage.fails(1, &["webhooks", "test", id]).await;
    assert!(down.contains("answered 502"), "{down}");

    stage.add_posts([1]);
    let daemon = stage.start().await;
    stage.all_once([1]).await;
    endpoint.up.store(true, Ordering::Relaxed);
    let ids = || {
        let arrived = endpoint.arrived.lock().unwrap();
        arrived.iter().map(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    until("three publications are told", async || ids().len() == 3).await;
    daemon.stop().await;
    for (headers, body) in endpoint.arrived.lock().unwrap().iter() {
        let header = |name: &str| headers[name].to_str().unwrap();
        let told = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        verify(&secret, told, body, chrono::DateTime::from(std::time::SystemTime::now())).unwrap();
        let message: Value = serde_json::from_slice(body).unwrap();
        assert_eq!((&message["type"], &message["data"]["state"]), (&json!("repost.published"), &json!("published")));
    }
    stage.ok(&["webhooks", "test", id]).await;
    assert_eq!(ids().len(), 4);
    assert_ne!(stage.ok(&["webhooks", "rotate", id]).await["secret"], made["secret"]);
    stage.ok(&["webhooks", "remove", id]).await;
    assert_eq!(stage.ok(&["webhooks", "list"]).await, json!([]));
}
