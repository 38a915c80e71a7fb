//! What anybody on the network can send: nothing of it has an effect.

use std::time::Instant;

use bytes::Bytes;

use super::super::dtls::{DtlsCounters, DtlsEvent, DtlsTransport};
use super::super::ice::IceState;
use super::super::{EngineState, SecureState, SendOutcome};
use super::harness::{A, B, PT, Setup, World, is_media, is_stun, ms, secs};
use crate::error::DisconnectReason;
use crate::simnet::Rng;
use crate::simnet::usage::{Growth, full_size};

const LENGTHS: [usize; 8] = [0, 1, 2, 4, 12, 20, 1_500, 65_507];

fn states(world: &World, side: usize) -> (EngineState, IceState, SecureState) {
    let engine = &world.peers[side].engine;
    let ice = engine.ice().state();
    (engine.state(), ice, engine.secure().state())
}

/// Every first byte and many lengths, from the peer's address and from a stranger's.
fn sweep(world: &mut World, fill: u8) {
    let before = states(world, A);
    let [events, sent] = [world.peers[A].events.len(), world.peers[A].sent as usize];
    let packets = world.peers[A].packets.len();
    let peer = world.peers[B].addr;
    let stranger = "10.9.9.9:9".parse().unwrap();
    let mut data = vec![fill; LENGTHS[LENGTHS.len() - 1]];
    for first in 0..=255 {
        for length in LENGTHS {
            data[0] = first;
            world.inject_from(A, peer, &data[..length]);
            world.inject_from(A, stranger, &data[..length]);
        }
    }
    assert_eq!(states(world, A), before, "{}", world.describe());
    assert_eq!(world.peers[A].events.len(), events, "{}", world.describe());
    assert_eq!(world.peers[A].packets.len(), packets);
    let replies = world.peers[A].sent as usize - sent;
    assert_eq!(replies, 0, "fill {fill}: {}", world.describe());
}

#[test]
fn r_a13_junk_of_any_first_byte_is_dropped_in_silence_at_every_stage() {
    for fill in [0x00, 0xff, 0x01] {
        let mut world = World::new(1, &Setup::default());
        sweep(&mut world, fill);
        world.signal_all();
        world.flush();
        assert_eq!(states(&world, A).1, IceState::Checking);
        sweep(&mut world, fill);
        let handshaking = world.run_until(secs(1), |w| states(w, A).2 == SecureState::Connecting);
        assert!(handshaking, "{}", world.describe());
        sweep(&mut world, fill);
        assert!(world.connect(secs(5)), "{}", world.describe());
        world.start_media();
        world.run_for(secs(1));
        sweep(&mut world, fill);
        world.run_for(secs(1));
        assert!(world.peers[A].packets.len() > 95, "{}", world.describe());
        let now = world.now;
        world.peers[A].engine.close(now, DisconnectReason::Closed);
        world.run_for(ms(10));
        sweep(&mut world, fill);
    }
}

/// Plaintext records that anybody can make, into a session that is up (B6).
#[test]
fn r_b06_plaintext_records_do_nothing_to_a_session() {
    let mut first = World::new(1, &Setup::default());
    first.tap = Some(Vec::new());
    first.signal_all();
    assert!(first.connect(secs(5)));
    let mut records: Vec<Vec<u8>> = first
        .tap
        .take()
        .unwrap()
        .into_iter()
        .map(|tapped| tapped.data)
        .filter(|data| !is_stun(data))
        .collect();
    // close_notify and a fatal alert, application data, ChangeCipherSpec, types nobody knows.
    for epoch in [0, 1, 2] {
        for (kind, body) in [
            (21u8, &[1, 0][..]),
            (21, &[2, 40]),
            (21, &[2, 0]),
            (23, &[0; 40]),
            (20, &[1]),
            (24, &[1, 0, 3, 0, 0, 0]),
            (63, &[0; 10]),
        ] {
            let mut record = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 9, 0];
            record.push(body.len() as u8);
            record.extend_from_slice(body);
            records.push(record);
        }
    }
    let mut world = World::connected(2, &Setup::default());
    world.start_media();
    world.run_for(secs(1));
    let before = world.peers[A].packets.len();
    for round in 0..100 {
        for record in &records {
            for side in [A, B] {
                world.inject(side, record);
            }
        }
        world.run_for(ms(20));
        assert!(
            world.both_connected_now(),
            "round {round}: {}",
            world.describe()
        );
    }
    let got = world.peers[A].packets.len() - before;
    assert!((99..=101).contains(&got), "{got}");
    assert!(world.peers.iter().all(|p| p.disconnects().is_empty()));
    // And the goodbye still works.
    let now = world.now;
    world.peers[A].engine.close(now, DisconnectReason::Closed);
    world.run_for(secs(1));
    let told = world.peers[B].disconnects();
    assert_eq!(told[0].1, DisconnectReason::RemoteClosed);
}

