//! A breaker for each platform: when one fails for several accounts in a row, it is left alone for a while, and then one
//! publication tries it before the others.
//!
//! It remembers within one process. What it closes is closed for all of them, by the [`RateLimiter`](crate::port::RateLimiter).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::{Platform, connection::AccountId, policy::after, port::Budget};

/// Failures in a row that close a platform.
const FAILURES: u32 = 8;
/// Accounts that must have met them: what only one account meets is its own trouble.
const ACCOUNTS: usize = 2;
/// How long a platform is left alone at first; twice as long each time that the try after it fails.
const CLOSED_FIRST: Duration = Duration::from_secs(15);
/// The longest time between two tries.
const CLOSED_MAX: Duration = Duration::from_secs(300);
/// One publication tries a platform in so long a time, until one gets an answer.
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// What a process knows of the platforms' failures.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<BTreeMap<Platform, Streak>>);

#[derive(Debug, Default)]
struct Streak {
    failures: u32,
    /// At most [`ACCOUNTS`] of them.
    accounts: BTreeSet<AccountId>,
    closed: u32,
    closed_until: Option<DateTime<Utc>>,
}

/// The allowance that is closed when nothing is to be sent to a platform, whatever the account.
pub(crate) fn platform_lane(platform: Platform) -> String {
    format!("platform:{platform}")
}

impl Breaker {
    /// The platform answered, whatever it said.
    pub fn answered(&self, platform: Platform) {
        self.platforms().remove(&platform);
    }

    /// The platform failed, or did not answer. Says until when it is to be left alone, if this closes it.
    pub fn failed(&self, platform: Platform, account: &AccountId, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut platforms = self.platforms();
        let streak = platforms.entry(platform).or_default();
        // What was on its way when it was closed tells nothing new.
        if streak.closed_until.is_some_and(|until| now < until) {
            return None;
        }
        streak.failures = streak.failures.saturating_add(1);
        if streak.accounts.len() < ACCOUNTS {
            streak.accounts.insert(account.clone());
        }
        let broken = streak.failures >= FAILURES && streak.accounts.len() >= ACCOUNTS;
        if !broken && streak.closed == 0 {
            return None;
        }
        let until = after(now, CLOSED_FIRST.saturating_mul(1 << streak.closed.min(10)).min(CLOSED_MAX));
        streak.closed += 1;
        streak.closed_until = Some(until);
        Some(until)
    }

    /// What must be acquired before the platform is asked for something: nothing while it answers.
    pub fn probe(&self, platform: Platform) -> Option<Budget> {
        let closed = self.platforms().get(&platform).is_some_and(|streak| streak.closed > 0);
        closed.then(|| Budget { name: format!("probe:{platform}"), limit: 1, per: PROBE_EVERY })
    }

    fn platforms(&self) -> std::sync::MutexGuard<'_, BTreeMap<Platform, Streak>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_600_000 + secs, 0).unwrap()
    }

    fn fail(breaker: &Breaker, accounts: &[&str], secs: i64) -> Option<i64> {
        let mut closed = None;
        for n in 0..FAILURES as usize {
            let account = AccountId::new(accounts[n % accounts.len()]);
            closed = breaker.failed(Platform::X, &account, at(secs)).or(closed);
        }
        closed.map(|until| (until - at(secs)).num_seconds())
    }

    #[test]
    fn it_closes_for_longer_each_time_and_opens_with_an_answer() {
        let breaker = Breaker::default();
        assert_eq!(fail(&breaker, &["a", "b"], 0), Some(15));
        assert!(breaker.probe(Platform::X).is_some() && breaker.probe(Platform::YouTube).is_none());
        let again = |secs| breaker.failed(Platform::X, &AccountId::new("a"), at(secs));
        assert_eq!(again(5), None, "what was on its way does not count");
        assert_eq!(again(20), Some(at(50)));
        assert_eq!(again(60), Some(at(120)));
        assert_eq!(
            (1..9).fold(at(120), |until, _| breaker.failed(Platform::X, &AccountId::new("a"), until).unwrap())
                - at(120),
            chrono::TimeDelta::seconds(120 + 240 + 6 * 300)
        );
        breaker.answered(Platform::X);
        assert!(breaker.probe(Platform::X).is_none());
        assert_eq!(again(9_000), None);
    }

    #[test]
    fn what_one_account_meets_closes_nothing() {
        let breaker = Breaker::default();
        assert_eq!(fail(&breaker, &["a"], 0), None);
        assert_eq!(fail(&breaker, &["b"], 1), Some(15));
    }
}
