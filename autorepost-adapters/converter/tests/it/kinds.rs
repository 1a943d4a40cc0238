//! Videos of many kinds become what their destination takes.

use std::fs;

use autorepost_core::{
    Platform,
    media::VideoCodec,
    port::{Converter, MediaStore as _},
    preflight::{Pictures, Sound, Verdict, check},
};
use futures_util::TryStreamExt;

use crate::{
    House,
    made::{make, probed, sources},
    wanted,
};

const X: Platform = Platform::X;
const INSTAGRAM: Platform = Platform::Instagram;

/// Name, arguments after the sources, file ending, destination, and a part of the reason.
const KINDS: [(&str, &str, &str, Platform, &str); 12] = [
    ("hevc", "-c:v libx265 -x265-params log-level=none -tag:v hvc1 -c:a aac", "mp4", X, "Hevc"),
    ("vp9", "-c:v libvpx-vp9 -deadline realtime -c:a aac", "mp4", INSTAGRAM, "Vp9"),
    ("moov-last", "-c:v libx264 -c:a aac", "mov", INSTAGRAM, "index at the end"),
    ("fragmented", "-c:v libx264 -c:a aac -movflags frag_keyframe+empty_moov", "mp4", INSTAGRAM, "fragmented"),
    ("4:4:4", "-c:v libx264 -pix_fmt yuv444p -c:a aac", "mp4", X, "4:4:4 colours"),
    ("10-bit", "-c:v libx264 -pix_fmt yuv420p10le -c:a aac", "mp4", X, "10 bits"),
    ("interlaced", "-vf interlace -flags +ilme+ildct -c:v libx264 -c:a aac", "mp4", X, "interlaced"),
    ("wide-pixels", "-vf setsar=4/3 -c:v libx264 -c:a aac", "mp4", X, "pixels of 4:3"),
    ("slow", "-r 12 -c:v libx264 -c:a aac -movflags faststart", "mp4", INSTAGRAM, "12.0 frames"),
    ("mp3", "-c:v libx264 -c:a libmp3lame", "mp4", X, "Mp3 sound"),
    ("5.1", "-c:v libx264 -c:a aac -ac 6 -movflags faststart", "mp4", INSTAGRAM, "6 channels"),
    ("delayed", "-c:v libx264 -af asetpts=PTS+0.5/TB -c:a aac -movflags faststart", "mp4", INSTAGRAM, "edit list"),
];

#[tokio::test]
async fn each_kind_becomes_what_its_destination_takes() {
    let house = House::new();
    for (name, arguments, ending, platform, reason) in KINDS {
        let file = house.folder.path().join(format!("{}.{ending}", name.replace(':', "")));
        make(&format!("{} -pix_fmt yuv420p {arguments}", sources("320x240", 25, 4.0)), &file);
        let source = house.keep_file(&file).await;
        let (profile, told) = wanted(&source, platform);
        assert!(told.contains(reason), "{name}: {told}");
        let made = house.convert(&source, &profile).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let verdict = check(&made.facts, made.bytes, platform, false);
        assert!(matches!(verdict, Verdict::Pass { .. }), "{name}: {verdict:?} of {:?}", made.facts);
        assert!(made.facts.duration_ms.abs_diff(source.facts.duration_ms) < 200, "{name}: {:?}", made.facts);
        assert!(made.facts.moov_first && !made.facts.fragmented, "{name}: {:?}", made.facts);
        assert_eq!(made.facts.details.edited, None, "{name} has an edit list");

        let bytes: Vec<_> = house.store.open(&made.key, 0..made.bytes).await.unwrap().try_collect().await.unwrap();
        let out = house.folder.path().join("out.mp4");
        fs::write(&out, bytes.concat()).unwrap();
        for stream in ["v:0", "a:0"] {
            let start: f64 = probed(&out, stream, "start_time").parse().unwrap();
            assert!(start.abs() < 0.001, "{name}: {stream} starts at {start}");
        }
        if profile.pictures != Pictures::Keep {
            assert_eq!(
                probed(&out, "v:0", "codec_name,profile,pix_fmt,field_order"),
                "h264,High,yuv420p,progressive",
                "{name}"
            );
        }
        if profile.sound != Sound::Keep {
            assert_eq!(probed(&out, "a:0", "codec_name,profile"), "aac,LC", "{name}");
        }
        // The same once more gives the same bytes: nothing of the time or the place is in them.
        if name == "hevc" {
            assert_eq!(house.convert(&source, &profile).await.unwrap().key, made.key);
        }
    }
    assert_eq!(house.left(), Vec::<String>::new());
}

