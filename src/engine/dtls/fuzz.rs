//! Fuzz targets of DTLS: what is read before anybody is known, and a pair in its handshake.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::reassembly::Reassembly;
use super::record::{fragments, records};
use super::{
    DtlsConfig, DtlsEvent, DtlsRole, DtlsTransport, KeyingMaterial, RtcDtls, hello, kind, proof,
};
use crate::engine::certificate::Certificate;
use crate::simnet::Script;

/// A datagram: records, fragments, hellos, and what is put together of them.
pub(crate) fn datagram(data: &[u8]) {
    hello::parse(data);
    hello::requested_cookie(data);
    let mut reassembly = Reassembly::default();
    let mut bytes = 0;
    for record in records(data) {
        bytes += record.raw.len();
        for fragment in fragments(record.body) {
            assert!(fragment.offset + fragment.data.len() <= fragment.length);
            for message in reassembly
                .add(&fragment, record.sequence)
                .unwrap_or_default()
            {
                if let Some(hello) = hello::parse(&message.body) {
                    assert!(hello.first.len() <= message.body.len() + 1);
                }
                hello::requested_cookie(&message.body);
                hello::with_cookie(&message.body, &[7; 20]);
                let offer = hello::Offer {
                    suites: &[0xc02b],
                    srtp_profiles: &[7],
                };
                let _ = hello::server_random(&message.body, offer);
                let key = proof::leaf(&message.body).and_then(proof::key);
                let signed = match message.kind {
                    kind::CERTIFICATE_VERIFY => proof::certificate_verify(&message.body),
                    _ => proof::key_exchange(&message.body).map(|(_, signed)| signed),
                };
                if let (Some(key), Some(signed)) = (key, signed) {
                    proof::verify(&key, b"", &signed);
                }
            }
        }
    }
    assert!(bytes <= data.len());
}

fn certificates() -> &'static [Certificate; 2] {
    static BOTH: OnceLock<[Certificate; 2]> = OnceLock::new();
    BOTH.get_or_init(|| [0, 1].map(|_| Certificate::generate().unwrap()))
}

/// Side 0 is the client.
struct Pair {
    now: Instant,
    sides: [RtcDtls; 2],
    /// On their way to each side.
    wire: [VecDeque<Vec<u8>>; 2],
    /// All that was sent to each side.
    past: [Vec<Vec<u8>>; 2],
    keys: [Option<Option<KeyingMaterial>>; 2],
    data: [usize; 2],
    ended: bool,
}

impl Pair {
    fn new() -> Self {
        let [client, server] = certificates();
        let now = Instant::now();
        let make = |certificate, role| RtcDtls::new(certificate, role, DtlsConfig::default());
        let mut pair = Self {
            now,
            sides: [
                make(client, DtlsRole::Client).unwrap(),
                make(server, DtlsRole::Server).unwrap(),
            ],
            wire: Default::default(),
            past: Default::default(),
            keys: [None, None],
            data: [0; 2],
            ended: false,
        };
        for side in &mut pair.sides {
            side.start(now);
        }
        pair.collect();
        pair
    }

    fn collect(&mut self) {
        for side in 0..2 {
            while let Some(datagram) = self.sides[side].poll_transmit() {
                assert!(datagram.len() <= 1_200);
                self.wire[1 - side].push_back(datagram.to_vec());
                self.past[1 - side].push(datagram.to_vec());
            }
            while let Some(event) = self.sides[side].poll_event() {
                match event {
                    DtlsEvent::Connected {
                        peer_certificate,
                        srtp,
                        ..
                    } => {
                        assert!(self.keys[side].is_none(), "connected twice");
                        assert_eq!(peer_certificate, certificates()[1 - side].der());
                        self.keys[side] = Some(srtp);
                    }
                    DtlsEvent::Data(_) => self.data[side] += 1,
                    DtlsEvent::PeerClosed | DtlsEvent::Failed(_) => self.ended = true,
                }
            }
        }
    }

    fn give(&mut self, side: usize, datagram: &[u8]) {
        self.sides[side].handle_datagram(self.now, datagram);
        self.collect();
    }

    fn deliver(&mut self, side: usize) -> bool {
        let next = self.wire[side].pop_front();
        if let Some(datagram) = &next {
            self.give(side, datagram);
        }
        next.is_some()
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = self.sides.iter().filter_map(DtlsTransport::poll_timeout);
            let Some(next) = timers.min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            for side in &mut self.sides {
                side.handle_timeout(self.now);
                assert!(side.poll_timeout().is_none_or(|at| at > self.now), "spins");
            }
            self.collect();
        }
        self.now = end;
    }
}

/// A handshake, and what comes after it, with somebody in between.
pub(crate) fn guard(data: &[u8]) {
    let mut pair = Pair::new();
    let mut script = Script::new(data);
    while !script.is_done() {
        let op = script.byte();
        let side = usize::from(op >> 7);
        match op % 8 {
            0 | 1 => {
                pair.deliver(side);
            }
            2 => drop(pair.wire[side].pop_front()),
            3 => {
                let genuine = pair.wire[side].front().cloned().unwrap_or_default();
                let copy = script.mutated(&genuine);
                pair.give(side, &copy);
            }
            4 => {
                let past = pair.past[side].len().max(1);
                let old = usize::from(script.byte()) % past;
                let old = pair.past[side].get(old).cloned().unwrap_or_default();
                let copy = script.mutated(&old);
                pair.give(side, &copy);
            }
            5 => pair.give(side, script.block()),
            6 => pair.advance(Duration::from_millis(script.u16().into())),
            _ => {
                let _ = pair.sides[side].write(pair.now, script.block());
                pair.collect();
            }
        }
    }
    // Left alone, whoever is connected agrees with the other.
    for _ in 0..16 {
        while pair.deliver(0) || pair.deliver(1) {}
        pair.advance(Duration::from_secs(1));
    }
    if let [Some(Some(client)), Some(Some(server))] = &pair.keys {
        assert_eq!(client.local_key, server.remote_key);
        assert_eq!(client.remote_key, server.local_key);
    }
}

#[cfg(test)]
pub(crate) mod seeds {
    use super::*;
    use crate::simnet::script::block;

    /// The datagrams of a clean handshake.
    pub(crate) fn datagrams() -> Vec<Vec<u8>> {
        let mut pair = Pair::new();
        while pair.deliver(0) || pair.deliver(1) {}
        pair.past.concat()
    }

    pub(crate) fn guards() -> Vec<Vec<u8>> {
        let clean = [0, 128].repeat(8);
        let mut data = clean.clone();
        data.extend([7, 3, 1, 2, 3, 128, 135, 2, 4, 5, 0]);
        let forged = [
            &[5][..],
            &block(&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0]),
        ]
        .concat();
        let mut all = vec![clean, data, [&forged[..], &[0, 128].repeat(8)].concat()];
        for n in 0..6 {
            // One is lost, one comes twice, one is changed.
            let before = [0, 128].repeat(n);
            all.push([&before[..], &[2, 6, 4, 0, 0, 128]].concat());
            all.push([&before[..], &[4 | 128, 0, 0, 0, 20, 3, 5, 0, 128]].concat());
            all.push([&before[..], &[3, 0, 0, 14, 1, 7, 0, 128, 6, 8, 0]].concat());
        }
        let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
        all.push([&[0, 128, 0, 133][..], &block(&alert)].concat());
        all
    }
}
