//! The way of a sending track's packets to the engine.

use std::time::Instant;

use crate::engine::{Engine, OutgoingRtp, SendOutcome};
use crate::error::Result;
use crate::media::sending::{FramePacket, SendingTrack};
use crate::rtp::AudioLevel;

/// What the packets of one track need to get onto the wire.
pub(super) struct Wire<'a> {
    now: Instant,
    engine: &'a mut Engine,
    ssrc: u32,
    extensions: &'a [(u8, &'a [u8])],
    /// Packets that found the queue full.
    discarded: u64,
}

impl Wire<'_> {
    /// Has the track send, with its header extensions; what found no room is counted.
    pub(super) fn of<R>(
        engine: &mut Engine,
        track: &mut SendingTrack,
        now: Instant,
        level: Option<AudioLevel>,
        send: impl FnOnce(&mut SendingTrack, &mut Wire<'_>) -> R,
    ) -> R {
        let values = &track.header_extension_values;
        let encoded = engine.media().encode_extensions(values, level);
        let elements = encoded.iter();
        let elements: Vec<_> = elements.map(|(id, data)| (*id, data.as_slice())).collect();
        let mut wire = Wire {
            now,
            engine,
            ssrc: track.ssrc,
            extensions: &elements,
            discarded: 0,
        };
        let sent = send(track, &mut wire);
        let discarded = wire.discarded;
        track.count_discarded(discarded);
        sent
    }

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
