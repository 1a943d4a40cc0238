//! Preflight: a media held against each destination's documented rules, before any allowance is spent.

use crate::{
    Platform,
    media::{AudioCodec, MediaFacts, VideoCodec},
};

/// One destination's rules for a video, with their source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// The destination.
    pub platform: Platform,
    /// Where the numbers were read.
    pub source: &'static str,
    /// When they were last read.
    pub checked: &'static str,
    /// Shortest duration in milliseconds.
    pub duration_ms_min: u64,
    /// Longest duration in milliseconds.
    pub duration_ms_max: u64,
    /// Largest file in bytes.
    pub bytes_max: u64,
    /// Largest width in pixels.
    pub width_max: u32,
    /// Slowest and fastest frame rate, in thousandths of a frame per second.
    pub frame_rate_milli: (u32, u32),
    /// Narrowest and widest ratio of width to height.
    pub aspect: (f64, f64),
    /// Whether HEVC is taken as well as H.264.
    pub hevc: bool,
    /// Whether other codecs are taken too.
    pub any_codec: bool,
    /// Whether the index must stand before the bytes.
    pub moov_first: bool,
}

/// The rules of every destination.
pub const RULES: [Rules; 3] = [
    Rules {
        platform: Platform::Instagram,
        source: "Instagram content publishing, Reel specifications",
        checked: "2026-11-23",
        duration_ms_min: 3_000,
        duration_ms_max: 15 * 60_000,
        bytes_max: 300_000_000,
        width_max: 1920,
        frame_rate_milli: (23_000, 60_000),
        aspect: (0.01, 10.0),
        hevc: true,
        any_codec: false,
        moov_first: true,
    },
    Rules {
        platform: Platform::YouTube,
        source: "YouTube Data API v3, videos.insert (revision 2026-11-04); 12 h is the limit of verified accounts",
        checked: "2026-11-23",
        duration_ms_min: 1,
        duration_ms_max: 12 * 3_600_000,
        bytes_max: 256_000_000_000,
        width_max: u32::MAX,
        frame_rate_milli: (0, u32::MAX),
        aspect: (0.0, f64::INFINITY),
        hevc: true,
        any_codec: true,
        moov_first: false,
    },
    Rules {
        platform: Platform::X,
        source: "X API media best practices, category tweet_video",
        checked: "2026-11-23",
        duration_ms_min: 500,
        duration_ms_max: 140_000,
        bytes_max: 512 << 20,
        width_max: u32::MAX,
        frame_rate_milli: (0, 60_000),
        aspect: (1.0 / 3.0, 3.0),
        hevc: false,
        any_codec: false,
        moov_first: false,
    },
];

/// Longest YouTube Short in milliseconds; longer or wider videos are ordinary ones.
pub const SHORT_MS_MAX: u64 = 180_000;

/// What preflight says of a media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It can be sent as it is.
    Pass {
        /// What is worth knowing.
        notes: Vec<String>,
    },
    /// The container must be written anew; the pictures and the sound can stay.
    Remux {
        /// Why.
        reasons: Vec<String>,
    },
    /// Pictures or sound must be converted.
    Transcode {
        /// Why.
        reasons: Vec<String>,
    },
    /// Nothing that a program may do to it helps.
    Reject {
        /// Why.
        reasons: Vec<String>,
    },
}

/// Holds a media against the rules of a destination. A platform without rules takes everything.
pub fn check(facts: &MediaFacts, bytes: u64, platform: Platform) -> Verdict {
    let Some(rules) = RULES.iter().find(|rules| rules.platform == platform) else {
        return Verdict::Pass { notes: Vec::new() };
    };
    for (reasons, verdict) in [
        (rejections(rules, facts, bytes), (|reasons| Verdict::Reject { reasons }) as fn(Vec<String>) -> Verdict),
        (conversions(rules, facts), |reasons| Verdict::Transcode { reasons }),
        (rewrites(rules, facts), |reasons| Verdict::Remux { reasons }),
    ] {
        if !reasons.is_empty() {
            return verdict(reasons);
        }
    }
    let mut notes = Vec::new();
    if platform == Platform::YouTube {
        let is = if is_short(facts) { "becomes a Short" } else { "becomes an ordinary video, not a Short" };
        notes.push(is.to_owned());
    }
    Verdict::Pass { notes }
}

/// Why a destination refuses a video of this duration, if it does: for a forecast, before its bytes are here.
pub fn refuses_duration(platform: Platform, duration_ms: u64) -> Option<String> {
    let rules = RULES.iter().find(|rules| rules.platform == platform)?;
    durations(rules, duration_ms)
}

/// Whether YouTube shows a video as a Short: upright or square, and at most 180 s long.
pub fn is_short(facts: &MediaFacts) -> bool {
    facts.video.height >= facts.video.width && facts.duration_ms <= SHORT_MS_MAX
}

fn rejections(rules: &Rules, facts: &MediaFacts, bytes: u64) -> Vec<String> {
    let name = rules.platform.title();
    let mut reasons = Vec::from_iter(durations(rules, facts.duration_ms));
    if bytes > rules.bytes_max {
        reasons.push(format!(
            "has {:.1} MB, {name} takes at most {:.0} MB: export the video smaller",
            bytes as f64 / 1e6,
            rules.bytes_max as f64 / 1e6
        ));
    }
    reasons
}

