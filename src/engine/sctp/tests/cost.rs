//! What one packet of an authenticated peer costs at most, whatever has been made to wait before.

use super::attack::{data, packet, tagged};
use super::*;
use crate::simnet::usage::cpu;

const WHOLE: u8 = wire::FLAG_BEGIN | wire::FLAG_END;
/// As great as a datagram may be.
const PACKET: usize = 65_000;

/// Full buffers are for release builds. A debug build has a part of them and more time: what grows
/// with what is held takes seconds there, too.
const DEBUG: bool = cfg!(debug_assertions);
const HELD: u32 = if DEBUG { 1 << 20 } else { WINDOW };
const STREAMS: u32 = if DEBUG { 3_000 } else { 65_535 };
const CHUNKS: u32 = if DEBUG { 8_000 } else { 130_000 };
const SENT: u32 = if DEBUG { 3_000 } else { 70_000 };
const LIMIT: Duration = Duration::from_millis(if DEBUG { 80 } else { 10 });

/// B, about to be attacked; the tag that it wants and A's next TSN.
struct Victim {
    line: Line,
    tag: u32,
    tsn: u32,
}

impl Victim {
    fn new() -> Self {
        let configs = [true, false].map(|initiator| SctpConfig {
            receive_window: if initiator { 1 << 30 } else { HELD },
            ..config(initiator)
        });
        let mut line = Line::with(50, configs);
        line.observes = true;
        let (mut line, tag, tsn) = tagged(line);
        line.sides[B].reads = false;
        Self { line, tag, tsn }
    }

    /// Takes a packet and does all that follows from it.
    fn take(&mut self, packet: &[u8]) -> Duration {
        let now = self.line.now;
        let side = &mut self.line.sides[B];
        let start = cpu();
        side.sctp.handle_packet(now, packet);
        while side.sctp.poll_event().is_some() {}
        let mut out = Vec::new();
        while side.sctp.poll_packet(now, &mut out) {}
        while side.sctp.poll_event().is_some() {}
        cpu() - start
    }

    /// Takes many chunks, in packets of usual size.
    fn fill(&mut self, chunks: impl Iterator<Item = Vec<u8>>) {
        let chunks: Vec<Vec<u8>> = chunks.collect();
        for chunks in chunks.chunks(50) {
            self.take(&packet(self.tag, chunks));
        }
    }

    fn at(&self, ahead: u32) -> u32 {
        self.tsn.wrapping_add(ahead)
    }

    /// One-byte DATA so far ahead; the stream and its number follow from that.
    fn byte(&self, ahead: u32, flags: u8) -> Vec<u8> {
        let (stream, ssn) = (ahead % 8, ahead / 8);
        data(self.at(ahead), stream as u16, ssn as u16 + 1, flags, b"x")
    }
}

/// As many chunks as one packet has room for.
fn bundle(tag: u32, chunks: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut room = PACKET;
    let chunks: Vec<Vec<u8>> = chunks
        .take_while(|chunk| {
            let fits = room >= chunk.len();
            room = room.saturating_sub(chunk.len());
            fits
        })
        .collect();
    packet(tag, &chunks)
}

