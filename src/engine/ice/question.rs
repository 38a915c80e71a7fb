//! Whether the path in use still works, asked out of turn: the peer is heard elsewhere, since its
//! address changed or the NAT before it forgot it, or what came all the time stops.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::agent::IceAgent;
use super::consent::PROMPTED_SPACING;
use super::pair::{Pair, PairKey, PairState, is_usable};
use super::path::Path;
use super::{CandidateKind, IceState, Role};

/// How long an answer may take: the check is sent three times meanwhile, at 0, 0.5 and 1.5 s.
const PATIENCE: Duration = Duration::from_secs(2);
/// When the check is sent again, and what an answer to that one has at least.
const AGAIN: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_millis(300);
/// Without an answer for so long, an address that datagrams come from is checked. Before, whoever
/// forges source addresses would have others sent to.
const PROBED_AFTER: Duration = Duration::from_millis(400);

impl IceAgent {
    /// Asks, unless that is under way or was done just now.
    pub(crate) fn question_path(&mut self, now: Instant) {
        let Some(path) = &mut self.selected else {
            return;
        };
        let rested = now.saturating_duration_since(path.last_asked) >= PROMPTED_SPACING;
        if path.asked.is_some() || self.state != IceState::Connected {
            return;
        }
        if !rested {
            path.ask_at
                .get_or_insert(path.last_asked + PROMPTED_SPACING);
            return;
        }
        path.ask_at = None;
        path.asked = Some(now);
        path.last_asked = now;
        if !self.verify_path() {
            self.send_consent(now);
        }
        self.drive(now);
    }

    /// What was put off.
    pub(super) fn run_question(&mut self, now: Instant) {
        if let Some(path) = &mut self.selected {
            path.others_wanted |= path.asked.is_some_and(|at| now >= at + AGAIN);
        }
        let due = |path: &Path| path.ask_at.is_some_and(|at| now >= at);
        if let Some(path) = self.selected.as_mut().filter(|path| due(path)) {
            path.ask_at = None;
            self.question_path(now);
        }
    }

    pub(super) fn question_unanswered(&self, now: Instant) -> bool {
        self.answer_due().is_some_and(|at| now >= at)
    }

    pub(super) fn question_timeout(&self) -> Option<Instant> {
        let connected = self.state == IceState::Connected;
        let path = self.selected.as_ref().filter(|_| connected)?;
        let again = path.asked.filter(|_| !path.others_wanted);
        let again = again.map(|at| at + AGAIN);
        again.or_else(|| self.answer_due()).or(path.ask_at)
    }

    /// When the path is given up. If the peer answers elsewhere meanwhile, two checks that were lost
    /// say enough.
    fn answer_due(&self) -> Option<Instant> {
        let asked = self.selected.as_ref()?.asked?;
        let elsewhere = self
            .pairs
            .iter()
            .any(|pair| self.answers_since(pair, asked));
        let patience = match elsewhere {
            true => {
                let rtt = self.selected_rtt().unwrap_or_default();
                AGAIN + ANSWER.max(rtt.saturating_mul(2)).min(PATIENCE - AGAIN)
            }
            false => PATIENCE,
        };
        Some(asked + patience)
    }

    /// Whether the path in use is good enough for worse ones to be left alone.
    pub(super) fn is_settled(&self) -> bool {
        self.state == IceState::Connected
            && self
                .selected
                .as_ref()
                .is_none_or(|path| !path.others_wanted)
    }

    /// Whether another pair than the one in use has answered since.
    pub(super) fn answers_since(&self, pair: &Pair, since: Instant) -> bool {
        pair.state == PairState::Succeeded
            && self.selected_key() != Some(pair.key())
            && pair.last_success.is_some_and(|at| at > since)
    }

    /// Something that is no STUN came by another way than the path in use. It counts for nothing but
    /// to have the path asked, and, if that does not answer, the other way: a pair that worked
    /// before is checked anew, and an address that is not known may be the peer's new one behind a
    /// NAT that forgot it (RFC 8445 section 7.3.1.3 knows it from the peer's next check).
    pub(crate) fn payload_elsewhere(&mut self, now: Instant, local: SocketAddr, from: SocketAddr) {
        self.question_path(now);
        let Some(path) = &self.selected else { return };
        let silent = self.state == IceState::Disconnected;
        let silent = silent || path.asked.is_some_and(|at| now >= at + PROBED_AFTER);
        let key = (local, from);
        let rested = now.saturating_duration_since(path.last_probe) >= PROMPTED_SPACING;
        let beside = path.base == local && path.local.tcp.is_none();
        if !silent || !rested || !self.may_check() {
            return;
        }
        if let Some(pair) = self.pair_mut(key) {
            if pair.state == PairState::Succeeded {
                self.probe(now, key);
            }
            return;
        }
        if !beside {
            return;
        }
        if !is_usable(from) || self.config.denied.denies(from.ip()) {
            return;
        }
        let preference = CandidateKind::PeerReflexive.type_preference() << 24;
        if let Some(path) = &mut self.selected {
            path.last_probe = now;
        }
        if self.learn_pair(now, key, preference | 0x00FF_FFFF) {
            self.probe(now, key);
        }
    }

    fn probe(&mut self, now: Instant, key: PairKey) {
        if let Some(path) = &mut self.selected {
            path.last_probe = now;
        }
        self.trigger(key);
        self.drive(now);
    }

    /// The path has become silent: what has answered meanwhile may be that way out.
    pub(super) fn follow_answers(&mut self, now: Instant) {
        if self.effective_role() != Role::Controlled {
            return;
        }
        let answered = self
            .pairs
            .iter()
            .filter(|p| p.state == PairState::Succeeded);
        let mut answered: Vec<&Pair> = answered.collect();
        answered.sort_by_key(|p| std::cmp::Reverse(p.last_success));
        let keys: Vec<PairKey> = answered.into_iter().map(Pair::key).collect();
        for key in keys {
            self.follow_peer(now, key);
        }
    }

    /// The controlled side's way out when its path is silent and there is one that the controlling
    /// side need not know of, so that it nominates nothing: the peer answers at an address that it
    /// did not have before, or this side's own address is gone and a NAT hides that.
    pub(super) fn follow_peer(&mut self, now: Instant, key: PairKey) {
        if self.state != IceState::Disconnected || self.current_selected_key().is_none() {
            return;
        }
        let Some(path) = &self.selected else { return };
        let (base, since) = (path.base, path.last_response);
        let moved = !self.locals.iter().any(|local| local.base == base);
        let new = self.pairs.iter().any(|pair| {
            pair.key() == key
                && pair.remote.kind == CandidateKind::PeerReflexive
                && pair.created > since
        });
        if moved || (new && key.0 == base) {
            self.use_pair(now, key);
            if let Some(path) = &mut self.selected {
                path.unasked_for = true;
            }
        }
    }
}
