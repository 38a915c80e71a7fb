//! Two engines, a simulated network between them, and a clock of their own.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::certificate::{Certificate, HashAlgorithm, digest};
use super::dtls::DtlsRole;
use super::ice::{Candidate, CandidateKind, Credentials, IceConfig, Role};
use super::{Engine, EngineConfig, EngineEvent, Identity, OutgoingRtp, ReceiverSpec, SendOutcome};
use crate::error::DisconnectReason;
use crate::rtp::{Declaration, ExtensionMap, ReceiverId, RtpConfig, RtpPacket};
use crate::simnet::{Rng, SimNet};
use crate::trace::{LogId, connection_span};

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;
/// The payload type of every test stream.
pub(super) const PT: u8 = 96;
/// More events than this at one instant are a loop that makes no progress.
const MAX_STEPS_AT_ONCE: u32 = 100_000;

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Certificates are dear to make, so all sessions share two.
pub(super) fn certificate(side: usize) -> Certificate {
    static BOTH: OnceLock<[Certificate; 2]> = OnceLock::new();
    let both = BOTH.get_or_init(|| [0, 1].map(|_| Certificate::generate().unwrap()));
    both[side].clone()
}

pub(super) fn fingerprint(side: usize, algorithm: HashAlgorithm) -> (String, Vec<u8>) {
    let bytes = digest(algorithm, certificate(side).der());
    (algorithm.name().to_owned(), bytes)
}

pub(super) fn credentials(side: usize, generation: u32) -> Credentials {
    Credentials {
        ufrag: format!("side{side}gen{generation}"),
        pwd: format!("password0of1side2number{side}gen{generation}"),
    }
}

pub(super) fn host(addr: SocketAddr) -> Candidate {
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

/// What the two sides are made of; side A is first everywhere.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) roles: [Option<Role>; 2],
    pub(super) dtls_roles: [Option<DtlsRole>; 2],
    pub(super) identities: [Identity; 2],
    pub(super) addrs: [SocketAddr; 2],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            roles: [Some(Role::Controlling), Some(Role::Controlled)],
            dtls_roles: [None, None],
            identities: [Identity::Pinned {
                allow_weak: false,
                all: false,
            }; 2],
            addrs: ["10.0.0.1:1000", "10.0.0.2:2000"].map(|addr| addr.parse().unwrap()),
        }
    }
}

/// One thing that signalling or the application does to one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Local,
    Credentials,
    Candidate,
    Fingerprints,
    End,
    Connect,
}

impl Step {
    pub(super) const ALL: [Self; 6] = [
        Self::Local,
        Self::Credentials,
        Self::Candidate,
        Self::Fingerprints,
        Self::End,
        Self::Connect,
    ];
}

/// Sends RTP at a steady pace.
#[derive(Debug, Clone)]
pub(super) struct Pump {
    pub(super) ssrc: u32,
    pub(super) every: Duration,
    pub(super) next: Instant,
    pub(super) sequence_number: u16,
    pub(super) timestamp: u32,
    pub(super) sent: u64,
}

impl Pump {
    pub(super) fn new(ssrc: u32, start: Instant) -> Self {
        Self {
            ssrc,
            every: ms(20),
            next: start,
            sequence_number: 1,
            timestamp: 0,
            sent: 0,
        }
    }
}

/// A datagram as its sender sent it.
#[derive(Debug, Clone)]
pub(super) struct Tapped {
    pub(super) from: usize,
    pub(super) data: Vec<u8>,
}

pub(super) struct Peer {
    pub(super) engine: Engine,
    pub(super) addr: SocketAddr,
    /// Which it can be reached at besides.
    pub(super) other_addr: Option<SocketAddr>,
    pub(super) events: Vec<(Instant, EngineEvent)>,
    pub(super) packets: Vec<(Instant, ReceiverId, RtpPacket)>,
    pub(super) pump: Option<Pump>,
    /// Datagrams sent so far.
    pub(super) sent: u64,
    /// Asleep: it hears and does nothing, and its clock stands still.
    pub(super) asleep: bool,
    /// How long its clock has stood still so far.
    pub(super) slept: Duration,
}

impl Peer {
    pub(super) fn connected(&self) -> bool {
        self.events
            .iter()
            .any(|(_, event)| matches!(event, EngineEvent::Connected))
    }

