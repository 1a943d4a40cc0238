//! What a conversion makes: a plain value, worked out from the facts of a video and a destination's rules.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Cure, Rules};
use crate::media::MediaFacts;

/// The bit rate of converted pictures at most, in bits per second: what 1080p at 60 frames needs to look as before.
const PICTURE_BITS_MAX: u64 = 10_000_000;
/// The bit rate below which pictures are not worth looking at, in bits per second.
const PICTURE_BITS_MIN: u64 = 300_000;
/// The bit rate of converted sound, in bits per second (Instagram's Reel specifications).
pub const SOUND_BITS: u64 = 128_000;
/// The frame rate that slower videos get, in thousandths of a frame per second.
const FRAME_RATE_MILLI: u32 = 30_000;
/// A cut falls between two pictures or two pieces of sound: it is made this much earlier than the limit, in milliseconds.
const TRIM_MARGIN_MS: u64 = 250;

/// What a conversion makes: an MP4 whose index stands first, without edit lists and without metadata, of the first video
/// track and the first audio track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The pictures.
    pub pictures: Pictures,
    /// The sound, where there is any.
    pub sound: Sound,
    /// Where the video is cut off, in milliseconds from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim_ms: Option<u64>,
    /// Size in bytes at most.
    pub bytes_max: u64,
}

/// What becomes of the pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pictures {
    /// They stay as they are.
    Keep,
    /// They become H.264, High profile, 8 bits, 4:2:0, progressive, square pixels, closed groups of pictures.
    Encode(Encoding),
}

/// How pictures are coded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// Width and height of the picture itself, in pixels: even numbers.
    pub picture: (u32, u32),
    /// Width and height of the frame that it stands in the middle of, in pixels: even numbers, and nowhere smaller.
    pub frame: (u32, u32),
    /// Frames per second in thousandths; nothing when they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate_milli: Option<u32>,
    /// Make whole pictures of fields.
    #[serde(default)]
    pub deinterlace: bool,
    /// Bits per second at most.
    pub bits_per_second_max: u32,
}

/// What becomes of the sound. Its loudness always stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// It stays as it is.
    Keep,
    /// It becomes AAC of low complexity.
    Encode {
        /// Channels.
        channels: u16,
        /// Samples per second.
        sample_rate: u32,
    },
}

impl Profile {
    /// What must be made of a video, so that it meets `rules`.
    pub(super) fn of(rules: &Rules, facts: &MediaFacts, cures: &[Cure]) -> Self {
        let has = |cure| cures.contains(&cure);
        let duration_max = rules.duration_ms_max - TRIM_MARGIN_MS.min(rules.duration_ms_max / 2);
        Self {
            pictures: match has(Cure::Pictures) || has(Cure::Wish) || has(Cure::Edits) {
                true => Pictures::Encode(Encoding::of(rules, facts)),
                false => Pictures::Keep,
            },
            sound: match &facts.audio {
                Some(audio) if has(Cure::Sound) || has(Cure::Edits) => Sound::Encode {
                    channels: audio.channels.clamp(1, rules.channels_max.min(2)),
                    sample_rate: if audio.sample_rate == 44_100 { 44_100 } else { 48_000 },
                },
                _ => Sound::Keep,
            },
            trim_ms: has(Cure::Trim).then_some(duration_max),
            bytes_max: rules.bytes_max,
        }
    }
}

impl Encoding {
    fn of(rules: &Rules, facts: &MediaFacts) -> Self {
        let video = &facts.video;
        let (mut width, mut height) = (f64::from(video.width.max(1)), f64::from(video.height.max(1)));
        if let Some((across, down)) = facts.details.pixel_aspect {
            // The pixels are as coded, the dimensions as displayed.
            let stretch = f64::from(across.max(1)) / f64::from(down.max(1));
            if video.rotation % 180 == 90 { height *= stretch } else { width *= stretch }
        }
        let (narrowest, widest) = rules.aspect;
        let (frame_width, frame_height) = (width.max(height * narrowest), height.max(width / widest));
        let (long, short) = (frame_width.max(frame_height), frame_width.min(frame_height));
        let limits = [
            f64::from(rules.width_max) / frame_width,
            f64::from(rules.long_edge_max) / long,
            f64::from(rules.short_edge_max) / short,
        ];
        let shrink = limits.into_iter().fold(1.0, f64::min);
        let scale = shrink.max(f64::from(rules.edge_min) / short);
        let picture = (even(width * scale), even(height * scale));
        // Where the frame is larger than the picture it is rounded up, so that the ratio is met.
        let around = |frame: f64, own: f64, picture| if frame > own { even(frame * scale) + 2 } else { picture };
        let (slowest, fastest) = rules.frame_rate_milli;
        Self {
            picture,
            frame: (around(frame_width, width, picture.0), around(frame_height, height, picture.1)),
            frame_rate_milli: match video.frame_rate_milli {
                rate if rate < slowest => Some(FRAME_RATE_MILLI.clamp(slowest, fastest)),
                rate if rate > fastest => Some(fastest),
                // What an edit list delays is filled with frames, at a rate that must be said.
                rate => (facts.details.edited == Some(true)).then_some(rate),
            },
            deinterlace: facts.details.progressive == Some(false),
            bits_per_second_max: u32::try_from(picture_bits(rules, facts.duration_ms)).unwrap_or(u32::MAX),
        }
    }
}

/// Bits of pictures per second that keep a video of this length within the size.
fn picture_bits(rules: &Rules, duration_ms: u64) -> u64 {
    let duration_ms = duration_ms.clamp(1, rules.duration_ms_max);
    // A tenth is left for what an encoder cannot foresee, and for the container.
    let room = u128::from(rules.bytes_max) * 8 * 1_000 * 9 / 10 / u128::from(duration_ms);
    let room = u64::try_from(room).unwrap_or(u64::MAX).saturating_sub(SOUND_BITS * 2);
    room.min(rules.bits_per_second_max * 9 / 10).min(PICTURE_BITS_MAX)
}

/// Whether a video of this length can be made small enough for the destination and still be looked at.
pub(super) fn can_shrink(rules: &Rules, duration_ms: u64) -> bool {
    picture_bits(rules, duration_ms) >= PICTURE_BITS_MIN
}

fn even(pixels: f64) -> u32 {
    ((pixels / 2.0).floor() as u32).max(1) * 2
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pictures {
            Pictures::Keep => f.write_str("pictures as they were")?,
            Pictures::Encode(Encoding { frame: (width, height), frame_rate_milli, .. }) => {
                write!(f, "pictures as H.264, {width}×{height}")?;
                if let Some(rate) = frame_rate_milli {
                    write!(f, ", {} frames a second", f64::from(*rate) / 1e3)?;
                }
            }
        }
        match &self.sound {
            Sound::Keep => f.write_str("; sound as it was")?,
            Sound::Encode { channels, sample_rate } => {
                write!(f, "; sound as AAC, {channels} channels at {sample_rate} Hz")?;
            }
        }
        match self.trim_ms {
            Some(ms) => write!(f, "; cut off at {:.2} s", ms as f64 / 1e3),
            None => Ok(()),
        }
    }
}
