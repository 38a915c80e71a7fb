//! What was dropped, from the state of a connection. The counters of each layer are taken apart
//! whole, so that one that is added must be shown, or left out by name.

use super::drops::{
    RTCDropStats, RTCIceDrops, RTCRetransmissionFaults, RTCRtcpFaults, RTCStunFaults,
};
use crate::connection::core::state::ConnectionState;
use crate::engine::dtls::DtlsCounters;
use crate::engine::ice::IceCounters;
use crate::engine::{EngineCounters, RepairCounters};
use crate::rtp::RtcpCounters;

/// The counters of a connection's layers.
struct Counted {
    engine: EngineCounters,
    dtls: DtlsCounters,
    ice: IceCounters,
    rtcp: RtcpCounters,
    repair: RepairCounters,
}

impl ConnectionState {
    /// Without the events, which are not the state's.
    pub(super) fn drop_stats(&self) -> RTCDropStats {
        let engine = &self.engine;
        let counted = RTCDropStats::from(Counted {
            engine: engine.counters(),
            dtls: engine.secure().counters(),
            ice: engine.ice().counters(),
            rtcp: engine.rtp().counters(),
            repair: engine.media().repair_counters(),
        });
        RTCDropStats {
            excess_sources: counted.excess_sources + engine.media().excess_sources(),
            telephone_events: self.receiving.ignored_events(),
            ignored_candidates: self.ignored_candidates,
            ..counted
        }
    }
}

impl From<Counted> for RTCDropStats {
    fn from(counted: Counted) -> Self {
        let EngineCounters {
            unknown_protocol,
            wrong_path,
            early_dtls,
            early_media,
            malformed_rtp,
            rejected_srtp,
            unknown_rtp,
            outgoing_dropped,
        } = counted.engine;
        let DtlsCounters {
            dropped: dtls,
            plaintext_alerts: dtls_alerts,
            // In `RTCTransportStats`.
            resent_flights: _,
            restarts: _,
        } = counted.dtls;
        let (stun_faults, ice) = ice_drops(counted.ice);
        let (rtcp_faults, excess_sources) = rtcp_faults(counted.rtcp);
        let RepairCounters {
            unrelated,
            malformed,
            needless,
            unanswered: unanswered_nacks,
        } = counted.repair;
        Self {
            unknown_protocol,
            wrong_path,
            early_dtls,
            early_media,
            malformed_rtp,
            rejected_srtp,
            unknown_rtp,
            excess_sources,
            outgoing: outgoing_dropped,
            stun: stun_faults.malformed
                + stun_faults.unknown_address
                + stun_faults.wrong_username
                + stun_faults.wrong_password
                + stun_faults.unknown_transaction
                + stun_faults.asymmetric
                + stun_faults.rejected,
            stun_faults,
            ice,
            dtls,
            dtls_alerts,
            rtcp: rtcp_faults.invalid
                + rtcp_faults.malformed
                + rtcp_faults.byes
                + rtcp_faults.feedback,
            rtcp_faults,
            retransmissions: unrelated + malformed + needless,
            retransmission_faults: RTCRetransmissionFaults {
                unrelated,
                malformed,
                needless,
            },
            unanswered_nacks,
            telephone_events: 0,
            ignored_candidates: 0,
            events: 0,
        }
    }
}

fn ice_drops(counters: IceCounters) -> (RTCStunFaults, RTCIceDrops) {
    let IceCounters {
        malformed,
        unknown_local,
        wrong_username,
        wrong_integrity,
        unknown_transaction,
        asymmetric_response,
        rejected,
        // In `RTCTransportStats`.
        role_conflicts: _,
        candidates_refused,
        pairs_dropped,
        peer_reflexive_refused,
        queue_overflow,
    } = counters;
    let stun = RTCStunFaults {
        malformed,
        unknown_address: unknown_local,
        wrong_username,
        wrong_password: wrong_integrity,
        unknown_transaction,
        asymmetric: asymmetric_response,
        rejected,
    };
    let ice = RTCIceDrops {
        candidates: candidates_refused,
        pairs: pairs_dropped,
        addresses: peer_reflexive_refused,
        queued: queue_overflow,
    };
    (stun, ice)
}