    pub(super) fn disconnects(&self) -> Vec<(Instant, DisconnectReason)> {
        let reason = |(at, event): &(Instant, EngineEvent)| match event {
            EngineEvent::Disconnected(reason) => Some((*at, *reason)),
            _ => None,
        };
        self.events.iter().filter_map(reason).collect()
    }

    pub(super) fn count(&self, matches: impl Fn(&EngineEvent) -> bool) -> usize {
        self.events
            .iter()
            .filter(|(_, event)| matches(event))
            .count()
    }
}

/// Decides about each datagram: sender, its number (from 1), its bytes. False loses it.
type Filter = Box<dyn FnMut(usize, u64, &mut Vec<u8>) -> bool>;

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) net: SimNet,
    pub(super) rng: Rng,
    pub(super) peers: [Peer; 2],
    pub(super) filter: Option<Filter>,
    /// While some, every datagram is kept.
    pub(super) tap: Option<Vec<Tapped>>,
}

impl World {
    pub(super) fn new(seed: u64, setup: &Setup) -> Self {
        let start = Instant::now();
        let mut rng = Rng::new(seed ^ 0x0510);
        let peers = [A, B].map(|side| {
            let config = EngineConfig {
                budget: crate::budget::Budget::default(),
                local: credentials(side, 0),
                certificate: certificate(side),
                role: setup.roles[side],
                dtls_role: setup.dtls_roles[side],
                identity: setup.identities[side],
                ice: IceConfig {
                    rng_seed: rng.next_u64(),
                    ..IceConfig::default()
                },
                rtp: RtpConfig::default(),
                cname: format!("cname{side}"),
                extensions: ExtensionMap::default(),
                max_message_size: 256 * 1024,
                whole_datagrams: true,
                tie_breaker: rng.next_u64(),
                rng_seed: rng.next_u64(),
                wall_clock: (start, 0xe000_0000 << 32),
                span: connection_span(LogId::next(), LogId::next(), &credentials(side, 0).ufrag),
            };
            Peer {
                engine: Engine::new(start, config),
                addr: setup.addrs[side],
                other_addr: None,
                events: Vec::new(),
                packets: Vec::new(),
                pump: None,
                sent: 0,
                asleep: false,
                slept: Duration::ZERO,
            }
        });
        Self {
            seed,
            start,
            now: start,
            net: SimNet::new(seed, start),
            rng,
            peers,
            filter: None,
            tap: None,
        }
    }

    /// Both sides connected on a clean path.
    pub(super) fn connected(seed: u64, setup: &Setup) -> Self {
        let mut world = Self::new(seed, setup);
        world.signal_all();
        assert!(world.connect(secs(5)), "{}", world.describe());
        world
    }

    /// What the clock of a side says.
    pub(super) fn clock(&self, side: usize) -> Instant {
        self.now - self.peers[side].slept
    }

    /// The machine of a side sleeps. It is not told to the engine.
    pub(super) fn sleep(&mut self, side: usize, time: Duration) {
        self.peers[side].asleep = true;
        self.run_for(time);
        self.peers[side].asleep = false;
        self.peers[side].slept += time;
    }

    pub(super) fn signal(&mut self, side: usize, step: Step) {
        let now = self.clock(side);
        let theirs = self.peers[1 - side].addr;
        let Peer { engine, addr, .. } = &mut self.peers[side];
        match step {
            Step::Local => engine.add_local_candidate(now, host(*addr)),
            Step::Credentials => {
                engine.set_remote_credentials(now, credentials(1 - side, 0));
            }
            Step::Candidate => engine.add_remote_candidate(now, host(theirs)),
            Step::Fingerprints => engine
                .secure_mut()
                .set_remote_fingerprints(vec![fingerprint(1 - side, HashAlgorithm::Sha256)]),
            Step::End => engine.end_of_remote_candidates(now),
            Step::Connect => engine.connect(now),
        }
    }

    pub(super) fn signal_all(&mut self) {
        for side in [A, B] {
            for step in Step::ALL {
                self.signal(side, step);
            }
        }
    }

    /// Signals everything but the steps named.
    pub(super) fn signal_but(&mut self, skipped: &[(usize, Step)]) {
        for side in [A, B] {
            for step in Step::ALL {
                if !skipped.contains(&(side, step)) {
                    self.signal(side, step);
                }
            }
        }
    }

