//! Greater packets where the path carries them, and none where it does not (RFC 8899).

use std::sync::{Arc, Mutex};

use super::super::wire;
use super::*;

/// IPv4 and UDP, which the simulated network adds.
const HEADERS: usize = 28;
/// The path carries the base packet and nothing of the ladder.
const NARROW: usize = MAX_PACKET + HEADERS;
const WIDE: usize = 1_500;
const LARGEST: usize = 1_432;

fn link(mtu: usize) -> Link {
    Link {
        latency: ms(20),
        rate_bps: Some(10_000_000),
        queue_bytes: 4 << 20,
        mtu: Some(mtu),
        ..Link::default()
    }
}

/// Over a link of an MTU, connected, after `time` of sending.
fn after_bulk(seed: u64, mtu: usize, time: Duration) -> Line {
    let mut line = Line::connected(seed);
    line.link(link(mtu));
    bulk(&mut line, time, 16_384);
    line
}

fn largest(line: &Line) -> usize {
    line.sides[A].sctp.largest_packet()
}

/// All that was sent comes, in order.
fn assert_nothing_lost(line: &mut Line) {
    let count = line.next;
    assert!(
        line.run_until(secs(600), |line| line.sides[B].got.len() == count as usize),
        "{} of {count}, seed {}",
        line.sides[B].got.len(),
        line.seed
    );
    assert_in_order(line, B, 0, count);
}

/// Counts A's probes, and loses what `lost` says of the first chunk's type.
fn watch(line: &mut Line, lost: impl Fn(usize, u8) -> bool + 'static) -> Arc<Mutex<usize>> {
    let probes = Arc::new(Mutex::new(0));
    let count = probes.clone();
    line.filter = Some(Box::new(move |from, packet| {
        let kind = packet[wire::COMMON_HEADER];
        if from == A && is_probe(packet) {
            *count.lock().unwrap() += 1;
        }
        !lost(from, kind)
    }));
    probes
}

#[test]
fn packets_grow_to_what_the_path_carries() {
    for (mtu, size) in [
        (NARROW, MAX_PACKET),
        (1_390, 1_352),
        (1_430, 1_392),
        (1_450, 1_412),
        (WIDE, LARGEST),
        (9_000, LARGEST),
    ] {
        let mut line = after_bulk(1, mtu, secs(5));
        assert_eq!(largest(&line), size, "{mtu}");
        // Probes alone were too great, and their loss had no other effect.
        assert!(line.net.counters().too_big <= 3, "{mtu}");
        assert_eq!(line.sides[A].sctp.counters().retransmitted, 0, "{mtu}");
        // Who sends nothing has nothing to gain.
        assert_eq!(line.sides[B].sctp.largest_packet(), MAX_PACKET);
        assert_nothing_lost(&mut line);
    }
}

#[test]
fn a_narrow_path_costs_nothing() {
    let rate = |probes_path| {
        let narrow = |initiator| SctpConfig {
            probes_path,
            ..config(initiator)
        };
        let mut line = Line::with(2, [narrow(true), narrow(false)]);
        line.connect();
        line.link(link(NARROW));
        bulk(&mut line, secs(10), 16_384)
    };
    let (with, without) = (rate(true), rate(false));
    println!("{with} and {without} bytes");
    assert!(with * 100 >= without * 99, "{with} of {without}");
}

/// A lost probe is no loss: what follows is the same to the byte as without probes.
#[test]
fn lost_probes_change_nothing_under_random_loss() {
    let run = |probes_path| {
        let config = |initiator| SctpConfig {
            probes_path,
            ..config(initiator)
        };
        let mut line = Line::with(3, [config(true), config(false)]);
        line.connect();
        line.link(Link {
            loss: 0.1,
            ..Link::default()
        });
        let probes = watch(&mut line, |from, kind| from == A && kind == wire::HEARTBEAT);
        let bytes = bulk(&mut line, secs(4), 16_384);
        let counters = line.sides[A].sctp.counters();
        let probes = *probes.lock().unwrap();
        ((bytes, counters, largest(&line)), probes)
    };
    let (with, probes) = run(true);
    let (without, none) = run(false);
    assert_eq!((probes, none), (3, 0));
    assert_eq!(with, without);
}

