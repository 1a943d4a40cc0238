//! Whether the program is alive, and whether it can work: for load balancers, containers and people.

pub mod checks;
mod probes;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde::Serialize;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

pub use probes::{ask, router, version_at};

/// How long one check may take.
const CHECK_MAX: Duration = Duration::from_secs(2);

/// What a check found: a few words, or what is wrong and how to mend it. It is shown to whoever asks: no secrets.
pub type Found = Result<String, String>;

type Ask = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Found> + Send>> + Send + Sync>;

/// One thing that must be right.
pub struct Check {
    name: &'static str,
    /// For how long an answer holds, so that no number of questions is a burden.
    holds: Duration,
    ask: Ask,
    last: Mutex<Option<(Instant, Line)>>,
}

impl Check {
    /// A check whose answer holds for so long.
    pub fn new<F>(name: &'static str, holds: Duration, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Found> + Send + 'static,
    {
        Self { name, holds, ask: Arc::new(move || Box::pin(ask())), last: Mutex::default() }
    }

    /// The answer, asked for again when the last one is too old. Who comes meanwhile waits for the same.
    async fn line(&self) -> Line {
        let mut last = self.last.lock().await;
        if let Some((at, line)) = last.as_ref()
            && at.elapsed() < self.holds
        {
            return line.clone();
        }
        let began = Instant::now();
        // A task of its own: what asks may go away in the middle, and a check that panics is one that failed.
        let asking = tokio::spawn(timeout(CHECK_MAX, (self.ask)()));
        let found = match asking.await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err(format!("no answer within {} s", CHECK_MAX.as_secs())),
            Err(_) => Err("the check itself failed".into()),
        };
        let ok = found.is_ok();
        let (Ok(detail) | Err(detail)) = found;
        let took_ms = began.elapsed().as_millis() as u64;
        let line = Line { name: self.name, ok, detail, took_ms };
        *last = Some((Instant::now(), line.clone()));
        line
    }
}

/// The answer of a check.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The check.
    pub name: &'static str,
    /// Whether it is right.
    pub ok: bool,
    /// A few words.
    pub detail: String,
    /// How long it took.
    pub took_ms: u64,
}

/// The answers of all checks.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `ready` or `not ready`.
    pub status: &'static str,
    /// Each check.
    pub checks: Vec<Line>,
}

/// Everything that must be right for the program to work.
pub struct Health(Vec<Check>);

impl Health {
    /// These checks.
    pub fn new(checks: Vec<Check>) -> Self {
        Self(checks)
    }

    /// Asks all at once.
    pub async fn report(&self) -> Report {
        let checks = join_all(self.0.iter().map(Check::line)).await;
        let status = if checks.iter().all(|line| line.ok) { "ready" } else { "not ready" };
        Report { status, checks }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn checks_run_at_once_end_in_time_and_may_fail_themselves() {
        let second = Duration::from_secs(1);
        let health = Health::new(vec![
            Check::new("fine", second, || async { Ok("fine".into()) }),
            Check::new("hangs", second, std::future::pending),
            Check::new("hangs too", second, std::future::pending),
            Check::new("panics", second, || async { panic!("on purpose") }),
        ]);
        let began = Instant::now();
        let report = health.report().await;
        assert!(began.elapsed() < CHECK_MAX * 3 / 2, "both that hang were asked at once");
        assert_eq!(report.status, "not ready");
        let ok: Vec<bool> = report.checks.iter().map(|line| line.ok).collect();
        assert_eq!(ok, [true, false, false, false]);
        assert_eq!(report.checks[1].detail, "no answer within 2 s");
    }

    #[tokio::test]
    async fn a_hundred_questions_are_one_look_while_the_answer_holds() {
        for (holds, looks) in [(Duration::from_secs(3600), 1), (Duration::ZERO, 100)] {
            let asked = Arc::new(AtomicU32::new(0));
            let count = Arc::clone(&asked);
            let check = Check::new("counts", holds, move || {
                count.fetch_add(1, Ordering::Relaxed);
                async { Err("broken".into()) }
            });
            let lines = join_all((0..100).map(|_| check.line())).await;
            assert!(lines.iter().all(|line| !line.ok && line.detail == "broken"));
            assert_eq!(asked.load(Ordering::Relaxed), looks);
        }
    }
}
