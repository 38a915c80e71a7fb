//! What the application tells the agent: the peer's credentials, restarts, beginning and end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agent::IceAgent;
use super::pair::Purpose;
use super::{Candidate, CandidateKind, Credentials, IceEvent, IceState, Role};

/// Candidates of credentials that are not known yet.
const MAX_AHEAD: usize = 512;
/// Credentials that the peer had before its restarts.
const MAX_FORMER: usize = 16;
/// A side that was told no role, is the controlled one by its credentials, and hears no check for
/// this long tries as the controlling one: the peer may be a lite agent, which never checks. A
/// full one repairs it (RFC 8445 section 7.3.1.1).
const LITE_SUSPECTED: Duration = Duration::from_secs(1);

impl IceAgent {
    /// The peer's credentials. Different ones than before begin a new generation, as `restart`
    /// does on the other side. False for those of before a restart of the peer, which change
    /// nothing: credentials are never used twice (RFC 8445 section 9), so the message was late.
    pub(crate) fn set_remote_credentials(
        &mut self,
        now: Instant,
        credentials: Credentials,
    ) -> bool {
        if self.is_former_remote(&credentials) {
            return false;
        }
        if self.state == IceState::Closed {
            return true;
        }
        self.undecided = false;
        if let Some(known) = self.remote.clone() {
            if *known == credentials {
                return true;
            }
            self.new_generation();
            if known.ufrag != credentials.ufrag {
                let dated = std::mem::take(&mut self.dated);
                self.remotes.retain(|r| !dated.contains(&r.place()));
            }
            self.former.push_back(known);
            let surplus = self.former.len().saturating_sub(MAX_FORMER);
            self.former.drain(..surplus);
        }
        if self.role.is_none() {
            // The drafts know no roles: the greater credentials control. Equal ones are left to
            // the tie-breaker. A browser always begins as controlling; with a tie-breaker that
            // agrees with the credentials it ends in the role that they say, and since the DTLS
            // role follows, a page can know it beforehand.
            let role = if self.remote_lite {
                Role::Controlling
            } else if *self.local > credentials {
                self.tie_breaker = u64::MAX;
                Role::Controlling
            } else if *self.local < credentials {
                self.tie_breaker = 0;
                Role::Controlled
            } else {
                Role::Controlling
            };
            self.role = Some(role);
            self.push_event(IceEvent::Role(role));
            self.control_at = (role == Role::Controlled).then_some(now + LITE_SUSPECTED);
        }
        self.remote = Some(Arc::new(credentials));
        self.pair_all(now);
        self.begin_patience(now);
        self.take_candidates_ahead(now);
        self.replay_early_checks(now);
        self.drive(now);
        true
    }

    /// A candidate that names its credentials: of those in use it is taken, of those of before a
    /// restart of the peer refused, and of any other kept until they come.
    pub(crate) fn add_remote_candidate_of(
        &mut self,
        now: Instant,
        candidate: Candidate,
        ufrag: &str,
    ) {
        if self.remote.as_ref().is_some_and(|r| r.ufrag == ufrag) {
            let place = candidate.place();
            self.add_remote_candidate(now, candidate);
            if !self.dated.contains(&place) && self.remotes.iter().any(|r| r.place() == place) {
                self.dated.push(place);
            }
        } else if self.former.iter().any(|former| former.ufrag == ufrag) {
            self.counters.candidates_refused += 1;
        } else if self.state != IceState::Closed {
            let known =
                |(of, one): &(String, Candidate)| of == ufrag && one.place() == candidate.place();
            if self.ahead.iter().any(known) {
                return;
            }
            if self.ahead.len() >= MAX_AHEAD {
                self.ahead.pop_front();
                self.counters.candidates_refused += 1;
            }
            self.ahead.push_back((ufrag.to_owned(), candidate));
        }
    }

    fn take_candidates_ahead(&mut self, now: Instant) {
        let Some(ufrag) = self.remote.as_ref().map(|r| r.ufrag.clone()) else {
            return;
        };
        for (of, candidate) in std::mem::take(&mut self.ahead) {
            if of == ufrag {
                self.add_remote_candidate_of(now, candidate, &ufrag);
            } else {
                self.ahead.push_back((of, candidate));
            }
        }
    }