#[test]
fn packets_grow_under_random_loss() {
    for seed in 0..3 {
        let mut line = Line::connected(seed);
        line.link(Link {
            loss: 0.1,
            ..link(WIDE)
        });
        let mut grown = 0;
        for _ in 0..30 {
            bulk(&mut line, secs(1), 16_384);
            grown = grown.max(largest(&line));
        }
        assert!(grown > MAX_PACKET, "seed {seed}");
        assert_nothing_lost(&mut line);
    }
}

/// The path becomes narrower and tells nobody.
#[test]
fn r_d11_a_black_hole_is_left_within_seconds_and_nothing_is_lost() {
    for (seed, size) in [(4, 16_384), (5, 65_536), (6, 300)] {
        let mut line = Line::connected(seed);
        line.link(link(WIDE));
        bulk(&mut line, secs(3), size);
        assert_eq!(largest(&line), LARGEST);
        line.link(link(NARROW));
        let lost = line.net.counters().too_big;
        bulk(&mut line, secs(8), size);
        assert_eq!(largest(&line), MAX_PACKET);
        let mut times: Vec<Instant> = line.sides[B].got.iter().map(|(at, ..)| *at).collect();
        times.push(line.now);
        let silence = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        let lost = line.net.counters().too_big - lost;
        println!("{size}: silent for {silence:?}, {lost} too great");
        assert!(silence <= Some(secs(2)), "{silence:?}");
        // At full rate again, soon.
        let rate = bulk(&mut line, secs(5), size) / 5;
        assert!(rate >= 900_000, "{rate}");
        // What is tried again is tried rarely.
        let tried = line.net.counters().too_big;
        bulk(&mut line, secs(25), size);
        assert!(line.net.counters().too_big - tried <= 3);
        assert_nothing_lost(&mut line);
    }
}

/// The first time-out is enough, where there is little to lose.
#[test]
fn a_lone_message_waits_for_one_time_out() {
    let mut line = after_bulk(14, WIDE, secs(3));
    assert_nothing_lost(&mut line);
    assert_eq!(largest(&line), LARGEST);
    line.link(link(NARROW));
    let next = numbered(line.next, 4_000);
    line.send(A, 0, next);
    line.next += 1;
    let count = line.next as usize;
    let came = line.run_until(ms(600), |line| line.sides[B].got.len() == count);
    assert!(came);
    assert_eq!(largest(&line), MAX_PACKET);
}

/// A peer that is silent for a while has lost nothing.
#[test]
fn late_acknowledgements_are_no_black_hole() {
    let mut line = after_bulk(13, WIDE, secs(3));
    let (from, until) = (line.now, line.now + ms(100));
    line.link(Link {
        latency: ms(900),
        ..link(WIDE)
    });
    bulk(&mut line, until - from, 16_384);
    line.link(link(WIDE));
    let fell = |line: &Line| largest(line) == MAX_PACKET;
    assert!(line.run_until(secs(2), fell), "there was a time-out");
    let back = |line: &Line| largest(line) == LARGEST;
    assert!(line.run_until(secs(1), back));
    assert_nothing_lost(&mut line);
}

/// Small packets come over, so that no time-out tells of the black hole.
#[test]
fn a_black_hole_beside_small_packets_is_noticed() {
    let mut line = after_bulk(7, WIDE, secs(3));
    assert_eq!(largest(&line), LARGEST);
    line.link(link(NARROW));
    let start = line.now;
    let mut said = 0;
    for n in 0..500 {
        if n % 50 == 0 {
            let next = numbered(line.next, 16_384);
            line.send(A, 0, next);
            line.next += 1;
        }
        line.send(A, 1, numbered(said, 50));
        said += 1;
        line.run_for(ms(10));
        assert!(n < 100 || largest(&line) == MAX_PACKET, "{n}");
    }
    let last = line.next;
    assert!(line.run_until(secs(3), |line| {
        line.sides[B]
            .got
            .iter()
            .any(|(_, stream, _, data)| *stream == 0 && number(data) == last - 1)
    }));
    assert!(line.now - start < secs(8));
    line.run_for(secs(1));
    assert_in_order(&line, B, 0, last);
    assert_in_order(&line, B, 1, said);
}

