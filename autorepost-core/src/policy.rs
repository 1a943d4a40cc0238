//! When to try again, when to look again, when to give up: pure decisions about time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{Error, ErrorKind, Retry};

/// The numbers behind every decision about time. The default is for production.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How long a claim lasts without a heartbeat.
    pub lease: Duration,
    /// The first step of the backoff after a failure.
    pub backoff_base: Duration,
    /// The longest step of the backoff.
    pub backoff_max: Duration,
    /// Consecutive failures of one step after which a repost fails.
    pub attempts_max: u32,
    /// Time between two looks at a source that posts often.
    pub sync_min: Duration,
    /// Time between two looks at a source that has been silent for long.
    pub sync_max: Duration,
    /// How far behind the newest complete point a sync still looks, for posts that appear late.
    pub sync_overlap: Duration,
    /// Pages that one sync reads; a longer walk goes on in the next.
    pub sync_pages_max: u32,
    /// Time between two audits of a source.
    pub audit_every: Duration,
    /// How far back an audit looks.
    pub audit_span: Duration,
    /// Pages that one audit reads at most.
    pub audit_pages_max: u32,
    /// Time between two pages of a backfill.
    pub backfill_page_every: Duration,
    /// How long a newer post waits for an older one of the same account that is still on its way.
    pub order_wait_max: Duration,
    /// Time between two questions about a commit in doubt, at first.
    pub find_every: Duration,
    /// How often a commit whose effect is certainly absent is sent again before the repost fails.
    pub commits_max: u32,
    /// How long a commit in doubt is asked about before a person must decide.
    pub doubt_max: Duration,
    /// A commit is not sent when this much time has passed since its intent was stored: the process was stopped.
    pub commit_start_max: Duration,
    /// How far a worker's time may be off the database's when a commit is sent, or one is believed to be absent.
    pub clock_off_max: Duration,
    /// Posts that go to one destination account within an hour at most, whatever its rules allow.
    pub hourly_max: u32,
    /// More posts than this to one account within [`anomaly_window`](Self::anomaly_window) are no creator's doing: the
    /// account is held until a person looks.
    pub anomaly_max: u32,
    /// See [`anomaly_max`](Self::anomaly_max).
    pub anomaly_window: Duration,
    /// How long a repost waits for a brake or a reconnection before it looks again by itself.
    pub hold: Duration,
    /// How long after a publication the platform is first asked what became of it.
    pub inspect_first: Duration,
    /// How long after a publication it is asked for the last time.
    pub inspect_last: Duration,
    /// Time between two upkeep runs.
    pub upkeep_every: Duration,
    /// How long finished jobs stay.
    pub finished_jobs_kept: Duration,
    /// How long lines of the audit log stay.
    pub audit_log_kept: Duration,
    /// Time between two checks of a credential that has no expiry.
    pub verify_every: Duration,
    /// How long before its expiry a credential that could not be renewed is called expiring.
    pub expiring_before: Duration,
    /// How long after a post was found its source is asked again, before its publication begins, whether it still shows it.
    pub recheck_after: Duration,
    /// How long one download may take, however steadily its bytes come.
    pub fetch_max: Duration,
    /// How long after a post was found its preparation waits for the creator's own file; not at all by default.
    pub master_wait: Duration,
    /// The largest media that is fetched, in bytes.
    pub media_bytes_max: u64,
    /// How long the media of a post stay after its reposts came to their ends.
    pub media_kept: Duration,
    /// How often a message to an endpoint is tried before its job is dead.
    pub delivery_attempts_max: u32,
    /// How old an event may be for its message to be tried once more.
    pub delivery_age_max: Duration,
    /// The wait after a message's first failure; each later one is four times as long.
    pub delivery_wait_base: Duration,
    /// The longest wait between two tries of a message, whatever its endpoint asks for.
    pub delivery_wait_max: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        Self {
            lease: Duration::from_secs(60),
            backoff_base: Duration::from_secs(5),
            backoff_max: Duration::from_secs(30 * MINUTE),
            attempts_max: 24,
            sync_min: Duration::from_secs(MINUTE),
            sync_max: Duration::from_secs(10 * MINUTE),
            sync_overlap: Duration::from_secs(2 * DAY),
            sync_pages_max: 40,
            audit_every: Duration::from_secs(6 * HOUR),
            audit_span: Duration::from_secs(30 * DAY),
            audit_pages_max: 100,
            backfill_page_every: Duration::from_secs(5),
            order_wait_max: Duration::from_secs(10 * MINUTE),
            find_every: Duration::from_secs(15),
            commits_max: 5,
            doubt_max: Duration::from_secs(DAY),
            commit_start_max: Duration::from_secs(5),
            clock_off_max: Duration::from_secs(5),
            hourly_max: 25,
            anomaly_max: 15,
            anomaly_window: Duration::from_secs(10 * MINUTE),
            hold: Duration::from_secs(5 * MINUTE),
            inspect_first: Duration::from_secs(HOUR),
            inspect_last: Duration::from_secs(DAY),
            upkeep_every: Duration::from_secs(5 * MINUTE),
            finished_jobs_kept: Duration::from_secs(7 * DAY),
            audit_log_kept: Duration::from_secs(400 * DAY),
            verify_every: Duration::from_secs(DAY),
            expiring_before: Duration::from_secs(14 * DAY),
            recheck_after: Duration::from_secs(30 * MINUTE),
            fetch_max: Duration::from_secs(HOUR),
            master_wait: Duration::ZERO,
            media_bytes_max: 4 << 30,
            media_kept: Duration::from_secs(30 * DAY),
            delivery_attempts_max: 10,
            delivery_age_max: Duration::from_secs(3 * DAY),
            delivery_wait_base: Duration::from_secs(5),
            delivery_wait_max: Duration::from_secs(6 * HOUR),
        }
    }
}

