//! Fuzz targets of ICE: STUN messages, and two agents with somebody who knows their passwords.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun::attributes::{AttrType, RawAttribute};
use stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, MessageType, Setter, TransactionId,
};

use super::message::{Crypto, Inbound, seal};
use super::{Candidate, CandidateKind, Credentials, IceAgent, IceConfig, Role};
use crate::simnet::Script;

const PASSWORD: &str = "0123456789012345678901234";

fn credentials(side: usize, generation: u8) -> Credentials {
    Credentials {
        ufrag: format!("side{side}gen{generation}"),
        pwd: PASSWORD.to_owned(),
    }
}

/// Any Binding message, with the integrity and fingerprint that make it believed.
fn sealed(script: &mut Script<'_>, transaction: Option<TransactionId>) -> Option<Vec<u8>> {
    let kind: MessageType =
        [BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR][usize::from(script.byte() % 3)];
    let mut attributes: Vec<Box<dyn Setter>> = Vec::new();
    for _ in 0..script.byte() % 16 {
        attributes.push(Box::new(RawAttribute {
            typ: AttrType(script.u16()),
            value: script.block().to_vec(),
            ..RawAttribute::default()
        }));
    }
    let transaction = transaction.unwrap_or(TransactionId([7; 12]));
    seal(kind, transaction, attributes, PASSWORD, &Crypto::new())
}

fn read(data: &[u8]) {
    let Some(mut message) = Inbound::decode(data) else {
        return;
    };
    message.authenticate(PASSWORD, &Crypto::new());
    message.transaction();
    message.username();
    message.unknown_required();
    message.priority();
    message.role();
    message.use_candidate();
    message.mapped_address();
    message.error_code();
}

/// The bytes as a message, and as the attributes of one that is authentic.
pub(crate) fn message(data: &[u8]) {
    read(data);
    if let Some(message) = sealed(&mut Script::new(data), None) {
        read(&message);
    }
}

fn address(side: usize, port: u8) -> SocketAddr {
    ([10, 0, 0, side as u8 + 1], 1_000 + u16::from(port)).into()
}

fn host(addr: SocketAddr) -> Candidate {
    Candidate {
        foundation: "1".to_owned(),
        priority: Candidate::compute_priority(CandidateKind::Host, 65_535),
        addr,
        kind: CandidateKind::Host,
        base: addr,
        related: None,
        tcp: None,
        told_as: None,
    }
}

struct Pair {
    now: Instant,
    agents: [IceAgent; 2],
    /// On their way to each side: to, from, what.
    wire: [VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>; 2],
    generation: u8,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let agent = |side: usize| {
            let role = [Role::Controlling, Role::Controlled][side];
            let tie_breaker = side as u64 + 5;
            let config = IceConfig::default();
            IceAgent::new(now, credentials(side, 0), Some(role), tie_breaker, config)
        };
        let mut pair = Self {
            now,
            agents: [agent(0), agent(1)],
            wire: Default::default(),
            generation: 0,
        };
        for side in 0..2 {
            let agent = &mut pair.agents[side];
            agent.add_local_candidate(now, host(address(side, 0)));
            agent.set_remote_credentials(now, credentials(1 - side, 0));
            agent.add_remote_candidate(now, host(address(1 - side, 0)));
            agent.start(now);
        }
        pair.collect();
        pair
    }

    fn collect(&mut self) {
        for side in 0..2 {
            while self.agents[side].poll_event().is_some() {}
            let mut sent = 0;
            while let Some(out) = self.agents[side].poll_transmit() {
                let arrival = (out.remote, out.local, out.data);
                self.wire[1 - side].push_back(arrival);
                sent += 1;
            }
            assert!(sent <= 64, "{sent} datagrams at once");
            if self.wire[side].len() > 512 {
                self.wire[side].drain(..256);
            }
            let pairs = self.agents[side].pair_stats().len();
            assert!(pairs <= IceConfig::default().max_pairs);
        }
    }

    fn give(&mut self, side: usize, from: SocketAddr, data: &[u8]) {
        self.agents[side].handle_datagram(self.now, address(side, 0), from, data);
        self.collect();
    }

    fn deliver(&mut self, side: usize) -> bool {
        let next = self.wire[side].pop_front();
        if let Some((to, from, data)) = &next {
            self.agents[side].handle_datagram(self.now, *to, *from, data);
            self.collect();
        }
        next.is_some()
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        loop {
            let timers = self.agents.iter().filter_map(IceAgent::poll_timeout);
            let Some(next) = timers.min().filter(|at| *at <= end) else {
                break;
            };
            steps = if next > self.now { 0 } else { steps + 1 };
            assert!(steps < 1_000, "spins");
            self.now = self.now.max(next);
            for agent in &mut self.agents {
                if agent.poll_timeout().is_some_and(|at| at <= self.now) {
                    agent.handle_timeout(self.now);
                }
            }
            self.collect();
        }
        self.now = end;
    }

    fn restart(&mut self, side: usize) {
        self.generation = self.generation.wrapping_add(1);
        let own = credentials(side, self.generation);
        self.agents[side].restart(self.now, own.clone());
        self.agents[1 - side].set_remote_credentials(self.now, own);
        self.collect();
    }
}

