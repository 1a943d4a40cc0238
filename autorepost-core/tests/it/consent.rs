//! Connecting accounts on the platforms' pages: the log-in's way there and back.

use std::time::Duration;

use autorepost_core::{
    Error, ErrorKind,
    connection::{AuthMethod, Connection},
    credential::{Access, Credential},
    id::TenantId,
    memory::Bench,
    operator::{LOGIN_MAX, Operator},
    port::{Answered, EntropyExt, RETURNED_BYTES_MAX, Returned},
};

use crate::support::{block_on, start};

const REDIRECT: &str = "https://house.example/connect/callback";

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Begins a log-in, and answers with its state.
fn state(bench: &Bench, tenant: TenantId, method: AuthMethod) -> String {
    let operator = Operator::new(&bench.ports, tenant, "tester");
    let asked = block_on(operator.ask_consent(method, REDIRECT)).unwrap();
    asked.page.expose().split_once("state=").unwrap().1.to_owned()
}

fn come_back(bench: &Bench, answer: &[(&str, &str)]) -> Result<Vec<Connection>, Error> {
    block_on(async {
        let returned = Returned::read(pairs(answer))?;
        Operator::come_back(&bench.ports, REDIRECT, returned).await?.connect().await
    })
}

fn connections(bench: &Bench) -> Vec<Connection> {
    block_on(bench.ports.connections.list(None)).unwrap()
}

#[test]
fn an_answer_connects_its_accounts_in_the_tenant_that_asked() {
    let bench = Bench::new(1, start());
    let other = TenantId::new(start(), bench.ports.entropy.bytes());
    for tenant in [TenantId::OWNER, other] {
        let state = state(&bench, tenant, AuthMethod::FacebookLogin);
        let code = format!("one,two-{tenant}");
        let connected = come_back(&bench, &[("code", &code), ("state", &state)]).unwrap();
        assert_eq!(connected.len(), 2);
        assert!(connected.iter().all(|one| one.tenant == tenant && one.scopes == ["read", "publish"]));
    }
    assert_eq!(connections(&bench).len(), 4);
}

#[test]
fn a_log_in_waits_for_ten_minutes_and_is_answered_once() {
    let bench = Bench::new(1, start());
    let answer = |state: &str| come_back(&bench, &[("code", state), ("state", state)]);
    let first = state(&bench, TenantId::OWNER, AuthMethod::Google);
    bench.clock.advance(LOGIN_MAX - Duration::from_secs(1));
    assert!(answer(&first).is_ok());
    assert_eq!(answer(&first).unwrap_err().kind(), ErrorKind::NotFound);
    let late = state(&bench, TenantId::OWNER, AuthMethod::Google);
    bench.clock.advance(LOGIN_MAX + Duration::from_secs(1));
    assert_eq!(answer(&late).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(answer("invented").unwrap_err().kind(), ErrorKind::NotFound);
    // A refusal uses it up too.
    let refused = state(&bench, TenantId::OWNER, AuthMethod::Google);
    let denial = come_back(&bench, &[("error", "access_denied"), ("state", &refused)]).unwrap_err();
    assert_eq!((denial.kind(), denial.detail().contains("YouTube")), (ErrorKind::Rejected, true), "{denial}");
    assert_eq!(answer(&refused).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bench.consents[&AuthMethod::Google].exchanged(), 1);
}

#[test]
fn what_is_not_allowed_or_not_ours_connects_nothing() {
    let bench = Bench::new(1, start());
    let consent = &bench.consents[&AuthMethod::XOauth2];
    consent.allow(&["read"]);
    let one = state(&bench, TenantId::OWNER, AuthMethod::XOauth2);
    let error = come_back(&bench, &[("code", "a"), ("state", &one)]).unwrap_err();
    assert_eq!((error.kind(), error.detail().contains("publish")), (ErrorKind::Forbidden, true), "{error}");
    consent.allow(&["publish", "read", "more"]);
    let two = state(&bench, TenantId::OWNER, AuthMethod::XOauth2);
    let issuer = ("iss", "https://evil.example");
    let error = come_back(&bench, &[("code", "b"), ("state", &two), issuer]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    assert!(!error.to_string().contains("evil"), "{error}");
    assert_eq!(connections(&bench), []);
    let three = state(&bench, TenantId::OWNER, AuthMethod::XOauth2);
    let ours = ("iss", "https://issuer.example");
    assert!(come_back(&bench, &[("code", "c"), ("state", &three), ours]).is_ok());
}

#[test]
fn a_refresh_token_is_never_overwritten_with_none() {
    let bench = Bench::new(1, start());
    let consent = &bench.consents[&AuthMethod::Google];
    let connect = |code: &str| {
        let state = state(&bench, TenantId::OWNER, AuthMethod::Google);
        come_back(&bench, &[("code", code), ("state", &state)])
    };
    consent.set_refresh(None);
    assert_eq!(connect("a").unwrap_err().kind(), ErrorKind::Forbidden);
    consent.set_refresh(Some("first"));
    let connection = connect("a,").unwrap().remove(0);
    let refresh = |connection: &Connection| match &Access::open(connection, &bench.ports.keys).unwrap().credential {
        Credential::Bearer { refresh, .. } => refresh.clone(),
        _ => None,
    };
    assert_eq!(refresh(&connection).as_deref(), Some("first"));
    consent.set_refresh(None);
    let again = connect("a,,").unwrap().remove(0);
    assert_eq!((again.id, refresh(&again).as_deref()), (connection.id, Some("first")));
}

#[test]
fn an_answer_that_cannot_be_read_is_said_without_its_values() {
    let long = "x".repeat(RETURNED_BYTES_MAX + 1);
    let table: [&[(&str, &str)]; 6] = [
        &[],
        &[("state", "hunter2")],
        &[("code", "hunter2")],
        &[("code", "hunter2"), ("code", "hunter2"), ("state", "s")],
        &[("code", ""), ("state", "hunter2")],
        &[("code", &long), ("state", "s")],
    ];
    for answer in table {
        let error = Returned::read(pairs(answer)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let read = |answer: &[(&str, &str)]| Returned::read(pairs(answer)).unwrap();
    let allowed = read(&[("oauth_token", "t"), ("oauth_verifier", "v"), ("utm", "1"), ("utm", "2")]);
    assert_eq!(allowed.state.expose(), "t");
    assert!(matches!(&allowed.answer, Answered::Allowed { code, issuer: None } if code.expose() == "v"));
    let denied = read(&[("denied", "t")]);
    assert_eq!(denied.state.expose(), "t");
    assert!(matches!(&denied.answer, Answered::Refused { error, .. } if error == "access_denied"));
    // A platform that tells an error has told nothing else.
    let both = read(&[("code", "c"), ("error", "server_error"), ("state", "s")]);
    assert!(matches!(both.answer, Answered::Refused { .. }));
}
