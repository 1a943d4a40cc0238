//! Looking at jobs, and starting dead ones again.

use crate::{
    Error, Result,
    id::JobId,
    job::{Job, JobState},
    operator::Operator,
    port::JobStats,
};

impl Operator<'_> {
    /// How many jobs the tenant has, by kind and state.
    pub async fn job_stats(&self) -> Result<Vec<JobStats>> {
        self.ports.census.jobs(Some(self.tenant)).await
    }

    /// The tenant's dead jobs, the one that was written last first, after this one.
    pub async fn dead_jobs(&self, after: Option<JobId>, limit: u32) -> Result<Vec<Job>> {
        self.ports.census.dead(Some(self.tenant), after, limit).await
    }

    /// Queues a dead job of the tenant again.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) when the tenant has no such job;
    /// [`Conflict`](crate::ErrorKind::Conflict) when it is not dead, or another does its work by now.
    pub async fn replay(&self, id: JobId) -> Result<Job> {
        let op = "replay job";
        let missing = || Error::not_found(op, format!("there is no job {id}"));
        let found = self.ports.census.job(id).await?.filter(|job| job.new.tenant == self.tenant);
        let job = found.ok_or_else(missing)?;
        if job.state != JobState::Dead {
            return Err(Error::conflict(op, format!("the job is {}, not dead", job.state.as_str())));
        }
        if !self.ports.jobs.replay(id).await? {
            return Err(Error::conflict(op, "another job does its work by now"));
        }
        self.ports.wake.wake();
        self.ports.census.job(id).await?.ok_or_else(missing)
    }
}
