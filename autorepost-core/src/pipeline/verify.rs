//! `repost_verify`: asks the platform, an hour and a day after a publication, what became of it.
//!
//! A platform that took a video may refuse, mute, hide or remove it later. Whatever it says is written down and told; the
//! repost stays published, because it was.

use crate::{
    Error, Result, Retry,
    credential::Access,
    id::RepostId,
    job::{Finish, Job},
    pipeline::stepping::With,
    policy::after,
    port::{Publication, Stored, StoredBody},
    repost::Repost,
    standing::{Inspection, Standing},
    state::{Event, Receipt, RepostState},
    submission::Submission,
    worker::{End, Worker},
};

/// How often one look is tried before it is written down that the platform cannot tell.
const ATTEMPTS_MAX: u32 = 8;

impl Worker {
    pub(crate) async fn verify(&self, job: &Job) -> Result<End> {
        let id = RepostId::from_uuid(job.new.subject);
        let Some(repost) = self.ports.reposts.get(job.new.tenant, id).await? else {
            return Ok(End::Finish(Finish::Done));
        };
        let RepostState::Published {
            receipt: Receipt { id: Some(at_platform), at: published_at, .. }, submission, ..
        } = &repost.state
        else {
            return Ok(End::Finish(Finish::Done));
        };
        let now = self.now();
        let last_at = after(*published_at, self.policy.inspect_last);
        let standing = match self.inspect(&repost, submission, at_platform).await {
            Ok(Standing::Processing) if now >= last_at => {
                Standing::NotPublic { why: "the platform has not finished processing it".into() }
            }
            Ok(standing) => standing,
            Err(error) if job.attempts + 1 < ATTEMPTS_MAX && error.retry_hint() != Retry::Never => {
                return Ok(End::Finish(self.again_after(job, &error)));
            }
            Err(error) => Standing::Unknown { why: error.to_string() },
        };
        let then = match now < last_at {
            true => Finish::Again { run_at: last_at, attempts: 0, note: None },
            false => Finish::Done,
        };
        let detail = standing.to_string();
        let event = Event::Inspected(Inspection { standing, at: now });
        self.step(job, &repost, event, detail, With::finish(then)).await?;
        Ok(End::Stepped)
    }

    async fn inspect(&self, repost: &Repost, submission: &Submission, at_platform: &str) -> Result<Standing> {
        let connection = self.ports.connections.get(repost.tenant, repost.connection).await?;
        let connection =
            connection.ok_or_else(|| Error::not_found("inspect", "the connection does not exist any more"))?;
        let access = Access::open(&connection, &self.ports.keys)?;
        let stored = Stored { key: submission.media.key, bytes: submission.media.bytes };
        let body = StoredBody::new(self.ports.media.clone(), stored);
        let publication = Publication { access: &access, submission, body: &body, now: self.now() };
        self.ports.destination(repost.key.platform)?.inspect(&publication, at_platform).await
    }
}
