//! Redundant audio on the wire (RFC 2198 section 3): headers of four bytes for blocks of earlier
//! packets, one of a byte for the packet's own, then the blocks in that order.

use std::ops::Range;

use super::wire::u32_at;

/// The timestamp offset has 14 bits, the length 10.
pub(crate) const MAX_RED_OFFSET: u32 = (1 << 14) - 1;
pub(crate) const MAX_RED_BLOCK: usize = (1 << 10) - 1;
/// Bytes of a redundant block's header, and of the last one.
pub(crate) const RED_HEADER: usize = 4;
pub(crate) const RED_LAST_HEADER: usize = 1;
/// A chain of more headers than any sender has use for is refused.
const MAX_BLOCKS: usize = 16;

/// One block, and where it is in the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedBlock {
    pub(crate) payload_type: u8,
    /// To be taken from the packet's timestamp; 0 for the packet's own block.
    pub(crate) offset: u32,
    pub(crate) range: Range<usize>,
}

/// The blocks of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedPayload {
    /// In the order of the payload, oldest first.
    pub(crate) redundant: Vec<RedBlock>,
    pub(crate) primary: RedBlock,
}

/// `None` if the headers do not end, or promise more than there is, or nothing is left for the
/// packet's own block.
pub(crate) fn parse_red(payload: &[u8]) -> Option<RedPayload> {
    let mut redundant = Vec::new();
    let mut at = 0usize;
    let last = loop {
        let first = *payload.get(at)?;
        if first & 0x80 == 0 {
            break first;
        }
        if redundant.len() == MAX_BLOCKS {
            return None;
        }
        let header = u32_at(payload, at)?;
        // The length for now.
        redundant.push(RedBlock {
            payload_type: first & 0x7f,
            offset: header >> 10 & MAX_RED_OFFSET,
            range: 0..header as usize & MAX_RED_BLOCK,
        });
        at = at.checked_add(RED_HEADER)?;
    };
    at = at.checked_add(RED_LAST_HEADER)?;
    for block in &mut redundant {
        let end = at.checked_add(block.range.end)?;
        block.range = at..end;
        at = end;
    }
    (at < payload.len()).then_some(RedPayload {
        redundant,
        primary: RedBlock {
            payload_type: last,
            offset: 0,
            range: at..payload.len(),
        },
    })
}

/// Appends the header of a redundant block. Offset and length must fit their fields.
pub(crate) fn write_red_header(out: &mut Vec<u8>, payload_type: u8, offset: u32, length: usize) {
    let fields = (offset & MAX_RED_OFFSET) << 10 | (length & MAX_RED_BLOCK) as u32;
    let header = 1 << 31 | u32::from(payload_type & 0x7f) << 24 | fields;
    out.extend_from_slice(&header.to_be_bytes());
}

/// Appends the header of the packet's own block, the last one.
pub(crate) fn write_red_last_header(out: &mut Vec<u8>, payload_type: u8) {
    out.push(payload_type & 0x7f);
}

#[cfg(test)]
#[path = "red_tests.rs"]
mod tests;
