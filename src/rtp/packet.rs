//! The RTP packet of the public API.

use bytes::Bytes;

use super::buffers;
use super::extensions::encode_elements;
use crate::error::{Error, Result};

/// One RTP packet (RFC 3550 section 5.1), decrypted. Cloning is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RtpPacket {
    /// The marker bit; for video the last packet of a frame.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence_number: u16,
    /// Media timestamp in units of the codec's clock rate.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Contributing sources, at most 15.
    pub csrcs: Vec<u32>,
    /// Header extension elements (RFC 8285).
    pub extensions: HeaderExtensionValues,
    /// The payload without padding.
    pub payload: Bytes,
}

impl RtpPacket {
    /// What a packet holds beside its contents: itself, its place in a queue, three allocations.
    const OVERHEAD: usize = 256;

    /// Bytes that it holds while it waits.
    pub(crate) fn held(&self) -> usize {
        let contents = buffers::room(self.contents());
        Self::OVERHEAD.saturating_add(contents)
    }

    /// The same, but for the rest of its buffer: what a burst of packets comes to.
    pub(crate) fn weight(&self) -> usize {
        Self::OVERHEAD.saturating_add(self.contents())
    }

    fn contents(&self) -> usize {
        let block = self.extensions.block.len();
        let csrcs = self.csrcs.len().saturating_mul(4);
        let contents = self.payload.len().saturating_add(block);
        contents.saturating_add(csrcs)
    }
}

/// A header extension element of a packet (RFC 8285).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderExtensionValue {
    /// What it means; `None` when the connection's `header_extensions` do not name the id.
    pub uri: Option<String>,
    /// The identifier on the wire, 1 to 255.
    pub id: u8,
    /// The value, at most 255 bytes.
    pub value: Bytes,
}

/// The header extension elements of a packet (RFC 8285), kept as they came on the wire.
///
/// Two values are equal when their wire forms are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderExtensionValues {
    profile: u16,
    block: Bytes,
}

impl HeaderExtensionValues {
    pub(crate) fn from_wire(profile: u16, block: Bytes) -> Self {
        Self { profile, block }
    }

    /// The value of the element with this identifier; the first one if it is repeated.
    pub fn get(&self, id: u8) -> Option<&[u8]> {
        self.iter()
            .find(|(found, _)| *found == id)
            .map(|(_, value)| value)
    }

    /// The elements in wire order: identifier (1 to 255) and value. Nothing for a header extension
    /// that is not of RFC 8285.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> + Clone {
        Elements::new(self.profile, &self.block)
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Adds an element, or replaces the one with the same identifier. The block is encoded anew,
    /// in the one-byte form if everything fits it. A header extension that is not of RFC 8285 is
    /// replaced.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` if `id` is 0 or `value` is longer than 255 bytes.
    pub fn insert(&mut self, id: u8, value: &[u8]) -> Result<()> {
        if id == 0 {
            return Err(Error::invalid_parameters(
                "header extension id 0 is padding (RFC 8285)",
            ));
        }
        if value.len() > 255 {
            return Err(Error::invalid_parameters(
                "a header extension element has at most 255 bytes (RFC 8285)",
            ));
        }
        let others = self.iter().filter(|(found, _)| *found != id);
        *self = Self::encode(others.chain(std::iter::once((id, value))));
        Ok(())
    }

    /// Removes the elements with this identifier.
    pub fn remove(&mut self, id: u8) {
        *self = Self::encode(self.iter().filter(|(found, _)| *found != id));
    }

    fn encode<'a>(elements: impl Iterator<Item = (u8, &'a [u8])> + Clone) -> Self {
        let mut block = Vec::new();
        match encode_elements(&mut block, elements) {
            Some(profile) => Self {
                profile,
                block: block.into(),
            },
            None => Self::default(),
        }
    }
}

/// Iterates over an extension block of RFC 8285; ends at the first thing that is not well-formed.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    two_byte: bool,
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(crate) fn new(profile: u16, block: &'a [u8]) -> Self {
        let two_byte = profile & 0xfff0 == 0x1000;
        Self {
            two_byte,
            rest: if two_byte || profile == 0xbede {
                block
            } else {
                &[]
            },
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        let padding = rest.iter().take_while(|byte| **byte == 0).count();
        let (&head, rest) = rest.get(padding..)?.split_first()?;
        let (id, length, rest) = if self.two_byte {
            let (&length, rest) = rest.split_first()?;
            (head, usize::from(length), rest)
        } else {
            // RFC 8285 section 4.2: id 15, and id 0 with a length, end the processing.
            let id = head >> 4;
            if id == 0 || id == 15 {
                return None;
            }
            (id, usize::from(head & 0x0f) + 1, rest)
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some((id, value))
    }
}
