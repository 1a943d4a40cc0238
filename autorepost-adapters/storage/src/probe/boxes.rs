//! The boxes of a file, as bytes (ISO 14496-12, 4.2).

/// What follows the header of a box that is here as a whole.
pub(super) fn body(bytes: &[u8]) -> &[u8] {
    let long = bytes.get(..4) == Some(&[0, 0, 0, 1]);
    bytes.get(if long { 16 } else { 8 }..).unwrap_or_default()
}

/// The boxes in a box, up to the first that is broken.
pub(super) fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(number(bytes, 0)?).ok()?;
        let kind = bytes.get(4..8)?.first_chunk()?;
        let (this, rest) = bytes.split_at_checked(if length == 0 { bytes.len() } else { length })?;
        bytes = rest;
        Some((kind, this.get(8..)?))
    })
}

/// The number at this place.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..at.checked_add(4)?)?.first_chunk()?))
}

/// What is in the first box on a path of kinds.
pub(super) fn within<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, wanted| boxes(bytes).find(|(kind, _)| kind == wanted).map(|(_, part)| part))
}
