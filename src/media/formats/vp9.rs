//! VP9 payload format, RFC 9628, flexible mode without layers on the sending side.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};

use super::frame::{Corrupt, Frame};
use super::numbers::Numbers;
use super::payload::{Cutter, Payload};

const I: u8 = 0x80;
const P: u8 = 0x40;
const L: u8 = 0x20;
const F: u8 = 0x10;
const B: u8 = 0x08;
const E: u8 = 0x04;
const V: u8 = 0x02;

#[derive(Debug, Default)]
pub(crate) struct Payloader {
    picture_id: u16,
}

impl Payloader {
    pub(crate) fn packetize(&mut self, frame: &Bytes, max_payload: usize, out: &mut Vec<Payload>) {
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        self.picture_id = self.picture_id.wrapping_add(1) & 0x7FFF;
        let key = is_keyframe(frame);
        // RFC 9628 section 4.2: P set means predicted from another picture; in flexible mode it
        // must then name a reference: here the picture before this one, with N clear.
        let reference: &[u8] = if key { &[] } else { &[1 << 1] };
        let predicted = if key { 0 } else { P };
        let header = reference.len().saturating_add(3);
        let size = max_payload.saturating_sub(header).max(1);
        let packets = frame.len().div_ceil(size);
        let capacity = packets.saturating_mul(header).saturating_add(frame.len());
        let mut cutter = Cutter::new(capacity, out);
        for (i, chunk) in frame.chunks(size).enumerate() {
            let begin = if i == 0 { B } else { 0 };
            let end = if i.saturating_add(1) == packets { E } else { 0 };
            cutter.emit(&[
                &[I | F | predicted | begin | end, high, low],
                reference,
                chunk,
            ]);
        }
    }
}

/// Reads the frame type from the uncompressed header (VP9 bitstream specification, section 6.2).
fn is_keyframe(frame: &[u8]) -> bool {
    let Some(&byte) = frame.first() else {
        return false;
    };
    let profile_3 = byte & 0x30 == 0x30;
    // frame_marker(2) profile(2) [reserved(1) in profile 3] show_existing_frame(1) frame_type(1)
    let byte = if profile_3 { byte << 1 } else { byte };
    byte & 0x08 == 0 && byte & 0x04 == 0
}

struct Descriptor<'a> {
    flags: u8,
    spatial_layer: u8,
    data: &'a [u8],
}

fn parse(payload: &[u8]) -> Option<Descriptor<'_>> {
    let (&flags, mut rest) = payload.split_first()?;
    let mut spatial_layer = 0;
    if flags & I != 0 {
        let long = rest.first()? & 0x80 != 0;
        rest = rest.get(if long { 2 } else { 1 }..)?;
    }
    if flags & L != 0 {
        spatial_layer = (rest.first()? >> 1) & 0x07;
        // Without flexible mode TL0PICIDX follows.
        rest = rest.get(if flags & F != 0 { 1 } else { 2 }..)?;
    }
    if flags & F != 0 && flags & P != 0 {
        for n in 0.. {
            let (&reference, after) = rest.split_first()?;
            rest = after;
            if reference & 1 == 0 {
                break;
            }
            if n == 2 {
                return None; // at most three references
            }
        }
    }
    if flags & V != 0 {
        rest = skip_scalability_structure(rest)?;
    }
    Some(Descriptor {
        flags,
        spatial_layer,
        data: rest,
    })
}

fn skip_scalability_structure(data: &[u8]) -> Option<&[u8]> {
    let (&head, mut rest) = data.split_first()?;
    if head & 0x10 != 0 {
        let layers = usize::from(head >> 5).saturating_add(1);
        rest = rest.get(layers.saturating_mul(4)..)?;
    }
    if head & 0x08 != 0 {
        let (&pictures, after) = rest.split_first()?;
        rest = after;
        for _ in 0..pictures {
            let (&picture, after) = rest.split_first()?;
            rest = after.get(usize::from((picture >> 2) & 0x03)..)?;
        }
    }
    Some(rest)
}

/// The numbers of the descriptor (RFC 9628 section 4.2).
pub(crate) fn numbers(payload: &[u8]) -> Option<Numbers> {
    let mut numbers = Numbers::default();
    let flags = *payload.first()?;
    let mut at = 1usize;
    if flags & I != 0 {
        at = numbers.read_picture(payload, at)?;
    }
    // Section 4.2, P_DIFF.
    numbers.is_referred_to = flags & F != 0;
    if flags & L != 0 {
        let layer = *payload.get(at)?;
        numbers.temporal = layer >> 5;
        numbers.may_switch_up = layer & 0x10 != 0;
        at = at.checked_add(1)?;
        if flags & F == 0 {
            numbers.base = Some(*payload.get(at)?);
            numbers.base_at = at;
            at = at.checked_add(1)?;
        }
    }
    numbers.length = at;
    Some(numbers)
}

/// A descriptor alone, which begins and ends nothing.
pub(crate) fn is_filler(payload: &[u8]) -> bool {
    parse(payload).is_some_and(|d| d.data.is_empty() && d.flags & (B | E) == 0)
}

pub(crate) fn starts_frame(payload: &[u8]) -> bool {
    // An upper spatial layer begins a layer frame, not the picture.
    parse(payload).is_some_and(|d| d.flags & B != 0 && d.spatial_layer == 0)
}

/// A picture that is not predicted from another, from its lowest spatial layer on.
pub(crate) fn begins_keyframe(payload: &[u8]) -> bool {
    parse(payload)
        .is_some_and(|d| d.flags & (B | P) == B && d.spatial_layer == 0 && is_keyframe(d.data))
}

/// All layer frames of one picture, one after the other.
pub(crate) fn assemble(packets: &[Bytes]) -> std::result::Result<Frame, Corrupt> {
    let mut data = BytesMut::with_capacity(packets.iter().map(Bytes::len).sum());
    let mut predicted = false;
    let mut inside = false;
    for (i, packet) in packets.iter().enumerate() {
        let descriptor = parse(packet).ok_or(Corrupt("VP9 payload descriptor"))?;
        if (descriptor.flags & B != 0) == inside {
            return Err(Corrupt("VP9 frame boundary"));
        }
        if i == 0 {
            predicted = descriptor.flags & P != 0;
        }
        inside = descriptor.flags & E == 0;
        data.extend_from_slice(descriptor.data);
    }
    if inside {
        return Err(Corrupt("VP9 frame without its end"));
    }
    if data.is_empty() {
        return Err(Corrupt("VP9 frame without data"));
    }
    Ok(Frame {
        keyframe: Some(!predicted && is_keyframe(&data)),
        data: data.freeze(),
    })
}
