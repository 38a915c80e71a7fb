//! Fuzz targets of SCTP: packets, and two associations with somebody who knows their tags.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::wire;
use super::{Association, Outbound, Reliability, SctpConfig, SctpEvent, SctpTransport, Unread};
use crate::simnet::Script;

/// The first number of each side, so that scripts can speak of numbers.
const TSN: [u32; 2] = [0x0100_0000, 0x0200_0000];
const WINDOW: u32 = 256 * 1024;

/// Everything that can be read of one packet.
pub(crate) fn packet(data: &[u8]) {
    wire::checksum(data);
    let Some((_, chunks)) = wire::header(data) else {
        return;
    };
    for chunk in wire::chunks(chunks).flatten() {
        wire::Data::parse(chunk.flags, chunk.body);
        if let Some(sack) = wire::Sack::parse(chunk.body) {
            assert!(sack.gaps().count() * 4 <= chunk.body.len());
        }
        let known = wire::parameters(chunk.body).flatten().count();
        assert!(known * 4 <= chunk.body.len());
        wire::well_formed(chunk.body);
    }
}

struct Pair {
    now: Instant,
    sides: [Association; 2],
    unread: [Unread; 2],
    /// On their way to each side.
    wire: [VecDeque<Vec<u8>>; 2],
    /// What packets to each side carry.
    tags: [u32; 2],
    held: [Vec<usize>; 2],
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let unread = [Unread::default(), Unread::default()];
        let side = |n: usize| {
            let config = SctpConfig {
                initiator: n == 0,
                receive_window: WINDOW,
                max_message_size: 64 * 1024,
                probes_path: true,
                initial_tsn: Some(TSN[n]),
                span: tracing::Span::none(),
            };
            Association::new(config, unread[n].clone())
        };
        let mut pair = Self {
            now,
            sides: [side(0), side(1)],
            unread: unread.clone(),
            wire: Default::default(),
            tags: [0; 2],
            held: Default::default(),
        };
        for side in &mut pair.sides {
            side.start(now);
        }
        pair.collect();
        pair
    }

    fn collect(&mut self) {
        for side in 0..2 {
            loop {
                while let Some(event) = self.sides[side].poll_event() {
                    if let SctpEvent::Message { data, .. } = event {
                        self.held[side].push(data.len());
                    }
                }
                let mut packet = Vec::new();
                if !self.sides[side].poll_packet(self.now, &mut packet) {
                    break;
                }
                assert!(packet.len() <= 65_536);
                let tag = wire::header(&packet).map_or(0, |(header, _)| header.tag);
                if tag != 0 {
                    self.tags[1 - side] = tag;
                }
                self.wire[1 - side].push_back(packet);
                assert!(self.wire[1 - side].len() < 100_000, "no end of packets");
            }
            // RFC 9260 section 6.2: what is unread never exceeds the window by more than what
            // was under way, and the price of each message.
            let unread = self.unread[side].get();
            assert!(unread <= 4 * WINDOW as usize, "{unread} unread");
        }
    }

    fn give(&mut self, side: usize, packet: &[u8]) {
        self.sides[side].handle_packet(self.now, packet);
        self.collect();
    }

    /// These chunks with the tag and the checksum that make them believed.
    fn sealed(&self, side: usize, chunks: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        wire::begin_packet(&mut packet, 5_000, self.tags[side]);
        packet.extend_from_slice(chunks);
        wire::put_checksum(&mut packet);
        packet
    }

    fn deliver(&mut self, side: usize) -> bool {
        let next = self.wire[side].pop_front();
        if let Some(packet) = &next {
            self.give(side, packet);
        }
        next.is_some()
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = self.sides.iter().filter_map(SctpTransport::poll_timeout);
            let Some(next) = timers.min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            for side in &mut self.sides {
                if side.poll_timeout().is_some_and(|at| at <= self.now) {
                    side.handle_timeout(self.now);
                    assert!(side.poll_timeout().is_none_or(|at| at > self.now), "spins");
                }
            }
            self.collect();
        }
        self.now = end;
    }

    fn read(&mut self, side: usize) {
        for length in std::mem::take(&mut self.held[side]) {
            self.unread[side].read(length);
        }
        self.sides[side].window_opened(self.now);
        self.collect();
    }

    /// Sends what the script says.
    fn send(&mut self, side: usize, script: &mut Script<'_>) {
        let how = script.byte();
        let message = Outbound {
            stream: (how & 3).into(),
            ppid: 53,
            data: Bytes::from(vec![how; 1 + usize::from(script.u16())]),
            ordered: how & 4 == 0,
            reliability: match how >> 6 {
                0 | 1 => Reliability::Reliable,
                2 => Reliability::Retransmits((how >> 3 & 3).into()),
                _ => Reliability::Lifetime(Duration::from_millis((how & 0x38).into())),
            },
            weight: 1,
        };
        self.sides[side].send(self.now, message);
        self.collect();
    }
}

