//! Preflight: a media held against each destination's documented rules, before any allowance is spent.

mod profile;
#[cfg(test)]
mod tests;

pub use profile::{Encoding, Pictures, Profile, SOUND_BITS, Sound};

use crate::{
    Platform,
    media::{AudioCodec, Chroma, MediaFacts, VideoCodec},
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
    /// Bits of pictures per second at most.
    pub bits_per_second_max: u64,
    /// Largest width in pixels.
    pub width_max: u32,
    /// Shortest edge in pixels.
    pub edge_min: u32,
    /// Longest long edge in pixels. A wish: larger ones are taken from some accounts.
    pub long_edge_max: u32,
    /// Longest short edge in pixels. A wish likewise.
    pub short_edge_max: u32,
    /// Slowest and fastest frame rate, in thousandths of a frame per second.
    pub frame_rate_milli: (u32, u32),
    /// Narrowest and widest ratio of width to height.
    pub aspect: (f64, f64),
    /// Whether HEVC is taken as well as H.264.
    pub hevc: bool,
    /// Whether other codecs are taken too.
    pub any_codec: bool,
    /// Whether colours must be 4:2:0, pictures progressive.
    pub plain_pictures: bool,
    /// Bits of a sample at most.
    pub bit_depth_max: u8,
    /// Whether pixels must be square.
    pub square_pixels: bool,
    /// Channels of sound at most.
    pub channels_max: u16,
    /// Samples of sound per second at most.
    pub sample_rate_max: u32,
    /// Whether AAC must be of low complexity.
    pub aac_lc: bool,
    /// Whether the index must stand before the bytes.
    pub moov_first: bool,
    /// Whether edit lists that change what is shown are taken.
    pub edit_lists: bool,
}

/// No rule at all.
const ANYTHING: Rules = Rules {
    platform: Platform::YouTube,
    source: "",
    checked: "",
    duration_ms_min: 1,
    duration_ms_max: u64::MAX,
    bytes_max: u64::MAX,
    bits_per_second_max: u64::MAX / 16,
    width_max: u32::MAX,
    edge_min: 0,
    long_edge_max: u32::MAX,
    short_edge_max: u32::MAX,
    frame_rate_milli: (0, u32::MAX - RATE_SLACK_MILLI),
    aspect: (0.0, f64::INFINITY),
    hevc: true,
    any_codec: true,
    plain_pictures: false,
    bit_depth_max: u8::MAX,
    square_pixels: false,
    channels_max: u16::MAX,
    sample_rate_max: u32::MAX,
    aac_lc: false,
    moov_first: false,
    edit_lists: true,
};

/// The rules of every destination.
pub const RULES: [Rules; 3] = [
    Rules {
        platform: Platform::Instagram,
        source: "Instagram content publishing, Reel specifications",
        checked: "2026-11-23",
        duration_ms_min: 3_000,
        duration_ms_max: 15 * 60_000,
        bytes_max: 300_000_000,
        bits_per_second_max: 25_000_000,
        width_max: 1920,
        frame_rate_milli: (23_000, 60_000),
        aspect: (0.01, 10.0),
        any_codec: false,
        plain_pictures: true,
        channels_max: 2,
        sample_rate_max: 48_000,
        moov_first: true,
        edit_lists: false,
        ..ANYTHING
    },
    Rules {
        platform: Platform::YouTube,
        source: "YouTube Data API v3, videos.insert (revision 2026-11-04); 12 h is the limit of verified accounts",
        checked: "2026-11-23",
        duration_ms_max: 12 * 3_600_000,
        bytes_max: 256_000_000_000,
        ..ANYTHING
    },
    Rules {
        platform: Platform::X,
        source: "X API media best practices, category tweet_video",
        checked: "2026-11-23",
        duration_ms_min: 500,
        duration_ms_max: 140_000,
        bytes_max: 512 << 20,
        edge_min: 32,
        long_edge_max: 1280,
        short_edge_max: 1024,
        frame_rate_milli: (0, 60_000),
        aspect: (1.0 / 3.0, 3.0),
        hevc: false,
        any_codec: false,
        plain_pictures: true,
        bit_depth_max: 8,
        square_pixels: true,
        channels_max: 2,
        aac_lc: true,
        ..ANYTHING
    },
];

/// Longest YouTube Short in milliseconds; longer or wider videos are ordinary ones.
pub const SHORT_MS_MAX: u64 = 180_000;
/// How far an average frame rate may be over a limit, in thousandths: durations are known to a millisecond.
const RATE_SLACK_MILLI: u32 = 500;

