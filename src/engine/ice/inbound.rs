//! What comes in, and the requests among it (RFC 8445 section 7.3).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stun::error_code::{CODE_BAD_REQUEST, CODE_ROLE_CONFLICT, CODE_UNKNOWN_ATTRIBUTE, ErrorCode};

use super::agent::IceAgent;
use super::checks::FRESH_CHECK;
use super::message::{self, Class, Inbound};
use super::nomination::Session;
use super::pair::{EarlyCheck, Pair, PairKey, PairState, is_usable};
use super::scope::unscoped;
use super::{Candidate, CandidateKind, IceEvent, IceState, Role, TcpType};

const MAX_EARLY_CHECKS: usize = 100;
/// A peer-reflexive candidate that leads nowhere makes room after this.
const PEER_REFLEXIVE_CHANCE: Duration = Duration::from_secs(2);

impl IceAgent {
    /// Takes a STUN datagram. Whatever is not valid and authentic is counted and has no other
    /// effect, a reply included.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) {
        if self.state == IceState::Closed {
            return;
        }
        let Some(message) = Inbound::decode(data).filter(|_| is_usable(from)) else {
            self.counters.malformed += 1;
            return;
        };
        let effect = match message.class {
            Class::Request => self.handle_request(now, (local, from), message),
            Class::Success | Class::Error => self.handle_response(now, (local, from), message),
        };
        if effect {
            self.drive(now);
        }
    }

    fn handle_request(&mut self, now: Instant, key: PairKey, mut request: Inbound) -> bool {
        if !self.locals.iter().any(|c| c.base == key.0) {
            self.counters.unknown_local += 1;
            return false;
        }
        // Whoever may check from there could have any address probed.
        if self.config.denied.denies(key.1.ip()) {
            self.counters.candidates_refused += 1;
            return false;
        }
        let Some((receiver, sender)) = request.username() else {
            self.counters.wrong_username += 1;
            return false;
        };
        let Some(session) = self.credentials_match(&receiver, &sender) else {
            self.counters.wrong_username += 1;
            return false;
        };
        let credentials = match &session {
            Session::Current | Session::Early => Arc::clone(&self.local),
            Session::Earlier { local, .. } => Arc::clone(local),
        };
        let pwd = credentials.pwd.as_str();
        if !request.authenticate(pwd, &self.crypto) {
            self.counters.wrong_integrity += 1;
            return false;
        }

        let unknown = request.unknown_required();
        if !unknown.is_empty() {
            self.reject(key, &request, CODE_UNKNOWN_ATTRIBUTE, &unknown, pwd);
            return false;
        }
        let Some(priority) = request.priority() else {
            self.reject(key, &request, CODE_BAD_REQUEST, &[], pwd);
            return false;
        };
        if let Session::Earlier { key: path, .. } = session {
            // An earlier generation: only its path lives on.
            if path == key {
                self.answer(key, &request, pwd);
                self.peer_heard_on_path(now);
            } else {
                self.counters.rejected += 1;
            }
            return true;
        }
        if self.consent_lost && matches!(session, Session::Current) {
            // Only new credentials bring this side back. A peer that slept must learn of it; an
            // answer would keep it sending to nobody.
            self.counters.rejected += 1;
            return false;
        }
        self.control_at = None;
        self.evidence.heard += 1;
        if !self.repair_role(&request) {
            self.reject(key, &request, CODE_ROLE_CONFLICT, &[], pwd);
            return false;
        }
        // RFC 8445 section 7.3.1.5: only the controlling side may nominate.
        let nominate = request.use_candidate()
            && request
                .role()
                .is_none_or(|(role, _)| role == Role::Controlling);

        if matches!(session, Session::Early) {
            if self.remember_early_check(key, sender, priority, nominate) {
                self.answer(key, &request, pwd);
            }
            return false;
        }
        if !self.peer_checked(now, key, priority, nominate) {
            return false;
        }
        self.answer(key, &request, pwd);
        if self.selected_key() == Some(key) {
            self.peer_heard_on_path(now);
        }
        true
    }

    /// RFC 8445 section 7.3.1.1. False: answer 487.
    fn repair_role(&mut self, request: &Inbound) -> bool {
        let (Some(ours), Some((theirs, tie_breaker))) = (self.role, request.role()) else {
            return true;
        };
        if ours != theirs {
            return true;
        }
        let we_keep_control = self.tie_breaker >= tie_breaker;
        match (ours, we_keep_control) {
            (Role::Controlling, true) | (Role::Controlled, false) => {
                self.counters.role_conflicts += 1;
                false
            }
            (Role::Controlling, false) | (Role::Controlled, true) => {
                self.switch_role(ours.opposite());
                true
            }
        }
    }

    fn answer(&mut self, key: PairKey, request: &Inbound, pwd: &str) {
        let Some(bytes) = message::success(request, key.1, pwd, &self.crypto) else {
            return;
        };
        if let Some(path) = self.selected.as_mut().filter(|p| p.key() == key) {
            path.traffic.requests_received += 1;
            path.traffic.responses_sent += 1;
        } else if let Some(pair) = self.pair_mut(key) {
            pair.traffic.requests_received += 1;
            pair.traffic.responses_sent += 1;
        }
        self.transmit(key, bytes);
    }

    fn reject(
        &mut self,
        key: PairKey,
        request: &Inbound,
        code: ErrorCode,
        unknown: &[u16],
        pwd: &str,
    ) {
        self.counters.rejected += 1;
        if let Some(bytes) = message::error(request, code, unknown, pwd, &self.crypto) {
            self.transmit(key, bytes);
        }
    }

    fn remember_early_check(
        &mut self,
        key: PairKey,
        sender: String,
        priority: u32,
        nominate: bool,
    ) -> bool {
        if let Some(known) = self.early.iter_mut().find(|e| e.key == key) {
            known.nominate = nominate || (known.nominate && known.sender == sender);
            known.sender = sender;
            known.priority = priority;
            return true;
        }
        if self.early.len() >= MAX_EARLY_CHECKS {
            self.counters.peer_reflexive_refused += 1;
            return false;
        }
        self.early.push(EarlyCheck {
            key,
            sender,
            priority,
            nominate,
        });
        true
    }

    pub(super) fn replay_early_checks(&mut self, now: Instant) {
        let Some(remote) = self.remote.clone() else {
            return;
        };
        for early in std::mem::take(&mut self.early) {
            if early.sender == remote.ufrag {
                self.peer_checked(now, early.key, early.priority, early.nominate);
            }
        }
    }

    /// What an accepted request does to the checklist (RFC 8445 sections 7.3.1.3 to 7.3.1.5).
    fn peer_checked(&mut self, now: Instant, key: PairKey, priority: u32, nominate: bool) -> bool {
        if !self.learn_pair(now, key, priority) {
            return false;
        }
        let revive = self.state == IceState::Failed && !self.consent_lost;
        let Some(pair) = self.pair_mut(key) else {
            return false;
        };
        let first = !std::mem::replace(&mut pair.heard, true);
        match pair.state {
            PairState::Succeeded => {}
            PairState::Waiting | PairState::Failed => {
                pair.state = PairState::Waiting;
                self.trigger(key);
            }
            PairState::InProgress => {
                for t in &mut self.transactions {
                    let stale = now.saturating_duration_since(t.last_sent) >= FRESH_CHECK;
                    if t.key == key && t.live && stale {
                        t.next_at = t.next_at.min(now);
                    }
                }
            }
        }
        if nominate && self.role == Some(Role::Controlled) {
            self.follow_nomination(now, key);
        }
        if (first || nominate) && self.selected_key() != Some(key) {
            self.question_path(now);
        }
        if revive {
            self.candidate_arrived(now);
        }
        true
    }

    /// The pair on which the peer was heard.
    pub(super) fn learn_pair(&mut self, now: Instant, key: PairKey, priority: u32) -> bool {
        if self.pair_mut(key).is_some() {
            return true;
        }
        let locals = self.locals.iter().filter(|c| c.base == key.0);
        let Some(local) = locals.max_by_key(|c| c.priority).cloned() else {
            return false;
        };
        // RFC 6544 section 7.2: what connects to a passive candidate is active.
        let tcp = local.tcp.map(|_| TcpType::Active);
        // On which of this side's links it is, the base says.
        let place = (unscoped(key.1), tcp.is_some());
        if !self.learn_remote(now, place.0, tcp, priority) {
            return false;
        }
        let Some(remote) = self.remotes.iter().find(|r| r.place() == place).cloned() else {
            return false;
        };
        self.add_pair(now, &local, &remote);
        if self.pair_mut(key).is_none() {
            self.admit(now, key, true);
        }
        true
    }

    /// RFC 8445 section 7.3.1.3, within bounds.
    fn learn_remote(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        tcp: Option<TcpType>,
        priority: u32,
    ) -> bool {
        let place = (addr, tcp.is_some());
        if self.remotes.iter().any(|r| r.place() == place) {
            return true;
        }
        let reflexive = |r: &&Arc<Candidate>| r.kind == CandidateKind::PeerReflexive;
        if self.remotes.iter().filter(reflexive).count() >= self.config.max_peer_reflexive {
            let selected = self.selected_key();
            let useless = |p: &&Pair| {
                p.remote.kind == CandidateKind::PeerReflexive
                    && p.state != PairState::Succeeded
                    && Some(p.key()) != selected
                    && now.saturating_duration_since(p.created) >= PEER_REFLEXIVE_CHANCE
            };
            let oldest = self
                .pairs
                .iter()
                .filter(useless)
                .min_by_key(|p| p.created)
                .map(|p| p.remote.place());
            let Some(oldest) = oldest else {
                self.counters.peer_reflexive_refused += 1;
                return false;
            };
            self.forget_remote(oldest);
        }
        self.peer_reflexive_seen += 1;
        let candidate = Candidate {
            foundation: format!("prflx{}", self.peer_reflexive_seen),
            priority,
            addr,
            kind: CandidateKind::PeerReflexive,
            base: addr,
            related: None,
            tcp,
            told_as: None,
        };
        self.push_event(IceEvent::RemoteCandidateDiscovered(candidate.clone()));
        self.remotes.push(Arc::new(candidate));
        true
    }
}
