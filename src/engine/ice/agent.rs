//! The agent: its state, what the application tells it, and what it is asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::inbound::EarlyCheck;
use super::message::Crypto;
use super::pair::{Pair, PairKey, PairState, Path, Purpose, Transaction};
use super::spares::Spare;
use super::{
    Candidate, CandidateKind, Credentials, IceConfig, IceCounters, IceEvent, IceState, Role,
};

/// Both queues are emptied after every call; the bounds are for a caller that does not.
const MAX_TRANSMITS: usize = 256;
const MAX_EVENTS: usize = 256;
/// Candidates of credentials that are not known yet.
const MAX_AHEAD: usize = 512;
/// Credentials that the peer had before its restarts.
const MAX_FORMER: usize = 16;

/// How long the path before the last switch is still received on: the peer may switch later.
const RETIRED_PATH: Duration = Duration::from_secs(30);

/// A side that was told no role, is the controlled one by its credentials, and hears no check for
/// this long tries as the controlling one: the peer may be a lite agent, which never checks. A
/// full one repairs it (RFC 8445 section 7.3.1.1).
pub(super) const LITE_SUSPECTED: Duration = Duration::from_secs(1);

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IceTransmit {
    /// The base to send from.
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) data: Vec<u8>,
}

pub(crate) struct IceAgent {
    pub(super) config: IceConfig,
    pub(super) crypto: Crypto,
    pub(super) local: Arc<Credentials>,
    pub(super) remote: Option<Arc<Credentials>>,
    /// The peer is a lite agent.
    pub(super) remote_lite: bool,
    pub(super) role: Option<Role>,
    pub(super) tie_breaker: u64,
    /// When to try as the controlling side, unless a check comes in.
    pub(super) control_at: Option<Instant>,
    pub(super) state: IceState,
    pub(super) started: bool,
    /// Counts ICE restarts.
    pub(super) generation: u64,
    pub(super) locals: Vec<Arc<Candidate>>,
    pub(super) remotes: Vec<Arc<Candidate>>,
    /// Those of `remotes` that belong to the credentials in use and to no later ones.
    pub(super) dated: Vec<SocketAddr>,
    /// Candidates of credentials that are yet to come, with the user name fragment of these.
    pub(super) ahead: VecDeque<(String, Candidate)>,
    /// What the peer had before its restarts.
    pub(super) former: VecDeque<Arc<Credentials>>,
    /// This side has restarted, and the peer's answer to that is not known yet.
    pub(super) undecided: bool,
    pub(super) remotes_done: bool,
    pub(super) pairs: Vec<Pair>,
    /// Pairs beyond the limit of the checklist.
    pub(super) spares: Vec<Spare>,
    /// Ordinary checks so far by type of pair, and since a type had its turn.
    pub(super) tries: [u32; 16],
    pub(super) in_order: u32,
    pub(super) triggered: VecDeque<PairKey>,
    pub(super) transactions: Vec<Transaction>,
    pub(super) early: Vec<EarlyCheck>,
    pub(super) selected: Option<Path>,
    pub(super) retired: Option<(Path, Instant)>,
    /// The pair a USE-CANDIDATE check is under way on.
    pub(super) nominating: Option<PairKey>,
    pub(super) first_valid: Option<Instant>,
    pub(super) consent_lost: bool,
    pub(super) next_check: Instant,
    pub(super) next_request: Instant,
    /// Start of the RFC 8863 timer.
    pub(super) patience_from: Option<Instant>,
    pub(super) peer_reflexive_seen: u64,
    pub(super) transmits: VecDeque<IceTransmit>,
    pub(super) events: VecDeque<IceEvent>,
    pub(super) counters: IceCounters,
    pub(super) rng: u64,
}

