//! `upkeep`: finds what was forgotten, and prunes what is finished.
//!
//! Every job is written in the transaction that needs it, so there should be nothing to find. This job is for the day on
//! which that is not true: a restored backup, a row deleted by hand, a bug.

use crate::{
    Result,
    job::{Finish, Job, NewJob},
    policy::after,
    port::Signal,
    worker::{End, Worker},
};

/// Reposts without a job that one run mends at most.
const ORPHANS_MAX: u32 = 500;
/// Finished jobs that one run deletes at most.
const PRUNED_MAX: u32 = 5_000;

impl Worker {
    pub(crate) async fn upkeep(&self, job: &Job) -> Result<End> {
        let now = self.now();
        for connection in self.ports.connections.list(None).await? {
            let jobs = NewJob::perpetual(&connection, now, || self.job_id());
            self.ports.jobs.enqueue(&jobs).await?;
        }
        let orphans = self.ports.reposts.orphans(ORPHANS_MAX).await?;
        let jobs: Vec<NewJob> = orphans
            .iter()
            .map(|repost| match repost.state.needs_prep() {
                true => NewJob::prep(self.job_id(), repost, now),
                false => NewJob::publish(self.job_id(), repost, now),
            })
            .collect();
        if !jobs.is_empty() {
            self.ports.jobs.enqueue(&jobs).await?;
            let text = format!("{} reposts had no job and were given one", jobs.len());
            self.ports.events.emit(&Signal::Alarm { kind: job.new.kind, text: &text });
        }
        self.ports.jobs.prune(self.policy.finished_jobs_kept, PRUNED_MAX).await?;
        let run_at = after(now, self.policy.upkeep_every);
        Ok(End::Finish(Finish::Again { run_at, attempts: 0, note: None }))
    }
}
