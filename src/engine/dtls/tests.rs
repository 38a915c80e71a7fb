#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

//! Two sides over a lossy pipe on a virtual clock.

mod attack;
mod certificates;
mod closing;
mod disagreement;
pub(in crate::engine) mod forger;
pub(in crate::engine) mod on_path;
mod strangers;
mod volume;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::engine::certificate::Certificate;
use crate::simnet::Rng;

#[derive(Default)]
struct Outcome {
    connected: Option<(Vec<u8>, Option<KeyingMaterial>, &'static str)>,
    data: Vec<Bytes>,
    closed: bool,
    failed: Option<DtlsFailure>,
}

/// Offers and takes one cipher only, the one whose records are rtc-dtls's.
fn only_chacha(run: impl FnOnce()) {
    rtc::ONLY_CHACHA.set(true);
    run();
    rtc::ONLY_CHACHA.set(false);
}

/// The settings of a side that was told the fingerprint of `peer`.
fn pinned(peer: &Certificate) -> DtlsConfig {
    use crate::engine::certificate::{HashAlgorithm, digest};
    let sha256 = digest(HashAlgorithm::Sha256, peer.der());
    DtlsConfig {
        announced: Some(Announced {
            fingerprints: vec![("sha-256".to_owned(), sha256)],
            allow_weak: false,
        }),
        ..DtlsConfig::default()
    }
}

fn certificates() -> [Certificate; 2] {
    thread_local! {
        static CERTIFICATES: [Certificate; 2] =
            [Certificate::generate().unwrap(), Certificate::generate().unwrap()];
    }
    CERTIFICATES.with(Clone::clone)
}

/// Side 0 is the client.
struct Pair {
    now: Instant,
    start: Instant,
    sides: [RtcDtls; 2],
    outcome: [Outcome; 2],
    wire: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    sent: [u64; 2],
    order: u64,
    /// When consent is next confirmed; none while the path is down.
    consent: Option<Instant>,
    /// Answers to checks that a side asked for.
    proofs: VecDeque<Instant>,
    round_trip: Duration,
}

impl Pair {
    fn new() -> Self {
        Self::with(DtlsConfig::default(), DtlsConfig::default())
    }

    /// Both were told the other's fingerprint.
    fn pinned() -> Self {
        let [client, server] = certificates();
        Self::with(pinned(&server), pinned(&client))
    }

    fn with(client: DtlsConfig, server: DtlsConfig) -> Self {
        Self::roles((DtlsRole::Client, client), (DtlsRole::Server, server))
    }

    fn roles(one: (DtlsRole, DtlsConfig), two: (DtlsRole, DtlsConfig)) -> Self {
        let [first, second] = certificates();
        let sides = [
            RtcDtls::new(&first, one.0, one.1).unwrap(),
            RtcDtls::new(&second, two.0, two.1).unwrap(),
        ];
        Self::of(sides)
    }

    fn of(sides: [RtcDtls; 2]) -> Self {
        let now = Instant::now();
        let mut pair = Self {
            now,
            start: now,
            sides,
            outcome: Default::default(),
            wire: BTreeMap::new(),
            sent: [0; 2],
            order: 0,
            consent: Some(now + CONSENT),
            proofs: VecDeque::new(),
            round_trip: DELAY * 2,
        };
        for side in &mut pair.sides {
            side.start(now);
        }
        pair
    }

    /// Puts a datagram on its way to `to`.
    fn inject(&mut self, to: usize, after: Duration, datagram: Vec<u8>) {
        self.order += 1;
        self.wire
            .insert((self.now + after, self.order), (to, datagram));
    }

    fn collect(&mut self, fate: &mut impl FnMut(usize, u64, &[u8]) -> Vec<(Duration, Vec<u8>)>) {
        for side in 0..2 {
            while let Some(datagram) = self.sides[side].poll_transmit() {
                assert!(datagram.len() <= 1200, "a datagram of {}", datagram.len());
                let number = self.sent[side];
                self.sent[side] += 1;
                for (delay, copy) in fate(side, number, &datagram) {
                    self.inject(1 - side, delay, copy);
                }
            }
            while let Some(event) = self.sides[side].poll_event() {
                let outcome = &mut self.outcome[side];
                match event {
                    DtlsEvent::Connected {
                        peer_certificate,
                        srtp,
                        cipher_suite,
                    } => outcome.connected = Some((peer_certificate, srtp, cipher_suite)),
                    DtlsEvent::Data(data) => outcome.data.push(data),
                    DtlsEvent::PeerClosed => outcome.closed = true,
                    DtlsEvent::Failed(failure) => outcome.failed = Some(failure),
                }
            }
        }
    }

