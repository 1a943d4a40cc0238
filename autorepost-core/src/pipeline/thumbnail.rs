//! `repost_thumbnail`: sets the thumbnail that the rule chose, once the repost is published.
//!
//! A job of its own, because nothing after the commit may cast doubt on it.

use crate::{
    Result, Retry,
    credential::Access,
    id::RepostId,
    job::{Finish, Job},
    pipeline::stepping::With,
    port::{Publication, Stored, StoredBody, THUMBNAIL_BYTES_MAX},
    repost::Repost,
    state::RepostState,
    worker::{End, Worker},
};

/// How often it is tried before the repost keeps the thumbnail that the platform chose.
const ATTEMPTS_MAX: u32 = 8;

impl Worker {
    pub(crate) async fn thumbnail(&self, job: &Job) -> Result<End> {
        let id = RepostId::from_uuid(job.new.subject);
        let Some(repost) = self.ports.reposts.get(job.new.tenant, id).await? else {
            return Ok(End::Finish(Finish::Done));
        };
        let (note, detail, with) = match self.set_thumbnail(&repost).await {
            Ok(Some(offset_ms)) => {
                let detail = format!("the frame at {:.1} s", f64::from(offset_ms) / 1e3);
                ("thumbnail_set", detail, With::finish(Finish::Done))
            }
            Ok(None) => return Ok(End::Finish(Finish::Done)),
            Err(error) if job.attempts + 1 < ATTEMPTS_MAX && error.retry_hint() != Retry::Never => {
                return Ok(End::Finish(self.again_after(job, &error)));
            }
            Err(error) => {
                let dead = With::finish(Finish::Dead { note: error.to_string() });
                ("thumbnail_failed", error.to_string(), dead)
            }
        };
        self.note(job, &repost, note, &detail, with).await?;
        Ok(End::Stepped)
    }

    /// Takes the frame and sends it; answers with its place, or nothing when there is nothing to do.
    async fn set_thumbnail(&self, repost: &Repost) -> Result<Option<u32>> {
        let RepostState::Published { receipt, submission, .. } = &repost.state else { return Ok(None) };
        let (Some(at_platform), Some(offset_ms)) = (&receipt.id, submission.content.thumbnail_offset_ms()) else {
            return Ok(None);
        };
        let Some(connection) = self.ports.connections.get(repost.tenant, repost.connection).await? else {
            return Ok(None);
        };
        let access = Access::open(&connection, &self.ports.keys)?;
        let jpeg = self.ports.converter.still(&submission.media, offset_ms, THUMBNAIL_BYTES_MAX).await?;
        let stored = Stored { key: submission.media.key, bytes: submission.media.bytes };
        let body = StoredBody::new(self.ports.media.clone(), stored);
        let publication = Publication { access: &access, submission, body: &body, now: self.now() };
        self.ports.destination(repost.key.platform)?.set_thumbnail(&publication, at_platform, jpeg).await?;
        Ok(Some(offset_ms))
    }
}
