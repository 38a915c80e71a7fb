//! Lost video comes back: NACK, retransmission in a stream of its own and in the same one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::super::{OutgoingRtp, ReceiverRepair, RtxStream, SendOutcome};
use super::harness::{A, B, PT, Pump, Setup, World, failures, ms, outgoing, receiver_spec, secs};
use crate::rtp::extensions::TRANSPORT_CC;
use crate::rtp::{ExtensionMap, RTCHeaderExtension, ReceiverId, RtpHeader, RtpPacket};
use crate::simnet::{Link, Rng};

pub(super) const MEDIA: u32 = 100;
pub(super) const RTX: u32 = 101;
const RTX_PT: u8 = 97;

fn rtx() -> Option<RtxStream> {
    Some(RtxStream {
        ssrc: RTX,
        payload_types: vec![(PT, RTX_PT)],
        next_sequence_number: 65_500,
    })
}

fn repaired(with_rtx: bool) -> ReceiverRepair {
    ReceiverRepair {
        nack: true,
        rtx_ssrcs: if with_rtx { vec![(RTX, MEDIA)] } else { vec![] },
        payload_types: if with_rtx { vec![(RTX_PT, PT)] } else { vec![] },
    }
}

/// A packet as it is sent on.
pub(super) fn onward(packet: &RtpPacket) -> OutgoingRtp<'_> {
    OutgoingRtp {
        marker: packet.marker,
        payload_type: PT,
        sequence_number: packet.sequence_number,
        timestamp: packet.timestamp,
        csrcs: &[],
        extensions: &[],
        head: &[],
        payload: &packet.payload,
        shared: Some(&packet.payload),
    }
}

/// A connected pair whose A sends video to B, 250 packets a second.
pub(super) fn video(seed: u64, with_rtx: bool, link: Link) -> (World, ReceiverId) {
    let mut world = World::connected(seed, &Setup::default());
    world.net.set_default(link);
    // Consent checks measure the round trip.
    world.run_for(secs(12));
    world.add_sender(A, MEDIA);
    let now = world.now;
    let stream = if with_rtx { rtx() } else { None };
    world.peers[A]
        .engine
        .set_sender_repair(now, MEDIA, true, stream)
        .unwrap();
    let ssrcs: &[u32] = if with_rtx { &[MEDIA, RTX] } else { &[MEDIA] };
    let id = world.peers[B]
        .engine
        .add_receiver(now, receiver_spec(ssrcs))
        .unwrap();
    world.peers[B]
        .engine
        .media_mut()
        .set_receiver_repair(id, repaired(with_rtx));
    let mut pump = Pump::new(MEDIA, now);
    pump.every = ms(4);
    pump.sequence_number = 65_000;
    world.peers[A].pump = Some(pump);
    (world, id)
}

fn ssrc_of(datagram: &[u8]) -> Option<u32> {
    let header = RtpHeader::parse(datagram).ok()?;
    (!crate::rtp::is_rtcp(datagram)).then_some(header.ssrc)
}

/// Loses datagrams both ways with this probability; the media packets among them, by number.
pub(super) fn lose(world: &mut World, probability: f64) -> Rc<RefCell<BTreeSet<u16>>> {
    let lost = Rc::new(RefCell::new(BTreeSet::new()));
    let (list, mut rng) = (lost.clone(), Rng::new(world.seed ^ 0x1055));
    let mut first = true;
    world.filter = Some(Box::new(move |_, _, data| {
        let media = ssrc_of(data) == Some(MEDIA);
        // What is lost before anything arrived, no receiver knows of.
        if media && std::mem::take(&mut first) {
            return true;
        }
        if !rng.chance(probability) {
            return true;
        }
        if media {
            list.borrow_mut()
                .insert(u16::from_be_bytes([data[2], data[3]]));
        }
        false
    }));
    lost
}