#[test]
fn r_c01_replayed_media_is_not_delivered_again() {
    let mut world = World::connected(1, &Setup::default());
    world.start_media();
    world.run_for(ms(300));
    world.tap = Some(Vec::new());
    world.run_for(secs(20));
    let mut taps: Vec<_> = world.tap.take().unwrap();
    taps.retain(|tapped| tapped.from == B && is_media(tapped.data[0]));
    let mut recent = taps.split_off(taps.len() - 1_000);
    for i in (1..recent.len()).rev() {
        recent.swap(i, world.rng.below(i as u64 + 1) as usize);
    }
    // At once, and after 10 s.
    for pause in [0, 10] {
        world.run_for(secs(pause) + ms(5));
        let before = world.peers[A].packets.len();
        let rejected = world.peers[A].engine.counters().rejected_srtp;
        for tapped in &recent {
            world.inject(A, &tapped.data);
        }
        assert_eq!(world.peers[A].packets.len(), before);
        let rejected = world.peers[A].engine.counters().rejected_srtp - rejected;
        assert_eq!(rejected, 1_000, "{}", world.describe());
    }
    world.run_for(secs(1));
    let sent = world.peers[B].pump.as_ref().unwrap().sent;
    let got = world.peers[A].packets.len() as u64;
    assert!(got >= sent - 1 && got <= sent, "{got} of {sent}");
}

fn forged(rng: &mut Rng, ssrc: u32, number: u16) -> Vec<u8> {
    let mut data = vec![0x80, PT];
    data.extend(number.to_be_bytes());
    data.extend((rng.next_u64() as u32).to_be_bytes());
    data.extend(ssrc.to_be_bytes());
    data.extend(rng.bytes(100));
    data
}

/// In full a million of the stream's own SSRC and of random ones, RTP and RTCP, each.
#[test]
fn r_c02_r_c03_forged_media_of_any_ssrc_is_rejected_and_leaves_nothing() {
    let mut world = World::connected(1, &Setup::default());
    world.start_media();
    world.run_for(secs(1));
    let mut got = 0;
    let mut rng = world.rng.clone();
    let rounds = if full_size() { 2_000 } else { 100 };
    for peer in &mut world.peers {
        peer.packets.clear();
    }
    let mut growth = Growth::start();
    for round in 0..rounds {
        for _ in 0..500 {
            let ssrc = if round % 2 == 0 {
                200
            } else {
                rng.next_u64() as u32
            };
            let number = rng.next_u64() as u16;
            let data = forged(&mut rng, ssrc, number);
            world.inject(A, &data);
            let mut rtcp = data;
            rtcp[1] = 192 + rng.below(32) as u8;
            world.inject(A, &rtcp);
        }
        growth.look();
        world.run_for(ms(20));
        got += world.peers[A].packets.len() as u64;
        for peer in &mut world.peers {
            peer.packets.clear();
        }
    }
    growth.at_most(1_024);
    let counters = world.peers[A].engine.counters();
    assert_eq!(
        counters.rejected_srtp,
        rounds * 1_000,
        "{}",
        world.describe()
    );
    assert!((rounds - 1..=rounds + 1).contains(&got), "{got}");
    assert!(world.peers[A].disconnects().is_empty());
    // Room for every honest source is left.
    for ssrc in 1_000..1_500 {
        world.add_stream(B, ssrc);
        assert_eq!(world.send(B, ssrc, 1, 1), SendOutcome::Sent);
    }
    world.run_for(ms(10));
    let heard = world.peers[A].packets.iter().filter(|p| p.2.ssrc >= 1_000);
    assert_eq!(heard.count(), 500);
}

#[test]
fn r_c04_far_ahead_forgeries_lose_no_genuine_packet() {
    // Before the stream starts, in its midst, and just before the sequence number wraps.
    for start in [1u16, 30_000, 65_500] {
        let mut world = World::connected(u64::from(start), &Setup::default());
        world.add_stream(B, 200);
        let mut rng = world.rng.clone();
        let far = |rng: &mut Rng, world: &mut World, at: u16| {
            for ahead in [1, 100, 20_000, 32_767, 32_768, 40_000, 65_535] {
                let data = forged(rng, 200, at.wrapping_add(ahead));
                world.inject(A, &data);
            }
        };
        far(&mut rng, &mut world, start);
        for n in 0..200u16 {
            let number = start.wrapping_add(n);
            assert_eq!(world.send(B, 200, number, 0), SendOutcome::Sent);
            far(&mut rng, &mut world, number);
            world.run_for(ms(5));
        }
        assert_eq!(world.peers[A].packets.len(), 200, "{}", world.describe());
    }
}

