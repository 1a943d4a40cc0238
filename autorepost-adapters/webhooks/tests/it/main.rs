//! Deliveries to endpoints on loopback.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use autorepost_core::{
    ErrorKind, Retry,
    port::Notifier,
    seal::Secret,
    webhook::{Message, SigningSecret, verify},
};
use autorepost_webhooks::{HttpNotifier, Names, NotifierConfig};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::post,
};

/// What arrived at an endpoint.
type Arrived = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// An endpoint that takes messages at `/ok`, and misbehaves elsewhere. It ends with the test's runtime.
async fn receiver() -> (SocketAddr, Arrived) {
    let arrived = Arrived::default();
    let keep = |arrived: Arrived| {
        move |headers: HeaderMap, body: Bytes| {
            arrived.lock().unwrap().push((headers, body));
            async { StatusCode::NO_CONTENT }
        }
    };
    let router = Router::new()
        .route("/ok", post(keep(arrived.clone())))
        .route("/elsewhere", post(async || (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/ok")])))
        .route("/busy", post(async || (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "120")])))
        .route("/fails", post(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/refuses", post(async || StatusCode::FORBIDDEN))
        .route("/gone", post(async || StatusCode::GONE))
        .route("/long", post(async || vec![b'x'; 64 << 20].into_response()))
        .route("/slow", post(async || std::future::pending::<()>().await));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, arrived)
}

fn message(url: String) -> Message {
    let secret = SigningSecret::parse(&SigningSecret::generate([7; 32])).unwrap();
    let (id, timestamp, body) = ("msg_1".to_owned(), 1_763_600_000, r#"{"type":"webhook.test"}"#.to_owned());
    let signature = secret.sign(&id, timestamp, body.as_bytes());
    Message { url, id, timestamp, signature, body }
}

fn permissive() -> HttpNotifier {
    let timeout = Duration::from_millis(700);
    HttpNotifier::new(NotifierConfig { private_targets: true, timeout, ..NotifierConfig::default() }).unwrap()
}

#[tokio::test]
async fn a_message_arrives_as_it_was_signed() {
    let (address, arrived) = receiver().await;
    permissive().deliver(&message(format!("http://{address}/ok"))).await.unwrap();
    let (headers, body) = arrived.lock().unwrap().remove(0);
    let header = |name: &str| headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/json");
    assert!(header("user-agent").starts_with("autorepost/"));
    let secret = SigningSecret::parse(&Secret::new(SigningSecret::generate([7; 32]).expose())).unwrap();
    let told = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let now = "2025-11-20T00:53:20Z".parse().unwrap();
    verify(&secret, told, &body, now).unwrap();
}

#[tokio::test]
async fn what_an_endpoint_does_wrong_is_told_and_nothing_is_followed() {
    let (address, arrived) = receiver().await;
    let after = Retry::After(Duration::from_secs(120));
    for (path, kind, retry, part) in [
        ("elsewhere", ErrorKind::Unavailable, Retry::Soon, "redirect (307), which is not followed"),
        ("busy", ErrorKind::Unavailable, after, "answered 503"),
        ("fails", ErrorKind::Unavailable, Retry::Soon, "answered 500"),
        ("refuses", ErrorKind::Unavailable, Retry::Soon, "answered 403"),
        ("missing", ErrorKind::Unavailable, Retry::Soon, "answered 404"),
        ("gone", ErrorKind::NotFound, Retry::Never, "gone (410)"),
        ("slow", ErrorKind::Unavailable, Retry::Soon, "in time"),
    ] {
        let url = format!("http://{address}/{path}?token=hunter2");
        let error = permissive().deliver(&message(url)).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_hint()), (kind, retry), "{path}: {error}");
        assert!(error.detail().contains(part), "{path}: {error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    assert!(arrived.lock().unwrap().is_empty(), "a redirect was followed");
    // An answer without end is not read.
    let began = Instant::now();
    permissive().deliver(&message(format!("http://{address}/long"))).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(700));
}

#[tokio::test]
async fn an_endpoint_that_is_away_is_tried_again() {
    let address = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = permissive().deliver(&message(format!("http://{address}/ok"))).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Unavailable, Retry::Soon));
    assert!(error.detail().contains("cannot be reached"), "{error}");
}

#[test]
fn an_address_that_is_never_reached_is_refused_from_the_start() {
    let strict = HttpNotifier::new(NotifierConfig::default()).unwrap();
    for bad in [
        "",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://example.com/",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://192.168.0.1:8443/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fe80::1]/",
        "https://[fd00:ec2::254]/",
        "https://0.0.0.0/",
    ] {
        let error = strict.check(bad).expect_err(bad);
        assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Invalid, Retry::Never), "{bad}: {error}");
    }
    for good in
        ["https://example.com", "https://example.com:8443/hook?x=1", "https://1.1.1.1/", "https://[2606:4700::1]/"]
    {
        strict.check(good).unwrap();
    }
    permissive().check("http://127.0.0.1:9/").unwrap();
    assert!(permissive().check("gopher://127.0.0.1:9/").is_err());
}

/// A name whose addresses are chosen by the test, the next set at each question.
struct Scripted(Vec<Vec<&'static str>>, AtomicUsize);

impl Scripted {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        Arc::new(Self(answers.iter().map(|answer| answer.to_vec()).collect(), AtomicUsize::new(0)))
    }
}

#[async_trait]
impl Names for Scripted {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(name, "hook.example.com");
        let turn = self.1.fetch_add(1, Ordering::Relaxed);
        Ok(self.0[turn.min(self.0.len() - 1)].iter().map(|address| address.parse().unwrap()).collect())
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused() {
    let (address, arrived) = receiver().await;
    let url = format!("https://hook.example.com:{}/ok", address.port());
    for answer in [
        &["127.0.0.1"][..],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["169.254.169.254"],
        &["10.1.2.3"],
        // One bad address among good ones.
        &["1.1.1.1", "127.0.0.1"],
        &["2606:4700::1111", "fd00::1"],
    ] {
        let names = Scripted::new(&[answer]);
        let strict = HttpNotifier::new(NotifierConfig { names: names.clone(), ..NotifierConfig::default() }).unwrap();
        strict.check(&url).unwrap();
        let error = strict.deliver(&message(url.clone())).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Invalid, Retry::Never), "{answer:?}: {error}");
        assert!(error.detail().contains("not one on the internet"), "{answer:?}: {error}");
        assert_eq!(names.1.load(Ordering::Relaxed), 1);
    }
    assert!(arrived.lock().unwrap().is_empty());
}

/// The connection goes to the addresses that were checked, and each message is checked anew: a name that means something
/// else a moment later wins nothing.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_checked_again_and_asked_once_for_each_message() {
    let (address, arrived) = receiver().await;
    let names = Scripted::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let config = NotifierConfig { names: names.clone(), private_targets: true, ..NotifierConfig::default() };
    let notifier = HttpNotifier::new(config).unwrap();
    let url = format!("http://hook.example.com:{}/ok", address.port());
    notifier.deliver(&message(url.clone())).await.unwrap();
    assert_eq!((names.1.load(Ordering::Relaxed), arrived.lock().unwrap().len()), (1, 1));
    // Nobody listens at the second address: so no connection and no answer was kept from before.
    let error = notifier.deliver(&message(url)).await.unwrap_err();
    assert!(error.detail().contains("cannot be reached"), "{error}");
    assert_eq!((names.1.load(Ordering::Relaxed), arrived.lock().unwrap().len()), (2, 1));
}
