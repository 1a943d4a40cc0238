//! What the processes of an installation share to be quick: wake-ups, rate allowances, and small values, on Redis.
//!
//! Nothing here is needed to be correct: Redis may be emptied, stopped or frozen at any moment. Workers then find their jobs
//! by polling, allowances are counted by each process for itself, and an OAuth login is begun again.
//!
//! A process has two connections (RESP3), one of them for the signals, which come back by themselves. No call takes longer than
//! [`RedisConfig::command_timeout`]; without a connection, or after one that had no answer, it ends at once.
//!
//! An outage is logged once when it begins and once when it ends. The driver's own lines, under the name `fred`, say the same
//! again: let through only its errors.
//!
//! The user in Redis needs the commands `PING INFO CLIENT|ID SUBSCRIBE PUBLISH EVAL GET SET GETDEL PEXPIRE TIME LINDEX LLEN
//! LPOP RPUSH LREM`, on a cluster also `CLUSTER|SLOTS`, the keys `NAMESPACE:*` and the channel `NAMESPACE:wake`. Redis 6.2 or newer.

mod config;
mod error;
mod health;
mod limiter;
mod link;
mod scratch;
mod tasks;
mod wake;

use std::{sync::Arc, time::Duration};

use autorepost_core::{
    Result,
    port::{RateLimiter, Scratch, Wake},
};
use tokio::time::timeout;

pub use config::RedisConfig;
pub use health::Health;

use limiter::RedisLimiter;
use link::Link;
use scratch::RedisScratch;
use tasks::{Routers, Tasks};
use wake::RedisWake;

/// A connection to Redis, and the ports on it. Clones share it; it ends with the last of them and of the ports.
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
    tasks: Arc<Tasks>,
    wake: Arc<RedisWake>,
    limiter: Arc<RedisLimiter>,
    scratch: Arc<RedisScratch>,
}

impl Redis {
    /// How long [`close`](Self::close) waits for Redis to answer.
    pub const CLOSE_MAX: Duration = Duration::from_secs(2);

    /// Connects, or says within [`RedisConfig::connect_timeout`] why it cannot. It tries once.
    ///
    /// # Errors
    ///
    /// [`Configuration`](autorepost_core::ErrorKind::Configuration) for an address, a password or a certificate that is
    /// wrong; [`Unavailable`](autorepost_core::ErrorKind::Unavailable) when the server does not answer.
    pub async fn connect(config: &RedisConfig) -> Result<Self> {
        let link = Link::new(config, true)?;
        let routers = link.connect(config.connect_timeout).await?;
        Ok(Self::wired(link, routers, true))
    }

    /// Connects in the background, and keeps trying: for a program that must start while Redis is away. Needs a Tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`Configuration`](autorepost_core::ErrorKind::Configuration) for an address or a certificate that cannot be read.
    pub fn open(config: &RedisConfig) -> Result<Self> {
        let link = Link::new(config, false)?;
        let routers = link.begin();
        Ok(Self::wired(link, routers, false))
    }

    fn wired(link: Arc<Link>, routers: Routers, subscribed: bool) -> Self {
        let wake = Arc::new(RedisWake::default());
        let tasks = Arc::new(Tasks::start(&link, routers, &wake, subscribed));
        wake.hold(&tasks);
        let limiter = Arc::new(RedisLimiter::new(Arc::clone(&link), Arc::clone(&tasks)));
        let scratch = Arc::new(RedisScratch::new(Arc::clone(&link), Arc::clone(&tasks)));
        Self { link, tasks, wake, limiter, scratch }
    }

    /// Wakes the workers of all processes.
    pub fn wake(&self) -> Arc<dyn Wake> {
        self.wake.clone()
    }

    /// Shares rate allowances between all processes.
    pub fn limiter(&self) -> Arc<dyn RateLimiter> {
        self.limiter.clone()
    }

    /// Keeps small values for all processes.
    pub fn scratch(&self) -> Arc<dyn Scratch> {
        self.scratch.clone()
    }

    /// Asks whether Redis answers.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub async fn ping(&self) -> Result<()> {
        self.link.ping().await
    }

    /// Asks Redis about itself, and tells what is wrong with it for us.
    ///
    /// # Errors
    ///
    /// Why it does not answer.
    pub async fn health(&self) -> Result<Health> {
        health::ask(&self.link).await
    }

    /// Says goodbye. The ports work on within this process; nothing connects again.
    pub async fn close(&self) {
        self.tasks.stop();
        // Without an answer, too, the connections are cut.
        let _ = timeout(Self::CLOSE_MAX, self.link.quit()).await;
        self.tasks.cut();
    }
}
