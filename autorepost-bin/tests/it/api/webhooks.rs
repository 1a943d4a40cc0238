//! Webhooks over the interface, and what an outside automation brings.

use autorepost_core::{
    Error, ErrorKind, Platform,
    access::Role,
    port::Clock as _,
    seal::Secret,
    webhook::{EventType, SigningSecret},
};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::house::{Answer, House};

const INCOMING: &str = autorepost::api::COOKIES_PATH;

#[tokio::test]
async fn a_secret_is_shown_once_and_rotated() {
    let house = House::new().await;
    let key = house.key(Role::Operator);
    let made = house.post(key, "/v1/webhooks", json!({ "url": "https://example.com/a", "events": [] })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let secret = made.json["secret"].as_str().unwrap();
    SigningSecret::parse(&Secret::new(secret)).unwrap();
    let path = format!("/v1/webhooks/{}", made.json["webhook"]["id"].as_str().unwrap());
    for shown in [house.get(key, &path).await, house.get(key, "/v1/webhooks").await] {
        assert!(shown.status.is_success() && !shown.text.contains("whsec_"), "{}", shown.text);
    }
    let rotated = house.ask(key, "POST", &format!("{path}/rotate"), &[], None).await;
    assert_ne!(rotated.json["secret"].as_str().unwrap(), secret);
    assert!(rotated.json["webhook"]["previous_secret_until"].is_string(), "{}", rotated.text);
    // What holds a secret is not kept to be given again.
    let again = [("Idempotency-Key", "once")];
    for (path, body) in
        [(format!("{path}/rotate"), None), ("/v1/webhooks".into(), Some(json!({ "url": "https://a.b" })))]
    {
        let answer = house.ask(key, "POST", &path, &again, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    }
    let bad = house.post(key, "/v1/webhooks", json!({ "url": "http://example.com" })).await;
    assert_eq!((bad.status, bad.json["code"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("invalid")));

    let tested = house.ask(key, "POST", &format!("{path}/test"), &[], None).await;
    assert_eq!(tested.json["ok"], true, "{}", tested.text);
    house.bench.notifier.fail(Error::unavailable("deliver webhook", "the endpoint answered 500"));
    let tested = house.ask(key, "POST", &format!("{path}/test"), &[], None).await;
    assert!(tested.json["ok"] == false && tested.text.contains("answered 500"), "{}", tested.text);
    assert!(house.ask(key, "DELETE", &path, &[], None).await.status.is_success());
    assert_eq!(house.get(key, &path).await.status, StatusCode::NOT_FOUND);
}

/// A message from outside, as it is sent.
struct Sent {
    id: &'static str,
    timestamp: i64,
    signature: String,
    body: String,
}

impl Sent {
    fn new(house: &House, id: &'static str, body: &Value) -> Self {
        Self::at(house.bench.clock.now().timestamp(), id, body)
    }

    fn at(timestamp: i64, id: &'static str, body: &Value) -> Self {
        let body = body.to_string();
        let secret = SigningSecret::parse(&SigningSecret::generate([7; 32])).unwrap();
        Self { id, timestamp, signature: secret.sign(id, timestamp, body.as_bytes()), body }
    }

    async fn to(&self, house: &House) -> Answer {
        let request = Request::post(INCOMING)
            .header("webhook-id", self.id)
            .header("webhook-timestamp", self.timestamp)
            .header("webhook-signature", &self.signature)
            .body(Body::from(self.body.clone()));
        house.send(request.unwrap()).await
    }
}

fn cookies(house: &House) -> Value {
    json!({ "connection": house.ours.source.id, "credential": "sessionid=hunter3; msToken=fresh" })
}

#[tokio::test]
async fn signed_cookies_are_asked_about_and_stored_once() {
    let house = House::new().await;
    let before = house.bench.memory.all_connections();
    let stored = || house.bench.memory.all_connections();
    let body = cookies(&house);

    // The platform refuses them: nothing is stored, and the same message may be sent again.
    let sent = Sent::new(&house, "msg_1", &body);
    let dead = Error::new(ErrorKind::Unauthorized, "verify session", "the session is signed out");
    house.bench.authorizers[&Platform::TikTok].fail_next(dead);
    let answer = sent.to(&house).await;
    assert_eq!((answer.status, answer.json["code"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("unauthorized")));
    assert_eq!(stored(), before);

    let answer = sent.to(&house).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json["id"], house.ours.source.id.to_string());
    assert!(!answer.text.contains("hunter3"), "{}", answer.text);
    assert_ne!(stored(), before);
    let key = autorepost_core::job::refresh_key(house.ours.source.id);
    let refresh = house.bench.ports.jobs.find(&key).await.unwrap().unwrap();
    assert!(refresh.new.run_at <= house.bench.clock.now(), "the refresh is not due");
    let audit = house.get(house.key(Role::Admin), "/v1/audit").await;
    assert!(audit.text.contains("connections.bring_cookies") && audit.text.contains("webhook msg_1"), "{}", audit.text);

    let again = sent.to(&house).await;
    assert_eq!((again.status, again.json["code"].as_str()), (StatusCode::CONFLICT, Some("seen")), "{}", again.text);
    // The same words under another id are another message.
    assert_eq!(Sent::new(&house, "msg_2", &body).to(&house).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_signed_now_is_refused_and_changes_nothing() {
    let house = House::new().await;
    let (before, body) = (house.bench.memory.all_connections(), cookies(&house));
    let now = house.bench.clock.now();
    let sent = |id| Sent::new(&house, id, &body);
    let at = |minutes: i64| {
        Sent::at((now + TimeDelta::seconds(minutes * 60 + minutes.signum())).timestamp(), "msg_1", &body)
    };
    let other = SigningSecret::parse(&SigningSecret::generate([8; 32])).unwrap();
    let forged = other.sign("msg_1", now.timestamp(), body.to_string().as_bytes());
    for bad in [
        at(-5),
        at(5),
        Sent { id: "msg_2", ..sent("msg_1") },
        Sent { id: "", ..sent("msg_1") },
        Sent { signature: String::new(), ..sent("msg_1") },
        Sent { signature: forged, ..sent("msg_1") },
        Sent { body: body.to_string() + " ", ..sent("msg_1") },
    ] {
        let answer = bad.to(&house).await;
        assert_eq!((answer.status, answer.json["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("unsigned")));
        assert_eq!(answer.headers["content-type"], autorepost::api::PROBLEM_JSON);
    }
    // Signed, and wrong all the same.
    let theirs = json!({ "connection": house.theirs.source.id, "credential": "sessionid=1" });
    let no_cookies = json!({ "connection": house.ours.destination.id, "credential": "sessionid=1" });
    for (body, status) in [
        (theirs, StatusCode::NOT_FOUND),
        (no_cookies, StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "connection": house.ours.source.id, "credential": "" }), StatusCode::UNPROCESSABLE_ENTITY),
        (
            json!({ "connection": house.ours.source.id, "credential": "sessionid=hunter3", "x": 1 }),
            StatusCode::BAD_REQUEST,
        ),
        (json!("x".repeat(600 << 10)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let answer = Sent::new(&house, "msg_3", &body).to(&house).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(!answer.text.contains("hunter3"), "{}", answer.text);
    }
    assert_eq!(house.bench.memory.all_connections(), before);
    let closed = autorepost::api::Api::new(house.bench.ports.clone(), autorepost::api::Limits::default(), None, None);
    let request = Request::post(INCOMING).body(Body::empty()).unwrap();
    let answer = super::house::send(closed.router(axum::Router::new()), request).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text);
}

/// The tables of the document are those of the code.
#[test]
fn the_document_tells_each_event_and_each_limit() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/http-api.md");
    let text = std::fs::read_to_string(path).unwrap();
    for event in EventType::ALL {
        assert!(text.contains(&format!("| `{event}` |")), "docs/http-api.md has no row of {event}");
    }
    let policy = autorepost_core::policy::Policy::default();
    let attempts = format!("{} tries", policy.delivery_attempts_max);
    let webhooks = format!("| webhooks of a tenant | {} |", autorepost_core::webhook::WEBHOOKS_MAX);
    for part in [attempts.as_str(), webhooks.as_str(), INCOMING, autorepost_core::webhook::TEST_EVENT] {
        assert!(text.contains(part), "docs/http-api.md lacks {part}");
    }
}
