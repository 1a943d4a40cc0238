//! One post travels from TikTok to X, on in-memory ports: `cargo run -p autorepost-examples --example quickstart`.

use std::time::Duration;

use autorepost_core::{
    Platform, Result,
    connection::AuthMethod,
    job::JobKind,
    memory::{Bench, Shown},
    policy::Policy,
    worker::Worker,
};
use autorepost_examples::{connect, post, rule_to_x};
use chrono::DateTime;

/// Publishes one post, and answers with what the public sees on X.
pub async fn run() -> Result<Vec<Shown>> {
    let now = DateTime::from_timestamp(1_763_600_000, 0).expect("in range");
    let bench = Bench::new(1, now);
    let source = connect(&bench.ports, Platform::TikTok, AuthMethod::TiktokSession, "alice").await?;
    let x = connect(&bench.ports, Platform::X, AuthMethod::XOauth1, "alice_x").await?;
    rule_to_x(&bench.ports, &source, &x).await?;
    bench.source.add(post("1", "Hello from TikTok #hello", now), "the bytes of a video");

    // The worker has no loop of its own: claim what is due, run it, and move the clock by hand.
    let worker = Worker::new(bench.ports.clone(), Policy::default(), "quickstart");
    for _ in 0..20 {
        for job in worker.claim(&JobKind::ALL, 10).await? {
            worker.run(job).await;
        }
        bench.clock.advance(Duration::from_secs(1));
    }
    Ok(bench.destinations[&Platform::X].shown())
}

#[tokio::main]
async fn main() -> Result<()> {
    for shown in run().await? {
        println!("{} shows {}", shown.account, shown.id);
    }
    Ok(())
}
