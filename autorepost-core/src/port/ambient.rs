//! Time, chance, secrets, allowances and signals.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Error, Platform, Result,
    id::{ConnectionId, PostId, RepostId, TenantId},
    job::{Job, JobKind},
    seal::Secret,
};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present time. It may be set, and so jump either way.
    fn now(&self) -> DateTime<Utc>;

    /// The time since some moment in the past, for telling how long something took. It is never set and never goes back; it
    /// may stand still while the machine sleeps.
    fn uptime(&self) -> Duration;
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

impl Budget {
    /// Bytes of a name at most.
    pub const NAME_BYTES_MAX: usize = 512;

    /// Units in a window at most: each one that was taken is remembered until its window is over.
    pub const LIMIT_MAX: u32 = 10_000;

    /// The longest window.
    pub const PER_MAX: Duration = Duration::from_secs(32 * 24 * 3600);

    /// Checks the limits of a budget: every limiter begins with this.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), naming what is out of range.
    pub fn check(&self) -> Result<()> {
        Self::check_name(&self.name)?;
        let invalid = |text: String| Err(Error::invalid("take allowance", format!("budget {}: {text}", self.name)));
        if self.limit > Self::LIMIT_MAX {
            return invalid(format!("at most {} units are counted in a window", Self::LIMIT_MAX));
        }
        if self.per.is_zero() || self.per > Self::PER_MAX {
            return invalid(format!("a window is longer than nothing, and at most {} s", Self::PER_MAX.as_secs()));
        }
        Ok(())
    }

    /// Checks the name of a budget.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when it is empty or too long.
    pub fn check_name(name: &str) -> Result<()> {
        if name.is_empty() || name.len() > Self::NAME_BYTES_MAX {
            let text = format!("the name of a budget has 1 to {} bytes", Self::NAME_BYTES_MAX);
            return Err(Error::invalid("name allowance", text));
        }
        Ok(())
    }
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
///
/// Allowances may be forgotten with what keeps them (a restart, an emptied cache): the platform's own refusal then closes
/// them again. What one process took itself it never forgets while it runs.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes one unit, or says when to ask again. Concurrent callers together never take more than the limit in a window:
    /// a unit counts in `[taken, taken + per)`. A `now` that lies before the last unit counts as the time of that unit, so
    /// that clocks which differ by moments share one window. A closed allowance grants nothing; a limit of zero never does.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for a budget out of range.
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

    /// Waits until there was a signal that this worker has not seen, and answers with what it has seen then: give that to
    /// its next `wait`, and zero to its first. So a signal between two waits is not lost, every worker sees every signal,
    /// several signals may be seen as one, and a wait that is dropped loses nothing.
    async fn wait(&self, seen: u64) -> u64;
}

/// Limits of what a [`Scratch`] keeps.
pub mod scratch {
    use std::time::Duration;

    use crate::{Error, Result};

    /// Bytes of a key at most; it has one at least.
    pub const KEY_BYTES_MAX: usize = 256;

    /// Bytes of a value at most.
    pub const VALUE_BYTES_MAX: usize = 64 * 1024;

    /// How long a value is kept at most.
    pub const TTL_MAX: Duration = Duration::from_secs(24 * 3600);

    /// How long a value is kept at least, so that every store can count it.
    pub const TTL_MIN: Duration = Duration::from_millis(1);

    /// Checks what is to be kept: every implementation's `put` begins with this.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), naming the limit. The key and the value are not shown: they may be secret.
    pub fn check(key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        let invalid = |text: String| Err(Error::invalid("keep value", text));
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return invalid(format!("a key has 1 to {KEY_BYTES_MAX} bytes"));
        }
        if value.len() > VALUE_BYTES_MAX {
            return invalid(format!("a value has at most {VALUE_BYTES_MAX} bytes"));
        }
        if ttl < TTL_MIN || ttl > TTL_MAX {
            return invalid(format!("a value is kept for {} ms to {} s", TTL_MIN.as_millis(), TTL_MAX.as_secs()));
        }
        Ok(())
    }
}

/// Keeps small values for a short time: the state of an OAuth login, small caches. It may forget a value earlier (a
/// restart, an emptied cache, no room): the caller must be able to begin again.
#[async_trait]
pub trait Scratch: Send + Sync {
    /// Keeps a value for `ttl` at most. It replaces an earlier value of the key, and its time.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for what is beyond the limits in [`scratch`];
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when nothing can be kept now.
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()>;

    /// Takes a value away. Of several callers at once at most one gets it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when nothing can be read now: the value may be gone.
    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Reads a value and leaves it, and its time, as they are.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when nothing can be read now.
    async fn peek(&self, key: &str) -> Result<Option<Vec<u8>>>;
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
        /// `done`, `stepped` (it let go of itself with a repost's step), `again`, `dead` or `lost`.
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
        /// How long ago its post was made public at the source.
        posted_ago: Duration,
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
    /// A video is being converted.
    Conversion {
        /// The repost that it is for.
        repost: RepostId,
        /// Milliseconds of the video that are made.
        done_ms: u64,
        /// Milliseconds of it in all.
        total_ms: u64,
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
