//! Audio that carries its own past (RFC 2198): what is lost comes with the next packet.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::{
    OutgoingRtp, ReceiverRepair, ReceiverSpec, RedCounters, RedFormat, RedStream, RtxStream,
    SendOutcome,
};
use super::harness::{A, B, PT, Setup, World, ms, receiver_spec, secs};
use crate::rtp::{ReceiverId, RtpPacket};
use crate::simnet::{Link, Rng};

const SSRC: u32 = 100;
const RED: u8 = 63;
const DIGITS: u8 = 101;
const FRAME: u32 = 960;

fn spec() -> ReceiverSpec {
    let mut spec = receiver_spec(&[SSRC]);
    spec.declaration.kind = "audio";
    spec.clock_rates = vec![(PT, 48_000), (RED, 48_000), (DIGITS, 0)];
    spec.red = vec![RedFormat {
        payload_type: RED,
        carried: vec![PT],
    }];
    spec
}

fn stream(distance: usize) -> Option<RedStream> {
    Some(RedStream {
        payload_type: RED,
        carried: PT,
        distance,
    })
}

/// A connected pair; A sends audio to B.
fn audio(seed: u64, distance: usize) -> (World, ReceiverId) {
    let mut world = World::connected(seed, &Setup::default());
    world.add_sender(A, SSRC);
    let engine = &mut world.peers[A].engine;
    engine.media_mut().set_sender_red(SSRC, stream(distance));
    let now = world.now;
    let id = world.peers[B].engine.add_receiver(now, spec()).unwrap();
    (world, id)
}

/// What packet `n` carries: its size and bytes differ from those of its neighbours.
fn payload(n: u16) -> Vec<u8> {
    let mut rng = Rng::new(u64::from(n));
    let len = 40 + rng.below(80) as usize;
    rng.bytes(len)
}

fn send(world: &mut World, packet: &OutgoingRtp<'_>) {
    let now = world.now;
    let engine = &mut world.peers[A].engine;
    let sent = engine.send_rtp(now, SSRC, packet).unwrap();
    assert_eq!(sent, SendOutcome::Sent);
    world.flush();
}

/// Goes on where the numbers begin anew.
fn time(n: u16) -> u32 {
    (i32::from(n as i16) * FRAME as i32) as u32
}

fn packet(n: u16, payload: &[u8]) -> OutgoingRtp<'_> {
    OutgoingRtp {
        marker: false,
        payload_type: PT,
        sequence_number: n,
        timestamp: time(n),
        csrcs: &[],
        extensions: &[],
        head: &[],
        payload,
        shared: None,
    }
}

fn send_frame(world: &mut World, n: u16) {
    let payload = payload(n);
    send(world, &packet(n, &payload));
}

fn frames(world: &mut World, numbers: impl IntoIterator<Item = u16>) {
    for n in numbers {
        send_frame(world, n);
        world.run_for(ms(20));
    }
}

/// Loses the packets with these numbers, each once.
fn lose(world: &mut World, numbers: &[u16]) {
    let numbers = numbers.to_vec();
    world.filter = Some(Box::new(move |from, _, data| {
        let media = from == A && (128..192).contains(&data[0]) && !crate::rtp::is_rtcp(data);
        !(media && numbers.contains(&u16::from_be_bytes([data[2], data[3]])))
    }));
}

fn came(world: &World) -> Vec<u16> {
    let packets = world.peers[B].packets.iter();
    packets.map(|(_, _, p)| p.sequence_number).collect()
}

fn assert_genuine(packet: &RtpPacket) {
    let n = packet.sequence_number;
    assert_eq!((packet.ssrc, packet.payload_type), (SSRC, PT));
    assert_eq!(packet.timestamp, time(n));
    assert_eq!(packet.payload[..], payload(n)[..], "packet {n}");
}