/// Other paths carry other things; the same path does after a while.
#[test]
fn the_search_begins_anew_on_a_new_path_and_after_ten_minutes() {
    let mut line = after_bulk(8, 1_400, secs(5));
    assert_eq!(largest(&line), 1_352);
    line.link(link(WIDE));
    bulk(&mut line, secs(20), 16_384);
    assert_eq!(largest(&line), 1_352, "it is believed for ten minutes");
    line.sides[A].sctp.path_changed();
    assert_eq!(largest(&line), MAX_PACKET);
    bulk(&mut line, secs(5), 16_384);
    assert_eq!(largest(&line), LARGEST);

    let mut line = after_bulk(9, NARROW, secs(5));
    line.link(link(WIDE));
    line.run_for(secs(590));
    bulk(&mut line, secs(1), 16_384);
    assert_eq!(largest(&line), MAX_PACKET);
    line.run_for(secs(10));
    bulk(&mut line, secs(2), 16_384);
    assert_eq!(largest(&line), LARGEST);
    // Back after a pause: it may be another path.
    let now = line.now;
    line.sides[A].sctp.path_restored(now);
    assert_eq!(largest(&line), MAX_PACKET);
    assert_nothing_lost(&mut line);
}

#[test]
fn a_peer_that_answers_no_probe_gets_base_packets() {
    let mut line = Line::connected(10);
    line.link(link(WIDE));
    let probes = watch(&mut line, |from, kind| {
        from == B && kind == wire::HEARTBEAT_ACK
    });
    bulk(&mut line, secs(20), 16_384);
    assert_eq!(largest(&line), MAX_PACKET);
    assert_eq!(*probes.lock().unwrap(), 3);
    assert_eq!(line.sides[A].sctp.counters().retransmitted, 0);
}

#[test]
fn who_sends_little_sends_no_probe() {
    let mut line = Line::connected(11);
    line.link(link(WIDE));
    let probes = watch(&mut line, |_, _| false);
    for n in 0..1_000 {
        line.send(A, 1, numbered(n, 100));
        line.run_for(ms(20));
    }
    line.send(A, 0, numbered(0, 60_000));
    line.run_for(secs(600));
    assert_eq!(*probes.lock().unwrap(), 0);
    // Nor does one that has stopped.
    line.send(A, 2, numbered(0, 100_000));
    line.run_for(secs(3));
    assert_eq!(largest(&line), LARGEST);
    let before = *probes.lock().unwrap();
    line.run_for(secs(4_000));
    assert_eq!(*probes.lock().unwrap(), before);
}

/// Only what comes back as it was sent proves anything.
#[test]
fn a_made_up_answer_proves_nothing() {
    let mut line = Line::connected(12);
    line.link(link(NARROW));
    let tag = Arc::new(Mutex::new(0));
    let into = tag.clone();
    line.filter = Some(Box::new(move |from, packet| {
        if from == B {
            *into.lock().unwrap() = wire::u32_at(packet, 4).unwrap();
        }
        true
    }));
    bulk(&mut line, ms(500), 16_384);
    let tag = *tag.lock().unwrap();
    let mut rng = Rng::new(12);
    for n in 0..1_000 {
        let mut body = Vec::new();
        let mut info = rng.bytes(8);
        info.extend_from_slice(&1_352u32.to_be_bytes());
        info.truncate([12, 12, 11, 7, 0][n % 5]);
        wire::put_parameter(&mut body, [1, 2][n % 2], &info);
        body.truncate([100, 3][n % 2]);
        let mut packet = Vec::new();
        wire::begin_packet(&mut packet, 5000, tag);
        packet.extend_from_slice(&wire::chunk(wire::HEARTBEAT_ACK, 0, &body));
        wire::put_checksum(&mut packet);
        let now = line.now;
        line.sides[A].sctp.handle_packet(now, &packet);
    }
    assert_eq!(largest(&line), MAX_PACKET);
    assert_nothing_lost(&mut line);
}
