//! Memory of the real program, in a test binary of its own: nothing else runs beside it.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

#[path = "it/support.rs"]
#[expect(dead_code, reason = "this test needs a part of it")]
mod support;

use std::{
    fs::{self, File},
    io::Write,
    time::{Duration, Instant},
};

use autorepost::setup::SandboxApps;
use autorepost_core::Platform;
use autorepost_sandbox::{Effect, Fault, Step, clips::CLIPS};
use support::{DESTINATIONS, Stage, until, video};

/// What the work may add to the memory of the idle program, in KiB.
const ADDED_KIB_MAX: u64 = 64 << 10;
/// The largest video that Instagram takes, in bytes.
const LARGE_BYTES: u64 = 300_000_000;
/// More than Instagram and X take, in bytes.
const HUGE_BYTES: u64 = 2 << 30;
const TIME_MAX: Duration = Duration::from_secs(150);

/// A real clip, made large by a box that players skip. It is a hole: it takes no place on the disk.
fn make(stage: &Stage, id: u32, bytes: u64) {
    let (_, _, clip) = CLIPS[id as usize];
    let path = stage.path(&format!("{id}.mp4"));
    let mut file = File::create(&path).unwrap();
    file.write_all(clip).unwrap();
    let length = u32::try_from(bytes - clip.len() as u64).unwrap();
    file.write_all(&[&length.to_be_bytes()[..], b"free", &id.to_be_bytes()].concat()).unwrap();
    file.set_len(bytes).unwrap();
    stage.world().add_post(video(id, path));
}

/// A value of `/proc/PID/status` in KiB: resident memory now (`VmRSS`), or its peak (`VmHWM`).
fn memory_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The platforms by their own addresses, so that chunks, waits and limits are those of a real installation.
fn as_in_production(stage: &mut Stage) {
    let urls = stage.sandbox.urls();
    stage.environment.remove("AUTOREPOST_SANDBOX");
    // Nothing is converted: what is too large is left out.
    stage.environment.remove("PATH");
    for (name, value) in [
        ("AUTOREPOST_TIKTOK_URL", urls.tiktok.as_str()),
        ("AUTOREPOST_INSTAGRAM_URL", &urls.instagram),
        ("AUTOREPOST_FACEBOOK_URL", &urls.facebook),
        ("AUTOREPOST_YOUTUBE_URL", &urls.google),
        ("AUTOREPOST_GOOGLE_OAUTH_URL", &urls.google_oauth),
        ("AUTOREPOST_X_URL", &urls.x),
        ("YOUTUBE_CLIENT_ID", SandboxApps::YOUTUBE.0),
        ("YOUTUBE_CLIENT_SECRET", SandboxApps::YOUTUBE.1),
        ("TWITTER_CONSUMER_KEY", SandboxApps::X.0),
        ("TWITTER_CONSUMER_SECRET", SandboxApps::X.1),
    ] {
        stage.set(name, value);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn videos_of_gigabytes_pass_in_constant_memory_and_resume_after_a_cut() {
    let mut stage = Stage::new().await;
    as_in_production(&mut stage);
    stage.set_up().await;
    let daemon = stage.start().await;
    until("the source was looked at", async || stage.ok(&["status"]).await["accounts"][0]["last_ok_at"].is_string())
        .await;
    let (idle, began) = (memory_kib(daemon.pid(), "VmRSS"), Instant::now());

    stage.world().set_faults(DESTINATIONS.map(|to| Fault::first(to, Step::Bytes, Effect::CutMiddle, 1)).into());
    make(&stage, 1, LARGE_BYTES);
    stage.ok(&["sync"]).await;
    wait(&stage, 3).await;
    // YouTube's chunk and X's segment are the most that may come twice; Instagram goes on at the very byte.
    for (platform, twice_max) in [(Platform::Instagram, 0), (Platform::YouTube, 8 << 20), (Platform::X, 1 << 20)] {
        let taken = stage.world().bytes_taken(platform);
        assert!((LARGE_BYTES..=LARGE_BYTES + twice_max).contains(&taken), "{platform} took {taken} bytes");
    }
    let large = memory_kib(daemon.pid(), "VmHWM");

    make(&stage, 2, HUGE_BYTES);
    stage.ok(&["sync"]).await;
    wait(&stage, 4).await;
    let story = stage.story(2).await;
    for (platform, limit) in [(Platform::Instagram, "takes at most 300 MB"), (Platform::X, "takes at most 537 MB")] {
        let told = story[&platform].value.to_string();
        assert!(story[&platform].state == "skipped" && told.contains(limit), "{platform}: {told}");
    }
    let ledger = stage.world().ledger();
    assert_eq!(ledger.iter().filter(|shown| shown.bytes == LARGE_BYTES).count(), 3, "{ledger:?}");
    assert_eq!(ledger.iter().filter(|shown| shown.bytes == HUGE_BYTES).count(), 1, "{ledger:?}");

    let huge = memory_kib(daemon.pid(), "VmHWM");
    println!(
        "idle {} MiB; at most {} MiB more for 300 MB to three destinations, {} MiB more with 2 GiB to YouTube; {:.0} s",
        idle >> 10,
        (large - idle) >> 10,
        (huge - idle) >> 10,
        began.elapsed().as_secs_f64()
    );
    assert!(huge < idle + ADDED_KIB_MAX, "resident memory grew from {idle} to {huge} KiB");
    daemon.stop().await;
}

/// Waits until the public sees so many posts.
async fn wait(stage: &Stage, count: usize) {
    let shown = async {
        while stage.world().ledger().len() < count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = tokio::time::timeout(TIME_MAX, shown).await;
    assert!(waited.is_ok(), "the public sees {:?}\n{}", stage.world().ledger(), stage.log());
}