impl IceAgent {
    /// `role: None` is decided by the credentials once both are known.
    pub(crate) fn new(
        now: Instant,
        local: Credentials,
        role: Option<Role>,
        tie_breaker: u64,
        config: IceConfig,
    ) -> Self {
        Self {
            rng: config.rng_seed | 1,
            config,
            crypto: Crypto::new(),
            local: Arc::new(local),
            remote: None,
            remote_lite: false,
            role,
            tie_breaker,
            control_at: None,
            state: IceState::New,
            started: false,
            generation: 0,
            locals: Vec::new(),
            remotes: Vec::new(),
            dated: Vec::new(),
            ahead: VecDeque::new(),
            former: VecDeque::new(),
            undecided: false,
            remotes_done: false,
            pairs: Vec::new(),
            spares: Vec::new(),
            tries: [0; 16],
            in_order: 0,
            triggered: VecDeque::new(),
            transactions: Vec::new(),
            early: Vec::new(),
            selected: None,
            retired: None,
            nominating: None,
            first_valid: None,
            consent_lost: false,
            next_check: now,
            next_request: now,
            patience_from: None,
            peer_reflexive_seen: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: IceCounters::default(),
        }
    }

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
                self.remotes.retain(|r| !dated.contains(&r.addr));
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
        self.patience_from = self.started.then_some(now);
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
            let addr = candidate.addr;
            self.add_remote_candidate(now, candidate);
            if !self.dated.contains(&addr) && self.remotes.iter().any(|r| r.addr == addr) {
                self.dated.push(addr);
            }
        } else if self.former.iter().any(|former| former.ufrag == ufrag) {
            self.counters.candidates_refused += 1;
        } else if self.state != IceState::Closed {
            let known = |(of, one): &(String, Candidate)| of == ufrag && one.addr == candidate.addr;
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

    /// No more remote candidates are signalled. Peer-reflexive ones may still come, so nothing
    /// fails before the RFC 8863 timer.
    pub(crate) fn end_of_remote_candidates(&mut self, _now: Instant) {
        self.remotes_done = true;
    }

    /// Checks may be sent from now on.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.started || self.state == IceState::Closed {
            return;
        }
        self.started = true;
        self.control_at = self.control_at.map(|_| now + LITE_SUSPECTED);
        self.patience_from = self.remote.is_some().then_some(now);
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
        self.early.clear();
        self.undecided = self.remote.is_some();
        if self.undecided {
            // Those that name no credentials and come from now on may be of the new ones.
            self.dated = self.remotes.iter().map(|r| r.addr).collect();
            self.pair_all(now);
            self.patience_from = self.started.then_some(now);
        }
        self.drive(now);
    }

    fn new_generation(&mut self) {
        self.generation += 1;
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

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.drive(now);
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<IceTransmit> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<IceEvent> {
        let event = self.events.pop_front();
        if event.is_none() {
            // Events are large and rare: an idle connection keeps no room for them.
            self.events = VecDeque::new();
        }
        event
    }

    /// Whether DTLS and media may come in this way: on the selected pair or another that was
    /// verified in both directions.
    pub(crate) fn accepts(&self, local: SocketAddr, from: SocketAddr) -> bool {
        let key = (local, from);
        self.selected_key() == Some(key)
            || self.retired.as_ref().is_some_and(|(p, _)| p.key() == key)
            || self
                .pairs
                .iter()
                .any(|p| p.state == PairState::Succeeded && p.key() == key)
    }

    /// When the peer last answered a check on the selected pair.
    pub(crate) fn last_response(&self) -> Option<Instant> {
        self.selected.as_ref().map(|path| path.last_response)
    }

    /// Base and remote address to send to, while there is consent.
    pub(crate) fn send_path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.selected_key()
    }

    /// The selected pair's candidates.
    #[cfg(test)]
    pub(crate) fn selected(&self) -> Option<(&Candidate, &Candidate)> {
        self.selected.as_ref().map(|p| (&*p.local, &*p.remote))
    }

    /// The user name fragments of this side that the peer's checks may name: the present one, and
    /// those of the paths that have outlived theirs.
    pub(crate) fn local_ufrags(&self) -> Vec<String> {
        let paths = self.paths().map(|p| &p.local_credentials);
        ufrags(std::iter::once(&self.local).chain(paths))
    }

    /// The same of the peer.
    pub(crate) fn remote_ufrags(&self) -> Vec<String> {
        let paths = self.paths().map(|p| &p.remote_credentials);
        ufrags(self.remote.iter().chain(paths))
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let retired = self.retired.iter().map(|(path, _)| path);
        self.selected.iter().chain(retired)
    }

    /// Where this side may send to.
    pub(crate) fn remote_addresses(&self) -> Vec<SocketAddr> {
        let paths = self.paths().map(|p| p.remote.addr);
        self.remotes.iter().map(|r| r.addr).chain(paths).collect()
    }

    /// Whether the peer had these before a restart.
    pub(crate) fn is_former_remote(&self, credentials: &Credentials) -> bool {
        self.former.iter().any(|former| **former == *credentials)
    }

    /// Whether the peer's present credentials are not known for sure.
    pub(crate) fn awaits_remote(&self) -> bool {
        self.undecided || self.remote.is_none()
    }

    pub(crate) fn role(&self) -> Option<Role> {
        self.role
    }

    pub(crate) fn state(&self) -> IceState {
        self.state
    }

    #[cfg(test)]
    pub(crate) fn remote_credentials(&self) -> Option<&Credentials> {
        self.remote.as_deref()
    }

    pub(crate) fn counters(&self) -> IceCounters {
        self.counters
    }

    pub(super) fn selected_key(&self) -> Option<PairKey> {
        self.selected.as_ref().map(Path::key)
    }

    /// The selected pair, if it belongs to the present checklist.
    pub(super) fn current_selected_key(&self) -> Option<PairKey> {
        let path = self.selected.as_ref()?;
        (path.generation == self.generation).then(|| path.key())
    }

    pub(super) fn effective_role(&self) -> Role {
        self.role.unwrap_or(Role::Controlling)
    }

    pub(super) fn pair_mut(&mut self, key: PairKey) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|p| p.key() == key)
    }

    pub(super) fn set_state(&mut self, state: IceState) {
        if self.state != state && self.state != IceState::Closed {
            self.state = state;
            self.push_event(IceEvent::State(state));
        }
    }

    pub(super) fn push_event(&mut self, event: IceEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.counters.queue_overflow += 1;
        }
        self.events.push_back(event);
    }

    pub(super) fn transmit(&mut self, key: PairKey, data: Vec<u8>) {
        if self.transmits.len() >= MAX_TRANSMITS {
            self.counters.queue_overflow += 1;
            return;
        }
        self.transmits.push_back(IceTransmit {
            local: key.0,
            remote: key.1,
            data,
        });
    }

    /// Makes a path the one to send on.
    pub(super) fn select(&mut self, now: Instant, path: Path) {
        let same = self.selected_key() == Some(path.key())
            && self.selected.as_ref().map(|p| p.generation) == Some(path.generation);
        if same {
            return;
        }
        let event = IceEvent::Selected {
            local: Candidate::clone(&path.local),
            remote: Candidate::clone(&path.remote),
        };
        if let Some(old) = self.selected.replace(path) {
            self.retired = Some((old, now + RETIRED_PATH));
        }
        self.push_event(event);
        self.set_state(IceState::Connected);
    }

    /// xorshift64; for jitter and for a new tie-breaker, nothing that must be secret.
    pub(super) fn random(&mut self) -> u64 {
        self.rng ^= self.rng << 13;
        self.rng ^= self.rng >> 7;
        self.rng ^= self.rng << 17;
        self.rng
    }
}

fn ufrags<'a>(of: impl Iterator<Item = &'a Arc<Credentials>>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for credentials in of {
        if !all.contains(&credentials.ufrag) {
            all.push(credentials.ufrag.clone());
        }
    }
    all
}
