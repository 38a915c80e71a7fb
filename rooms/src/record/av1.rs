//! The sequence header of AV1 (AV1 bitstream specification section 5.5), and `av1C`.

use bytes::Bytes;

use super::bits::Bits;
use super::codec::Picture;

const SEQUENCE_HEADER: u8 = 1;

/// What the temporal unit tells, if it has a sequence header, as one that begins anew does.
pub(super) fn picture(frame: &[u8]) -> Option<Picture> {
    let (whole, body) = sequence_header(frame)?;
    let found = Sequence::read(&mut Bits::new(body))?;
    // AV1 in ISO base media file format, section 2.3.3: marker and version, profile and level,
    // tier and colours, no delay told; then the header itself.
    let mut private = vec![
        0x81,
        found.profile << 5 | found.level,
        found.tier << 7 | found.colours,
        0,
    ];
    private.extend_from_slice(whole);
    Some(Picture {
        width: found.width,
        height: found.height,
        private: Some(Bytes::from(private)),
    })
}

/// The frame as Matroska has it: without the temporal delimiter.
pub(super) fn without_delimiter(frame: &Bytes) -> Bytes {
    match frame.starts_with(&[0x12, 0]) {
        true => frame.slice(2..),
        false => frame.clone(),
    }
}

/// The first sequence header of the frame: the OBU, and what it holds.
fn sequence_header(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = frame;
    while let Some(&head) = rest.first() {
        let (extended, sized) = (head & 4 != 0, head & 2 != 0);
        let start = if extended { 2 } else { 1 };
        let behind = rest.get(start..)?;
        let (size, length) = match sized {
            true => leb128(behind)?,
            false => (behind.len(), 0),
        };
        let begin = length.checked_add(start)?;
        let end = begin.checked_add(size)?;
        let body = rest.get(begin..end)?;
        if head >> 3 & 0x0f == SEQUENCE_HEADER {
            return Some((rest.get(..end)?, body));
        }
        rest = rest.get(end..)?;
    }
    None
}

/// Section 4.10.5.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(8).enumerate() {
        let shift = u32::try_from(at).ok()?.checked_mul(7)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, at.checked_add(1)?));
        }
    }
    None
}

struct Sequence {
    profile: u8,
    level: u8,
    tier: u8,
    /// As `av1C` has them.
    colours: u8,
    width: u32,
    height: u32,
}

impl Sequence {
    /// Section 5.5.1.
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let profile = bits.take(3)?;
        bits.skip(1)?;
        let reduced = bits.bit()?;
        let (level, tier) = match reduced {
            true => (bits.take(5)?, 0),
            false => operating_points(bits)?,
        };
        let (wide, high) = (bits.take(4)?, bits.take(4)?);
        let width = bits.take(wide.checked_add(1)?)?.checked_add(1)?;
        let height = bits.take(high.checked_add(1)?)?.checked_add(1)?;
        tools(bits, reduced)?;
        Some(Self {
            profile: u8::try_from(profile).ok()?,
            level: u8::try_from(level).ok()?,
            tier,
            colours: colours(bits, profile)?,
            width,
            height,
        })
    }
}

/// Timing, decoder model and operating points; the level and tier of the first.
fn operating_points(bits: &mut Bits<'_>) -> Option<(u32, u8)> {
    let mut delay_bits = None;
    if bits.bit()? {
        bits.skip(64)?;
        if bits.bit()? {
            bits.golomb()?;
        }
        if bits.bit()? {
            delay_bits = Some(usize::try_from(bits.take(5)?).ok()?.checked_add(1)?);
            bits.skip(42)?;
        }
    }
    let display_delays = bits.bit()?;
    let count = bits.take(5)?.checked_add(1)?;
    let mut first = None;
    for _ in 0..count {
        bits.skip(12)?;
        let level = bits.take(5)?;
        let tier = level > 7 && bits.bit()?;
        first.get_or_insert((level, u8::from(tier)));
        if let Some(delay) = delay_bits
            && bits.bit()?
        {
            bits.skip(delay.checked_mul(2)?.checked_add(1)?)?;
        }
        if display_delays && bits.bit()? {
            bits.skip(4)?;
        }
    }
    first
}

/// Between size and colours.
fn tools(bits: &mut Bits<'_>, reduced: bool) -> Option<()> {
    if !reduced && bits.bit()? {
        bits.skip(7)?;
    }
    bits.skip(3)?;
    if !reduced {
        bits.skip(4)?;
        let order_hint = bits.bit()?;
        if order_hint {
            bits.skip(2)?;
        }
        let screen_content = match bits.bit()? {
            true => true,
            false => bits.bit()?,
        };
        if screen_content && !bits.bit()? {
            bits.skip(1)?;
        }
        if order_hint {
            bits.skip(3)?;
        }
    }
    bits.skip(3)
}

/// Section 5.5.2, as `av1C` packs it: depth, monochrome, subsampling, sample position.
fn colours(bits: &mut Bits<'_>, profile: u32) -> Option<u8> {
    let high = bits.bit()?;
    let twelve = profile == 2 && high && bits.bit()?;
    let mono = profile != 1 && bits.bit()?;
    let mut described = (2, 2, 2);
    if bits.bit()? {
        described = (bits.take(8)?, bits.take(8)?, bits.take(8)?);
    }
    let mut position = 0;
    let (x, y) = if mono {
        bits.skip(1)?;
        (true, true)
    } else if described == (1, 13, 0) {
        (false, false)
    } else {
        bits.skip(1)?;
        let (x, y) = match profile {
            0 => (true, true),
            1 => (false, false),
            _ if twelve => {
                let x = bits.bit()?;
                (x, x && bits.bit()?)
            }
            _ => (true, false),
        };
        if x && y {
            position = u8::try_from(bits.take(2)?).ok()?;
        }
        (x, y)
    };
    let flag = |on: bool, shift: u8| u8::from(on) << shift;
    Some(flag(high, 6) | flag(twelve, 5) | flag(mono, 4) | flag(x, 3) | flag(y, 2) | position)
}
