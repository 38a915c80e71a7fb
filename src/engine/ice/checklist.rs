//! Candidates in, pairs out, both bounded (RFC 8445 sections 5.1.3 and 6.1.2).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agent::IceAgent;
use super::candidate::Place;
use super::pair::{Pair, PairKey, PairState, PairStats, Purpose, can_pair, is_usable, key_of};
use super::spare::Spare;
use super::{Candidate, CandidateKind, IceState};

impl IceAgent {
    /// Adds a local candidate at any time; one known already (same address and base) changes
    /// nothing. Local candidates stay across a restart.
    pub(crate) fn add_local_candidate(&mut self, now: Instant, candidate: Candidate) {
        let known = |c: &Arc<Candidate>| c.addr == candidate.addr && c.base == candidate.base;
        if self.state == IceState::Closed || self.locals.iter().any(known) {
            return;
        }
        if candidate.base.port() == 0 {
            self.counters.candidates_refused += 1;
            return;
        }
        if self.locals.len() >= self.config.max_local_candidates {
            self.drop_local();
        }
        self.log_candidate("local", &candidate);
        let local = Arc::new(candidate);
        self.locals.push(Arc::clone(&local));
        for remote in self.remotes.clone() {
            self.add_pair(now, &local, &remote);
        }
        self.candidate_arrived(now);
        self.drive(now);
    }

    fn remove_local_base_pairs(&mut self, base: SocketAddr) {
        let keys: Vec<PairKey> = self.pairs.iter().map(Pair::key).collect();
        for key in keys.into_iter().filter(|key| key.0 == base) {
            self.remove_pair(key);
        }
        self.spares.retain(|s| s.local.base != base);
    }

    /// Takes back the local candidates of a base that is no more: an address of an interface that
    /// went, a relay that its server lost. A path over it is called silent at once; it stays until
    /// there is another, since the address may come back.
    pub(crate) fn withdraw_local_base(&mut self, now: Instant, base: SocketAddr) {
        self.locals.retain(|local| local.base != base);
        self.remove_local_base_pairs(base);
        let in_use = self.selected_key().is_some_and(|key| key.0 == base);
        if in_use {
            self.call_silent(now);
        }
        self.drive(now);
    }

    /// Adds a remote candidate at any time; one known already changes nothing (RFC 8838).
    pub(crate) fn add_remote_candidate(&mut self, now: Instant, candidate: Candidate) {
        if self.state == IceState::Closed {
            return;
        }
        if !is_usable(candidate.addr) || self.config.denied.denies(candidate.addr.ip()) {
            self.counters.candidates_refused += 1;
            return;
        }
        let remote = Arc::new(candidate);
        self.dated.retain(|place| *place != remote.place());
        let known = self
            .remotes
            .iter_mut()
            .find(|r| r.place() == remote.place());
        if let Some(known) = known {
            // A signalled candidate replaces the peer-reflexive one of its address, and of
            // redundant ones the better stays (RFC 8445 section 5.1.3).
            let better = known.kind == CandidateKind::PeerReflexive
                || (remote.kind != CandidateKind::PeerReflexive
                    && remote.priority > known.priority);
            if !better {
                return;
            }
            *known = Arc::clone(&remote);
            for pair in &mut self.pairs {
                if pair.remote.place() == remote.place() {
                    pair.remote = Arc::clone(&remote);
                }
            }
            for spare in &mut self.spares {
                if spare.remote.place() == remote.place() {
                    spare.remote = Arc::clone(&remote);
                }
            }
        } else {
            self.log_candidate("remote", &remote);
            self.remotes.push(Arc::clone(&remote));
            self.bound_remotes();
            if self.remotes.iter().any(|r| Arc::ptr_eq(r, &remote)) {
                for local in self.locals.clone() {
                    self.add_pair(now, &local, &remote);
                }
            }
            self.candidate_arrived(now);
        }
        self.drive(now);
    }

    /// The oldest that nothing came of: networks come and go.
    fn drop_local(&mut self) {
        let works = |base| {
            self.paths().any(|path| path.base == base)
                || self
                    .pairs
                    .iter()
                    .any(|p| p.local.base == base && (p.heard || p.state == PairState::Succeeded))
        };
        if let Some(oldest) = self.locals.iter().position(|c| !works(c.base)) {
            let base = self.locals.remove(oldest).base;
            if !self.locals.iter().any(|c| c.base == base) {
                self.remove_local_base_pairs(base);
            }
        }
        self.counters.candidates_refused += 1;
    }

