//! Signals, allowances, and small values: ports that several processes may share.

pub mod limiter;
pub mod scratch;
pub mod wake;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Time;
use crate::port::{RateLimiter, Scratch, Wake};

/// Two handles of one signal: where they can be in different processes, they are as far apart.
#[derive(Clone)]
pub struct Wakes {
    /// Where the cases wake.
    pub near: Arc<dyn Wake>,
    /// Where they wait, too.
    pub far: Arc<dyn Wake>,
}

/// Two handles of one limiter that has seen no budget yet.
#[derive(Clone)]
pub struct Limiters {
    /// One of them.
    pub near: Arc<dyn RateLimiter>,
    /// The other.
    pub far: Arc<dyn RateLimiter>,
    /// The time at which the cases begin, in whole microseconds.
    pub now: DateTime<Utc>,
}

/// Two handles of one empty scratch.
#[derive(Clone)]
pub struct Scratches {
    /// One of them.
    pub near: Arc<dyn Scratch>,
    /// The other.
    pub far: Arc<dyn Scratch>,
    /// The time by which values end.
    pub time: Arc<dyn Time>,
}
