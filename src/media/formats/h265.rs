//! H.265 payload format, RFC 7798, without DONL fields (sprop-max-don-diff = 0).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{Corrupt, Frame};
use super::nal::{self, FU_START, UnitHeaders};
use super::payload::{Cutter, Payload};
use crate::{Error, Result};

const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
const AUD: u8 = 35;
const PREFIX_SEI: u8 = 39;
const AP: u8 = 48;
const FU: u8 = 49;
const FU_END: u8 = 0x40;

/// The unit type in the first byte of the header: F(1) Type(6) LayerId(6) TID(3).
fn kind(head: u8) -> u8 {
    (head >> 1) & 0x3F
}

struct Headers;

impl UnitHeaders for Headers {
    const LENGTH: usize = 2;
    const AGGREGATE: u8 = AP;
    const FRAGMENT: u8 = FU;
    const FRAGMENT_KIND: u8 = 0x3F;

    fn kind(head: u8) -> u8 {
        kind(head)
    }
}

/// The header's first byte with another type.
fn with_kind(head: u8, kind: u8) -> u8 {
    (head & 0x81) | (kind << 1)
}

/// IRAP pictures are key frames (H.265 table 7-1: types 16 to 23).
fn is_key(kind: u8) -> bool {
    (16..=23).contains(&kind)
}

pub(crate) fn packetize(frame: &Bytes, max_payload: usize, out: &mut Vec<Payload>) -> Result<()> {
    let units = nal::split(frame);
    // A temporal id of 0 is forbidden: then it is no header (H.265 section 7.4.2.2).
    let valid = |unit: &Bytes| match unit.split_first_chunk::<2>() {
        Some((&[head, low], rest)) => !rest.is_empty() && kind(head) < AP && low & 7 != 0,
        None => false,
    };
    if units.is_empty() || !units.iter().all(valid) || nal::is_length_prefixed(frame, has_header) {
        return Err(Error::invalid_parameters(
            "the sample is not an H.265 Annex B byte stream",
        ));
    }
    let mut cutter = Cutter::new(frame.len().saturating_add(frame.len() / 64), out);
    for group in nal::groups(&units, 2, max_payload) {
        match group {
            [unit] if unit.len() <= max_payload => cutter.out.push(Payload::new(unit.clone(), 0)),
            [unit] => fragment(unit, max_payload, &mut cutter),
            _ => aggregate(group, &mut cutter),
        }
    }
    Ok(())
}

/// Whether this is the beginning of a unit that an encoder makes (H.265 section 7.3.1.2): F is
/// clear, the layer is below 32, the temporal id is counted from 1.
fn has_header(unit: &[u8]) -> bool {
    matches!(unit, [head, low, ..] if head & 0x81 == 0 && kind(*head) < AP && low & 7 != 0)
}

/// Aggregation packet (RFC 7798 section 4.4.2): the lowest layer and temporal id of its units.
fn aggregate(units: &[Bytes], cutter: &mut Cutter<'_>) {
    let heads = || {
        units
            .iter()
            .filter_map(|unit| unit.first_chunk::<2>())
            .map(|head| u16::from_be_bytes(*head))
    };
    let forbidden = heads().fold(0, |f, head| f | (head & 0x8000));
    let layer = heads().map(|head| head & 0x01F8).min().unwrap_or(0);
    let temporal = heads().map(|head| head & 0x0007).min().unwrap_or(1);
    cutter
        .buffer
        .put_u16(forbidden | (u16::from(AP) << 9) | layer | temporal);
    for unit in units {
        cutter
            .buffer
            .put_u16(u16::try_from(unit.len()).unwrap_or(u16::MAX));
        cutter.buffer.extend_from_slice(unit);
    }
    cutter.emit(&[]);
}

