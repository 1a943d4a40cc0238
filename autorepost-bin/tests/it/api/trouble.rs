//! An audit log that fails, panics or takes its time, and a client that goes away.

use std::sync::Arc;

use async_trait::async_trait;
use autorepost::api::{Api, Limits, REPLAYED_HEADER};
use autorepost_core::{
    Error, Result,
    access::{AuditEntry, Role},
    port::{AuditLog, AuditQuery, Ports},
};
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::Notify;

use super::house::{Answer, House, rule_body, send};

enum Trouble {
    Fails,
    Panics,
    /// Tells that it was asked, and goes on when it is told to.
    Waits(Notify, Notify),
}

struct Log(Trouble, Arc<dyn AuditLog>);

#[async_trait]
impl AuditLog for Log {
    async fn append(&self, entry: &AuditEntry) -> Result<()> {
        match &self.0 {
            Trouble::Fails => return Err(Error::unavailable("write audit log", "the disk is full")),
            Trouble::Panics => panic!("a test's own panic"),
            Trouble::Waits(asked, go_on) if entry.detail == "asked" => {
                asked.notify_one();
                go_on.notified().await;
            }
            Trouble::Waits(..) => {}
        }
        self.1.append(entry).await
    }

    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        self.1.list(query).await
    }

    async fn prune(&self, before: DateTime<Utc>, max: u32) -> Result<u64> {
        self.1.prune(before, max).await
    }
}

fn with(house: &House, trouble: Trouble) -> (Arc<Log>, Router) {
    let log = Arc::new(Log(trouble, house.bench.ports.audit.clone()));
    let ports = Ports { audit: log.clone(), ..house.bench.ports.clone() };
    (log, Api::new(ports, Limits::default(), None, None).router(Router::new()))
}

fn request(house: &House) -> Request<Body> {
    let body = rule_body("new", &house.ours.source, &house.ours.destination);
    let request = Request::builder().method("POST").uri("/v1/rules").header("Idempotency-Key", "one");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", house.key(Role::Operator)));
    request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap()
}

fn rules(house: &House) -> usize {
    house.bench.memory.all_rules().iter().filter(|rule| rule.name == "new").count()
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let house = House::new().await;
    let (_, router) = with(&house, Trouble::Fails);
    let answer: Answer = send(router, request(&house)).await;
    assert_eq!((answer.status, &answer.json["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    assert_eq!(rules(&house), 0);
    // Nothing was done, so the same request may be asked again.
    assert_eq!(house.send(request(&house)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_ends_nothing_else() {
    let house = House::new().await;
    let (_, router) = with(&house, Trouble::Panics);
    let answer = send(router.clone(), request(&house)).await;
    assert_eq!((answer.status, &answer.json["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("internal")));
    assert!(!answer.text.contains("own panic"), "{}", answer.text);
    // Nobody knows how far it came: until its claim ends it is not done again.
    assert_eq!(send(router, request(&house)).await.json["code"], "in_progress");
    assert_eq!(rules(&house), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_half_done() {
    let house = House::new().await;
    let (log, router) = with(&house, Trouble::Waits(Notify::new(), Notify::new()));
    let Trouble::Waits(asked, go_on) = &log.0 else { unreachable!() };
    let asking = tokio::spawn(send(router.clone(), request(&house)));
    asked.notified().await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    assert_eq!(send(router.clone(), request(&house)).await.json["code"], "in_progress");
    go_on.notify_one();
    let again = async {
        loop {
            let answer = send(router.clone(), request(&house)).await;
            if answer.status != StatusCode::CONFLICT {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), again).await.expect("it is done");
    assert_eq!((answer.status, rules(&house)), (StatusCode::CREATED, 1), "{}", answer.text);
    assert!(answer.headers.contains_key(REPLAYED_HEADER));
}