    fn bound_remotes(&mut self) {
        let signalled = |r: &&Arc<Candidate>| r.kind != CandidateKind::PeerReflexive;
        if self.remotes.iter().filter(signalled).count() <= self.config.max_remote_candidates {
            return;
        }
        let in_use = |place: Place| {
            self.selected
                .as_ref()
                .is_some_and(|p| p.remote.place() == place)
                || self.pairs.iter().any(|p| {
                    p.remote.place() == place && (p.heard || p.state == PairState::Succeeded)
                })
        };
        let untried = |place: Place| {
            let mut pairs = self.pairs.iter().filter(|p| p.remote.place() == place);
            let mut spares = self.spares.iter().filter(|s| s.remote.place() == place);
            let none = pairs.clone().next().is_none() && spares.clone().next().is_none();
            none || pairs.any(|p| p.timeouts == 0 && p.state != PairState::Failed)
                || spares.any(|s| s.timeouts == 0)
        };
        let of_kind = |kind| self.remotes.iter().filter(|r| r.kind == kind).count();
        // What was tried in vain goes first, then the worst of the type that there is most of.
        let worst = self
            .remotes
            .iter()
            .filter(signalled)
            .filter(|r| !in_use(r.place()))
            .min_by_key(|r| (untried(r.place()), usize::MAX - of_kind(r.kind), r.priority))
            .map(|r| r.place());
        if let Some(worst) = worst {
            self.forget_remote(worst);
        }
        self.counters.candidates_refused += 1;
    }

    pub(super) fn forget_remote(&mut self, place: Place) {
        self.remotes.retain(|r| r.place() != place);
        self.dated.retain(|dated| *dated != place);
        let gone: Vec<PairKey> = self
            .pairs
            .iter()
            .filter(|p| p.remote.place() == place)
            .map(Pair::key)
            .collect();
        for key in gone {
            self.remove_pair(key);
        }
        self.spares.retain(|s| s.remote.place() != place);
    }

    pub(super) fn remove_pair(&mut self, key: PairKey) {
        self.pairs.retain(|p| p.key() != key);
        self.triggered.retain(|k| *k != key);
        self.transactions
            .retain(|t| t.key != key || t.purpose == Purpose::Consent);
        if self.nominating == Some(key) {
            self.nominating = None;
        }
    }

    pub(super) fn add_pair(
        &mut self,
        now: Instant,
        local: &Arc<Candidate>,
        remote: &Arc<Candidate>,
    ) {
        if !can_pair(local, remote) {
            return;
        }
        let key = key_of(local, remote);
        if let Some(pair) = self.pairs.iter_mut().find(|p| p.key() == key) {
            // RFC 8445 section 6.1.2.4: of redundant pairs the one of higher priority stays.
            if local.priority > pair.local.priority {
                pair.local = Arc::clone(local);
            }
            return;
        }
        if let Some(spare) = self.spares.iter_mut().find(|s| s.key() == key) {
            if local.priority > spare.local.priority {
                spare.local = Arc::clone(local);
            }
            return;
        }
        let (local, remote) = (Arc::clone(local), Arc::clone(remote));
        if self.pairs.len() < self.config.max_pairs {
            self.pairs.push(Pair::new(now, local, remote));
        } else {
            self.spare(Spare {
                local,
                remote,
                timeouts: 0,
            });
        }
    }

    /// A new candidate is a new chance, so the RFC 8863 timer starts again.
    pub(super) fn candidate_arrived(&mut self, now: Instant) {
        if !self.started || self.remote.is_none() {
            return;
        }
        self.patience_from = Some(now);
        if self.state == IceState::Failed && !self.consent_lost {
            self.set_state(IceState::Checking);
        }
    }

    /// Round-trip time of the path in use, by its last check.
    pub(crate) fn selected_rtt(&self) -> Option<Duration> {
        let path = self.selected.as_ref()?;
        path.traffic.rtt.or_else(|| {
            let key = self.current_selected_key()?;
            let pair = self.pairs.iter().find(|pair| pair.key() == key)?;
            pair.traffic.rtt
        })
    }

    /// The checklist, and the path in use if a restart left it outside of it.
    pub(crate) fn pair_stats(&self) -> Vec<PairStats> {
        let role = self.effective_role();
        let selected = self.current_selected_key();
        let stats = |pair: &Pair, is_selected| {
            let mut traffic = pair.traffic;
            if let Some(path) = self.selected.as_ref().filter(|_| is_selected) {
                traffic.requests_sent += path.traffic.requests_sent;
                traffic.requests_received += path.traffic.requests_received;
                traffic.responses_sent += path.traffic.responses_sent;
                traffic.responses_received += path.traffic.responses_received;
                traffic.rtt = path.traffic.rtt.or(traffic.rtt);
            }
            let local = pair.mapped.as_ref().unwrap_or(&pair.local);
            PairStats {
                local: Candidate::clone(local),
                remote: Candidate::clone(&pair.remote),
                state: pair.state,
                nominated: pair.nominated,
                selected: is_selected,
                priority: pair.priority(role),
                rtt: traffic.rtt,
                requests_sent: traffic.requests_sent,
                requests_received: traffic.requests_received,
                responses_sent: traffic.responses_sent,
                responses_received: traffic.responses_received,
            }
        };
        let mut all: Vec<PairStats> = self
            .pairs
            .iter()
            .map(|p| stats(p, selected == Some(p.key())))
            .collect();
        if let Some(path) = self.selected.as_ref().filter(|_| selected.is_none()) {
            let mut pair = Pair::new(
                path.last_response,
                Arc::clone(&path.local),
                Arc::clone(&path.remote),
            );
            pair.state = PairState::Succeeded;
            pair.nominated = true;
            all.push(stats(&pair, true));
        }
        all
    }
}
