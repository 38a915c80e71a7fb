//! What the jitter buffer gives, its limits and its counters.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Kind;
use crate::rtp::extensions::decode_audio_level;
use crate::rtp::{AudioLevel, RtpPacket};

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

/// Limits of a jitter buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JitterConfig {
    /// How long a missing packet is waited for.
    pub(crate) max_wait: Duration,
    /// Bound of the buffer in packets, and of the span of sequence numbers it covers. When full,
    /// the oldest packets are dropped and counted. At least 1.
    pub(crate) max_packets: usize,
    /// Id of the audio level header extension on this connection.
    pub(crate) audio_level_id: Option<u8>,
}

impl JitterConfig {
    pub(crate) fn audio_level(&self, packet: &RtpPacket) -> Option<AudioLevel> {
        decode_audio_level(packet.extensions.get(self.audio_level_id?)?)
    }

    /// Audio: 60 ms and 512 packets. Video: 200 ms, time for a retransmission, and 4,096 packets,
    /// enough for the largest frame that can be sent.
    pub(crate) fn for_kind(kind: Kind) -> Self {
        match kind {
            Kind::Audio | Kind::Dtmf => JitterConfig {
                max_wait: Duration::from_millis(60),
                max_packets: 512,
                audio_level_id: None,
            },
            Kind::Video => JitterConfig {
                max_wait: Duration::from_millis(200),
                max_packets: 4096,
                audio_level_id: None,
            },
        }
    }
}

/// What happened to the packets and frames of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct JitterStats {
    pub(crate) received: u64,
    pub(crate) duplicates: u64,
    /// Came after they were delivered or given up.
    pub(crate) late: u64,
    /// Declared lost.
    pub(crate) lost: u64,
    /// Dropped because the buffer was full.
    pub(crate) overflow: u64,
    pub(crate) frames: u64,
    pub(crate) keyframes: u64,
    /// Frames dropped because packets of them were lost.
    pub(crate) frames_dropped: u64,
    /// Frames dropped although no packet of them was missing.
    pub(crate) frames_corrupt: u64,
    /// Came with a sequence number far from the others.
    pub(crate) out_of_range: u64,
    /// The sender began a new sequence.
    pub(crate) resyncs: u64,
}
