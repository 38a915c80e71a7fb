//! Streams of RTP, each by its SSRC.

use serde::Serialize;

use crate::media::{JitterStats, Kind};

/// A source that is received.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCInboundRtpStats {
    /// The synchronisation source.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: Kind,
    /// Media identification (`muxId`) of the track.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// Which of the track's encodings it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// The codec of the last packet, among the codecs.
    pub codec_id: String,
    /// Packets received.
    pub packets_received: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Packets expected minus packets received; negative with duplicates. Those that came back in
    /// a retransmission stream are still lost here, as in the reports to the peer.
    pub packets_lost: i64,
    /// Interarrival jitter in seconds (RFC 3550 section 6.4.1).
    pub jitter: f64,
    /// When the last packet was received, in milliseconds since 1970 (UTC).
    pub last_packet_received_timestamp: f64,
    /// NACK messages sent.
    pub nack_count: u64,
    /// Packets that came after they had been asked for, by whatever way.
    pub packets_recovered: u64,
    /// Packets that were asked for and did not come in time.
    pub packets_given_up: u64,
    /// Packet loss indications sent.
    pub pli_count: u64,
    /// Full intra requests sent.
    pub fir_count: u64,
    /// Packets that a retransmission stream brought; in `packets_received` as well.
    pub retransmitted_packets_received: u64,
    /// Their payload bytes; in `bytes_received` as well.
    pub retransmitted_bytes_received: u64,
    /// Blocks of redundant audio received (RFC 2198): copies of earlier packets, in later ones.
    pub fec_packets_received: u64,
    /// Their payload bytes; in `bytes_received` as well.
    pub fec_bytes_received: u64,
    /// Those of them that were not needed. The others are packets that had been lost; these are in
    /// `packets_lost` all the same, and not in `packets_received`.
    pub fec_packets_discarded: u64,
    /// SSRC of the retransmissions, where it is declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtx_ssrc: Option<u32>,
    /// What `recv_sample` put together; absent for a track that is read as packets.
    #[serde(flatten)]
    pub frames: Option<RTCFrameStats>,
}

/// Frames put together from packets. What becomes of them is known to the application only, so
/// there are no counts of decoded frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCFrameStats {
    /// Whole frames (audio: packets).
    pub frames_received: u64,
    /// Those of them that a decoder can start at; 0 for audio.
    pub key_frames_received: u64,
    /// Frames given up because packets of them were lost or damaged.
    pub frames_dropped: u64,
    /// Those of them that were damaged.
    pub frames_corrupt: u64,
    /// Packets that came too late, twice, or when there was no room.
    pub packets_discarded: u64,
    /// Packets that had not come when their turn was over.
    pub packets_missing: u64,
    /// Packets with a sequence number far from the others. They are used once several go together.
    pub packets_out_of_range: u64,
    /// How often the sender began a new line of sequence numbers.
    pub sequence_restarts: u64,
}

/// A source that is sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCOutboundRtpStats {
    /// The synchronisation source.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: Kind,
    /// Media identification (`muxId`) of the track.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// Which of the track's encodings it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// The codec in use, among the codecs.
    pub codec_id: String,
    /// Whether it is being sent: its track is started, and it is not switched off.
    pub active: bool,
    /// Packets sent.
    pub packets_sent: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Frames written with `write_sample` and sent.
    pub frames_sent: u64,
    /// Packet loss indications received.
    pub pli_count: u64,
    /// Full intra requests received.
    pub fir_count: u64,
    /// NACK messages received.
    pub nack_count: u64,
    /// Packets that the peer asked for again.
    pub packets_nacked: u64,
    /// Packets that were made and not sent: the queue to the socket was full, or a relayed packet
    /// came so late that a digit has its sequence number.
    pub packets_discarded_on_send: u64,
    /// Packets sent again, in the same stream or in one of their own; in `packets_sent` as well.
    pub retransmitted_packets_sent: u64,
    /// Their payload bytes; in `bytes_sent` as well.
    pub retransmitted_bytes_sent: u64,
    /// SSRC of the retransmissions, where they have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtx_ssrc: Option<u32>,
    /// Packets lost on the way, as the peer reports.
    pub remote_packets_lost: Option<i32>,
    /// Round-trip time by the peer's reports, in seconds.
    pub round_trip_time: Option<f64>,
}

/// What the peer's reports say about a source that is sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCRemoteInboundRtpStats {
    /// The synchronisation source.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: Kind,
    /// When the report came, in milliseconds since 1970 (UTC).
    pub timestamp: f64,
    /// Packets lost since the start; negative with duplicates.
    pub packets_lost: i32,
    /// Share of the packets lost since the report before, 0 to 1.
    pub fraction_lost: f64,
    /// Interarrival jitter at the peer, in seconds.
    pub jitter: f64,
    /// Round-trip time of the last report that allowed for it, in seconds.
    pub round_trip_time: Option<f64>,
    /// All round-trip times measured, in seconds.
    pub total_round_trip_time: f64,
    /// How many were measured.
    pub round_trip_time_measurements: u64,
}

impl From<JitterStats> for RTCFrameStats {
    fn from(stats: JitterStats) -> Self {
        let JitterStats {
            // In `RTCInboundRtpStats::packets_received`.
            received: _,
            duplicates,
            late,
            lost,
            overflow,
            frames,
            keyframes,
            frames_dropped,
            frames_corrupt,
            out_of_range,
            resyncs,
        } = stats;
        Self {
            frames_received: frames,
            key_frames_received: keyframes,
            frames_dropped: frames_dropped + frames_corrupt,
            frames_corrupt,
            packets_discarded: late + duplicates + overflow,
            packets_missing: lost,
            packets_out_of_range: out_of_range,
            sequence_restarts: resyncs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_is_shown_as_itself() {
        let counted = JitterStats {
            received: 1_000,
            duplicates: 1,
            late: 2,
            lost: 3,
            overflow: 4,
            frames: 5,
            keyframes: 6,
            frames_dropped: 7,
            frames_corrupt: 8,
            out_of_range: 9,
            resyncs: 10,
        };
        let shown = serde_json::json!({
            "framesReceived": 5, "keyFramesReceived": 6, "framesDropped": 7 + 8,
            "framesCorrupt": 8, "packetsDiscarded": 1 + 2 + 4, "packetsMissing": 3,
            "packetsOutOfRange": 9, "sequenceRestarts": 10,
        });
        let stats = serde_json::to_value(RTCFrameStats::from(counted));
        assert_eq!(stats.ok(), Some(shown));
    }
}
