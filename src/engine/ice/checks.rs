//! When checks are sent: pacing, retransmission, giving up (RFC 8445 sections 6.1.4 and 14).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agent::IceAgent;
use super::message::Check;
use super::pair::{Pair, PairKey, PairState, Purpose, Transaction};
use super::path::Path;
use super::spare::{Rank, pair_type};
use super::{IceState, Role};

/// RFC 8489 section 6.2.1: Rc and Rm.
const TRANSMISSIONS: u32 = 7;
const LAST_WAIT: u32 = 16;
/// Where the peer was heard, a new transaction follows after 2.5 s: still paced, and a lossy
/// set-up does not wait 16 s between two tries.
const TRANSMISSIONS_HEARD: u32 = 3;
/// With few pairs there is room for a new transaction every 7.5 s.
const TRANSMISSIONS_FEW: u32 = 4;
const FEW_PAIRS: usize = 8;
/// A check in progress is repeated at once when the peer's own check comes in (RFC 8445 section
/// 7.3.1.4), but not if it was sent just now.
pub(super) const FRESH_CHECK: Duration = Duration::from_millis(150);
/// How long the response to a transaction that was given up still counts.
const REMEMBER: Duration = Duration::from_secs(30);
const MAX_TRANSACTIONS: usize = 256;
/// Checks in the order of priorities between two of the type that was tried least.
const IN_ORDER: u32 = 3;