impl Policy {
    /// Short waits: for demos, examples and tests against platforms that answer at once.
    pub fn brisk() -> Self {
        Self {
            lease: Duration::from_secs(10),
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_secs(2),
            sync_min: Duration::from_millis(500),
            sync_max: Duration::from_secs(1),
            order_wait_max: Duration::from_secs(5),
            find_every: Duration::from_millis(200),
            commit_start_max: Duration::from_secs(1),
            doubt_max: Duration::from_secs(120),
            hold: Duration::from_millis(500),
            audit_every: Duration::from_secs(30),
            backfill_page_every: Duration::from_millis(100),
            hourly_max: 100_000,
            anomaly_max: 100_000,
            inspect_first: Duration::from_secs(3),
            inspect_last: Duration::from_secs(8),
            upkeep_every: Duration::from_secs(2),
            delivery_wait_base: Duration::from_millis(100),
            delivery_wait_max: Duration::from_secs(2),
            ..Self::default()
        }
    }

    /// How long to wait after a failure: what the platform asked for, or exponential backoff with full jitter.
    ///
    /// `attempts` counts the failures so far, this one included; `random` is uniform over its whole range.
    pub fn backoff(&self, retry: Retry, attempts: u32, random: u64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(20);
        let ceiling = self.backoff_base.saturating_mul(1 << doublings).min(self.backoff_max);
        let jittered = ceiling.mul_f64(unit(random));
        match retry {
            // Jitter on top of what was asked for, so that not everybody comes back in the same moment.
            Retry::After(asked) => {
                let asked = asked.min(ASKED_MAX);
                asked + jittered.min(asked / 10)
            }
            Retry::Soon | Retry::Never => jittered.max(self.backoff_base / 2),
        }
    }

    /// How long a message to an endpoint waits after its failure number `attempts`: about 20 hours in all by default.
    pub fn delivery_wait(&self, retry: Retry, attempts: u32, random: u64) -> Duration {
        let factor = 4_u32.saturating_pow(attempts.saturating_sub(1).min(15));
        let wait = self.delivery_wait_base.saturating_mul(factor).min(self.delivery_wait_max);
        let wait = wait.mul_f64(0.75 + 0.25 * unit(random));
        match retry {
            Retry::After(asked) => wait.max(asked.min(self.delivery_wait_max)),
            Retry::Soon | Retry::Never => wait,
        }
    }

    /// Whether a failure is to be tried again, given how often in a row it happened.
    pub fn retries(&self, error: &Error, attempts: u32) -> bool {
        match error.retry_hint() {
            Retry::Never => false,
            // A wait that the platform asked for is not a failure of ours.
            Retry::After(_) => true,
            Retry::Soon => attempts < self.attempts_max || error.kind() == ErrorKind::Blocked,
        }
    }

    /// When to look at a source again: often while it posts often, within ten percent of jitter.
    pub fn next_sync(&self, now: DateTime<Utc>, newest: Option<DateTime<Utc>>, random: u64) -> DateTime<Utc> {
        let silent = newest.map_or(self.sync_max, |at| (now - at).to_std().unwrap_or_default() / 100);
        let every = silent.clamp(self.sync_min, self.sync_max);
        after(now, every.mul_f64(0.9 + 0.2 * unit(random)))
    }

