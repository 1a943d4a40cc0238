//! A credential that ends is told of ahead, and one that died is found before it is needed.

use std::time::Duration;

use autorepost_core::{
    Error, ErrorKind, Platform,
    connection::{AuthMethod, Connection, ConnectionStatus},
    id::TenantId,
    operator::Operator,
    webhook::EventType,
};
use chrono::{DateTime, TimeDelta};
use serde_json::Value;

use crate::support::{Installation, block_on, start};

const HOUR: Duration = Duration::from_secs(3600);

fn source(it: &Installation) -> Connection {
    block_on(it.bench.ports.connections.get(TenantId::OWNER, it.source.id)).unwrap().unwrap()
}

fn set_end(it: &Installation, days: i64) {
    let expires_at = Some(start() + TimeDelta::days(days));
    let next = Connection { expires_at, ..source(it) };
    block_on(it.bench.ports.connections.update(&next, None, &[])).unwrap();
}

#[test]
fn a_session_that_ends_is_told_of_14_7_and_1_days_ahead_once_each() {
    let it = Installation::new(910);
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "test");
    block_on(operator.add_webhook("https://example.com/hook", &[EventType::ConnectionNeedsAttention])).unwrap();
    set_end(&it, 16);
    it.run_for(HOUR);
    assert_eq!(source(&it).status, ConnectionStatus::Active);
    // A look that fails in between, and one that works again, tell nothing anew.
    it.run_for(72 * HOUR);
    it.bench.source.fail_next(Error::unavailable("list posts", "no answer"));
    it.run_for((16 * 24 - 74) * HOUR);
    let told: Vec<Value> =
        it.bench.notifier.arrived().iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect();
    let expiring: Vec<i64> = told
        .iter()
        .filter(|told| told["data"]["cause"] == "expiring")
        .map(|told| {
            let at: DateTime<chrono::Utc> = told["timestamp"].as_str().unwrap().parse().unwrap();
            (start() + TimeDelta::days(16) - at).num_hours()
        })
        .collect();
    let due = [14 * 24, 7 * 24, 24];
    assert_eq!(expiring.len(), 3, "{expiring:?}");
    assert!(expiring.iter().zip(due).all(|(left, due)| (due - 1..=due).contains(left)), "{expiring:?}");
    let connection = source(&it);
    assert_eq!((connection.status, connection.warned_days), (ConnectionStatus::Expiring, Some(1)));
    assert!(connection.status_detail.unwrap_or_default().contains("connect it again"));

    // Connected anew, with a later end: nothing is left of the warning.
    let next = Connection { expires_at: Some(start() + TimeDelta::days(90)), ..it.source.clone() };
    block_on(it.bench.ports.connections.connect(&next, &[])).unwrap();
    it.run_for(48 * HOUR);
    assert_eq!((source(&it).status, source(&it).warned_days), (ConnectionStatus::Active, None));
}

#[test]
fn a_dead_account_is_found_by_the_first_post_after_a_pause() {
    let it = Installation::new(911);
    it.post("1", 60);
    it.run_for(8 * HOUR);
    let x = &it.bench.authorizers[&Platform::X];
    for _ in 0..10 {
        x.fail_next(Error::new(ErrorKind::Unauthorized, "verify", "the token was revoked"));
    }
    let status = || {
        let id = it.destinations.iter().find(|one| one.method == AuthMethod::XOauth1).unwrap().id;
        block_on(it.bench.ports.connections.get(TenantId::OWNER, id)).unwrap().unwrap().status
    };
    it.run_for(HOUR);
    assert_eq!(status(), ConnectionStatus::Active, "nobody asks without a post");
    it.post("2", -9 * 3600);
    it.run_for(HOUR);
    assert_eq!(status(), ConnectionStatus::NeedsReconnect);
}