/// Two agents, and an insider who can write whatever is believed.
pub(crate) fn agent(data: &[u8]) {
    let mut pair = Pair::new();
    let mut script = Script::new(data);
    while !script.is_done() {
        let op = script.byte();
        let side = usize::from(op >> 7);
        match op % 10 {
            0 | 1 => {
                pair.deliver(side);
            }
            2 => drop(pair.wire[side].pop_front()),
            3 => {
                let port = script.byte() % 4;
                // In answer to the last request, if it is an answer.
                let last = pair.wire[1 - side].back();
                let transaction = last.and_then(|(_, _, data)| data.get(8..20)?.try_into().ok());
                if let Some(message) = sealed(&mut script, transaction.map(TransactionId)) {
                    pair.give(side, address(1 - side, port), &message);
                }
            }
            4 => {
                let genuine = pair.wire[side].front().cloned();
                if let Some((_, from, data)) = genuine {
                    let copy = script.mutated(&data);
                    pair.give(side, from, &copy);
                }
            }
            5 => {
                let from = address(1 - side, script.byte());
                pair.give(side, from, script.block());
            }
            6 => {
                let now = pair.now;
                let candidate = host(address(1 - side, script.byte()));
                pair.agents[side].add_remote_candidate(now, candidate);
                pair.collect();
            }
            7 => pair.restart(side),
            8 => {
                let now = pair.now;
                pair.agents[side].add_local_candidate(now, host(address(side, script.byte())));
                pair.collect();
            }
            _ => pair.advance(Duration::from_millis(script.u16().into())),
        }
    }
    for _ in 0..8 {
        let mut steps = 0;
        while pair.deliver(0) | pair.deliver(1) {
            steps += 1;
            assert!(steps < 10_000, "answers to answers");
        }
        pair.advance(Duration::from_secs(1));
    }
}

#[cfg(test)]
pub(crate) mod seeds {
    use super::*;
    use crate::simnet::script::block;

    pub(crate) fn messages() -> Vec<Vec<u8>> {
        let mut pair = Pair::new();
        let mut all = Vec::new();
        for _ in 0..3 {
            for side in 0..2 {
                all.extend(pair.wire[side].iter().map(|(_, _, data)| data.clone()));
                while pair.deliver(side) {}
            }
            pair.advance(Duration::from_millis(300));
        }
        all.extend(attributes());
        all
    }

    /// A request that nominates, a success and an error.
    fn attributes() -> Vec<Vec<u8>> {
        let attribute = |kind: u8, value: &[u8]| [&[0, kind][..], &block(value)].concat();
        let number = [128, 0x29, 8, 0, 0, 0, 0, 0, 0, 0, 1].to_vec();
        let priority = attribute(0x24, &[0x7e, 255, 255, 255]);
        let user = attribute(6, b"side1gen0:side0gen0");
        let mapped = attribute(0x20, &[0, 1, 0x2b, 0xf9, 0x2b, 0x12, 0xa4, 0x43]);
        let conflict = attribute(9, &[0, 0, 4, 87]);
        vec![
            [vec![0, 4], user, priority, number, attribute(0x25, &[])].concat(),
            [vec![1, 1], mapped].concat(),
            [vec![2, 1], conflict].concat(),
        ]
    }

    pub(crate) fn agents() -> Vec<Vec<u8>> {
        let connect = [0, 128, 9, 0, 60].repeat(12);
        let mut all = vec![connect.clone()];
        all.push([&connect[..], &[7, 6, 0], &connect].concat());
        all.push([&[6, 9, 8, 3, 134, 7][..], &connect].concat());
        for attributes in attributes() {
            for side in [0, 128] {
                // Once from where the peer is, once from elsewhere.
                let injected = |port: u8| [&[3 | side, port][..], &attributes].concat();
                all.push([&injected(0)[..], &connect].concat());
                all.push([&connect[..], &injected(2), &connect[..20]].concat());
            }
        }
        all.push([&connect[..], &[4, 0, 0, 30, 9, 1], &connect[..10]].concat());
        all
    }
}
