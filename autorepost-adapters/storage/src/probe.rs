//! Looking into a video: container, codecs, duration, dimensions, rotation, frame rate, sound.
//!
//! Only the headers of the outermost boxes, the index (`moov`) and those of fragments (`moof`) are read, wherever they
//! stand, so a file of many gigabytes costs no more than a small one. The index itself is parsed by the `mp4parse` crate.

mod boxes;
mod details;
mod fragments;

use std::sync::Arc;

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    media::{AudioCodec, AudioTrack, Container, MediaFacts, MediaKey, VideoCodec, VideoTrack},
    port::{MediaStore, Probe},
};
use fragments::{Fragments, Run};
use futures_util::TryStreamExt;
use mp4parse::{AudioCodecSpecific, CodecType, MediaContext, SampleEntry, Track, TrackType};

const OP: &str = "probe media";
/// The largest index that is read. That of a feature film has about ten megabytes.
const MOOV_BYTES_MAX: u64 = 64 << 20;
/// The largest `ftyp` box that is read.
const FTYP_BYTES_MAX: u64 = 4 << 10;
/// The largest header of a fragment that is read.
const MOOF_BYTES_MAX: u64 = 1 << 20;
/// The largest segment index that is read.
const SIDX_BYTES_MAX: u64 = 1 << 20;
/// Outermost boxes that are looked at: two for each fragment, which lasts a second or more.
const BOXES_MAX: usize = 20_000;

/// Looks into the MP4 and QuickTime files of a media store.
pub struct Mp4Probe {
    store: Arc<dyn MediaStore>,
}

impl Mp4Probe {
    /// Looks into what `store` keeps.
    pub fn new(store: Arc<dyn MediaStore>) -> Self {
        Self { store }
    }

    async fn read(&self, key: &MediaKey, start: u64, bytes: u64) -> Result<Vec<u8>> {
        let stream = self.store.open(key, start..start.saturating_add(bytes)).await?;
        stream
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
    }
}

/// What the walk over the outermost boxes found.
struct Outline {
    ftyp: Vec<u8>,
    moov: Vec<u8>,
    moov_first: bool,
    fragments: Fragments,
    /// Whether every fragment was read.
    whole: bool,
}

#[async_trait]
impl Probe for Mp4Probe {
    async fn probe(&self, key: &MediaKey) -> Result<MediaFacts> {
        let size = self.store.size(key).await?;
        let size = size.ok_or_else(|| Error::not_found(OP, format!("no media {key} is stored")))?;
        let head = self.read(key, 0, 64).await?;
        if head.get(4..8) != Some(b"ftyp") {
            return Err(no_video(guess(&head)));
        }
        let outline = self.outline(key, size).await?;
        facts(&outline)
    }
}

impl Mp4Probe {
    async fn outline(&self, key: &MediaKey, size: u64) -> Result<Outline> {
        let (ftyp, moov, fragments) = (Vec::new(), Vec::new(), Fragments::default());
        let mut outline = Outline { ftyp, moov, moov_first: false, fragments, whole: true };
        let (mut at, mut mdat_seen) = (0_u64, false);
        for _ in 0..BOXES_MAX {
            if at >= size {
                break;
            }
            let header = self.read(key, at, 16).await?;
            let Some((kind, length)) = box_header(&header, size - at) else {
                return Err(no_video("its structure is broken: the file was cut off or altered"));
            };
            if length > size - at {
                return Err(no_video("the file was cut off before its end"));
            }
            match &kind {
                b"ftyp" if length <= FTYP_BYTES_MAX => outline.ftyp = self.read(key, at, length).await?,
                b"moov" if length > MOOV_BYTES_MAX => return Err(no_video("its index is larger than 64 MiB")),
                b"moov" => {
                    outline.moov = self.read(key, at, length).await?;
                    outline.moov_first = !mdat_seen;
                    outline.fragments.moov(&outline.moov);
                }
                b"mdat" => mdat_seen = true,
                b"moof" => {
                    let readable = length <= MOOF_BYTES_MAX;
                    let moof = if readable { self.read(key, at, length).await? } else { Vec::new() };
                    outline.whole &= outline.fragments.moof(&moof).is_some() && readable;
                }
                b"sidx" if length <= SIDX_BYTES_MAX => outline.fragments.sidx(&self.read(key, at, length).await?),
                _ => {}
            }
            at = at.saturating_add(length);
        }
        outline.whole &= at >= size;
        if outline.moov.is_empty() {
            return Err(no_video("it has no index (moov): the file was cut off, or its recording never ended"));
        }
        Ok(outline)
    }
}