/// Fragmentation units (RFC 7798 section 4.4.3).
fn fragment(unit: &Bytes, max_payload: usize, cutter: &mut Cutter<'_>) {
    let Some((&[head, low], body)) = unit.split_first_chunk::<2>() else {
        return;
    };
    let size = max_payload.saturating_sub(3).max(1);
    let last = body.len().div_ceil(size).saturating_sub(1);
    for (i, chunk) in body.chunks(size).enumerate() {
        let start = if i == 0 { FU_START } else { 0 };
        let end = if i == last { FU_END } else { 0 };
        cutter.emit(&[&[with_kind(head, FU), low, kind(head) | start | end], chunk]);
    }
}

/// Whether nothing of the access unit that matters precedes this unit (H.265 section 7.4.2.4.4).
fn begins(kind: u8) -> bool {
    matches!(kind, VPS | AUD)
}

/// Whether an access unit can begin with this unit (H.265 section 7.4.2.4.4), of which `rest` is
/// what follows its header. The first bit of a slice segment is first_slice_segment_in_pic_flag
/// (section 7.3.6.1).
fn may_begin(kind: u8, rest: &[u8]) -> bool {
    match kind {
        0..VPS => rest.first().is_some_and(|byte| byte & 0x80 != 0),
        // 41 to 44 are reserved for what begins an access unit as well.
        VPS | SPS | PPS | AUD | PREFIX_SEI | 41..=44 => true,
        _ => false,
    }
}

/// A picture that nothing before it is needed for, or the parameters that come before one.
pub(crate) fn begins_keyframe(payload: &[u8]) -> bool {
    Headers::begins_any(payload, |kind| matches!(kind, VPS | SPS) || is_key(kind))
}

pub(crate) fn starts_frame(payload: &[u8]) -> bool {
    Headers::first_unit(payload).is_some_and(|(kind, _)| begins(kind))
}

pub(crate) fn may_start_frame(payload: &[u8]) -> bool {
    Headers::first_unit(payload).is_some_and(|(kind, rest)| may_begin(kind, rest))
}

/// Whether there are sequence parameters among the units.
pub(crate) fn has_parameters(packets: &[Bytes]) -> bool {
    Headers::hold_unit(packets, SPS)
}

pub(crate) fn assemble(packets: &[Bytes]) -> std::result::Result<Frame, Corrupt> {
    let mut data = BytesMut::with_capacity(packets.iter().map(|p| p.len() + 4).sum());
    let mut keyframe = false;
    let mut joining: Option<u8> = None;
    for packet in packets {
        let (&[head, low], body) = packet
            .split_first_chunk::<2>()
            .ok_or(Corrupt("short H.265 payload"))?;
        if kind(head) == FU {
            let (&fu, body) = body.split_first().ok_or(Corrupt("short H.265 FU"))?;
            let unit = fu & 0x3F;
            match (joining, fu & FU_START != 0) {
                (None, true) => {
                    data.extend_from_slice(&nal::START_CODE);
                    data.extend_from_slice(&[with_kind(head, unit), low]);
                    keyframe |= is_key(unit);
                }
                (Some(joined), false) if joined == unit => {}
                _ => return Err(Corrupt("H.265 FU out of order")),
            }
            if unit >= AP {
                return Err(Corrupt("H.265 FU of a packet type"));
            }
            data.extend_from_slice(body);
            joining = (fu & FU_END == 0).then_some(unit);
            continue;
        }
        if joining.is_some() {
            return Err(Corrupt("H.265 FU without its end"));
        }
        let units = match kind(head) {
            AP => nal::aggregated(body).ok_or(Corrupt("H.265 aggregate lengths"))?,
            0..AP if !body.is_empty() => vec![packet.as_ref()],
            _ => return Err(Corrupt("unsupported H.265 packet type")),
        };
        for unit in units {
            keyframe |= unit.first().is_some_and(|head| is_key(kind(*head)));
            data.extend_from_slice(&nal::START_CODE);
            data.extend_from_slice(unit);
        }
    }
    if joining.is_some() {
        return Err(Corrupt("H.265 FU without its end"));
    }
    Ok(Frame {
        data: data.freeze(),
        keyframe: Some(keyframe),
    })
}