    /// Runs until `done`, nothing is left to happen, or `limit` has passed since the start.
    fn run(
        &mut self,
        limit: Duration,
        mut fate: impl FnMut(usize, u64, &[u8]) -> Vec<(Duration, Vec<u8>)>,
        done: impl Fn(&Self) -> bool,
    ) {
        loop {
            self.collect(&mut fate);
            if done(self) {
                return;
            }
            let arrival = self.wire.keys().next().map(|(at, _)| *at);
            let timer = self
                .sides
                .iter()
                .filter_map(DtlsTransport::poll_timeout)
                .min();
            let Some(next) = arrival.into_iter().chain(timer).min() else {
                return;
            };
            self.now = self.now.max(next);
            if self.now > self.start + limit {
                return;
            }
            while let Some(at) = self.proofs.front().copied().filter(|at| *at <= self.now) {
                self.proofs.pop_front();
                for side in &mut self.sides {
                    side.path_proved(at);
                }
            }
            if let Some(at) = self.consent.filter(|at| *at <= self.now) {
                self.consent = Some(at + CONSENT);
                for side in &mut self.sides {
                    side.path_proved(at);
                }
            }
            if arrival.is_some_and(|at| at <= self.now) {
                let (_, (to, datagram)) = self.wire.pop_first().unwrap();
                self.sides[to].handle_datagram(self.now, &datagram);
            } else {
                for side in &mut self.sides {
                    side.handle_timeout(self.now);
                    if side.asks_for_proof() && self.consent.is_some() {
                        self.proofs.push_back(self.now + self.round_trip);
                    }
                }
            }
        }
    }

    fn both_connected(&self) -> bool {
        self.outcome.iter().all(|side| side.connected.is_some())
    }

