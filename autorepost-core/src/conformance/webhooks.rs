//! Cases of endpoints, and of the jobs that bring messages to them.

use std::time::Duration;

use super::{Stores, claim, later, start, tenant, unique};
use crate::{
    ErrorKind,
    id::{JobId, TenantId, WebhookId},
    job::{Finish, JobKind, JobState, NewJob},
    webhook::{EventType, PreviousSecret, Webhook},
};

const SHORT: Duration = Duration::from_millis(200);

fn webhook(tenant: TenantId, secs: u64) -> Webhook {
    Webhook {
        id: WebhookId::new(later(secs), unique()),
        tenant,
        url: "https://example.com/hook?\"'ü".into(),
        events: vec![EventType::RepostFailed, EventType::ConnectionNeedsAttention],
        secret: "v1.key.AAAA".parse().unwrap(),
        previous: None,
        created_at: later(secs),
        version: 0,
    }
}

/// Endpoints are read back with everything, listed for their tenant the oldest first, and removed once.
pub async fn an_endpoint_is_kept_listed_and_removed_once(stores: Stores) {
    let (one, other) = (tenant(), tenant());
    let (late, early, theirs) = (webhook(one, 9), webhook(one, 1), webhook(other, 5));
    for row in [&late, &early, &theirs] {
        stores.webhooks.insert(row).await.unwrap();
    }
    assert_eq!(stores.webhooks.list(one).await.unwrap(), [early.clone(), late.clone()]);
    assert_eq!(stores.webhooks.get(one, late.id).await.unwrap().as_ref(), Some(&late));
    assert_eq!(stores.webhooks.get(one, theirs.id).await.unwrap(), None);
    assert!(!stores.webhooks.remove(one, theirs.id).await.unwrap());
    assert!(stores.webhooks.remove(one, late.id).await.unwrap());
    assert!(!stores.webhooks.remove(one, late.id).await.unwrap());
    assert_eq!(stores.webhooks.list(one).await.unwrap(), [early]);
    assert_eq!(stores.webhooks.list(other).await.unwrap(), [theirs]);
}

/// An update names the version that it read.
pub async fn an_endpoint_is_written_under_its_version(stores: Stores) {
    let read = webhook(tenant(), 1);
    stores.webhooks.insert(&read).await.unwrap();
    let previous = Some(PreviousSecret { secret: read.secret.clone(), until: later(60) });
    let next = Webhook { previous, secret: "v1.key.BBBB".parse().unwrap(), ..read.clone() };
    let written = stores.webhooks.update(&next).await.unwrap();
    assert_eq!(written, Webhook { version: 1, ..next });
    assert_eq!(stores.webhooks.update(&read).await.unwrap_err().kind(), ErrorKind::Conflict);
    let foreign = Webhook { tenant: tenant(), ..written.clone() };
    assert_eq!(stores.webhooks.update(&foreign).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(stores.webhooks.get(read.tenant, read.id).await.unwrap().as_ref(), Some(&written));
    stores.webhooks.remove(read.tenant, read.id).await.unwrap();
    assert_eq!(stores.webhooks.update(&written).await.unwrap_err().kind(), ErrorKind::Conflict);
}

fn delivery(webhook: &Webhook) -> NewJob {
    let body = r#"{"text":"Grüße \" \\ 👋"}"#;
    NewJob::delivery(JobId::new(start(), unique()), webhook, body.into(), start())
}

/// A job is claimed, tried again and found with what it brought along; of an endpoint one runs.
pub async fn what_a_job_brings_along_is_kept_and_claimed_with_it(stores: Stores) {
    let (one, other) = (webhook(tenant(), 1), webhook(tenant(), 1));
    let jobs = [delivery(&one), delivery(&one), delivery(&other)];
    stores.jobs.enqueue(&jobs).await.unwrap();
    let claimed = stores.jobs.claim(&[JobKind::WebhookDelivery], 9, Duration::from_secs(60)).await.unwrap();
    let news: Vec<_> = claimed.iter().map(|job| job.new.clone()).collect();
    assert_eq!(news, [jobs[0].clone(), jobs[2].clone()]);
    let again = Finish::Again { run_at: start(), attempts: 1, note: Some("away".into()) };
    stores.jobs.finish(claimed[0].lease(), &again).await.unwrap();
    let found = stores.jobs.find(&jobs[0].key).await.unwrap().unwrap();
    assert_eq!((found.new.payload, found.attempts), (jobs[0].payload.clone(), 1));
}

/// Dead deliveries are replayed with what they bring along, and go with the done jobs.
pub async fn dead_deliveries_are_pruned_and_replayed_before(stores: Stores) {
    let job = delivery(&webhook(tenant(), 1));
    stores.jobs.enqueue(std::slice::from_ref(&job)).await.unwrap();
    for replayed in [true, false] {
        let claimed = claim(&stores, JobKind::WebhookDelivery).await;
        assert_eq!(claimed.new.payload, job.payload);
        stores.jobs.finish(claimed.lease(), &Finish::Dead { note: "gone".into() }).await.unwrap();
        assert!(!replayed || stores.jobs.replay(job.id).await.unwrap());
    }
    let dead = stores.census.dead(Some(job.tenant), None, 9).await.unwrap();
    assert_eq!(dead.iter().map(|one| (one.new.id, one.state)).collect::<Vec<_>>(), [(job.id, JobState::Dead)]);
    stores.time.pass(SHORT).await;
    assert_eq!(stores.jobs.prune(Duration::from_secs(60), 9).await.unwrap(), 0);
    assert_eq!(stores.jobs.prune(SHORT / 2, 9).await.unwrap(), 1);
    assert_eq!(stores.census.job(job.id).await.unwrap(), None);
}
