//! NAL units in Annex B byte streams (ITU-T H.264 and H.265, Annex B), and the packing of small
//! ones into aggregates, which RFC 6184 and RFC 7798 do alike.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::Bytes;

pub(super) const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// In the header of a fragment: the first of its unit.
pub(super) const FU_START: u8 = 0x80;

/// What tells the units of a codec apart in its payloads.
pub(super) trait UnitHeaders {
    /// Bytes of a header; the type is in the first.
    const LENGTH: usize;
    /// The type of a payload with several units.
    const AGGREGATE: u8;
    /// The type of a payload with a piece of one.
    const FRAGMENT: u8;
    /// Where the header of a fragment has the type of its unit.
    const FRAGMENT_KIND: u8;

    /// The type in the first byte of a header.
    fn kind(head: u8) -> u8;

    /// The type of a unit or payload, and what follows its header.
    fn split(unit: &[u8]) -> Option<(u8, &[u8])> {
        let (header, body) = unit.split_at_checked(Self::LENGTH)?;
        Some((Self::kind(*header.first()?), body))
    }

    /// The type of the first unit in a payload, and what follows its header; `None` for a fragment
    /// that is not the first of its unit.
    fn first_unit(payload: &[u8]) -> Option<(u8, &[u8])> {
        let (kind, body) = Self::split(payload)?;
        if kind == Self::FRAGMENT {
            let (&fu, rest) = body.split_first()?;
            (fu & FU_START != 0).then_some((fu & Self::FRAGMENT_KIND, rest))
        } else if kind == Self::AGGREGATE {
            // The first unit follows its length of 16 bits.
            Self::split(body.get(2..)?)
        } else {
            Some((kind, body))
        }
    }

    /// Whether a unit of such a type begins in the payload.
    fn begins_any(payload: &[u8], wanted: impl Fn(u8) -> bool) -> bool {
        let Some((kind, mut rest)) = Self::split(payload) else {
            return false;
        };
        if kind != Self::AGGREGATE {
            return Self::first_unit(payload).is_some_and(|(kind, _)| wanted(kind));
        }
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((unit, after)) = after.split_at_checked(length) else {
                return false;
            };
            if unit.first().is_some_and(|head| wanted(Self::kind(*head))) {
                return true;
            }
            rest = after;
        }
        false
    }

    /// Whether a unit of this type begins in one of the payloads.
    fn hold_unit(payloads: &[Bytes], wanted: u8) -> bool {
        payloads.iter().any(|payload| match Self::split(payload) {
            Some((kind, body)) if kind == Self::AGGREGATE => {
                let units = aggregated(body).unwrap_or_default();
                let mut heads = units.iter().filter_map(|unit| unit.first());
                heads.any(|head| Self::kind(*head) == wanted)
            }
            _ => Self::first_unit(payload).is_some_and(|(kind, _)| kind == wanted),
        })
    }
}

/// Whether a frame has lengths of four bytes before its units (AVCC, ISO/IEC 14496-15), also where
/// the first looks like a start code, as 256 to 511 do. It is so when the lengths lead exactly to
/// the end and each unit has a header that `valid` takes.
pub(super) fn is_length_prefixed(frame: &[u8], valid: impl Fn(&[u8]) -> bool) -> bool {
    if frame.first() != Some(&0) || frame.starts_with(&START_CODE) {
        return false;
    }
    let mut rest = frame;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        match after.split_at_checked(length) {
            Some((unit, after)) if valid(unit) => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}

/// The NAL units of a frame, without start codes. A frame without any start code is one unit.
pub(super) fn split(frame: &Bytes) -> Vec<Bytes> {
    let mut units = Vec::new();
    let Some((first, mut begin)) = next_start_code(frame, 0) else {
        return vec![frame.clone()];
    };
    if frame.iter().take(first).any(|byte| *byte != 0) {
        // Something before the first start code; it is refused by the caller as a bad unit.
        units.push(frame.slice(..first));
    }
    loop {
        let next = next_start_code(frame, begin);
        let mut end = next.map_or(frame.len(), |(at, _)| at);
        // trailing_zero_8bits and the fourth byte of a long start code: a unit never ends in 0.
        while end > begin && frame.get(end.wrapping_sub(1)) == Some(&0) {
            end = end.wrapping_sub(1);
        }
        if end > begin {
            units.push(frame.slice(begin..end));
        }
        match next {
            Some((_, after)) => begin = after,
            None => return units,
        }
    }
}

/// Where the next 00 00 01 at or after `from` begins, and where it ends.
fn next_start_code(frame: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        match frame.get(at..at.checked_add(3)?)? {
            [0, 0, 1] => return Some((at, at.checked_add(3)?)),
            [_, _, (2..)] => at = at.checked_add(3)?,
            [_, (1..), _] => at = at.checked_add(2)?,
            _ => at = at.checked_add(1)?,
        }
    }
}

/// Groups consecutive units that fit one packet together; a group of one is sent by itself.
/// `header` is the length of the aggregate's own header.
pub(super) fn groups(units: &[Bytes], header: usize, max_payload: usize) -> Vec<&[Bytes]> {
    let mut groups = Vec::new();
    let mut rest = units;
    while !rest.is_empty() {
        let mut size = header;
        let fitting = rest
            .iter()
            .take_while(|unit| {
                // The length field has 16 bits.
                size = size.saturating_add(unit.len()).saturating_add(2);
                size <= max_payload && unit.len() <= usize::from(u16::MAX)
            })
            .count()
            .max(1);
        let (group, after) = rest.split_at_checked(fitting).unwrap_or((rest, &[]));
        groups.push(group);
        rest = after;
    }
    groups
}

/// Splits the body of an aggregate into its units, each with a 16-bit length before it.
pub(super) fn aggregated(mut body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    while !body.is_empty() {
        let (length, rest) = body.split_first_chunk::<2>()?;
        let (unit, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if unit.is_empty() {
            return None;
        }
        units.push(unit);
        body = rest;
    }
    (!units.is_empty()).then_some(units)
}
