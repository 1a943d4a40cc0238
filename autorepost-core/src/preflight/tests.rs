use super::*;
use crate::media::{AudioTrack, Container, Details, VideoTrack};

fn facts() -> MediaFacts {
    MediaFacts {
        container: Container::Mp4,
        moov_first: true,
        fragmented: false,
        duration_ms: 9_000,
        video: VideoTrack { codec: VideoCodec::H264, width: 576, height: 1024, rotation: 0, frame_rate_milli: 30_000 },
        audio: Some(AudioTrack { codec: AudioCodec::Aac, channels: 2, sample_rate: 44_100 }),
        details: Details::default(),
    }
}

/// The facts of an ordinary clip, but for one thing.
fn but(change: impl FnOnce(&mut MediaFacts)) -> MediaFacts {
    let mut facts = facts();
    change(&mut facts);
    facts
}

#[track_caller]
fn says(facts: &MediaFacts, bytes: u64, platform: Platform, kind: &str, part: &str) {
    let (found, texts) = match check(facts, bytes, platform, false) {
        Verdict::Pass { notes } => ("pass", notes),
        Verdict::Convert { reasons, needed: true, profile } => match (profile.pictures, profile.sound) {
            (Pictures::Keep, Sound::Keep) => ("rewrite", reasons),
            (Pictures::Keep, _) => ("sound", reasons),
            _ => ("pictures", reasons),
        },
        Verdict::Convert { reasons, .. } => ("wish", reasons),
        Verdict::Reject { reasons } => ("reject", reasons),
    };
    assert_eq!(found, kind, "{texts:?}");
    assert!(texts.join("; ").contains(part), "{texts:?}");
}

#[test]
fn an_ordinary_clip_passes_everywhere() {
    for platform in [Platform::Instagram, Platform::X] {
        says(&facts(), 4_000_000, platform, "pass", "");
    }
    says(&facts(), 4_000_000, Platform::YouTube, "pass", "becomes a Short");
}

#[test]
fn each_rule_tells_what_it_found_and_what_it_wants() {
    use Platform::{Instagram, X, YouTube};
    let long = but(|it| it.duration_ms = 150_000);
    says(
        &long,
        1,
        X,
        "reject",
        "lasts 150.0 s, X takes at most 140 s: shorten the video, permit cutting it with the rule's option \"trim\"",
    );
    says(&long, 1, Instagram, "pass", "");
    says(&but(|it| it.duration_ms = 2_000), 1, Instagram, "reject", "at least 3.0 s");
    says(&facts(), 301_000_000, Instagram, "pictures", "at most 300 MB");
    let hevc = but(|it| it.video.codec = VideoCodec::Hevc);
    says(&hevc, 1, X, "pictures", "is coded as Hevc, X takes H.264");
    says(&hevc, 1, Instagram, "pass", "");
    let vp9 = but(|it| it.video.codec = VideoCodec::Vp9);
    says(&vp9, 1, Instagram, "pictures", "H.264 or HEVC");
    says(&vp9, 1, YouTube, "pass", "");
    says(&but(|it| it.video.frame_rate_milli = 12_000), 1, Instagram, "pictures", "12.0 frames");
    says(&but(|it| it.video.frame_rate_milli = 120_000), 1, X, "pictures", "120.0 frames");
    says(&but(|it| it.video.frame_rate_milli = 60_400), 1, X, "pass", "");
    says(&but(|it| it.video.width = 2_000), 1, Instagram, "pictures", "2000 pixels wide");
    says(&but(|it| it.video.width = 300), 1, X, "pictures", "ratios from 0.33 to 3");
    says(&but(|it| (it.video.width, it.video.height) = (30, 40)), 1, X, "pictures", "edges from 32");
    says(&but(|it| (it.video.width, it.video.height) = (1080, 1920)), 1, X, "wish", "at most 1280×1024");
    says(&but(|it| it.details.chroma = Some(Chroma::Full)), 1, Instagram, "pictures", "4:4:4 colours");
    says(&but(|it| it.details.progressive = Some(false)), 1, X, "pictures", "interlaced");
    says(&but(|it| it.details.bit_depth = Some(10)), 1, X, "pictures", "10 bits");
    says(&but(|it| it.details.pixel_aspect = Some((4, 3))), 1, X, "pictures", "4:3");
    says(&but(|it| it.details.bits_per_second = Some(26_000_000)), 1, Instagram, "pictures", "26.0 Mbit");
    let sound = |change: fn(&mut AudioTrack)| but(|it| change(it.audio.as_mut().unwrap()));
    says(&sound(|it| it.codec = AudioCodec::Mp3), 1, X, "sound", "takes AAC");
    says(&sound(|it| it.channels = 6), 1, Instagram, "sound", "6 channels");
    says(&sound(|it| it.sample_rate = 96_000), 1, Instagram, "sound", "96000 Hz");
    says(&but(|it| it.details.aac_lc = Some(false)), 1, X, "sound", "AAC-LC");
    let last = but(|it| it.moov_first = false);
    says(&last, 1, Instagram, "rewrite", "index at the end");
    says(&last, 1, YouTube, "pass", "Short");
    says(&but(|it| it.fragmented = true), 1, Instagram, "rewrite", "fragmented");
    says(&but(|it| it.details.edited = Some(true)), 1, Instagram, "pictures", "edit list");
}