/// Kind and length of the box that begins here, of which `left` bytes are in the file.
fn box_header(header: &[u8], left: u64) -> Option<([u8; 4], u64)> {
    let kind: [u8; 4] = header.get(4..8)?.try_into().ok()?;
    let length = match u32::from_be_bytes(header.get(..4)?.try_into().ok()?) {
        0 => left,
        1 => u64::from_be_bytes(header.get(8..16)?.try_into().ok()?),
        length => length.into(),
    };
    (length >= 8).then_some((kind, length))
}

fn facts(outline: &Outline) -> Result<MediaFacts> {
    let bytes = [outline.ftyp.as_slice(), outline.moov.as_slice()].concat();
    let context = mp4parse::read_mp4(&mut bytes.as_slice()).map_err(|cause| {
        no_video("its index is broken: the file was cut off or altered").source(format!("{cause:?}"))
    })?;
    let codes = sample_entry_codes(&outline.moov);
    let track = |kind| context.tracks.iter().enumerate().find(|(_, track)| track.track_type == kind);
    let (index, video) = track(TrackType::Video).ok_or_else(|| no_video("it has no pictures"))?;
    let code = codes.get(index).cloned().unwrap_or_default();
    let fragmented = outline.fragments.count > 0;
    let duration_ms = duration_ms(&context, video, outline);
    if duration_ms == 0 {
        let why = match fragmented {
            true => "it is a fragmented MP4 that does not tell its length: export it as a plain MP4",
            false => "its pictures last no time",
        };
        return Err(no_video(why));
    }
    let audio = track(TrackType::Audio).map(|(index, track)| audio(track, codes.get(index)));
    Ok(MediaFacts {
        container: if outline.ftyp.get(8..12) == Some(b"qt  ") { Container::Mov } else { Container::Mp4 },
        moov_first: outline.moov_first,
        fragmented: fragmented || context.mvex.is_some(),
        duration_ms,
        video: self::video(video, &code, duration_ms, run(video, outline).map_or(0, |run| run.samples)),
        audio,
        details: details::of(&outline.moov, duration_ms),
    })
}

fn video(track: &Track, code: &str, duration_ms: u64, in_fragments: u64) -> VideoTrack {
    let entry = track.stsd.iter().flat_map(|stsd| stsd.descriptions.iter()).find_map(|entry| match entry {
        SampleEntry::Video(video) => Some(video),
        _ => None,
    });
    let header = track.tkhd.as_ref();
    // The first column of the matrix says where the picture's own right points to (ISO 14496-12, 6.2.2).
    let rotation = header.map_or(0, |header| match (header.matrix.a.signum(), header.matrix.b.signum()) {
        (0, 1) => 90,
        (-1, 0) => 180,
        (0, -1) => 270,
        _ => 0,
    });
    let (width, height) = match entry {
        Some(entry) => (u32::from(entry.width), u32::from(entry.height)),
        None => header.map_or((0, 0), |header| (header.width >> 16, header.height >> 16)),
    };
    let (width, height) = if rotation % 180 == 90 { (height, width) } else { (width, height) };
    let frames: u64 =
        track.stts.iter().flat_map(|stts| stts.samples.iter()).map(|run| u64::from(run.sample_count)).sum();
    let frame_rate = frames.saturating_add(in_fragments).saturating_mul(1_000_000) / duration_ms.max(1);
    VideoTrack {
        codec: match (entry.map(|entry| entry.codec_type), code) {
            (Some(CodecType::H264), _) => VideoCodec::H264,
            (_, "hvc1" | "hev1") => VideoCodec::Hevc,
            (Some(CodecType::AV1), _) => VideoCodec::Av1,
            (Some(CodecType::VP9), _) => VideoCodec::Vp9,
            (_, code) => VideoCodec::Other(code.to_owned()),
        },
        width,
        height,
        rotation,
        frame_rate_milli: u32::try_from(frame_rate).unwrap_or(u32::MAX),
    }
}

