//! A hostile peer behind a genuine DTLS association.

use super::super::wire;
use super::*;

/// The tag that packets to B carry, and A's first TSN, seen on the line.
pub(super) fn connected_with_tag(seed: u64) -> (Line, u32, u32) {
    tagged(Line::new(seed))
}

pub(super) fn tagged(mut line: Line) -> (Line, u32, u32) {
    use std::sync::{Arc, Mutex};
    let seen = Arc::new(Mutex::new((0, 0)));
    let into = seen.clone();
    line.filter = Some(Box::new(move |from, packet| {
        if from == A {
            let tag = wire::u32_at(packet, 4).unwrap();
            let mut seen = into.lock().unwrap();
            if tag != 0 {
                seen.0 = tag;
            } else {
                seen.1 = wire::u32_at(packet, 28).unwrap();
            }
        }
        true
    }));
    line.connect();
    line.filter = None;
    let (tag, tsn) = *seen.lock().unwrap();
    (line, tag, tsn)
}

pub(super) fn packet(tag: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    wire::begin_packet(&mut out, 5000, tag);
    for chunk in chunks {
        out.extend_from_slice(chunk);
    }
    wire::put_checksum(&mut out);
    out
}

pub(super) fn data(tsn: u32, stream: u16, ssn: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = tsn.to_be_bytes().to_vec();
    body.extend_from_slice(&stream.to_be_bytes());
    body.extend_from_slice(&ssn.to_be_bytes());
    body.extend_from_slice(&BINARY.to_be_bytes());
    body.extend_from_slice(payload);
    wire::chunk(wire::DATA, flags, &body)
}

pub(super) fn hit(line: &mut Line, packet: &[u8]) {
    let now = line.now;
    line.sides[B].sctp.handle_packet(now, packet);
    let mut out = Vec::new();
    while line.sides[B].sctp.poll_packet(now, &mut out) {}
    while let Some(event) = line.sides[B].sctp.poll_event() {
        if let SctpEvent::Message { data, .. } = event
            && line.sides[B].reads
        {
            line.sides[B].unread.read(data.len());
        }
    }
}

/// The association works as ever.
pub(super) fn assert_alive(line: &mut Line) {
    let (a, b) = (line.received(A), line.received(B));
    line.send(A, 40, numbered(1, 3_000));
    line.send(B, 41, numbered(1, 3_000));
    assert!(
        line.run_until(secs(10), |line| {
            line.received(A) == a + 3_000 && line.received(B) == b + 3_000
        }),
        "seed {}",
        line.seed
    );
}

#[test]
fn r_a10_lengths_that_lie_are_dropped_alone() {
    let (mut line, tag, _) = connected_with_tag(30);
    for kind in 0..=255u8 {
        // These mean what they say: the end, and that nothing more comes up to a TSN.
        if [wire::ABORT, wire::SHUTDOWN, wire::FORWARD_TSN].contains(&kind) {
            continue;
        }
        for length in [0u16, 1, 2, 3, 5, 8, 60, 65_535] {
            let mut chunk = vec![kind, 0];
            chunk.extend_from_slice(&length.to_be_bytes());
            chunk.extend_from_slice(&[0; 8]);
            hit(&mut line, &packet(tag, &[chunk]));
        }
        // Nested: a parameter or an error cause longer than what holds it.
        for length in [0u16, 1, 3, 500] {
            let mut body = vec![0; 16];
            body.extend_from_slice(&[0, 13]);
            body.extend_from_slice(&length.to_be_bytes());
            hit(&mut line, &packet(tag, &[wire::chunk(kind, 0, &body)]));
            hit(
                &mut line,
                &packet(tag, &[wire::chunk(kind, 0, &body[16..])]),
            );
        }
    }
    assert!(line.sides[B].sctp.counters().dropped > 1_000);
    assert_alive(&mut line);
}

