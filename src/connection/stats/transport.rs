//! The statistics of a connection: all of them, its transport and its memory.

use std::collections::BTreeMap;

use serde::Serialize;

use super::data::{RTCDataChannelStats, RTCDataStats};
use super::drops::RTCDropStats;
use super::ice::RTCIceCandidatePairStats;
use super::identity::{RTCCertificateStats, RTCCodecStats};
use super::rtp::{RTCInboundRtpStats, RTCOutboundRtpStats, RTCRemoteInboundRtpStats};
use super::socket::RTCSocketStats;
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
    /// The data channels that are not closed.
    pub data_channels: Vec<RTCDataChannelStats>,
    /// What the peer has this side hold.
    pub memory: RTCMemoryStats,
    /// What was dropped, and why.
    pub dropped: RTCDropStats,
    /// The socket, with all the connections that share it.
    pub socket: RTCSocketStats,
    /// The same of the connection's further sockets
    /// ([`add_socket`](crate::RTCConnection::add_socket)), by their ids: what is above is of the
    /// first alone. One that is closed stays until another takes its place.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub legs: BTreeMap<String, RTCStats>,
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
    /// How often both sides had the same ICE role, which ICE then mends.
    pub ice_role_conflicts: u64,
    /// The state of DTLS.
    pub dtls_state: RTCDtlsState,
    /// "client" or "server", once the handshake has begun.
    pub dtls_role: Option<&'static str>,
    /// The DTLS cipher suite by its IANA name.
    pub dtls_cipher: Option<&'static str>,
    /// Flights of the DTLS handshake that were sent again: datagrams were lost, or the peer is slow.
    pub dtls_flights_resent: u64,
    /// How often the DTLS handshake was begun anew, because what came did not go together.
    pub dtls_restarts: u64,
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
    /// Compound RTCP packets sent.
    pub rtcp_packets_sent: u64,
    /// Compound RTCP packets received.
    pub rtcp_packets_received: u64,
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