fn audio(track: &Track, code: Option<&String>) -> AudioTrack {
    let entry = track.stsd.iter().flat_map(|stsd| stsd.descriptions.iter()).find_map(|entry| match entry {
        SampleEntry::Audio(audio) => Some(audio),
        _ => None,
    });
    let described = entry.and_then(|entry| match &entry.codec_specific {
        AudioCodecSpecific::ES_Descriptor(es) => Some(es),
        _ => None,
    });
    AudioTrack {
        codec: match entry.map(|entry| entry.codec_type) {
            Some(CodecType::AAC) => AudioCodec::Aac,
            Some(CodecType::MP3) => AudioCodec::Mp3,
            Some(CodecType::Opus) => AudioCodec::Opus,
            _ => AudioCodec::Other(code.cloned().unwrap_or_default()),
        },
        // The sample entry says two channels whatever there are: the decoder's own description knows better.
        channels: described
            .and_then(|es| es.audio_channel_count)
            .unwrap_or_else(|| entry.map_or(0, |entry| u16::try_from(entry.channelcount).unwrap_or(u16::MAX))),
        sample_rate: described
            .and_then(|es| es.audio_sample_rate)
            .unwrap_or_else(|| entry.map_or(0, |entry| entry.samplerate as u32)),
    }
}

/// What the fragments tell of a track, when all of them were read.
fn run<'a>(track: &Track, outline: &'a Outline) -> Option<&'a Run> {
    track.track_id.filter(|_| outline.whole).and_then(|id| outline.fragments.track(id))
}

/// The duration that the index tells, or else the fragments, or else the segment index; 0 when none of them does.
fn duration_ms(context: &MediaContext, track: &Track, outline: &Outline) -> u64 {
    let scaled =
        |units: u64, scale: u64| u64::try_from(u128::from(units) * 1000 / u128::from(scale.max(1))).unwrap_or(0);
    let own = track.duration.map_or(0, |duration| duration.0);
    if let (Some(run), Some(scale)) = (run(track, outline), track.timescale)
        && let Some(units) = run.units(own)
    {
        return scaled(units, scale.0);
    }
    let own = track.timescale.map_or(0, |scale| scaled(own, scale.0));
    let told = context.mvex.as_ref().and_then(|mvex| mvex.fragment_duration);
    match (told, context.timescale) {
        (Some(duration), Some(scale)) if duration.0 > 0 => own.max(scaled(duration.0, scale.0)),
        _ if outline.fragments.count > 0 => own.max(outline.fragments.index_ms().unwrap_or_default()),
        _ => own,
    }
}

/// The four-letter codes of the tracks' first sample entries, in the tracks' order: `mp4parse` keeps only those it knows.
fn sample_entry_codes(moov: &[u8]) -> Vec<String> {
    let at = |start: usize| moov.get(start + 16..start + 20);
    let starts = moov.windows(4).enumerate().filter(|(_, window)| *window == b"stsd").map(|(start, _)| start);
    starts.filter_map(at).map(|code| String::from_utf8_lossy(code).trim().to_owned()).collect()
}

fn no_video(why: &str) -> Error {
    Error::new(ErrorKind::Rejected, OP, format!("this is not a video that can be used: {why}"))
}

/// What a file that is no MP4 looks like.
fn guess(head: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    match head {
        [] => "it is empty",
        [0xff, 0xd8, 0xff, ..] => "it is a JPEG picture",
        [0x89, b'P', b'N', b'G', ..] => "it is a PNG picture",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "it is a WebM or Matroska file: export it as MP4",
        [b'R', b'I', b'F', b'F', ..] => "it is an AVI, WAV or WebP file: export it as MP4",
        _ if text.starts_with("<!doctype") || text.starts_with("<html") => "it is a web page",
        _ if text.starts_with('{') || text.starts_with('[') => "it is JSON",
        _ if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => "it is text",
        _ => "it is no MP4 file",
    }
}