#[test]
fn g043_five_percent_loss_with_60_ms_round_trip_is_repaired() {
    for with_rtx in [true, false] {
        let (mut lost_in_all, mut back_in_all) = (0, 0);
        for seed in 0..10 {
            let link = Link {
                latency: ms(30),
                ..Link::default()
            };
            let (mut world, id) = video(seed, with_rtx, link);
            let lost = lose(&mut world, 0.05);
            world.run_for(secs(30));
            let last = world.peers[A].pump.take().unwrap();
            world.run_for(secs(2));
            let mut seen: BTreeMap<u16, Duration> = BTreeMap::new();
            for (at, to, packet) in &world.peers[B].packets {
                assert_eq!((*to, packet.ssrc, packet.payload_type), (id, MEDIA, PT));
                assert_eq!(&packet.payload[..], &[0x55; 160]);
                // The pump's timestamps follow its numbers.
                let n = packet.sequence_number.wrapping_sub(65_000);
                assert_eq!(packet.timestamp, u32::from(n) * 1_800);
                let sent = last.next - ms(4) * (last.sent as u32 - u32::from(n));
                let twice = seen.insert(packet.sequence_number, *at - sent);
                assert!(
                    twice.is_none(),
                    "seed {seed}: {} twice",
                    packet.sequence_number
                );
            }
            // A number is lost again when its retransmission in the same stream is.
            let lost = lost.borrow();
            let in_time = |number: &&u16| seen.get(number).is_some_and(|late| *late < ms(200));
            let back = lost.iter().filter(in_time).count();
            lost_in_all += lost.len();
            back_in_all += back;
            let stats = world.peers[B].engine.rtp().inbound_stats(MEDIA).unwrap();
            assert!(stats.nacks_sent > 100 && stats.recovered as usize >= back);
            assert_eq!(stats.restored > 0, with_rtx);
            let out = world.peers[A].engine.rtp().outbound_stats(MEDIA).unwrap();
            assert!(out.nacks > 100 && out.nacked >= lost.len() as u64 * 9 / 10);
            assert_eq!(out.resent > 0, !with_rtx);
            if with_rtx {
                let again = world.peers[A].engine.rtp().outbound_stats(RTX).unwrap();
                assert!(again.packets_sent < lost.len() as u64 * 3 / 2, "{again:?}");
                assert_eq!(stats.packets_received + lost.len() as u64, out.packets_sent);
            }
            // How long repair took is no jitter of the path; the pump's clock is 16 ms off.
            assert!(stats.jitter < ms(19), "{:?}", stats.jitter);
        }
        let share = back_in_all as f64 / lost_in_all as f64;
        println!("rtx {with_rtx}: {back_in_all} of {lost_in_all} back in 200 ms, {share:.4}");
        assert!(
            lost_in_all > 3_000 && share >= 0.95,
            "rtx {with_rtx}: {share}"
        );
    }
}

#[test]
fn r_d16_ten_percent_loss_with_50_ms_of_jitter_is_repaired() {
    let (mut lost_in_all, mut back_in_all, mut asked, mut resent) = (0, 0, 0, 0);
    for seed in 0..10 {
        let link = Link {
            latency: ms(30),
            jitter: ms(50),
            ..Link::default()
        };
        let (mut world, _) = video(seed, true, link);
        let lost = lose(&mut world, 0.1);
        world.run_for(secs(20));
        world.peers[A].pump = None;
        world.run_for(secs(2));
        let came: BTreeSet<u16> = world.peers[B]
            .packets
            .iter()
            .map(|(_, _, packet)| packet.sequence_number)
            .collect();
        assert_eq!(
            came.len(),
            world.peers[B].packets.len(),
            "seed {seed}: twice"
        );
        lost_in_all += lost.borrow().len();
        back_in_all += lost.borrow().intersection(&came).count();
        asked += world.peers[B]
            .engine
            .rtp()
            .inbound_stats(MEDIA)
            .unwrap()
            .nacks_sent;
        resent += world.peers[A]
            .engine
            .rtp()
            .outbound_stats(RTX)
            .unwrap()
            .packets_sent;
    }
    let share = back_in_all as f64 / lost_in_all as f64;
    println!("{back_in_all} of {lost_in_all} back, {share:.4}; {asked} NACKs, {resent} sent again");
    assert!(lost_in_all > 4_000 && share >= 0.95, "{share}");
    // What was only late is seldom asked for.
    assert!(resent < lost_in_all as u64 * 2, "{resent} of {lost_in_all}");
}

