//! What was dropped, told in the log by reason: at most once a second, with counts. The counters are
//! kept anyway; an input costs one look at the time, and nothing is written where nobody listens.

use std::time::{Duration, Instant};

use tracing::{Level, Span};

use super::data::DataCounters;
use super::dtls::DtlsCounters;
use super::ice::IceCounters;
use super::media::RepairCounters;
use super::model::EngineCounters;
use crate::rtp::RtcpCounters;
use crate::trace;

const SPACING: Duration = Duration::from_secs(1);
const REASONS: usize = 34;

/// What was told already.
#[derive(Debug)]
pub(super) struct Drops {
    next: Instant,
    /// Only where somebody listens.
    told: Option<Box<[u64; REASONS]>>,
}

impl Drops {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next: now,
            told: None,
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
        let mut told = self.told.take().unwrap_or(Box::new([0; REASONS]));
        for (&(reason, total), told) in totals.reasons().iter().zip(told.iter_mut()) {
            let count = total.saturating_sub(*told);
            *told = total;
            if count > 0 {
                tracing::debug!(target: trace::DROP, parent: span, reason, count, total, "dropped");
            }
        }
        self.told = Some(told);
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

impl Totals {
    /// Each reason with its count, by layer.
    fn reasons(&self) -> [(&'static str, u64); REASONS] {
        let EngineCounters {
            unknown_protocol,
            wrong_path,
            early_dtls,
            early_media,
            malformed_rtp,
            rejected_srtp,
            unknown_rtp,
            outgoing_dropped,
        } = self.engine;
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
        } = self.ice;
        let Self {
            dtls,
            data,
            rtcp,
            repair,
            over_budget,
            ..
        } = self;
        [
            ("unknown protocol", unknown_protocol),
            ("from an address that ICE has not verified", wrong_path),
            ("DTLS before ICE was ready", early_dtls),
            ("RTP before the keys were there", early_media),
            ("malformed RTP", malformed_rtp),
            ("SRTP that is not authentic, or a replay", rejected_srtp),
            ("RTP of no declared track", unknown_rtp),
            ("the queue to the socket was full", outgoing_dropped),
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
            ("DTLS malformed or out of place", dtls.dropped),
            ("DTLS alerts in plain text", dtls.plaintext_alerts),
            ("SCTP malformed or out of place", data.sctp.dropped),
            ("data before the peer was accepted", data.early_packets),
            ("messages on streams of no channel", data.dropped_messages),
            (
                "channels of the peer that were refused",
                data.refused_channels,
            ),
            ("messages given up, as agreed", data.sctp.abandoned),
            ("invalid RTCP", rtcp.compounds_invalid),
            ("malformed RTCP", rtcp.packets_malformed),
            ("BYE that the peer may not say", rtcp.byes_ignored),
            ("feedback that the peer may not give", rtcp.feedback_ignored),
            ("repeated packets of an unknown stream", repair.unrelated),
            ("malformed repeated packets", repair.malformed),
            ("repeated packets that were there", repair.needless),
            ("packets of tracks over the memory limit", *over_budget),
        ]
    }
}
