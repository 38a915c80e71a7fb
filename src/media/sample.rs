//! What a received track gives: whole frames.

use std::time::Instant;

use bytes::Bytes;

use crate::rtp::AudioLevel;

/// A whole encoded frame (or audio packet) from the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaSample {
    /// The encoded frame. H.264 and H.265 come as Annex B byte streams with four-byte start
    /// codes, AV1 in the low-overhead format without temporal delimiters.
    pub data: Bytes,
    /// RTP timestamp in units of `clock_rate`; wraps.
    pub timestamp: u32,
    /// Clock rate of `timestamp` in Hz.
    pub clock_rate: u32,
    /// Payload type the frame came with.
    pub payload_type: u8,
    /// Whether the last packet had the marker bit.
    pub marker: bool,
    /// Whether a decoder can start at this frame; None for audio.
    pub keyframe: Option<bool>,
    /// Contributing sources of its last packet, where a mixer names them.
    pub csrcs: Vec<u32>,
    /// How loud it is, if the peer says so in a header extension.
    pub audio_level: Option<AudioLevel>,
    /// Packets declared lost since the sample before this one.
    pub lost_before: u64,
    /// Frames dropped, because packets of them were lost or damaged, since the sample before.
    pub dropped_before: u64,
    /// Sequence number of the first packet.
    pub first_sequence_number: u16,
    /// Sequence number of the last packet.
    pub last_sequence_number: u16,
    /// When the last of its packets was received.
    pub received: Instant,
}
