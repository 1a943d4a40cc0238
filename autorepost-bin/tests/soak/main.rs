//! Real processes as in production (Postgres, Redis, an S3 server, Secrets Manager) against the sandbox, with everything going wrong: nothing is published twice, and
//! nothing is lost.
//!
//! A minute by default; `SOAK_SECS=3600 SEED=7 cargo test -p autorepost-bin --test soak -- --nocapture` for an hour. The
//! seed decides what is done to the processes; how they interleave is theirs. With `OLD_BINARY=PATH` one of the workers is an
//! older build, as in a rolling deploy, and everything but Postgres is what one machine has.

#![cfg(unix)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod chaos;
mod cloud;
mod dice;
#[expect(dead_code, reason = "its own tests use all of it")]
#[path = "../../../autorepost-adapters/secrets/tests/it/moto.rs"]
mod moto;
#[path = "../../../autorepost-adapters/database/tests/it/server.rs"]
mod postgres;
mod process;
#[expect(dead_code, reason = "its own tests use all of it")]
#[path = "../../../autorepost-adapters/redis/tests/it/server.rs"]
mod redis;
#[expect(dead_code, reason = "its own tests use all of it")]
#[path = "../../../autorepost-adapters/storage/tests/it/server.rs"]
mod s3;
mod scene;
mod verdict;

use std::{
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use chaos::{Crew, Stage};
use scene::Scene;
use verdict::{Book, Verdict};

/// Worker processes at once.
const WORKERS: usize = 3;
/// How long everything may take to come to its end once nothing goes wrong any more.
const DRAIN_MAX: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_published_twice_and_nothing_is_lost() {
    let secs = setting("SOAK_SECS", 60);
    let seed = setting("SEED", 2);
    let old = std::env::var_os("OLD_BINARY").map(Into::into);
    println!("soak: seed {seed}, {secs} s");

    let scene = Scene::set(seed, old.is_none()).await;
    scene.set_faults(&scene::faults()).await;
    let stage = Stage::new(scene, seed, Duration::from_secs(secs));
    let crew = stage.play(WORKERS, old).await;
    let faults = stage.scene.faults().await;
    stage.scene.set_faults(&[]).await;
    drain(&stage).await;
    stop(crew).await;

    let verdict = Verdict::reach(&stage).await;
    let told = verdict.told(&stage).await;
    let tally = &stage.tally;
    let of = |one: &AtomicU32| one.load(Ordering::Relaxed);
    let panics = panics(&stage);
    assert!(told.is_empty() && panics.is_empty(), "seed {seed}: {verdict}\n{panics}{told}");
    println!(
        "soak: seed {seed}, {secs} s: {} SIGKILLs, {} stops, {} freezes, {} freezes longer than the lease, {} database \
         restarts, {} database hangs, {} Redis troubles, {} bucket outages, {} operator's commands, {faults} faults; {verdict}",
        of(&tally.kills),
        of(&tally.stops),
        of(&tally.freezes),
        of(&tally.zombies),
        of(&tally.restarts),
        of(&tally.hangs),
        of(&tally.redis),
        of(&tally.buckets),
        of(&tally.commands),
    );
}

/// What the Redis server's other users are kept apart by.
fn namespace() -> String {
    "autorepost".into()
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().ok().unwrap_or_else(|| panic!("{name} must be a number, not \"{text}\"")),
        Err(_) => default,
    }
}

/// Waits until everything has come to its end. What does not is the verdict's.
async fn drain(stage: &Stage) {
    let wanted = stage.wanted.lock().unwrap().len();
    let end = Instant::now() + DRAIN_MAX;
    while Instant::now() < end {
        let book = Book::read(stage).await.unwrap();
        if book.is_settled(wanted) {
            return;
        }
        sleep(Duration::from_millis(250)).await;
    }
    println!("soak: not everything has come to its end within {} s", DRAIN_MAX.as_secs());
}

/// Stops what still runs, as a deploy does.
async fn stop(crew: Crew) {
    for process in crew.workers.into_iter().chain([crew.api]) {
        let status = process.stop().await;
        assert!(status.success(), "a process did not stop well: {status}");
    }
}

/// Where a log tells of a panic.
fn panics(stage: &Stage) -> String {
    let logs = std::fs::read_dir(stage.scene.house.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let told = logs.filter_map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let line = text.lines().find(|line| line.contains("panicked"))?.to_owned();
        Some(format!("{}: {line}\n", path.display()))
    });
    told.collect()
}
