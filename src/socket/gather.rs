//! Gathering of candidates (RFC 8445 section 5.1.1) on one UDP port, without I/O.
//!
//! Host candidates come at once, server-reflexive ones as STUN servers answer. Relays are asked for
//! by the socket's [`Relays`](super::turn::Relays), which outlive a gatherer; it says which are
//! wanted and takes what came of it. Each server that gave nothing gives exactly one error.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod relays;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ::stun::message::TransactionId;

use super::ice_server::{GatherServer, IceServerError, IceServerErrorKind, ServerKind};
use super::interfaces::InterfaceAddress;
use super::keepalive::Keepalives;
use super::stun::{self, BindingResponse};
use crate::engine::ice::{Candidate, CandidateKind};
pub(crate) use relays::WantedRelay;

/// Gathering is over after this long, whatever is still open.
const LIMIT: Duration = Duration::from_millis(9_500);
/// RFC 8489 section 6.2.1: first retransmission, doubling after that.
const RTO: Duration = Duration::from_millis(500);
/// RFC 8445 section 14.1: new transactions start no closer together than this.
const TA: Duration = Duration::from_millis(50);
/// Once a server has answered on one address, its other transactions have this long: addresses
/// of virtual bridges have no way to it and must not hold up the end of gathering.
const STRAGGLERS: Duration = Duration::from_secs(3);
/// Sends in a row that the kernel refuses before a transaction counts as unreachable.
const MAX_SEND_ERRORS: u32 = 3;
/// Servers beyond this many are refused with an error each.
pub(crate) const MAX_SERVERS: usize = 16;
/// Local addresses from which each server is asked; the others, which are less likely to lead out,
/// follow as long as none of these has had an answer from a STUN server. Relays are few.
const MAX_BASES: usize = 8;
/// Host addresses beyond this many are ignored.
const MAX_HOSTS: usize = super::interfaces::MAX_ADDRESSES;

/// Foundations are compared, never read. The salt keeps them from giving away the base address,
/// which a server-reflexive candidate may be meant to hide.
static FOUNDATION_SALT: LazyLock<RandomState> = LazyLock::new(RandomState::new);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GatherEvent {
    Candidate(Candidate),
    ServerError(IceServerError),
    /// Emitted once. Only a relay in the place of one that was lost may follow.
    Complete,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatherTransmit {
    pub(crate) local_ip: IpAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) data: Vec<u8>,
}

/// Gathers once. Keep it after [`GatherEvent::Complete`] for as long as its server-reflexive
/// candidates are in use: it keeps their NAT bindings alive.
pub(crate) struct Gatherer {
    hosts: Vec<Host>,
    servers: Vec<Server>,
    /// Not yet started, in the order of start.
    queue: VecDeque<Planned>,
    transactions: Vec<Transaction>,
    keepalives: Keepalives,
    reflexive: Vec<(SocketAddr, SocketAddr)>,
    next_start: Instant,
    deadline: Instant,
    complete: bool,
    events: VecDeque<GatherEvent>,
    transmits: VecDeque<GatherTransmit>,
    relay_only: bool,
    asked: usize,
    wanted_relays: VecDeque<WantedRelay>,
    unwanted_relays: VecDeque<TransactionId>,
}

/// What a server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obtained {
    Mapped(SocketAddr),
    Relayed {
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    },
}

struct Host {
    base: SocketAddr,
    local_preference: u16,
}

struct Server {
    url: String,
    kind: ServerKind,
    resolving: bool,
    open: bool,
    answered: bool,
    deadline: Instant,
    error: Option<(IceServerErrorKind, String)>,
}

struct Planned {
    /// Index of the host address: each server's best address is asked before any second one.
    host: usize,
    server: usize,
    remote: SocketAddr,
}

