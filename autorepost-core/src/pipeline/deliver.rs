//! `webhook_delivery`: tells one endpoint of one event, at least once.
//!
//! A message that arrived and whose job was not let go of before a crash is sent again, with the same id. Messages of one
//! endpoint go out one at a time, but one that must wait is overtaken by the next: their order is not promised.

use chrono::TimeDelta;

use crate::{
    Result, Retry,
    connection::Connection,
    id::WebhookId,
    job::{Finish, Job},
    notice,
    policy::after,
    port::EntropyExt,
    webhook::Message,
    worker::{End, Worker},
};

impl Worker {
    pub(crate) async fn deliver(&self, job: &Job) -> Result<End> {
        let id = WebhookId::from_uuid(job.new.subject);
        let webhook = self.ports.webhooks.get(job.new.tenant, id).await?;
        // An endpoint that was removed is told nothing more.
        let (Some(webhook), Some(body)) = (webhook, job.new.payload.clone()) else {
            return Ok(End::Finish(Finish::Done));
        };
        let now = self.ports.clock.now();
        let message_id = message_id(job);
        let sent = match webhook.sign(&self.ports.keys, &message_id, now, &body) {
            Ok(signature) => {
                let (url, timestamp) = (webhook.url, now.timestamp());
                self.ports.notifier.deliver(&Message { url, id: message_id, timestamp, signature, body }).await
            }
            // A key that is missing may be put back.
            Err(error) => Err(error.retry(Retry::Soon)),
        };
        let Err(error) = sent else { return Ok(End::Finish(Finish::Done)) };
        let attempts = job.attempts.saturating_add(1);
        let age = self.now() - job.new.order_at;
        let too_old = age > TimeDelta::from_std(self.policy.delivery_age_max).unwrap_or(TimeDelta::MAX);
        let why = match error.retry_hint() {
            Retry::Never => "it is not tried again",
            _ if attempts >= self.policy.delivery_attempts_max => "it was tried often enough",
            _ if too_old => "it is too old by now",
            retry => {
                let wait = self.policy.delivery_wait(retry, attempts, self.ports.entropy.number());
                let run_at = after(self.now(), wait);
                return Ok(End::Finish(Finish::Again { run_at, attempts, note: Some(error.to_string()) }));
            }
        };
        Ok(End::Finish(Finish::Dead { note: format!("{why}: {error}") }))
    }

    /// Stores what became of a connection, and with it what is told of that.
    pub(super) async fn store_connection(
        &self,
        job: &Job,
        before: &Connection,
        next: &Connection,
    ) -> Result<Connection> {
        self.store_connection_for(job, before, next, None).await
    }

    /// The same; `stopped_for` says why it is paused from now on, if it is.
    pub(super) async fn store_connection_for(
        &self,
        job: &Job,
        before: &Connection,
        next: &Connection,
        stopped_for: Option<&str>,
    ) -> Result<Connection> {
        let jobs = notice::of_connection(&self.ports, self.now(), (before, next), stopped_for).await?;
        let stored = self.ports.connections.update(next, Some(job.lease()), &jobs).await?;
        if !jobs.is_empty() {
            self.ports.wake.wake();
        }
        Ok(stored)
    }
}

/// The id of a message: that of its job, which outlives tries, crashes and replays.
fn message_id(job: &Job) -> String {
    format!("msg_{}", job.new.id.uuid().simple())
}
