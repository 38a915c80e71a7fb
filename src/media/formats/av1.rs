//! AV1 payload format (AOM, "RTP Payload Format For AV1", version 1.0).
//!
//! Frames are temporal units in the low-overhead format. Temporal delimiters are not sent, so
//! they do not come out at the receiver.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{Corrupt, Frame};
use super::payload::{Cutter, Payload};
use crate::{Error, Result};

const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_GROUP: u8 = 4;
const TILE_LIST: u8 = 8;

// The aggregation header: Z Y W(2) N and three reserved bits.
const Z: u8 = 0x80;
const Y: u8 = 0x40;
const N: u8 = 0x08;

fn kind(head: u8) -> u8 {
    (head >> 3) & 0x0F
}

/// An unsigned LEB128 of at most 32 bits, and what follows it (AV1 specification, section 4.10.5).
fn read_leb128(data: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (i, byte) in data.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << i.saturating_mul(7);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok()?;
            return Some((
                usize::try_from(value).ok()?,
                data.get(i.saturating_add(1)..)?,
            ));
        }
    }
    None
}

fn write_leb128(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Room kept for the length of an element: a payload is shorter than 2^14 bytes.
const LENGTH: usize = 2;

/// The OBUs of a temporal unit without their size fields, as they travel in RTP.
fn split(frame: &Bytes) -> Option<Vec<Bytes>> {
    let mut obus = Vec::new();
    let mut rest: &[u8] = frame;
    while let Some((&head, after)) = rest.split_first() {
        let (extension, after) = after.split_at_checked(usize::from(head & HAS_EXTENSION != 0))?;
        let (body, after) = if head & HAS_SIZE != 0 {
            let (size, after) = read_leb128(after)?;
            after.split_at_checked(size)?
        } else {
            (after, [].as_slice())
        };
        rest = after;
        // Section 5: temporal delimiters and tile lists are to be removed.
        if head & 0x80 != 0 || matches!(kind(head), TEMPORAL_DELIMITER | TILE_LIST) {
            if head & 0x80 != 0 {
                return None; // the forbidden bit
            }
            continue;
        }
        let mut obu = BytesMut::with_capacity(body.len().saturating_add(2));
        obu.put_u8(head & !HAS_SIZE);
        obu.extend_from_slice(extension);
        obu.extend_from_slice(body);
        obus.push(obu.freeze());
    }
    (!obus.is_empty()).then_some(obus)
}

pub(crate) fn packetize(frame: &Bytes, max_payload: usize, out: &mut Vec<Payload>) -> Result<()> {
    let obus = split(frame).ok_or_else(|| {
        Error::invalid_parameters("the sample is not an AV1 temporal unit in low-overhead format")
    })?;
    let max_payload = max_payload.min((1 << 14) - 1);
    let new_sequence = obus.iter().any(|obu| {
        obu.first()
            .is_some_and(|head| kind(*head) == SEQUENCE_HEADER)
    });
    let mut packet = Packet {
        elements: Vec::new(),
        room: max_payload.saturating_sub(1),
        header: if new_sequence { N } else { 0 },
    };
    let mut cutter = Cutter::new(frame.len().saturating_add(frame.len() / 32), out);
    for mut obu in obus {
        // An element needs its length and at least one byte.
        if packet.room <= LENGTH {
            packet.flush(&mut cutter, max_payload, 0);
        }
        while obu.len() > packet.room.saturating_sub(LENGTH) {
            let part = obu.split_to(packet.room.saturating_sub(LENGTH));
            packet.elements.push(part);
            packet.flush(&mut cutter, max_payload, Y);
        }
        packet.room = packet.room.saturating_sub(LENGTH).saturating_sub(obu.len());
        packet.elements.push(obu);
    }
    packet.flush(&mut cutter, max_payload, 0);
    Ok(())
}

struct Packet {
    elements: Vec<Bytes>,
    room: usize,
    /// Z and N, known when the packet is begun.
    header: u8,
}

impl Packet {
    /// Emits the packet; `continues` is Y if its last element goes on in the next packet.
    fn flush(&mut self, cutter: &mut Cutter<'_>, max_payload: usize, continues: u8) {
        let elements = std::mem::take(&mut self.elements);
        if elements.is_empty() {
            return;
        }
        // W counts up to three elements, and then the last has no length; 0 means: all have one.
        let count = elements.len();
        let w = if count <= 3 { (count as u8) << 4 } else { 0 };
        cutter.buffer.put_u8(self.header | continues | w);
        for (i, element) in elements.iter().enumerate() {
            if w == 0 || i.saturating_add(1) < count {
                write_leb128(&mut cutter.buffer, element.len());
            }
            cutter.buffer.extend_from_slice(element);
        }
        cutter.emit(&[]);
        self.room = max_payload.saturating_sub(1);
        self.header = if continues != 0 { Z } else { 0 };
    }
}

/// An aggregation header alone.
pub(crate) fn is_filler(payload: &[u8]) -> bool {
    payload.len() == 1
}

pub(crate) fn starts_frame(payload: &[u8]) -> bool {
    // N is set on the first packet of a coded video sequence only.
    payload.first().is_some_and(|header| header & (Z | N) == N)
}

/// A temporal unit can begin with any OBU but one that continues a frame (AV1 section 7.5).
pub(crate) fn may_start_frame(payload: &[u8]) -> bool {
    elements(payload).is_some_and(|(continues, _, elements)| {
        let first = elements.first().and_then(|obu| obu.first());
        !continues && first.is_some_and(|head| kind(*head) != TILE_GROUP)
    })
}

/// The OBU elements of one payload, with the Z and Y flags.
fn elements(payload: &[u8]) -> Option<(bool, bool, Vec<&[u8]>)> {
    let (&header, mut rest) = payload.split_first()?;
    let w = usize::from((header >> 4) & 0x03);
    let mut elements = Vec::new();
    while !rest.is_empty() {
        if w != 0 && elements.len().saturating_add(1) == w {
            elements.push(rest);
            rest = &[];
        } else {
            let (size, after) = read_leb128(rest)?;
            let (element, after) = after.split_at_checked(size)?;
            elements.push(element);
            rest = after;
        }
    }
    let complete = !elements.is_empty() && (w == 0 || elements.len() == w);
    complete.then_some((header & Z != 0, header & Y != 0, elements))
}

pub(crate) fn assemble(packets: &[Bytes]) -> std::result::Result<Frame, Corrupt> {
    let mut data = BytesMut::with_capacity(packets.iter().map(|p| p.len() + 8).sum());
    let mut keyframe = packets
        .first()
        .and_then(|packet| packet.first())
        .is_some_and(|header| header & N != 0);
    let mut partial: Option<Vec<u8>> = None;
    for packet in packets {
        let (z, y, elements) = elements(packet).ok_or(Corrupt("AV1 aggregation header"))?;
        if z != partial.is_some() {
            return Err(Corrupt("AV1 fragment out of order"));
        }
        let count = elements.len();
        for (i, element) in elements.into_iter().enumerate() {
            let goes_on = y && i.saturating_add(1) == count;
            let mut joined = partial.take();
            if let Some(joined) = joined.as_mut() {
                joined.extend_from_slice(element);
            }
            if goes_on {
                partial = Some(joined.unwrap_or_else(|| element.to_vec()));
                continue;
            }
            let obu = joined.as_deref().unwrap_or(element);
            keyframe |= obu
                .first()
                .is_some_and(|head| kind(*head) == SEQUENCE_HEADER);
            restore(obu, &mut data).ok_or(Corrupt("AV1 OBU"))?;
        }
    }
    if partial.is_some() {
        return Err(Corrupt("AV1 fragment without its end"));
    }
    if data.is_empty() {
        return Err(Corrupt("AV1 temporal unit without OBUs"));
    }
    Ok(Frame {
        data: data.freeze(),
        keyframe: Some(keyframe),
    })
}

/// Writes an OBU with its size field, as the low-overhead format wants it.
fn restore(obu: &[u8], data: &mut BytesMut) -> Option<()> {
    let (&head, after) = obu.split_first()?;
    if matches!(kind(head), TEMPORAL_DELIMITER | TILE_LIST) {
        return Some(());
    }
    let (extension, mut body) = after.split_at_checked(usize::from(head & HAS_EXTENSION != 0))?;
    if head & HAS_SIZE != 0 {
        let (size, after) = read_leb128(body)?;
        if size != after.len() {
            return None;
        }
        body = after;
    }
    data.put_u8(head | HAS_SIZE);
    data.extend_from_slice(extension);
    write_leb128(data, body.len());
    data.extend_from_slice(body);
    Some(())
}
