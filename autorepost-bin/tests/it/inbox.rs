//! Files that are dropped into a folder or brought by HTTP, with the program as a process.

use std::fs;

use autorepost_core::media::MediaKey;
use autorepost_sandbox::clips::CLIPS;

use crate::support::{DESTINATIONS, Stage, until};

/// A clip of the creator's: the one that a post shows, with other bytes behind it.
fn master(post: usize, mark: &[u8; 4]) -> Vec<u8> {
    [CLIPS[post % 8].2, &12_u32.to_be_bytes(), b"free", mark].concat()
}

fn drop_file(stage: &Stage, name: &str, bytes: &[u8]) {
    fs::write(stage.path("drop").join(name), bytes).unwrap();
}

async fn media_of(stage: &Stage, post: &str) -> String {
    let told = stage.ok(&["explain", post]).await;
    told["post"]["media"]["key"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_files_take_the_place_of_downloads_or_are_posts() {
    let mut stage = Stage::new().await;
    stage.set("AUTOREPOST_DROP", "drop");
    stage.set("AUTOREPOST_DROP_WAIT", "5");
    stage.set_up().await;
    fs::create_dir(stage.path("drop")).unwrap();
    // One that names its post, one that is like its post and has its words (the other is as long, nearly, and may come first), one that is a post, a bad one, a bad sidecar, and none of ours.
    drop_file(&stage, "first.json", br#"{"post": "https://www.tiktok.com/@demo/video/1"}"#);
    drop_file(&stage, "first.mp4", &master(1, b"aaaa"));
    drop_file(&stage, "number 2.MOV", &master(2, b"bbbb"));
    drop_file(
        &stage,
        "own.json",
        br#"{"key": "own", "caption": "Number own #x", "posted_at": "2026-01-01T00:00:00Z"}"#,
    );
    drop_file(&stage, "own.mp4", &master(3, b"cccc"));
    drop_file(&stage, "bad.mp4", b"this is no video");
    drop_file(&stage, "odd.json", br#"{"titel": "x"}"#);
    drop_file(&stage, "odd.mp4", &master(4, b"dddd"));
    drop_file(&stage, "notes.txt", b"not ours");
    let daemon = stage.start().await;
    let taken = |name: &str| stage.path("drop/taken").join(name).is_file();
    until("the good files are taken", async || {
        ["first.mp4", "first.json", "number 2.MOV", "own.mp4", "own.json"].into_iter().all(taken)
    })
    .await;
    until("the bad files are told", async || {
        let log = daemon.log();
        log.contains("\"bad.mp4\" is left where it is") && log.contains("\"odd.mp4\" is left where it is")
    })
    .await;
    for left in ["bad.mp4", "odd.mp4", "odd.json", "notes.txt"] {
        assert!(stage.path("drop").join(left).is_file(), "{left}");
    }
    // The same bytes again are known.
    drop_file(&stage, "again.mp4", &master(2, b"bbbb"));
    until("the twin is taken", async || {
        taken("again.mp4") && daemon.log().contains("\"again.mp4\" was taken in before")
    })
    .await;

    stage.world().add_post(now(&stage, 1));
    stage.world().add_post(now(&stage, 2));
    for post in ["1", "2", "file:own"] {
        until("it is published everywhere", async || {
            let reposts = stage.reposts().await;
            let out = reposts.iter().filter(|(key, _, state, _)| key == post && state == "published");
            out.count() == DESTINATIONS.len()
        })
        .await;
    }
    assert_eq!(media_of(&stage, "1").await, MediaKey::of(&master(1, b"aaaa")).to_string());
    assert_eq!(media_of(&stage, "2").await, MediaKey::of(&master(2, b"bbbb")).to_string());
    assert_eq!(media_of(&stage, "file:own").await, MediaKey::of(&master(3, b"cccc")).to_string());
    assert_eq!(stage.world().ledger().len(), 3 * DESTINATIONS.len());
    // What was mended is taken.
    drop_file(&stage, "odd.json", b"{}");
    drop_file(&stage, "odd.mp4", &master(4, b"eeee"));
    until("the mended file is taken", async || taken("odd.mp4")).await;
    daemon.stop().await;
}

/// A post that was made just now.
fn now(stage: &Stage, id: u32) -> autorepost_sandbox::TikTokPost {
    let created_at = std::time::SystemTime::now().into();
    autorepost_sandbox::TikTokPost { created_at, ..stage.post(id) }
}
