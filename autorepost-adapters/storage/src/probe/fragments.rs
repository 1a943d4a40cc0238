//! The length of fragmented files, whose index does not tell it: it is the sum of their fragments (ISO 14496-12, 8.8), or
//! what their segment index says (8.16.3).

use std::collections::BTreeMap;

use super::boxes::{body, boxes, number};

/// What the fragments of a file tell, gathered one by one.
#[derive(Default)]
pub(super) struct Fragments {
    /// Fragments that were read.
    pub count: usize,
    /// How long a sample lasts when nothing else says so, by track.
    defaults: BTreeMap<u32, u32>,
    tracks: BTreeMap<u32, Run>,
    /// What the first segment index says: units, and units per second.
    index: Option<(u64, u64)>,
}

/// What the fragments tell of a track.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Where the first begins, in the track's units.
    pub begin: u64,
    /// Where the last ends.
    pub end: u64,
    /// Samples in all of them.
    pub samples: u64,
    /// Whether a sample's duration is told nowhere.
    unknown: bool,
}

impl Run {
    /// How long a track lasts whose index tells `own` units: the fragments go on where that ends.
    pub fn units(&self, own: u64) -> Option<u64> {
        let units = if own > 0 { own.max(self.end) } else { self.end - self.begin };
        (!self.unknown && units > 0).then_some(units)
    }
}

impl Fragments {
    /// Takes the defaults of the index (`trex`).
    pub fn moov(&mut self, moov: &[u8]) {
        for (kind, extends) in boxes(body(moov)) {
            if kind != b"mvex" {
                continue;
            }
            for (_, trex) in boxes(extends).filter(|(kind, _)| *kind == b"trex") {
                if let (Some(track), Some(duration)) = (number(trex, 4), number(trex, 12)) {
                    self.defaults.insert(track, duration);
                }
            }
        }
    }

    /// Takes a fragment; nothing when it cannot be read.
    pub fn moof(&mut self, moof: &[u8]) -> Option<()> {
        self.count += 1;
        for (_, traf) in boxes(body(moof)).filter(|(kind, _)| *kind == b"traf") {
            let part = |wanted: &[u8; 4]| boxes(traf).find(|(kind, _)| *kind == wanted).map(|(_, part)| part);
            let tfhd = part(b"tfhd")?;
            let track = number(tfhd, 4)?;
            let default =
                default_duration(tfhd)?.or_else(|| self.defaults.get(&track).copied()).filter(|units| *units > 0);
            let known = self.tracks.get(&track).copied();
            let mut run = known.unwrap_or_default();
            let begin = match part(b"tfdt") {
                Some(tfdt) if tfdt.first() == Some(&1) => u64::from_be_bytes(*tfdt.get(4..12)?.first_chunk()?),
                Some(tfdt) => number(tfdt, 4)?.into(),
                None => run.end,
            };
            let mut end = begin;
            for (_, trun) in boxes(traf).filter(|(kind, _)| *kind == b"trun") {
                let (samples, units) = samples(trun, default)?;
                run.samples = run.samples.saturating_add(samples);
                run.unknown |= units.is_none();
                end = end.saturating_add(units.unwrap_or_default());
            }
            run.begin = if known.is_some() { run.begin.min(begin) } else { begin };
            run.end = run.end.max(end);
            self.tracks.insert(track, run);
        }
        Some(())
    }

    /// Takes a segment index. The first one speaks for the whole file.
    pub fn sidx(&mut self, sidx: &[u8]) {
        let read = || {
            let sidx = body(sidx);
            let scale = number(sidx, 8)?;
            let at = if *sidx.first()? == 0 { 20 } else { 28 };
            let count = u16::from_be_bytes(*sidx.get(at + 2..at + 4)?.first_chunk()?);
            let mut units = 0_u64;
            for entry in 0..usize::from(count) {
                units += u64::from(number(sidx, at + 4 + entry * 12 + 4)?);
            }
            Some((units, u64::from(scale)))
        };
        self.index = self.index.or_else(read);
    }

    /// What is known of a track.
    pub fn track(&self, id: u32) -> Option<&Run> {
        self.tracks.get(&id)
    }

    /// What the segment index tells of the whole, in milliseconds.
    pub fn index_ms(&self) -> Option<u64> {
        let (units, scale) = self.index?;
        units.checked_mul(1_000)?.checked_div(scale).filter(|ms| *ms > 0)
    }
}

