//! Time, chance, secrets, allowances and signals.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Platform, Result,
    id::{ConnectionId, PostId, RepostId, TenantId},
    job::{Job, JobKind},
    seal::Secret,
};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> DateTime<Utc>;
}

/// Gives randomness fit for keys and nonces.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// What is made of randomness.
pub trait EntropyExt: Entropy {
    /// A fixed number of random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A uniform integer.
    fn number(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }
}

impl<T: Entropy + ?Sized> EntropyExt for T {}

/// Gives the program's own secrets by name, such as `TWITTER_CONSUMER_SECRET`.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// The present value; asking again later may give a rotated one. A name that is not set is `Ok(None)`; an empty
    /// value counts as not set.
    async fn secret(&self, name: &str) -> Result<Option<Secret>>;

    /// Looks for rotated values now, because one was refused somewhere. A source may leave it out when it has just looked,
    /// so that a caller may ask after every refusal. When it fails, the values known before still hold. A source that
    /// keeps no copies has nothing to do.
    async fn refresh(&self) -> Result<()> {
        Ok(())
    }
}

/// A shared allowance: at most `limit` units in any window of `per`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its name, for example `x:create_post:7`.
    pub name: String,
    /// Units in a window.
    pub limit: u32,
    /// The window.
    pub per: Duration,
}

/// The answer to a request for an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Go on.
    Granted,
    /// Ask again then; nothing was taken.
    WaitUntil(DateTime<Utc>),
}

/// Shares rate allowances between all workers. It answers at once and never sleeps.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes one unit, or says when to ask again. Concurrent callers together never take more than the limit in a window.
    async fn acquire(&self, budget: &Budget, now: DateTime<Utc>) -> Result<Permit>;

    /// Closes an allowance until a time, because the platform said so. A later time replaces an earlier one, never the
    /// other way round.
    async fn close(&self, name: &str, until: DateTime<Utc>) -> Result<()>;

    /// Until when an allowance is closed; nothing when it is open at `now`.
    async fn closed_until(&self, name: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>>;
}

/// Tells workers that there is work. It only makes things faster: a lost signal costs a poll interval, never a job.
#[async_trait]
pub trait Wake: Send + Sync {
    /// Tells every waiting worker that a job may be due. Never fails and never blocks.
    fn wake(&self);

    /// Waits for a signal. One that came after the last return of this worker's `wait` is not lost.
    async fn wait(&self);
}

/// Hears what happens: for logs, metrics and progress bars. It must be quick and cannot fail.
pub trait EventSink: Send + Sync {
    /// Hears one signal.
    fn emit(&self, signal: &Signal<'_>);
}

/// Something worth telling.
#[derive(Debug)]
#[non_exhaustive]
pub enum Signal<'a> {
    /// A job was let go of.
    JobFinished {
        /// The job, as it was claimed.
        job: &'a Job,
        /// `done`, `again`, `dead` or `lost`.
        outcome: &'static str,
        /// What went wrong or what it waits for.
        note: Option<&'a str>,
        /// How long it ran.
        took: Duration,
    },
    /// A post was admitted.
    PostAdmitted {
        /// The tenant.
        tenant: TenantId,
        /// The post.
        post: PostId,
        /// The source's own id of it.
        key: &'a str,
        /// Reposts that it caused.
        reposts: usize,
    },
    /// A repost moved.
    RepostMoved {
        /// The tenant.
        tenant: TenantId,
        /// The repost.
        repost: RepostId,
        /// Its post.
        post: PostId,
        /// Its destination.
        platform: Platform,
        /// The state before.
        from: &'static str,
        /// The state after.
        to: &'static str,
        /// Details for people.
        detail: &'a str,
    },
    /// Bytes moved.
    Transfer {
        /// The repost that they move for.
        repost: RepostId,
        /// Where they go; nothing for a download from the source.
        to: Option<Platform>,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, if known.
        total: Option<u64>,
    },
    /// A connection changed its status.
    ConnectionChanged {
        /// The connection.
        connection: ConnectionId,
        /// Its new status.
        status: &'static str,
        /// Why.
        detail: Option<&'a str>,
    },
    /// Something that an operator must see.
    Alarm {
        /// The kind of job in which it happened.
        kind: JobKind,
        /// What happened, and what to do.
        text: &'a str,
    },
}
