//! The statistics from the state of a connection.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::clock::milliseconds;
use super::ice::{RTCIceCandidatePairStats, pair_id};
use super::identity::{RTCCodecStats, certificates, codec_described, codec_id};
use super::socket::RTCSocketStats;
use super::transport::{RTCMemoryStats, RTCStats, RTCTransportStats};
use crate::connection::RTCConnection;
use crate::connection::core::state::ConnectionState;
use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::connection::description::encryption::srtp_name;
use crate::connection::description::fingerprint::{Fingerprint, fingerprints};
use crate::engine::Traffic;
use crate::engine::certificate::HashAlgorithm;
use crate::engine::dtls::DtlsRole;
use crate::engine::ice::{PairState, PairStats};
use crate::rtp::TransportReports;

/// Figures.
impl RTCConnection {
    /// A snapshot of the statistics, of all sockets. Stays available after `close`.
    pub fn stats(&self) -> RTCStats {
        let shared = self.shared();
        let own = shared.socket.certificate.der();
        let mut stats = shared.lock().stats(own);
        stats.socket = shared.socket.counters().into();
        stats.dropped.events = shared.events.dropped();
        let legs = self.all_legs();
        let of = |leg: &Self| (leg.local_socket().id(), leg.stats());
        stats.legs = legs.iter().map(of).collect();
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
            data_channels: self.data_channels(),
            memory: RTCMemoryStats {
                limit: engine.budget().limit(),
                channels: engine.budget().channels(),
                packets: engine.budget().packets(),
                others: engine.held(),
                messages: engine.unread().get(),
                packets_dropped: engine.budget().dropped(),
            },
            dropped: self.drop_stats(),
            // The socket's to tell.
            socket: RTCSocketStats::default(),
            legs: BTreeMap::new(),
        }
    }

    fn transport_stats(&self, own_certificate: &[u8]) -> RTCTransportStats {
        let engine = &self.engine;
        let sha256 = |der: &[u8]| {
            let all = fingerprints(der, &[HashAlgorithm::Sha256])?;
            all.iter().next().map(Fingerprint::value)
        };
        let TransportReports {
            messages: feedback,
            received: arrived,
            lost,
        } = engine.rtp().transport_reports();
        let Traffic {
            packets_sent,
            bytes_sent,
            packets_received,
            bytes_received,
            selections,
        } = engine.traffic();
        // What they count of drops is in `RTCDropStats`.
        let (ice, dtls) = (engine.ice().counters(), engine.secure().counters());
        let rtcp = engine.rtp().counters();
        let pairs = engine.ice().pair_stats();
        let selected = pairs.iter().find(|pair| pair.selected);
        RTCTransportStats {
            state: engine.state().into(),
            ice_state: engine.ice().state().into(),
            ice_role: engine.ice().role().map(Into::into),
            ice_role_conflicts: ice.role_conflicts,
            dtls_state: engine.secure().state().into(),
            dtls_role: engine.secure().role().map(DtlsRole::name),
            dtls_cipher: engine.secure().cipher_suite(),
            dtls_flights_resent: dtls.resent_flights,
            dtls_restarts: dtls.restarts,
            srtp_cipher: engine.media().profile().map(srtp_name),
            local_fingerprint: sha256(own_certificate),
            remote_fingerprint: engine.secure().peer_certificate().and_then(sha256),
            packets_sent,
            bytes_sent,
            packets_received,
            bytes_received,
            rtcp_packets_sent: rtcp.compounds_sent,
            rtcp_packets_received: rtcp.compounds_received,
            selected_candidate_pair_id: selected.map(pair_id),
            selected_candidate_pair_changes: selections,
            current_round_trip_time: selected
                .and_then(|pair| pair.rtt)
                .map(|rtt| rtt.as_secs_f64()),
            transport_feedback_received: feedback,
            transport_packets_arrived: arrived,
            transport_packets_lost: lost,
        }
    }

    fn candidate_pairs(&self) -> Vec<RTCIceCandidatePairStats> {
        let describe = |candidate| RTCIceCandidateDescription::from_engine(candidate, None);
        let pairs = self.engine.ice().pair_stats();
        pairs
            .iter()
            .map(|pair| {
                let PairStats {
                    local,
                    remote,
                    state,
                    nominated,
                    selected,
                    priority,
                    rtt,
                    requests_sent,
                    requests_received,
                    responses_sent,
                    responses_received,
                } = pair;
                RTCIceCandidatePairStats {
                    id: pair_id(pair),
                    state: match state {
                        PairState::Waiting => "waiting",
                        PairState::InProgress => "in-progress",
                        PairState::Succeeded => "succeeded",
                        PairState::Failed => "failed",
                    },
                    nominated: *nominated,
                    selected: *selected,
                    priority: *priority,
                    local_candidate: describe(local),
                    remote_candidate: describe(remote),
                    current_round_trip_time: rtt.map(|rtt| rtt.as_secs_f64()),
                    requests_sent: *requests_sent,
                    requests_received: *requests_received,
                    responses_sent: *responses_sent,
                    responses_received: *responses_received,
                }
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
