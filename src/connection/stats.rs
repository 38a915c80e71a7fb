//! What a connection has done so far, under the names and units of the W3C's statistics.

mod ice;
mod identity;
mod rtp;

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::RTCConnection;
use super::shared::ConnectionState;
use super::state::{RTCConnectionState, RTCDtlsState, RTCIceState};
use crate::connection::description::encryption::srtp_name;
use crate::connection::description::fingerprint::{Fingerprint, fingerprints};
use crate::connection::description::roles::RTCIceRole;
use crate::engine::EngineCounters;
use crate::engine::certificate::HashAlgorithm;
use crate::engine::dtls::DtlsRole;
use identity::certificates;

pub use ice::RTCIceCandidatePairStats;
pub use identity::{RTCCertificateStats, RTCCodecStats};
pub use rtp::{RTCFrameStats, RTCInboundRtpStats, RTCOutboundRtpStats, RTCRemoteInboundRtpStats};

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

/// The data channels of a connection together (row G40).
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
    /// Malformed, unauthenticated or unexpected STUN.
    pub stun: u64,
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

impl RTCConnection {
    /// A snapshot of the statistics. Stays available after `close`.
    pub fn stats(&self) -> RTCStats {
        let shared = self.shared();
        let own = shared.socket.certificate.der();
        let mut stats = shared.lock().stats(own);
        let socket = shared.socket.udp_counters.stats();
        stats.dropped.socket_unknown = shared.socket.unrouted.load(Ordering::Relaxed);
        stats.dropped.socket_send = socket.send_dropped;
        stats.dropped.socket_receive = socket.recv_errors;
        stats.dropped.relay = shared.socket.relay_dropped();
        stats
    }
}

impl ConnectionState {
    pub(super) fn stats(&self, own_certificate: &[u8]) -> RTCStats {
        let engine = &self.engine;
        let sha256 = |der: &[u8]| {
            let all = fingerprints(der, &[HashAlgorithm::Sha256])?;
            all.iter().next().map(Fingerprint::value)
        };
        let feedback = engine.rtp().transport_reports();
        let traffic = engine.traffic();
        let pairs = engine.ice().pair_stats();
        let selected = pairs.iter().find(|pair| pair.selected);
        let transport = RTCTransportStats {
            state: engine.state().into(),
            ice_state: engine.ice().state().into(),
            ice_role: engine.ice().role().map(Into::into),
            dtls_state: engine.secure_state().into(),
            dtls_role: engine.dtls_role().map(|role| match role {
                DtlsRole::Client => "client",
                DtlsRole::Server => "server",
            }),
            dtls_cipher: engine.cipher_suite(),
            srtp_cipher: engine.srtp_profile().map(srtp_name),
            local_fingerprint: sha256(own_certificate),
            remote_fingerprint: engine.peer_certificate().and_then(sha256),
            packets_sent: traffic.packets_sent,
            bytes_sent: traffic.bytes_sent,
            packets_received: traffic.packets_received,
            bytes_received: traffic.bytes_received,
            selected_candidate_pair_id: selected.map(ice::pair_id),
            selected_candidate_pair_changes: traffic.selections,
            current_round_trip_time: selected
                .and_then(|pair| pair.rtt)
                .map(|rtt| rtt.as_secs_f64()),
            transport_feedback_received: feedback.messages,
            transport_packets_arrived: feedback.received,
            transport_packets_lost: feedback.lost,
        };
        let data = engine.data_counters();
        let ice = engine.ice().counters();
        let dtls = engine.dtls_counters();
        let rtcp = engine.rtp().counters();
        let repair = engine.repair_counters();
        let EngineCounters {
            unknown_protocol,
            wrong_path,
            early_dtls,
            early_media,
            malformed_rtp,
            rejected_srtp,
            unknown_rtp,
            outgoing_dropped,
        } = engine.counters();
        RTCStats {
            timestamp: milliseconds(SystemTime::now()),
            transport,
            candidate_pairs: self.candidate_pairs(),
            inbound_rtp: self.inbound_rtp(),
            outbound_rtp: self.outbound_rtp(),
            remote_inbound_rtp: self.remote_inbound_rtp(),
            codecs: self.codec_stats(),
            certificates: certificates(own_certificate, engine.peer_certificate()),
            data: RTCDataStats {
                channels: self.channels.len(),
                round_trip_time: engine.data_rtt().map(|rtt| rtt.as_secs_f64()),
                max_datagram: engine.largest_data_datagram(),
                retransmitted: data.sctp.retransmitted,
                abandoned: data.sctp.abandoned,
                dropped_packets: data.sctp.dropped + data.early_packets,
                dropped_messages: data.dropped_messages,
                refused_channels: data.refused_channels,
            },
            memory: RTCMemoryStats {
                limit: engine.budget().limit(),
                channels: engine.budget().channels(),
                packets: engine.budget().packets(),
                others: engine.held(),
                messages: engine.unread().get(),
                packets_dropped: engine.budget().dropped(),
            },
            dropped: RTCDropStats {
                unknown_protocol,
                wrong_path,
                early_dtls,
                early_media,
                malformed_rtp,
                rejected_srtp,
                unknown_rtp,
                outgoing: outgoing_dropped,
                stun: ice.malformed
                    + ice.unknown_local
                    + ice.wrong_username
                    + ice.wrong_integrity
                    + ice.unknown_transaction
                    + ice.asymmetric_response
                    + ice.rejected,
                dtls: dtls.dropped + dtls.plaintext_alerts,
                rtcp: rtcp.compounds_invalid
                    + rtcp.packets_malformed
                    + rtcp.byes_ignored
                    + rtcp.feedback_ignored,
                retransmissions: repair.unrelated + repair.malformed + repair.needless,
                unanswered_nacks: repair.unanswered,
                ignored_candidates: self.ignored_candidates,
                socket_unknown: 0,
                socket_send: 0,
                relay: 0,
                socket_receive: 0,
            },
        }
    }
}

/// The W3C's unit of points in time; before 1970 is 1970.
fn milliseconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1_000.0
}
