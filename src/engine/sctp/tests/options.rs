//! Peers that lack what is optional, drop it, or refuse it.

use std::sync::{Arc, Mutex};

use super::*;

const ZERO_CHECKSUM: u16 = 0x8001;
const EXTENSIONS: u16 = 0x8008;
const FORWARD_TSN: u16 = 0xc000;

fn first_kind(packet: &[u8]) -> u8 {
    packet[wire::COMMON_HEADER]
}

fn kinds(packet: &[u8]) -> Vec<u8> {
    let chunks = wire::chunks(&packet[wire::COMMON_HEADER..]).flatten();
    chunks.map(|chunk| chunk.kind).collect()
}

/// Where in the packet the first chunk of the kind begins.
fn chunk_at(packet: &[u8], kind: u8) -> usize {
    let mut at = wire::COMMON_HEADER;
    for chunk in wire::chunks(&packet[wire::COMMON_HEADER..]).flatten() {
        if chunk.kind == kind {
            return at;
        }
        at += 4 + chunk.body.len().next_multiple_of(4);
    }
    panic!("no chunk {kind}");
}

/// The optional parameters of an INIT or INIT ACK.
fn options(packet: &[u8]) -> Vec<u16> {
    let chunk = wire::chunks(&packet[wire::COMMON_HEADER..]).next();
    let body = chunk.unwrap().unwrap().body;
    let parameters = wire::parameters(&body[16..]).flatten();
    parameters
        .map(|(kind, _)| kind)
        .filter(|kind| kind & 0x8000 != 0)
        .collect()
}

fn is_init(packet: &[u8]) -> bool {
    [wire::INIT, wire::INIT_ACK].contains(&first_kind(packet))
}

/// Writes the packet anew with some of its optional parameters.
fn strip(packet: &mut Vec<u8>, keep: impl Fn(u16) -> bool, extensions: &[u8]) {
    let chunk = wire::chunks(&packet[wire::COMMON_HEADER..]).next();
    let chunk = chunk.unwrap().unwrap();
    let mut body = chunk.body[..16].to_vec();
    for (kind, value) in wire::parameters(&chunk.body[16..]).flatten() {
        match kind {
            EXTENSIONS if keep(kind) => wire::put_parameter(&mut body, kind, extensions),
            _ if kind & 0x8000 == 0 || keep(kind) => wire::put_parameter(&mut body, kind, value),
            _ => {}
        }
    }
    let chunk = wire::chunk(chunk.kind, 0, &body);
    packet.truncate(wire::COMMON_HEADER);
    packet[8..].fill(0);
    packet.extend_from_slice(&chunk);
    wire::put_checksum(packet);
}

/// Both sides move something, unharmed.
fn assert_works(line: &mut Line) {
    for n in 0..60 {
        line.send(A, 0, numbered(n, 20_000));
        line.send(B, 1, numbered(n, 20_000));
    }
    assert!(line.run_until(secs(20), |line| {
        line.sides.iter().all(|side| side.got.len() == 60)
    }));
    assert_in_order(line, B, 0, 60);
    assert_in_order(line, A, 1, 60);
}

fn is_reset(line: &Line, side: usize, stream: u16) -> bool {
    let events = &line.sides[side].events;
    let has = |wanted: fn(&SctpEvent) -> Option<u16>| {
        events.iter().filter_map(wanted).any(|id| id == stream)
    };
    has(|event| match event {
        SctpEvent::OutgoingReset(id) => Some(*id),
        _ => None,
    })
}

/// SCTP of pion 1.8.6 takes a packet with a parameter that it does not know for malformed.
#[test]
fn a_peer_that_drops_inits_with_unknown_parameters_is_reached() {
    let knows: [&[u16]; 2] = [&[FORWARD_TSN, EXTENSIONS], &[]];
    for known in knows {
        // Also where both sides begin, and the peer begins alone.
        for starts in [[true, false], [true, true], [false, true]] {
            let mut line = Line::with(60, starts.map(config));
            let inits = Arc::new(Mutex::new(0));
            let count = inits.clone();
            line.filter = Some(Box::new(move |from, packet| {
                if from == A && is_init(packet) {
                    *count.lock().unwrap() += 1;
                    return options(packet).iter().all(|kind| known.contains(kind));
                }
                if from == B && is_init(packet) {
                    strip(packet, |kind| known.contains(&kind), &[130, 192]);
                }
                // It knows of no packets without a checksum.
                from == B || packet[8..12] != [0; 4]
            }));
            let start = line.now;
            line.connect();
            assert!(line.now - start < secs(2), "{:?}", line.now - start);
            assert!(*inits.lock().unwrap() <= 5);
            assert_works(&mut line);
        }
    }
}