    /// When to renew a credential: at four fifths of the life that it had when it was renewed, with jitter ahead of
    /// that; without an expiry, after [`verify_every`](Self::verify_every).
    pub fn next_refresh(
        &self,
        renewed_at: DateTime<Utc>,
        expires_at: Option<DateTime<Utc>>,
        random: u64,
    ) -> DateTime<Utc> {
        let life = expires_at.map_or(self.verify_every, |at| {
            ((at - renewed_at).to_std().unwrap_or_default().mul_f64(0.8)).min(self.verify_every * 30)
        });
        after(renewed_at, life.mul_f64(0.9 + 0.1 * unit(random)))
    }
}

/// The longest wait that a platform may ask for: its allowances renew themselves within a day. More is a mistake of its
/// answer, and is asked about again.
const ASKED_MAX: Duration = Duration::from_secs(25 * 3600);

/// `now` plus a duration, at the end of time at the latest.
pub fn after(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// `now` minus a duration, at the beginning of time at the earliest.
pub fn before(now: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(span).ok().and_then(|span| now.checked_sub_signed(span)).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// Maps a uniform integer to [0, 1).
fn unit(random: u64) -> f64 {
    // The upper 53 bits are what an f64 holds exactly.
    const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;
    (random >> 11) as f64 * SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_600_000 + secs, 0).expect("in range")
    }

    #[test]
    fn backoff_doubles_is_capped_and_never_zero() {
        let policy = Policy::default();
        let longest = |attempts| policy.backoff(Retry::Soon, attempts, u64::MAX).as_secs_f64().round();
        assert_eq!(longest(1), 5.0);
        assert_eq!(longest(2), 10.0);
        assert_eq!(longest(5), 80.0);
        assert_eq!(longest(40), 1800.0);
        assert!(policy.backoff(Retry::Soon, 1, 0) >= Duration::from_secs(2));
    }

    #[test]
    fn a_message_is_tried_for_most_of_a_day() {
        let policy = Policy::default();
        let wait = |attempts| policy.delivery_wait(Retry::Soon, attempts, u64::MAX);
        assert_eq!(wait(1).as_secs_f64().round(), 5.0);
        assert_eq!(wait(3).as_secs_f64().round(), 80.0);
        let all: Duration = (1..policy.delivery_attempts_max).map(wait).sum();
        assert!((18.0..22.0).contains(&(all.as_secs_f64() / 3600.0)), "{all:?}");
        assert!(policy.delivery_wait(Retry::Soon, 40, 0) < policy.delivery_wait_max);
        let asked = policy.delivery_wait(Retry::After(Duration::from_secs(900)), 1, 0);
        assert_eq!(asked, Duration::from_secs(900));
        assert_eq!(policy.delivery_wait(Retry::After(Duration::MAX), 1, 0), policy.delivery_wait_max);
    }

    #[test]
    fn backoff_honours_what_the_platform_asks() {
        let asked = Duration::from_secs(900);
        let wait = Policy::default().backoff(Retry::After(asked), 1, u64::MAX);
        assert!(wait >= asked && wait <= asked.mul_f64(1.1), "{wait:?}");
    }

    #[test]
    fn sync_adapts_to_how_often_the_account_posts() {
        let policy = Policy::default();
        let middle = u64::MAX / 2;
        let wait = |newest| (policy.next_sync(at(0), newest, middle) - at(0)).num_seconds();
        assert!((59..=60).contains(&wait(Some(at(-60)))));
        assert!((599..=600).contains(&wait(Some(at(-10_000_000)))));
        assert!((599..=600).contains(&wait(None)));
    }

    #[test]
    fn an_hour_long_token_is_renewed_well_before_it_ends() {
        let policy = Policy::default();
        for random in [0, u64::MAX / 2, u64::MAX] {
            let when = policy.next_refresh(at(0), Some(at(3599)), random);
            assert!(when >= at(2500) && when <= at(2880), "{when}");
        }
    }

    #[test]
    fn a_permanent_error_is_never_tried_again() {
        let policy = Policy::default();
        assert!(!policy.retries(&Error::new(ErrorKind::Rejected, "x", "y"), 1));
        assert!(policy.retries(&Error::unavailable("x", "y"), 23));
        assert!(!policy.retries(&Error::unavailable("x", "y"), 24));
    }
}