/// Every fifth packet is lost, at random. What remains lost is what theory says: the chance that
/// the packet and all that carry it again are lost.
#[test]
fn g043_redundant_audio_survives_twenty_percent_loss() {
    const COUNT: usize = 5_000;
    for distance in [1, 2] {
        let (mut lost, mut back, mut missing) = (0, 0, 0);
        for seed in 0..4 {
            let (mut world, id) = audio(seed, distance);
            world.net.set_default(Link {
                latency: ms(30),
                ..Link::default()
            });
            let mut rng = Rng::new(seed ^ 0x2198);
            let gone: BTreeSet<u16> = (1..COUNT as u16 - 2)
                .filter(|_| rng.chance(0.2))
                .map(|n| n.wrapping_add(64_000))
                .collect();
            lose(&mut world, &gone.iter().copied().collect::<Vec<_>>());
            frames(
                &mut world,
                (0..COUNT as u16).map(|n| n.wrapping_add(64_000)),
            );
            world.run_for(secs(1));
            let mut seen = BTreeSet::new();
            for (_, to, packet) in &world.peers[B].packets {
                assert_eq!(*to, id);
                assert_genuine(packet);
                let n = packet.sequence_number;
                assert!(seen.insert(n), "seed {seed}: {n} twice");
            }
            // In the order of their numbers: a copy comes before the packet that carries it.
            let order = came(&world);
            let ordered = order
                .windows(2)
                .all(|two| two[1].wrapping_sub(two[0]) < 0x8000);
            assert!(ordered, "seed {seed}");
            // Packet for packet what a count by hand gives.
            let hopeless =
                |n: &u16| (1..=distance as u16).all(|k| gone.contains(&n.wrapping_add(k)));
            let expected = gone.iter().filter(|n| !hopeless(n)).count();
            let recovered = gone.iter().filter(|n| seen.contains(n)).count();
            assert_eq!(recovered, expected, "seed {seed}");
            let counters = world.peers[B].engine.media().red_counters(id, SSRC);
            assert_eq!(counters.received - counters.discarded, recovered as u64);
            assert!(counters.bytes > counters.received * 40);
            assert_eq!(world.peers[B].engine.counters().malformed_rtp, 0);
            lost += gone.len();
            back += recovered;
            missing += COUNT - seen.len();
        }
        let total = 4 * COUNT;
        let theory = 0.2f64.powi(distance as i32 + 1) * total as f64;
        println!(
            "distance {distance}: {lost} of {total} lost, {back} back, {missing} missing; \
             theory {theory:.0}"
        );
        assert!(lost > total / 6 && (missing as f64) < theory * 1.25);
    }
}

#[test]
fn redundancy_goes_on_and_off_while_sending() {
    let (mut world, id) = audio(1, 1);
    lose(&mut world, &[3, 13, 23]);
    world.tap = Some(Vec::new());
    frames(&mut world, 0..10);
    world.peers[A].engine.media_mut().set_sender_red(SSRC, None);
    frames(&mut world, 10..20);
    world.peers[A]
        .engine
        .media_mut()
        .set_sender_red(SSRC, stream(2));
    frames(&mut world, 20..30);
    let expected: Vec<u16> = (0..30).filter(|n| *n != 13).collect();
    assert_eq!(came(&world), expected);
    world.peers[B]
        .packets
        .iter()
        .for_each(|(_, _, p)| assert_genuine(p));
    let types: Vec<u8> = world
        .tap
        .take()
        .unwrap()
        .iter()
        .filter(|t| t.from == A && (128..192).contains(&t.data[0]) && !crate::rtp::is_rtcp(&t.data))
        .map(|t| t.data[1] & 0x7f)
        .collect();
    // The first of each run has nothing to carry, and costs nothing more.
    assert_eq!(types[..2], [PT, RED]);
    assert!(types[2..10].iter().all(|t| *t == RED) && types[10..21].iter().all(|t| *t == PT));
    assert!(types[21..].iter().all(|t| *t == RED));
    // A receiver that is no longer told of redundancy passes packets on as they come.
    let now = world.now;
    let engine = &mut world.peers[B].engine;
    let plain = ReceiverSpec {
        red: Vec::new(),
        ..spec()
    };
    assert!(engine.media().red_counters(id, SSRC).received > 0);
    engine.update_receiver(now, id, plain).unwrap();
    // Nor does it count any, from now on and not from the next packet on.
    let counters = engine.media().red_counters(id, SSRC);
    assert_eq!(counters, RedCounters::default());
    frames(&mut world, [30]);
    let (_, _, last) = world.peers[B].packets.last().unwrap();
    assert_eq!((last.payload_type, last.sequence_number), (RED, 30));
    // And one that learns of it midway takes no packet twice.
    let now = world.now;
    world.peers[B]
        .engine
        .update_receiver(now, id, spec())
        .unwrap();
    frames(&mut world, 31..40);
    let expected: Vec<u16> = (0..40).filter(|n| *n != 13).collect();
    assert_eq!(came(&world), expected);
}

#[test]
fn packets_that_were_carried_before_they_come_are_not_delivered_twice() {
    let (mut world, _) = audio(2, 1);
    world.tap = Some(Vec::new());
    lose(&mut world, &[1, 4, 5]);
    frames(&mut world, 0..8);
    // 4 is lost for now: 5, which carries it, is as well.
    assert_eq!(came(&world), [0, 1, 2, 3, 5, 6, 7]);
    let tap = world.tap.take().unwrap();
    let held = |n: u8| {
        let found = tap.iter().find(|t| {
            (128..192).contains(&t.data[0]) && t.data[..4][3] == n && !crate::rtp::is_rtcp(&t.data)
        });
        found.unwrap().data.clone()
    };
    for late in [1, 5] {
        world.inject(B, &held(late));
    }
    // 5 was carried by 6 already, but brings 4.
    assert_eq!(came(&world), [0, 1, 2, 3, 5, 6, 7, 4]);
    world.inject(B, &held(4));
    assert_eq!(came(&world).len(), 8);
    world.peers[B]
        .packets
        .iter()
        .for_each(|(_, _, p)| assert_genuine(p));
}

