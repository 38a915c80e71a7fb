//! Limits and counters of a jitter buffer.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Duration;

use crate::media::Kind;
use crate::rtp::extensions::decode_audio_level;
use crate::rtp::{AudioLevel, RtpPacket};

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