    fn pair_all(&mut self, now: Instant) {
        for local in self.locals.clone() {
            for remote in self.remotes.clone() {
                self.add_pair(now, &local, &remote);
            }
        }
    }

    /// RFC 8445 section 6.1.1: against a lite agent the full one controls, whatever it was told. To
    /// be said before the credentials.
    pub(crate) fn set_remote_lite(&mut self, lite: bool) {
        self.remote_lite = lite;
        if lite && self.role == Some(Role::Controlled) {
            self.switch_role(Role::Controlling);
        }
        if lite {
            self.control_at = None;
        }
    }

    pub(super) fn suspect_lite(&mut self, now: Instant) {
        if self.started && self.control_at.is_some_and(|at| now >= at) {
            self.control_at = None;
            if self.role == Some(Role::Controlled) {
                self.switch_role(Role::Controlling);
                for pair in &mut self.pairs {
                    // Answered by a lite agent, and now to be nominated.
                    pair.nominate_on_success = false;
                }
            }
        }
    }

    /// No more remote candidates are signalled (RFC 8838 section 14). Peer-reflexive ones may still
    /// come, which RFC 8863 waits for.
    pub(crate) fn end_of_remote_candidates(&mut self, now: Instant) {
        self.remotes_done = true;
        self.drive(now);
    }

    /// Gathering has found what it will find.
    pub(crate) fn end_of_local_candidates(&mut self, now: Instant) {
        self.locals_done = true;
        self.drive(now);
    }

    /// RFC 8863 section 4: the timer runs from when checks can begin on both sides.
    fn begin_patience(&mut self, now: Instant) {
        let from = (self.started && self.remote.is_some()).then_some(now);
        self.checks_from = from;
        self.patience_from = from;
    }

    /// Checks may be sent from now on.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.started || self.state == IceState::Closed {
            return;
        }
        self.started = true;
        self.control_at = self.control_at.map(|_| now + LITE_SUSPECTED);
        self.begin_patience(now);
        self.next_check = now;
        self.set_state(IceState::Checking);
        self.drive(now);
    }

    /// ICE restart (RFC 8445 section 9). The path in use stays in use until a pair of the new
    /// generation is selected. The peer's credentials and candidates hold until it tells new ones,
    /// which an agent must that restarts too: a peer that does not has nothing to tell.
    pub(crate) fn restart(&mut self, now: Instant, local: Credentials) {
        if self.state == IceState::Closed {
            return;
        }
        self.new_generation();
        self.local = Arc::new(local);
        // All candidates are gathered again.
        self.locals_done = false;
        self.early.clear();
        self.undecided = self.remote.is_some();
        if self.undecided {
            // Those that name no credentials and come from now on may be of the new ones.
            self.dated = self.remotes.iter().map(|r| r.place()).collect();
            self.pair_all(now);
            self.begin_patience(now);
        }
        self.drive(now);
    }

    fn new_generation(&mut self) {
        self.generation += 1;
        self.evidence = self.evidence_from_here();
        self.remotes
            .retain(|r| r.kind != CandidateKind::PeerReflexive);
        self.remotes_done = false;
        self.pairs.clear();
        self.spares.clear();
        self.tries = [0; 16];
        self.triggered.clear();
        self.transactions.retain(|t| t.purpose == Purpose::Consent);
        self.nominating = None;
        self.first_valid = None;
        self.checks_from = None;
        self.patience_from = None;
        self.consent_lost = false;
        if self.started && self.selected.is_none() {
            self.set_state(IceState::Checking);
        }
    }

    /// Ends everything; nothing is sent or accepted any more.
    pub(crate) fn close(&mut self) {
        self.set_state(IceState::Closed);
        self.pairs.clear();
        self.spares.clear();
        self.triggered.clear();
        self.transactions.clear();
        self.early.clear();
        self.ahead.clear();
        self.selected = None;
        self.retired = None;
        self.transmits.clear();
    }
}