#[test]
fn digits_pauses_and_large_packets_stay_outside() {
    let (mut world, _) = audio(3, 2);
    world.tap = Some(Vec::new());
    let small = [7u8; 100];
    let at = |n: u16, timestamp: u32| OutgoingRtp {
        timestamp,
        ..packet(n, &small)
    };
    send(&mut world, &at(1, 0));
    send(&mut world, &at(2, 960));
    // A digit, and the audio after it.
    send(
        &mut world,
        &OutgoingRtp {
            payload_type: DIGITS,
            ..at(3, 960)
        },
    );
    send(&mut world, &at(4, 1_920));
    send(&mut world, &at(5, 2_880));
    // After a pause, with or without its marker, and after a gap in the numbers.
    send(&mut world, &at(6, 2_880 + 16_384));
    send(&mut world, &at(7, 20_000));
    send(
        &mut world,
        &OutgoingRtp {
            marker: true,
            ..at(8, 20_960)
        },
    );
    send(&mut world, &at(9, 21_920));
    send(&mut world, &at(20, 30_000));
    // One that was overtaken.
    send(&mut world, &at(19, 29_000));
    send(&mut world, &at(21, 31_000));
    send(&mut world, &at(22, 32_000));
    // What does not fit: a block over ten bits, a datagram that would grow too long.
    let large = [1u8; 1_024];
    send(
        &mut world,
        &OutgoingRtp {
            payload: &large[..950],
            ..at(23, 33_000)
        },
    );
    send(
        &mut world,
        &OutgoingRtp {
            payload: &large[..200],
            ..at(24, 34_000)
        },
    );
    send(
        &mut world,
        &OutgoingRtp {
            payload: &large,
            ..at(25, 35_000)
        },
    );
    send(&mut world, &at(26, 36_000));
    let tap = world.tap.take().unwrap();
    let sent: Vec<(u8, u8, usize)> = tap
        .iter()
        .filter(|t| t.from == A)
        .map(|t| (t.data[3], t.data[1] & 0x7f, t.data.len() - 12 - 16))
        .collect();
    let one = 100 + 4 + 100 + 1;
    let two = one + 104;
    assert_eq!(
        sent,
        [
            (1, PT, 100),
            (2, RED, one),
            (3, DIGITS, 100),
            (4, PT, 100),
            (5, RED, one),
            (6, PT, 100),
            (7, RED, one),
            (8, PT, 100),
            (9, RED, one),
            (20, PT, 100),
            (19, PT, 100),
            (21, RED, one),
            (22, RED, two),
            (23, RED, 950 + 105),
            (24, PT, 200),
            (25, PT, 1_024),
            (26, PT, 100),
        ]
    );
    assert!(tap.iter().all(|t| t.data.len() <= 1_200));
    world.run_for(ms(50));
    assert_eq!(came(&world).len(), sent.len());
}

