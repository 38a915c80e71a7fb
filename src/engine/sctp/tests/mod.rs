//! The association alone: two of them over a simulated network on a virtual clock.

mod attack;
mod cost;
mod crowd;
#[cfg(feature = "foreign-sctp")]
mod foreign;
mod loss;
mod neighbour;
mod options;
mod order;
mod path_mtu;
mod share;
mod volume;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::association::Association;
use super::wire;
use super::{
    MAX_PACKET, Outbound, Reliability, SctpConfig, SctpEvent, SctpFailure, SctpTransport, Unread,
};
use crate::simnet::{Link, Rng, SimNet};

const A: usize = 0;
const B: usize = 1;
const WINDOW: u32 = 13 << 20;
const BINARY: u32 = 53;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn config(initiator: bool) -> SctpConfig {
    SctpConfig {
        initiator,
        receive_window: WINDOW,
        max_message_size: 256 * 1024,
        probes_path: true,
        initial_tsn: None,
        span: tracing::Span::none(),
    }
}

struct Side {
    sctp: Box<dyn SctpTransport>,
    unread: Unread,
    addr: SocketAddr,
    got: Vec<(Instant, u16, u32, Bytes)>,
    events: Vec<SctpEvent>,
    /// Messages are counted as read as they come.
    reads: bool,
    sent: u64,
    released: usize,
    seen: Seen,
}

/// The numbers of a side's chunks, as the line sees them.
#[derive(Default)]
struct Seen {
    first_tsn: u32,
    last_tsn: u32,
    /// The other side has told to have all before.
    acked: u32,
}

/// What both sides are joined by. May change or lose a packet.
type Filter = Box<dyn FnMut(usize, &mut Vec<u8>) -> bool>;

struct Line {
    seed: u64,
    now: Instant,
    net: SimNet,
    sides: [Side; 2],
    filter: Option<Filter>,
    /// Whether `Side::seen` is kept.
    observes: bool,
    /// The number of the next message of `bulk`.
    next: u32,
}

impl Line {
    fn of(
        seed: u64,
        a: Box<dyn SctpTransport>,
        b: Box<dyn SctpTransport>,
        unread: [Unread; 2],
    ) -> Self {
        let start = Instant::now();
        let [ua, ub] = unread;
        let side = |sctp, unread, n| Side {
            sctp,
            unread,
            addr: SocketAddr::from(([10, 0, 0, n], 5000)),
            got: Vec::new(),
            events: Vec::new(),
            reads: true,
            sent: 0,
            released: 0,
            seen: Seen::default(),
        };
        Self {
            seed,
            now: start,
            net: SimNet::new(seed, start),
            sides: [side(a, ua, 1), side(b, ub, 2)],
            filter: None,
            observes: false,
            next: 0,
        }
    }

    fn new(seed: u64) -> Self {
        Self::with(seed, [config(true), config(false)])
    }

    fn with(seed: u64, configs: [SctpConfig; 2]) -> Self {
        let unread = [Unread::default(), Unread::default()];
        let [a, b] = configs;
        let a = Box::new(Association::new(a, unread[A].clone()));
        let b = Box::new(Association::new(b, unread[B].clone()));
        let mut line = Self::of(seed, a, b, unread);
        // The address keeps the network's jitter from being the same for both.
        line.net.set_default(Link::default());
        line
    }

    /// Connected over a clean path.
    fn connected(seed: u64) -> Self {
        let mut line = Self::new(seed);
        line.connect();
        line
    }

    fn connect(&mut self) {
        let now = self.now;
        for side in &mut self.sides {
            side.sctp.start(now);
        }
        assert!(
            self.run_until(secs(30), |line| line
                .sides
                .iter()
                .all(|side| side.sctp.is_connected())),
            "seed {}",
            self.seed
        );
    }

    fn link(&mut self, link: Link) {
        self.net.set_default(link);
    }

    fn send(&mut self, side: usize, stream: u16, data: impl Into<Bytes>) {
        self.send_as(side, stream, data, true, Reliability::Reliable);
    }

    fn send_as(
        &mut self,
        side: usize,
        stream: u16,
        data: impl Into<Bytes>,
        ordered: bool,
        reliability: Reliability,
    ) {
        self.send_weighed(side, stream, data, (ordered, reliability), 1);
    }

    fn send_weighed(
        &mut self,
        side: usize,
        stream: u16,
        data: impl Into<Bytes>,
        (ordered, reliability): (bool, Reliability),
        weight: u16,
    ) {
        let now = self.now;
        self.sides[side].sctp.send(
            now,
            Outbound {
                stream,
                ppid: BINARY,
                data: data.into(),
                ordered,
                reliability,
                weight,
            },
        );
    }

