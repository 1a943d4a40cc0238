//! Requests that are asked again by their idempotency key, and what the audit log tells of them.

use autorepost::api::REPLAYED_HEADER;
use autorepost_core::{access::Role, policy::after};
use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use super::house::{House, rule_body};

const KEY: &str = "Idempotency-Key";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_is_done_and_all_are_answered_alike() {
    let house = std::sync::Arc::new(House::new().await);
    let body = rule_body("once", &house.ours.source, &house.ours.destination);
    let asking: Vec<_> = (0..32)
        .map(|_| {
            let (house, body) = (house.clone(), body.clone());
            tokio::spawn(async move {
                loop {
                    let key = house.key(Role::Operator);
                    let answer = house.ask(key, "POST", "/v1/rules", &[(KEY, "one")], Some(body.clone())).await;
                    if answer.json["code"] != "in_progress" {
                        return answer;
                    }
                    assert_eq!(answer.status, StatusCode::CONFLICT);
                    assert!(answer.headers.contains_key(header::RETRY_AFTER));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for asking in asking {
        answers.push(asking.await.unwrap());
    }
    let replayed = answers.iter().filter(|answer| answer.headers.contains_key(REPLAYED_HEADER)).count();
    assert_eq!(replayed, 31);
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (StatusCode::CREATED, &answers[0].text));
    }
    let made = house.bench.memory.all_rules().into_iter().filter(|rule| rule.name == "once").count();
    assert_eq!(made, 1);
    let lines = house.get(house.key(Role::Admin), "/v1/audit").await;
    let lines = lines.json["items"].as_array().unwrap().iter().filter(|line| line["action"] == "rules.create").count();
    assert_eq!(lines, 2, "what is answered again is not done again");
}

#[tokio::test]
async fn a_key_stands_for_one_request_for_a_day() {
    let house = House::new().await;
    let key = house.key(Role::Operator);
    let ask = async |key: &str, name: &str, body: &Value| {
        house.ask(key, "POST", "/v1/rules", &[(KEY, name)], Some(body.clone())).await
    };
    let body = |name| rule_body(name, &house.ours.source, &house.ours.destination);
    let first = ask(key, "a", &body("first")).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let other = ask(key, "a", &body("other")).await;
    assert_eq!(
        (other.status, &other.json["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("idempotency_key_reused"))
    );
    let elsewhere = house.ask(key, "POST", "/v1/reposts", &[(KEY, "a")], Some(body("first"))).await;
    assert_eq!(elsewhere.json["code"], "idempotency_key_reused", "{}", elsewhere.text);

    // Another key's names are its own: it asks for itself, and is told that the rule exists.
    let admin = ask(house.key(Role::Admin), "a", &body("first")).await;
    assert_eq!(admin.status, StatusCode::CONFLICT, "{}", admin.text);
    // What was refused is not kept: when its reason is gone, it is done.
    let taken = ask(key, "b", &body("first")).await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "{}", taken.text);
    let path = format!("/v1/rules/{}", first.json["id"].as_str().unwrap());
    assert_eq!(house.ask(key, "DELETE", &path, &[], None).await.status, StatusCode::OK);
    assert_eq!(ask(key, "b", &body("first")).await.status, StatusCode::CREATED);

    assert_eq!(ask(key, "a", &body("first")).await.text, first.text);
    house.bench.clock.set(after(super::house::start(), std::time::Duration::from_secs(24 * 3600)));
    assert_eq!(ask(key, "a", &body("first")).await.status, StatusCode::CONFLICT, "after a day it is asked anew");
}

#[tokio::test]
async fn where_an_answer_is_not_kept_the_key_is_refused() {
    let house = House::new().await;
    let admin = house.key(Role::Admin);
    let body = json!({ "name": "n", "role": "viewer" });
    let answer = house.ask(admin, "POST", "/v1/api-keys", &[(KEY, "a")], Some(body)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert!(answer.json["detail"].as_str().unwrap().contains("secret"), "{}", answer.text);
    for bad in ["", " ", "with space", &"x".repeat(129), "ümlaut"] {
        let answer = house.ask(admin, "POST", "/v1/rules", &[(KEY, bad)], Some(json!({}))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad:?}: {}", answer.text);
    }
}

/// Who, what, of what, how it ended, and by which request.
#[tokio::test]
async fn everything_that_changes_something_is_in_the_audit_log() {
    let house = House::new().await;
    let admin = house.key(Role::Admin);
    let body = rule_body("audited", &house.ours.source, &house.ours.destination);
    let made = house.ask(admin, "POST", "/v1/rules", &[("X-Request-Id", "mine.1")], Some(body.clone())).await;
    house.ask(admin, "POST", "/v1/rules", &[("X-Request-Id", "mine.2")], Some(body)).await;
    house.get(admin, "/v1/rules").await;
    let lines = house.get(admin, "/v1/audit?limit=4").await;
    let told: Vec<_> = lines.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            assert!(text("actor").contains("OURS admin"), "{line}");
            (text("action"), text("subject"), text("detail"), text("request_id"))
        })
        .collect();
    let subject = format!("rules/{}", made.json["id"].as_str().unwrap());
    let line = |subject: &str, detail: &str, request: &str| {
        ("rules.create".to_owned(), subject.to_owned(), detail.to_owned(), request.to_owned())
    };
    for wanted in [
        line("rules", "asked", "mine.1"),
        line(&subject, "done with 201", "mine.1"),
        line("rules", "asked", "mine.2"),
        line("rules", "refused with 409", "mine.2"),
    ] {
        assert!(told.contains(&wanted), "{wanted:?} is missing: {told:?}");
    }
    // What concerns everybody is in a log of its own.
    house.post(&house.root, "/v1/tenants", json!({ "name": "third" })).await;
    let whole = house.get(&house.root, "/v1/installation/audit").await;
    assert_eq!(whole.json["items"].as_array().unwrap().len(), 2, "{}", whole.text);
    assert!(!house.get(admin, "/v1/audit").await.text.contains("tenants.create"));
}
