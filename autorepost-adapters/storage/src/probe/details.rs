//! What the index tells of the coding: sampling of colours, bits, fields, pixels, profile of the sound, edit lists.
//!
//! Read from the boxes themselves: `mp4parse` gives neither all entries of an edit list nor anything of HEVC. What cannot be
//! read is not told.

use autorepost_core::media::{Chroma, Details};

use super::boxes::{body, boxes, number, within};

/// Bytes of a visual sample entry before its boxes (ISO 14496-12, 12.1.3), and of an audio one (12.2.3).
const VISUAL_BYTES: usize = 78;
const AUDIO_BYTES: usize = 28;
/// What an edit list may leave out at the beginning, or delay, without changing what is seen or heard, in milliseconds:
/// encoders write some frames ahead, and tracks begin a little apart.
const EDIT_SLACK_MS: u64 = 100;

/// What the index of a file tells, whose pictures last `duration_ms`.
pub(super) fn of(moov: &[u8], duration_ms: u64) -> Details {
    let moov = body(moov);
    let track = |wanted: &[u8; 4]| {
        let tracks = boxes(moov).filter(|(kind, _)| *kind == b"trak").map(|(_, track)| track);
        tracks.into_iter().find(|track| {
            within(track, &[b"mdia", b"hdlr"]).and_then(|hdlr| hdlr.get(8..12)) == Some(wanted.as_slice())
        })
    };
    let (video, audio) = (track(b"vide"), track(b"soun"));
    let entry = video.and_then(sample_entry).and_then(|(_, entry)| entry.get(VISUAL_BYTES..));
    let coding = entry.and_then(coding).unwrap_or_default();
    let scale = within(moov, &[b"mvhd"]).and_then(timescale).unwrap_or(0);
    let edits: Vec<bool> = [video, audio].into_iter().flatten().filter_map(|track| edited(track, scale)).collect();
    Details {
        bits_per_second: video.and_then(sample_bytes).and_then(|bytes| bits_per_second(bytes, duration_ms)),
        chroma: coding.chroma,
        bit_depth: coding.bit_depth,
        progressive: coding.progressive,
        pixel_aspect: entry.and_then(pixel_aspect),
        aac_lc: audio.and_then(sample_entry).and_then(|(_, entry)| aac_lc(entry.get(AUDIO_BYTES..)?)),
        edited: (!edits.is_empty()).then(|| edits.contains(&true)),
    }
}

/// Kind and content of a track's first sample entry.
fn sample_entry(track: &[u8]) -> Option<(&[u8; 4], &[u8])> {
    let stsd = within(track, &[b"mdia", b"minf", b"stbl", b"stsd"])?;
    boxes(stsd.get(8..)?).next()
}

/// Bytes of all samples that the index names (`stsz`, 8.7.3.2); nothing when it names none.
fn sample_bytes(track: &[u8]) -> Option<u64> {
    let stsz = within(track, &[b"mdia", b"minf", b"stbl", b"stsz"])?;
    let (each, count) = (u64::from(number(stsz, 4)?), u64::from(number(stsz, 8)?));
    let sizes = stsz.get(12..)?.chunks_exact(4).map(|size| u64::from(number(size, 0).unwrap_or(0)));
    let bytes = if each > 0 { each * count } else { sizes.sum() };
    (bytes > 0).then_some(bytes)
}

fn bits_per_second(bytes: u64, duration_ms: u64) -> Option<u32> {
    u32::try_from(u128::from(bytes) * 8_000 / u128::from(duration_ms.max(1))).ok()
}

/// The time scale of `mvhd` or `mdhd`: units per second.
fn timescale(header: &[u8]) -> Option<u64> {
    number(header, if header.first() == Some(&1) { 20 } else { 12 }).map(u64::from).filter(|scale| *scale > 0)
}

/// Whether the track's edit list (8.6.6) changes what is shown; nothing when there is none.
fn edited(track: &[u8], movie_scale: u64) -> Option<bool> {
    let elst = within(track, &[b"edts", b"elst"])?;
    let media_scale = timescale(within(track, &[b"mdia", b"mdhd"])?)?;
    let wide = elst.first() == Some(&1);
    let count = usize::try_from(number(elst, 4)?).ok()?;
    let (mut shown, mut odd, mut delay) = (0_usize, false, 0_u64);
    for entry in elst.get(8..)?.chunks_exact(if wide { 20 } else { 12 }).take(count) {
        let long = |at: usize| Some(u64::from_be_bytes(*entry.get(at..at + 8)?.first_chunk()?));
        let (lasts, begins, rate) = match wide {
            true => (long(0)?, long(8)?.cast_signed(), number(entry, 16)?),
            false => (number(entry, 0)?.into(), number(entry, 4)?.cast_signed().into(), number(entry, 8)?),
        };
        match u64::try_from(begins) {
            Err(_) => delay = delay.saturating_add(lasts),
            Ok(begins) => {
                shown += 1;
                odd |= begins.saturating_mul(1_000) / media_scale > EDIT_SLACK_MS || rate != 0x0001_0000;
            }
        }
    }
    Some(odd || shown > 1 || delay.saturating_mul(1_000) / movie_scale.max(1) > EDIT_SLACK_MS)
}