/// What preflight says of a media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It can be sent as it is.
    Pass {
        /// What is worth knowing.
        notes: Vec<String>,
    },
    /// It must be converted.
    Convert {
        /// To what.
        profile: Profile,
        /// Why.
        reasons: Vec<String>,
        /// Whether it is refused otherwise. If not, it is sent as it is where nothing converts it.
        needed: bool,
    },
    /// Nothing that a program may do to it helps.
    Reject {
        /// Why.
        reasons: Vec<String>,
    },
}

/// What helps against a rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cure {
    /// Nothing that a program may do.
    None,
    /// Cutting off the end, which the owner of the rule consents to.
    Trim,
    /// Writing the container anew.
    Rewrite,
    /// Coding everything anew, so that what an edit list says becomes so.
    Edits,
    /// Coding the sound anew.
    Sound,
    /// Coding the pictures anew.
    Pictures,
    /// Coding the pictures anew, if that is possible: they may be taken as they are.
    Wish,
}

/// Holds a media against the rules of a destination. With `trim` the owner consents to cutting off what is too long. A
/// platform without rules takes everything.
pub fn check(facts: &MediaFacts, bytes: u64, platform: Platform, trim: bool) -> Verdict {
    let Some(rules) = RULES.iter().find(|rules| rules.platform == platform) else {
        return Verdict::Pass { notes: Vec::new() };
    };
    let broken = broken(rules, facts, bytes, trim);
    let (fatal, cures) =
        (reasons(&broken, |cure| cure == Cure::None), broken.iter().map(|(cure, _)| *cure).collect::<Vec<_>>());
    if !fatal.is_empty() {
        return Verdict::Reject { reasons: fatal };
    }
    if !broken.is_empty() {
        return Verdict::Convert {
            profile: Profile::of(rules, facts, &cures),
            reasons: reasons(&broken, |_| true),
            needed: cures.iter().any(|cure| *cure != Cure::Wish),
        };
    }
    let mut notes = Vec::new();
    if platform == Platform::YouTube {
        let is = if is_short(facts) { "becomes a Short" } else { "becomes an ordinary video, not a Short" };
        notes.push(is.to_owned());
    }
    Verdict::Pass { notes }
}

/// Why a destination refuses a video of this duration, if it does: for a forecast, before its bytes are here.
pub fn refuses_duration(platform: Platform, duration_ms: u64, trim: bool) -> Option<String> {
    let rules = RULES.iter().find(|rules| rules.platform == platform)?;
    duration(rules, duration_ms, trim).filter(|(cure, _)| *cure == Cure::None).map(|(_, reason)| reason)
}

/// Whether YouTube shows a video as a Short: upright or square, and at most 180 s long.
pub fn is_short(facts: &MediaFacts) -> bool {
    facts.video.height >= facts.video.width && facts.duration_ms <= SHORT_MS_MAX
}

fn reasons(broken: &[(Cure, String)], which: impl Fn(Cure) -> bool) -> Vec<String> {
    broken.iter().filter(|(cure, _)| which(*cure)).map(|(_, reason)| reason.clone()).collect()
}

/// Every rule that a media breaks, and what helps.
fn broken(rules: &Rules, facts: &MediaFacts, bytes: u64, trim: bool) -> Vec<(Cure, String)> {
    let mut broken = Vec::from_iter(duration(rules, facts.duration_ms, trim));
    broken.extend(size(rules, facts, bytes));
    broken.extend(pictures(rules, facts));
    broken.extend(sound(rules, facts).map(|reason| (Cure::Sound, reason)));
    broken.extend(container(rules, facts));
    broken
}

fn duration(rules: &Rules, duration_ms: u64, trim: bool) -> Option<(Cure, String)> {
    let (name, is) = (rules.platform.title(), secs(duration_ms));
    if duration_ms > rules.duration_ms_max {
        let told = format!("lasts {is:.1} s, {name} takes at most {:.0} s", secs(rules.duration_ms_max));
        return Some(match trim {
            true => (Cure::Trim, told),
            false => {
                let remedy = "shorten the video, permit cutting it with the rule's option \"trim\", or leave";
                (Cure::None, format!("{told}: {remedy} {name} out of the rule"))
            }
        });
    }
    let least = secs(rules.duration_ms_min);
    (duration_ms < rules.duration_ms_min).then(|| {
        let remedy = format!("lengthen the video or leave {name} out of the rule");
        (Cure::None, format!("lasts {is:.1} s, {name} takes at least {least:.1} s: {remedy}"))
    })
}

fn size(rules: &Rules, facts: &MediaFacts, bytes: u64) -> Option<(Cure, String)> {
    let cure = if profile::can_shrink(rules, facts.duration_ms) { Cure::Pictures } else { Cure::None };
    (bytes > rules.bytes_max).then(|| {
        let (is, most, name) = (bytes as f64 / 1e6, rules.bytes_max as f64 / 1e6, rules.platform.title());
        (cure, format!("has {is:.1} MB, {name} takes at most {most:.0} MB"))
    })
}

