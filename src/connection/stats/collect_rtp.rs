//! The statistics of the streams of RTP from the state of a connection.

use super::clock::wall_clock;
use super::identity::codec_id;
use super::rtp::{RTCInboundRtpStats, RTCOutboundRtpStats, RTCRemoteInboundRtpStats};
use crate::connection::core::state::ConnectionState;
use crate::engine::RedCounters;
use crate::rtp::{InboundStats, OutboundStats};

impl ConnectionState {
    pub(in crate::connection) fn inbound_rtp(&self) -> Vec<RTCInboundRtpStats> {
        let engine = &self.engine;
        let heard = self.receiving.sources(engine);
        heard
            .filter_map(|source| {
                let RedCounters {
                    received: fec_packets_received,
                    bytes: fec_bytes_received,
                    discarded: fec_packets_discarded,
                } = source.red;
                let InboundStats {
                    ssrc: _,
                    clock_rate: _,
                    payload_type,
                    active: _,
                    packets_received,
                    bytes_received,
                    packets_lost,
                    jitter,
                    highest_sequence_number: _,
                    last_packet,
                    clock: _,
                    plis_sent,
                    firs_sent,
                    nacks_sent,
                    restored,
                    restored_bytes,
                    recovered,
                    given_up,
                } = engine.rtp().inbound_stats(source.ssrc)?;
                Some(RTCInboundRtpStats {
                    ssrc: source.ssrc,
                    kind: source.kind,
                    mid: source.mid,
                    rid: source.rid,
                    codec_id: codec_id(false, payload_type),
                    packets_received: packets_received + restored,
                    bytes_received: bytes_received + restored_bytes,
                    packets_lost,
                    jitter: jitter.as_secs_f64(),
                    last_packet_received_timestamp: wall_clock(last_packet),
                    nack_count: nacks_sent,
                    packets_recovered: recovered,
                    packets_given_up: given_up,
                    pli_count: plis_sent,
                    fir_count: firs_sent,
                    retransmitted_packets_received: restored,
                    retransmitted_bytes_received: restored_bytes,
                    fec_packets_received,
                    fec_bytes_received,
                    fec_packets_discarded,
                    rtx_ssrc: source.rtx_ssrc,
                    frames: source.frames,
                })
            })
            .collect()
    }

    pub(in crate::connection) fn outbound_rtp(&self) -> Vec<RTCOutboundRtpStats> {
        let (engine, mut all) = (&self.engine, Vec::new());
        for track in self.sending.values() {
            let ssrc = track.ssrc;
            let Some(stats) = engine.rtp().outbound_stats(ssrc) else {
                continue;
            };
            let OutboundStats {
                ssrc: _,
                clock_rate: _,
                active: _,
                packets_sent,
                bytes_sent,
                last_sent: _,
                remote,
                // In `RTCRemoteInboundRtpStats`.
                total_rtt: _,
                rtt_measurements: _,
                plis,
                firs,
                nacked,
                nacks,
                resent,
                resent_bytes,
            } = stats;
            let rtx_ssrc = engine.media().rtx_ssrc(ssrc);
            let rtx = rtx_ssrc.and_then(|ssrc| engine.rtp().outbound_stats(ssrc));
            let (rtx_packets, rtx_bytes) =
                rtx.map_or((0, 0), |rtx| (rtx.packets_sent, rtx.bytes_sent));
            all.push(RTCOutboundRtpStats {
                ssrc,
                kind: track.source.kind(),
                mid: track.mid.clone(),
                rid: track.rid.clone(),
                codec_id: codec_id(true, track.payload_type()),
                active: track.is_sent(),
                packets_sent: packets_sent + rtx_packets,
                bytes_sent: bytes_sent + rtx_bytes,
                frames_sent: track.frames_sent,
                pli_count: plis,
                fir_count: firs,
                nack_count: nacks,
                packets_nacked: nacked,
                packets_discarded_on_send: track.discarded,
                retransmitted_packets_sent: resent + rtx_packets,
                retransmitted_bytes_sent: resent_bytes + rtx_bytes,
                rtx_ssrc,
                remote_packets_lost: remote.map(|remote| remote.cumulative_lost),
                round_trip_time: remote
                    .and_then(|remote| remote.rtt)
                    .map(|rtt| rtt.as_secs_f64()),
            });
        }
        all
    }

    pub(in crate::connection) fn remote_inbound_rtp(&self) -> Vec<RTCRemoteInboundRtpStats> {
        let mut all = Vec::new();
        for track in self.sending.values() {
            let Some(stats) = self.engine.rtp().outbound_stats(track.ssrc) else {
                continue;
            };
            let Some(remote) = stats.remote else { continue };
            all.push(RTCRemoteInboundRtpStats {
                ssrc: track.ssrc,
                kind: track.source.kind(),
                timestamp: wall_clock(remote.at),
                packets_lost: remote.cumulative_lost,
                fraction_lost: f64::from(remote.fraction_lost) / 256.0,
                jitter: remote.jitter.as_secs_f64(),
                round_trip_time: remote.rtt.map(|rtt| rtt.as_secs_f64()),
                total_round_trip_time: stats.total_rtt.as_secs_f64(),
                round_trip_time_measurements: stats.rtt_measurements,
            });
        }
        all
    }
}
