//! What endpoints are told: with the state or not at all, at least once, and to a dead letter at the end.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result, Retry,
    connection::{AccountId, Connection, ConnectionStatus},
    credential::{Access, Credential},
    id::{JobId, TenantId},
    job::{Job, JobKind, JobState, NewJob},
    memory::{Bench, Fault},
    operator::{Operator, SECRET_OVERLAP},
    port::{Authorizer, Clock, ConnectionStore, Grant, Identity},
    seal::KeyRing,
    webhook::{EventType, Message, PAYLOAD_BYTES_MAX, SigningSecret, WEBHOOKS_MAX, Webhook, verify},
};
use chrono::DateTime;
use serde_json::Value;

use crate::support::{Installation, block_on, start};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const URL: &str = "https://example.com/hook";

fn operator(it: &Installation) -> Operator<'_> {
    Operator::new(&it.bench.ports, TenantId::OWNER, "test")
}

fn listen(it: &Installation, events: &[EventType]) -> (Webhook, SigningSecret) {
    let (webhook, secret) = block_on(operator(it).add_webhook(URL, events)).unwrap();
    (webhook, SigningSecret::parse(&secret).unwrap())
}

fn body(message: &Message) -> Value {
    serde_json::from_str(&message.body).unwrap()
}

fn is_signed(message: &Message, secret: &SigningSecret) -> bool {
    let now = DateTime::from_timestamp(message.timestamp, 0).unwrap();
    let timestamp = message.timestamp.to_string();
    verify(secret, (&message.id, &timestamp, &message.signature), message.body.as_bytes(), now).is_ok()
}

fn deliveries(bench: &Bench) -> Vec<Job> {
    let mut jobs = bench.memory.jobs();
    jobs.retain(|job| job.new.kind == JobKind::WebhookDelivery);
    jobs
}