    /// ICE restart of both sides, with credentials of a new generation.
    pub(super) fn restart(&mut self, generation: u32) {
        for side in [A, B] {
            let now = self.clock(side);
            let engine = &mut self.peers[side].engine;
            engine.restart(now, credentials(side, generation));
        }
        for side in [A, B] {
            let now = self.clock(side);
            let theirs = self.peers[1 - side].addr;
            let engine = &mut self.peers[side].engine;
            engine.set_remote_credentials(now, credentials(1 - side, generation));
            engine.add_remote_candidate(now, host(theirs));
        }
    }

    /// Runs until both sides have told that they are connected.
    pub(super) fn connect(&mut self, limit: Duration) -> bool {
        self.run_until(limit, |world| world.peers.iter().all(Peer::connected))
    }

    pub(super) fn both_connected_now(&self) -> bool {
        self.peers.iter().all(|peer| peer.engine.is_connected())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Runs until `done`, at most for `limit`; whether it is done.
    pub(super) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let limit = self.now + limit;
        let mut steps = 0;
        loop {
            self.flush();
            if done(self) {
                return true;
            }
            let before = self.now;
            if !self.step(limit) {
                return false;
            }
            steps = if self.now > before { 0 } else { steps + 1 };
            assert!(
                steps < MAX_STEPS_AT_ONCE,
                "no progress: {}",
                self.describe()
            );
        }
    }

    fn step(&mut self, limit: Instant) -> bool {
        let awake = self.peers.iter().filter(|peer| !peer.asleep);
        let timers = awake.flat_map(|peer| {
            let pump = peer.pump.as_ref().map(|pump| pump.next);
            [peer.engine.poll_timeout().map(|at| at + peer.slept), pump]
        });
        let next = timers.chain([self.net.next_arrival()]).flatten().min();
        let Some(next) = next.filter(|next| *next <= limit) else {
            self.now = limit;
            return false;
        };
        self.now = self.now.max(next);
        if let Some(mut arrival) = self.net.poll(self.now) {
            let mut peers = self.peers.iter_mut();
            let is_at = |p: &Peer| p.addr == arrival.dst || p.other_addr == Some(arrival.dst);
            let to = peers.find(|p| is_at(p) && !p.asleep);
            if let Some(peer) = to {
                let (dst, src) = (arrival.dst, arrival.src);
                let now = self.now - peer.slept;
                peer.engine
                    .handle_datagram(now, dst, src, &mut arrival.data);
            }
            return true;
        }
        for side in [A, B] {
            if self.peers[side].asleep {
                continue;
            }
            let now = self.clock(side);
            let engine = &mut self.peers[side].engine;
            if engine.poll_timeout().is_some_and(|at| at <= now) {
                engine.handle_timeout(now);
            }
            self.pump(side);
        }
        true
    }

    fn pump(&mut self, side: usize) {
        let now = self.now;
        let Some(mut pump) = self.peers[side].pump.take() else {
            return;
        };
        if pump.next <= now {
            pump.next = now + pump.every;
            let (number, timestamp) = (pump.sequence_number, pump.timestamp);
            let outcome = self.send(side, pump.ssrc, number, timestamp);
            if outcome == SendOutcome::Sent {
                pump.sent += 1;
                pump.sequence_number = pump.sequence_number.wrapping_add(1);
            }
            pump.timestamp = pump.timestamp.wrapping_add(1_800);
        }
        self.peers[side].pump = Some(pump);
    }

    /// Puts what the engines have to send on the network, and takes what they have to tell.
    pub(super) fn flush(&mut self) {
        for side in [A, B] {
            while let Some(transmit) = self.peers[side].engine.poll_transmit() {
                for datagram in transmit.contents.chunks(transmit.segment_size) {
                    self.emit(side, transmit.local, transmit.remote, datagram.to_vec());
                }
            }
            let now = self.now;
            let peer = &mut self.peers[side];
            while let Some(event) = peer.engine.poll_event() {
                peer.events.push((now, event));
            }
            while let Some((id, packets)) = peer.engine.poll_packets() {
                peer.packets.extend(packets.map(|packet| (now, id, packet)));
            }
        }
    }

    fn emit(&mut self, side: usize, local: SocketAddr, remote: SocketAddr, mut data: Vec<u8>) {
        self.peers[side].sent += 1;
        let number = self.peers[side].sent;
        if let Some(tap) = &mut self.tap {
            tap.push(Tapped {
                from: side,
                data: data.clone(),
            });
        }
        let passes = match &mut self.filter {
            Some(filter) => filter(side, number, &mut data),
            None => true,
        };
        if passes {
            self.net.send(self.now, local, remote, data);
        }
    }

