//! What keeps a publication from being tried now: an allowance that is used up, or a platform that does not answer anybody.

use chrono::{DateTime, Utc};

use crate::{
    Error, ErrorKind, Result, Retry,
    breaker::platform_lane,
    connection::Connection,
    job::Job,
    pipeline::publish::Acting,
    policy::after,
    port::{EntropyExt, Permit, Signal},
    repost::Repost,
    state::{Owner, Reason},
    worker::Worker,
};

/// Until when something waits, and why.
type Wait = (DateTime<Utc>, Reason);

impl Worker {
    /// What is closed, for the account or for the whole platform.
    pub(super) async fn closed(&self, repost: &Repost, now: DateTime<Utc>) -> Result<Option<Wait>> {
        let mut latest = None;
        for lane in [repost.publish_lane(), platform_lane(repost.key.platform)] {
            latest = latest.max(self.ports.limiter.closed_until(&lane, now).await?);
        }
        let told = repost.state.reason().filter(|told| matches!(told.owner, Owner::Quota | Owner::Retry)).cloned();
        Ok(latest.map(|until| {
            let text = format!("{} takes nothing for now", repost.key.platform.title());
            (until, told.unwrap_or_else(|| Reason::new(Owner::Quota, text)))
        }))
    }

    /// Takes what beginning an upload costs, or says how long to wait.
    pub(super) async fn allowance(&self, repost: &Repost, acting: &Acting) -> Result<Option<Wait>> {
        if let Some(wait) = self.probe(repost).await? {
            return Ok(Some(wait));
        }
        for budget in acting.budgets(self)? {
            if let Permit::WaitUntil(until) = self.ports.limiter.acquire(&budget, self.now()).await? {
                let (platform, minutes) = (repost.key.platform.title(), budget.per.as_secs() / 60);
                let text = format!("{platform} takes {} uploads within {minutes} minutes", budget.limit);
                return Ok(Some((until, Reason::new(Owner::Quota, text))));
            }
        }
        Ok(None)
    }

    /// Lets one publication at a time try a platform that did not answer before.
    pub(super) async fn probe(&self, repost: &Repost) -> Result<Option<Wait>> {
        let Some(budget) = self.breaker.probe(repost.key.platform) else { return Ok(None) };
        Ok(match self.ports.limiter.acquire(&budget, self.now()).await? {
            Permit::Granted => None,
            Permit::WaitUntil(until) => {
                let text = format!("{} did not answer, and another post tries it first", repost.key.platform.title());
                Some((until, Reason::new(Owner::Retry, text)))
            }
        })
    }

    /// Learns from a platform's answer whether it answers at all.
    pub(super) async fn heed(&self, job: &Job, repost: &Repost, error: Option<&Error>) -> Result<()> {
        let platform = repost.key.platform;
        let failed = |error: &&Error| error.kind() == ErrorKind::Unavailable && error.retry_hint() == Retry::Soon;
        if error.filter(failed).is_none() {
            self.breaker.answered(platform);
            return Ok(());
        }
        if let Some(until) = self.breaker.failed(platform, &repost.key.account, self.now()) {
            self.ports.limiter.close(&platform_lane(platform), until).await?;
            let until = until.format("%H:%M:%S UTC");
            let text = format!("{} fails for several accounts: nothing is sent there until {until}", platform.title());
            self.ports.events.emit(&Signal::Alarm { kind: job.new.kind, text: &text });
        }
        Ok(())
    }

    /// An allowance is used up. It renews itself at a time that is known or guessed, or a person must see to it.
    pub(super) async fn out_of_quota(&self, job: &Job, repost: &Repost, error: &Error) -> Result<Repost> {
        let reason = Reason::from_error(error);
        // Trouble at the source is nobody's at the destination.
        let at_destination = !repost.state.needs_prep();
        let wait = match error.retry_hint() {
            Retry::After(_) => self.policy.backoff(error.retry_hint(), 1, self.ports.entropy.number()),
            Retry::Never if error.kind() == ErrorKind::Quota && at_destination => {
                self.stop_for_quota(job, repost, error).await?;
                self.policy.hold
            }
            _ => self.policy.hold,
        };
        let until = after(self.now(), wait);
        if at_destination && error.retry_hint() != Retry::Never {
            let lane = match error.is_shared() {
                true => platform_lane(repost.key.platform),
                false => repost.publish_lane(),
            };
            self.ports.limiter.close(&lane, until).await?;
        }
        self.hold(job, repost, until, reason).await
    }

    /// No time brings this allowance back: the account is held until a person resumes it.
    async fn stop_for_quota(&self, job: &Job, repost: &Repost, error: &Error) -> Result<()> {
        let Some(connection) = self.ports.connections.get(repost.tenant, repost.connection).await? else {
            return Ok(());
        };
        let (platform, handle) = (connection.platform.title(), &connection.handle);
        let text = format!("{platform} @{handle} was paused: {}. Then resume it", error.detail());
        self.stop(job, &connection, "quota", &text).await
    }

    /// Holds an account until a person resumes it, and tells of it.
    pub(super) async fn stop(&self, job: &Job, connection: &Connection, cause: &str, text: &str) -> Result<()> {
        if connection.paused {
            return Ok(());
        }
        let next = Connection { paused: true, status_detail: Some(text.to_owned()), ..connection.clone() };
        match self.store_connection_for(job, connection, &next, Some(cause)).await {
            Ok(_) => self.ports.events.emit(&Signal::Alarm { kind: job.new.kind, text }),
            // Somebody changed the row meanwhile: the next try meets the same.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