fn pictures(rules: &Rules, facts: &MediaFacts) -> Vec<(Cure, String)> {
    let (name, video, details) = (rules.platform.title(), &facts.video, &facts.details);
    let mut broken = Vec::new();
    let mut must = |reason: String| broken.push((Cure::Pictures, reason));
    let codec_taken = match &video.codec {
        VideoCodec::H264 => true,
        VideoCodec::Hevc => rules.hevc,
        _ => rules.any_codec,
    };
    if !codec_taken {
        let taken = if rules.hevc { "H.264 or HEVC" } else { "H.264" };
        must(format!("is coded as {:?}, {name} takes {taken}", video.codec));
    }
    if let Some(chroma) = details.chroma.filter(|chroma| rules.plain_pictures && *chroma != Chroma::Quarter) {
        must(format!("has {chroma} colours, {name} takes 4:2:0"));
    }
    if rules.plain_pictures && details.progressive == Some(false) {
        must(format!("is interlaced, {name} takes progressive pictures"));
    }
    if let Some(bits) = details.bit_depth.filter(|bits| *bits > rules.bit_depth_max) {
        must(format!("has samples of {bits} bits, {name} takes {}", rules.bit_depth_max));
    }
    if let Some((across, down)) = details.pixel_aspect.filter(|(across, down)| rules.square_pixels && across != down) {
        must(format!("has pixels of {across}:{down}, {name} takes square ones"));
    }
    if let Some(bits) = details.bits_per_second.filter(|bits| u64::from(*bits) > rules.bits_per_second_max) {
        let most = rules.bits_per_second_max as f64 / 1e6;
        must(format!("has {:.1} Mbit a second, {name} takes at most {most:.0}", f64::from(bits) / 1e6));
    }
    let (slowest, fastest) = rules.frame_rate_milli;
    if !(slowest..=fastest + RATE_SLACK_MILLI).contains(&video.frame_rate_milli) {
        let is = f64::from(video.frame_rate_milli) / 1e3;
        must(format!("has {is:.1} frames a second, {name} takes {} to {}", slowest / 1000, fastest / 1000));
    }
    if video.width > rules.width_max {
        must(format!("is {} pixels wide, {name} takes at most {}", video.width, rules.width_max));
    }
    let aspect = f64::from(video.width) / f64::from(video.height.max(1));
    if !(rules.aspect.0..=rules.aspect.1).contains(&aspect) {
        let (width, height) = (video.width, video.height);
        must(format!("is {width}×{height}, {name} takes ratios from {:.2} to {:.0}", rules.aspect.0, rules.aspect.1));
    }
    let (long, short) = (video.width.max(video.height), video.width.min(video.height));
    if short < rules.edge_min {
        must(format!("is {}×{}, {name} takes edges from {} pixels", video.width, video.height, rules.edge_min));
    }
    if long > rules.long_edge_max || short > rules.short_edge_max {
        let (long, short) = (rules.long_edge_max, rules.short_edge_max);
        let reason = format!("is {}×{}, {name} wants at most {long}×{short} either way", video.width, video.height);
        broken.push((Cure::Wish, reason));
    }
    broken
}

fn sound(rules: &Rules, facts: &MediaFacts) -> Option<String> {
    let (name, audio) = (rules.platform.title(), facts.audio.as_ref()?);
    if audio.codec != AudioCodec::Aac && !rules.any_codec {
        return Some(format!("has {:?} sound, {name} takes AAC", audio.codec));
    }
    if rules.aac_lc && facts.details.aac_lc == Some(false) {
        return Some(format!("has AAC sound of another profile, {name} takes AAC-LC"));
    }
    if audio.channels > rules.channels_max {
        return Some(format!("has {} channels of sound, {name} takes at most {}", audio.channels, rules.channels_max));
    }
    let (is, most) = (audio.sample_rate, rules.sample_rate_max);
    (is > most).then(|| format!("has sound of {is} Hz, {name} takes at most {most}"))
}

fn container(rules: &Rules, facts: &MediaFacts) -> impl Iterator<Item = (Cure, String)> {
    let name = rules.platform.title();
    let fragmented = (rules.moov_first && facts.fragmented)
        .then(|| (Cure::Rewrite, format!("is a fragmented MP4, {name} wants a plain one")));
    let last = (rules.moov_first && !facts.fragmented && !facts.moov_first)
        .then(|| (Cure::Rewrite, format!("has its index at the end, {name} wants it first")));
    let edited = (!rules.edit_lists && facts.details.edited == Some(true))
        .then(|| (Cure::Edits, format!("has an edit list that changes what is shown, {name} takes none")));
    fragmented.into_iter().chain(last).chain(edited)
}

fn secs(millis: u64) -> f64 {
    millis as f64 / 1e3
}
