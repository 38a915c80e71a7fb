//! VP8 payload format, RFC 7741.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};

use super::frame::{Corrupt, Frame};
use super::numbers::Numbers;
use super::payload::{Cutter, Payload};

/// The payload descriptor with a 15-bit picture id: X, then I, then M and the id.
const DESCRIPTOR: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Payloader {
    /// Advances by one per frame and wraps at 15 bits (RFC 7741 section 4.2).
    picture_id: u16,
}

impl Payloader {
    pub(crate) fn packetize(&mut self, frame: &Bytes, max_payload: usize, out: &mut Vec<Payload>) {
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        self.picture_id = self.picture_id.wrapping_add(1) & 0x7FFF;
        let size = max_payload.saturating_sub(DESCRIPTOR).max(1);
        let packets = frame.len().div_ceil(size);
        let capacity = packets
            .saturating_mul(DESCRIPTOR)
            .saturating_add(frame.len());
        let mut cutter = Cutter::new(capacity, out);
        for (i, chunk) in frame.chunks(size).enumerate() {
            // S marks the start of a partition; the whole frame is sent as partition 0.
            let start = if i == 0 { 0x10 } else { 0 };
            cutter.emit(&[&[0x80 | start, 0x80, high, low], chunk]);
        }
    }
}

struct Descriptor<'a> {
    /// S set and partition index 0: the first packet of a frame.
    is_first: bool,
    data: &'a [u8],
}

fn parse(payload: &[u8]) -> Option<Descriptor<'_>> {
    let (&first, mut rest) = payload.split_first()?;
    if first & 0x80 != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after;
        let (i, l, t, k) = (
            extension & 0x80 != 0,
            extension & 0x40 != 0,
            extension & 0x20 != 0,
            extension & 0x10 != 0,
        );
        if i {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        if l {
            rest = rest.get(1..)?;
        }
        if t || k {
            rest = rest.get(1..)?;
        }
    }
    // S is bit 4, the partition index the three low bits; bit 3 is reserved.
    let is_first = first & 0x10 != 0 && first & 0x07 == 0;
    Some(Descriptor {
        is_first,
        data: rest,
    })
}

/// The numbers of the descriptor (RFC 7741 section 4.2).
pub(crate) fn numbers(payload: &[u8]) -> Option<Numbers> {
    let mut numbers = Numbers::default();
    if payload.first()? & 0x80 == 0 {
        return Some(numbers);
    }
    let extension = *payload.get(1)?;
    let mut at = 2usize;
    if extension & 0x80 != 0 {
        at = numbers.read_picture(payload, at)?;
    }
    if extension & 0x40 != 0 {
        numbers.base = Some(*payload.get(at)?);
        numbers.base_at = at;
        at = at.checked_add(1)?;
    }
    if extension & 0x20 != 0 {
        let layer = *payload.get(at)?;
        numbers.temporal = layer >> 6;
        numbers.may_switch_up = layer & 0x20 != 0;
    }
    numbers.length = at;
    Some(numbers)
}

/// A descriptor alone, which begins nothing.
pub(crate) fn is_filler(payload: &[u8]) -> bool {
    parse(payload).is_some_and(|d| d.data.is_empty() && !d.is_first)
}

pub(crate) fn starts_frame(payload: &[u8]) -> bool {
    parse(payload).is_some_and(|descriptor| descriptor.is_first)
}

/// RFC 6386 section 9.1: the lowest bit of the frame tag is clear in key frames.
pub(crate) fn begins_keyframe(payload: &[u8]) -> bool {
    let first = parse(payload).filter(|descriptor| descriptor.is_first);
    let tag = first.and_then(|descriptor| descriptor.data.first());
    tag.is_some_and(|byte| byte & 1 == 0)
}

/// Width and height, from the first payload of a key frame (RFC 6386 section 9.1).
pub(crate) fn picture_size(payload: &[u8]) -> Option<(u16, u16)> {
    let data = parse(payload)
        .filter(|descriptor| descriptor.is_first)?
        .data;
    let (&[tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1], _) = data.split_first_chunk::<10>()?
    else {
        return None;
    };
    // The upper two bits scale.
    let size = |bytes| u16::from_le_bytes(bytes) & 0x3fff;
    (tag & 1 == 0).then(|| (size([w0, w1]), size([h0, h1])))
}

pub(crate) fn assemble(packets: &[Bytes]) -> std::result::Result<Frame, Corrupt> {
    let mut data = BytesMut::new();
    let mut keyframe = None;
    for (i, packet) in packets.iter().enumerate() {
        let descriptor = parse(packet).ok_or(Corrupt("VP8 payload descriptor"))?;
        if descriptor.is_first != (i == 0) {
            return Err(Corrupt("VP8 frame boundary"));
        }
        if i == 0 {
            data.reserve(packets.iter().map(Bytes::len).sum());
        }
        // RFC 6386 section 9.1: the lowest bit of the frame tag is clear in key frames.
        keyframe = keyframe.or(descriptor.data.first().map(|byte| byte & 1 == 0));
        data.extend_from_slice(descriptor.data);
    }
    if keyframe.is_none() {
        return Err(Corrupt("VP8 frame without data"));
    }
    Ok(Frame {
        data: data.freeze(),
        keyframe,
    })
}