#[test]
fn a_peer_that_aborts_for_an_unknown_parameter_is_reached() {
    let mut line = Line::new(61);
    let refused = Arc::new(Mutex::new(Vec::new()));
    let into = refused.clone();
    line.filter = Some(Box::new(move |from, packet| {
        let refuses = from == A && is_init(packet) && options(packet).contains(&ZERO_CHECKSUM);
        if refuses {
            into.lock().unwrap().push(wire::u32_at(packet, 16).unwrap());
        }
        !refuses
    }));
    let now = line.now;
    line.sides[A].sctp.start(now);
    for _ in 0..20 {
        line.run_for(ms(10));
        for tag in std::mem::take(&mut *refused.lock().unwrap()) {
            let abort = wire::chunk(wire::ABORT, 0, &[0, 8, 0, 4]);
            let now = line.now;
            let packet = attack::packet(tag, &[abort]);
            line.sides[A].sctp.handle_packet(now, &packet);
        }
    }
    assert!(line.sides[A].sctp.is_connected());
    assert_works(&mut line);
    // One that refuses whatever it is offered has refused.
    let mut line = Line::new(62);
    let now = line.now;
    line.sides[A].sctp.start(now);
    let mut packet = Vec::new();
    for _ in 0..10 {
        while line.sides[A].sctp.poll_packet(now, &mut packet) {
            let tag = wire::u32_at(&packet, 16).unwrap();
            let abort = wire::chunk(wire::ABORT, 0, &[]);
            let packet = attack::packet(tag, &[abort]);
            line.sides[A].sctp.handle_packet(now, &packet);
        }
    }
    let failed = line.sides[A].sctp.poll_event();
    assert!(matches!(
        failed,
        Some(SctpEvent::Failed(SctpFailure::PeerAborted))
    ));
}

/// Silence may be the path's: what is optional is agreed on all the same once the peer is heard.
#[test]
fn a_late_peer_loses_no_option() {
    for (seed, late) in [(63, ms(700)), (64, secs(3)), (65, secs(9))] {
        let mut line = Line::new(seed);
        line.link(Link {
            latency: ms(20),
            ..Link::default()
        });
        line.net.blackout(line.now, line.now + late);
        line.connect();
        let seen = Arc::new(Mutex::new(0));
        let into = seen.clone();
        line.filter = Some(Box::new(move |_, packet| {
            if kinds(packet).contains(&wire::DATA) {
                *into.lock().unwrap() += usize::from(packet[8..12] != [0; 4]);
            }
            true
        }));
        assert_works(&mut line);
        assert_eq!(*seen.lock().unwrap(), 0, "checksums after {late:?}");
    }
}

#[test]
fn a_peer_that_drops_packets_without_checksum_gets_checksums() {
    let mut line = Line::new(66);
    line.filter = Some(Box::new(|_, packet| packet[8..12] != [0; 4]));
    line.connect();
    assert_works(&mut line);
}

/// What RE-CONFIG becomes on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The peer does not list it, and drops it.
    Unlisted,
    /// It lists nothing at all, and drops it.
    NoList,
    /// It lists it, and drops it.
    Dropped,
    /// It denies each request.
    Denied,
}

#[test]
fn streams_end_without_re_config() {
    for fault in [
        Fault::Unlisted,
        Fault::NoList,
        Fault::Dropped,
        Fault::Denied,
    ] {
        let mut line = Line::new(67);
        let requests = Arc::new(Mutex::new(0));
        let count = requests.clone();
        line.filter = Some(Box::new(move |from, packet| {
            if is_init(packet) && from == B {
                match fault {
                    Fault::Unlisted => strip(packet, |_| true, &[192]),
                    Fault::NoList => strip(packet, |kind| kind != EXTENSIONS, &[]),
                    _ => {}
                }
            }
            if !kinds(packet).contains(&wire::RECONFIG) {
                return true;
            }
            *count.lock().unwrap() += usize::from(from == A);
            if fault == Fault::Denied {
                if from == B {
                    // The one response, which is all that is in the packet.
                    let at = wire::COMMON_HEADER + 4 + 4 + 4;
                    packet[at..at + 4].copy_from_slice(&2u32.to_be_bytes());
                    packet[8..12].fill(0);
                }
                return true;
            }
            // The rest of the packet is taken: the chunk is skipped.
            let at = chunk_at(packet, wire::RECONFIG);
            packet[at] = 191;
            packet[8..12].fill(0);
            true
        }));
        line.connect();
        line.send(A, 3, numbered(1, 50_000));
        let now = line.now;
        line.sides[A].sctp.reset(now, 3);
        assert!(
            line.run_until(secs(10), |line| is_reset(line, A, 3)),
            "{fault:?}"
        );
        assert_eq!(line.received(B), 50_000);
        // The peer knows nothing of it: the stream is not used again, in either direction.
        assert!(!line.sides[A].sctp.is_usable(3), "{fault:?}");
        assert!(line.sides[A].sctp.is_usable(4));
        line.send(B, 3, numbered(1, 100));
        line.run_for(secs(1));
        assert_eq!(line.received(A), 0);
        // Nor is it waited for again.
        let now = line.now;
        let asked = *requests.lock().unwrap();
        line.sides[A].sctp.reset(now, 5);
        let soon = line.run_until(ms(500), |line| is_reset(line, A, 5));
        assert!(soon, "{fault:?}");
        assert!(*requests.lock().unwrap() <= asked + 1, "{fault:?}");
        assert_eq!(asked > 0, fault != Fault::Unlisted, "{fault:?}");
        line.send(A, 6, numbered(1, 50_000));
        line.run_for(secs(1));
        assert_eq!(line.received(B), 100_000);
    }
}

