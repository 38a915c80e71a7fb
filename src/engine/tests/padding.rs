//! Packets that take a sequence number and carry nothing: bandwidth probes, and the like.

use super::super::srtp::Srtp;
use super::super::{ReceiverRepair, RedFormat};
use super::harness::{A, PT, World, receiver_spec};
use super::insider::with_keys;
use crate::rtp::ReceiverId;

const MEDIA: u32 = 300;
const RTX: u32 = 301;
const RTX_PT: u8 = 97;
const RED_PT: u8 = 63;

/// How a packet without payload looks.
#[derive(Debug, Clone, Copy)]
enum Hollow {
    /// The P bit, and so many octets of padding.
    Padded(u8),
    /// Nothing behind the header.
    Empty,
}

fn packet(
    ssrc: u32,
    payload_type: u8,
    number: u16,
    hollow: Option<Hollow>,
    body: &[u8],
) -> Vec<u8> {
    let mut data = vec![0x80, payload_type];
    data.extend(number.to_be_bytes());
    data.extend([0; 4]);
    data.extend(ssrc.to_be_bytes());
    data.extend_from_slice(body);
    if let Some(Hollow::Padded(count)) = hollow {
        data[0] |= 0x20;
        data.extend(vec![0; usize::from(count) - 1]);
        data.push(count);
    }
    data
}

fn world(seed: u64) -> (World, Srtp, ReceiverId) {
    let (mut world, keys) = with_keys(seed);
    let mut spec = receiver_spec(&[MEDIA, RTX]);
    spec.declaration.payload_types = vec![PT, RTX_PT, RED_PT];
    spec.red = vec![RedFormat {
        payload_type: RED_PT,
        carried: vec![PT],
    }];
    spec.repair = Some(ReceiverRepair {
        nack: true,
        rtx_ssrcs: vec![(RTX, MEDIA)],
        payload_types: vec![(RTX_PT, PT)],
    });
    let now = world.now;
    let id = world.peers[A].engine.add_receiver(now, spec).unwrap();
    (world, Srtp::new(&keys).unwrap(), id)
}

fn inject(world: &mut World, srtp: &mut Srtp, mut data: Vec<u8>) {
    srtp.protect_rtp(&mut data, 0, 12).unwrap();
    world.inject(A, &data);
}

/// Numbers and payload lengths that the layer above was given.
fn given(world: &World) -> Vec<(u16, usize)> {
    let packets = world.peers[A].packets.iter();
    packets
        .map(|(_, _, packet)| (packet.sequence_number, packet.payload.len()))
        .collect()
}

#[test]
fn what_carries_nothing_still_fills_its_place() {
    let kinds = [
        (PT, Hollow::Padded(1)),
        (PT, Hollow::Padded(255)),
        (PT, Hollow::Empty),
        (RED_PT, Hollow::Padded(224)),
        (RED_PT, Hollow::Empty),
    ];
    for (payload_type, hollow) in kinds {
        let (mut world, mut srtp, _) = world(1);
        let mut expected = Vec::new();
        // Before the first packet: no media yet.
        inject(
            &mut world,
            &mut srtp,
            packet(MEDIA, payload_type, 9, Some(hollow), &[]),
        );
        expected.push((9, 0));
        assert_eq!(
            world.peers[A].engine.media().receiver_ssrcs(ReceiverId(0)),
            [MEDIA]
        );
        assert!(world.peers[A].count(|e| format!("{e:?}").contains("ReceiverConnected")) == 0);
        for n in 0..20 {
            let number = 10 + 2 * n;
            inject(
                &mut world,
                &mut srtp,
                packet(MEDIA, PT, number, None, &[7; 50]),
            );
            expected.push((number, 50));
            inject(
                &mut world,
                &mut srtp,
                packet(MEDIA, payload_type, number + 1, Some(hollow), &[]),
            );
            expected.push((number + 1, 0));
        }
        assert_eq!(given(&world), expected, "{payload_type} {hollow:?}");
        let stats = world.peers[A].engine.rtp().inbound_stats(MEDIA).unwrap();
        assert_eq!((stats.packets_lost, stats.bytes_received), (0, 1_000));
        let counters = world.peers[A].engine.counters();
        assert_eq!(counters.malformed_rtp, 0, "{payload_type} {hollow:?}");
        assert!(world.peers[A].engine.rtp().poll_timeout().is_some());
    }
}

/// In a retransmission stream: padding has a number of that stream alone; what holds an original
/// number and nothing else fills that place.
#[test]
fn retransmissions_that_carry_nothing() {
    let (mut world, mut srtp, _) = world(2);
    inject(&mut world, &mut srtp, packet(MEDIA, PT, 10, None, &[7; 50]));
    // 11 and 12 are lost: one was padding, one media.
    inject(&mut world, &mut srtp, packet(MEDIA, PT, 13, None, &[7; 50]));
    for (number, hollow) in [
        (100, Hollow::Padded(200)),
        (101, Hollow::Empty),
        (102, Hollow::Padded(1)),
    ] {
        inject(
            &mut world,
            &mut srtp,
            packet(RTX, RTX_PT, number, Some(hollow), &[]),
        );
    }
    let original = 11u16.to_be_bytes();
    inject(
        &mut world,
        &mut srtp,
        packet(RTX, RTX_PT, 103, None, &original),
    );
    let original = [&12u16.to_be_bytes()[..], &[7; 50]].concat();
    inject(
        &mut world,
        &mut srtp,
        packet(RTX, RTX_PT, 104, Some(Hollow::Padded(4)), &original),
    );
    assert_eq!(given(&world), [(10, 50), (13, 50), (11, 0), (12, 50)]);
    let counters = world.peers[A].engine.media().repair_counters();
    assert_eq!(
        (counters.malformed, counters.needless),
        (0, 0),
        "{counters:?}"
    );
    // What came twice fills nothing.
    inject(
        &mut world,
        &mut srtp,
        packet(RTX, RTX_PT, 105, None, &11u16.to_be_bytes()),
    );
    assert_eq!(given(&world).len(), 4);
}
