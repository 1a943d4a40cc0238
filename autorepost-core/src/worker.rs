//! The worker: claims jobs and runs their pipelines.
//!
//! The worker owns no loop, thread or timer. Its user calls [`claim`](Worker::claim), runs each claimed job with
//! [`run`](Worker::run) on whatever executor it likes, calls [`heartbeat`](Worker::heartbeat) for the running ones more
//! often than the lease lasts, and drops the future of a job whose lease is lost.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ErrorKind, Result,
    breaker::Breaker,
    error::{Error, Retry},
    id::JobId,
    job::{Finish, Job, JobKind, Lease},
    policy::{Policy, after, before},
    port::{EntropyExt, Ports, Signal},
};

/// Consecutive failures of a job, after which a person should look.
const ALARM_ATTEMPTS: u32 = 10;

/// Claims jobs and runs their pipelines.
pub struct Worker {
    pub(crate) ports: Ports,
    pub(crate) policy: Policy,
    pub(crate) name: String,
    pub(crate) breaker: Breaker,
    /// How far this machine's clock is behind the database's, in microseconds, as of the last claim.
    behind_us: AtomicI64,
}

/// How a pipeline ends.
pub(crate) enum End {
    /// It let go of its job in the transaction of its last step.
    Stepped,
    /// The job is to be let go of like this.
    Finish(Finish),
}

impl Worker {
    /// Makes a worker. The name is shown in journals; it must differ between processes and their restarts.
    pub fn new(ports: Ports, policy: Policy, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { ports, policy, name, breaker: Breaker::default(), behind_us: AtomicI64::new(0) }
    }

    /// The ports that it works with.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The numbers that it works by.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Claims at most `max` due jobs of these kinds, and sets the worker's time by the database's: what several machines
    /// decide by the clock, they decide by one clock.
    pub async fn claim(&self, kinds: &[JobKind], max: u32) -> Result<Vec<Job>> {
        let asked_at = self.ports.clock.now();
        let jobs = self.ports.jobs.claim(kinds, max, self.policy.lease).await?;
        let answered_at = self.ports.clock.now();
        // An answer that took long, or a clock that was set meanwhile, tells nothing precise.
        let took = (answered_at - asked_at).to_std().unwrap_or(self.policy.lease);
        if let Some(until) = jobs.first().and_then(|job| job.leased_until)
            && took <= self.policy.clock_off_max / 5
        {
            self.set_behind(before(until, self.policy.lease) - answered_at);
        }
        Ok(jobs)
    }

    fn set_behind(&self, behind: TimeDelta) {
        let off_max = self.policy.clock_off_max.as_micros();
        let us = behind.num_microseconds().unwrap_or(0);
        let last = self.behind_us.swap(us, Ordering::Relaxed);
        if u128::from(us.unsigned_abs()) > off_max && u128::from((us - last).unsigned_abs()) > off_max {
            let secs = us as f64 / 1e6;
            let text = format!("this machine's clock is {secs:+.0} s off the database's: let it be set by NTP");
            self.ports.events.emit(&Signal::Alarm { kind: JobKind::Upkeep, text: &text });
        }
    }

    /// Extends the leases of running jobs, and answers with those that are lost: their futures must be dropped.
    pub async fn heartbeat(&self, leases: &[Lease]) -> Result<Vec<Lease>> {
        self.ports.jobs.heartbeat(leases, self.policy.lease).await
    }

    /// Runs a claimed job to the point where it is let go of. Whatever goes wrong is written down and told to the
    /// [`EventSink`](crate::port::EventSink); dropping the future at any point is safe.
    pub async fn run(&self, job: Job) {
        let started = self.now();
        let result = match job.new.kind {
            JobKind::TiktokSync => self.sync(&job).await,
            JobKind::SourceAudit => self.audit(&job).await,
            JobKind::Backfill => self.backfill(&job).await,
            JobKind::FilePost => self.take_file(&job).await,
            JobKind::RepostPrep => self.prep(&job).await,
            JobKind::RepostPublish => self.publish(&job).await,
            JobKind::RepostLocate => self.locate(&job).await,
            JobKind::RepostThumbnail => self.thumbnail(&job).await,
            JobKind::RepostVerify => self.verify(&job).await,
            JobKind::TokenRefresh => self.refresh(&job).await,
            JobKind::Upkeep => self.upkeep(&job).await,
            JobKind::WebhookDelivery => self.deliver(&job).await,
        };
        let (outcome, note) = match result {
            Ok(End::Stepped) => ("stepped", None),
            Ok(End::Finish(finish)) => self.let_go(&job, finish).await,
            Err(error) if error.kind() == ErrorKind::LeaseLost => ("lost", Some(error.to_string())),
            // What comes up to here is trouble with our own stores: wait and do it again.
            Err(error) => self.let_go(&job, self.again_after(&job, &error)).await,
        };
        let took = (self.now() - started).to_std().unwrap_or_default();
        self.ports.events.emit(&Signal::JobFinished { job: &job, outcome, note: note.as_deref(), took });
        self.ports.wake.wake();
    }

    async fn let_go(&self, job: &Job, finish: Finish) -> (&'static str, Option<String>) {
        match self.ports.jobs.finish(job.lease(), &finish).await {
            // When even this fails the lease ends by itself, and the job is due again.
            Err(error) => ("lost", Some(error.to_string())),
            Ok(()) => match finish {
                Finish::Again { attempts, note, .. } if attempts == ALARM_ATTEMPTS && job.attempts < attempts => {
                    let why = note.as_deref().unwrap_or_default();
                    let text =
                        format!("job {} failed {attempts} times in a row and goes on trying: {why}", job.new.key);
                    self.ports.events.emit(&Signal::Alarm { kind: job.new.kind, text: &text });
                    ("again", note)
                }
                Finish::Done => ("done", None),
                Finish::Again { note, .. } => ("again", note),
                Finish::Dead { note } => ("dead", Some(note)),
            },
        }
    }

    /// The end of a job that is tried again after a failure.
    pub(crate) fn again_after(&self, job: &Job, error: &Error) -> Finish {
        let attempts = job.attempts.saturating_add(1);
        let retry = match error.retry_hint() {
            Retry::Never => Retry::Soon,
            retry => retry,
        };
        let wait = self.policy.backoff(retry, attempts, self.ports.entropy.number());
        Finish::Again { run_at: after(self.now(), wait), attempts, note: Some(error.to_string()) }
    }

    /// The time by the database's clock, as near as the last claim told it.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.ports.clock.now() + TimeDelta::microseconds(self.behind_us.load(Ordering::Relaxed))
    }

    pub(crate) fn job_id(&self) -> JobId {
        JobId::new(self.now(), self.ports.entropy.bytes())
    }
}