#[test]
fn r_c07_jumps_of_a_forward_tsn_cost_nothing() {
    for jump in [1u32, 1_000, 40_000, 1 << 20, (1 << 31) - 1] {
        let jumped = || {
            let (mut line, tag, tsn) = connected_with_tag(32);
            let forward = wire::chunk(
                wire::FORWARD_TSN,
                0,
                &tsn.wrapping_sub(1).wrapping_add(jump).to_be_bytes(),
            );
            let start = Instant::now();
            hit(&mut line, &packet(tag, &[forward]));
            (start.elapsed(), line, tag, tsn)
        };
        // The machine may be busy with something else: the best of some counts.
        let tries = (0..10).map(|_| jumped()).min_by_key(|(took, ..)| *took);
        let (took, mut line, tag, tsn) = tries.unwrap();
        assert!(took < ms(10), "{took:?}");
        // What the peer skipped is lost to it; the rest goes on from there.
        let next = tsn.wrapping_add(jump);
        hit(&mut line, &packet(tag, &[data(next, 3, 0, 3, b"on")]));
        assert!(line.sides[B].sctp.is_connected());
    }
}

#[test]
fn r_c07_acknowledgements_of_what_was_never_sent_are_nothing() {
    let (mut line, tag, _) = connected_with_tag(33);
    let mut rng = Rng::new(33);
    for _ in 0..10_000 {
        let mut body = rng.bytes(8);
        body.extend_from_slice(&[0, 8, 0, 0]);
        body.extend_from_slice(&rng.bytes(32));
        hit(
            &mut line,
            &packet(tag, &[wire::chunk(wire::SACK, 0, &body)]),
        );
    }
    assert!(line.sides[B].sctp.is_connected());
}

/// Messages that never end, and gaps that are never filled, take the window and no more.
#[test]
fn r_c09_r_c10_what_never_ends_takes_the_window_and_no_more() {
    let (mut line, tag, tsn) = connected_with_tag(35);
    line.sides[B].reads = false;
    let start = Instant::now();
    let piece = vec![7; 1_000];
    for n in 0..30_000u32 {
        let chunk = data(tsn.wrapping_add(2 + n), 3, 0, 0, &piece);
        hit(&mut line, &packet(tag, &[chunk]));
    }
    // 65,535 streams with the beginning of a message each, where every other chunk is missing.
    let (mut line, tag, tsn) = connected_with_tag(36);
    for n in 0..65_535u32 {
        let chunk = data(
            tsn.wrapping_add(1 + n * 2),
            n as u16,
            0,
            wire::FLAG_BEGIN,
            b"x",
        );
        hit(&mut line, &packet(tag, &[chunk]));
    }
    assert!(start.elapsed() < secs(30), "{:?}", start.elapsed());
    assert!(line.sides[B].sctp.is_connected());
    assert!(line.sides[B].sctp.counters().dropped > 60_000);
}

/// A peer that sends on whatever window it is told, in order, while nobody reads; beside something
/// that can never be delivered.
#[test]
fn r_c09_a_peer_that_minds_no_window_gets_no_more_than_two() {
    const WHOLE: u8 = wire::FLAG_BEGIN | wire::FLAG_END;
    let most = WINDOW as usize * 2 + config(false).max_message_size as usize;
    // What comes first, and what the flood is made of.
    let cases = [
        (None, WHOLE, 1_000),
        (None, WHOLE, 1),
        // A beginning whose end cannot come any more.
        (Some((0, wire::FLAG_BEGIN)), WHOLE, 1_000),
        // The sixth message of a stream that has no first.
        (Some((5, WHOLE)), WHOLE, 1_000),
        (Some((5, WHOLE)), WHOLE, 1),
    ];
    for (case, (first, flags, size)) in cases.into_iter().enumerate() {
        let (mut line, tag, mut tsn) = connected_with_tag(38);
        line.sides[B].reads = false;
        if let Some((ssn, flags)) = first {
            hit(&mut line, &packet(tag, &[data(tsn, 3, ssn, flags, b"x")]));
            tsn = tsn.wrapping_add(1);
        }
        let payload = vec![7; size];
        let per_packet = 1_000 / size.max(20);
        let cost = Unread::cost(size);
        let chunks = most * 3 / 2 / cost;
        let mut next = 0u32;
        while (next as usize) < chunks {
            let chunks: Vec<Vec<u8>> = (0..per_packet as u32)
                .map(|n| {
                    data(
                        tsn.wrapping_add(next + n),
                        4,
                        (next + n) as u16,
                        flags,
                        &payload,
                    )
                })
                .collect();
            next += per_packet as u32;
            hit(&mut line, &packet(tag, &chunks));
        }
        let side = &line.sides[B].sctp;
        let taken = next as usize - side.counters().dropped as usize;
        println!("case {case}: {taken} of {next} chunks of {size} taken");
        assert!(taken * cost <= most + cost, "case {case}: {}", taken * cost);
        assert!(taken * cost >= WINDOW as usize / 2, "case {case}");
        assert!(side.is_connected());
    }
}

