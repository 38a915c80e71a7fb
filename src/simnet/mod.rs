//! A simulated datagram network on virtual time, for tests. Knows no protocol.
//!
//! Everything is decided by the seed and the calls: two equal runs are equal to the nanosecond.
#![allow(clippy::indexing_slicing)]

mod link;
mod nat;
#[cfg(test)]
mod nat_tests;
pub(crate) mod rng;
pub(crate) mod script;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod usage;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

pub(crate) use link::{Burst, Link};
pub(crate) use nat::NatKind;
pub(crate) use rng::Rng;
pub(crate) use script::Script;

/// A datagram that reached a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// As the receiver sees it: the external address of a sender behind a NAT.
    pub(crate) src: SocketAddr,
    /// The receiving host's own (inside) address.
    pub(crate) dst: SocketAddr,
    pub(crate) data: Vec<u8>,
}

/// What became of the packets:
/// `sent + duplicated` = delivered + all the losses + still in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    /// Random and burst loss.
    pub(crate) lost: u64,
    pub(crate) blacked_out: u64,
    /// Tail drops of a rate-limited link.
    pub(crate) queue_full: u64,
    /// Over the MTU.
    pub(crate) too_big: u64,
    /// Refused by a NAT or firewall.
    pub(crate) filtered: u64,
    /// To a private address from outside its network.
    pub(crate) unroutable: u64,
    pub(crate) duplicated: u64,
    pub(crate) corrupted: u64,
    pub(crate) reordered: u64,
}

/// One line of the capture: a packet as its sender sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) at: Instant,
    pub(crate) src: SocketAddr,
    pub(crate) dst: SocketAddr,
    pub(crate) len: usize,
    pub(crate) first_byte: Option<u8>,
}

pub(crate) type Route = (IpAddr, IpAddr);

#[derive(Debug)]
struct Blackout {
    route: Option<Route>,
    from: Instant,
    until: Instant,
}

/// The network: links, translators and the packets in flight.
#[derive(Debug)]
pub(crate) struct SimNet {
    start: Instant,
    rng: Rng,
    default: Link,
    links: HashMap<Route, Link>,
    states: HashMap<Route, link::LinkState>,
    /// Directions with a bottleneck in common, and the one that stands for all.
    shared: HashMap<Route, Route>,
    blackouts: Vec<Blackout>,
    nats: Vec<nat::Nat>,
    /// Ordered by arrival, then by sending.
    flying: BTreeMap<(Instant, u64), Arrival>,
    sequence: u64,
    counters: Counters,
    capture: Option<Vec<Captured>>,
}

impl SimNet {
    /// The capture keeps this many packets, then stops.
    const CAPTURE_CAP: usize = 1_000_000;

    pub(crate) fn new(seed: u64, start: Instant) -> Self {
        Self {
            start,
            rng: Rng::new(seed),
            default: Link::default(),
            links: HashMap::new(),
            states: HashMap::new(),
            shared: HashMap::new(),
            blackouts: Vec::new(),
            nats: Vec::new(),
            flying: BTreeMap::new(),
            sequence: 0,
            counters: Counters::default(),
            capture: None,
        }
    }

    /// Sets one direction between two hosts, named by inside or public address.
    pub(crate) fn set_link(&mut self, from: IpAddr, to: IpAddr, link: Link) {
        self.links.insert((from, to), link);
    }

    pub(crate) fn set_links(&mut self, a: IpAddr, b: IpAddr, link: Link) {
        self.set_link(a, b, link);
        self.set_link(b, a, link);
    }

    /// Sets every direction that `set_link` does not name.
    pub(crate) fn set_default(&mut self, link: Link) {
        self.default = link;
    }

    /// Has directions share the queue of one bottleneck. Each keeps its own `Link`; rate and queue
    /// should be the same.
    pub(crate) fn share_bottleneck(&mut self, routes: &[Route]) {
        for &route in routes {
            self.shared.insert(route, routes[0]);
        }
    }

    /// Loses everything that is sent in [from, until).
    pub(crate) fn blackout(&mut self, from: Instant, until: Instant) {
        self.blackouts.push(Blackout {
            route: None,
            from,
            until,
        });
    }

    /// The same for one direction between two hosts, named as in `set_link`.
    pub(crate) fn blackout_link(
        &mut self,
        src: IpAddr,
        dst: IpAddr,
        from: Instant,
        until: Instant,
    ) {
        self.blackouts.push(Blackout {
            route: Some((src, dst)),
            from,
            until,
        });
    }

    /// Puts a host behind a translator. Hosts given the same public address share it, and reach
    /// each other directly; the kind is the first call's. A public address that is itself behind
    /// a translator makes a double NAT.
    pub(crate) fn add_nat(&mut self, kind: NatKind, inside: IpAddr, public: IpAddr) {
        match self.nats.iter_mut().find(|nat| nat.public == public) {
            Some(nat) => nat.inside.push(inside),
            None => {
                let mut nat = nat::Nat::new(kind, public);
                nat.inside.push(inside);
                self.nats.push(nat);
            }
        }
    }

    /// How long a mapping lives without outbound packets; None (the default) is for ever.
    pub(crate) fn set_nat_timeout(&mut self, public: IpAddr, timeout: Option<Duration>) {
        if let Some(nat) = self.nats.iter_mut().find(|nat| nat.public == public) {
            nat.timeout = timeout;
        }
    }

