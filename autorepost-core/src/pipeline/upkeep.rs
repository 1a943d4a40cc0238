//! `upkeep`: finds what was forgotten, prunes what is finished, and deletes media that nobody needs any more.
//!
//! Every job is written in the transaction that needs it, so there should be nothing to find. This job is for the day on
//! which that is not true: a restored backup, a row deleted by hand, a bug.

use std::time::Duration;

use crate::{
    Result,
    job::{Finish, Job, JobKind, NewJob},
    policy::{after, before},
    port::Signal,
    worker::{End, Worker},
};

/// Reposts without a job that one run mends at most.
const ORPHANS_MAX: u32 = 500;
/// Finished jobs, and old lines of the audit log, that one run deletes at most.
const PRUNED_MAX: u32 = 5_000;
/// Posts whose media one run deletes at most.
const STALE_MEDIA_MAX: u32 = 100;
/// A look at a source is never further ahead: a platform's wait is at most 25 hours.
const LOOK_AHEAD_MAX: Duration = Duration::from_secs(26 * 3600);
/// A renewal of a credential is never further ahead.
const REFRESH_AHEAD_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

impl Worker {
    pub(crate) async fn upkeep(&self, job: &Job) -> Result<End> {
        let now = self.now();
        for connection in self.ports.connections.list(None).await? {
            let jobs = NewJob::perpetual(&connection, now, || self.job_id());
            self.ports.jobs.enqueue(&jobs).await?;
            self.bring_near(&jobs).await?;
        }
        for backfill in self.ports.backfills.list(None).await?.iter().filter(|one| one.is_going()) {
            self.ports.jobs.enqueue(&[NewJob::backfill(self.job_id(), backfill, now)]).await?;
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
        self.ports.audit.prune(before(now, self.policy.audit_log_kept), PRUNED_MAX).await?;
        // The last of all: a media store that is down keeps nothing else from being done.
        self.delete_stale_media(job).await?;
        self.forget_masters().await?;
        let run_at = after(now, self.policy.upkeep_every);
        Ok(End::Finish(Finish::Again { run_at, attempts: 0, note: None }))
    }

    /// Makes jobs due that lie further ahead than any wait of theirs: the clock was wrong when they were put there.
    async fn bring_near(&self, perpetual: &[NewJob]) -> Result<()> {
        let mut far = Vec::new();
        for job in perpetual {
            let ahead = if job.kind == JobKind::TokenRefresh { REFRESH_AHEAD_MAX } else { LOOK_AHEAD_MAX };
            let there = self.ports.jobs.find(&job.key).await?;
            if there.is_some_and(|there| there.new.run_at > after(self.now(), ahead)) {
                far.push(job.key.clone());
            }
        }
        if far.is_empty() { Ok(()) } else { self.ports.jobs.hasten(&far).await }
    }

    /// Forgets the creator's files that came long ago, and deletes the bytes of those that no post has: first the bytes, as
    /// below.
    async fn forget_masters(&self) -> Result<()> {
        let before = before(self.now(), self.policy.media_kept);
        for (master, is_nobodys) in self.ports.masters.stale(before, STALE_MEDIA_MAX).await? {
            if is_nobodys {
                self.ports.media.remove(&master.media.key).await?;
            }
            self.ports.masters.forget(master.id).await?;
        }
        Ok(())
    }

    /// Deletes what nobody needs any more: first the bytes, then the post's word of them. A crash in between leaves a post
    /// that names bytes which are gone; it is found again by the next run, and a preparation in the meantime fetches them
    /// anew. The other way round it would leave bytes that nothing names, for ever.
    ///
    /// Between the question and the deletion another post may come to need the same bytes. Its publication finds that
    /// they are gone before it begins, and has them fetched again.
    async fn delete_stale_media(&self, job: &Job) -> Result<()> {
        let before = before(self.now(), self.policy.media_kept);
        let stale = self.ports.posts.stale_media(before, STALE_MEDIA_MAX).await?;
        for post in &stale {
            let Some(media) = &post.media else { continue };
            // What was made of it goes with it, and before it: its own row is what finds all of this again after a crash.
            for made in self.ports.renditions.of(&media.key).await? {
                self.ports.media.remove(&made).await?;
            }
            self.ports.renditions.forget(&media.key).await?;
            self.ports.media.remove(&media.key).await?;
            self.ports.posts.forget_media(job.lease(), post.tenant, post.id, before).await?;
        }
        Ok(())
    }
}
