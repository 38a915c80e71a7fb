//! The statistics of a connection: as a whole, its data channels, its memory and its drops.

use serde::Serialize;

use super::ice::RTCIceCandidatePairStats;
use super::identity::{RTCCertificateStats, RTCCodecStats};
use super::rtp::{RTCInboundRtpStats, RTCOutboundRtpStats, RTCRemoteInboundRtpStats};
use crate::connection::description::roles::RTCIceRole;
use crate::connection::description::state::{RTCConnectionState, RTCDtlsState, RTCIceState};

/// A snapshot of a connection's statistics. Serialises with the W3C's member names.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCStats {
    /// When the snapshot was made, in milliseconds since 1970 (UTC).
    pub timestamp: f64,
    /// The connection as a whole.
    pub transport: RTCTransportStats,
    /// The pairs of candidates that ICE has.
    pub candidate_pairs: Vec<RTCIceCandidatePairStats>,
    /// Each source that has been received.
    pub inbound_rtp: Vec<RTCInboundRtpStats>,
    /// Each source that is sent.
    pub outbound_rtp: Vec<RTCOutboundRtpStats>,
    /// What the peer says of each source that is sent, once it has said something.
    pub remote_inbound_rtp: Vec<RTCRemoteInboundRtpStats>,
    /// The codecs of what is sent and received.
    pub codecs: Vec<RTCCodecStats>,
    /// The certificates of both sides.
    pub certificates: Vec<RTCCertificateStats>,
    /// The data channels together.
    pub data: RTCDataStats,
    /// What the peer has this side hold.
    pub memory: RTCMemoryStats,
    /// Datagrams that were dropped, and why.
    pub dropped: RTCDropStats,
}

/// What the peer has this side hold for the application, in bytes; see
/// [`RTCConnectionOptions::memory_limit`](crate::RTCConnectionOptions::memory_limit).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCMemoryStats {
    /// The limit on `channels`, `packets` and `others` together.
    pub limit: usize,
    /// The peer's data channels with their labels, for as long as somebody has them.
    pub channels: usize,
    /// Packets that wait on tracks.
    pub packets: usize,
    /// Packets of undeclared sources, and what came before its time.
    pub others: usize,
    /// Messages that wait on data channels; they have the receive window to themselves.
    pub messages: usize,
    /// Packets that were dropped on tracks because the limit was reached. Channels that were
    /// refused are in [`RTCDataStats::refused_channels`].
    pub packets_dropped: u64,
}

// Row G40.
/// The data channels of a connection together.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCDataStats {
    /// Channels that are not closed.
    pub channels: usize,
    /// Smoothed round-trip time as SCTP measures it, in seconds.
    pub round_trip_time: Option<f64>,
    /// The largest datagram that carries data at present, in bytes of UDP payload: up to 1,200,
    /// and more where the path has shown that it carries more. `None` without an association.
    pub max_datagram: Option<usize>,
    /// Chunks that were sent again.
    pub retransmitted: u64,
    /// Messages given up under partial reliability.
    pub abandoned: u64,
    /// SCTP packets and chunks that were malformed, out of place or beyond a bound, or came before
    /// the peer was accepted.
    pub dropped_packets: u64,
    /// Messages on streams of no channel.
    pub dropped_messages: u64,
    /// Channels of the peer that were refused.
    pub refused_channels: u64,
}

/// The connection as a whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCTransportStats {
    /// The connection's state.
    pub state: RTCConnectionState,
    /// The state of ICE.
    pub ice_state: RTCIceState,
    /// The ICE role, once it is decided.
    pub ice_role: Option<RTCIceRole>,
    /// The state of DTLS.
    pub dtls_state: RTCDtlsState,
    /// "client" or "server", once the handshake has begun.
    pub dtls_role: Option<&'static str>,
    /// The DTLS cipher suite by its IANA name.
    pub dtls_cipher: Option<&'static str>,
    /// The SRTP protection profile by its IANA name.
    pub srtp_cipher: Option<&'static str>,
    /// sha-256 of the own certificate.
    pub local_fingerprint: Option<String>,
    /// sha-256 of the peer's certificate.
    pub remote_fingerprint: Option<String>,
    /// Datagrams of this connection that were sent.
    pub packets_sent: u64,
    /// Their bytes, UDP and IP headers not counted.
    pub bytes_sent: u64,
    /// Datagrams received from addresses that ICE has verified, or that were STUN.
    pub packets_received: u64,
    /// Their bytes, UDP and IP headers not counted.
    pub bytes_received: u64,
    /// Id of the pair in use, among the candidate pairs.
    pub selected_candidate_pair_id: Option<String>,
    /// How often a pair was selected.
    pub selected_candidate_pair_changes: u64,
    /// Round-trip time of the last connectivity check on the pair in use, in seconds.
    pub current_round_trip_time: Option<f64>,
    /// Transport-wide feedback messages received, where that header extension is in use.
    pub transport_feedback_received: u64,
    /// Packets that arrived by that feedback.
    pub transport_packets_arrived: u64,
    /// Packets that were lost by that feedback.
    pub transport_packets_lost: u64,
}

/// STUN messages that were dropped, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCStunFaults {
    /// Not a Binding message in the form that ICE uses.
    pub malformed: u64,
    /// Requests at an address that is no local candidate's.
    pub unknown_address: u64,
    /// Requests whose user name is of another session: an old or foreign description.
    pub wrong_username: u64,
    /// Signed with another password.
    pub wrong_password: u64,
    /// Responses to nothing that was asked.
    pub unknown_transaction: u64,
    /// Responses from another address than was asked.
    pub asymmetric: u64,
    /// Authentic, and yet not acceptable.
    pub rejected: u64,
}

/// Datagrams that were dropped, and why. Nothing in them had any other effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCDropStats {
    /// No known protocol by the first byte.
    pub unknown_protocol: u64,
    /// From an address that ICE has not verified.
    pub wrong_path: u64,
    /// DTLS before ICE was ready.
    pub early_dtls: u64,
    /// RTP or RTCP before the keys were there, or before the peer was accepted.
    pub early_media: u64,
    /// Malformed RTP.
    pub malformed_rtp: u64,
    /// SRTP or SRTCP that did not authenticate, or a replay.
    pub rejected_srtp: u64,
    /// RTP of no declared track.
    pub unknown_rtp: u64,
    /// Outgoing datagrams refused because the queue to the socket was full.
    pub outgoing: u64,
    /// Malformed, unauthenticated or unexpected STUN, all together.
    pub stun: u64,
    /// The same by reason.
    pub stun_faults: RTCStunFaults,
    /// DTLS records that were malformed, forged, out of place or beyond a bound.
    pub dtls: u64,
    /// RTCP packets that were malformed or said what the peer may not say.
    pub rtcp: u64,
    /// Retransmissions received that were of no use: malformed, of an unknown stream, or of packets
    /// that were there already.
    pub retransmissions: u64,
    /// Packets the peer asked for again that were not to be had any more.
    pub unanswered_nacks: u64,
    /// Remote candidates that could not be used.
    pub ignored_candidates: u64,
    /// Socket, all its connections: datagrams of no connection, by their address or, with STUN,
    /// their USERNAME; or of no known protocol.
    pub socket_unknown: u64,
    /// Socket, all its connections: datagrams that the operating system refused to send.
    pub socket_send: u64,
    /// Socket, all its connections: datagrams from and to relays that were malformed or not
    /// permitted, or whose relay was gone.
    pub relay: u64,
    /// Socket, all its connections: errors reported by receive calls, e.g. ICMP.
    pub socket_receive: u64,
}