    /// Hands a datagram to one side as if it came from the other side's address.
    pub(super) fn inject(&mut self, to: usize, data: &[u8]) {
        let from = self.peers[1 - to].addr;
        self.inject_from(to, from, data);
    }

    pub(super) fn inject_from(&mut self, to: usize, from: SocketAddr, data: &[u8]) {
        let mut data = data.to_vec();
        let now = self.clock(to);
        let peer = &mut self.peers[to];
        peer.engine.handle_datagram(now, peer.addr, from, &mut data);
        self.flush();
    }

    // ---- media ------------------------------------------------------------------------------

    /// Declares a stream at its sender and its receiver.
    pub(super) fn add_stream(&mut self, from: usize, ssrc: u32) -> ReceiverId {
        self.add_sender(from, ssrc);
        self.add_receiver(1 - from, ssrc)
    }

    pub(super) fn add_sender(&mut self, side: usize, ssrc: u32) {
        let engine = &mut self.peers[side].engine;
        engine.media_mut().add_sender(ssrc, 90_000, None).unwrap();
    }

    pub(super) fn add_receiver(&mut self, side: usize, ssrc: u32) -> ReceiverId {
        let now = self.clock(side);
        let spec = receiver_spec(&[ssrc]);
        self.peers[side].engine.add_receiver(now, spec).unwrap()
    }

    /// From now on one packet of the SSRC every 20 ms.
    pub(super) fn start_pump(&mut self, side: usize, ssrc: u32) {
        self.peers[side].pump = Some(Pump::new(ssrc, self.now));
    }

    /// A stream each way, at 50 packets a second.
    pub(super) fn start_media(&mut self) -> [ReceiverId; 2] {
        let ids = [self.add_stream(B, 200), self.add_stream(A, 100)];
        self.start_pump(A, 100);
        self.start_pump(B, 200);
        ids
    }

    pub(super) fn send(&mut self, side: usize, ssrc: u32, number: u16, at: u32) -> SendOutcome {
        let packet = outgoing(number, at);
        let now = self.clock(side);
        let outcome = self.peers[side]
            .engine
            .send_rtp(now, ssrc, &packet)
            .unwrap();
        self.flush();
        outcome
    }

    pub(super) fn describe(&self) -> String {
        let peers: Vec<_> = self
            .peers
            .iter()
            .map(|p| {
                let events: Vec<_> = p
                    .events
                    .iter()
                    .map(|(at, e)| (*at - self.start, e))
                    .collect();
                format!(
                    "{:?} ice {:?} secure {:?} {:?} {events:?}",
                    p.engine.state(),
                    p.engine.ice().state(),
                    p.engine.secure().state(),
                    p.engine.counters(),
                )
            })
            .collect();
        format!("seed {} at {:?}: {peers:#?}", self.seed, self.elapsed())
    }
}

pub(super) fn outgoing(number: u16, timestamp: u32) -> OutgoingRtp<'static> {
    OutgoingRtp {
        marker: false,
        payload_type: PT,
        sequence_number: number,
        timestamp,
        csrcs: &[],
        extensions: &[],
        head: &[],
        payload: &[0x55; 160],
        shared: None,
    }
}

pub(super) fn receiver_spec(ssrcs: &[u32]) -> ReceiverSpec {
    ReceiverSpec {
        declaration: Declaration {
            kind: "video",
            ssrcs: ssrcs.to_vec(),
            mid: None,
            rid: None,
            payload_types: vec![PT],
        },
        clock_rates: vec![(PT, 90_000)],
        red: Vec::new(),
        reduced_size: false,
        streams: Vec::new(),
        repair: None,
    }
}

/// A datagram of the RTP and RTCP range of RFC 7983.
pub(super) fn is_media(first_byte: u8) -> bool {
    (128..=191).contains(&first_byte)
}

/// STUN by its first byte.
pub(super) fn is_stun(data: &[u8]) -> bool {
    data.first().is_some_and(|byte| *byte <= 3)
}

/// Runs the seeds on two threads; the ones that fail.
pub(super) fn failures(seeds: std::ops::Range<u64>, run: impl Fn(u64) -> bool + Sync) -> Vec<u64> {
    let run = &run;
    let half = |odd: u64| {
        let seeds = seeds.clone().filter(move |seed| seed % 2 == odd);
        move || seeds.filter(|seed| !run(*seed)).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let odd = scope.spawn(half(1));
        let mut failed = half(0)();
        failed.extend(odd.join().unwrap());
        failed
    })
}
