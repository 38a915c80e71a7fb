//! Fuzz targets of TURN: frames, and a client with its server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::stun::message::TransactionId;

use super::credentials::TurnCredentials;
use super::fake_server::{FakeServer, PASSWORD, USER};
use super::frame::Frame;
use super::relays::{RelayInput, RelayRequest, Relays};
use super::wire::{self, Ask};
use crate::engine::outgoing::Transmit;
use crate::simnet::Script;

/// A message or ChannelData of a server, and everything that is read of it.
pub(crate) fn frame(data: &[u8]) {
    if let Some((_, payload)) = wire::channel_data(data) {
        assert!(payload.end <= data.len());
    }
    let Some(frame) = Frame::parse(data) else {
        return;
    };
    let peer = SocketAddr::from(([192, 0, 2, 1], 9));
    for ask in [
        Ask::Allocate,
        Ask::Refresh { release: true },
        Ask::Permission(peer.ip()),
        Ask::Channel(0x4000, peer),
    ] {
        frame.answer(ask);
    }
    frame.challenge();
    frame.realm();
    frame.lifetime();
    frame.relayed();
    frame.mapped();
    if let Some((_, payload)) = frame.data_indication() {
        assert!(payload.end <= data.len() && frame.is_data_indication());
    }
}

struct Rig {
    now: Instant,
    relays: Relays,
    server: FakeServer,
    base: SocketAddr,
    at: SocketAddr,
    /// Answers on their way.
    answers: Vec<Vec<u8>>,
    last_id: [u8; 12],
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self {
            now: Instant::now(),
            relays: Relays::new(tracing::Span::none()),
            server: FakeServer::new("192.0.2.1:50000"),
            base: ([10, 0, 0, 1], 9).into(),
            at: ([192, 0, 2, 1], 3478).into(),
            answers: Vec::new(),
            last_id: [0; 12],
        };
        rig.request(1);
        rig
    }

    fn request(&mut self, ticket: u8) {
        let request = RelayRequest {
            ticket: TransactionId([ticket; 12]),
            base: self.base,
            carrier: crate::socket::carrier::Carrier::Udp,
            server: self.at,
            credentials: Arc::new(TurnCredentials {
                username: USER.into(),
                password: PASSWORD.into(),
            }),
            reserved: vec![self.base],
        };
        self.relays.request(self.now, request);
        self.pump();
    }

    fn pump(&mut self) {
        let mut sent = 0;
        while let Some(message) = self.relays.poll_transmit() {
            sent += 1;
            assert!(sent < 1_000, "no end of messages");
            if let Some(id) = message.contents().get(8..20) {
                self.last_id.copy_from_slice(id);
            }
            self.answers
                .extend(self.server.handle(self.now, message.contents()));
        }
        while self.relays.poll_outcome().is_some() {}
    }

    fn give(&mut self, data: &[u8]) {
        let input = self
            .relays
            .handle_datagram(self.now, self.base, self.at, data);
        if let RelayInput::Data { payload, .. } = input {
            assert!(payload.end <= data.len());
        }
        self.pump();
    }

    fn deliver(&mut self) {
        if !self.answers.is_empty() {
            let answer = self.answers.remove(0);
            self.give(&answer);
        }
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        while let Some(next) = self.relays.poll_timeout().filter(|at| *at <= end) {
            steps = if next > self.now { 0 } else { steps + 1 };
            assert!(steps < 1_000, "spins");
            self.now = self.now.max(next);
            self.relays.handle_timeout(self.now);
            self.pump();
        }
        self.now = end;
    }
}

/// The client over time, with a server that now and then says something else.
pub(crate) fn client(data: &[u8]) {
    let mut rig = Rig::new();
    let mut script = Script::new(data);
    while !script.is_done() {
        match script.byte() % 10 {
            0 | 1 => rig.deliver(),
            2 => {
                if !rig.answers.is_empty() {
                    rig.answers.remove(0);
                }
            }
            3 => {
                let genuine = rig.answers.first().cloned().unwrap_or_default();
                let copy = script.mutated(&genuine);
                rig.give(&copy);
            }
            4 => rig.give(script.block()),
            5 => {
                // As if in answer to the latest request.
                let mut message = script.block().to_vec();
                if let Some(id) = message.get_mut(8..20) {
                    id.copy_from_slice(&rig.last_id);
                }
                rig.give(&message);
            }
            6 => {
                let relayed = rig.server.relayed;
                let contents = vec![0x80; 1 + usize::from(script.byte())];
                let transmit = Transmit {
                    local: relayed,
                    remote: (IpAddr::from([198, 51, 100, script.byte() % 8]), 5_000).into(),
                    segment_size: contents.len(),
                    contents,
                };
                let _ = rig.relays.wrap(rig.now, transmit);
                rig.pump();
            }
            7 => {
                let ticket = script.byte() % 4;
                rig.request(ticket);
            }
            8 => match script.byte() % 4 {
                0 => rig.relays.release(rig.now),
                n => rig.relays.cancel(rig.now, TransactionId([n; 12])),
            },
            _ => rig.advance(Duration::from_millis(u64::from(script.u16()) * 16)),
        }
        if rig.answers.len() > 256 {
            rig.answers.drain(..128);
        }
    }
    rig.relays.release(rig.now);
    rig.advance(Duration::from_secs(60));
    assert!(rig.relays.is_empty(), "an allocation that never ends");
}

#[cfg(test)]
pub(crate) mod seeds {
    use super::*;
    use crate::simnet::script::block;

    /// What the server answers to everything a client asks, and data both ways.
    pub(crate) fn frames() -> Vec<Vec<u8>> {
        let mut rig = Rig::new();
        let mut all = Vec::new();
        for step in 0..8 {
            all.extend(rig.answers.iter().cloned());
            while !rig.answers.is_empty() {
                rig.deliver();
            }
            if step % 2 == 1 {
                let transmit = Transmit {
                    local: rig.server.relayed,
                    remote: ([198, 51, 100, 7], 5_000).into(),
                    segment_size: 5,
                    contents: vec![0x80; 5],
                };
                let _ = rig.relays.wrap(rig.now, transmit);
            }
            rig.advance(Duration::from_secs(60));
        }
        let peer = "198.51.100.7:5000".parse().unwrap();
        all.push(super::super::fake_server::data_indication(peer, b"hello"));
        all.push(super::super::fake_server::channel_data(0x4000, b"hello"));
        all
    }

    pub(crate) fn clients() -> Vec<Vec<u8>> {
        let ready = [0; 4];
        let talk = [6, 20, 7, 0, 6, 20, 7, 0, 0, 6, 3, 1, 0, 0];
        let mut all = vec![
            [&ready[..], &talk, &[9, 255, 255, 0, 0, 9, 255, 255, 0]].concat(),
            [&ready[..], &[8, 0, 9, 1, 0], &[7, 2, 0, 0]].concat(),
            [&[2, 9, 0, 200, 0, 3, 0, 0, 5, 1, 7, 0][..], &talk].concat(),
        ];
        for frame in frames() {
            all.push([&ready[..], &talk, &[4], &block(&frame)].concat());
            all.push([&[5][..], &block(&frame), &ready, &talk].concat());
        }
        all
    }
}
