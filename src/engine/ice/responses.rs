//! Responses (RFC 8445 section 7.2.5).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use stun::error_code::CODE_ROLE_CONFLICT;

use super::agent::IceAgent;
use super::message::{Class, Inbound};
use super::pair::{PairKey, PairState, Purpose, Transaction};
use super::scope::unscoped;
use super::{Candidate, CandidateKind, Role};

impl IceAgent {
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        key: PairKey,
        mut response: Inbound,
    ) -> bool {
        let id = response.transaction();
        let Some(index) = self.transactions.iter().position(|t| t.id == id) else {
            self.counters.unknown_transaction += 1;
            return false;
        };
        let Some(pwd) = self.transactions.get(index).map(|t| Arc::clone(&t.remote)) else {
            return false;
        };
        if !response.authenticate(&pwd.pwd, &self.crypto) {
            self.counters.wrong_integrity += 1;
            return false;
        }
        if !response.unknown_required().is_empty() {
            self.counters.rejected += 1;
            return false;
        }
        let transaction = self.transactions.swap_remove(index);
        if transaction.key != key {
            // RFC 8445 section 7.2.5.2.1.
            self.counters.asymmetric_response += 1;
            if transaction.purpose != Purpose::Consent {
                self.log_failed(transaction.key, "answered from or at another address");
                self.check_failed(transaction.key);
            }
            return true;
        }
        match (response.class, response.mapped_address()) {
            (Class::Success, Some(mapped)) => self.check_succeeded(now, &transaction, mapped),
            (Class::Error, _) if response.error_code() == Some(CODE_ROLE_CONFLICT.0) => {
                self.role_refused(&transaction);
            }
            _ if transaction.purpose != Purpose::Consent => {
                self.evidence.refused += 1;
                self.log_failed(key, "refused");
                self.check_failed(key);
            }
            _ => self.counters.rejected += 1,
        }
        true
    }

    fn check_failed(&mut self, key: PairKey) {
        if self.nominating == Some(key) {
            self.nominating = None;
        }
        if let Some(pair) = self.pair_mut(key) {
            pair.state = PairState::Failed;
        }
    }

    /// RFC 8445 section 7.2.5.1.
    fn role_refused(&mut self, transaction: &Transaction) {
        if self.role == Some(transaction.role) {
            self.switch_role(transaction.role.opposite());
            // Section 7.2.5.1 allows it; equal tie-breakers would never settle otherwise.
            self.tie_breaker = self.random();
        }
        if transaction.purpose == Purpose::Consent {
            return;
        }
        if let Some(pair) = self.pair_mut(transaction.key) {
            pair.state = PairState::Waiting;
            self.trigger(transaction.key);
        }
    }

    fn check_succeeded(&mut self, now: Instant, transaction: &Transaction, mapped: SocketAddr) {
        let key = transaction.key;
        let sent_once = transaction.transmissions == 1;
        let rtt = sent_once.then(|| now.saturating_duration_since(transaction.first_sent));
        if self.selected_key() == Some(key) {
            self.consent_given(now, transaction.last_sent, rtt);
        }
        if transaction.purpose == Purpose::Consent {
            if let Some(path) = self.selected.as_mut().filter(|p| p.key() == key) {
                path.traffic.responses_received += 1;
            }
            return;
        }
        if self.pair_mut(key).is_none() {
            // It had to make room before the answer came.
            self.admit(now, key, true);
        }
        let mapped = self.mapped_candidate(key, mapped);
        let Some(pair) = self.pair_mut(key) else {
            return;
        };
        pair.traffic.responses_received += 1;
        pair.traffic.rtt = rtt.or(pair.traffic.rtt);
        pair.state = PairState::Succeeded;
        pair.timeouts = 0;
        pair.last_success = Some(now);
        pair.mapped = mapped;
        let nominated_by_peer = pair.nominate_on_success;
        // A later check of this pair has nothing left to find out.
        let nominate = transaction.purpose == Purpose::Check { nominate: true };
        self.transactions
            .retain(|t| t.key != key || !t.live || t.purpose == Purpose::Check { nominate: true });
        self.triggered.retain(|k| *k != key);
        self.first_valid.get_or_insert(now);
        self.evidence.answered += 1;
        match self.role {
            Some(Role::Controlling) if nominate && transaction.role == Role::Controlling => {
                if self.nominating == Some(key) {
                    self.nominating = None;
                }
                // A late answer does not undo a better choice made since.
                if !self.selected_is_better(key) {
                    self.use_pair(now, key);
                }
            }
            Some(Role::Controlled) if nominated_by_peer => self.follow_nomination(now, key),
            Some(Role::Controlled) => self.follow_peer(now, key),
            _ => {}
        }
    }

    /// RFC 8445 section 7.2.5.3.1: the local candidate the peer saw, learned if it is new.
    fn mapped_candidate(&mut self, key: PairKey, mapped: SocketAddr) -> Option<Arc<Candidate>> {
        let base = key.0;
        let known = self
            .locals
            .iter()
            .find(|c| c.addr == mapped && c.base == base);
        if known.is_some() {
            return known.cloned();
        }
        let pair_local = self.pairs.iter().find(|p| p.key() == key)?;
        let pair_local = Arc::clone(&pair_local.local);
        if self.locals.len() >= self.config.max_local_candidates {
            return Some(pair_local);
        }
        self.peer_reflexive_seen += 1;
        let candidate = Arc::new(Candidate {
            foundation: format!("prflx{}", self.peer_reflexive_seen),
            priority: pair_local.peer_reflexive_priority(),
            addr: mapped,
            kind: CandidateKind::PeerReflexive,
            base,
            related: Some(unscoped(base)),
            tcp: pair_local.tcp,
            told_as: None,
        });
        self.locals.push(Arc::clone(&candidate));
        Some(candidate)
    }
}