/// How long a sample of the fragment lasts, when its header says so.
fn default_duration(tfhd: &[u8]) -> Option<Option<u32>> {
    let flags = number(tfhd, 0)?;
    if flags & 0x08 == 0 {
        return Some(None);
    }
    let before =
        [(0x01, 8), (0x02, 4)].iter().filter(|(flag, _)| flags & flag != 0).map(|(_, bytes)| bytes).sum::<usize>();
    Some(Some(number(tfhd, 8 + before)?))
}

/// How many samples a run has, and how long they last, when that is told.
fn samples(trun: &[u8], default: Option<u32>) -> Option<(u64, Option<u64>)> {
    let (flags, count) = (number(trun, 0)?, number(trun, 4)?);
    let samples = u64::from(count);
    if flags & 0x100 == 0 {
        let units = default.map(|units| samples.saturating_mul(units.into()));
        return Some((samples, units.or((samples == 0).then_some(0))));
    }
    let start = 8 + [0x01, 0x04].iter().filter(|flag| flags & *flag != 0).count() * 4;
    let step = [0x100, 0x200, 0x400, 0x800].iter().filter(|flag| flags & *flag != 0).count() * 4;
    let rows = trun.get(start..)?;
    if (rows.len() / step) < usize::try_from(count).ok()? {
        return None;
    }
    let units = rows.chunks_exact(step).take(count as usize).filter_map(|row| number(row, 0)).map(u64::from).sum();
    Some((samples, Some(units)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), &body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn moof(tfhd: &[u32], tfdt: Option<u32>, truns: &[&[u32]]) -> Vec<u8> {
        let mut traf = made(b"tfhd", &[&words(tfhd)]);
        traf.extend(tfdt.map(|at| made(b"tfdt", &[&words(&[0, at])])).unwrap_or_default());
        traf.extend(truns.iter().flat_map(|trun| made(b"trun", &[&words(trun)])));
        made(b"moof", &[&made(b"traf", &[&traf])])
    }

    /// Each way in which a duration is told: by the sample, by the fragment, by the file.
    #[test]
    fn a_fragment_tells_its_duration_in_each_way() {
        let mut fragments = Fragments::default();
        let trex = made(b"trex", &[&words(&[0, 1, 1, 40, 0, 0])]);
        fragments.moov(&made(b"moov", &[&made(b"mvex", &[&trex])]));
        // Two samples of 10 and 20 units, with sizes between; then three of the fragment's 7; then two of the file's 40.
        fragments.moof(&moof(&[0, 1], Some(0), &[&[0x300, 2, 10, 99, 20, 99]])).unwrap();
        fragments.moof(&moof(&[0x08, 1, 7], Some(30), &[&[0x01, 3, 0]])).unwrap();
        fragments.moof(&moof(&[0x0a, 1, 1, 7], None, &[&[0, 1], &[0, 0]])).unwrap();
        fragments.moof(&moof(&[0, 1], None, &[&[0, 2]])).unwrap();
        assert_eq!(fragments.track(1), Some(&Run { begin: 0, end: 138, samples: 8, unknown: false }));
        assert_eq!(fragments.track(2), None);
    }

    #[test]
    fn a_recording_may_begin_late_and_a_duration_may_be_missing() {
        let mut fragments = Fragments::default();
        fragments.moof(&moof(&[0x08, 1, 10], Some(1_000), &[&[0, 5]])).unwrap();
        let run = fragments.track(1).unwrap();
        assert_eq!((run.units(0), run.units(1_000)), (Some(50), Some(1_050)));
        fragments.moof(&moof(&[0, 1], None, &[&[0, 5]])).unwrap();
        assert_eq!(fragments.track(1).unwrap().units(0), None);
        assert_eq!(fragments.moof(&moof(&[0, 1], None, &[&[0x100, 5, 1]])), None, "it is cut off");
    }

    #[test]
    fn a_segment_index_tells_the_whole() {
        let sidx = |version: u32, extra: &[u32]| {
            let head = [&[version << 24, 1, 1_000][..], extra, &[2, 5, 1_500, 0, 5, 700, 0]].concat();
            made(b"sidx", &[&words(&head)])
        };
        let mut fragments = Fragments::default();
        assert_eq!(fragments.index_ms(), None);
        fragments.sidx(&sidx(0, &[0, 0]));
        assert_eq!(fragments.index_ms(), Some(2_200));
        let mut fragments = Fragments::default();
        fragments.sidx(&sidx(1, &[0, 0, 0, 0]));
        assert_eq!(fragments.index_ms(), Some(2_200));
    }
}
