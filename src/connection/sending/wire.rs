//! The way of a sending track's packets to the engine.

use std::time::Instant;

use crate::engine::{Engine, OutgoingRtp, SendOutcome};
use crate::error::Result;
use crate::media::sending::FramePacket;

/// What the packets of one track need to get onto the wire.
pub(super) struct Wire<'a> {
    pub(super) now: Instant,
    pub(super) engine: &'a mut Engine,
    pub(super) ssrc: u32,
    pub(super) extensions: &'a [(u8, &'a [u8])],
    /// Packets that found the queue full.
    pub(super) discarded: u64,
}

impl Wire<'_> {
    pub(super) fn send(&mut self, packet: &FramePacket<'_>, csrcs: &[u32]) -> Result<()> {
        let outcome = self.engine.send_rtp(
            self.now,
            self.ssrc,
            &OutgoingRtp {
                marker: packet.marker,
                payload_type: packet.payload_type,
                sequence_number: packet.sequence_number,
                timestamp: packet.timestamp,
                csrcs,
                extensions: self.extensions,
                head: &[],
                payload: packet.payload,
                shared: None,
            },
        )?;
        if outcome == SendOutcome::QueueFull {
            self.discarded = self.discarded.saturating_add(1);
        }
        Ok(())
    }
}

/// Header extension elements, once encoded, as packets take them.
pub(super) fn borrowed(encoded: &[(u8, Vec<u8>)]) -> Vec<(u8, &[u8])> {
    let elements = encoded.iter();
    elements.map(|(id, data)| (*id, data.as_slice())).collect()
}