#[test]
fn each_publication_is_told_once_signed_and_without_secrets() {
    let it = Installation::new(1);
    let (webhook, secret) = listen(&it, &[]);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    let arrived = it.bench.notifier.arrived();
    assert_eq!(arrived.len(), 3);
    for message in &arrived {
        assert!(is_signed(message, &secret), "{message:?}");
        assert_eq!(message.url, webhook.url);
        let told = body(message);
        assert_eq!(told["type"], "repost.published");
        let data = &told["data"];
        let platform: Platform = data["platform"].as_str().unwrap().parse().unwrap();
        let repost = it.repost("1", platform);
        assert_eq!(data["repost"], repost.id.to_string());
        assert_eq!((data["post"]["key"].as_str(), data["state"].as_str()), (Some("1"), Some("published")));
        assert_eq!(data["post"]["url"], "https://www.tiktok.com/@alice/video/1");
        assert!(data["published_id"].is_string() && data["reason"].is_null(), "{told}");
        for secret in ["access-0", "refresh-0", "ticket", "handle", "v1.bench"] {
            assert!(!message.body.contains(secret), "{secret}: {}", message.body);
        }
        assert!(message.body.len() < PAYLOAD_BYTES_MAX);
    }
    let mut ids: Vec<_> = arrived.iter().map(|message| &message.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    it.run_for(24 * HOUR);
    assert_eq!(it.bench.notifier.arrived().len(), 3);
}

#[test]
fn an_endpoint_is_told_only_of_what_it_wants_and_a_tenant_only_of_its_own() {
    let it = Installation::new(2);
    listen(&it, &[EventType::RepostFailed]);
    let stranger = TenantId::new(start(), [9; 10]);
    block_on(Operator::new(&it.bench.ports, stranger, "test").add_webhook(URL, &[])).unwrap();
    it.post("1", 60);
    (0..9).for_each(|_| it.bench.destinations[&Platform::X].fault("commit", Fault::Before));
    it.run_for(HOUR);
    let arrived = it.bench.notifier.arrived();
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    let data = &body(&arrived[0])["data"];
    assert_eq!((data["state"].as_str(), data["url"].is_null()), (Some("failed"), true));
    assert_eq!(data["reason"]["owner"], "operator");
    assert!(data["reason"]["text"].as_str().unwrap().contains("never took effect"), "{data}");
}

/// A worker that dies after any await: what is stored as published is told, with one id for each event.
#[test]
fn a_crash_between_the_state_and_the_telling_loses_nothing() {
    let mut seen = [false; 2];
    for polls in 0..400 {
        let it = Installation::new(3);
        listen(&it, &[]);
        it.post("1", 60);
        let mut left = polls;
        // The work of a process, dropped after so many polls.
        let finished = 'process: loop {
            let jobs = block_on(it.worker.claim(&JobKind::ALL, 1)).unwrap();
            let Some(job) = jobs.into_iter().next() else {
                match block_on(it.bench.ports.jobs.next_due()).unwrap() {
                    Some(due)
                        if it.states("1") != ["published"; 3] || due < start() + chrono::TimeDelta::minutes(2) =>
                    {
                        it.bench.clock.set(due.max(it.bench.clock.now()));
                        continue;
                    }
                    _ => break true,
                }
            };
            let mut run = pin!(it.worker.run(job));
            while run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                left -= 1;
                if left < 0 {
                    break 'process false;
                }
            }
        };
        let before = it.bench.notifier.arrived();
        // The lease of what it left ends.
        it.bench.clock.advance(2 * MINUTE);
        it.run_for(10 * MINUTE);
        assert_eq!(it.states("1"), ["published"; 3]);
        let arrived = it.bench.notifier.arrived();
        let mut ids: Vec<_> = arrived.iter().map(|message| message.id.clone()).collect();
        let twice = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3, "after {polls} polls");
        seen[0] |= twice > 3;
        seen[1] |= before.is_empty() && !finished;
        if finished {
            assert!(seen[1], "no crash came before a delivery");
            assert!(seen[0], "no crash came between a delivery and the end of its job");
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn a_failing_endpoint_is_tried_with_growing_waits_then_dead_and_can_be_replayed() {
    let it = Installation::new(4);
    let (_, secret) = listen(&it, &[]);
    let away = || Error::unavailable("deliver webhook", "the endpoint answered 503");
    it.bench.notifier.fail(away().retry(Retry::After(5 * MINUTE)));
    (1..30).for_each(|_| it.bench.notifier.fail(away()));
    it.post("1", 60);
    it.run_for(3 * MINUTE);
    let tried = deliveries(&it.bench);
    assert_eq!(tried.iter().filter(|job| job.state == JobState::Queued).count(), 3, "{tried:?}");
    assert!(tried.iter().any(|job| job.new.run_at > start() + chrono::TimeDelta::minutes(4)), "{tried:?}");
    it.run_for(48 * HOUR);
    assert!(it.bench.notifier.arrived().is_empty());
    let dead = block_on(operator(&it).dead_jobs(None, 9)).unwrap();
    assert_eq!(dead.len(), 3);
    assert!(dead.iter().all(|job| job.note.as_deref().unwrap().contains("tried often enough: ")), "{dead:?}");

    block_on(operator(&it).replay(dead[0].new.id)).unwrap();
    it.run_for(MINUTE);
    let arrived = it.bench.notifier.arrived();
    assert_eq!(arrived.len(), 1);
    assert!(is_signed(&arrived[0], &secret));
    assert_eq!(arrived[0].id, format!("msg_{}", dead[0].new.id.uuid().simple()));

    // What nobody replays goes in the end.
    let upkeep = NewJob::upkeep(JobId::new(start(), [1; 10]), start());
    block_on(it.bench.ports.jobs.enqueue(&[upkeep])).unwrap();
    it.run_for(10 * 24 * HOUR);
    assert!(deliveries(&it.bench).is_empty(), "{:?}", deliveries(&it.bench));
}

#[test]
fn what_can_never_arrive_is_dead_at_once_and_what_is_old_is_given_up() {
    let it = Installation::with(5, |spec| spec.destinations.truncate(2));
    listen(&it, &[]);
    it.bench.notifier.fail(Error::new(ErrorKind::Invalid, "deliver webhook", "its address is private"));
    it.bench.notifier.fail(Error::unavailable("deliver webhook", "away"));
    it.post("1", 60);
    it.run_for(2 * MINUTE);
    let states = || deliveries(&it.bench).iter().map(|job| (job.state, job.attempts)).collect::<Vec<_>>();
    assert!(states().contains(&(JobState::Dead, 0)), "{:?}", states());
    assert!(states().contains(&(JobState::Done, 1)), "{:?}", states());

    let old = Installation::with(6, |spec| spec.destinations.truncate(1));
    listen(&old, &[]);
    (0..9).for_each(|_| old.bench.notifier.fail(Error::unavailable("deliver webhook", "away")));
    old.post("1", 60);
    old.run_for(MINUTE);
    assert_eq!(deliveries(&old.bench).len(), 1);
    old.bench.clock.advance(96 * HOUR);
    old.run_for(MINUTE);
    let job = deliveries(&old.bench).remove(0);
    assert!(job.state == JobState::Dead && job.note.as_deref().unwrap().contains("too old"), "{job:?}");
}

#[test]
fn an_account_that_does_not_work_any_more_is_told_of_once() {
    let it = Installation::new(7);
    listen(&it, &[EventType::ConnectionNeedsAttention]);
    let refused = || Error::new(ErrorKind::Unauthorized, "refresh", "invalid_grant");
    (0..2).for_each(|_| it.bench.authorizers[&Platform::YouTube].fail_next(refused()));
    it.run_for(2 * HOUR);
    let arrived = it.bench.notifier.arrived();
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    let told = body(&arrived[0]);
    assert_eq!(told["type"], "connection.needs_attention");
    assert_eq!(
        (&told["data"]["cause"], &told["data"]["status"]),
        (&"needs_reconnect".into(), &"needs_reconnect".into())
    );
    assert_eq!(told["data"]["platform"], "youtube");
    // A pause by a person is no news to them.
    block_on(operator(&it).set_paused("x", true)).unwrap();
    it.run_for(2 * HOUR);
    assert_eq!(it.bench.notifier.arrived().len(), 1);
}

#[test]
fn a_removed_endpoint_is_told_nothing_more() {
    let it = Installation::new(8);
    let (webhook, _) = listen(&it, &[]);
    (0..30).for_each(|_| it.bench.notifier.fail(Error::unavailable("deliver webhook", "away")));
    it.post("1", 60);
    it.run_for(MINUTE);
    block_on(operator(&it).remove_webhook(webhook.id)).unwrap();
    assert_eq!(block_on(operator(&it).remove_webhook(webhook.id)).unwrap_err().kind(), ErrorKind::NotFound);
    it.run_for(24 * HOUR);
    assert!(it.bench.notifier.arrived().is_empty());
    let ended = deliveries(&it.bench);
    assert!(ended.iter().all(|job| job.state == JobState::Done), "{ended:?}");
}

#[test]
fn both_secrets_sign_for_a_day_after_a_rotation() {
    let it = Installation::new(9);
    let (webhook, old) = listen(&it, &[]);
    let (rotated, new) = block_on(operator(&it).rotate_webhook_secret(webhook.id)).unwrap();
    let new = SigningSecret::parse(&new).unwrap();
    assert_eq!(rotated.version, 1);
    let send = || {
        let webhook = block_on(operator(&it).webhook(webhook.id)).unwrap();
        let id = block_on(operator(&it).test_webhook(&webhook)).unwrap();
        it.bench.notifier.arrived().into_iter().find(|message| message.id == id).unwrap()
    };
    let message = send();
    assert_eq!(body(&message)["type"], "webhook.test");
    assert!(is_signed(&message, &old) && is_signed(&message, &new));
    it.bench.clock.advance(SECRET_OVERLAP);
    let message = send();
    assert!(!is_signed(&message, &old) && is_signed(&message, &new));
}

#[test]
fn secrets_are_sealed_for_their_endpoint_and_sealed_anew_with_the_rest() {
    let it = Installation::new(10);
    let (one, _) = listen(&it, &[]);
    let (other, text) = block_on(operator(&it).add_webhook(URL, &[])).unwrap();
    let keys = &it.bench.ports.keys;
    assert_eq!(keys.open(&other.binding(), &other.secret).unwrap(), text);
    assert!(keys.open(&one.binding(), &other.secret).unwrap_err().detail().contains("rotate its secret"));

    const NEW: &str = "new:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let both = KeyRing::parse(&format!("{NEW},bench:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")).unwrap();
    let mut ports = it.bench.ports.clone();
    ports.keys = both.into();
    let result = block_on(Operator::new(&ports, TenantId::OWNER, "test").reseal()).unwrap();
    assert_eq!((result.resealed, result.broken.len()), (6, 0));
    let sealed = block_on(operator(&it).webhook(other.id)).unwrap();
    assert_eq!(KeyRing::parse(NEW).unwrap().open(&sealed.binding(), &sealed.secret).unwrap(), text);
}

#[test]
fn endpoints_are_limited_and_their_addresses_are_checked() {
    let it = Installation::new(11);
    let add = |url: &str| block_on(operator(&it).add_webhook(url, &[]));
    assert_eq!(add("http://example.com").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(add(&format!("https://example.com/{}", "a".repeat(2_048))).unwrap_err().kind(), ErrorKind::Invalid);
    (0..WEBHOOKS_MAX).for_each(|_| drop(add(URL).unwrap()));
    assert!(add(URL).unwrap_err().detail().contains("at most 20"));
}

/// Knows every credential as another account's.
struct Another;

#[async_trait]
impl Authorizer for Another {
    fn platform(&self) -> Platform {
        Platform::TikTok
    }

    async fn verify(&self, _: &Access) -> Result<Identity> {
        Ok(Identity { account: AccountId::new("another"), handle: "bob".into(), expires_at: None })
    }

    async fn refresh(&self, _: &Access) -> Result<Option<Grant>> {
        Ok(None)
    }
}

/// What an outside automation brings is another account's: nothing changes.
#[test]
fn a_fresh_credential_must_be_the_same_accounts() {
    let it = Installation::new(12);
    let credential = Credential::Cookies { jar: "fresh".into() };
    let stored = || block_on(ConnectionStore::get(it.bench.memory.as_ref(), TenantId::OWNER, it.source.id)).unwrap();
    let renew = |connection: &Connection| block_on(operator(&it).renew_credential(connection, credential.clone()));
    it.bench.authorizers[&Platform::TikTok].fail_next(Error::new(ErrorKind::Unauthorized, "verify", "signed out"));
    assert_eq!(renew(&it.source).unwrap_err().kind(), ErrorKind::Unauthorized);
    let mut ports = it.bench.ports.clone();
    ports.authorizers.insert(Platform::TikTok, Arc::new(Another));
    let another = Operator::new(&ports, TenantId::OWNER, "test");
    let error = block_on(another.renew_credential(&it.source, credential.clone())).unwrap_err();
    assert!(error.kind() == ErrorKind::Rejected && error.detail().contains("@bob, not of @alice"), "{error}");
    assert_eq!(stored().as_ref(), Some(&it.source));
    let renewed = renew(&it.source).unwrap();
    assert_eq!((renewed.id, renewed.status), (it.source.id, ConnectionStatus::Active));
    assert_ne!(stored().unwrap().credential, it.source.credential);
}
