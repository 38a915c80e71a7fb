//! What tracks are declared and sent with, what becomes of their packets, and what is counted.

use bytes::Bytes;

use crate::rtp::Declaration;

/// One RTP packet to send; the engine fills in what belongs to the SSRC.
pub(crate) struct OutgoingRtp<'a> {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) csrcs: &'a [u32],
    /// Extension elements of this packet beyond those of the connection.
    pub(crate) extensions: &'a [(u8, &'a [u8])],
    /// The payload is this and then the other part.
    pub(crate) head: &'a [u8],
    pub(crate) payload: &'a [u8],
    /// The other part again, where it may be held on to as it is.
    pub(crate) shared: Option<&'a Bytes>,
}

impl OutgoingRtp<'_> {
    pub(super) fn payload_len(&self) -> usize {
        self.head.len().saturating_add(self.payload.len())
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    Sent,
    /// Not connected, or the peer is not accepted: media of that moment is of no use later.
    NotConnected,
    /// The queue to the socket is full.
    QueueFull,
}

/// What a receiver is declared with.
#[derive(Debug, Clone)]
pub(crate) struct ReceiverSpec {
    pub(crate) declaration: Declaration,
    /// Clock rate by payload type; 0 where timestamps are no measure of jitter.
    pub(crate) clock_rates: Vec<(u8, u32)>,
    /// Payload types of redundant audio.
    pub(crate) red: Vec<RedFormat>,
    /// How missing packets come back, from the first packet on; `None`: as before.
    pub(crate) repair: Option<ReceiverRepair>,
    /// Whether the peer reads RTCP of reduced size.
    pub(crate) reduced_size: bool,
    /// Ids of the streams it is in.
    pub(crate) streams: Vec<String>,
}

impl ReceiverSpec {
    pub(super) fn clock_rate(&self, payload_type: u8) -> u32 {
        self.clock_rates
            .iter()
            .find(|(known, _)| *known == payload_type)
            .map_or(90_000, |(_, rate)| *rate)
    }

    pub(super) fn red_format(&self, payload_type: u8) -> Option<&RedFormat> {
        let mut formats = self.red.iter();
        formats.find(|format| format.payload_type == payload_type)
    }
}

/// The retransmission stream of a sending SSRC (RFC 4588 section 4: SSRC-multiplexed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RtxStream {
    pub(crate) ssrc: u32,
    /// Media payload type, and the one its retransmissions have.
    pub(crate) payload_types: Vec<(u8, u8)>,
    /// Where its sequence numbers begin; they go on when the stream is set again.
    pub(crate) next_sequence_number: u16,
}

impl RtxStream {
    pub(super) fn payload_type(&self, media: u8) -> Option<u8> {
        self.payload_types
            .iter()
            .find(|(known, _)| *known == media)
            .map(|(_, rtx)| *rtx)
    }
}

/// How missing packets of a receiver come back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReceiverRepair {
    /// Whether they are asked for.
    pub(crate) nack: bool,
    /// Retransmission SSRC, and the SSRC of what it repairs.
    pub(crate) rtx_ssrcs: Vec<(u32, u32)>,
    /// Payload type of retransmissions, and of what they carry.
    pub(crate) payload_types: Vec<(u8, u8)>,
}

impl ReceiverRepair {
    /// The payload type of what a retransmission carries; `None` for other packets.
    pub(super) fn media_payload_type(&self, payload_type: u8) -> Option<u8> {
        self.payload_types
            .iter()
            .find(|(rtx, _)| *rtx == payload_type)
            .map(|(_, media)| *media)
    }
}

/// What became of retransmissions that were received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RepairCounters {
    /// Retransmissions of a stream that is not known.
    pub(crate) unrelated: u64,
    /// Too short to hold a packet.
    pub(crate) malformed: u64,
    /// Of packets that were there already.
    pub(crate) needless: u64,
    /// Asked for by the peer, and not to be had any more.
    pub(crate) unanswered: u64,
}

/// How a sending SSRC repeats its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RedStream {
    pub(crate) payload_type: u8,
    /// Payload type of the packets that are carried twice; others go out as they are.
    pub(crate) carried: u8,
    /// How many earlier packets each carries.
    pub(crate) distance: usize,
}

/// A payload type of redundant audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedFormat {
    pub(crate) payload_type: u8,
    /// The payload types that may be inside.
    pub(crate) carried: Vec<u8>,
}

/// Redundant blocks of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RedCounters {
    pub(crate) received: u64,
    pub(crate) bytes: u64,
    /// Not needed: the packet was there, or cannot be told.
    pub(crate) discarded: u64,
}

/// Packets of media that were dropped, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MediaCounters {
    /// RTP or RTCP before the keys are there or before the peer is accepted.
    pub(crate) early: u64,
    /// Not a well-formed RTP packet.
    pub(crate) malformed_rtp: u64,
    /// SRTP or SRTCP that did not authenticate, or a replay.
    pub(crate) rejected_srtp: u64,
    /// RTP of no declared receiver, beyond the replay buffer.
    pub(crate) unknown_rtp: u64,
}