fn profile(facts: &MediaFacts, bytes: u64, platform: Platform) -> Profile {
    match check(facts, bytes, platform, true) {
        Verdict::Convert { profile, .. } => profile,
        other => panic!("{other:?}"),
    }
}

fn encoding(facts: &MediaFacts, platform: Platform) -> Encoding {
    match profile(facts, 1, platform).pictures {
        Pictures::Encode(encoding) => encoding,
        Pictures::Keep => panic!("the pictures are kept"),
    }
}

#[test]
fn a_profile_changes_no_more_than_it_must() {
    let trimmed = profile(&but(|it| it.duration_ms = 150_000), 1, Platform::X);
    assert_eq!((trimmed.pictures, trimmed.sound, trimmed.trim_ms), (Pictures::Keep, Sound::Keep, Some(139_750)));
    let hevc = profile(&but(|it| it.video.codec = VideoCodec::Hevc), 1, Platform::X);
    assert_eq!((hevc.sound, hevc.trim_ms), (Sound::Keep, None));
    let encoding = encoding(&but(|it| it.video.codec = VideoCodec::Hevc), Platform::X);
    assert_eq!((encoding.picture, encoding.frame, encoding.frame_rate_milli), ((576, 1024), (576, 1024), None));
    let many = but(|it| it.audio = Some(AudioTrack { codec: AudioCodec::Aac, channels: 6, sample_rate: 96_000 }));
    let many = profile(&many, 1, Platform::Instagram);
    assert_eq!((many.pictures, many.sound), (Pictures::Keep, Sound::Encode { channels: 2, sample_rate: 48_000 }));
}

/// Whatever the dimensions and the pixels are, what is made meets the rules, and is not distorted.
#[test]
fn dimensions_meet_the_rules_and_keep_their_ratio() {
    for platform in [Platform::Instagram, Platform::X] {
        let rules = RULES.iter().find(|rules| rules.platform == platform).unwrap();
        for (width, height) in
            [(1080, 1920), (3840, 2160), (40, 4000), (4001, 401), (1000, 1000), (34, 33), (5, 31), (7680, 30)]
        {
            for (pixel_aspect, rotation) in [(None, 0), (Some((4, 3)), 0), (Some((4, 3)), 90)] {
                let given = but(|it| {
                    (it.video.width, it.video.height, it.video.rotation) = (width, height, rotation);
                    it.video.codec = VideoCodec::Av1;
                    it.details.pixel_aspect = pixel_aspect;
                });
                let made = encoding(&given, platform);
                let result = but(|it| (it.video.width, it.video.height) = made.frame);
                assert_eq!(pictures(rules, &result), [], "{width}×{height} {pixel_aspect:?} → {made:?}");
                assert!(made.frame.0 >= made.picture.0 && made.frame.1 >= made.picture.1, "{made:?}");
                assert!([made.frame.0, made.frame.1].iter().all(|edge| edge.is_multiple_of(2)), "{made:?}");
                let stretch = if pixel_aspect.is_none() {
                    1.0
                } else if rotation == 90 {
                    0.75
                } else {
                    4.0 / 3.0
                };
                let (was, is) = (
                    f64::from(width) / f64::from(height) * stretch,
                    f64::from(made.picture.0) / f64::from(made.picture.1),
                );
                let rounding = 2.0 / f64::from(made.picture.0.min(made.picture.1));
                assert!((was / is - 1.0).abs() <= rounding + 0.01, "{width}×{height} {was} → {made:?}");
            }
        }
    }
}

#[test]
fn what_is_too_large_gets_the_bits_that_fit() {
    let long = but(|it| it.duration_ms = 15 * 60_000);
    let Pictures::Encode(made) = profile(&long, 400_000_000, Platform::Instagram).pictures else { panic!() };
    let bytes = u64::from(made.bits_per_second_max) * 15 * 60 / 8;
    assert!((200_000_000..300_000_000).contains(&bytes), "{bytes}");
}

/// It is the key under which what was made is kept: another form would have everything made again.
#[test]
fn a_profile_is_written_as_it_always_was() {
    let encoding = Encoding {
        picture: (406, 720),
        frame: (406, 720),
        frame_rate_milli: Some(60_000),
        deinterlace: false,
        bits_per_second_max: 10_000_000,
    };
    let sound = Sound::Encode { channels: 2, sample_rate: 48_000 };
    let profile = Profile { pictures: Pictures::Encode(encoding), sound, trim_ms: Some(139_750), bytes_max: 9 };
    let text = concat!(
        r#"{"pictures":{"encode":{"picture":[406,720],"frame":[406,720],"frame_rate_milli":60000,"deinterlace":false,"#,
        r#""bits_per_second_max":10000000}},"sound":{"encode":{"channels":2,"sample_rate":48000}},"#,
        r#""trim_ms":139750,"bytes_max":9}"#,
    );
    assert_eq!(serde_json::to_string(&profile).unwrap(), text);
    assert_eq!(serde_json::from_str::<Profile>(text).unwrap(), profile);
    let kept = Profile { pictures: Pictures::Keep, sound: Sound::Keep, trim_ms: None, bytes_max: 9 };
    assert_eq!(serde_json::to_string(&kept).unwrap(), r#"{"pictures":"keep","sound":"keep","bytes_max":9}"#);
}
