//! The agent: its state, what it is asked, and the verbs that its other files share.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::candidate::Place;
use super::evidence::Evidence;
use super::message::Crypto;
use super::pair::{EarlyCheck, Pair, PairKey, Transaction};
use super::path::Path;
use super::scope::{from_base, is_link_local, scope_of};
use super::spare::Spare;
use super::{Candidate, Credentials, IceConfig, IceCounters, IceEvent, IceState, Role};

/// Both queues are emptied after every call; the bounds are for a caller that does not.
const MAX_TRANSMITS: usize = 256;
const MAX_EVENTS: usize = 256;

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
    pub(super) dated: Vec<Place>,
    /// Candidates of credentials that are yet to come, with the user name fragment of these.
    pub(super) ahead: VecDeque<(String, Candidate)>,
    /// What the peer had before its restarts.
    pub(super) former: VecDeque<Arc<Credentials>>,
    /// This side has restarted, and the peer's answer to that is not known yet.
    pub(super) undecided: bool,
    /// No more candidates are signalled; no more are gathered.
    pub(super) remotes_done: bool,
    pub(super) locals_done: bool,
    /// Start of the RFC 8863 timer.
    pub(super) checks_from: Option<Instant>,
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
    /// The latest chance: the start, or a candidate.
    pub(super) patience_from: Option<Instant>,
    pub(super) peer_reflexive_seen: u64,
    pub(super) transmits: VecDeque<IceTransmit>,
    pub(super) events: VecDeque<IceEvent>,
    pub(super) counters: IceCounters,
    pub(super) evidence: Evidence,
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
            locals_done: false,
            checks_from: None,
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
            evidence: Evidence::default(),
        }
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

    /// Whether this is the path in use.
    #[inline]
    pub(crate) fn uses(&self, local: SocketAddr, from: SocketAddr) -> bool {
        self.selected_key() == Some((local, from))
    }

    /// Whether DTLS and media may come in this way: on the selected pair or another that was
    /// verified in both directions, also while it is checked anew.
    pub(crate) fn accepts(&self, local: SocketAddr, from: SocketAddr) -> bool {
        let key = (local, from);
        self.uses(local, from)
            || self.retired.as_ref().is_some_and(|(p, _)| p.key() == key)
            || self.pairs.iter().any(|p| p.key() == key && p.is_verified())
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
        let paths = self.paths().map(|p| p.key().1);
        let mut links: Vec<SocketAddr> = Vec::new();
        for base in self.locals.iter().map(|local| local.base) {
            if scope_of(base) != 0 && !links.iter().any(|b| scope_of(*b) == scope_of(base)) {
                links.push(base);
            }
        }
        let on_links = |addr: SocketAddr| {
            let scoped = links.iter().map(move |base| from_base(*base, addr));
            scoped.filter(move |_| is_link_local(addr.ip()))
        };
        let scoped = self.remotes.iter().flat_map(|r| on_links(r.addr));
        let remotes = self.remotes.iter().map(|r| r.addr);
        remotes.chain(scoped).chain(paths).collect()
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