/// A peer with the keys that sends what no sender would.
#[test]
fn hostile_redundancy_is_dropped_and_counted() {
    let (mut world, id) = audio(4, 1);
    world.peers[A].engine.media_mut().set_sender_red(SSRC, None);
    frames(&mut world, 0..3);
    let red = |n: u16, payload: &[u8], world: &mut World| {
        send(
            world,
            &OutgoingRtp {
                payload_type: RED,
                ..packet(n, payload)
            },
        );
        world.run_for(ms(5));
    };
    let before = came(&world).len();
    let bad: [&[u8]; 6] = [
        &[0xff; 1_000],
        &[0x80 | PT, 0, 0, 200, PT, 1, 2],
        &[PT],
        &[0x80 | PT, 0x0f, 0, 1, PT, 9],
        // The packet's own block is no audio: redundancy in redundancy, digits.
        &[RED, PT, 1],
        &[DIGITS, 1, 2, 3, 4],
    ];
    for (n, payload) in bad.into_iter().enumerate() {
        red(3 + n as u16, payload, &mut world);
    }
    assert_eq!(came(&world).len(), before);
    assert_eq!(
        world.peers[B].engine.counters().malformed_rtp,
        bad.len() as u64
    );
    // What they should have been is still missing: another packet may bring it.
    let mut carrier = vec![0x80 | PT, 0x0f, 0, 2, PT];
    carrier.extend_from_slice(&[8, 8, 9]);
    red(9, &carrier, &mut world);
    assert_eq!(came(&world)[before..], [8, 9]);
    // Blocks that are of no use: empty, of the packet's own time, of a time that is there, of
    // another payload type, twice the same.
    let counters = |world: &World| world.peers[B].engine.media().red_counters(id, SSRC);
    let discarded = counters(&world).discarded;
    let mut odd = Vec::new();
    for (payload_type, offset, len) in [(PT, 960, 0), (PT, 0, 1), (PT, 960, 1), (DIGITS, 960, 1)] {
        crate::rtp::write_red_header(&mut odd, payload_type, offset, len);
    }
    odd.extend_from_slice(&[PT, 1, 2, 3, 4]);
    red(10, &odd, &mut world);
    assert_eq!(came(&world)[before..], [8, 9, 10]);
    assert_eq!(counters(&world).discarded, discarded + 4);
    let mut rng = Rng::new(4);
    for n in 11..3_000 {
        let len = rng.below(50) as usize + 1;
        let mut payload = rng.bytes(len);
        if rng.chance(0.7) {
            let head = [0x80 | PT, rng.below(32) as u8, 0, rng.below(12) as u8, PT];
            payload.splice(..0, head);
        }
        red(n, &payload, &mut world);
    }
    // None twice, none from nowhere.
    let numbers = came(&world);
    let unique: BTreeSet<u16> = numbers.iter().copied().collect();
    assert_eq!(unique.len(), numbers.len());
    assert!(unique.iter().all(|n| *n < 3_000));
    assert!(world.both_connected_now());
}

/// What came before its description is taken apart as well.
#[test]
fn early_packets_are_taken_apart_once_they_are_described() {
    let mut world = World::connected(5, &Setup::default());
    world.add_sender(A, SSRC);
    world.peers[A]
        .engine
        .media_mut()
        .set_sender_red(SSRC, stream(1));
    lose(&mut world, &[0, 4]);
    frames(&mut world, 0..8);
    assert!(came(&world).is_empty());
    let now = world.now;
    world.peers[B].engine.add_receiver(now, spec()).unwrap();
    world.flush();
    // Also the very first, which nobody missed.
    assert_eq!(came(&world), (0..8).collect::<Vec<_>>());
    world.peers[B]
        .packets
        .iter()
        .for_each(|(_, _, p)| assert_genuine(p));
    let stats = world.peers[B].engine.rtp().inbound_stats(SSRC).unwrap();
    // Both keep the reports honest: what was lost was lost.
    assert_eq!((stats.packets_received, stats.packets_lost), (6, 1));
    assert!(
        stats.jitter < Duration::from_millis(21),
        "{:?}",
        stats.jitter
    );
}

/// Where audio is sent again as well, only what redundancy could not bring is asked for.
#[test]
fn redundancy_and_retransmission_share_the_work() {
    let (mut world, id) = audio(6, 1);
    let (rtx, rtx_type) = (101, 97);
    let now = world.now;
    let stream = RtxStream {
        ssrc: rtx,
        payload_types: vec![(PT, rtx_type)],
        next_sequence_number: 9,
    };
    let engine = &mut world.peers[A].engine;
    engine
        .set_sender_repair(now, SSRC, false, Some(stream))
        .unwrap();
    let mut both = spec();
    both.declaration.ssrcs.push(rtx);
    let engine = &mut world.peers[B].engine;
    engine.update_receiver(now, id, both).unwrap();
    engine.media_mut().set_receiver_repair(
        id,
        ReceiverRepair {
            nack: true,
            rtx_ssrcs: vec![(rtx, SSRC)],
            payload_types: vec![(rtx_type, PT)],
        },
    );
    let lost = |world: &mut World, numbers: &'static [u16]| {
        world.filter = Some(Box::new(move |_, _, data| {
            let number = u16::from_be_bytes([data[2], data[3]]);
            data[8..12] != SSRC.to_be_bytes() || !numbers.contains(&number)
        }));
    };
    lost(&mut world, &[5, 10, 15]);
    frames(&mut world, 0..20);
    let nacks = |world: &World| {
        let stats = world.peers[B].engine.rtp().inbound_stats(SSRC).unwrap();
        (stats.nacks_sent, stats.restored)
    };
    assert_eq!(nacks(&world), (0, 0));
    assert_eq!(came(&world), (0..20).collect::<Vec<_>>());
    // Of two in a row the second comes with the next packet, the first is sent again.
    lost(&mut world, &[25, 26]);
    frames(&mut world, 20..30);
    assert_eq!(nacks(&world), (1, 1));
    let mut numbers = came(&world);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>());
    world.peers[B]
        .packets
        .iter()
        .for_each(|(_, _, p)| assert_genuine(p));
}