#[test]
fn repair_holds_on_worse_paths() {
    let (all_back, all_lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = failures(0..40, |seed| {
        let link = Link {
            latency: ms(20 + seed * 2),
            jitter: ms(seed % 40),
            loss: 0.02,
            reorder: 0.05,
            duplicate: 0.02,
            ..Link::default()
        };
        let (mut world, _) = video(seed, seed % 3 != 0, link);
        let lost = lose(&mut world, 0.1);
        world.run_for(secs(10));
        world.peers[A].pump = None;
        world.run_for(secs(2));
        let packets = &world.peers[B].packets;
        let seen: BTreeSet<u16> = packets.iter().map(|(_, _, p)| p.sequence_number).collect();
        let back = lost.borrow().iter().filter(|n| seen.contains(n)).count();
        let total = lost.borrow().len();
        all_back.fetch_add(back, Relaxed);
        all_lost.fetch_add(total, Relaxed);
        seen.len() == packets.len() && back * 100 >= total * 95
    });
    assert!(failed.is_empty(), "seeds {failed:?}");
    let (back, total) = (all_back.into_inner(), all_lost.into_inner());
    assert!(back * 1_000 >= total * 985, "{back} of {total}");
}

#[test]
fn a_packet_that_comes_after_its_retransmission_is_not_delivered_twice() {
    let (mut world, _) = video(1, true, Link::default());
    world.peers[A].pump = None;
    world.net.set_default(Link {
        latency: ms(10),
        ..Link::default()
    });
    world.tap = Some(Vec::new());
    world.filter = Some(Box::new(|_, _, data| {
        ssrc_of(data) != Some(MEDIA) || data[3] != 2
    }));
    for n in 1..=3 {
        world.send(A, MEDIA, n, u32::from(n) * 1_800);
    }
    world.run_for(ms(300));
    let numbers = |world: &World| -> Vec<u16> {
        let packets = world.peers[B].packets.iter();
        packets.map(|(_, _, p)| p.sequence_number).collect()
    };
    assert_eq!(numbers(&world), [1, 3, 2]);
    let tap = world.tap.take().unwrap();
    let held = tap
        .iter()
        .find(|t| ssrc_of(&t.data) == Some(MEDIA) && t.data[3] == 2);
    let held = held.unwrap().data.clone();
    world.inject(B, &held);
    assert_eq!(numbers(&world), [1, 3, 2]);
    let restored = &world.peers[B].packets[2].2;
    assert_eq!((restored.ssrc, restored.payload_type), (MEDIA, PT));
    assert_eq!((restored.timestamp, restored.payload.len()), (3_600, 160));
}

/// RFC 4588 section 4: an SSRC and numbers of its own, the original number first in the payload.
#[test]
fn retransmissions_have_the_form_of_rfc_4588() {
    let (mut world, media) = video(2, true, Link::default());
    world.peers[A].pump = None;
    // B knows nothing of retransmissions: what comes in that stream stays as it is.
    let now = world.now;
    let engine = &mut world.peers[B].engine;
    engine.media_mut().remove_receiver(now, media);
    let media = engine.add_receiver(now, receiver_spec(&[MEDIA])).unwrap();
    engine
        .media_mut()
        .set_receiver_repair(media, repaired(false));
    let raw = world.add_receiver(B, RTX);
    world.filter = Some(Box::new(|_, _, data| {
        ssrc_of(data) != Some(MEDIA) || !matches!(data[3], 8 | 9)
    }));
    for n in [7u16, 8, 9, 10] {
        world.send(A, MEDIA, n, u32::from(n) * 1_800);
    }
    world.run_for(ms(15));
    let again: Vec<_> = world.peers[B]
        .packets
        .iter()
        .filter(|(_, id, _)| *id == raw)
        .map(|(_, _, packet)| packet)
        .collect();
    assert_eq!(again.len(), 2);
    for (i, packet) in again.into_iter().enumerate() {
        let osn = 8 + i as u8;
        assert_eq!((packet.ssrc, packet.payload_type), (RTX, RTX_PT));
        assert_eq!(usize::from(packet.sequence_number), 65_500 + i);
        assert_eq!(packet.timestamp, u32::from(osn) * 1_800);
        assert_eq!(packet.payload[..2], [0, osn]);
        assert_eq!(packet.payload[2..], [0x55; 160]);
    }
}

#[test]
fn bad_retransmissions_are_dropped_and_counted() {
    let (mut world, _) = video(3, true, Link::default());
    world.peers[A].pump = None;
    for n in 1..=3 {
        world.send(A, MEDIA, n, 0);
    }
    world.run_for(ms(50));
    let before = world.peers[B].packets.len();
    world.add_sender(A, 500);
    // A retransmits what was never lost, what is too short, and nothing at all.
    world.peers[A]
        .engine
        .set_sender_repair(world.now, MEDIA, true, None)
        .unwrap();
    world.add_sender(A, RTX);
    for (n, payload) in [&[0u8, 2, 9][..], &[0, 99, 9], &[7], &[]]
        .into_iter()
        .enumerate()
    {
        let packet = super::super::OutgoingRtp {
            payload_type: RTX_PT,
            payload,
            ..outgoing(100 + n as u16, 0)
        };
        let now = world.now;
        let sent = world.peers[A].engine.send_rtp(now, RTX, &packet).unwrap();
        assert_eq!(sent, SendOutcome::Sent);
        world.flush();
    }
    world.run_for(ms(50));
    // 99 is newer than all that came: it is taken, as a packet that overtook others would be.
    assert_eq!(world.peers[B].packets.len(), before + 1);
    let counters = world.peers[B].engine.media().repair_counters();
    assert_eq!((counters.needless, counters.malformed), (1, 1));
}

#[test]
fn nacks_of_what_is_gone_are_counted_and_cost_nothing() {
    let (mut world, _) = video(4, true, Link::default());
    world.peers[A].pump = None;
    for n in 1..=3 {
        world.send(A, MEDIA, n, 0);
    }
    world.run_for(secs(2));
    let sent = world.peers[A].sent;
    // Lost long ago: the sender has it no more.
    world.filter = Some(Box::new(|_, _, data| {
        ssrc_of(data) != Some(MEDIA) || data[3] != 4
    }));
    for n in 4..=5 {
        world.send(A, MEDIA, n, 0);
    }
    world.net.blackout(world.now + ms(1), world.now + ms(1_200));
    world.run_for(secs(5));
    let counters = world.peers[A].engine.media().repair_counters();
    let again = world.peers[A].engine.rtp().outbound_stats(RTX).unwrap();
    assert_eq!(again.packets_sent, 0, "{counters:?}");
    assert!(
        world.peers[A].sent - sent < 60,
        "{}",
        world.peers[A].sent - sent
    );
    let stats = world.peers[B].engine.rtp().inbound_stats(MEDIA).unwrap();
    assert!(stats.nacks_sent <= 8, "{}", stats.nacks_sent);
}

#[test]
fn arrivals_of_all_packets_are_told_where_the_extension_is_in_use() {
    let (mut world, _) = video(5, true, Link::default());
    let ids = ExtensionMap::new(&[RTCHeaderExtension {
        uri: TRANSPORT_CC.to_owned(),
        id: 5,
    }])
    .unwrap();
    for side in [A, B] {
        world.peers[side]
            .engine
            .media_mut()
            .set_extensions(ids.clone());
    }
    let lost = lose(&mut world, 0.05);
    let first = world.peers[A].pump.as_ref().unwrap().sent;
    world.run_for(secs(10));
    let last = world.peers[A].pump.take().unwrap().sent;
    world.filter = None;
    world.run_for(secs(2));
    let numbers = world.peers[B].packets.iter().filter(|(_, _, packet)| {
        let told = packet.extensions.get(5);
        told.is_some_and(|value| value.len() == 2)
    });
    assert!(numbers.count() > 2_000);
    let reports = world.peers[A].engine.rtp().transport_reports();
    let again = world.peers[A].engine.rtp().outbound_stats(RTX).unwrap();
    let sent = last - first + again.packets_sent;
    // Some feedback is lost as well, and some retransmissions.
    let told = reports.received + reports.lost;
    assert!(told * 10 > sent * 9 && told <= sent, "{reports:?} {sent}");
    let lost = lost.borrow().len() as u64;
    assert!(
        reports.lost * 10 > lost * 8 && reports.lost < lost * 3 / 2,
        "{reports:?} {lost}"
    );
    assert!((160..=220).contains(&reports.messages), "{reports:?}");
}

/// A browser sends old packets as padding before its description has come.
#[test]
fn g043_what_was_sent_again_before_the_description_is_restored_as_well() {
    let mut world = World::connected(8, &Setup::default());
    world.add_sender(A, MEDIA);
    world.add_sender(A, RTX);
    for number in [10, 12] {
        world.send(A, MEDIA, number, 0);
    }
    let now = world.now;
    // The number of the packet, and what was in it.
    let again = [&[0, 11], &[0x55; 160][..]].concat();
    let packet = super::super::OutgoingRtp {
        payload_type: RTX_PT,
        payload: &again,
        ..outgoing(65_000, 0)
    };
    let sent = world.peers[A].engine.send_rtp(now, RTX, &packet).unwrap();
    assert_eq!(sent, SendOutcome::Sent);
    world.flush();
    world.run_for(ms(100));
    let now = world.now;
    let spec = super::super::ReceiverSpec {
        repair: Some(repaired(true)),
        ..receiver_spec(&[MEDIA, RTX])
    };
    let id = world.peers[B].engine.add_receiver(now, spec).unwrap();
    world.flush();
    world.run_for(ms(100));
    let mut came: Vec<_> = world.peers[B]
        .packets
        .iter()
        .map(|(_, to, packet)| {
            assert_eq!((*to, packet.ssrc, packet.payload_type), (id, MEDIA, PT));
            assert_eq!(packet.payload[..], [0x55; 160]);
            packet.sequence_number
        })
        .collect();
    came.sort_unstable();
    assert_eq!(came, [10, 11, 12]);
}

/// RFC 5506: through SRTCP, and only while all descriptions of the session allow it.
#[test]
fn g043_feedback_of_reduced_size_is_sent_and_understood() {
    let (mut world, id) = video(6, true, Link::default());
    let now = world.now;
    let reduced = |ssrcs: &[u32]| super::super::ReceiverSpec {
        reduced_size: true,
        ..receiver_spec(ssrcs)
    };
    let engine = &mut world.peers[B].engine;
    engine
        .update_receiver(now, id, reduced(&[MEDIA, RTX]))
        .unwrap();
    world.run_for(secs(3));
    world.peers[A].pump.as_mut().unwrap().every = ms(20);
    // PLI and its SRTCP trailer: index and tag.
    let alone = 12 + 4 + 16;
    let asked = |world: &mut World| -> usize {
        world.run_for(ms(600));
        world.tap = Some(Vec::new());
        let now = world.now;
        let engine = &mut world.peers[B].engine;
        engine.request_keyframe(now, id, crate::rtp::KeyframeRequest::Pli);
        world.flush();
        world.run_for(ms(1));
        let tap = world.tap.take().unwrap();
        let sent = tap
            .iter()
            .find(|t| t.from == B && crate::rtp::is_rtcp(&t.data));
        sent.unwrap().data.len()
    };
    assert_eq!(asked(&mut world), alone);
    // A second track whose sender does not read it: one session, so nothing is reduced.
    let other = world.peers[B]
        .engine
        .add_receiver(now, receiver_spec(&[500]))
        .unwrap();
    assert!(asked(&mut world) > alone);
    let now = world.now;
    world.peers[B]
        .engine
        .media_mut()
        .remove_receiver(now, other);
    assert_eq!(asked(&mut world), alone);
    let counters = world.peers[A].engine.rtp().counters();
    assert_eq!(
        (counters.compounds_invalid, counters.packets_malformed),
        (0, 0)
    );
    let out = world.peers[A].engine.rtp().outbound_stats(MEDIA).unwrap();
    assert_eq!(out.plis, 3);
    // Reports still come.
    let before = world.peers[A]
        .engine
        .rtp()
        .outbound_stats(MEDIA)
        .unwrap()
        .remote
        .unwrap()
        .at;
    world.run_for(secs(3));
    let after = world.peers[A]
        .engine
        .rtp()
        .outbound_stats(MEDIA)
        .unwrap()
        .remote
        .unwrap()
        .at;
    assert!(after > before);
}
