//! Quantities of a hostile peer behind a genuine DTLS association. Millions with `ORTC_SOAK`, where
//! memory is measured, too.

use super::attack::{assert_alive, connected_with_tag, data, hit, packet};
use super::*;
use crate::simnet::usage::{Growth, cpu, full_size};

const WHOLE: u8 = wire::FLAG_BEGIN | wire::FLAG_END;

/// Random packets, with the right tag and checksum.
struct Random {
    rng: Rng,
    tag: u32,
    tsn: u32,
}

impl Random {
    fn packet(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        let mut chunks = Vec::new();
        for _ in 0..=rng.below(2) {
            let kinds = [0u8, 1, 2, 3, 4, 5, 8, 9, 10, 11, 130, 192, 77];
            let kind = kinds[rng.below(kinds.len() as u64) as usize];
            let length = rng.below(60) as usize;
            let mut body = rng.bytes(length);
            if rng.chance(0.5) && body.len() >= 4 {
                // Near the genuine numbers, but not those that A will use soon.
                let near = self.tsn.wrapping_add(1_000_000 + rng.below(1_000) as u32);
                body[..4].copy_from_slice(&near.to_be_bytes());
            }
            chunks.push(wire::chunk(kind, rng.next_u64() as u8 & 0xf8, &body));
        }
        let mut packet = packet(self.tag, &chunks);
        if rng.chance(0.3) {
            let at = rng.below(packet.len() as u64 - 12) as usize + 12;
            packet[at] ^= 1 << rng.below(8);
            packet[8..12].fill(0);
            wire::put_checksum(&mut packet);
        }
        packet
    }
}

/// Reliability row A9: ten million in full. An association that the peer has ended is made anew.
#[test]
fn r_a09_mutated_packets_neither_panic_nor_wedge() {
    let mut left = if full_size() { 10_000_000 } else { 200_000 };
    let mut slowest = Duration::ZERO;
    let mut associations = 0;
    while left > 0 {
        let (mut line, tag, tsn) = connected_with_tag(31 + associations);
        let rng = Rng::new(31 + associations);
        let mut random = Random { rng, tag, tsn };
        while left > 0 && line.sides[B].sctp.is_connected() {
            let packet = random.packet();
            let before = cpu();
            hit(&mut line, &packet);
            slowest = slowest.max(cpu() - before);
            left -= 1;
        }
        associations += 1;
    }
    println!("{associations} associations, slowest packet {slowest:?}");
    // The ones that leave nothing undone: whatever came, what A sends comes after it.
    for seed in 0..if full_size() { 1_000 } else { 10 } {
        let (mut line, tag, tsn) = connected_with_tag(seed);
        let rng = Rng::new(seed);
        let mut random = Random { rng, tag, tsn };
        for _ in 0..100 {
            // ABORT, SHUTDOWN and what follows it, and FORWARD-TSN mean what they say.
            let packet = random.packet();
            let chunks = wire::chunks(&packet[wire::COMMON_HEADER..]).flatten();
            let mut kinds = chunks.map(|chunk| chunk.kind);
            if !kinds.any(|kind| [0, 6, 7, 8, 14, 192].contains(&kind)) {
                hit(&mut line, &packet);
            }
        }
        if line.sides[B].sctp.is_connected() {
            assert_alive(&mut line);
        }
    }
}

fn reconfig(tag: u32, kind: u16, value: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    wire::put_parameter(&mut body, kind, value);
    packet(tag, &[wire::chunk(wire::RECONFIG, 0, &body)])
}

fn reset(tag: u32, request: u32, last: u32, ids: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut value = request.to_be_bytes().to_vec();
    value.extend_from_slice(&[0; 4]);
    value.extend_from_slice(&last.to_be_bytes());
    value.extend(ids.flat_map(u16::to_be_bytes));
    reconfig(tag, 13, &value)
}

/// Reliability row C8.
#[test]
fn r_c08_a_flood_of_resets_is_kept_nowhere() {
    let (mut line, tag, tsn) = connected_with_tag(34);
    let mut growth = Growth::start();
    for n in 0..100_000u32 {
        // Of the future, of now for data that never comes, and of the past.
        let request = tsn.wrapping_add([5 + n, 0, u32::MAX][n as usize % 3]);
        let last = tsn.wrapping_add(1 << 20);
        hit(&mut line, &reset(tag, request, last, 0..500));
        if n % 1_000 == 0 {
            growth.look();
        }
    }
    let reset = |event: &SctpEvent| matches!(event, SctpEvent::IncomingReset(_));
    assert!(!line.sides[B].events.iter().any(reset));
    growth.at_most(1_024);
    assert_alive(&mut line);
}