/// Width to height of a pixel (`pasp`, 12.1.4), when it is said not to be square.
fn pixel_aspect(entry: &[u8]) -> Option<(u32, u32)> {
    let pasp = within(entry, &[b"pasp"])?;
    let (across, down) = (number(pasp, 0)?, number(pasp, 4)?);
    (across != down && across > 0 && down > 0).then_some((across, down))
}

/// Whether the sound is AAC of low complexity: object type 2 of the decoder's description (ISO 14496-3, 1.6.2.1) within the
/// descriptors of `esds` (ISO 14496-1, 7.2.6).
fn aac_lc(entry: &[u8]) -> Option<bool> {
    let esds = within(entry, &[b"esds"])?.get(4..)?;
    let es = descriptor(esds, 0x03)?;
    // An id, flags, and what the flags announce: as good as never used in a file.
    let config = descriptor(es.get(3..)?, 0x04)?;
    if config.first() != Some(&0x40) {
        return None;
    }
    let object = descriptor(config.get(13..)?, 0x05)?.first()? >> 3;
    Some(object == 2)
}

/// The content of the descriptor with this tag at the beginning.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (*found == tag).then_some(())?;
    Some(rest.get(..length).unwrap_or(rest))
}

#[derive(Default)]
struct Coding {
    chroma: Option<Chroma>,
    bit_depth: Option<u8>,
    progressive: Option<bool>,
}

fn chroma(idc: u32) -> Option<Chroma> {
    [Chroma::Grey, Chroma::Quarter, Chroma::Half, Chroma::Full].get(usize::try_from(idc).ok()?).copied()
}

fn coding(entry: &[u8]) -> Option<Coding> {
    if let Some(hevc) = within(entry, &[b"hvcC"]) {
        // ISO 14496-15, 8.3.3.1: the general constraint flags begin with "progressive" and "interlaced".
        let progressive = match hevc.get(6)? >> 6 {
            0b10 => Some(true),
            0b01 => Some(false),
            _ => None,
        };
        let depth = hevc.get(17)? & 7;
        return Some(Coding { chroma: chroma((hevc.get(16)? & 3).into()), bit_depth: Some(8 + depth), progressive });
    }
    let avc = within(entry, &[b"avcC"])?;
    if avc.get(5)? & 0x1f == 0 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes(*avc.get(6..8)?.first_chunk()?));
    sequence(avc.get(8..8 + length)?)
}

/// The profiles of H.264 whose parameter sets tell how colours are sampled (ITU-T H.264, 7.3.2.1.1).
const HIGH_PROFILES: [u32; 12] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134];

/// Reads a sequence parameter set of H.264 (7.3.2.1.1).
fn sequence(unit: &[u8]) -> Option<Coding> {
    let mut bits = Bits::new(unit.get(1..)?);
    let profile = bits.take(8)?;
    bits.take(16)?;
    bits.exp()?;
    let (mut idc, mut depth) = (1, 0);
    if HIGH_PROFILES.contains(&profile) {
        idc = bits.exp()?;
        if idc == 3 {
            bits.take(1)?;
        }
        depth = bits.exp()?.max(bits.exp()?);
        bits.take(1)?;
    }
    let told = Coding { chroma: chroma(idc), bit_depth: u8::try_from(8 + depth.min(8)).ok(), progressive: None };
    // Matrices of its own are rare, and not worth reading.
    if HIGH_PROFILES.contains(&profile) && bits.take(1)? == 1 {
        return Some(told);
    }
    let progressive = whole_pictures(&mut bits);
    Some(Coding { progressive, ..told })
}

/// Goes on behind the matrices, to whether all pictures are whole ones.
fn whole_pictures(bits: &mut Bits<'_>) -> Option<bool> {
    bits.exp()?;
    match bits.exp()? {
        0 => drop(bits.exp()?),
        1 => {
            bits.take(1)?;
            bits.exp()?;
            bits.exp()?;
            for _ in 0..bits.exp()?.min(255) {
                bits.exp()?;
            }
        }
        _ => {}
    }
    bits.exp()?;
    bits.take(1)?;
    bits.exp()?;
    bits.exp()?;
    Some(bits.take(1)? == 1)
}

/// Bits of a parameter set, without the bytes that keep it from looking like the start of another.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    zeros: usize,
    bit: u32,
}

impl<'a> Bits<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, zeros: 0, bit: 0 }
    }

    fn one(&mut self) -> Option<u32> {
        if self.bit == 0 && self.zeros >= 2 && self.bytes.get(self.at) == Some(&3) {
            (self.at, self.zeros) = (self.at + 1, 0);
        }
        let byte = *self.bytes.get(self.at)?;
        let value = u32::from(byte) >> (7 - self.bit) & 1;
        self.bit = (self.bit + 1) % 8;
        if self.bit == 0 {
            self.at += 1;
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        }
        Some(value)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.one()?))
    }

    /// A number in Exp-Golomb code (9.1).
    fn exp(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.one()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        ((1_u64 << zeros) - 1 + u64::from(self.take(zeros)?)).try_into().ok()
    }
}
