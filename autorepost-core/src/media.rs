//! Media: the bytes of a post, named by their content, and what probing them found.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;

/// The name of stored bytes: the SHA-256 of their content, in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaKey([u8; 32]);

impl MediaKey {
    /// Wraps a finished SHA-256 digest.
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The key of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaKey({self})")
    }
}

impl FromStr for MediaKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::invalid("parse media key", "a media key is 64 lower-case hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(invalid());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for MediaKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MediaKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A stored media: its name, its size, and what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// The name under which the media store holds it.
    pub key: MediaKey,
    /// Size in bytes.
    pub bytes: u64,
    /// What probing it found.
    pub facts: MediaFacts,
}

/// What probing a video found. Dimensions are as displayed, that is after rotation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaFacts {
    /// The container.
    pub container: Container,
    /// Whether the index (`moov`) stands before the bytes (`mdat`), as streaming wants it.
    pub moov_first: bool,
    /// Whether the file is fragmented MP4.
    pub fragmented: bool,
    /// Duration in milliseconds.
    pub duration_ms: u64,
    /// The video track.
    pub video: VideoTrack,
    /// The audio track, if there is one.
    pub audio: Option<AudioTrack>,
    /// What else the file tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

/// What a file tells of its coding. What it does not tell is absent, and no rule is held against it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Bits of pictures in a second, on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_second: Option<u32>,
    /// How colours are sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chroma: Option<Chroma>,
    /// Bits of a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<u8>,
    /// Whether each picture is a whole one, and not two fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progressive: Option<bool>,
    /// Width to height of a pixel as coded, where it is said not to be square.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_aspect: Option<(u32, u32)>,
    /// Whether AAC sound is of the low complexity profile, which every player knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aac_lc: Option<bool>,
    /// Whether an edit list delays, cuts, repeats or slows what is shown. One that only leaves out what an encoder wrote
    /// before the first sample does none of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<bool>,
}

impl Details {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How colours are sampled, against brightness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Chroma {
    /// No colours.
    #[serde(rename = "4:0:0")]
    Grey,
    /// A quarter.
    #[serde(rename = "4:2:0")]
    Quarter,
    /// A half.
    #[serde(rename = "4:2:2")]
    Half,
    /// All.
    #[serde(rename = "4:4:4")]
    Full,
}

impl fmt::Display for Chroma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Grey => "4:0:0",
            Self::Quarter => "4:2:0",
            Self::Half => "4:2:2",
            Self::Full => "4:4:4",
        })
    }
}

/// The container format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// ISO base media, brand `isom`, `mp42` and the like.
    Mp4,
    /// QuickTime, brand `qt  `.
    Mov,
}

/// Facts of a video track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoTrack {
    /// The codec.
    pub codec: VideoCodec,
    /// Displayed width in pixels.
    pub width: u32,
    /// Displayed height in pixels.
    pub height: u32,
    /// Rotation in degrees that a player applies: 0, 90, 180 or 270.
    pub rotation: u16,
    /// Average frames per second, in thousandths.
    pub frame_rate_milli: u32,
}

/// A video codec, as far as the destinations tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264 / AVC.
    H264,
    /// H.265 / HEVC.
    Hevc,
    /// AV1.
    Av1,
    /// VP9.
    Vp9,
    /// Anything else, by its sample entry code.
    Other(String),
}

/// Facts of an audio track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioTrack {
    /// The codec.
    pub codec: AudioCodec,
    /// Number of channels.
    pub channels: u16,
    /// Samples per second.
    pub sample_rate: u32,
}

/// An audio codec, as far as the destinations tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// AAC.
    Aac,
    /// MPEG layer 3.
    Mp3,
    /// Opus.
    Opus,
    /// Anything else, by its sample entry code.
    Other(String),
}
