//! The network between two agents.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::engine::ice::scope::{on_link, scope_of, unscoped};
use crate::engine::ice::*;
use crate::simnet::Rng;

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SEC: Duration = Duration::from_secs(1);

pub(super) fn addr(s: &str) -> SocketAddr {
    s.parse().unwrap()
}

pub(super) fn host(s: &str, preference: u16) -> Candidate {
    let addr = addr(s);
    Candidate {
        foundation: format!("h{preference}"),
        priority: Candidate::compute_priority(CandidateKind::Host, preference),
        addr: unscoped(addr),
        kind: CandidateKind::Host,
        base: addr,
        related: None,
        tcp: None,
        told_as: None,
    }
}

pub(super) fn credentials(name: &str) -> Credentials {
    Credentials {
        ufrag: format!("{name}ufrag"),
        pwd: format!("{name}0123456789012345678901234"),
    }
}

/// One datagram under way: to which side, at which of its addresses, from where.
type Flight = (usize, SocketAddr, SocketAddr, Vec<u8>);

/// When, from, to, what.
pub(super) type Sent = (Duration, SocketAddr, SocketAddr, Vec<u8>);

/// Whether a datagram of a side, from and to these addresses, gets through at this time.
type Filter = Box<dyn Fn(Duration, usize, SocketAddr, SocketAddr) -> bool>;

pub(super) struct Net {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) agents: [IceAgent; 2],
    pub(super) events: [Vec<(Duration, IceEvent)>; 2],
    pub(super) sent: [Vec<Sent>; 2],
    pub(super) loss_percent: u64,
    pub(super) double_percent: u64,
    pub(super) latency: Duration,
    pub(super) filter: Option<Filter>,
    /// Side 0 is behind a NAT: inner address, outer address.
    pub(super) nat: Option<(SocketAddr, SocketAddr)>,
    /// What scoped addresses have in common: the number of each link at side 0 and at side 1.
    pub(super) links: Vec<[u32; 2]>,
    flights: BTreeMap<(Instant, u64), Flight>,
    sequence: u64,
    rng: Rng,
}

impl Net {
    pub(super) fn new(seed: u64, roles: [Option<Role>; 2]) -> Self {
        Self::with_config(seed, roles, IceConfig::default())
    }

    pub(super) fn with_config(seed: u64, roles: [Option<Role>; 2], config: IceConfig) -> Self {
        let start = Instant::now();
        let agent = |side: usize| {
            let config = IceConfig {
                rng_seed: seed * 2 + side as u64 + 1,
                ..config.clone()
            };
            let name = ["left", "rite"][side];
            let tie_breaker = seed
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(side as u32 * 32);
            IceAgent::new(start, credentials(name), roles[side], tie_breaker, config)
        };
        Self {
            start,
            now: start,
            agents: [agent(0), agent(1)],
            events: [Vec::new(), Vec::new()],
            sent: [Vec::new(), Vec::new()],
            loss_percent: 0,
            double_percent: 0,
            latency: 5 * MS,
            filter: None,
            nat: None,
            links: Vec::new(),
            flights: BTreeMap::new(),
            sequence: 0,
            rng: Rng::new(seed),
        }
    }

    /// One host candidate each, everything signalled, both started.
    pub(super) fn ready(seed: u64, roles: [Option<Role>; 2]) -> Self {
        let mut net = Self::new(seed, roles);
        net.exchange();
        net.start_both();
        net
    }

    pub(super) const LEFT: &str = "10.0.0.1:1000";
    pub(super) const RIGHT: &str = "10.0.0.2:2000";

    pub(super) fn exchange(&mut self) {
        let now = self.now;
        let [left, right] = &mut self.agents;
        for (agent, peer, own, other, name) in [
            (left, 1, Self::LEFT, Self::RIGHT, "rite"),
            (right, 0, Self::RIGHT, Self::LEFT, "left"),
        ] {
            let _ = peer;
            agent.add_local_candidate(now, host(own, 100));
            agent.set_remote_credentials(now, credentials(name));
            agent.add_remote_candidate(now, host(other, 100));
        }
    }