/// Reliability row C8: in turn, of streams that were never used or are closed already; answers that
/// nobody asked for, and requests for more streams.
#[test]
fn r_c08_resets_of_unknown_streams_in_turn_leave_nothing() {
    let count = if full_size() { 100_000 } else { 5_000 };
    let (mut line, tag, tsn) = connected_with_tag(35);
    let mut growth = Growth::start();
    let before = cpu();
    for n in 0..count {
        let last = tsn.wrapping_sub(1);
        let request = tsn.wrapping_add(n);
        let ids = (0..500).map(|id| (id * 131 + n as u16 % 7) % 65_535);
        hit(&mut line, &reset(tag, request, last, ids));
        for kind in [15, 16, 17, 18, 99] {
            let value = [request.to_be_bytes(), [0, 0, 0, 1]].concat();
            hit(&mut line, &reconfig(tag, kind, &value));
        }
        if n % 1_000 == 0 {
            growth.look();
        }
    }
    println!("{count} of 500 streams: {:?}", cpu() - before);
    growth.at_most(1_024);
    assert!(line.sides[B].sctp.is_connected());
}

/// What the application does not read waits, as it does in a connection.
struct Pile {
    line: Line,
    waiting: Vec<(u16, Bytes)>,
    taken: Duration,
}

impl Pile {
    fn take(&mut self, packet: &[u8]) {
        let now = self.line.now;
        let before = cpu();
        let side = &mut self.line.sides[B];
        side.sctp.handle_packet(now, packet);
        let mut out = Vec::new();
        while side.sctp.poll_packet(now, &mut out) {}
        while let Some(event) = side.sctp.poll_event() {
            if let SctpEvent::Message { stream, data, .. } = event {
                self.waiting.push((stream, data));
            }
        }
        self.taken += cpu() - before;
    }
}

/// Reliability row C9: a million of one byte, to one stream or to all, in order or not, ending or
/// not, many in a packet or each in its own.
#[test]
fn r_c09_a_million_messages_of_one_byte_that_nobody_reads() {
    let count: u32 = if full_size() { 1_000_000 } else { 150_000 };
    const UNORDERED: u8 = 4;
    let cases = [
        ("one stream", 1u32, WHOLE, 50),
        ("one stream, not in order", 1, WHOLE | UNORDERED, 50),
        ("one stream, a packet each", 1, WHOLE, 1),
        ("all streams", 65_535, WHOLE, 50),
        ("all streams, a packet each", 65_535, WHOLE, 1),
        ("all streams, that never end", 65_535, wire::FLAG_BEGIN, 50),
        ("all streams, every other missing", 65_535, WHOLE, 50),
    ];
    for (case, (name, streams, flags, per_packet)) in cases.into_iter().enumerate() {
        let (mut line, tag, tsn) = connected_with_tag(40);
        line.sides[B].reads = false;
        let mut growth = Growth::start();
        let mut pile = Pile {
            line,
            waiting: Vec::new(),
            taken: Duration::ZERO,
        };
        let stride = if case == 6 { 2 } else { 1 };
        let mut sent = 0;
        while sent < count {
            let chunks: Vec<Vec<u8>> = (sent..sent + per_packet)
                .map(|n| {
                    let stream = (n % streams) as u16;
                    let ssn = (n / streams) as u16;
                    data(
                        tsn.wrapping_add(n * stride + (stride - 1)),
                        stream,
                        ssn,
                        flags,
                        b"x",
                    )
                })
                .collect();
            sent += per_packet;
            pile.take(&packet(tag, &chunks));
            if sent % 10_000 == 0 {
                growth.look();
            }
        }
        let waiting = pile.waiting.len();
        println!("{name}: {waiting} of {sent} wait, CPU {:?}", pile.taken);
        let unread = pile.line.sides[B].unread.get();
        assert!(unread <= 2 * WINDOW as usize, "{name}: {unread}");
        assert!(
            waiting * Unread::cost(1) <= 2 * WINDOW as usize,
            "{name}: {waiting}"
        );
        growth.at_most(2 * u64::from(WINDOW) / 1_024);
        if full_size() && !cfg!(debug_assertions) {
            assert!(pile.taken <= secs(2), "{name}: {:?}", pile.taken);
        }
        assert!(pile.line.sides[B].sctp.is_connected(), "{name}");
    }
}