struct Transaction {
    id: TransactionId,
    kind: ServerKind,
    server: usize,
    host: usize,
    base: SocketAddr,
    remote: SocketAddr,
    /// Finished ones stay, so that their late answers are recognised.
    open: bool,
    next_send: Instant,
    rto: Duration,
    send_errors: u32,
}

impl Gatherer {
    #[cfg(test)]
    pub(crate) fn new(
        now: Instant,
        hosts: &[InterfaceAddress],
        port: u16,
        servers: Vec<GatherServer>,
    ) -> Self {
        Self::with_policy(now, hosts, port, servers, false)
    }

    /// Starts gathering on `port` of the addresses `hosts`; their candidates are ready to poll.
    /// `relay_only`: relays are all that is offered, and no other server is asked.
    pub(crate) fn with_policy(
        now: Instant,
        hosts: &[InterfaceAddress],
        port: u16,
        servers: Vec<GatherServer>,
        relay_only: bool,
    ) -> Self {
        let mut gatherer = Self {
            hosts: Vec::new(),
            servers: Vec::new(),
            queue: VecDeque::new(),
            transactions: Vec::new(),
            keepalives: Keepalives::default(),
            reflexive: Vec::new(),
            next_start: now,
            deadline: now + LIMIT,
            complete: false,
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            relay_only,
            asked: 0,
            wanted_relays: VecDeque::new(),
            unwanted_relays: VecDeque::new(),
        };
        for host in hosts.iter().take(MAX_HOSTS) {
            gatherer.add_host(SocketAddr::new(host.ip, port), host.local_preference);
        }
        for (index, server) in servers.into_iter().enumerate() {
            gatherer.add_server(now, index, server);
        }
        gatherer.start_queued(now);
        gatherer.check_complete();
        gatherer
    }

    fn add_host(&mut self, base: SocketAddr, local_preference: u16) {
        if self.hosts.iter().any(|host| host.base == base) {
            return;
        }
        self.hosts.push(Host {
            base,
            local_preference,
        });
        if self.relay_only {
            return;
        }
        let kind = CandidateKind::Host;
        self.events.push_back(GatherEvent::Candidate(Candidate {
            foundation: foundation(kind, base.ip(), None),
            priority: Candidate::compute_priority(kind, local_preference),
            addr: base,
            kind,
            base,
            related: None,
        }));
    }

    fn add_server(&mut self, now: Instant, index: usize, server: GatherServer) {
        self.servers.push(Server {
            url: server.url,
            kind: server.kind,
            resolving: true,
            open: true,
            answered: false,
            deadline: self.deadline,
            error: None,
        });
        if let Some(message) = server.unsupported {
            self.note_error(index, IceServerErrorKind::Unsupported, message.to_owned());
            self.close_server(index);
            return;
        }
        if self.relay_only && server.kind == ServerKind::Stun {
            self.close_server(index);
            return;
        }
        if self.hosts.is_empty() {
            // Nothing to ask it from: not worth a look-up.
            let message = "no local address".to_owned();
            self.note_error(index, IceServerErrorKind::Unreachable, message);
            self.close_server(index);
            return;
        }
        self.asked += 1;
        if self.asked > MAX_SERVERS {
            let message = format!("more than {MAX_SERVERS} servers");
            self.note_error(index, IceServerErrorKind::Unsupported, message);
            self.close_server(index);
        } else if let Some(addrs) = server.addrs {
            self.plan(now, index, addrs);
        }
    }

    /// The outcome of resolving server `index` (its place in the list given to `new`).
    pub(crate) fn add_server_addrs(
        &mut self,
        now: Instant,
        index: usize,
        addrs: Result<Vec<SocketAddr>, String>,
    ) {
        self.plan(now, index, addrs);
        self.start_queued(now);
        self.check_complete();
    }