type Fill = (&'static str, fn(&mut Victim));
type Attack = (&'static str, fn(&Victim) -> Vec<u8>);

/// What a peer can have wait for more to come.
const RECEIVED: [Fill; 7] = [
    ("fragments", |v| {
        let chunks: Vec<_> = (1..CHUNKS).map(|n| v.byte(n, 0)).collect();
        v.fill(chunks.into_iter());
    }),
    ("fragments, backwards", |v| {
        let chunks: Vec<_> = (1..CHUNKS).rev().map(|n| v.byte(n, 0)).collect();
        v.fill(chunks.into_iter());
    }),
    ("fragments with gaps", |v| {
        let long = HELD as usize / 600;
        let chunks = (1..513).map(|n| data(v.at(n * 2), 1, 1, 0, &vec![1; long]));
        let chunks: Vec<_> = chunks.collect();
        v.fill(chunks.into_iter());
    }),
    ("beginnings and ends", |v| {
        let flags = |n: u32| [wire::FLAG_BEGIN, wire::FLAG_END, 0][n as usize % 3];
        let chunks: Vec<_> = (1..CHUNKS).map(|n| v.byte(n, flags(n))).collect();
        v.fill(chunks.into_iter());
    }),
    ("messages out of order", |v| {
        let chunks: Vec<_> = (0..CHUNKS * 2).map(|n| v.byte(n, WHOLE)).collect();
        v.fill(chunks.into_iter());
        v.tsn = v.tsn.wrapping_add(CHUNKS * 2);
    }),
    ("messages behind a gap", |v| {
        let chunks: Vec<_> = (1..CHUNKS).map(|n| v.byte(n, WHOLE)).collect();
        v.fill(chunks.into_iter());
    }),
    ("streams", |v| {
        let chunks = (0..STREAMS).map(|n| data(v.at(n), n as u16, 1, WHOLE, b"x"));
        let chunks: Vec<_> = chunks.collect();
        v.fill(chunks.into_iter());
        v.tsn = v.tsn.wrapping_add(STREAMS);
    }),
];

fn forward(v: &Victim, ahead: u32, streams: impl Iterator<Item = (u16, u16)>) -> Vec<u8> {
    let mut body = v.at(ahead).to_be_bytes().to_vec();
    for (stream, ssn) in streams {
        body.extend_from_slice(&stream.to_be_bytes());
        body.extend_from_slice(&ssn.to_be_bytes());
    }
    wire::chunk(wire::FORWARD_TSN, 0, &body)
}

/// RE-CONFIG with one parameter. The numbers of requests begin with the first TSN.
fn reconfig(kind: u16, numbers: &[u32], ids: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut value = Vec::new();
    for number in numbers {
        value.extend_from_slice(&number.to_be_bytes());
    }
    for id in ids {
        value.extend_from_slice(&id.to_be_bytes());
    }
    let mut body = Vec::new();
    wire::put_parameter(&mut body, kind, &value);
    wire::chunk(wire::RECONFIG, 0, &body)
}

fn sack(cumulative: u32, gaps: impl Iterator<Item = (u16, u16)>) -> Vec<u8> {
    let gaps: Vec<_> = gaps.collect();
    let mut body = cumulative.to_be_bytes().to_vec();
    body.extend_from_slice(&(1u32 << 30).to_be_bytes());
    body.extend_from_slice(&(gaps.len() as u16).to_be_bytes());
    body.extend_from_slice(&[0, 0]);
    for (first, last) in gaps {
        body.extend_from_slice(&first.to_be_bytes());
        body.extend_from_slice(&last.to_be_bytes());
    }
    wire::chunk(wire::SACK, 0, &body)
}

fn same(v: &Victim, chunk: &[u8]) -> Vec<u8> {
    bundle(v.tag, std::iter::repeat_n(chunk.to_vec(), PACKET / 4))
}

const INTO_RECEIVED: [Attack; 21] = [
    ("DATA that fills the first gap", |v| {
        packet(v.tag, &[data(v.at(0), 0, 0, WHOLE, b"x")])
    }),
    ("DATA that begins what waits", |v| {
        let begin = |n| data(v.at(n), n as u16, 0, wire::FLAG_BEGIN, b"x");
        bundle(v.tag, (0..4_000).map(begin))
    }),
    ("DATA that fills every gap", |v| {
        let chunk = |n: u32| {
            v.byte(
                n * 2 + 1,
                if n.is_multiple_of(64) {
                    wire::FLAG_BEGIN
                } else {
                    0
                },
            )
        };
        bundle(v.tag, (0..4_000).map(chunk))
    }),
    ("DATA that fills every gap, backwards", |v| {
        bundle(v.tag, (0..513).rev().map(|n| v.byte(n * 2 + 1, 0)))
    }),
    ("the first DATA of every stream", |v| {
        let first = |n| data(v.at(n), n as u16, 0, WHOLE, b"x");
        bundle(v.tag, (0..4_000).map(first))
    }),
    ("DATA twice", |v| same(v, &v.byte(5, 0))),
    ("DATA far ahead", |v| {
        bundle(v.tag, (0..4_000).map(|n| v.byte(200_000 - n * 2, 0)))
    }),
    ("FORWARD-TSN by one each", |v| {
        bundle(v.tag, (0..8_000).map(|n| forward(v, n, [].into_iter())))
    }),
    ("FORWARD-TSN, the same", |v| {
        same(v, &forward(v, 0, [].into_iter()))
    }),
    ("FORWARD-TSN over all", |v| {
        packet(v.tag, &[forward(v, 200_000, [].into_iter())])
    }),
    ("FORWARD-TSN, one stream by one each", |v| {
        let streams = (0..16_000).map(|n| (1, n + 1));
        packet(v.tag, &[forward(v, 0, streams)])
    }),
    ("FORWARD-TSN, all messages of all streams", |v| {
        let streams = (0..16_000).map(|n| (n % 8, 32_767));
        packet(v.tag, &[forward(v, 0, streams)])
    }),
    ("FORWARD-TSN, many streams", |v| {
        let streams = (0..16_000).map(|n| (n, n));
        packet(v.tag, &[forward(v, 0, streams)])
    }),
    ("RE-CONFIG of all streams", |v| {
        let numbers = [first(v), 0, v.at(u32::MAX)];
        packet(v.tag, &[reconfig(13, &numbers, [].into_iter())])
    }),
    ("RE-CONFIG of many streams", |v| {
        let numbers = [first(v), 0, v.at(u32::MAX)];
        packet(v.tag, &[reconfig(13, &numbers, 0..32_000)])
    }),
    ("RE-CONFIG of one stream each", |v| {
        let one = |n: u32| {
            let numbers = [first(v).wrapping_add(n), 0, v.at(u32::MAX)];
            reconfig(13, &numbers, [n as u16].into_iter())
        };
        bundle(v.tag, (0..4_000).map(one))
    }),
    ("RE-CONFIG that asks for many", |v| {
        packet(v.tag, &[reconfig(14, &[first(v)], 0..32_000)])
    }),
    ("RE-CONFIG that asks for all", |v| {
        packet(v.tag, &[reconfig(14, &[first(v)], [].into_iter())])
    }),
    ("HEARTBEAT", |v| {
        same(v, &wire::chunk(wire::HEARTBEAT, 0, &[0, 1, 0, 4]))
    }),
    ("COOKIE-ECHO", |v| {
        same(v, &wire::chunk(wire::COOKIE_ECHO, 0, &[0; 33]))
    }),
    ("unknown chunks", |v| same(v, &[255, 0, 0, 4])),
];

/// Of A, which never spoke: its first TSN. `tsn` may have moved on.
fn first(v: &Victim) -> u32 {
    v.line.sides[A].seen.first_tsn
}

/// What can wait for the peer's word.
const OWN: [Fill; 3] = [
    ("sent", |v| send(v, Reliability::Reliable)),
    ("sent, and given up", |v| {
        send(v, Reliability::Lifetime(ms(1)));
        v.line.run_for(secs(2));
    }),
    ("resets", |v| {
        send(v, Reliability::Reliable);
        let now = v.line.now;
        for stream in 0..STREAMS {
            v.line.sides[B].sctp.reset(now, stream as u16);
        }
    }),
];

/// B sends small messages on many streams, of which A hears nothing.
fn send(v: &mut Victim, reliability: Reliability) {
    v.line.filter = None;
    for n in 0..SENT / 175 {
        v.line.send(B, 0, vec![n as u8; 16_384]);
    }
    v.line.run_for(secs(2));
    v.line.filter = Some(Box::new(|from, _| from == A));
    for n in 0..SENT {
        v.line
            .send_as(B, (n % 60_000) as u16, &b"x"[..], true, reliability);
    }
    v.line.run_for(ms(250));
}

const INTO_OWN: [Attack; 12] = [
    ("SACK, the same", |v| {
        same(v, &sack(acked(v), [].into_iter()))
    }),
    ("SACK of all but the first", |v| {
        packet(v.tag, &[sack(acked(v), [(2, u16::MAX)].into_iter())])
    }),
    ("SACK, all but the first and one in turn", |v| {
        let gaps = |n| [(2, if n % 2 == 0 { u16::MAX } else { 2 })].into_iter();
        bundle(v.tag, (0..4_000).map(|n| sack(acked(v), gaps(n))))
    }),
    ("SACK of every other", |v| {
        let gaps = (1..8_000).map(|n| (n * 2, n * 2));
        bundle(
            v.tag,
            [sack(acked(v), gaps.clone()), sack(acked(v), gaps)].into_iter(),
        )
    }),
    ("SACK, gaps that grow", |v| {
        let one = |n: u16| sack(acked(v), [(2 + n, 2 + n * 2)].into_iter());
        bundle(v.tag, (0..3_250).map(one))
    }),
    ("SACK in the wrong order", |v| {
        let gaps = (1..16_000).rev().map(|n| (n, n * 4));
        packet(v.tag, &[sack(acked(v), gaps)])
    }),
    ("SACK of all", |v| {
        packet(v.tag, &[sack(last(v), [].into_iter())])
    }),
    ("SACK by one each", |v| {
        bundle(
            v.tag,
            (0..4_000).map(|n| sack(acked(v).wrapping_add(n), [].into_iter())),
        )
    }),
    ("SACK by one each, all others had", |v| {
        let gaps = |n: u32| [(2, u16::MAX - n as u16)].into_iter();
        let one = |n| sack(acked(v).wrapping_add(n), gaps(n));
        bundle(v.tag, (0..4_000).map(one))
    }),
    ("RE-CONFIG that asks for many", |v| {
        packet(v.tag, &[reconfig(14, &[first(v)], 0..32_000)])
    }),
    ("RE-CONFIG that answers", |v| {
        let one = |n| reconfig(16, &[own_first(v).wrapping_add(n), 1], [].into_iter());
        bundle(v.tag, (0..3_000).map(one))
    }),
    ("RE-CONFIG that refuses", |v| {
        let one = |n| reconfig(16, &[own_first(v).wrapping_add(n), 2], [].into_iter());
        bundle(v.tag, (0..3_000).map(one))
    }),
];

fn own_first(v: &Victim) -> u32 {
    v.line.sides[B].seen.first_tsn
}

/// What A had of B before it heard nothing.
fn acked(v: &Victim) -> u32 {
    v.line.sides[B].seen.acked.wrapping_sub(1)
}

fn last(v: &Victim) -> u32 {
    v.line.sides[B].seen.last_tsn
}

fn worst(fills: &[Fill], attacks: &[Attack]) -> Vec<String> {
    let mut over = Vec::new();
    for (what, attack) in attacks {
        let mut worst = (Duration::ZERO, "");
        for (of, fill) in fills {
            let once = || {
                let mut victim = Victim::new();
                fill(&mut victim);
                let packet = attack(&victim);
                victim.take(&packet)
            };
            // Caches, and what else the machine does: the best of some counts.
            let mut took = once();
            for _ in 0..4 {
                if took > LIMIT {
                    took = took.min(once());
                }
            }
            worst = worst.max((took, of));
        }
        println!("{what}: {:?} with {}", worst.0, worst.1);
        if worst.0 > LIMIT {
            over.push(format!("{what}: {worst:?}"));
        }
    }
    over
}

#[test]
fn r_c07_no_packet_costs_much_whatever_was_received() {
    assert_eq!(worst(&RECEIVED, &INTO_RECEIVED), Vec::<String>::new());
}

#[test]
fn r_c07_no_packet_costs_much_whatever_was_sent() {
    assert_eq!(worst(&OWN, &INTO_OWN), Vec::<String>::new());
}

/// The end, in all its forms.
#[test]
fn r_c07_no_end_costs_much() {
    let ends: [Attack; 3] = [
        ("ABORT", |v| {
            packet(v.tag, &[wire::chunk(wire::ABORT, 0, &[])])
        }),
        ("SHUTDOWN", |v| {
            same(v, &wire::chunk(wire::SHUTDOWN, 0, &[0; 4]))
        }),
        ("INIT", |_| {
            let mut init = vec![0, 0, 0, 1, 1, 0, 0, 0, 0, 9, 0, 9, 0, 0, 0, 1];
            for _ in 0..16_000 {
                init.extend_from_slice(&[0x80, 1, 0, 4]);
            }
            packet(0, &[wire::chunk(wire::INIT, 0, &init)])
        }),
    ];
    let mut over = worst(&RECEIVED, &ends);
    over.extend(worst(&OWN, &ends));
    assert_eq!(over, Vec::<String>::new());
}