fn durations(rules: &Rules, duration_ms: u64) -> Option<String> {
    let (name, is) = (rules.platform.title(), secs(duration_ms));
    if duration_ms > rules.duration_ms_max {
        let most = secs(rules.duration_ms_max);
        return Some(format!(
            "lasts {is:.1} s, {name} takes at most {most:.0} s: shorten the video or leave {name} out of the rule"
        ));
    }
    let least = secs(rules.duration_ms_min);
    (duration_ms < rules.duration_ms_min).then(|| {
        format!(
            "lasts {is:.1} s, {name} takes at least {least:.1} s: lengthen the video or leave {name} out of the rule"
        )
    })
}

fn conversions(rules: &Rules, facts: &MediaFacts) -> Vec<String> {
    let (name, video) = (rules.platform.title(), &facts.video);
    let mut reasons = Vec::new();
    let codec_taken = match &video.codec {
        VideoCodec::H264 => true,
        VideoCodec::Hevc => rules.hevc,
        _ => rules.any_codec,
    };
    if !codec_taken {
        let taken = if rules.hevc { "H.264 or HEVC" } else { "H.264" };
        reasons.push(format!("is coded as {:?}, {name} takes {taken}: export the video as H.264", video.codec));
    }
    if let Some(audio) = facts.audio.as_ref().filter(|audio| audio.codec != AudioCodec::Aac && !rules.any_codec) {
        reasons.push(format!("has {:?} sound, {name} takes AAC: export the video with AAC", audio.codec));
    }
    let (slowest, fastest) = rules.frame_rate_milli;
    if !(slowest..=fastest).contains(&video.frame_rate_milli) {
        reasons.push(format!(
            "has {:.1} frames a second, {name} takes {} to {}",
            f64::from(video.frame_rate_milli) / 1e3,
            slowest / 1000,
            fastest / 1000
        ));
    }
    if video.width > rules.width_max {
        reasons.push(format!("is {} pixels wide, {name} takes at most {}", video.width, rules.width_max));
    }
    let aspect = f64::from(video.width) / f64::from(video.height.max(1));
    if !(rules.aspect.0..=rules.aspect.1).contains(&aspect) {
        reasons.push(format!(
            "is {}×{}, {name} takes ratios from {:.2} to {:.0}",
            video.width, video.height, rules.aspect.0, rules.aspect.1
        ));
    }
    reasons
}

fn rewrites(rules: &Rules, facts: &MediaFacts) -> Vec<String> {
    let name = rules.platform.title();
    let mut reasons = Vec::new();
    if rules.moov_first && facts.fragmented {
        reasons.push(format!("is a fragmented MP4, {name} wants a plain one: export it anew"));
    } else if rules.moov_first && !facts.moov_first {
        reasons
            .push(format!("has its index at the end, {name} wants it first: export it for streaming (\"fast start\")"));
    }
    reasons
}

fn secs(millis: u64) -> f64 {
    millis as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioTrack, Container, VideoTrack};

    fn facts() -> MediaFacts {
        MediaFacts {
            container: Container::Mp4,
            moov_first: true,
            fragmented: false,
            duration_ms: 9_000,
            video: VideoTrack {
                codec: VideoCodec::H264,
                width: 576,
                height: 1024,
                rotation: 0,
                frame_rate_milli: 30_000,
            },
            audio: Some(AudioTrack { codec: AudioCodec::Aac, channels: 2, sample_rate: 44_100 }),
        }
    }

    fn says(verdict: Verdict, kind: &str, part: &str) {
        let (found, texts) = match verdict {
            Verdict::Pass { notes } => ("pass", notes),
            Verdict::Remux { reasons } => ("remux", reasons),
            Verdict::Transcode { reasons } => ("transcode", reasons),
            Verdict::Reject { reasons } => ("reject", reasons),
        };
        assert_eq!(found, kind, "{texts:?}");
        assert!(texts.join("; ").contains(part), "{texts:?}");
    }

    #[test]
    fn an_ordinary_clip_passes_everywhere() {
        for platform in [Platform::Instagram, Platform::X] {
            says(check(&facts(), 4_000_000, platform), "pass", "");
        }
        says(check(&facts(), 4_000_000, Platform::YouTube), "pass", "becomes a Short");
    }

    #[test]
    fn each_rule_refuses_with_number_limit_and_remedy() {
        let long = MediaFacts { duration_ms: 150_000, ..facts() };
        says(check(&long, 1, Platform::X), "reject", "lasts 150.0 s, X takes at most 140 s: shorten");
        says(check(&long, 1, Platform::Instagram), "pass", "");
        let short = MediaFacts { duration_ms: 2_000, ..facts() };
        says(check(&short, 1, Platform::Instagram), "reject", "at least 3.0 s");
        says(check(&facts(), 301_000_000, Platform::Instagram), "reject", "at most 300 MB");
        let hevc = MediaFacts { video: VideoTrack { codec: VideoCodec::Hevc, ..facts().video }, ..facts() };
        says(check(&hevc, 1, Platform::X), "transcode", "H.264");
        says(check(&hevc, 1, Platform::Instagram), "pass", "");
        let slow = MediaFacts { video: VideoTrack { frame_rate_milli: 12_000, ..facts().video }, ..facts() };
        says(check(&slow, 1, Platform::Instagram), "transcode", "12.0 frames");
        let mp3 = AudioTrack { codec: AudioCodec::Mp3, channels: 2, sample_rate: 44_100 };
        says(check(&MediaFacts { audio: Some(mp3), ..facts() }, 1, Platform::X), "transcode", "AAC");
        let last = MediaFacts { moov_first: false, ..facts() };
        says(check(&last, 1, Platform::Instagram), "remux", "index at the end");
        says(check(&last, 1, Platform::YouTube), "pass", "Short");
    }
}
