//! Payloads of a frame, and how they are cut out of it.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};

/// One RTP payload of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) payload: Bytes,
    /// The RTP marker bit: the last packet of a video frame.
    pub(crate) marker: bool,
    /// To be added to the frame's RTP timestamp.
    pub(crate) timestamp_offset: u32,
}

impl Payload {
    pub(crate) fn new(payload: Bytes, timestamp_offset: u32) -> Self {
        Payload {
            payload,
            marker: false,
            timestamp_offset,
        }
    }
}

/// Cuts payloads out of one allocation per frame.
pub(super) struct Cutter<'a> {
    pub(super) buffer: BytesMut,
    pub(super) out: &'a mut Vec<Payload>,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(capacity: usize, out: &'a mut Vec<Payload>) -> Self {
        Cutter {
            buffer: BytesMut::with_capacity(capacity),
            out,
        }
    }

    /// Emits a payload made of these parts.
    pub(super) fn emit(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        let payload = self.buffer.split().freeze();
        self.out.push(Payload::new(payload, 0));
    }
}