    /// Forgets the mappings, as when a router reboots.
    pub(crate) fn reset_nat(&mut self, public: IpAddr) {
        if let Some(nat) = self.nats.iter_mut().find(|nat| nat.public == public) {
            nat.reset();
        }
    }

    /// Starts to remember every packet that is sent.
    pub(crate) fn start_capture(&mut self) {
        self.capture.get_or_insert_with(Vec::new);
    }

    pub(crate) fn captured(&self) -> &[Captured] {
        self.capture.as_deref().unwrap_or_default()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.flying.len()
    }

    /// Sends a datagram from a host (its inside address) to any address.
    pub(crate) fn send(&mut self, now: Instant, src: SocketAddr, dst: SocketAddr, data: Vec<u8>) {
        self.counters.sent += 1;
        if let Some(capture) = self
            .capture
            .as_mut()
            .filter(|c| c.len() < Self::CAPTURE_CAP)
        {
            capture.push(Captured {
                at: now,
                src,
                dst,
                len: data.len(),
                first_byte: data.first().copied(),
            });
        }
        let Some(external) = self.translate_out(now, src, dst) else {
            return;
        };
        let routes = self.routes(src.ip(), external.ip(), dst);
        if self.is_black(now, &routes) {
            self.counters.blacked_out += 1;
            return;
        }
        let named = routes.iter().find(|route| self.links.contains_key(route));
        let link = named.map_or(self.default, |route| self.links[route]);
        let route = named.copied().unwrap_or(routes[0]);
        let state = self
            .states
            .entry(self.shared.get(&route).copied().unwrap_or(route))
            .or_insert_with(|| link::LinkState::new(self.start));
        // IP and UDP headers.
        let ip_len = data.len() + if dst.is_ipv4() { 28 } else { 48 };
        let passage = match state.pass(&link, &mut self.rng, now, ip_len) {
            Ok(passage) => passage,
            Err(link::Drop::Lost) => return self.counters.lost += 1,
            Err(link::Drop::QueueFull) => return self.counters.queue_full += 1,
            Err(link::Drop::TooBig) => return self.counters.too_big += 1,
        };
        self.launch(passage, external, dst, data);
    }

    fn launch(
        &mut self,
        passage: link::Passage,
        src: SocketAddr,
        dst: SocketAddr,
        mut data: Vec<u8>,
    ) {
        self.counters.reordered += u64::from(passage.reordered);
        let copy = passage.second.map(|at| (at, data.clone()));
        if passage.corrupted && !data.is_empty() {
            let bit = self.rng.below(data.len() as u64 * 8) as usize;
            data[bit / 8] ^= 1 << (bit % 8);
            self.counters.corrupted += 1;
        }
        self.fly(passage.first, Arrival { src, dst, data });
        if let Some((at, data)) = copy {
            self.counters.duplicated += 1;
            self.fly(at, Arrival { src, dst, data });
        }
    }

    fn fly(&mut self, at: Instant, packet: Arrival) {
        self.flying.insert((at, self.sequence), packet);
        self.sequence += 1;
    }

    /// When the next packet reaches a host or its NAT (which may still refuse it).
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next packet due at `now`. NAT filters act at the time of arrival.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Arrival> {
        while self.next_arrival().is_some_and(|at| at <= now) {
            let ((at, _), mut packet) = self.flying.pop_first()?;
            match self.translate_in(at, packet.src, packet.dst) {
                Some(dst) => {
                    packet.dst = dst;
                    self.counters.delivered += 1;
                    return Some(packet);
                }
                None => self.counters.filtered += 1,
            }
        }
        None
    }

    /// Walks outwards through the sender's NATs until the destination is on the same network.
    fn translate_out(
        &mut self,
        now: Instant,
        mut src: SocketAddr,
        dst: SocketAddr,
    ) -> Option<SocketAddr> {
        while let Some(nat) = self.nats.iter_mut().find(|n| n.inside.contains(&src.ip())) {
            if nat.inside.contains(&dst.ip()) {
                return Some(src);
            }
            let Some(external) = nat.outbound(now, src, dst) else {
                self.counters.filtered += 1;
                return None;
            };
            src = external;
        }
        if self.nats.iter().any(|nat| nat.inside.contains(&dst.ip())) {
            self.counters.unroutable += 1;
            return None;
        }
        Some(src)
    }

    /// Walks inwards through the receiver's NATs.
    fn translate_in(
        &self,
        at: Instant,
        src: SocketAddr,
        mut dst: SocketAddr,
    ) -> Option<SocketAddr> {
        while let Some(nat) = self.nats.iter().find(|nat| nat.public == dst.ip()) {
            dst = nat.inbound(at, src, dst)?;
        }
        Some(dst)
    }

    /// The names a direction may have been configured by, the most specific first.
    fn routes(&self, inside: IpAddr, external: IpAddr, dst: SocketAddr) -> [Route; 4] {
        let mut host = dst;
        while let Some(owner) = self
            .nats
            .iter()
            .find(|nat| nat.public == host.ip())
            .and_then(|nat| nat.owner(host.port()))
        {
            host = owner;
        }
        [
            (inside, host.ip()),
            (inside, dst.ip()),
            (external, host.ip()),
            (external, dst.ip()),
        ]
    }

    fn is_black(&self, now: Instant, routes: &[Route]) -> bool {
        self.blackouts.iter().any(|black| {
            (black.from..black.until).contains(&now)
                && black.route.is_none_or(|route| routes.contains(&route))
        })
    }
}
