//! Rate allowances of all processes.
//!
//! A unit is granted when Redis grants it (a script: atomic, and by the `now` of the caller, which is the database's time
//! like everywhere) *and* this process's own count does. So:
//!
//! - Redis answers: all processes together stay within the limit.
//! - Redis does not answer: each process counts for itself, and N processes together may take up to N times the limit in a
//!   window. One process alone never exceeds it, also not across the moments when Redis goes, is emptied, and comes back.
//! - A closing is remembered by every process that made it or met it, and told to a Redis that has forgotten it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    memory::MemoryLimiter,
    port::{Budget, Permit, RateLimiter},
};
use chrono::{DateTime, Utc};
use fred::interfaces::ListInterface;

use crate::{
    link::{Commands, Link, eval},
    tasks::Tasks,
};

const ACQUIRE: &str = include_str!("limiter/acquire.lua");
const CLOSE: &str = include_str!("limiter/close.lua");

/// How long units are kept beyond their window, for clocks that run differently.
const UNIT_KEEP: Duration = Duration::from_secs(60);

/// How long a closing is kept beyond its end, for clocks that differ.
const CLOSING_KEEP: Duration = Duration::from_secs(24 * 3600);

/// How long a closing is kept at most; who made it remembers it longer.
const CLOSING_KEEP_MAX: Duration = Duration::from_secs(400 * 24 * 3600);

/// The latest time that a script can count exactly, in microseconds: in the year 2255.
const MICROS_MAX: i64 = (1 << 53) - 1;

/// Allowances that all processes share, and each counts along.
pub(crate) struct RedisLimiter {
    link: Arc<Link>,
    own: MemoryLimiter,
    /// Redis answers, but refuses: that is told once.
    refused: AtomicBool,
    _tasks: Arc<Tasks>,
}

/// What Redis says to a request.
enum Answer {
    Granted(DateTime<Utc>),
    Full(DateTime<Utc>),
    Closed(DateTime<Utc>),
}

impl RedisLimiter {
    pub(crate) fn new(link: Arc<Link>, tasks: Arc<Tasks>) -> Self {
        Self { link, own: MemoryLimiter::default(), refused: AtomicBool::new(false), _tasks: tasks }
    }

    /// Both keys of a budget: in one slot of a cluster, whatever the name is made of.
    fn key(&self, name: &str, part: &str) -> String {
        let name = name.replace('%', "%25").replace('}', "%7D");
        format!("{}:budget:{{{name}}}:{part}", self.link.namespace)
    }

    async fn ask(&self, budget: &Budget, now: DateTime<Utc>) -> Result<Answer> {
        let op = "take allowance";
        let keys = vec![self.key(&budget.name, "taken"), self.key(&budget.name, "closed")];
        let per = budget.per.as_nanos().div_ceil(1000);
        let keep = (budget.per + UNIT_KEEP).as_millis();
        let arguments = vec![
            now.timestamp_micros().clamp(0, MICROS_MAX).to_string(),
            rounded_up(now).to_string(),
            per.to_string(),
            budget.limit.to_string(),
            keep.to_string(),
        ];
        let answer: (i64, i64) = self.link.run(op, |commands| eval(commands, ACQUIRE, keys, arguments)).await?;
        match answer {
            (0, micros) => Ok(Answer::Granted(at(micros))),
            (1, micros) => Ok(Answer::Full(at(micros))),
            (2, micros) => Ok(Answer::Closed(at(micros))),
            (other, _) => Err(Error::malformed(op, format!("the script answers {other}"))),
        }
    }

    /// Closes in Redis, or only asks; answers until when it is closed there.
    async fn tell(&self, name: &str, until: Option<DateTime<Utc>>) -> Result<Option<DateTime<Utc>>> {
        let arguments = vec![
            until.map_or(0, rounded_up).to_string(),
            CLOSING_KEEP.as_millis().to_string(),
            CLOSING_KEEP_MAX.as_millis().to_string(),
        ];
        let keys = vec![self.key(name, "closed")];
        let op = "close allowance";
        let closed: i64 = self.link.run(op, |commands| eval(commands, CLOSE, keys, arguments)).await?;
        Ok((closed > 0).then(|| at(closed)))
    }

    /// What Redis says, or nothing when each process is on its own.
    fn heard<T>(&self, answer: Result<T>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.refused.store(false, Ordering::Relaxed);
                Some(answer)
            }
            Err(error) => {
                // That it does not answer is told by the link.
                if error.kind() != ErrorKind::Unavailable && !self.refused.swap(true, Ordering::Relaxed) {
                    tracing::warn!("{error}; each process counts its allowances for itself meanwhile");
                }
                None
            }
        }
    }

    /// Redis granted what this process's own count refuses, because it was emptied or away: it gets that unit back, and
    /// the closing that it has forgotten.
    async fn give_back(&self, budget: &Budget, taken_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<()> {
        let key = self.key(&budget.name, "taken");
        let element = taken_at.timestamp_micros().to_string();
        let back = |commands: Commands| async move { commands.lrem::<i64, _, _>(key, -1, element).await };
        self.heard(self.link.run("give back allowance", back).await);
        if let Some(until) = self.own.closed_until(&budget.name, now).await? {
            self.heard(self.tell(&budget.name, Some(until)).await);
        }
        Ok(())
    }
}

#[async_trait]
impl RateLimiter for RedisLimiter {
    async fn acquire(&self, budget: &Budget, now: DateTime<Utc>) -> Result<Permit> {
        budget.check()?;
        match self.heard(self.ask(budget, now).await) {
            Some(Answer::Granted(taken_at)) => {
                let permit = self.own.acquire(budget, taken_at).await?;
                if permit != Permit::Granted {
                    self.give_back(budget, taken_at, now).await?;
                }
                Ok(permit)
            }
            Some(Answer::Full(until)) => Ok(Permit::WaitUntil(until)),
            Some(Answer::Closed(until)) => {
                self.own.close(&budget.name, until).await?;
                Ok(Permit::WaitUntil(until))
            }
            None => self.own.acquire(budget, now).await,
        }
    }

    async fn close(&self, name: &str, until: DateTime<Utc>) -> Result<()> {
        self.own.close(name, until).await?;
        self.heard(self.tell(name, Some(until)).await);
        Ok(())
    }

    async fn closed_until(&self, name: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        Budget::check_name(name)?;
        let own = self.own.closed_until(name, now).await?;
        let Some(shared) = self.heard(self.tell(name, own).await).flatten().filter(|until| *until > now) else {
            return Ok(own);
        };
        self.own.close(name, shared).await?;
        Ok(Some(own.map_or(shared, |own| own.max(shared))))
    }
}

/// In microseconds, rounded up: a window that is counted by it is never too short.
fn rounded_up(time: DateTime<Utc>) -> i64 {
    let micros = time.timestamp_micros();
    let whole = time.timestamp_subsec_nanos().is_multiple_of(1000);
    micros.saturating_add(i64::from(!whole)).clamp(0, MICROS_MAX)
}

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
