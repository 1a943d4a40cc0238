//! Memory, measured in a process of its own. `AUTOREPOST_MEDIA_MIB=2500 cargo test -p autorepost-converter --test memory`
//! passes that much.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

#[path = "it/made.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod made;

use std::{fs, sync::Arc};

use autorepost_converter::{Ffmpeg, FfmpegConfig};
use autorepost_core::{
    media::Media,
    port::{Converter, MediaStore, Probe},
    preflight::{Pictures, Profile, Sound},
};
use autorepost_storage::{LocalMediaStore, Mp4Probe};
use futures_util::stream;

/// What a conversion may add to the memory of this process, in KiB.
const ADDED_KIB_MAX: u64 = 32 << 10;

fn memory_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_large_video_is_rewritten_in_constant_memory() {
    let mib: u64 = std::env::var("AUTOREPOST_MEDIA_MIB").map_or(300, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.mov");
    // Noise, of which a frame has about two megabytes.
    let noise = "-f lavfi -i testsrc=size=1920x1080:rate=25,noise=alls=100:allf=t -c:v mjpeg -q:v 1 -pix_fmt yuvj444p";
    made::make(&format!("{noise} -fs {}", mib << 20), &file);
    let store = Arc::new(LocalMediaStore::open(&folder.path().join("media"), None).unwrap());
    let stored = {
        let mut source = fs::File::open(&file).unwrap();
        let pieces = std::iter::from_fn(move || {
            let mut piece = vec![0; 1 << 20];
            let read = std::io::Read::read(&mut source, &mut piece).unwrap();
            piece.truncate(read);
            (read > 0).then(|| Ok(piece.into()))
        });
        store.put(Box::pin(stream::iter(pieces)), u64::MAX).await.unwrap()
    };
    let probe = Mp4Probe::new(store.clone());
    let source = Media { key: stored.key, bytes: stored.bytes, facts: probe.probe(&stored.key).await.unwrap() };
    assert!(source.bytes >= (mib << 20) * 9 / 10, "{} bytes", source.bytes);
    let config = FfmpegConfig { program: Some(made::ffmpeg()), folder: folder.path().join("conversions") };
    let ffmpeg = Ffmpeg::new(config, store.clone());
    // Cut off in the middle: half of it comes back.
    let half = Some(source.facts.duration_ms / 2);
    let profile = Profile { pictures: Pictures::Keep, sound: Sound::Keep, trim_ms: half, bytes_max: u64::MAX };
    let idle = memory_kib("VmRSS");
    let result = ffmpeg.convert(&source, &profile, &|_| {}).await;
    let most = memory_kib("VmHWM");
    println!("{} MB: idle {} MiB, at most {} MiB more", source.bytes / 1_000_000, idle >> 10, (most - idle) >> 10);
    assert!(most < idle + ADDED_KIB_MAX, "resident memory grew from {idle} to {most} KiB");
    let made = result.unwrap();
    assert!(made.bytes > source.bytes * 2 / 5, "{} of {} bytes", made.bytes, source.bytes);
}
