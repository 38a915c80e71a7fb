//! The RTP header (RFC 3550 section 5.1): strict parsing without allocation, and writing.

use std::ops::Range;

use super::buffers;
use super::extensions::encode_elements;
use super::packet::{HeaderExtensionValues, RtpPacket};
use super::wire::{slice, u16_at, u32_at};

const FIXED_LEN: usize = 12;
const MAX_CSRCS: usize = 15;

/// Why a packet is not RTP as RFC 3550 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum RtpDrop {
    #[error("shorter than its header")]
    TooShort,
    #[error("not RTP version 2")]
    Version,
    #[error("the header extension is longer than the packet")]
    Extension,
    #[error("the padding length is 0 or exceeds the payload")]
    Padding,
}

/// A parsed header: numbers and offsets, nothing borrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) csrc_count: u8,
    /// Bytes up to the payload: fixed part, CSRCs and extension.
    pub(crate) header_len: usize,
    /// The profile, and where the elements are (without the four bytes of profile and length).
    pub(crate) extension: Option<(u16, Range<usize>)>,
    pub(crate) padding: bool,
}

impl RtpHeader {
    /// Parses a packet, encrypted or not: everything but the padding is in the clear (RFC 3711).
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, RtpDrop> {
        let [first, second, ..] = *packet else {
            return Err(RtpDrop::TooShort);
        };
        if first >> 6 != 2 {
            return Err(RtpDrop::Version);
        }
        let csrc_count = first & 0x0f;
        let mut header_len = FIXED_LEN + usize::from(csrc_count) * 4;
        if packet.len() < header_len {
            return Err(RtpDrop::TooShort);
        }
        let mut extension = None;
        if first & 0x10 != 0 {
            let profile = u16_at(packet, header_len).ok_or(RtpDrop::Extension)?;
            let words = u16_at(packet, header_len + 2).ok_or(RtpDrop::Extension)?;
            let start = header_len + 4;
            let end = start + usize::from(words) * 4;
            if packet.len() < end {
                return Err(RtpDrop::Extension);
            }
            extension = Some((profile, start..end));
            header_len = end;
        }
        Ok(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence_number: u16_at(packet, 2).ok_or(RtpDrop::TooShort)?,
            timestamp: u32_at(packet, 4).ok_or(RtpDrop::TooShort)?,
            ssrc: u32_at(packet, 8).ok_or(RtpDrop::TooShort)?,
            csrc_count,
            header_len,
            extension,
            padding: first & 0x20 != 0,
        })
    }

    /// The contributing sources of `packet`, which this header was parsed from.
    pub(crate) fn csrcs<'a>(&self, packet: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
        let end = FIXED_LEN + usize::from(self.csrc_count) * 4;
        slice(packet, FIXED_LEN..end)
            .chunks_exact(4)
            .filter_map(|csrc| u32_at(csrc, 0))
    }

    /// The header extension elements of `packet`, borrowed: for routing without an allocation.
    #[cfg(test)]
    pub(crate) fn elements<'a>(&self, packet: &'a [u8]) -> super::packet::Elements<'a> {
        match &self.extension {
            Some((profile, range)) => {
                super::packet::Elements::new(*profile, slice(packet, range.clone()))
            }
            None => super::packet::Elements::new(0, &[]),
        }
    }

    /// One header extension element of `packet`.
    #[cfg(test)]
    pub(crate) fn element<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        self.elements(packet)
            .find(|(found, _)| *found == id)
            .map(|(_, value)| value)
    }
}

/// Where the payload of a *decrypted* packet is, without its padding (RFC 3550 section 5.1: the
/// last byte counts the padding, itself included). Empty for a packet of padding alone, which
/// bandwidth probes are made of: it counts as received, and there is nothing to deliver.
pub(crate) fn payload_range(header: &RtpHeader, packet: &[u8]) -> Result<Range<usize>, RtpDrop> {
    let start = header.header_len;
    let length = packet.len().checked_sub(start).ok_or(RtpDrop::TooShort)?;
    if !header.padding {
        return Ok(start..packet.len());
    }
    let padding = match packet.last() {
        Some(&count) if length > 0 && count > 0 => usize::from(count),
        _ => return Err(RtpDrop::Padding),
    };
    let length = length.checked_sub(padding).ok_or(RtpDrop::Padding)?;
    Ok(start..start + length)
}

/// The packet of the public API. `packet` is the whole decrypted packet that `header` was parsed
/// from.
pub(crate) fn to_packet(header: &RtpHeader, packet: &[u8]) -> Result<RtpPacket, RtpDrop> {
    let payload = slice(packet, payload_range(header, packet)?);
    let (profile, block) = match &header.extension {
        Some((profile, range)) => (*profile, slice(packet, range.clone())),
        None => (0, &[][..]),
    };
    let (block, payload) = buffers::copy(block, payload);
    Ok(RtpPacket {
        marker: header.marker,
        payload_type: header.payload_type,
        sequence_number: header.sequence_number,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
        csrcs: header.csrcs(packet).collect(),
        extensions: HeaderExtensionValues::from_wire(profile, block),
        payload,
    })
}

/// What [`write_header`] writes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OutgoingHeader<'a> {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// The first 15 are written.
    pub(crate) csrcs: &'a [u32],
    /// Identifier and value; see [`encode_elements`] for what cannot be written.
    pub(crate) extensions: &'a [(u8, &'a [u8])],
}

/// Appends a header to `out` and returns its length in bytes.
pub(crate) fn write_header(out: &mut Vec<u8>, header: &OutgoingHeader<'_>) -> usize {
    let start = out.len();
    let csrcs = header.csrcs.get(..MAX_CSRCS).unwrap_or(header.csrcs);
    out.push(0x80 | csrcs.len() as u8);
    out.push(u8::from(header.marker) << 7 | header.payload_type & 0x7f);
    out.extend_from_slice(&header.sequence_number.to_be_bytes());
    out.extend_from_slice(&header.timestamp.to_be_bytes());
    out.extend_from_slice(&header.ssrc.to_be_bytes());
    for csrc in csrcs {
        out.extend_from_slice(&csrc.to_be_bytes());
    }
    let extension = out.len();
    out.extend_from_slice(&[0; 4]);
    let elements = header.extensions.iter().copied();
    match encode_elements(out, elements) {
        Some(profile) => {
            // encode_elements keeps the block below 2^16 words.
            let words = ((out.len() - extension) / 4 - 1) as u16;
            let [p0, p1] = profile.to_be_bytes();
            let [w0, w1] = words.to_be_bytes();
            if let Some(head) = out.get_mut(extension..extension + 4) {
                head.copy_from_slice(&[p0, p1, w0, w1]);
            }
            if let Some(first) = out.get_mut(start) {
                *first |= 0x10;
            }
        }
        None => out.truncate(extension),
    }
    out.len() - start
}