/// Silence of the path is none of the peer's.
#[test]
fn a_reset_outlives_a_blackout() {
    let mut line = Line::connected(68);
    line.link(Link {
        latency: ms(20),
        ..Link::default()
    });
    line.net.blackout(line.now, line.now + secs(28));
    let now = line.now;
    line.sides[A].sctp.reset(now, 3);
    line.run_for(secs(27));
    assert!(!is_reset(&line, A, 3));
    assert!(line.run_until(secs(4), |line| is_reset(line, A, 3)));
    assert!(line.sides[A].sctp.is_usable(3));
}

/// Partial reliability is the sender's, and needs the peer's FORWARD-TSN.
#[test]
fn without_forward_tsn_messages_are_reliable() {
    for listed in [false, true] {
        let mut line = Line::new(69);
        line.filter = Some(Box::new(move |from, packet| {
            if is_init(packet) && from == B {
                strip(packet, |kind| listed && kind == EXTENSIONS, &[130]);
            }
            !kinds(packet).contains(&wire::FORWARD_TSN)
        }));
        line.connect();
        line.link(Link {
            latency: ms(10),
            loss: 0.2,
            ..Link::default()
        });
        for n in 0..200 {
            line.send_as(A, 1, numbered(n, 3_000), true, Reliability::Retransmits(0));
            line.run_for(ms(5));
        }
        line.run_for(secs(5));
        assert_in_order(&line, B, 1, 200);
    }
}

/// One FORWARD-TSN has no room for so many streams: none of them is left waiting.
#[test]
fn what_is_given_up_on_many_streams_is_told_in_parts() {
    let mut line = Line::connected(70);
    line.link(Link {
        latency: ms(10),
        ..Link::default()
    });
    line.net.blackout(line.now, line.now + secs(1));
    for stream in 0..2_000 {
        let reliability = Reliability::Lifetime(ms(50));
        line.send_as(A, stream, numbered(0, 4), true, reliability);
    }
    line.run_for(ms(300));
    for stream in 0..2_000 {
        line.send(A, stream, numbered(1, 4));
    }
    let fresh = |line: &Line| {
        let got = line.sides[B].got.iter();
        got.filter(|(.., data)| number(data) == 1).count()
    };
    let all = line.run_until(secs(6), |line| fresh(line) == 2_000);
    assert!(all, "{}", fresh(&line));
}

/// Some peers die of a PAD chunk, others drop the packet with it.
#[test]
fn probes_are_heartbeats_and_nothing_else() {
    let mut line = Line::connected(71);
    line.link(Link {
        latency: ms(20),
        rate_bps: Some(10_000_000),
        queue_bytes: 4 << 20,
        ..Link::default()
    });
    let sizes = Arc::new(Mutex::new([Vec::new(), Vec::new()]));
    let into = sizes.clone();
    line.filter = Some(Box::new(move |from, packet| {
        let known = [wire::DATA, wire::SACK, wire::HEARTBEAT, wire::HEARTBEAT_ACK];
        assert!(kinds(packet).iter().all(|kind| known.contains(kind)));
        if is_probe(packet) {
            into.lock().unwrap()[from].push(packet.len());
        }
        true
    }));
    bulk(&mut line, secs(5), 16_384);
    let [probes, answers] = &*sizes.lock().unwrap();
    assert_eq!(probes.len(), 4);
    // They come back as they were, with nothing added.
    assert_eq!(probes, answers);
    assert_eq!(line.sides[A].sctp.largest_packet(), *probes.last().unwrap());
}

/// What the way back does not carry is not known to come over: packets stay small, and all arrives.
#[test]
fn a_narrow_way_back_keeps_packets_small() {
    let mut line = Line::connected(72);
    let wide = Link {
        latency: ms(20),
        rate_bps: Some(10_000_000),
        queue_bytes: 4 << 20,
        ..Link::default()
    };
    line.link(wide);
    let (a, b) = (line.sides[A].addr, line.sides[B].addr);
    line.net.set_link(
        b.ip(),
        a.ip(),
        Link {
            mtu: Some(1_280),
            ..wide
        },
    );
    bulk(&mut line, secs(10), 16_384);
    assert_eq!(line.sides[A].sctp.largest_packet(), MAX_PACKET);
    assert_eq!(line.sides[A].sctp.counters().retransmitted, 0);
    assert!(line.net.counters().too_big <= 3);
    let count = line.next;
    line.run_for(secs(2));
    assert_in_order(&line, B, 0, count);
}