/// A pair that is connected, unless the script is in the way.
pub(crate) fn association(data: &[u8]) {
    let mut pair = Pair::new();
    let mut script = Script::new(data);
    // Most scripts are about what comes after the handshake.
    if script.byte() < 192 {
        while pair.deliver(0) || pair.deliver(1) {}
        assert!(pair.sides.iter().all(|side| side.is_connected()));
    }
    let mut sends = 0;
    while !script.is_done() {
        let op = script.byte();
        let side = usize::from(op >> 7);
        match op % 12 {
            0 | 1 => {
                pair.deliver(side);
            }
            2 => drop(pair.wire[side].pop_front()),
            3 => {
                let genuine = pair.wire[side].front().cloned().unwrap_or_default();
                let mut copy = script.mutated(&genuine);
                if let Some(checksum) = copy.get_mut(8..12) {
                    checksum.fill(0);
                    wire::put_checksum(&mut copy);
                }
                pair.give(side, &copy);
            }
            4 | 5 => {
                let packet = pair.sealed(side, script.block());
                pair.give(side, &packet);
            }
            6 => {
                // A chunk whose first number is near the one that is due.
                let (kind, flags) = (script.byte(), script.byte());
                let from = TSN[usize::from(script.byte() % 2)];
                let number = from.wrapping_add_signed(i32::from(script.u16() as i16));
                let body = [&number.to_be_bytes(), script.block()].concat();
                let packet = pair.sealed(side, &wire::chunk(kind, flags, &body));
                pair.give(side, &packet);
            }
            7 => pair.give(side, script.block()),
            8 if sends < 64 => {
                sends += 1;
                pair.send(side, &mut script);
            }
            9 => {
                let now = pair.now;
                pair.sides[side].reset(now, (script.byte() % 4).into());
                pair.collect();
            }
            10 => pair.read(side),
            _ => pair.advance(Duration::from_millis(script.u16().into())),
        }
    }
    for _ in 0..4 {
        for _ in 0..10_000 {
            if !(pair.deliver(0) | pair.deliver(1)) {
                break;
            }
        }
        pair.read(0);
        pair.read(1);
        pair.advance(Duration::from_secs(3));
    }
}

#[cfg(test)]
pub(crate) mod seeds {
    use super::*;
    use crate::simnet::script::block;

    /// Of two associations that exchange all kinds of things.
    pub(crate) fn packets() -> Vec<Vec<u8>> {
        let mut pair = Pair::new();
        let mut all = Vec::new();
        for script in [[0, 0, 5], [0, 7, 0], [0x94, 0, 9], [0x41, 3, 0]] {
            pair.send(0, &mut Script::new(&script));
            pair.wire[1].pop_front();
        }
        let now = pair.now;
        for step in 0..24 {
            for side in 0..2 {
                all.extend(pair.wire[side].iter().cloned());
                while pair.deliver(side) {}
            }
            if step == 9 {
                pair.sides[0].reset(now, 1);
            }
            pair.advance(Duration::from_millis(250));
        }
        pair.sides[0].abort(pair.now);
        pair.collect();
        all.extend(pair.wire[1].drain(..));
        all.retain(|packet| packet.len() < 700);
        all.truncate(24);
        all
    }

    pub(crate) fn associations() -> Vec<Vec<u8>> {
        let after = |rest: &[&[u8]]| [&[0][..], &rest.concat()].concat();
        let chunk = |kind, flags, body: &[u8]| {
            let chunk = wire::chunk(kind, flags, body);
            [&[4 | 128][..], &block(&chunk)].concat()
        };
        let numbered = |kind: u8, flags: u8, offset: u8, body: &[u8]| {
            [&[6 | 132, kind, flags, 0, 0, offset][..], &block(body)].concat()
        };
        let data = |offset, flags, payload: &[u8]| {
            let head = [0, 0, 0, 0, 0, 0, 0, 53];
            numbered(wire::DATA, flags, offset, &[&head, payload].concat())
        };
        // A request to reset the outgoing stream 0 (RFC 6525 section 4.1).
        let reset = [0, 13, 0, 18, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        vec![
            after(&[&[8, 0, 0, 99], &[129, 0, 8, 0x40, 9, 0, 11, 8, 0]]),
            after(&[&[8, 0, 9, 0], &[2 | 128, 129, 0, 11, 16, 0, 10, 138]]),
            after(&[&[8, 0x94, 9, 0], &[2 | 128, 11, 16, 0]]),
            after(&[&[9, 1, 129, 0], &[11, 8, 0]]),
            after(&[
                &data(0, 3, b"whole"),
                &data(2, 2, b"begin"),
                &data(4, 1, b"end"),
            ]),
            after(&[&data(1, 7, b"unordered"), &data(200, 0, b"far")]),
            after(&[&numbered(wire::FORWARD_TSN, 0, 3, &[0, 0, 0, 1])]),
            after(&[&numbered(
                wire::SACK,
                0,
                0,
                &[0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 3],
            )]),
            after(&[&chunk(wire::RECONFIG, 0, &reset)]),
            after(&[&chunk(wire::HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4])]),
            after(&[&chunk(wire::ABORT, 0, &[])]),
            after(&[&chunk(wire::SHUTDOWN, 0, &[1, 0, 0, 0])]),
            after(&[&chunk(200, 0, &[1, 2, 3]), &chunk(64, 0, &[9])]),
            after(&[&chunk(
                wire::INIT,
                0,
                &[0, 0, 0, 9, 0, 4, 0, 0, 0, 8, 0, 8, 0, 0, 0, 1],
            )]),
            [&[255][..], &[128, 0, 128, 0, 8, 0, 0, 9]].concat(),
            [&[255][..], &[2, 11, 16, 0, 128, 3, 0, 0, 14, 1, 7]].concat(),
        ]
    }
}
