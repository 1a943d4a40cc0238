//! What a person may do to what is on its way, and to what gave up.

use std::time::Duration;

use autorepost_core::{
    ErrorKind, Platform,
    connection::ConnectionStatus,
    credential::{Access, Credential},
    id::{ConnectionId, JobId, TenantId},
    job::{Finish, JobKind},
    operator::Operator,
    port::EntropyExt,
    rule::RuleState,
};

use crate::support::{Installation, block_on};

const MINUTE: Duration = Duration::from_secs(60);

fn operator(installation: &Installation) -> Operator<'_> {
    Operator::new(&installation.bench.ports, TenantId::OWNER, "tester")
}

/// What is called off is not published, whatever its job does; asked for again, it is published once.
#[test]
fn what_is_called_off_goes_out_only_when_it_is_asked_for_again() {
    let installation = Installation::with(1, |spec| spec.delay_secs = 600);
    installation.post("1", 0);
    installation.run_for(MINUTE);
    assert_eq!(installation.states("1"), ["ready"; 3]);
    let repost = installation.repost("1", Platform::X);
    let called_off = block_on(operator(&installation).cancel(&repost)).unwrap();
    assert_eq!(called_off.state.name(), "skipped");
    assert!(called_off.state.reason().unwrap().text.contains("tester"));
    let stale = block_on(operator(&installation).cancel(&repost)).unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict, "it has moved since it was read");
    installation.run_for(60 * MINUTE);
    assert_eq!(installation.states("1"), ["published", "published", "skipped"]);
    for platform in [Platform::X, Platform::YouTube] {
        let error = block_on(operator(&installation).cancel(&installation.repost("1", platform))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
    let asked = block_on(operator(&installation).retry(&installation.repost("1", Platform::X))).unwrap();
    assert!(asked.queued);
    installation.run_for(60 * MINUTE);
    assert_eq!((installation.states("1"), installation.shown()), (vec!["published"; 3], vec![1; 3]));
    let again = block_on(operator(&installation).retry(&installation.repost("1", Platform::X))).unwrap();
    assert!(!again.queued && again.answer.contains("published already"), "{}", again.answer);
}

/// A changed rule holds at once for what waits, under its version and its name.
#[test]
fn a_rule_is_changed_for_what_waits_too() {
    let installation = Installation::with(1, |spec| spec.delay_secs = 3_600);
    installation.post("1", 0);
    installation.run_for(MINUTE);
    let operator = operator(&installation);
    let rule = block_on(operator.rule_by_id(installation.rule)).unwrap();
    let mut spec = rule.spec.clone();
    spec.delay_secs = 0;
    let stale = block_on(operator.change_rule(rule.id, "name", spec.clone(), Some(rule.version + 1))).unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    let empty = block_on(operator.change_rule(rule.id, " ", spec.clone(), None)).unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Invalid);
    let changed = block_on(operator.change_rule(rule.id, "at once", spec, Some(rule.version))).unwrap();
    assert_eq!((changed.name.as_str(), changed.version), ("at once", rule.version + 1));
    installation.run_for(5 * MINUTE);
    assert_eq!(installation.shown(), [1; 3]);

    block_on(operator.set_rule_state("at once", RuleState::Removed)).unwrap();
    assert_eq!(block_on(operator.rule_by_id(rule.id)).unwrap_err().kind(), ErrorKind::NotFound);
}

/// A dead job is its tenant's to replay.
#[test]
fn a_dead_job_is_replayed_by_its_own_tenant() {
    let installation = Installation::new(1);
    let jobs = &installation.bench.ports.jobs;
    let job = block_on(jobs.claim(&[JobKind::TiktokSync], 1, MINUTE)).unwrap().remove(0);
    let alive = block_on(operator(&installation).replay(job.new.id)).unwrap_err();
    assert_eq!(alive.kind(), ErrorKind::Conflict, "{alive}");
    block_on(jobs.finish(job.lease(), &Finish::Dead { note: "why".into() })).unwrap();
    let other = TenantId::new(crate::support::start(), installation.bench.ports.entropy.bytes());
    let other = Operator::new(&installation.bench.ports, other, "other");
    assert_eq!(block_on(other.replay(job.new.id)).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(block_on(other.dead_jobs(None, 9)).unwrap().is_empty());
    let never = JobId::new(crate::support::start(), installation.bench.ports.entropy.bytes());
    assert_eq!(block_on(operator(&installation).replay(never)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(block_on(operator(&installation).dead_jobs(None, 9)).unwrap().len(), 1);
    let replayed = block_on(operator(&installation).replay(job.new.id)).unwrap();
    assert_eq!(replayed.state.as_str(), "queued");
}

/// An account that is disconnected has no credential any more and is told of nothing; what a rule sends there waits, and goes
/// out once when the account is connected again.
#[test]
fn what_goes_to_a_disconnected_account_waits_until_it_is_connected_again() {
    let installation = Installation::new(1);
    let (operator, x) = (operator(&installation), &installation.destinations[2]);
    let gone = block_on(operator.disconnect(x.id)).unwrap();
    assert_eq!((gone.status, gone.id, gone.expires_at), (ConnectionStatus::Revoked, x.id, None));
    let opened = Access::open(&gone, &installation.bench.ports.keys).unwrap();
    assert_eq!(opened.credential, Credential::Forgotten);
    installation.post("1", 0);
    installation.run_for(60 * MINUTE);
    assert_eq!(installation.states("1"), ["published", "published", "waiting"]);
    let waits = installation.repost("1", Platform::X).state.reason().unwrap().text.clone();
    assert!(waits.contains("disconnected by tester"), "{waits}");
    assert_eq!(
        block_on(operator.connection_by_id(x.id)).unwrap().status,
        ConnectionStatus::Revoked,
        "nothing revives it"
    );

    let credential = Access::open(x, &installation.bench.ports.keys).unwrap().credential;
    let again = block_on(operator.connect(x.method, x.account.as_str(), &x.handle, credential)).unwrap();
    assert_eq!((again.id, again.status), (x.id, ConnectionStatus::Active));
    installation.run_for(60 * MINUTE);
    assert_eq!((installation.states("1"), installation.shown()), (vec!["published"; 3], vec![1; 3]));
    let nobody = block_on(operator.disconnect(ConnectionId::from_uuid(installation.rule.uuid()))).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
}