    pub(super) fn start_both(&mut self) {
        let now = self.now;
        self.agents.iter_mut().for_each(|a| a.start(now));
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(super) fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    fn collect(&mut self) {
        let elapsed = self.elapsed();
        for side in 0..2 {
            while let Some(event) = self.agents[side].poll_event() {
                self.events[side].push((elapsed, event));
            }
            while let Some(t) = self.agents[side].poll_transmit() {
                self.sent[side].push((elapsed, t.local, t.remote, t.data.clone()));
                let (mut from, mut to) = (t.local, t.remote);
                if let Some((inner, outer)) = self.nat {
                    if side == 0 && from == inner {
                        from = outer;
                    } else if side == 1 && to == outer {
                        to = inner;
                    } else if side == 1 && to == inner {
                        continue;
                    }
                }
                match self.across(side, from) {
                    Some(scope) => {
                        from = on_link(from.ip(), from.port(), scope);
                        to = on_link(to.ip(), to.port(), scope);
                    }
                    None => continue,
                }
                let passes = self
                    .filter
                    .as_ref()
                    .is_none_or(|f| f(elapsed, side, from, to));
                if !passes || self.random() % 100 < self.loss_percent {
                    continue;
                }
                let copies = 1 + usize::from(self.random() % 100 < self.double_percent);
                for _ in 0..copies {
                    self.sequence += 1;
                    let key = (self.now + self.latency, self.sequence);
                    self.flights
                        .insert(key, (1 - side, to, from, t.data.clone()));
                }
            }
        }
    }

    /// The number that the link of this base has at the other side.
    fn across(&self, side: usize, base: SocketAddr) -> Option<u32> {
        match scope_of(base) {
            0 => Some(0),
            scope => {
                let link = self.links.iter().find(|link| link[side] == scope)?;
                Some(link[1 - side])
            }
        }
    }

    /// Runs until the time, or until the condition holds.
    pub(super) fn run(&mut self, until: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.start + until;
        let mut steps_at_now = 0;
        loop {
            self.collect();
            if done(self) {
                return true;
            }
            let flight = self.flights.keys().next().map(|k| k.0);
            let timers = self.agents.iter().filter_map(IceAgent::poll_timeout).min();
            let Some(next) = flight.into_iter().chain(timers).min().filter(|t| *t <= end) else {
                self.now = self.now.max(end);
                return false;
            };
            if next <= self.now {
                steps_at_now += 1;
                assert!(steps_at_now < 1_000, "time does not move on: a timer spins");
            } else {
                steps_at_now = 0;
                self.now = next;
            }
            while self.flights.keys().next().is_some_and(|k| k.0 <= self.now) {
                let (_, (side, to, from, data)) = self.flights.pop_first().unwrap();
                self.agents[side].handle_datagram(self.now, to, from, &data);
                self.collect();
            }
            for agent in &mut self.agents {
                if agent.poll_timeout().is_some_and(|t| t <= self.now) {
                    agent.handle_timeout(self.now);
                }
            }
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.elapsed() + time;
        self.run(until, |_| false);
    }

    pub(super) fn both_connected(&self) -> bool {
        let [a, b] = [&self.agents[0], &self.agents[1]];
        a.state() == IceState::Connected && b.state() == IceState::Connected
    }

    /// Both send to where the other receives.
    pub(super) fn agree(&self) -> bool {
        match (self.agents[0].send_path(), self.agents[1].send_path()) {
            (Some(a), Some(b)) => a == (b.1, b.0),
            _ => false,
        }
    }

    pub(super) fn connect(&mut self, within: Duration) -> bool {
        let until = self.elapsed() + within;
        self.run(until, |n| n.both_connected() && n.agree())
    }

    pub(super) fn states(&self, side: usize) -> Vec<IceState> {
        let events = self.events[side].iter();
        events
            .filter_map(|(_, e)| match e {
                IceEvent::State(s) => Some(*s),
                _ => None,
            })
            .collect()
    }

    pub(super) fn count(&self, side: usize, event: &IceEvent) -> usize {
        self.events[side].iter().filter(|(_, e)| e == event).count()
    }
}

pub(super) const A: Option<Role> = Some(Role::Controlling);
pub(super) const B: Option<Role> = Some(Role::Controlled);
