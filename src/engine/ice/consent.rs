//! Consent freshness (RFC 7675) of the path in use.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agent::IceAgent;
use super::pair::{Pair, PairKey, PairState, Purpose};
use super::path::Path;
use super::{IceEvent, IceState};

/// RFC 7675 section 5.1: between two checks; times 0.8 to 1.2.
const INTERVAL: Duration = Duration::from_secs(5);
/// RFC 7675 section 5.1: without an answer for this long nothing more may be sent.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// Without an answer for this long the path is called silent.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(9);
/// Least distance of a consent check that the returning peer, or the layer above, prompts.
pub(super) const PROMPTED_SPACING: Duration = Duration::from_millis(500);

impl IceAgent {
    /// RFC 7675 section 5.1: the interval, randomised by 0.8 to 1.2.
    pub(super) fn consent_interval(&mut self) -> Duration {
        let permille = 800 + (self.random() >> 32) % 401;
        let permille = u32::try_from(permille).unwrap_or(1000);
        INTERVAL.saturating_mul(permille) / 1000
    }

    pub(super) fn run_consent(&mut self, now: Instant) {
        if self
            .retired
            .as_ref()
            .is_some_and(|(_, until)| now >= *until)
        {
            self.retired = None;
        }
        if !self.consent_stands(now) {
            self.lose_consent();
            return;
        }
        let Some(path) = &self.selected else { return };
        let silent = now.saturating_duration_since(path.last_response);
        let due = now >= path.next_consent;
        if silent >= DISCONNECTED_AFTER || self.question_unanswered(now) {
            self.call_silent(now);
        }
        if silent >= self.doubt_after() {
            self.verify_path();
        }
        if due {
            self.send_consent(now);
        }
    }

    /// A consent check went unanswered.
    fn doubt_after(&self) -> Duration {
        INTERVAL.saturating_mul(13) / 10
    }

    fn may_verify_path(&self) -> Option<PairKey> {
        let key = self
            .current_selected_key()
            .filter(|_| self.state == IceState::Connected)?;
        let pair = self.pairs.iter().find(|p| p.key() == key)?;
        (pair.state == PairState::Succeeded).then_some(key)
    }

    /// One lost datagram is no broken path: an ordinary check, which is retransmitted, tells
    /// them apart before the path is called disconnected. False when none can be begun.
    pub(super) fn verify_path(&mut self) -> bool {
        let Some(key) = self.may_verify_path().filter(|_| self.may_check()) else {
            return false;
        };
        if let Some(pair) = self.pair_mut(key) {
            pair.heard = true;
            pair.state = PairState::Waiting;
        }
        self.trigger(key);
        true
    }

    fn lose_consent(&mut self) {
        let current = self.current_selected_key().is_some();
        self.selected = None;
        self.retired = None;
        self.push_event(IceEvent::ConsentLost);
        self.transactions.retain(|t| t.purpose != Purpose::Consent);
        if current {
            self.consent_lost = true;
            self.fail_pairs();
            self.patience_from = None;
            self.set_state(IceState::Failed);
        } else {
            // A restart is under way and decides, unless it failed already.
            let over = self.remote.is_some() && self.patience_from.is_none();
            self.set_state(if over {
                IceState::Failed
            } else {
                IceState::Checking
            });
        }
    }

    pub(super) fn call_silent(&mut self, now: Instant) {
        if self.state == IceState::Connected {
            self.set_state(IceState::Disconnected);
            self.search_again();
            self.follow_answers(now);
        }
    }

    /// The path is silent: every pair gets another chance, this one included. What has answered
    /// since the path was asked is known to work.
    pub(super) fn search_again(&mut self) {
        let selected = self.current_selected_key();
        let asked = self.selected.as_ref().and_then(|path| path.asked);
        let works: Vec<PairKey> = self
            .pairs
            .iter()
            .filter(|pair| asked.is_some_and(|at| self.answers_since(pair, at)))
            .map(Pair::key)
            .collect();
        for pair in &mut self.pairs {
            // The peer nominated it since, and it was not the better one then.
            if pair.nominated && Some(pair.key()) != selected {
                pair.nominate_on_success = true;
            }
            if pair.state != PairState::InProgress && !works.contains(&pair.key()) {
                pair.state = PairState::Waiting;
            }
            pair.timeouts = 0;
        }
        for spare in &mut self.spares {
            spare.timeouts = 0;
        }
    }

