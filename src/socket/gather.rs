//! Gathering of candidates (RFC 8445 section 5.1.1) on one UDP port, without I/O.
//!
//! Host candidates come at once, server-reflexive ones as STUN servers answer. Relays are asked for
//! by the socket's [`Relays`](super::turn::Relays), which outlive a gatherer; it says which are
//! wanted and takes what came of it. Each server that gave nothing gives exactly one error.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod candidates;
mod plain;
mod relays;
mod servers;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ::stun::message::TransactionId;

use super::ice_server::{GatherServer, IceServerErrorKind, ServerKind};
use super::interfaces::InterfaceAddress;
use super::keepalive::Keepalives;
use super::policy::SocketPolicy;
use super::stun::{self, BindingResponse};
pub(super) use plain::{GatherEvent, GatherTransmit, WantedRelay};
use plain::{Host, Obtained, Planned, Server, Transaction};

/// The end is not put off for servers that are silent: it comes this long after the last answer. They
/// are still listened to; what they give then is one more candidate.
const AFTER_ANSWER: Duration = Duration::from_secs(2);
/// The same while there was no answer at all, from the beginning: three requests to a server, or a
/// look-up, TCP and TLS on a slow path.
const NO_ANSWER: Duration = Duration::from_secs(4);
/// A server that has been silent for so long is given up.
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
/// Local addresses from which each server is asked; the others, which are less likely to lead out,
/// follow as long as none of these has had an answer from a STUN server. Relays are few.
const MAX_BASES: usize = 8;
/// The same for servers over TCP and TLS, which are the last resort and cost a connection each.
const MAX_STREAM_BASES: usize = 4;
/// Host addresses beyond this many are ignored.
const MAX_HOSTS: usize = super::interfaces::MAX_ADDRESSES;

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
    /// The end, if nothing comes any more.
    ends: Instant,
    complete: bool,
    events: VecDeque<GatherEvent>,
    transmits: VecDeque<GatherTransmit>,
    relay_only: bool,
    tcp_port: Option<u16>,
    hosts_offered: bool,
    /// Under names, and nothing else tells their addresses.
    hosts_hidden: bool,
    reflexive_offered: bool,
    relays_offered: bool,
    asked: usize,
    wanted_relays: VecDeque<WantedRelay>,
    unwanted_relays: VecDeque<TransactionId>,
}

impl Gatherer {
    #[cfg(test)]
    pub(crate) fn new(
        now: Instant,
        hosts: &[InterfaceAddress],
        port: u16,
        servers: Vec<GatherServer>,
    ) -> Self {
        Self::with_policy(now, hosts, port, servers, false, &SocketPolicy::default())
    }

    /// Starts gathering on `port` of the addresses `hosts`; their candidates are ready to poll.
    /// `relay_only`: relays are all that is offered, and no other server is asked.
    pub(crate) fn with_policy(
        now: Instant,
        hosts: &[InterfaceAddress],
        port: u16,
        servers: Vec<GatherServer>,
        relay_only: bool,
        policy: &SocketPolicy,
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
            ends: now + NO_ANSWER,
            complete: false,
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            relay_only,
            tcp_port: policy.tcp.filter(|_| !relay_only),
            hosts_offered: policy.host && !relay_only,
            hosts_hidden: policy.host_names,
            reflexive_offered: policy.reflexive && !relay_only,
            relays_offered: policy.relay,
            asked: 0,
            wanted_relays: VecDeque::new(),
            unwanted_relays: VecDeque::new(),
        };
        for host in hosts.iter().take(MAX_HOSTS) {
            gatherer.add_host(host, port);
        }
        gatherer.add_external(&policy.external);
        for (index, server) in servers.into_iter().enumerate() {
            gatherer.add_server(now, index, server);
        }
        gatherer.start_queued(now);
        gatherer.check_complete(now);
        gatherer
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
            self.check_complete(now);
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
            let stream = self
                .servers
                .get(t.server)
                .is_some_and(|s| s.carrier.is_stream());
            if !t.open || t.remote != remote || t.base.ip() != local_ip || stream {
                continue;
            }
            t.send_errors = t.send_errors.saturating_add(1);
            if t.send_errors >= MAX_SEND_ERRORS {
                let error = (IceServerErrorKind::Unreachable, message.to_owned());
                self.finish(now, index, Err(error));
            }
        }
        self.check_complete(now);
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
        if !self.is_waiting() {
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
        self.check_complete(now);
    }

    /// No more requests for the sake of NAT bindings: the candidates are no longer offered.
    #[cfg(test)]
    pub(crate) fn stop_keepalives(&mut self) {
        self.keepalives.clear();
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let keepalive = self.keepalives.next();
        if !self.is_waiting() {
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
            .chain((!self.complete).then_some(self.ends))
            .min()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<GatherTransmit> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<GatherEvent> {
        self.events.pop_front()
    }

    /// Whether some server may yet answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.servers.iter().any(|server| server.open)
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
                self.ends = now + AFTER_ANSWER;
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
                        self.relayed(server_index, host, base, remote, relayed, mapped);
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
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
