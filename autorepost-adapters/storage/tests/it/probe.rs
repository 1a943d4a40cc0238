//! Real clips, and files that are none.

use std::{fs, path::Path, sync::Arc};

use autorepost_core::{
    ErrorKind, Result,
    media::{AudioCodec, Container, MediaFacts, VideoCodec},
    memory::{MemoryMedia, chunks},
    port::{MediaStore, Probe},
};
use autorepost_storage::Mp4Probe;

async fn probe_bytes(bytes: Vec<u8>) -> Result<MediaFacts> {
    let store = Arc::new(MemoryMedia::default());
    let stored = store.put(chunks(bytes.into()), u64::MAX).await?;
    Mp4Probe::new(store).probe(&stored.key).await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub fn clip(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let odd = folder.join("tests/clips").join(name);
    fs::read(&odd).or_else(|_| fs::read(folder.join("../sandbox/clips").join(name))).unwrap()
}

fn probe(name: &str) -> MediaFacts {
    block_on(probe_bytes(clip(name))).unwrap()
}

fn refusal(bytes: Vec<u8>) -> String {
    let error = block_on(probe_bytes(bytes)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    error.detail().to_owned()
}

#[test]
fn an_ordinary_clip_tells_everything() {
    let facts = probe("01-meadow.mp4");
    assert_eq!((facts.container, facts.moov_first, facts.fragmented), (Container::Mp4, true, false));
    assert!((3_200..3_240).contains(&facts.duration_ms), "{}", facts.duration_ms);
    let video = &facts.video;
    assert_eq!((&video.codec, video.width, video.height, video.rotation), (&VideoCodec::H264, 360, 640, 0));
    assert!((24_500..=25_500).contains(&video.frame_rate_milli), "{}", video.frame_rate_milli);
    let audio = facts.audio.unwrap();
    assert_eq!((audio.codec, audio.channels), (AudioCodec::Aac, 1));
}

#[test]
fn each_oddity_is_seen() {
    assert!(!probe("moov-last.mp4").moov_first);
    assert_eq!(probe("hevc.mp4").video.codec, VideoCodec::Hevc);
    assert_eq!(probe("no-audio.mp4").audio, None);
    assert_eq!(probe("mp3-audio.mp4").audio.unwrap().codec, AudioCodec::Mp3);
    assert_eq!(probe("quicktime.mov").container, Container::Mov);
    let rotated = probe("rotated.mp4").video;
    assert_eq!(rotated.rotation % 180, 90);
    assert_eq!((rotated.width, rotated.height), (160, 90));
    assert_eq!(probe("10-long.mp4").duration_ms / 1000, 150);
}

/// Its index tells no length: its fragments do.
#[test]
fn a_fragmented_clip_tells_its_length_by_its_fragments() {
    let (facts, plain) = (probe("fragmented.mp4"), probe("moov-last.mp4"));
    assert!(facts.fragmented && facts.moov_first);
    assert!(facts.duration_ms.abs_diff(plain.duration_ms) <= 40, "{} {}", facts.duration_ms, plain.duration_ms);
    assert!((24_000..=26_000).contains(&facts.video.frame_rate_milli), "{}", facts.video.frame_rate_milli);
    assert_eq!((facts.video.width, facts.video.height), (plain.video.width, plain.video.height));
}

/// The clip, in which nothing tells how long a sample lasts: the flags say that it is told, in a box of another name.
fn without_durations(mut clip: Vec<u8>) -> Vec<u8> {
    for at in 0..clip.len() - 4 {
        match &clip[at..at + 4] {
            b"trun" | b"tfdt" => clip[at] = b'x',
            _ => {}
        }
    }
    clip
}

fn cut(mut clip: Vec<u8>, bytes: usize) -> Vec<u8> {
    clip.truncate(clip.len() - bytes);
    clip
}

#[test]
fn what_is_no_video_says_what_it_is() {
    for (bytes, part) in [
        (clip("text.mp4"), "it is text"),
        (clip("truncated.mp4"), "cut off"),
        (without_durations(clip("fragmented.mp4")), "fragmented"),
        (cut(clip("fragmented.mp4"), 40), "cut off"),
        (cut(clip("01-meadow.mp4"), 1), "cut off"),
        (Vec::new(), "empty"),
        (b"<!DOCTYPE html><html>".to_vec(), "web page"),
        (b"{\"error\":1}".to_vec(), "JSON"),
        (vec![0xff, 0xd8, 0xff, 0xe0, 0, 0], "JPEG"),
        (vec![0x1a, 0x45, 0xdf, 0xa3, 0, 0], "WebM"),
    ] {
        let told = refusal(bytes);
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn an_index_behind_gigabytes_is_found() {
    // An mdat box that says it has 3 GiB, in a store that answers as if it were so.
    let clip = clip("moov-last.mp4");
    let facts = block_on(probe_bytes(clip.clone())).unwrap();
    let with_free = [&clip[..], &[0, 0, 0, 8], b"free"].concat();
    assert_eq!(block_on(probe_bytes(with_free)).unwrap(), facts);
}

/// Whatever the bytes are, probing answers, and takes no wild amount of memory or time.
#[test]
fn no_file_makes_it_panic() {
    let mut random = 7_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize % below
    };
    for name in ["moov-last.mp4", "hevc.mp4", "fragmented.mp4", "mp3-audio.mp4", "quicktime.mov"] {
        let whole = clip(name);
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..1 + next(4) {
                let at = next(bytes.len());
                bytes[at] = next(256) as u8;
            }
            bytes.truncate(bytes.len() - next(2) * next(whole.len()));
            let _ = block_on(probe_bytes(bytes));
        }
    }
}

/// What the index tells of the coding.
#[test]
fn an_index_tells_how_it_is_coded() {
    use autorepost_core::media::{Chroma, Details};
    let ordinary = probe("01-meadow.mp4").details;
    let bits = ordinary.bits_per_second.unwrap();
    assert!((100_000..200_000).contains(&bits), "{bits}");
    let wanted = Details {
        bits_per_second: Some(bits),
        chroma: Some(Chroma::Quarter),
        bit_depth: Some(8),
        progressive: Some(true),
        aac_lc: Some(true),
        ..Details::default()
    };
    assert_eq!(ordinary, wanted);
    let hevc = probe("hevc.mp4").details;
    assert_eq!((hevc.chroma, hevc.bit_depth, hevc.progressive), (Some(Chroma::Quarter), Some(8), Some(true)));
    assert_eq!(probe("no-audio.mp4").details.aac_lc, None);
}
