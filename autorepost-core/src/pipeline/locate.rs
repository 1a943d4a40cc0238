//! `repost_locate`: asks for the public address of a repost whose publication did not tell it.
//!
//! A job of its own, because nothing after the commit may cast doubt on it.

use crate::{
    Error, ErrorKind, Result, Retry,
    credential::Access,
    id::RepostId,
    job::{Finish, Job, refresh_key},
    pipeline::stepping::With,
    port::{Publication, Stored, StoredBody},
    state::{Event, RepostState},
    worker::{End, Worker},
};

/// How often an address is asked for before the repost stays without one.
const ATTEMPTS_MAX: u32 = 8;

impl Worker {
    pub(crate) async fn locate(&self, job: &Job) -> Result<End> {
        let id = RepostId::from_uuid(job.new.subject);
        let Some(repost) = self.ports.reposts.get(job.new.tenant, id).await? else {
            return Ok(End::Finish(Finish::Done));
        };
        let RepostState::Published { receipt, submission, .. } = &repost.state else {
            return Ok(End::Finish(Finish::Done));
        };
        let (Some(at_platform), None) = (&receipt.id, &receipt.url) else {
            return Ok(End::Finish(Finish::Done));
        };
        let Some(connection) = self.ports.connections.get(repost.tenant, repost.connection).await? else {
            return Ok(End::Finish(Finish::Done));
        };
        let access = Access::open(&connection, &self.ports.keys)?;
        let stored = Stored { key: submission.media.key, bytes: submission.media.bytes };
        let body = StoredBody::new(self.ports.media.clone(), stored);
        let publication = Publication { access: &access, submission, body: &body, now: self.now() };
        let destination = self.ports.destination(repost.key.platform)?;
        match destination.locate(&publication, at_platform).await {
            Ok(Some(url)) => {
                let detail = url.clone();
                self.step(job, &repost, Event::Located(url), detail, With::finish(Finish::Done)).await?;
                Ok(End::Stepped)
            }
            Ok(None) => Ok(End::Finish(Finish::Done)),
            Err(error) if job.attempts + 1 < ATTEMPTS_MAX && may_pass(&error) => {
                if error.kind() == ErrorKind::Unauthorized {
                    self.ports.jobs.hasten(&[refresh_key(repost.connection)]).await?;
                }
                Ok(End::Finish(self.again_after(job, &error)))
            }
            Err(error) => Ok(End::Finish(Finish::Dead { note: error.to_string() })),
        }
    }
}

/// What was just published may not be to be seen yet, and a token may have ended meanwhile.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unauthorized) || error.retry_hint() != Retry::Never
}
