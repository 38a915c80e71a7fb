//! Why there is no path: what this side can tell from what it sent and heard, and the log's lines
//! on candidates and checks.

use std::net::IpAddr;
use std::sync::Arc;

use super::evidence::{Diagnosis, Evidence};
use super::pair::PairKey;
use super::{Candidate, CandidateKind, IceAgent};
use crate::trace;

impl IceAgent {
    pub(crate) fn evidence(&self) -> Evidence {
        self.evidence
    }

    /// Kinds and addresses of what this side offers and of what the peer does.
    pub(crate) fn candidates(&self) -> [Vec<(CandidateKind, IpAddr)>; 2] {
        let of = |all: &[Arc<Candidate>]| all.iter().map(|c| (c.kind, c.addr.ip())).collect();
        [of(&self.locals), of(&self.remotes)]
    }

    fn strange(&self) -> u64 {
        let counters = self.counters;
        counters
            .wrong_username
            .saturating_add(counters.wrong_integrity)
    }

    pub(super) fn evidence_from_here(&self) -> Evidence {
        Evidence {
            strange_before: self.strange(),
            ..Evidence::default()
        }
    }

    /// Why there is no path, given that there is none.
    pub(crate) fn diagnosis(&self) -> Diagnosis {
        let Evidence {
            sent,
            answered,
            refused,
            heard,
            strange_before,
        } = self.evidence;
        let pairs = self.pairs.len().saturating_add(self.spares.len());
        let mut candidates = self.locals.iter().chain(&self.remotes);
        if self.consent_lost {
            Diagnosis::ConsentLost
        } else if self.remote.is_none() {
            Diagnosis::NoDescription
        } else if self.locals.is_empty() {
            Diagnosis::NoLocalCandidate
        } else if answered > 0 {
            Diagnosis::NotNominated
        } else if refused > 0 {
            Diagnosis::Refused
        } else if heard > 0 {
            Diagnosis::OneWay
        } else if self.strange() > strange_before {
            Diagnosis::OtherCredentials
        } else if self.remotes.is_empty() && self.ahead.is_empty() {
            Diagnosis::NoRemoteCandidate
        } else if self.remotes.is_empty() {
            Diagnosis::OtherCandidates
        } else if pairs == 0 {
            Diagnosis::NoPair
        } else {
            Diagnosis::Silence {
                checks: sent,
                pairs,
                relay: candidates.any(|c| c.kind == CandidateKind::Relay),
            }
        }
    }

    pub(super) fn log_candidate(&self, whose: &str, candidate: &Candidate) {
        tracing::debug!(
            target: trace::ICE,
            parent: &self.config.span,
            whose,
            kind = candidate.kind.name(),
            addr = %candidate.addr,
            "a candidate"
        );
    }

    pub(super) fn log_failed(&self, key: PairKey, reason: &str) {
        tracing::debug!(
            target: trace::ICE,
            parent: &self.config.span,
            reason,
            base = %key.0,
            remote = %key.1,
            "a check failed"
        );
    }
}