impl IceAgent {
    /// Does everything that is due.
    pub(super) fn drive(&mut self, now: Instant) {
        if self.state == IceState::Closed {
            return;
        }
        self.run_consent(now);
        self.run_question(now);
        self.suspect_lite(now);
        if self.state == IceState::Checking && self.has_no_address() {
            self.give_up();
        } else if self.patience_over(now) {
            self.patience_from = None;
            if self.selected.is_none() && self.state == IceState::Checking {
                self.give_up();
            }
        }
        if self.may_check() {
            self.run_transactions(now);
            self.nominate(now);
            self.run_checks(now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.state == IceState::Closed {
            return None;
        }
        let mut next = [self.next_consent_timeout(), self.patience_ends()]
            .into_iter()
            .flatten()
            .min();
        let mut earlier = |at: Instant| next = Some(next.map_or(at, |n| n.min(at)));
        if let Some(at) = self.control_at.filter(|_| self.started) {
            earlier(at);
        }
        if self.may_check() {
            for t in &self.transactions {
                let gated = t.live && t.transmissions < self.transmission_limit(t.key);
                earlier(if gated {
                    t.next_at.max(self.next_request)
                } else {
                    t.next_at
                });
            }
            if let Some(at) = self.next_check_at() {
                earlier(at);
            }
            if let Some(at) = self.nomination_timeout() {
                earlier(at);
            }
        }
        next
    }

    pub(super) fn may_check(&self) -> bool {
        self.started
            && self.remote.is_some()
            && matches!(
                self.state,
                IceState::Checking | IceState::Connected | IceState::Disconnected
            )
    }

    fn patience_over(&self, now: Instant) -> bool {
        self.patience_ends().is_some_and(|at| now >= at)
    }

    /// When the search ends in vain. Without word that there are no more candidates, the timer of
    /// RFC 8863 runs from the last one, as section 5 allows. With it, from the start as section 4
    /// has it, once RFC 8838 section 8 lets the checklist fail: gathering is over, too, and no pair
    /// is left to try. What the timer waits for, a check from an address that nobody knows, never
    /// comes from a lite agent (RFC 8445 section 2.5): there it ends with the checks.
    fn patience_ends(&self) -> Option<Instant> {
        let latest = self.patience_from? + self.config.failed_after;
        let Some(from) = self.checks_from.filter(|_| self.is_exhausted()) else {
            return Some(latest);
        };
        Some(match self.remote_lite {
            true => from,
            false => latest.min(from + self.config.failed_after),
        })
    }

    fn is_exhausted(&self) -> bool {
        self.remotes_done
            && self.locals_done
            && self.selected.is_none()
            && self.spares.is_empty()
            && self.ahead.is_empty()
            && self.triggered.is_empty()
            && self.pairs.iter().all(Pair::is_in_vain)
    }

    /// Nowhere to be reached, by anybody: no network, or no relay where nothing else is to be used.
    pub(crate) fn has_no_address(&self) -> bool {
        self.started && self.locals_done && self.locals.is_empty() && self.selected.is_none()
    }

    fn give_up(&mut self) {
        self.patience_from = None;
        self.fail_pairs();
        self.set_state(IceState::Failed);
    }

    pub(super) fn fail_pairs(&mut self) {
        for pair in &mut self.pairs {
            pair.state = PairState::Failed;
        }
        self.triggered.clear();
        self.transactions.clear();
        self.nominating = None;
    }

    fn transmission_limit(&self, key: PairKey) -> u32 {
        match self.pairs.iter().find(|p| p.key() == key) {
            Some(pair) if pair.heard => TRANSMISSIONS_HEARD,
            _ if self.pairs.len() <= FEW_PAIRS => TRANSMISSIONS_FEW,
            _ => TRANSMISSIONS,
        }
    }

    fn run_transactions(&mut self, now: Instant) {
        self.transactions.retain(|t| t.live || now < t.next_at);
        let mut expired = Vec::new();
        let mut due: Option<(Instant, usize)> = None;
        for index in 0..self.transactions.len() {
            let Some(t) = self.transactions.get(index) else {
                break;
            };
            if !t.live || now < t.next_at {
                continue;
            }
            if t.transmissions >= self.transmission_limit(t.key) {
                expired.push(index);
            } else if due.is_none_or(|(at, _)| t.next_at < at) {
                due = Some((t.next_at, index));
            }
        }
        for index in expired {
            if let Some(t) = self.transactions.get_mut(index) {
                t.live = false;
                t.next_at = now + REMEMBER;
                let key = t.key;
                self.log_failed(key, "no answer");
                self.timed_out(now, key);
            }
        }
        let Some((_, index)) = due.filter(|_| now >= self.next_request) else {
            return;
        };
        if let Some(t) = self.transactions.get_mut(index) {
            t.transmissions += 1;
            t.last_sent = now;
            let last = t.transmissions == TRANSMISSIONS;
            let wait = if last {
                LAST_WAIT
            } else {
                1 << (t.transmissions - 1)
            };
            t.next_at = now + t.rto * wait;
            let (key, bytes) = (t.key, t.bytes.clone());
            self.evidence.sent += 1;
            if let Some(pair) = self.pair_mut(key) {
                pair.traffic.requests_sent += 1;
                if pair.heard
                    && let Some(t) = self.transactions.get_mut(index)
                {
                    // 0, 0.5 and 1.5 s, over at 2.5 s.
                    t.next_at = now + t.rto * 2;
                }
            }
            self.transmit(key, bytes);
            self.next_request = now + self.config.request_spacing;
        }
    }

    /// RFC 8445 section 7.2.5.2.3 fails the pair. As long as the RFC 8863 timer runs and nothing
    /// is selected it gets another chance instead, after all others.
    fn timed_out(&mut self, now: Instant, key: PairKey) {
        let nomination = self.nominating == Some(key);
        if nomination {
            self.nominating = None;
            let others = |p: &Pair| p.state == PairState::Succeeded && p.key() != key;
            if !self.pairs.iter().any(others) {
                // It is the only choice: nominated again.
                return;
            }
        }
        let patient = self.patience_from.is_some() && !self.patience_over(now);
        let wanted = self.current_selected_key().is_none();
        let searching = self.state == IceState::Disconnected;
        let doubted = self.path_in_doubt().map(Path::key) == Some(key);
        if let Some(pair) = self.pair_mut(key) {
            pair.timeouts = pair.timeouts.saturating_add(1);
            pair.unanswered = pair.traffic.requests_sent;
            pair.state = if searching || doubted || (patient && (wanted || pair.heard)) {
                PairState::Waiting
            } else {
                PairState::Failed
            };
        }
        if doubted {
            self.trigger(key);
        }
    }

    pub(super) fn trigger(&mut self, key: PairKey) {
        if !self.triggered.contains(&key) {
            self.triggered.push_back(key);
        }
    }

    /// RFC 8445 section 6.1.4.2: triggered checks first, then Waiting pairs by their rank, those
    /// outside of the checklist among them. Each so often the type that was tried least has a
    /// turn: the one that works need not be the one that there is most of.
    fn next_pair(&self) -> Option<PairKey> {
        if let Some(key) = self.triggered.front() {
            return Some(*key);
        }
        let role = self.effective_role();
        let settled = self
            .current_selected_key()
            .filter(|_| self.is_settled())
            .and_then(|key| self.pairs.iter().find(|p| p.key() == key))
            .map(|p| p.priority(role));
        // RFC 8445 section 8.1.2: once settled, only better pairs are of interest.
        let wanted = |rank: Rank| settled.is_none_or(|settled| rank.2 > settled);
        let pairs = self.pairs.iter().filter(|p| p.state == PairState::Waiting);
        let pairs = pairs.map(|p| {
            (
                p.heard,
                p.rank(role),
                p.key(),
                pair_type(&p.local, &p.remote),
            )
        });
        let spares = self.spares.iter();
        let spares = spares.map(|s| (false, s.rank(role), s.key(), pair_type(&s.local, &s.remote)));
        let tries = |of: usize| self.tries.get(of).copied().unwrap_or(0);
        let turn = self.in_order >= IN_ORDER;
        pairs
            .chain(spares)
            .filter(|(_, rank, ..)| wanted(*rank))
            .max_by_key(|&(heard, rank, _, of)| {
                let rested = if turn { u32::MAX - tries(of) } else { 0 };
                (heard, rank.0, rested, rank)
            })
            .map(|(_, _, key, _)| key)
    }

    fn next_check_at(&self) -> Option<Instant> {
        let at = self.next_check.max(self.next_request);
        let key = self.next_pair()?;
        match self.spares.iter().find(|s| s.key() == key) {
            Some(spare) => {
                let room = self.room_at(spare.timeouts)?;
                Some(room.map_or(at, |room| at.max(room)))
            }
            None => Some(at),
        }
    }

    fn run_checks(&mut self, now: Instant) {
        if now < self.next_check || now < self.next_request {
            return;
        }
        while let Some(key) = self.next_pair() {
            let triggered = self.triggered.front() == Some(&key);
            self.triggered.retain(|k| *k != key);
            if self.pair_mut(key).is_none() && !self.admit(now, key, false) {
                if triggered {
                    continue;
                }
                return;
            }
            if !triggered {
                self.count_try(key);
            }
            if self.send_check(now, key, false) {
                return;
            }
        }
    }

    fn count_try(&mut self, key: PairKey) {
        let Some(of) = self.pairs.iter().find(|p| p.key() == key) else {
            return;
        };
        let of = pair_type(&of.local, &of.remote);
        self.in_order = if self.in_order >= IN_ORDER {
            0
        } else {
            self.in_order + 1
        };
        if let Some(tries) = self.tries.get_mut(of) {
            *tries = tries.saturating_add(1);
        }
    }

    /// Starts a check, instead of one that may be in progress on the pair.
    pub(super) fn send_check(&mut self, now: Instant, key: PairKey, nominate: bool) -> bool {
        let busy = |s| matches!(s, PairState::Waiting | PairState::InProgress);
        let load = self.pairs.iter().filter(|p| busy(p.state)).count();
        let load = u32::try_from(load).unwrap_or(u32::MAX);
        let Some(pair) = self.pairs.iter().find(|p| p.key() == key) else {
            return false;
        };
        // RFC 8445 section 14.3; where the peer was heard, the answer is not one of many.
        let rto = if pair.heard || nominate {
            self.config.rto
        } else {
            self.config.rto.max(self.config.ta.saturating_mul(load))
        };
        let (Some(remote), local) = (self.remote.clone(), Arc::clone(&self.local)) else {
            return false;
        };
        let priority = pair.local.peer_reflexive_priority();
        let purpose = Purpose::Check { nominate };
        for t in &mut self.transactions {
            if t.key == key && t.live {
                t.live = false;
                t.next_at = now + REMEMBER;
            }
        }
        let sent = self.send_request(now, key, purpose, &local, &remote, priority, rto);
        if let Some(pair) = self.pair_mut(key) {
            if !sent {
                pair.state = PairState::Failed;
                return false;
            }
            pair.traffic.requests_sent += 1;
            if !nominate {
                pair.started = Some(now);
                pair.state = PairState::InProgress;
            }
        }
        self.next_check = now + self.config.ta;
        self.next_request = now + self.config.request_spacing;
        sent
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn send_request(
        &mut self,
        now: Instant,
        key: PairKey,
        purpose: Purpose,
        local: &Arc<super::Credentials>,
        remote: &Arc<super::Credentials>,
        reflexive_priority: u32,
        rto: Duration,
    ) -> bool {
        let role = self.effective_role();
        let nominate = role == Role::Controlling
            && match purpose {
                Purpose::Check { nominate } => nominate,
                Purpose::Consent => self.nominates_again(key),
            };
        let check = Check {
            local,
            remote,
            role,
            tie_breaker: self.tie_breaker,
            priority: reflexive_priority,
            nominate,
        };
        let Some((id, bytes)) = check.encode(&self.crypto) else {
            return false;
        };
        if self.transactions.len() >= MAX_TRANSACTIONS {
            // The oldest of those given up; live ones are bounded by the pairs.
            let oldest = self.transactions.iter().position(|t| !t.live).unwrap_or(0);
            self.transactions.remove(oldest);
        }
        let live = purpose != Purpose::Consent;
        self.evidence.sent += u64::from(live);
        self.transactions.push(Transaction {
            id,
            key,
            purpose,
            role,
            remote: Arc::clone(remote),
            bytes: if live { bytes.clone() } else { Vec::new() },
            rto,
            transmissions: 1,
            first_sent: now,
            last_sent: now,
            next_at: now + if live { rto } else { REMEMBER },
            live,
        });
        self.transmit(key, bytes);
        true
    }
}