#[test]
fn r_a01_r_a02_short_media_of_every_shape_is_dropped() {
    let mut world = World::connected(1, &Setup::default());
    world.start_media();
    world.run_for(ms(500));
    let mut rng = world.rng.clone();
    let before = world.peers[A].packets.len();
    let mut shapes = 0;
    for first in 128..=191u8 {
        for length in 0..=64 {
            for second in [PT, PT | 0x80, 192, 200, 201, 205, 206, 223] {
                let mut data = rng.bytes(length);
                // Both forms of the header extension where its profile may be.
                if length >= 14 {
                    let profile: u16 = if second & 1 == 0 { 0xbede } else { 0x1000 };
                    data[12..14].copy_from_slice(&profile.to_be_bytes());
                }
                let head = [first, second];
                let known = length.min(2);
                data[..known].copy_from_slice(&head[..known]);
                world.inject(A, &data);
                shapes += 1;
            }
        }
    }
    assert_eq!(shapes, 64 * 65 * 8);
    assert_eq!(world.peers[A].packets.len(), before);
    // The next valid packet is the next one that comes.
    world.run_for(ms(100));
    assert!(world.peers[A].packets.len() >= before + 4);
    assert!(world.peers[A].disconnects().is_empty());
}

#[test]
fn r_b12_r_s17_stun_without_the_password_is_not_answered() {
    let mut world = World::new(1, &Setup::default());
    world.tap = Some(Vec::new());
    world.signal_all();
    assert!(world.connect(secs(5)));
    let taps = world.tap.take().unwrap();
    let stun: Vec<_> = taps
        .into_iter()
        .filter(|t| t.from == B && is_stun(&t.data))
        .collect();
    assert!(stun.len() >= 2);
    world.run_for(secs(1));
    let sent = world.peers[A].sent;
    let events = world.peers[A].events.len();
    let stranger = "10.9.9.9:9".parse().unwrap();
    for tapped in &stun {
        for bit in 0..tapped.data.len() * 8 {
            let mut data = tapped.data.clone();
            data[bit / 8] ^= 1 << (bit % 8);
            world.inject(A, &data);
            world.inject_from(A, stranger, &data);
        }
    }
    assert_eq!(world.peers[A].sent, sent, "a damaged message was answered");
    assert_eq!(world.peers[A].events.len(), events, "{}", world.describe());
}

/// Its parser panics.
struct Panicking;

impl DtlsTransport for Panicking {
    fn start(&mut self, _: Instant) {}
    fn handle_datagram(&mut self, _: Instant, _: &[u8]) {
        panic!("on purpose");
    }
    fn handle_timeout(&mut self, _: Instant) {
        panic!("on purpose");
    }
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    fn poll_transmit(&mut self) -> Option<Bytes> {
        None
    }
    fn poll_event(&mut self) -> Option<DtlsEvent> {
        None
    }
    fn write(&mut self, _: Instant, _: &[u8]) -> crate::Result<()> {
        Ok(())
    }
    fn close(&mut self, _: Instant) {
        panic!("on purpose, again");
    }
    fn counters(&self) -> DtlsCounters {
        DtlsCounters::default()
    }
}

#[test]
fn r_g08_a_panic_below_ends_that_connection_and_nothing_else() {
    for by_datagram in [true, false] {
        let mut bystander = World::connected(2, &Setup::default());
        bystander.start_media();
        let mut world = World::connected(1, &Setup::default());
        world.start_media();
        world.run_for(secs(1));
        world.peers[A].engine.secure.dtls = Some(Box::new(Panicking));
        if by_datagram {
            world.inject(A, &[22; 20]);
        } else {
            let now = world.now;
            world.peers[A].engine.handle_timeout(now);
        }
        world.flush();
        let disconnects = world.peers[A].disconnects();
        assert_eq!(disconnects.len(), 1);
        assert_eq!(disconnects[0].1, DisconnectReason::Internal);
        assert_eq!(world.peers[A].engine.state(), EngineState::Closed);
        assert_eq!(world.peers[A].engine.poll_timeout(), None);
        // It stays usable as an object, and silent; the peer loses consent.
        world.inject(A, &[22; 20]);
        world.run_for(secs(40));
        assert_eq!(world.peers[A].disconnects().len(), 1);
        let told = world.peers[B].disconnects();
        assert_eq!(told[0].1, DisconnectReason::ConsentLost);
        bystander.run_for(secs(1));
        assert!(bystander.both_connected_now());
        assert!(bystander.peers[A].packets.len() > 45);
    }
}
