//! What a connection has done so far, under the names and units of the W3C's statistics.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::RTCConnection;
use super::roles::RTCIceRole;
use super::setup::fingerprints;
use super::shared::{ConnectionState, public_dtls_state, public_ice_state, public_state};
use super::state::{RTCConnectionState, RTCDtlsState, RTCIceState};
use crate::engine::EngineCounters;
use crate::engine::certificate::HashAlgorithm;
use crate::engine::dtls::{DtlsRole, SrtpProfile};
use crate::media::Kind;

/// A snapshot of a connection's statistics. Serialises with the W3C's member names.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCStats {
    /// The connection as a whole.
    pub transport: RTCTransportStats,
    /// Each source that has been received.
    pub inbound_rtp: Vec<RTCInboundRtpStats>,
    /// Each source that is sent.
    pub outbound_rtp: Vec<RTCOutboundRtpStats>,
    /// The data channels together.
    pub data: RTCDataStats,
    /// Datagrams that were dropped, and why.
    pub dropped: RTCDropStats,
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
    /// Round-trip time of the last connectivity check on the pair in use, in seconds.
    pub current_round_trip_time: Option<f64>,
    /// Transport-wide feedback messages received, where that header extension is in use.
    pub transport_feedback_received: u64,
    /// Packets that arrived by that feedback.
    pub transport_packets_arrived: u64,
    /// Packets that were lost by that feedback.
    pub transport_packets_lost: u64,
}

/// A source that is received.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCInboundRtpStats {
    /// The synchronisation source.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: Kind,
    /// Packets received.
    pub packets_received: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Packets expected minus packets received; negative with duplicates.
    pub packets_lost: i64,
    /// Interarrival jitter in seconds (RFC 3550 section 6.4.1).
    pub jitter: f64,
    /// NACK messages sent.
    pub nack_count: u64,
    /// Packets that a retransmission stream brought; in `packets_received` as well.
    pub retransmitted_packets_received: u64,
    /// Their payload bytes; in `bytes_received` as well.
    pub retransmitted_bytes_received: u64,
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
    /// Packets sent.
    pub packets_sent: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Packet loss indications received.
    pub pli_count: u64,
    /// Full intra requests received.
    pub fir_count: u64,
    /// NACK messages received.
    pub nack_count: u64,
    /// Packets sent again, in the same stream or in one of their own; in `packets_sent` as well.
    pub retransmitted_packets_sent: u64,
    /// Their payload bytes; in `bytes_sent` as well.
    pub retransmitted_bytes_sent: u64,
    /// Packets lost on the way, as the peer reports.
    pub remote_packets_lost: Option<i32>,
    /// Round-trip time by the peer's reports, in seconds.
    pub round_trip_time: Option<f64>,
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
            all.iter()
                .next()
                .map(super::fingerprint::Fingerprint::value)
        };
        let feedback = engine.rtp().transport_reports();
        let transport = RTCTransportStats {
            state: public_state(engine.state()),
            ice_state: public_ice_state(engine.ice().state()),
            ice_role: engine.ice().role().map(Into::into),
            dtls_state: public_dtls_state(engine.secure_state()),
            dtls_role: engine.dtls_role().map(|role| match role {
                DtlsRole::Client => "client",
                DtlsRole::Server => "server",
            }),
            dtls_cipher: engine.cipher_suite(),
            srtp_cipher: engine.srtp_profile().map(srtp_name),
            local_fingerprint: sha256(own_certificate),
            remote_fingerprint: engine.peer_certificate().and_then(sha256),
            current_round_trip_time: engine
                .ice()
                .pair_stats()
                .iter()
                .find(|pair| pair.selected)
                .and_then(|pair| pair.rtt)
                .map(|rtt| rtt.as_secs_f64()),
            transport_feedback_received: feedback.messages,
            transport_packets_arrived: feedback.received,
            transport_packets_lost: feedback.lost,
        };
        let inbound_rtp = self
            .receiving
            .sources(engine)
            .filter_map(|(kind, ssrc)| {
                let stats = engine.rtp().inbound_stats(ssrc)?;
                Some(RTCInboundRtpStats {
                    ssrc,
                    kind,
                    packets_received: stats.packets_received + stats.restored,
                    bytes_received: stats.bytes_received + stats.restored_bytes,
                    packets_lost: stats.packets_lost,
                    jitter: stats.jitter.as_secs_f64(),
                    nack_count: stats.nacks_sent,
                    retransmitted_packets_received: stats.restored,
                    retransmitted_bytes_received: stats.restored_bytes,
                })
            })
            .collect();
        let outbound_rtp = self
            .sending
            .values()
            .filter_map(|track| {
                let stats = engine.rtp().outbound_stats(track.ssrc)?;
                let remote = stats.remote;
                let rtx = engine
                    .rtx_ssrc(track.ssrc)
                    .and_then(|ssrc| engine.rtp().outbound_stats(ssrc));
                let (rtx_packets, rtx_bytes) =
                    rtx.map_or((0, 0), |rtx| (rtx.packets_sent, rtx.bytes_sent));
                Some(RTCOutboundRtpStats {
                    ssrc: track.ssrc,
                    kind: track.source.kind(),
                    packets_sent: stats.packets_sent + rtx_packets,
                    bytes_sent: stats.bytes_sent + rtx_bytes,
                    pli_count: stats.plis,
                    fir_count: stats.firs,
                    nack_count: stats.nacks,
                    retransmitted_packets_sent: stats.resent + rtx_packets,
                    retransmitted_bytes_sent: stats.resent_bytes + rtx_bytes,
                    remote_packets_lost: remote.map(|remote| remote.cumulative_lost),
                    round_trip_time: remote
                        .and_then(|remote| remote.rtt)
                        .map(|rtt| rtt.as_secs_f64()),
                })
            })
            .collect();
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
            transport,
            inbound_rtp,
            outbound_rtp,
            data: RTCDataStats {
                channels: self.channels.len(),
                round_trip_time: engine.data_rtt().map(|rtt| rtt.as_secs_f64()),
                retransmitted: data.sctp.retransmitted,
                abandoned: data.sctp.abandoned,
                dropped_packets: data.sctp.dropped + data.early_packets,
                dropped_messages: data.dropped_messages,
                refused_channels: data.refused_channels,
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

/// Names of the IANA registry "DTLS-SRTP Protection Profiles".
fn srtp_name(profile: SrtpProfile) -> &'static str {
    match profile {
        SrtpProfile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        SrtpProfile::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        SrtpProfile::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
    }
}