#[tokio::test]
async fn rotation_is_baked_in_and_a_frame_is_put_around_what_is_too_narrow() {
    let house = House::new();
    let (flat, turned) = (house.folder.path().join("flat.mp4"), house.folder.path().join("turned.mp4"));
    make(&format!("{} -c:v libx264 -pix_fmt yuv444p -c:a aac", sources("320x240", 25, 2.0)), &flat);
    make(&format!("-i {} -c copy -metadata:s:v:0 rotate=90", flat.display()), &turned);
    let source = house.keep_file(&turned).await;
    assert_eq!((source.facts.video.width, source.facts.video.height), (240, 320));
    let made = house.convert(&source, &wanted(&source, X).0).await.unwrap();
    assert_eq!((made.facts.video.width, made.facts.video.height, made.facts.video.rotation), (240, 320, 0));

    let narrow = house.folder.path().join("narrow.mp4");
    make("-f lavfi -i testsrc=size=64x640:rate=25:duration=2 -c:v libx264 -pix_fmt yuv420p", &narrow);
    let source = house.keep_file(&narrow).await;
    let (profile, told) = wanted(&source, X);
    assert!(told.contains("64×640, X takes ratios"), "{told}");
    let made = house.convert(&source, &profile).await.unwrap();
    assert_eq!((made.facts.video.height, &made.facts.audio), (640, &None));
    assert!(matches!(check(&made.facts, made.bytes, X, false), Verdict::Pass { .. }), "{:?}", made.facts);
}

#[tokio::test]
async fn what_is_too_long_too_fast_and_too_large_is_cut_slowed_and_shrunk() {
    let house = House::new();
    let long = house.folder.path().join("long.mp4");
    make(&format!("{} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac", sources("160x120", 10, 150.0)), &long);
    let source = house.keep_file(&long).await;
    assert!(matches!(check(&source.facts, source.bytes, X, false), Verdict::Reject { .. }));
    let (profile, _) = wanted(&source, X);
    assert_eq!((&profile.pictures, &profile.sound), (&Pictures::Keep, &Sound::Keep));
    let made = house.convert(&source, &profile).await.unwrap();
    assert!((139_000..=140_000).contains(&made.facts.duration_ms), "{:?}", made.facts);

    let fast = house.folder.path().join("fast.mp4");
    make(
        "-f lavfi -i testsrc=size=1440x1440:rate=120:duration=1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
        &fast,
    );
    let source = house.keep_file(&fast).await;
    let (profile, told) = wanted(&source, X);
    assert!(told.contains("120.0 frames") && told.contains("1440×1440"), "{told}");
    let made = house.convert(&source, &profile).await.unwrap();
    let video = &made.facts.video;
    assert_eq!((&video.codec, video.width, video.height), (&VideoCodec::H264, 1024, 1024));
    assert!((59_000..=60_500).contains(&video.frame_rate_milli), "{video:?}");

    // A limit that cannot be kept is no video that is cut short.
    let tight = autorepost_core::preflight::Profile { bytes_max: 2_000, ..profile };
    let error = house.convert(&source, &tight).await.unwrap_err();
    assert!(error.detail().contains("more than"), "{error}");
    assert_eq!(house.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_picture_is_taken_anywhere_in_a_video_and_at_its_end() {
    let house = House::new();
    let file = house.folder.path().join("clip.mp4");
    make(&format!("{} -c:v libx264 -c:a aac", sources("1920x1080", 25, 2.0)), &file);
    let source = house.keep_file(&file).await;
    for offset_ms in [0, 900, 60_000] {
        let jpeg = house.ffmpeg.still(&source, offset_ms, 2_000_000).await.unwrap();
        assert_eq!(jpeg[..3], [0xff, 0xd8, 0xff]);
        let out = house.folder.path().join("out.jpg");
        fs::write(&out, &jpeg).unwrap();
        assert_eq!(probed(&out, "v:0", "width,height"), "1280,720");
    }
    let error = house.ffmpeg.still(&source, 0, 100).await.unwrap_err();
    assert!(error.detail().contains("at most 100"), "{error}");
}
