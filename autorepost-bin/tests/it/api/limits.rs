//! What is refused, and how that is said; and the limits of a process.

use std::{sync::Arc, task::Poll, time::Duration};

use autorepost::api::Limits;
use autorepost_core::{Error, Platform, Retry, access::Role};
use axum::{
    body::{Body, Bytes},
    http::{Request, StatusCode, header},
};
use serde_json::json;
use tokio::sync::Notify;

use super::house::{House, SECRET, rule_body, send, start};

#[tokio::test]
async fn a_bad_request_is_said_to_be_one_in_problem_details() {
    let house = House::new().await;
    let key = house.key(Role::Operator);
    let raw = async |method: &str, path: &str, content_type: &str, body: &str| {
        let request =
            Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {key}"));
        let request = request.header(header::CONTENT_TYPE, content_type).body(Body::from(body.to_owned()));
        house.send(request.unwrap()).await
    };
    let json_type = "application/json; charset=utf-8";
    let rule = rule_body("new", &house.ours.source, &house.ours.destination);
    let with = |pointer: &str, value: serde_json::Value| {
        let mut rule = rule.clone();
        *rule.pointer_mut(pointer).unwrap() = value;
        rule.to_string()
    };
    let mut wordy = rule["spec"].clone();
    wordy["filters"] = json!({ "require_words": ["x".repeat(101)] });
    let repost = |name: &str, verb: &str| format!("/v1/reposts/{}/{verb}", house.ours.reposts[name]);
    for (method, path, content_type, body, status, part) in [
        ("GET", "/v1/nothing", "", "", 404, "there is nothing at this address"),
        ("GET", "/", "", "", 404, "/docs"),
        ("PATCH", "/v1/rules", json_type, "{}", 405, "Allow"),
        ("GET", "/v1/rules/7", "", "", 404, ""),
        ("GET", "/v1/reposts?state=nonsense", "", "", 400, "state"),
        ("GET", "/v1/reposts?platform=x", "", "", 422, "come together"),
        ("GET", "/v1/reposts?platform=x&account=%00", "", "", 422, "is not the id of an account"),
        ("GET", "/v1/posts?connection=7", "", "", 400, "connection"),
        ("POST", "/v1/rules", "text/plain", "{}", 415, "application/json"),
        ("POST", "/v1/rules", json_type, "", 400, "EOF"),
        ("POST", "/v1/rules", json_type, "{", 400, "line 1 column 1"),
        ("POST", "/v1/rules", json_type, "[]", 400, ""),
        ("POST", "/v1/rules", json_type, &rule.to_string().replace("\"name\"", "\"nmae\""), 400, "nmae"),
        ("POST", "/v1/rules", json_type, &with("/name", json!("")), 422, "1 to 80 characters"),
        ("POST", "/v1/rules", json_type, &with("/name", json!("a\u{1}b")), 422, "on one line"),
        ("POST", "/v1/rules", json_type, &with("/name", json!("a\u{0}b")), 422, "U+0000"),
        ("POST", "/v1/rules", json_type, &with("/spec", wordy.clone()), 422, "100 characters"),
        ("POST", "/v1/rules", json_type, &with("/name", json!("OURS rule")), 409, "already"),
        ("POST", "/v1/rules", json_type, &with("/source", json!(house.ours.destination.id)), 422, "is no source"),
        ("POST", "/v1/rules", json_type, &with("/spec/destinations", json!([])), 422, "1 to 20 destinations"),
        (
            "POST",
            "/v1/rules",
            json_type,
            &with("/spec/destinations/0/options", json!({ "platform": "youtube" })),
            400,
            "made_for_kids",
        ),
        ("POST", &repost("planned", "deny"), "", "", 422, "there is no doubt about it"),
        ("POST", &repost("unconfirmed", "cancel"), "", "", 409, "may be public already"),
        ("POST", &repost("committing", "cancel"), "", "", 409, "may be public already"),
        ("POST", &repost("failed", "cancel"), "", "", 409, "is failed already"),
        ("POST", &format!("/v1/connections/{}/sync", house.ours.destination.id), "", "", 422, "is no source"),
    ] {
        let answer = raw(method, path, content_type, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {body}: {}", answer.text);
        assert!(answer.json["detail"].as_str().unwrap().contains(part), "{method} {path} {body}: {}", answer.text);
    }
    // What JSON Schema counts among the integers is one.
    let answer =
        raw("POST", "/v1/rules", json_type, &rule.to_string().replace("\"spec\":{", "\"spec\":{\"delay_secs\":7.0,"))
            .await;
    assert_eq!(
        (answer.status, &answer.json["spec"]["delay_secs"]),
        (StatusCode::CREATED, &json!(7)),
        "{}",
        answer.text
    );
    let answer = raw("PATCH", "/v1/rules", json_type, "{}").await;
    assert_eq!(answer.headers[header::ALLOW], "GET,HEAD,POST");
}

#[tokio::test]
async fn a_credential_is_never_quoted() {
    let house = House::new().await;
    for body in [
        format!(r#"{{"platform": "x", "credential": {{"oauth_token": "{SECRET}", "oauth_tokn_secret": "{SECRET}"}}}}"#),
        format!(r#"{{"platform": "{SECRET}", "credential": {{}}}}"#),
        format!(r#"{{"platform": "x", "{SECRET}": 1, "credential": {{}}}}"#),
        format!(r#"{{"platform": "tiktok", "handle": "a", "credential": "{SECRET}"}}"#),
        format!(r#"{{"platform": "x", "credential": "{SECRET}"#),
    ] {
        let request = Request::builder().method("POST").uri("/v1/connections");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", house.key(Role::Operator)));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body)).unwrap();
        let answer = house.send(request).await;
        assert!(answer.status.is_client_error() && !answer.text.contains(SECRET), "{}", answer.text);
    }
}

/// A platform's trouble is told with its own code, who must act, and when to come again.
#[tokio::test]
async fn a_platforms_trouble_is_told_with_everything() {
    let house = House::new().await;
    let trouble =
        Error::unavailable("ask the platform", "it is down").retry(Retry::After(Duration::from_secs(90))).code("131");
    house.bench.authorizers[&Platform::X].fail_next(trouble);
    let body = json!({
        "platform": "x", "account": "n", "handle": "n", "credential": { "oauth_token": "t", "oauth_token_secret": "s" },
    });
    let answer = house.post(house.key(Role::Operator), "/v1/connections", body).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    assert_eq!(answer.headers[header::RETRY_AFTER], "90");
    let told = ["code", "platform_code", "owner", "retry_after_secs"].map(|name| answer.json[name].clone());
    assert_eq!(told, [json!("unavailable"), json!("131"), json!("retry"), json!(90)]);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_told_or_not() {
    let house = House::with(Limits { body_bytes_max: 1_000, ..Limits::default() }).await;
    let key = house.key(Role::Operator).to_owned();
    let large = vec![b' '; 1_001];
    let in_parts = Body::from_stream(futures_util::stream::iter(
        large.chunks(100).map(|part| Ok::<_, std::io::Error>(Bytes::copy_from_slice(part))).collect::<Vec<_>>(),
    ));
    for (path, body) in [("/v1/rules", Body::from(large.clone())), ("/v1/rules", in_parts)] {
        let request =
            Request::builder().method("POST").uri(path).header(header::AUTHORIZATION, format!("Bearer {key}"));
        let answer = house.send(request.body(body).unwrap()).await;
        assert_eq!((answer.status, &answer.json["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large")));
    }
}

#[tokio::test]
async fn a_key_may_ask_so_many_times_in_a_minute() {
    let house = House::with(Limits { requests_per_minute_max: 3, ..Limits::default() }).await;
    let key = house.key(Role::Viewer);
    for _ in 0..3 {
        assert_eq!(house.get(key, "/v1/rules").await.status, StatusCode::OK);
    }
    let answer = house.get(key, "/v1/rules").await;
    assert_eq!((answer.status, &answer.json["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too_many")));
    assert_eq!(answer.headers[header::RETRY_AFTER], "60");
    assert_eq!(house.get(house.key(Role::Admin), "/v1/rules").await.status, StatusCode::OK, "another key has its own");
    house.bench.clock.set(start() + chrono::TimeDelta::seconds(60));
    assert_eq!(house.get(key, "/v1/rules").await.status, StatusCode::OK);
}

/// A client that sends nothing more holds one place, and only for so long.
#[tokio::test]
async fn requests_at_once_and_their_time_are_limited() {
    let request_max = Duration::from_millis(300);
    let house = House::with(Limits { requests_max: 1, request_max, ..Limits::default() }).await;
    let key = house.key(Role::Operator);
    let read = Arc::new(Notify::new());
    let reading = read.clone();
    let body = Body::from_stream(futures_util::stream::poll_fn(move |_| {
        reading.notify_one();
        Poll::<Option<Result<Bytes, std::io::Error>>>::Pending
    }));
    let stalled = Request::builder().method("POST").uri("/v1/rules");
    let stalled = stalled.header(header::AUTHORIZATION, format!("Bearer {key}")).body(body).unwrap();
    let stalled = tokio::spawn(send(house.router.clone(), stalled));
    read.notified().await;
    let busy = house.get(key, "/v1/rules").await;
    assert_eq!((&busy.json["code"], &busy.headers[header::RETRY_AFTER]), (&json!("busy"), &"1".parse().unwrap()));
    let late = stalled.await.unwrap();
    assert_eq!((late.status, &late.json["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("too_slow")));
    assert_eq!(house.get(key, "/v1/rules").await.status, StatusCode::OK, "the place is free again");
}

#[tokio::test]
async fn a_request_keeps_its_id_if_it_is_fit_to_be_written_down() {
    let house = House::new().await;
    for (given, kept) in [("abc-1.2_3", true), ("with space", false), ("", false), (&"x".repeat(65), false)] {
        let answer = house.ask(house.key(Role::Viewer), "GET", "/v1/rules", &[("X-Request-Id", given)], None).await;
        let told = answer.headers["x-request-id"].to_str().unwrap();
        assert_eq!(told == given, kept, "{given:?} became {told:?}");
        assert!(!told.is_empty());
    }
}
