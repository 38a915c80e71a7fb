//! H.264: its parameter sets as `avcC` has them, and frames with lengths in the place of start
//! codes (ISO/IEC 14496-15 section 5.3.3).

use bytes::Bytes;

use super::bits::Bits;
use super::codec::Picture;

const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;

/// What a key frame tells, if its parameter sets come with it.
pub(super) fn picture(frame: &[u8]) -> Option<Picture> {
    let (mut sps, mut pps, mut key) = (None, None, false);
    for unit in units(frame) {
        match kind(unit) {
            SPS => sps = Some(unit),
            PPS => pps = pps.or(Some(unit)),
            IDR => key = true,
            _ => {}
        }
    }
    let (sps, pps) = (sps?, pps?);
    if !key {
        return None;
    }
    let (width, height) = size(sps)?;
    let mut private = vec![1];
    private.extend_from_slice(sps.get(1..4)?);
    // Lengths of four bytes, one set of each.
    private.extend_from_slice(&[0xff, 0xe1]);
    private.extend_from_slice(&u16::try_from(sps.len()).ok()?.to_be_bytes());
    private.extend_from_slice(sps);
    private.push(1);
    private.extend_from_slice(&u16::try_from(pps.len()).ok()?.to_be_bytes());
    private.extend_from_slice(pps);
    Some(Picture {
        width,
        height,
        private: Some(Bytes::from(private)),
    })
}

/// The frame with the length before each unit, without delimiters.
pub(super) fn with_lengths(frame: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(frame.len());
    for unit in units(frame).filter(|unit| kind(unit) != DELIMITER) {
        let Ok(length) = u32::try_from(unit.len()) else {
            continue;
        };
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(unit);
    }
    Bytes::from(out)
}

fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |first| first & 0x1f)
}

/// The units between start codes of three or four bytes.
fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_code(frame).unwrap_or_default();
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = code(rest).unwrap_or(rest.len());
            let unit = rest.get(..end).unwrap_or_default();
            rest = rest.get(end..).and_then(after_code).unwrap_or_default();
            // The first zero of a code of four, and zeros that fill up.
            let last = unit.iter().rposition(|byte| *byte != 0);
            let unit = last.and_then(|last| unit.get(..=last)).unwrap_or_default();
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    })
}

/// Where the next start code is.
fn code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|three| three == [0, 0, 1])
}

fn after_code(bytes: &[u8]) -> Option<&[u8]> {
    let at = code(bytes)?;
    bytes.get(at.checked_add(3)?..)
}

/// Section 7.3.2.1.1 of H.264: the size that the sequence parameter set tells.
fn size(sps: &[u8]) -> Option<(u32, u32)> {
    let raw = without_emulation(sps.get(1..)?);
    let mut bits = Bits::new(&raw);
    let profile = bits.take(8)?;
    bits.skip(16)?;
    bits.golomb()?;
    let mut chroma = 1;
    if [100, 110, 122, 244, 44, 83, 86, 118, 128].contains(&profile) {
        chroma = bits.golomb()?;
        if chroma == 3 {
            bits.skip(1)?;
        }
        bits.golomb()?;
        bits.golomb()?;
        bits.skip(1)?;
        // Scaling lists: rare enough in what is sent live.
        if bits.bit()? {
            return None;
        }
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.signed_golomb()?;
            bits.signed_golomb()?;
            let cycle = bits.golomb()?;
            for _ in 0..cycle.min(255) {
                bits.signed_golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;
    bits.skip(1)?;
    let wide = bits.golomb()?.checked_add(1)?.checked_mul(16)?;
    let units = bits.golomb()?.checked_add(1)?;
    let frames_only = bits.bit()?;
    let lines = if frames_only { 1 } else { 2 };
    if !frames_only {
        bits.skip(1)?;
    }
    let high = units.checked_mul(16)?.checked_mul(lines)?;
    bits.skip(1)?;
    if !bits.bit()? {
        return Some((wide, high));
    }
    let (left, right, top, bottom) = (
        bits.golomb()?,
        bits.golomb()?,
        bits.golomb()?,
        bits.golomb()?,
    );
    let (x, y) = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let across = left.checked_add(right)?.checked_mul(x)?;
    let down = top.checked_add(bottom)?.checked_mul(y)?;
    Some((
        wide.checked_sub(across)?,
        high.checked_sub(down.checked_mul(lines)?)?,
    ))
}

/// Section 7.3.1: a 3 behind two zeros is there only so that no start code arises.
fn without_emulation(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut zeros = 0_u8;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 {
            zeros.saturating_add(1)
        } else {
            0
        };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From an encoder: constrained baseline, 640x480.
    const PARAMETERS: [u8; 9] = [0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x3d, 0xa1];

    #[test]
    fn frames_become_lengths_and_parameters() {
        let mut frame = vec![0, 0, 0, 1, 9, 0xf0];
        frame.extend([0, 0, 0, 1]);
        frame.extend(PARAMETERS);
        frame.extend([0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80]);
        frame.extend([0, 0, 1, 0x65, 1, 2, 3]);
        let sized = with_lengths(&frame);
        assert_eq!(sized[..5], [0, 0, 0, 9, 0x67]);
        assert_eq!(sized[sized.len() - 8..], [0, 0, 0, 4, 0x65, 1, 2, 3]);
        assert_eq!(units(&frame).count(), 4);
        let picture = picture(&frame).unwrap();
        let private = picture.private.unwrap();
        assert_eq!(private[..6], [1, 0x42, 0xc0, 0x1e, 0xff, 0xe1]);
        assert_eq!((picture.width, picture.height), (640, 480));
        assert!(super::picture(&[0, 0, 0, 1, 0x41, 1]).is_none());
    }
}
