//! Rate allowances within one process.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ambient::lock;
use crate::{
    Result,
    policy::after,
    port::{Budget, Permit, RateLimiter},
};

/// Shares allowances within one process. When there are too many names, what is over soonest is forgotten first.
#[derive(Debug, Default)]
pub struct MemoryLimiter(Mutex<Allowances>);

#[derive(Debug, Default)]
struct Allowances {
    by_name: BTreeMap<String, Allowance>,
    /// The latest time that a caller gave.
    now: DateTime<Utc>,
}

#[derive(Debug, Default)]
struct Allowance {
    /// In order.
    taken: VecDeque<DateTime<Utc>>,
    per: Duration,
    closed_until: Option<DateTime<Utc>>,
}

impl Allowance {
    /// When all that it remembers is over.
    fn ends_at(&self) -> DateTime<Utc> {
        let open_at = self.closed_until.unwrap_or(DateTime::<Utc>::MIN_UTC);
        self.taken.back().map_or(open_at, |last| open_at.max(after(*last, self.per)))
    }

    /// Until when nothing is granted, if so; forgets what is over.
    fn refused_until(&mut self, budget: &Budget, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if let Some(until) = self.closed_until.filter(|until| *until > now) {
            return Some(until);
        }
        let now = self.taken.back().map_or(now, |last| now.max(*last));
        while self.taken.front().is_some_and(|taken| after(*taken, budget.per) <= now) {
            self.taken.pop_front();
        }
        let over = self.taken.len().checked_sub(budget.limit as usize)?;
        // The last that must leave before one is free. With a limit of zero there is none.
        Some(after(self.taken.get(over).copied().unwrap_or(now), budget.per))
    }
}

impl Allowances {
    /// The allowance of a name; when it is new and there is no room, others are forgotten.
    fn named(&mut self, name: &str) -> &mut Allowance {
        if self.by_name.len() >= MemoryLimiter::NAMES_MAX && !self.by_name.contains_key(name) {
            let now = self.now;
            self.by_name.retain(|_, allowance| allowance.ends_at() > now);
            if self.by_name.len() >= MemoryLimiter::NAMES_MAX {
                let soonest = self.by_name.iter().min_by_key(|(_, allowance)| allowance.ends_at());
                let soonest = soonest.map(|(name, _)| name.clone());
                soonest.map(|name| self.by_name.remove(&name));
            }
        }
        self.by_name.entry(name.to_owned()).or_default()
    }
}

impl MemoryLimiter {
    /// Names that are remembered at most.
    pub const NAMES_MAX: usize = 100_000;

    /// Until when [`acquire`](RateLimiter::acquire) would refuse, if so. Nothing is taken.
    pub fn refused_until(&self, budget: &Budget, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        lock(&self.0).by_name.get_mut(&budget.name)?.refused_until(budget, now)
    }
}

#[async_trait]
impl RateLimiter for MemoryLimiter {
    async fn acquire(&self, budget: &Budget, now: DateTime<Utc>) -> Result<Permit> {
        budget.check()?;
        let mut allowances = lock(&self.0);
        allowances.now = allowances.now.max(now);
        let allowance = allowances.named(&budget.name);
        if let Some(until) = allowance.refused_until(budget, now) {
            return Ok(Permit::WaitUntil(until));
        }
        let now = allowance.taken.back().map_or(now, |last| now.max(*last));
        allowance.taken.push_back(now);
        allowance.per = budget.per;
        Ok(Permit::Granted)
    }

    async fn close(&self, name: &str, until: DateTime<Utc>) -> Result<()> {
        Budget::check_name(name)?;
        let mut allowances = lock(&self.0);
        let closed = &mut allowances.named(name).closed_until;
        *closed = Some(closed.map_or(until, |closed| closed.max(until)));
        Ok(())
    }

    async fn closed_until(&self, name: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let mut allowances = lock(&self.0);
        allowances.now = allowances.now.max(now);
        let allowance = allowances.by_name.get(name);
        Ok(allowance.and_then(|allowance| allowance.closed_until).filter(|until| *until > now))
    }
}
