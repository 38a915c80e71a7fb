//! What was dropped, told in the log by reason: at most once a second, with counts. The counters are
//! kept anyway; an input costs one look at the time, and nothing is written where nobody listens.

use std::time::{Duration, Instant};

use tracing::{Level, Span};

use super::data::DataCounters;
use super::dtls::DtlsCounters;
use super::ice::IceCounters;
use super::media::RepairCounters;
use super::model::EngineCounters;
use super::sctp::SctpCounters;
use crate::rtp::RtcpCounters;
use crate::trace;

const SPACING: Duration = Duration::from_secs(1);

/// What was told already.
#[derive(Debug)]
pub(super) struct Drops {
    next: Instant,
    /// Only where somebody listens.
    told: Vec<u64>,
}

impl Drops {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next: now,
            told: Vec::new(),
        }
    }

    /// Whether it is time to tell again.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + SPACING;
        }
        due
    }

    /// One line for each reason that there is news of.
    pub(super) fn tell(&mut self, span: &Span, totals: &Totals) {
        for (at, (reason, total)) in totals.reasons().enumerate() {
            if self.told.len() <= at {
                self.told.push(0);
            }
            let Some(told) = self.told.get_mut(at) else {
                continue;
            };
            let count = total.saturating_sub(*told);
            *told = total;
            if count > 0 {
                tracing::debug!(target: trace::DROP, parent: span, reason, count, total, "dropped");
            }
        }
    }
}

/// Whether anybody listens.
pub(super) fn is_listened_to() -> bool {
    tracing::enabled!(target: trace::DROP, Level::DEBUG)
}

/// What was counted by each layer.
pub(super) struct Totals {
    pub(super) engine: EngineCounters,
    pub(super) ice: IceCounters,
    pub(super) dtls: DtlsCounters,
    pub(super) data: DataCounters,
    pub(super) rtcp: RtcpCounters,
    pub(super) repair: RepairCounters,
    /// Packets of tracks that the memory limit had no room for.
    pub(super) over_budget: u64,
}

type Reason = (&'static str, u64);

impl Totals {
    /// Each reason with its count, by layer.
    fn reasons(&self) -> impl Iterator<Item = Reason> {
        let over_budget = ("packets of tracks over the memory limit", self.over_budget);
        of_engine(self.engine)
            .into_iter()
            .chain(of_ice(self.ice))
            .chain(of_dtls(self.dtls))
            .chain(of_data(self.data))
            .chain(of_rtcp(self.rtcp))
            .chain(of_repair(self.repair))
            .chain([over_budget])
    }
}

// Each takes its counters apart whole: what is added is told, or left out by name.

fn of_engine(counters: EngineCounters) -> [Reason; 8] {
    let EngineCounters {
        unknown_protocol,
        wrong_path,
        early_dtls,
        early_media,
        malformed_rtp,
        rejected_srtp,
        unknown_rtp,
        outgoing_dropped,
    } = counters;
    [
        ("unknown protocol", unknown_protocol),
        ("from an address that ICE has not verified", wrong_path),
        ("DTLS before ICE was ready", early_dtls),
        ("RTP before the keys were there", early_media),
        ("malformed RTP", malformed_rtp),
        ("SRTP that is not authentic, or a replay", rejected_srtp),
        ("RTP of no declared track", unknown_rtp),
        ("the queue to the socket was full", outgoing_dropped),
    ]
}

fn of_ice(counters: IceCounters) -> [Reason; 11] {
    let IceCounters {
        malformed,
        unknown_local,
        wrong_username,
        wrong_integrity,
        unknown_transaction,
        asymmetric_response,
        rejected,
        role_conflicts: _,
        candidates_refused,
        pairs_dropped,
        peer_reflexive_refused,
        queue_overflow,
    } = counters;
    [
        ("malformed STUN", malformed),
        ("STUN at an address that is no candidate", unknown_local),
        ("STUN of another session", wrong_username),
        ("STUN with another password", wrong_integrity),
        ("STUN answer to nothing that was asked", unknown_transaction),
        ("STUN answer from another address", asymmetric_response),
        ("STUN that was refused", rejected),
        ("candidates that cannot be used", candidates_refused),
        ("pairs over the limit", pairs_dropped),
        ("addresses over the limit", peer_reflexive_refused),
        ("ICE's queues were full", queue_overflow),
    ]
}

fn of_dtls(counters: DtlsCounters) -> [Reason; 2] {
    let DtlsCounters {
        dropped,
        plaintext_alerts,
        resent_flights: _,
        restarts: _,
    } = counters;
    [
        ("DTLS malformed or out of place", dropped),
        ("DTLS alerts in plain text", plaintext_alerts),
    ]
}

fn of_data(counters: DataCounters) -> [Reason; 5] {
    let DataCounters {
        channels_opened: _,
        channels_closed: _,
        dropped_messages,
        refused_channels,
        early_packets,
        sctp,
    } = counters;
    let SctpCounters {
        dropped,
        retransmitted: _,
        abandoned,
    } = sctp;
    [
        ("SCTP malformed or out of place", dropped),
        ("data before the peer was accepted", early_packets),
        ("messages on streams of no channel", dropped_messages),
        ("channels of the peer that were refused", refused_channels),
        ("messages given up, as agreed", abandoned),
    ]
}

fn of_rtcp(counters: RtcpCounters) -> [Reason; 7] {
    let RtcpCounters {
        compounds_received: _,
        compounds_sent: _,
        compounds_invalid,
        packets_malformed,
        packets_ignored: _,
        byes_ignored,
        feedback_ignored,
        nacks_dropped,
        events_dropped,
        sources_refused,
    } = counters;
    [
        ("invalid RTCP", compounds_invalid),
        ("malformed RTCP", packets_malformed),
        ("BYE that the peer may not say", byes_ignored),
        ("feedback that the peer may not give", feedback_ignored),
        ("packets asked for again, over the limit", nacks_dropped),
        ("feedback for which the queue was full", events_dropped),
        ("RTP of more sources than are kept", sources_refused),
    ]
}

fn of_repair(counters: RepairCounters) -> [Reason; 4] {
    let RepairCounters {
        unrelated,
        malformed,
        needless,
        unanswered,
    } = counters;
    [
        ("repeated packets of an unknown stream", unrelated),
        ("malformed repeated packets", malformed),
        ("repeated packets that were there", needless),
        ("packets asked for again, not kept any more", unanswered),
    ]
}
