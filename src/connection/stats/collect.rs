//! The statistics from the state of a connection.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::clock::milliseconds;
use super::ice::{RTCIceCandidatePairStats, pair_id};
use super::identity::{RTCCodecStats, certificates, codec_described, codec_id};
use super::transport::{
    RTCDataStats, RTCDropStats, RTCMemoryStats, RTCStats, RTCStunFaults, RTCTransportStats,
};
use crate::connection::RTCConnection;
use crate::connection::core::state::ConnectionState;
use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::connection::description::encryption::srtp_name;
use crate::connection::description::fingerprint::{Fingerprint, fingerprints};
use crate::engine::EngineCounters;
use crate::engine::certificate::HashAlgorithm;
use crate::engine::dtls::DtlsRole;
use crate::engine::ice::PairState;

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
    fn stats(&self, own_certificate: &[u8]) -> RTCStats {
        let engine = &self.engine;
        RTCStats {
            timestamp: milliseconds(SystemTime::now()),
            transport: self.transport_stats(own_certificate),
            candidate_pairs: self.candidate_pairs(),
            inbound_rtp: self.inbound_rtp(),
            outbound_rtp: self.outbound_rtp(),
            remote_inbound_rtp: self.remote_inbound_rtp(),
            codecs: self.codec_stats(),
            certificates: certificates(own_certificate, engine.secure().peer_certificate()),
            data: self.data_stats(),
            memory: RTCMemoryStats {
                limit: engine.budget().limit(),
                channels: engine.budget().channels(),
                packets: engine.budget().packets(),
                others: engine.held(),
                messages: engine.unread().get(),
                packets_dropped: engine.budget().dropped(),
            },
            dropped: self.drop_stats(),
        }
    }

    fn transport_stats(&self, own_certificate: &[u8]) -> RTCTransportStats {
        let engine = &self.engine;
        let sha256 = |der: &[u8]| {
            let all = fingerprints(der, &[HashAlgorithm::Sha256])?;
            all.iter().next().map(Fingerprint::value)
        };
        let feedback = engine.rtp().transport_reports();
        let traffic = engine.traffic();
        let pairs = engine.ice().pair_stats();
        let selected = pairs.iter().find(|pair| pair.selected);
        RTCTransportStats {
            state: engine.state().into(),
            ice_state: engine.ice().state().into(),
            ice_role: engine.ice().role().map(Into::into),
            dtls_state: engine.secure().state().into(),
            dtls_role: engine.secure().role().map(|role| match role {
                DtlsRole::Client => "client",
                DtlsRole::Server => "server",
            }),
            dtls_cipher: engine.secure().cipher_suite(),
            srtp_cipher: engine.media().profile().map(srtp_name),
            local_fingerprint: sha256(own_certificate),
            remote_fingerprint: engine.secure().peer_certificate().and_then(sha256),
            packets_sent: traffic.packets_sent,
            bytes_sent: traffic.bytes_sent,
            packets_received: traffic.packets_received,
            bytes_received: traffic.bytes_received,
            selected_candidate_pair_id: selected.map(pair_id),
            selected_candidate_pair_changes: traffic.selections,
            current_round_trip_time: selected
                .and_then(|pair| pair.rtt)
                .map(|rtt| rtt.as_secs_f64()),
            transport_feedback_received: feedback.messages,
            transport_packets_arrived: feedback.received,
            transport_packets_lost: feedback.lost,
        }
    }

    fn data_stats(&self) -> RTCDataStats {
        let engine = &self.engine;
        let data = engine.data_counters();
        RTCDataStats {
            channels: self.channels.len(),
            round_trip_time: engine.data_rtt().map(|rtt| rtt.as_secs_f64()),
            max_datagram: engine.largest_data_datagram(),
            retransmitted: data.sctp.retransmitted,
            abandoned: data.sctp.abandoned,
            dropped_packets: data.sctp.dropped + data.early_packets,
            dropped_messages: data.dropped_messages,
            refused_channels: data.refused_channels,
        }
    }

    /// Without what the socket dropped.
    fn drop_stats(&self) -> RTCDropStats {
        let engine = &self.engine;
        let ice = engine.ice().counters();
        let dtls = engine.secure().counters();
        let rtcp = engine.rtp().counters();
        let repair = engine.media().repair_counters();
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
        RTCDropStats {
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
            stun_faults: RTCStunFaults {
                malformed: ice.malformed,
                unknown_address: ice.unknown_local,
                wrong_username: ice.wrong_username,
                wrong_password: ice.wrong_integrity,
                unknown_transaction: ice.unknown_transaction,
                asymmetric: ice.asymmetric_response,
                rejected: ice.rejected,
            },
            dtls: dtls.dropped + dtls.plaintext_alerts,
            rtcp: rtcp.compounds_invalid
                + rtcp.packets_malformed
                + rtcp.byes_ignored
                + rtcp.feedback_ignored,
            retransmissions: repair.unrelated + repair.malformed + repair.needless,
            unanswered_nacks: repair.unanswered,
            ignored_candidates: self.ignored_candidates,
            ..RTCDropStats::default()
        }
    }

    fn candidate_pairs(&self) -> Vec<RTCIceCandidatePairStats> {
        let describe = |candidate| RTCIceCandidateDescription::from_engine(candidate, None);
        let pairs = self.engine.ice().pair_stats();
        pairs
            .iter()
            .map(|pair| RTCIceCandidatePairStats {
                id: pair_id(pair),
                state: match pair.state {
                    PairState::Waiting => "waiting",
                    PairState::InProgress => "in-progress",
                    PairState::Succeeded => "succeeded",
                    PairState::Failed => "failed",
                },
                nominated: pair.nominated,
                selected: pair.selected,
                priority: pair.priority,
                local_candidate: describe(&pair.local),
                remote_candidate: describe(&pair.remote),
                current_round_trip_time: pair.rtt.map(|rtt| rtt.as_secs_f64()),
                requests_sent: pair.requests_sent,
                requests_received: pair.requests_received,
                responses_sent: pair.responses_sent,
                responses_received: pair.responses_received,
            })
            .collect()
    }

    fn codec_stats(&self) -> Vec<RTCCodecStats> {
        let sent = self.sending.values().flat_map(|track| {
            let kind = track.source.kind();
            track.codecs.iter().map(move |codec| (true, kind, codec))
        });
        let received = self.receiving.codecs_by_kind();
        let received = received.map(|(kind, codec)| (false, kind, codec));
        let mut all = BTreeMap::new();
        for (sending, kind, codec) in sent.chain(received) {
            let id = codec_id(sending, codec.payload_type);
            all.entry(id)
                .or_insert_with_key(|id| codec_described(id, sending, kind, codec));
        }
        all.into_values().collect()
    }
}