/// Chunks that cannot become a message whatever comes: nothing but beginnings, ends, or middles.
#[test]
fn r_c09_what_cannot_become_a_message_is_not_kept() {
    for flags in [wire::FLAG_BEGIN, wire::FLAG_END, 0] {
        let (mut line, tag, tsn) = connected_with_tag(39);
        line.sides[B].reads = false;
        let whole = wire::FLAG_BEGIN | wire::FLAG_END;
        hit(&mut line, &packet(tag, &[data(tsn, 3, 0, whole, b"x")]));
        let before = line.sides[B].sctp.counters().dropped;
        for n in 1..20_000 {
            let chunk = data(tsn.wrapping_add(n), 3, 1, flags, &[7; 1_000]);
            hit(&mut line, &packet(tag, &[chunk]));
        }
        let dropped = line.sides[B].sctp.counters().dropped - before;
        assert!(dropped >= 19_998, "{flags}: {dropped}");
        // They were 20 MB, more than the window has.
        let next = tsn.wrapping_add(20_000);
        hit(&mut line, &packet(tag, &[data(next, 4, 0, whole, &[1; 9])]));
        // At most the one before it, which can end no more.
        let now = line.sides[B].sctp.counters().dropped - before;
        assert!(now <= dropped + 1, "{flags}");
        let heard = line.sides[B].unread.get();
        assert_eq!(heard, Unread::cost(1) + Unread::cost(9), "{flags}");
    }
}

#[test]
fn r_c10_a_message_beyond_the_largest_is_told_once_and_the_rest_lives() {
    let (mut line, ..) = connected_with_tag(37);
    line.send(A, 5, vec![0; 256 * 1024]);
    line.send(A, 6, vec![0; 256 * 1024 + 1]);
    line.send(A, 7, vec![0; 10 * 256 * 1024]);
    line.send(A, 5, vec![1; 10]);
    line.run_for(secs(5));
    let sizes: Vec<(u16, usize)> = line.sides[B]
        .got
        .iter()
        .map(|(_, stream, _, data)| (*stream, data.len()))
        .collect();
    assert_eq!(sizes, [(5, 256 * 1024), (5, 10)]);
    let told: Vec<u16> = line.sides[B]
        .events
        .iter()
        .filter_map(|event| match event {
            SctpEvent::TooLarge(stream) => Some(*stream),
            _ => None,
        })
        .collect();
    assert_eq!(told, [6, 7]);
    assert_alive(&mut line);
}

#[test]
fn empty_data_and_foreign_tags_are_dropped() {
    let (mut line, tag, tsn) = connected_with_tag(38);
    hit(&mut line, &packet(tag, &[data(tsn, 0, 0, 3, b"")]));
    hit(&mut line, &packet(tag ^ 1, &[data(tsn, 0, 0, 3, b"x")]));
    hit(
        &mut line,
        &packet(tag ^ 1, &[wire::chunk(wire::ABORT, 0, &[])]),
    );
    assert_eq!(line.sides[B].sctp.counters().dropped, 3);
    assert_alive(&mut line);
}
