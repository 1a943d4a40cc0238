//! What a change tells a tenant's endpoints: jobs that are written in the transaction of the change, so that what is stored
//! is told, and what is not stored is not.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    Result,
    connection::{Connection, ConnectionStatus},
    id::{JobId, TenantId},
    job::NewJob,
    pipeline::warns,
    port::{EntropyExt, Ports},
    repost::Repost,
    standing::Standing,
    state::{Reason, RepostState},
    webhook::{EventType, Webhook},
};

/// Longest text of a message, in characters: what a platform says has no limit of its own.
const TEXT_CHARS_MAX: usize = 1_000;

/// What a repost that was in this state before tells.
pub(crate) async fn of_repost(
    ports: &Ports,
    now: DateTime<Utc>,
    before: &RepostState,
    repost: &Repost,
) -> Result<Vec<NewJob>> {
    match event_of(before, &repost.state) {
        Some(event) => of_event(ports, now, event, repost).await,
        None => Ok(Vec::new()),
    }
}

/// What tells of a repost, whatever it is that happened to it.
pub(crate) async fn of_event(
    ports: &Ports,
    now: DateTime<Utc>,
    event: EventType,
    repost: &Repost,
) -> Result<Vec<NewJob>> {
    let state = repost.state.name();
    let listening = listening(ports, repost.tenant, event).await?;
    if listening.is_empty() {
        return Ok(Vec::new());
    }
    let post = ports.posts.get(repost.tenant, repost.post).await?;
    let receipt = match &repost.state {
        RepostState::Published { receipt, .. } => Some(receipt),
        _ => None,
    };
    let data = json!({
        "repost": repost.id,
        "post": {
            "id": repost.post,
            "key": repost.key.post,
            "url": post.map(|post| cut(&post.found.url)),
            "posted_at": repost.posted_at,
        },
        "platform": repost.key.platform,
        "account": repost.key.account,
        "connection": repost.connection,
        "rule": repost.rule,
        "state": state,
        "published_id": receipt.and_then(|receipt| receipt.id.as_deref()).map(cut),
        "url": receipt.and_then(|receipt| receipt.url.as_deref()).map(cut),
        "reason": repost.state.reason().map(reason),
        "standing": repost.state.inspection().map(|inspection| json!({
            "is": inspection.standing.name(),
            "why": inspection.standing.why().map(cut),
            "at": inspection.at,
        })),
    });
    Ok(deliveries(ports, now, &listening, event, data))
}

/// What a move tells: a new state, or a new standing that a person should look at.
fn event_of(before: &RepostState, after: &RepostState) -> Option<EventType> {
    if before.name() != after.name() {
        return EventType::of_repost(after.name());
    }
    let standing = |state: &RepostState| state.inspection().map(|inspection| inspection.standing.clone());
    let now = standing(after).filter(Standing::needs_attention)?;
    (standing(before).as_ref() != Some(&now)).then_some(EventType::RepostNeedsAttention)
}

/// What a connection that the program changed tells; `stopped_for` says why it is paused, if it is.
pub(crate) async fn of_connection(
    ports: &Ports,
    now: DateTime<Utc>,
    (before, after): (&Connection, &Connection),
    stopped_for: Option<&str>,
) -> Result<Vec<NewJob>> {
    use ConnectionStatus as S;
    let cause = match (before.status, after.status) {
        _ if after.paused && !before.paused => stopped_for.unwrap_or("paused"),
        _ if warns(before, after) => "expiring",
        // Told of that day already: it is back after an error in between.
        (_, S::Expiring) if after.warned_days.is_some() => return Ok(Vec::new()),
        (before, after) if before == after => return Ok(Vec::new()),
        (_, S::NeedsReconnect) => "needs_reconnect",
        (_, S::Revoked) => "revoked",
        (_, S::Expiring) => "expiring",
        (S::Active | S::Expiring, S::Error) => "error",
        _ => return Ok(Vec::new()),
    };
    let event = EventType::ConnectionNeedsAttention;
    let listening = listening(ports, after.tenant, event).await?;
    let data = json!({
        "connection": after.id,
        "platform": after.platform,
        "account": after.account,
        "handle": after.handle,
        "cause": cause,
        "status": after.status,
        "paused": after.paused,
        "detail": after.status_detail.as_deref().map(cut),
        "expires_at": after.expires_at,
    });
    Ok(deliveries(ports, now, &listening, event, data))
}

/// The endpoints that want to be told.
async fn listening(ports: &Ports, tenant: TenantId, event: EventType) -> Result<Vec<Webhook>> {
    let mut webhooks = ports.webhooks.list(tenant).await?;
    webhooks.retain(|webhook| webhook.wants(event));
    Ok(webhooks)
}

/// One job for each endpoint.
fn deliveries(ports: &Ports, now: DateTime<Utc>, to: &[Webhook], event: EventType, data: Value) -> Vec<NewJob> {
    let body = payload(event.as_str(), now, data);
    let job = |webhook| NewJob::delivery(JobId::new(now, ports.entropy.bytes()), webhook, body.clone(), now);
    to.iter().map(job).collect()
}

/// The body of a message.
pub(crate) fn payload(event: &str, at: DateTime<Utc>, data: Value) -> String {
    json!({ "type": event, "timestamp": at, "data": data }).to_string()
}

fn reason(reason: &Reason) -> Value {
    json!({
        "owner": reason.owner,
        "text": cut(&reason.text),
        "code": reason.code.as_deref().map(cut),
    })
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