    /// A check of the path is on its way: the next is due after the usual interval.
    pub(super) fn consent_asked(&mut self, now: Instant) {
        let interval = self.consent_interval();
        if let Some(path) = &mut self.selected {
            path.next_consent = now + interval;
        }
    }

    pub(super) fn send_consent(&mut self, now: Instant) {
        let interval = self.consent_interval();
        let Some(path) = &mut self.selected else {
            return;
        };
        path.last_consent = now;
        path.unheard = path
            .unheard
            .map(|d| d.saturating_mul(2))
            .filter(|d| *d < interval);
        path.next_consent = now + path.unheard.unwrap_or(interval);
        path.traffic.requests_sent += 1;
        let (key, priority) = (path.key(), path.local.peer_reflexive_priority());
        let local = Arc::clone(&path.local_credentials);
        let remote = Arc::clone(&path.remote_credentials);
        let rto = self.config.rto;
        self.send_request(now, key, Purpose::Consent, &local, &remote, priority, rto);
    }

    /// More than checks came from the peer: it has learned of the nomination.
    #[inline]
    pub(crate) fn payload_heard(&mut self, local: SocketAddr, from: SocketAddr) {
        let unheard = |path: &Path| path.unheard.is_some() && path.key() == (local, from);
        if self.selected.as_ref().is_some_and(unheard) {
            self.nomination_heard();
        }
    }

    fn nomination_heard(&mut self) {
        let interval = self.consent_interval();
        if let Some(path) = &mut self.selected {
            path.unheard = None;
            path.next_consent = path.last_consent + interval;
        }
    }

    /// Whether a consent check names the path once more. A peer that answered the nomination may
    /// still have missed it: Firefox answers before it knows the description, and of such checks
    /// keeps the first of each address alone. RFC 8445 section 8.1.1 forbids another pair, not
    /// the same one again.
    pub(super) fn nominates_again(&self, key: PairKey) -> bool {
        self.nominating.is_none() && self.current_selected_key() == Some(key)
    }

    /// The peer was heard on the path in use. After a silence its return is proven by a check of
    /// our own, now instead of up to 6 s later.
    pub(super) fn peer_heard_on_path(&mut self, now: Instant) {
        let overdue = self.doubt_after();
        let prompt = self.selected.as_ref().is_some_and(|path| {
            now.saturating_duration_since(path.last_response) > overdue
                && now.saturating_duration_since(path.last_consent) >= PROMPTED_SPACING
        });
        if prompt {
            self.send_consent(now);
        }
    }

    /// The layer above wants the path shown to work: a check now, unless one has just been sent.
    pub(crate) fn prove_path(&mut self, now: Instant) {
        let rested = self.selected.as_ref().is_some_and(|path| {
            now.saturating_duration_since(path.last_consent) >= PROMPTED_SPACING
        });
        if rested {
            self.send_consent(now);
        }
    }

    /// A success response of the peer on the path in use, to a request that was sent then.
    pub(super) fn consent_given(&mut self, now: Instant, sent: Instant, rtt: Option<Duration>) {
        if let Some(path) = &mut self.selected {
            path.last_response = now;
            path.asked = None;
            path.others_wanted = false;
            path.ask_at = None;
            path.doubt.take_if(|doubt| doubt.is_settled_by(sent));
            path.traffic.rtt = rtt.or(path.traffic.rtt);
            if self.state == IceState::Disconnected {
                self.set_state(IceState::Connected);
            }
        }
        let Some(key) = self.current_selected_key() else {
            return;
        };
        if let Some(pair) = self.pair_mut(key) {
            pair.last_success = Some(now);
            if pair.state != PairState::InProgress {
                pair.state = PairState::Succeeded;
            }
        }
        self.triggered.retain(|k| *k != key);
    }

    pub(super) fn next_consent_timeout(&self) -> Option<Instant> {
        let retired = self.retired.as_ref().map(|(_, until)| *until);
        let path = self.selected.as_ref();
        let lost = path.map(|p| p.last_response + TIMEOUT);
        let disconnected = path
            .filter(|_| self.state == IceState::Connected)
            .map(|p| p.last_response + DISCONNECTED_AFTER);
        let doubt = path
            .filter(|_| self.may_verify_path().is_some() && self.may_check())
            .map(|p| p.last_response + self.doubt_after());
        let next = path.map(|p| p.next_consent);
        let proof = path.and_then(|p| p.doubt.as_ref()).map(|d| d.until);
        let question = self.question_timeout();
        [retired, lost, disconnected, doubt, next, proof, question]
            .into_iter()
            .flatten()
            .min()
    }
}
