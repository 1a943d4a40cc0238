//! The last bundle that was read: asked for again now and then, and kept when that fails.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use autorepost_core::{Error, ErrorKind, Result, Retry};
use tokio::time::Instant;

use crate::bundle::Bundle;

/// How much of a wait is left to chance, so that the tasks of a service do not ask all at once.
const JITTER: f64 = 0.2;
/// How long a failed refresh waits before the next, at most.
const AFTER_FAILURE_MAX: Duration = Duration::from_secs(30);

/// Keeps a bundle. Whoever asks when it is due fetches it, and everybody else goes on with the one before; so nothing runs
/// in the background.
pub(crate) struct Cache {
    place: String,
    every: Duration,
    again_min: Duration,
    state: Mutex<State>,
    /// Held while one caller fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    bundle: Option<Arc<Bundle>>,
    due: Option<Instant>,
    tried: Option<Instant>,
    failure: Option<Failure>,
}

/// An error that can be given more than once.
#[derive(Clone)]
struct Failure {
    kind: ErrorKind,
    op: &'static str,
    retry: Retry,
    detail: String,
    code: Option<String>,
    trace: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            op: error.op(),
            retry: error.retry_hint(),
            detail: error.detail().to_owned(),
            code: error.platform_code().map(str::to_owned),
            trace: error.platform_trace().map(str::to_owned),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let mut error = Self::new(failure.kind, failure.op, failure.detail).retry(failure.retry);
        if let Some(code) = failure.code {
            error = error.code(code);
        }
        if let Some(trace) = failure.trace {
            error = error.trace(trace);
        }
        error
    }
}

impl Cache {
    pub(crate) fn new(place: String, every: Duration, again_min: Duration) -> Self {
        Self { place, every, again_min, state: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The bundle, not much older than `every` unless it cannot be read.
    pub(crate) async fn current(&self, fetch: impl Future<Output = Result<Bundle>>) -> Result<Arc<Bundle>> {
        let _fetching = match self.kept() {
            Some((bundle, false)) => return Ok(bundle),
            Some((bundle, true)) => match self.fetching.try_lock() {
                Ok(guard) => guard,
                Err(_) => return Ok(bundle),
            },
            None => self.fetching.lock().await,
        };
        // Somebody else may have fetched while this one waited.
        match self.kept() {
            Some((bundle, false)) => Ok(bundle),
            Some((bundle, true)) => Ok(self.take(fetch.await).unwrap_or(bundle)),
            None => match self.failed_just_now() {
                Some(failure) => Err(failure.into()),
                None => self.take(fetch.await),
            },
        }
    }

    /// Reads the bundle now, unless it was just tried.
    pub(crate) async fn refresh(&self, fetch: impl Future<Output = Result<Bundle>>) -> Result<()> {
        let _fetching = self.fetching.lock().await;
        if let Some(failure) = self.failed_just_now() {
            return Err(failure.into());
        }
        if self.tried_just_now() {
            return Ok(());
        }
        self.take(fetch.await).map(drop)
    }

    /// Keeps a bundle that was just written.
    pub(crate) async fn put(&self, bundle: Bundle) {
        // After a fetch that is under way: it may bring what was there before.
        let _fetching = self.fetching.lock().await;
        let _ = self.take(Ok(bundle));
    }

    /// What is known, and whether it is due to be read again.
    fn kept(&self) -> Option<(Arc<Bundle>, bool)> {
        let state = self.state();
        let bundle = Arc::clone(state.bundle.as_ref()?);
        Some((bundle, state.due.is_none_or(|due| due <= Instant::now())))
    }

    fn tried_just_now(&self) -> bool {
        self.state().tried.is_some_and(|tried| tried.elapsed() < self.again_min)
    }

    fn failed_just_now(&self) -> Option<Failure> {
        if !self.tried_just_now() {
            return None;
        }
        self.state().failure.clone()
    }

    /// Keeps what was fetched. A failure is logged when it begins or changes and there is a bundle to go on with; without
    /// one its caller handles it.
    fn take(&self, fetched: Result<Bundle>) -> Result<Arc<Bundle>> {
        let mut state = self.state();
        let now = Instant::now();
        state.tried = Some(now);
        match fetched {
            Ok(bundle) => {
                let bundle = Arc::new(bundle);
                state.due = Some(now + jittered(self.every));
                if state.failure.take().is_some() && state.bundle.is_some() {
                    tracing::info!(place = %self.place, "the secrets can be read again");
                }
                let before = state.bundle.replace(Arc::clone(&bundle));
                let changes = before.map(|before| before.changes(&bundle)).unwrap_or_default();
                if !changes.is_empty() {
                    tracing::info!(place = %self.place, names = changes.join(","), "secrets were rotated");
                }
                Ok(bundle)
            }
            Err(error) => {
                let failure = Failure::from(&error);
                let before = state.failure.replace(failure);
                state.due = Some(now + jittered(self.every.min(AFTER_FAILURE_MAX)));
                if state.bundle.is_some() && before.is_none_or(|before| before.kind != error.kind()) {
                    tracing::warn!(place = %self.place, "{error}; the values read before go on being used");
                }
                Err(error)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that is up to a fifth shorter.
fn jittered(wait: Duration) -> Duration {
    // Without randomness all wait the same, which is no reason to fail.
    let share = getrandom::u32().map_or(0.0, |number| f64::from(number) / f64::from(u32::MAX));
    wait.mul_f64(1.0 - JITTER * share)
}
