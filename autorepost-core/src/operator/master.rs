//! Taking in the creator's own files.

use chrono::{DateTime, Utc};

use crate::{
    Error, ErrorKind, Platform, Result,
    connection::Connection,
    id::MasterId,
    job::NewJob,
    master::{Master, NAME_CHARS_MAX, Sidecar},
    media::Media,
    operator::{Operator, ROWS_MAX},
    pipeline::FilePost,
    port::{ByteStream, EntropyExt},
};

/// A file of the creator's.
pub struct NewMaster<'a> {
    /// What it is called.
    pub name: &'a str,
    /// When it was last written.
    pub made_at: DateTime<Utc>,
    /// What stands beside it.
    pub sidecar: Sidecar,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It waits for its post.
    Kept(Master),
    /// These bytes were taken in before.
    Known(Media),
    /// It is a post of its own, of this source.
    Post(Media, Connection),
}

impl Taken {
    /// Its bytes.
    pub const fn media(&self) -> &Media {
        match self {
            Self::Kept(Master { media, .. }) | Self::Known(media) | Self::Post(media, _) => media,
        }
    }
}

impl Operator<'_> {
    /// Takes in a file of the creator's, `bytes_max` bytes at most: it waits for its post, or is one.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when its name or sidecar cannot be, or what is itself a post has no source to belong
    /// to; [`Rejected`](ErrorKind::Rejected) when it is no video, or too large. Nothing is kept then.
    pub async fn take_master(&self, new: NewMaster<'_>, body: ByteStream, bytes_max: u64) -> Result<Taken> {
        let op = "take master";
        let NewMaster { name, made_at, sidecar } = new;
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(Error::invalid(op, format!("a name has 1 to {NAME_CHARS_MAX} characters, on one line")));
        }
        sidecar.check()?;
        // Asked before gigabytes are taken in.
        let source = if sidecar.key.is_some() { Some(self.only_source().await?) } else { None };
        let stored = self.ports.media.put(body, bytes_max).await?;
        let facts = match self.ports.probe.probe(&stored.key).await {
            Ok(facts) => facts,
            Err(error) => {
                // What is no video is nobody's media.
                if error.kind() == ErrorKind::Rejected {
                    self.ports.media.remove(&stored.key).await?;
                }
                return Err(error);
            }
        };
        let media = Media { key: stored.key, bytes: stored.bytes, facts };
        let now = self.ports.clock.now();
        let master = Master {
            id: MasterId::new(now, self.ports.entropy.bytes()),
            tenant: self.tenant,
            name: name.to_owned(),
            made_at,
            received_at: now,
            sidecar,
            media,
            post: None,
        };
        // In any case, so that upkeep finds the bytes.
        let is_new = self.ports.masters.keep(&master).await?;
        let Master { sidecar, media, .. } = &master;
        let taken = match source {
            Some(source) => {
                let found = sidecar.own_post(&source.handle, made_at, media.facts.duration_ms);
                let found = found.ok_or_else(|| Error::internal(op, "a sidecar with a key makes no post"))?;
                let file = FilePost { found, media: media.clone() };
                let job = NewJob::file(self.job_id(), &source, &file, now)?;
                self.ports.jobs.enqueue(&[job]).await?;
                Taken::Post(media.clone(), source)
            }
            None if is_new => Taken::Kept(master),
            None => Taken::Known(media.clone()),
        };
        self.ports.wake.wake();
        Ok(taken)
    }

    /// The source that a post without one belongs to.
    async fn only_source(&self) -> Result<Connection> {
        let mut sources = self.connections().await?;
        sources.retain(|one| one.platform == Platform::TikTok);
        match sources.len() {
            1 => Ok(sources.remove(0)),
            0 => Err(Error::invalid("take master", "no TikTok account is connected, whose rules would take it")),
            _ => Err(Error::invalid(
                "take master",
                "several TikTok accounts are connected: a file has only one to belong to",
            )),
        }
    }

    /// The tenant's masters, the one that came last first, at most a thousand.
    pub async fn masters(&self, limit: u32) -> Result<Vec<Master>> {
        self.ports.masters.list(self.tenant, limit.min(ROWS_MAX)).await
    }
}