    fn connect(&mut self) {
        self.run(Duration::from_secs(30), whole, Self::both_connected);
        assert!(self.both_connected());
    }
}

const DELAY: Duration = Duration::from_millis(20);
/// How often ICE confirms consent (RFC 7675 section 5.1).
const CONSENT: Duration = Duration::from_secs(5);

fn whole(_: usize, _: u64, datagram: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    vec![(DELAY, datagram.to_vec())]
}

#[test]
fn clean_handshake_gives_both_the_same_keys() {
    let mut pair = Pair::new();
    pair.connect();
    assert!(pair.now - pair.start <= DELAY * 6);
    let [client, server] = &pair.outcome;
    let (_, client_keys, suite) = client.connected.as_ref().unwrap();
    let (_, server_keys, _) = server.connected.as_ref().unwrap();
    let (client_keys, server_keys) = (client_keys.as_ref().unwrap(), server_keys.as_ref().unwrap());
    assert_eq!(*suite, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(client_keys.profile, SrtpProfile::AeadAes128Gcm);
    assert_eq!(client_keys.local_key, server_keys.remote_key);
    assert_eq!(client_keys.remote_salt, server_keys.local_salt);
    assert_ne!(client_keys.local_key, client_keys.remote_key);
    assert!(!format!("{client_keys:?}").contains("key"));

    pair.sides[0].write(pair.now, b"ping").unwrap();
    pair.sides[1].write(pair.now, b"pong").unwrap();
    pair.run(Duration::from_secs(60), whole, |_| false);
    assert_eq!(pair.outcome[0].data, [Bytes::from_static(b"pong")]);
    assert_eq!(pair.outcome[1].data, [Bytes::from_static(b"ping")]);

    pair.sides[0].close(pair.now);
    pair.run(Duration::from_secs(60), whole, |_| false);
    assert!(pair.outcome[1].closed);
    assert!(pair.sides[1].write(pair.now, b"late").is_err());
}

/// Reliability row D1.
#[test]
fn d001_random_loss() {
    for (loss, least) in [
        (0, 200),
        (5, 200),
        (10, 200),
        (20, 200),
        (30, 200),
        (50, 198),
    ] {
        let mut done = 0;
        let mut worst = Duration::ZERO;
        for seed in 0..200 {
            let mut random = Rng::new(seed * 1_000 + loss);
            let mut pair = Pair::new();
            pair.run(
                Duration::from_secs(30),
                |_, _, datagram| {
                    if random.percent(loss) {
                        return vec![];
                    }
                    vec![(DELAY, datagram.to_vec())]
                },
                Pair::both_connected,
            );
            if pair.both_connected() {
                done += 1;
                worst = worst.max(pair.now - pair.start);
            } else {
                println!("loss {loss} %, seed {seed}: {:?}", pair.outcome[0].failed);
            }
        }
        println!("{loss} %: {done}/200, worst {worst:?}");
        assert!(done >= least, "{loss} %: {done}");
    }
}

/// Reliability row D2.
#[test]
fn d002_any_one_or_two_datagrams_lost() {
    let mut cases = Vec::new();
    for side in 0..2 {
        for one in 0..20 {
            cases.push((side, one, one));
            cases.extend((one + 1..8).map(|two| (side, one, two)));
        }
    }
    for (victim, one, two) in cases {
        let mut pair = Pair::new();
        pair.run(
            Duration::from_secs(10),
            |side, number, datagram| {
                if side == victim && (number == one || number == two) {
                    return vec![];
                }
                whole(side, number, datagram)
            },
            Pair::both_connected,
        );
        assert!(pair.both_connected(), "side {victim} loses {one} and {two}");
    }
}

/// Cuts every plaintext handshake message into pieces of `size`, one datagram each.
fn cut(datagram: &[u8], size: usize, number: &mut u64) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for record in record::records(datagram) {
        if record.epoch != 0 || record.content_type != record::HANDSHAKE {
            out.push(record.raw.to_vec());
            continue;
        }
        for whole in record::fragments(record.body) {
            let mut offset = whole.offset;
            let chunks: Vec<&[u8]> = whole.data.chunks(size).collect();
            for chunk in if chunks.is_empty() {
                vec![&[][..]]
            } else {
                chunks
            } {
                let body = record::fragment(whole.kind, whole.length, whole.message, offset, chunk);
                offset += chunk.len();
                *number += 1;
                out.push(record::plaintext(
                    record::HANDSHAKE,
                    record::DTLS_1_2,
                    *number,
                    &body,
                ));
            }
        }
    }
    out
}

/// Reliability row B9. Cutting the ClientHello in two is what Chromium does.
#[test]
fn r_b09_fragments_shuffled_and_doubled() {
    for size in [40, 100, 150, 256, 576] {
        for seed in 0..20 {
            let mut random = Rng::new(seed);
            let mut number = 0;
            let mut pair = Pair::new();
            pair.run(
                Duration::from_secs(30),
                |_, _, datagram| {
                    let mut out = Vec::new();
                    for piece in cut(datagram, size, &mut number) {
                        for _ in 0..2 {
                            let delay = Duration::from_millis(20 + random.below(20));
                            out.push((delay, piece.clone()));
                        }
                    }
                    out
                },
                Pair::both_connected,
            );
            assert!(pair.both_connected(), "size {size}, seed {seed}");
        }
    }
}

/// Reliability row B11.
#[test]
fn r_b11_a_silent_peer_ends_in_time() {
    for side in 0..2 {
        let mut pair = Pair::new();
        pair.run(Duration::from_secs(40), |_, _, _| vec![], |_| false);
        assert_eq!(pair.outcome[side].failed, Some(DtlsFailure::Silent));
        assert_eq!(pair.now - pair.start, Duration::from_secs(30));
        assert!(pair.sent[0] < 60);
        assert_eq!(pair.sent[1], 0);
    }
}

#[test]
fn profiles_are_negotiated_and_may_be_absent() {
    for profile in SrtpProfile::ALL {
        let only = DtlsConfig {
            srtp_profiles: vec![profile],
            ..DtlsConfig::default()
        };
        let mut pair = Pair::with(DtlsConfig::default(), only);
        pair.connect();
        let keys = pair.outcome[0].connected.as_ref().unwrap().1.as_ref();
        let theirs = pair.outcome[1].connected.as_ref().unwrap().1.as_ref();
        assert_eq!(keys.unwrap().profile, profile);
        assert_eq!(keys.unwrap().remote_key, theirs.unwrap().local_key);
    }
    let none = DtlsConfig {
        srtp_profiles: vec![],
        ..DtlsConfig::default()
    };
    let mut pair = Pair::with(none.clone(), none);
    pair.connect();
    assert!(pair.outcome[0].connected.as_ref().unwrap().1.is_none());
}
