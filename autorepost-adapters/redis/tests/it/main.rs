//! The ports on a real Redis, over TLS and with a password; and what happens when it goes away.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod conformance;
mod latency;
mod log;
mod outage;
mod refusal;
mod server;
mod service;

use std::{
    pin::Pin,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use autorepost_core::conformance::Time;
use autorepost_redis::{Redis, RedisConfig};
use chrono::{DateTime, SubsecRound, Utc};

use server::Server;

/// Longer than anything here takes, however busy the machine is.
const LIMIT: Duration = Duration::from_secs(60);

/// What a busy machine may add to a time that is promised.
const SLACK: Duration = Duration::from_millis(1_500);

/// The machine's clock.
struct Real;

impl Time for Real {
    fn now(&self) -> DateTime<Utc> {
        DateTime::<Utc>::from(std::time::SystemTime::now()).trunc_subsecs(6)
    }

    fn pass(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(span + Duration::from_millis(5)))
    }
}

fn now() -> DateTime<Utc> {
    Real.now()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    log::listen();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, future).await.expect("something hangs") })
}

/// A server for the tests that leave it alone.
fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

/// A namespace that nobody else has.
fn namespace() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Two handles that are as far apart as two processes.
async fn two(config: &RedisConfig) -> (Redis, Redis) {
    (Redis::connect(config).await.unwrap(), Redis::connect(config).await.unwrap())
}

/// Asks again until it holds.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < LIMIT / 2, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a call that must end within a time.
async fn within<T>(limit: Duration, call: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = call.await;
    assert!(began.elapsed() < limit + SLACK, "it took {:?}", began.elapsed());
    answer
}