    /// One transaction for each local address, with the server's first address of that family.
    fn plan(&mut self, now: Instant, index: usize, addrs: Result<Vec<SocketAddr>, String>) {
        match self.servers.get_mut(index) {
            Some(server) if server.open && server.resolving => server.resolving = false,
            _ => return,
        }
        let usable: Vec<SocketAddr> = match addrs {
            Ok(addrs) => addrs
                .into_iter()
                .map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()))
                .filter(|a| !a.ip().is_unspecified() && !a.ip().is_multicast() && a.port() != 0)
                .collect(),
            Err(message) => {
                self.note_error(index, IceServerErrorKind::Resolve, message);
                self.close_server(index);
                return;
            }
        };
        let bases = match self.servers.get(index).map(|server| server.kind) {
            Some(ServerKind::Turn) => MAX_BASES,
            _ => MAX_HOSTS,
        };
        let bases = self.hosts.iter().take(bases).enumerate();
        let planned: Vec<Planned> = bases
            .filter_map(|(host, Host { base, .. })| {
                let remote = *usable.iter().find(|a| a.is_ipv4() == base.is_ipv4())?;
                Some(Planned {
                    host,
                    server: index,
                    remote,
                })
            })
            .collect();
        if planned.is_empty() {
            let (kind, message) = if usable.is_empty() {
                (IceServerErrorKind::Resolve, "no usable address")
            } else {
                let message = "no local address of its address family";
                (IceServerErrorKind::Unreachable, message)
            };
            self.note_error(index, kind, message.to_owned());
            self.close_server(index);
            return;
        }
        self.queue.extend(planned);
        let queue = self.queue.make_contiguous();
        queue.sort_by_key(|planned| (planned.host, planned.server));
        self.next_start = self.next_start.max(now);
    }

    fn start_queued(&mut self, now: Instant) {
        while self.next_start <= now {
            let Some(planned) = self.queue.pop_front() else {
                return;
            };
            let Some(base) = self.hosts.get(planned.host).map(|host| host.base) else {
                continue;
            };
            let server = self.servers.get(planned.server);
            let Some(kind) = server.map(|server| server.kind) else {
                continue;
            };
            self.next_start = now + TA;
            let id = stun::new_transaction_id();
            self.transactions.push(Transaction {
                id,
                kind,
                server: planned.server,
                host: planned.host,
                base,
                remote: planned.remote,
                open: true,
                next_send: now + RTO,
                rto: RTO,
                send_errors: 0,
            });
            match kind {
                ServerKind::Stun => self.send_request(base, planned.remote, id),
                ServerKind::Turn => self.wanted_relays.push_back(WantedRelay {
                    ticket: id,
                    server: planned.server,
                    base,
                    remote: planned.remote,
                }),
            }
        }
    }

    fn send_request(&mut self, base: SocketAddr, remote: SocketAddr, id: TransactionId) {
        self.transmits.push_back(GatherTransmit {
            local_ip: base.ip(),
            remote,
            data: stun::binding_request(id),
        });
    }

    /// Takes `data` if it answers one of our requests; returns whether it was taken.
    /// `local_ip` is the address it arrived at, where known.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        local_ip: Option<IpAddr>,
        from: SocketAddr,
        data: &[u8],
    ) -> bool {
        let Some(id) = stun::response_id(data) else {
            return false;
        };
        if self.keepalives.is_answer(id) {
            return true;
        }
        let Some(index) = self.transactions.iter().position(|t| t.id == id) else {
            return false;
        };
        let answers = self.transactions.get(index).is_some_and(|t| {
            t.open
                && t.kind == ServerKind::Stun
                && t.remote == from
                && local_ip.is_none_or(|ip| ip == t.base.ip())
        });
        if answers {
            let outcome = match stun::parse_response(data) {
                Ok(BindingResponse::Mapped(mapped)) => Ok(Obtained::Mapped(mapped)),
                Ok(BindingResponse::Refused { code, reason }) => Err((
                    IceServerErrorKind::Refused(code),
                    format!("STUN error {code}: {reason}"),
                )),
                Err(message) => Err((IceServerErrorKind::Malformed, message)),
            };
            self.finish(now, index, outcome);
            self.check_complete();
        }
        true
    }

    /// Tells that a transmit to `remote` from `local_ip` was dropped by the kernel.
    pub(crate) fn handle_send_error(
        &mut self,
        now: Instant,
        local_ip: IpAddr,
        remote: SocketAddr,
        message: &str,
    ) {
        for index in 0..self.transactions.len() {
            let Some(t) = self.transactions.get_mut(index) else {
                return;
            };
            if !t.open || t.remote != remote || t.base.ip() != local_ip {
                continue;
            }
            t.send_errors = t.send_errors.saturating_add(1);
            if t.send_errors >= MAX_SEND_ERRORS {
                let error = (IceServerErrorKind::Unreachable, message.to_owned());
                self.finish(now, index, Err(error));
            }
        }
        self.check_complete();
    }

    /// The machine may have slept.
    pub(crate) fn resumed(&mut self, now: Instant) {
        self.keepalives.resumed(now);
        for t in &mut self.transactions {
            t.next_send = t.next_send.min(now);
        }
        self.handle_timeout(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for (base, remote, id) in self.keepalives.due(now) {
            self.send_request(base, remote, id);
        }
        if self.complete {
            return;
        }
        self.start_queued(now);
        for index in 0..self.servers.len() {
            let server = self.servers.get(index);
            if server.is_some_and(|server| server.open && server.deadline <= now) {
                let (kind, message) = self.timeout_error(index);
                self.note_error(index, kind, message);
                self.close_server(index);
            }
        }
        let mut resend = Vec::new();
        for t in &mut self.transactions {
            if t.open && t.kind == ServerKind::Stun && t.next_send <= now {
                t.rto = t.rto.saturating_mul(2);
                t.next_send = now + t.rto;
                resend.push((t.base, t.remote, t.id));
            }
        }
        for (base, remote, id) in resend {
            self.send_request(base, remote, id);
        }
        self.check_complete();
    }

    /// No more requests for the sake of NAT bindings: the candidates are no longer offered.
    #[cfg(test)]
    pub(crate) fn stop_keepalives(&mut self) {
        self.keepalives.clear();
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let keepalive = self.keepalives.next();
        if self.complete {
            return keepalive;
        }
        let stun = |t: &&Transaction| t.open && t.kind == ServerKind::Stun;
        let open = self.transactions.iter().filter(stun);
        let servers = self.servers.iter().filter(|server| server.open);
        keepalive
            .into_iter()
            .chain(open.map(|t| t.next_send))
            .chain(servers.map(|server| server.deadline))
            .chain((!self.queue.is_empty()).then_some(self.next_start))
            .min()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<GatherTransmit> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<GatherEvent> {
        self.events.pop_front()
    }

    #[cfg(test)]
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    fn finish(
        &mut self,
        now: Instant,
        index: usize,
        outcome: Result<Obtained, (IceServerErrorKind, String)>,
    ) {
        let Some(t) = self.transactions.get_mut(index) else {
            return;
        };
        t.open = false;
        if t.kind == ServerKind::Turn && outcome.is_err() {
            self.unwanted_relays.push_back(t.id);
        }
        let (server_index, host, base, remote) = (t.server, t.host, t.base, t.remote);
        match outcome {
            Ok(obtained) => {
                self.queue
                    .retain(|p| p.server != server_index || p.host < MAX_BASES);
                // Those that still wait for their turn get theirs first.
                let queued = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
                let patience = STRAGGLERS.saturating_add(TA.saturating_mul(queued));
                if let Some(server) = self.servers.get_mut(server_index) {
                    server.answered = true;
                    server.deadline = server.deadline.min(now + patience);
                }
                match obtained {
                    Obtained::Mapped(mapped) => {
                        if self.add_reflexive(host, base, remote, mapped) {
                            // RFC 8445 section 5.1.1.4: bindings are kept alive while the
                            // candidates are in use.
                            self.keepalives.add(now, base, remote);
                        }
                    }
                    Obtained::Relayed { relayed, mapped } => {
                        self.add_relay(host, base, remote, relayed, mapped);
                        // Its NAT binding is kept alive by the allocation.
                        if let Some(mapped) = mapped.filter(|_| !self.relay_only) {
                            self.add_reflexive(host, base, remote, mapped);
                        }
                    }
                }
            }
            Err((kind, message)) => self.note_error(server_index, kind, message),
        }
        let waiting = self
            .transactions
            .iter()
            .any(|t| t.open && t.server == server_index)
            || self
                .queue
                .iter()
                .any(|planned| planned.server == server_index);
        if !waiting {
            self.close_server(server_index);
        }
    }

    /// False when it is redundant.
    fn add_reflexive(
        &mut self,
        host: usize,
        base: SocketAddr,
        remote: SocketAddr,
        mapped: SocketAddr,
    ) -> bool {
        // RFC 8445 section 5.1.3: the same address and base make a candidate redundant. No NAT,
        // or two servers outside of the same NAT.
        if mapped == base || self.reflexive.contains(&(mapped, base)) {
            return false;
        }
        let Some(local_preference) = self.hosts.get(host).map(|host| host.local_preference) else {
            return false;
        };
        self.reflexive.push((mapped, base));
        let kind = CandidateKind::ServerReflexive;
        self.events.push_back(GatherEvent::Candidate(Candidate {
            foundation: foundation(kind, base.ip(), Some(remote.ip())),
            priority: Candidate::compute_priority(kind, local_preference),
            addr: mapped,
            kind,
            base,
            related: Some(base),
        }));
        true
    }

    fn timeout_error(&self, index: usize) -> (IceServerErrorKind, String) {
        if self
            .servers
            .get(index)
            .is_some_and(|server| server.resolving)
        {
            let message = "its name was not resolved in time".to_owned();
            return (IceServerErrorKind::Resolve, message);
        }
        let mut open = self
            .transactions
            .iter()
            .filter(|t| t.open && t.server == index);
        if open.clone().count() > 0 && open.all(|t| t.send_errors > 0) {
            let message = "the operating system refused to send".to_owned();
            return (IceServerErrorKind::Unreachable, message);
        }
        (IceServerErrorKind::Timeout, "no answer".to_owned())
    }

    /// The first error says most: the ones after it are often its consequences.
    fn note_error(&mut self, index: usize, kind: IceServerErrorKind, message: String) {
        if let Some(server) = self.servers.get_mut(index) {
            server.error.get_or_insert((kind, message));
        }
    }

    fn close_server(&mut self, index: usize) {
        let Some(server) = self.servers.get_mut(index).filter(|server| server.open) else {
            return;
        };
        server.open = false;
        if !server.answered
            && let Some((kind, message)) = server.error.take()
        {
            let url = server.url.clone();
            self.events
                .push_back(GatherEvent::ServerError(IceServerError {
                    url,
                    kind,
                    message,
                }));
        }
        self.queue.retain(|planned| planned.server != index);
        for t in self.transactions.iter_mut().filter(|t| t.server == index) {
            if t.open && t.kind == ServerKind::Turn {
                self.unwanted_relays.push_back(t.id);
            }
            t.open = false;
        }
    }

    fn check_complete(&mut self) {
        if !self.complete && self.servers.iter().all(|server| !server.open) {
            self.complete = true;
            self.events.push_back(GatherEvent::Complete);
        }
    }
}

/// RFC 8445 section 5.1.1.3: equal for the same type, base address, server and protocol (here
/// always UDP); at most 10 ice-chars of the 32 allowed (RFC 8839 section 5.1).
fn foundation(kind: CandidateKind, base: IpAddr, server: Option<IpAddr>) -> String {
    let hash = FOUNDATION_SALT.hash_one((kind, base, server));
    (hash >> 32).to_string()
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