/// With the packets of RTP that were of more sources than are kept.
fn rtcp_faults(counters: RtcpCounters) -> (RTCRtcpFaults, u64) {
    let RtcpCounters {
        // In `RTCTransportStats`.
        compounds_received: _,
        compounds_sent: _,
        compounds_invalid,
        packets_malformed,
        packets_ignored,
        byes_ignored,
        feedback_ignored,
        nacks_dropped,
        events_dropped,
        sources_refused,
    } = counters;
    let faults = RTCRtcpFaults {
        invalid: compounds_invalid,
        malformed: packets_malformed,
        byes: byes_ignored,
        feedback: feedback_ignored,
        unknown: packets_ignored,
        nacks: nacks_dropped,
        queued: events_dropped,
    };
    (faults, sources_refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each counter has a number of its own, by which it is found again.
    #[test]
    fn each_counter_is_shown_as_itself() {
        let counted = Counted {
            engine: EngineCounters {
                unknown_protocol: 1,
                wrong_path: 2,
                early_dtls: 3,
                early_media: 4,
                malformed_rtp: 5,
                rejected_srtp: 6,
                unknown_rtp: 7,
                outgoing_dropped: 8,
            },
            dtls: DtlsCounters {
                dropped: 9,
                plaintext_alerts: 10,
                resent_flights: 1_000,
                restarts: 1_000,
            },
            ice: IceCounters {
                malformed: 11,
                unknown_local: 12,
                wrong_username: 13,
                wrong_integrity: 14,
                unknown_transaction: 15,
                asymmetric_response: 16,
                rejected: 17,
                role_conflicts: 1_000,
                candidates_refused: 18,
                pairs_dropped: 19,
                peer_reflexive_refused: 20,
                queue_overflow: 21,
            },
            rtcp: RtcpCounters {
                compounds_received: 1_000,
                compounds_sent: 1_000,
                compounds_invalid: 22,
                packets_malformed: 23,
                packets_ignored: 24,
                byes_ignored: 25,
                feedback_ignored: 26,
                nacks_dropped: 27,
                events_dropped: 28,
                sources_refused: 29,
            },
            repair: RepairCounters {
                unrelated: 30,
                malformed: 31,
                needless: 32,
                unanswered: 33,
            },
        };
        let shown = serde_json::json!({
            "unknownProtocol": 1, "wrongPath": 2, "earlyDtls": 3, "earlyMedia": 4,
            "malformedRtp": 5, "rejectedSrtp": 6, "unknownRtp": 7, "outgoing": 8,
            "dtls": 9, "dtlsAlerts": 10,
            "stun": 11 + 12 + 13 + 14 + 15 + 16 + 17,
            "stunFaults": {
                "malformed": 11, "unknownAddress": 12, "wrongUsername": 13, "wrongPassword": 14,
                "unknownTransaction": 15, "asymmetric": 16, "rejected": 17,
            },
            "ice": { "candidates": 18, "pairs": 19, "addresses": 20, "queued": 21 },
            "rtcp": 22 + 23 + 25 + 26,
            "rtcpFaults": {
                "invalid": 22, "malformed": 23, "unknown": 24, "byes": 25, "feedback": 26,
                "nacks": 27, "queued": 28,
            },
            "excessSources": 29,
            "retransmissions": 30 + 31 + 32,
            "retransmissionFaults": { "unrelated": 30, "malformed": 31, "needless": 32 },
            "unansweredNacks": 33,
            "telephoneEvents": 0, "ignoredCandidates": 0, "events": 0,
        });
        let stats = serde_json::to_value(RTCDropStats::from(counted));
        assert_eq!(stats.ok(), Some(shown));
    }
}