    fn collect(&mut self) {
        for at in [A, B] {
            let mut packet = Vec::new();
            loop {
                while let Some(event) = self.sides[at].sctp.poll_event() {
                    let side = &mut self.sides[at];
                    match event {
                        SctpEvent::Message { stream, ppid, data } => {
                            if side.reads {
                                side.unread.read(data.len());
                            }
                            side.got.push((self.now, stream, ppid, data));
                        }
                        SctpEvent::Released { bytes, .. } => side.released += bytes,
                        event => side.events.push(event),
                    }
                }
                if !self.sides[at].sctp.poll_packet(self.now, &mut packet) {
                    break;
                }
                let most = self.sides[at].sctp.largest_packet();
                assert!(
                    packet.len() <= most || is_probe(&packet),
                    "{} of {most}",
                    packet.len()
                );
                self.sides[at].sent += 1;
                if self.observes {
                    self.observe(at, &packet);
                }
                let mut data = packet.clone();
                if self
                    .filter
                    .as_mut()
                    .is_none_or(|filter| filter(at, &mut data))
                {
                    let (from, to) = (self.sides[at].addr, self.sides[1 - at].addr);
                    self.net.send(self.now, from, to, data);
                }
            }
        }
    }

    fn observe(&mut self, from: usize, packet: &[u8]) {
        let [a, b] = &mut self.sides;
        let (this, other) = if from == A { (a, b) } else { (b, a) };
        for chunk in wire::chunks(&packet[wire::COMMON_HEADER..]).flatten() {
            match chunk.kind {
                wire::INIT | wire::INIT_ACK => {
                    this.seen.first_tsn = wire::u32_at(chunk.body, 12).unwrap();
                }
                wire::DATA => this.seen.last_tsn = wire::u32_at(chunk.body, 0).unwrap(),
                wire::SACK => {
                    other.seen.acked = wire::u32_at(chunk.body, 0).unwrap().wrapping_add(1);
                }
                _ => {}
            }
        }
    }

    fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Runs until `done`, at most for `limit`; whether it is done.
    fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let limit = self.now + limit;
        let mut steps = 0;
        loop {
            self.collect();
            if done(self) {
                return true;
            }
            let timers = self
                .sides
                .iter()
                .filter_map(|side| side.sctp.poll_timeout());
            let next = timers.chain(self.net.next_arrival()).min();
            let Some(next) = next.filter(|next| *next <= limit) else {
                self.now = limit;
                return false;
            };
            steps = if next > self.now { 0 } else { steps + 1 };
            assert!(steps < 200_000, "no progress, seed {}", self.seed);
            self.now = self.now.max(next);
            while let Some(arrival) = self.net.poll(self.now) {
                let at = usize::from(arrival.dst == self.sides[B].addr);
                self.sides[at].sctp.handle_packet(self.now, &arrival.data);
            }
            for side in &mut self.sides {
                if side.sctp.poll_timeout().is_some_and(|due| due <= self.now) {
                    side.sctp.handle_timeout(self.now);
                }
            }
        }
    }

    fn received(&self, side: usize) -> usize {
        self.sides[side]
            .got
            .iter()
            .map(|(.., data)| data.len())
            .sum()
    }
}

/// A HEARTBEAT that is as long as the packet is to be, or its answer.
fn is_probe(packet: &[u8]) -> bool {
    let kinds: Vec<u8> = wire::chunks(&packet[wire::COMMON_HEADER..])
        .flatten()
        .map(|chunk| chunk.kind)
        .collect();
    packet.len() > MAX_PACKET && matches!(kinds[..], [wire::HEARTBEAT | wire::HEARTBEAT_ACK])
}

/// A message that says which one it is.
fn numbered(n: u32, len: usize) -> Bytes {
    let mut data = vec![n as u8; len.max(4)];
    data[..4].copy_from_slice(&n.to_be_bytes());
    data.into()
}

fn number(data: &[u8]) -> u32 {
    u32::from_be_bytes(data[..4].try_into().unwrap())
}

/// The side got exactly these messages on a stream, in order and whole.
fn assert_in_order(line: &Line, side: usize, stream: u16, count: u32) {
    let got: Vec<&Bytes> = line.sides[side]
        .got
        .iter()
        .filter(|(_, on, ..)| *on == stream)
        .map(|(.., data)| data)
        .collect();
    assert_eq!(got.len(), count as usize, "seed {}", line.seed);
    for (n, data) in got.into_iter().enumerate() {
        assert_eq!(*data, numbered(n as u32, data.len()), "seed {}", line.seed);
    }
}

/// Sends a message whenever little is waiting, for `time`; the bytes that came over.
fn bulk(line: &mut Line, time: Duration, message: usize) -> usize {
    let until = line.now + time;
    let before = line.received(B);
    let mut queued = line.sides[A].released;
    while line.now < until {
        while queued.saturating_sub(line.sides[A].released) < 1 << 20 {
            let next = numbered(line.next, message);
            line.send(A, 0, next);
            queued += message.max(4);
            line.next += 1;
        }
        line.run_until(until.saturating_duration_since(line.now).min(ms(5)), |_| {
            false
        });
    }
    line.received(B) - before
}
