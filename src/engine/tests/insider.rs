//! A peer that holds the keys and abuses them.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;

use super::super::dtls::{DtlsCounters, DtlsEvent, DtlsTransport, KeyingMaterial};
use super::super::srtp::Srtp;
use super::super::{EngineEvent, RtxStream, SecureState};
use super::harness::{A, B, PT, Setup, World, is_media, ms, receiver_spec, secs};

/// Passes everything on, and keeps the keys.
struct Spy(Box<dyn DtlsTransport>, Arc<Mutex<Option<KeyingMaterial>>>);

impl DtlsTransport for Spy {
    fn start(&mut self, now: Instant) {
        self.0.start(now);
    }
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.0.handle_datagram(now, datagram);
    }
    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }
    fn poll_transmit(&mut self) -> Option<Bytes> {
        self.0.poll_transmit()
    }
    fn poll_event(&mut self) -> Option<DtlsEvent> {
        let event = self.0.poll_event();
        if let Some(DtlsEvent::Connected { srtp, .. }) = &event {
            *self.1.lock().unwrap() = srtp.clone();
        }
        event
    }
    fn write(&mut self, now: Instant, data: &[u8]) -> crate::Result<()> {
        self.0.write(now, data)
    }
    fn close(&mut self, now: Instant) {
        self.0.close(now);
    }
    fn counters(&self) -> DtlsCounters {
        self.0.counters()
    }
}

/// A session, and B's keys.
pub(super) fn with_keys(seed: u64) -> (World, KeyingMaterial) {
    let mut world = World::new(seed, &Setup::default());
    world.signal_all();
    let handshaking = world.run_until(secs(1), |world| {
        world.peers[B].engine.secure().state() == SecureState::Connecting
    });
    assert!(handshaking);
    let keys = Arc::new(Mutex::new(None));
    let dtls = world.peers[B].engine.secure.dtls.take().unwrap();
    world.peers[B].engine.secure.dtls = Some(Box::new(Spy(dtls, Arc::clone(&keys))));
    assert!(world.connect(secs(5)), "{}", world.describe());
    let keys = keys.lock().unwrap().take().unwrap();
    (world, keys)
}

fn rtp(srtp: &mut Srtp, ssrc: u32, number: u16, payload: &[u8]) -> Vec<u8> {
    let mut data = vec![0x80, PT];
    data.extend(number.to_be_bytes());
    data.extend([0; 4]);
    data.extend(ssrc.to_be_bytes());
    data.extend_from_slice(payload);
    srtp.protect_rtp(&mut data, 0, 12).unwrap();
    data
}

fn rtcp(srtp: &mut Srtp, plain: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    srtp.protect_rtcp(plain, &mut data).unwrap();
    data
}

#[test]
fn r_c05_2_000_ssrcs_that_nobody_accepts_are_bounded() {
    let (mut world, keys) = with_keys(1);
    world.start_media();
    world.run_for(secs(1));
    let before = world.peers[A].packets.len();
    // One context holds no more than 1,000 sources; two of them hold more than the victim does.
    for half in 0..2u32 {
        let mut srtp = Srtp::new(&keys).unwrap();
        for n in 0..1_000u32 {
            let data = rtp(&mut srtp, 10_000 + half * 1_000 + n, 1, &[1; 1_000]);
            world.inject(A, &data);
        }
    }
    let counters = world.peers[A].engine.counters();
    assert_eq!(counters.unknown_rtp, 1_000, "{counters:?}");
    assert_eq!(counters.rejected_srtp, 0, "{counters:?}");
    let (sources, packets, bytes) = world.peers[A].engine.media().unknown_held();
    assert!(sources <= 1_000 && packets <= 1_024 && bytes <= 1 << 20);
    world.run_for(secs(1));
    let got = world.peers[A].packets.len() - before;
    assert!((49..=51).contains(&got), "{got}");
    // Those that were kept are delivered if they are wanted after all.
    let wanted: Vec<u32> = (10_000..10_900).collect();
    let now = world.now;
    world.peers[A]
        .engine
        .add_receiver(now, receiver_spec(&wanted))
        .unwrap();
    world.flush();
    let kept = world.peers[A].packets.len() - before - got;
    assert_eq!(kept, 900);
}

/// Accepted by payload type, every SSRC is the receiver's: up to a bound, too.
#[test]
fn r_c05_ssrcs_that_a_receiver_takes_by_payload_type_are_bounded() {
    let (mut world, keys) = with_keys(2);
    let now = world.now;
    let id = world.peers[A]
        .engine
        .add_receiver(now, receiver_spec(&[]))
        .unwrap();
    for half in 0..2u32 {
        let mut srtp = Srtp::new(&keys).unwrap();
        for n in 0..1_000u32 {
            let data = rtp(&mut srtp, 10_000 + half * 1_000 + n, 1, &[1; 10]);
            world.inject(A, &data);
        }
    }
    assert!(world.peers[A].engine.media().receiver_ssrcs(id).len() <= 1_000);
    assert!(world.peers[A].packets.len() <= 1_000);
    world.run_for(secs(30));
    assert_eq!(world.peers[A].engine.media().receiver_ssrcs(id).len(), 0);
    let gone = |e: &EngineEvent| matches!(e, EngineEvent::ReceiverDisconnected(_));
    assert_eq!(world.peers[A].count(gone), 1);
}

/// What the peer may say of others, and how often it may ask, is nothing (C16).
#[test]
fn r_c16_lies_in_rtcp_touch_only_the_peers_own_sources() {
    let (mut world, keys) = with_keys(3);
    world.start_media();
    world.run_for(secs(1));
    let mut srtp = Srtp::new(&keys).unwrap();
    // An empty receiver report makes a compound of each.
    let report = [0x80, 201, 0, 1, 0, 0, 0, 200];
    let compound = |packet: &[u8]| [&report[..], packet].concat();
    // BYE for A's own SSRC and for one nobody has.
    let lies = [
        compound(&[0x82, 203, 0, 2, 0, 0, 0, 100, 0, 0, 9, 9]),
        compound(&[0x81, 203, 0, 1, 0xff, 0xff, 0xff, 0xff]),
        // 100 % loss of A's stream, with NTP times that never were.
        [
            &[0x81, 201, 0, 7, 0, 0, 0, 200, 0, 0, 0, 100][..],
            &[0xff; 20][..],
        ]
        .concat(),
    ];
    for lie in &lies {
        let data = rtcp(&mut srtp, lie);
        world.inject(A, &data);
    }
    let asked_from = world.now;
    for _ in 0..3_000 {
        let pli = compound(&[0x81, 206, 0, 2, 0, 0, 0, 200, 0, 0, 0, 100]);
        let data = rtcp(&mut srtp, &pli);
        world.inject(A, &data);
        world.run_for(ms(1));
    }
    let asked = |e: &EngineEvent| matches!(e, EngineEvent::KeyframeRequested { .. });
    let asked = world.peers[A].count(asked);
    let passed = (world.now - asked_from).as_secs() as usize;
    assert!((3..=passed + 1).contains(&asked), "{asked}");
    // Both streams go on.
    let before = [A, B].map(|side| world.peers[side].packets.len());
    world.run_for(secs(1));
    for side in [A, B] {
        assert!(world.peers[side].packets.len() - before[side] >= 49);
        assert!(world.peers[side].disconnects().is_empty());
    }
    let gone = |e: &EngineEvent| matches!(e, EngineEvent::ReceiverDisconnected(_));
    assert_eq!(world.peers[A].count(gone), 0);
}

/// C16: asked a thousand times a second for all that there is, A sends no more again than it sent,
/// beyond the allowance of the start; its stream goes on, and so does what B sends.
#[test]
fn r_c16_a_storm_of_nacks_is_answered_within_the_budget() {
    for with_rtx in [false, true] {
        let (mut world, keys) = with_keys(6);
        world.start_media();
        let now = world.now;
        let rtx = with_rtx.then(|| RtxStream {
            ssrc: 101,
            payload_types: vec![(PT, 97)],
            next_sequence_number: 1,
        });
        let engine = &mut world.peers[A].engine;
        engine.set_sender_repair(now, 100, true, rtx).unwrap();
        world.run_for(secs(1));
        world.tap = Some(Vec::new());
        let mut srtp = Srtp::new(&keys).unwrap();
        let before = world.peers[B].packets.len();
        for _ in 0..10_000 {
            let last = world.peers[A].pump.as_ref().unwrap().sequence_number;
            let mut nack = vec![0x81, 205, 0, 22, 0, 0, 0, 200, 0, 0, 0, 100];
            for n in 0..20u16 {
                nack.extend(last.wrapping_sub(17 * (n + 1)).to_be_bytes());
                nack.extend([0xff; 2]);
            }
            let report = [0x80, 201, 0, 1, 0, 0, 0, 200];
            let data = rtcp(&mut srtp, &[&report[..], &nack].concat());
            world.inject(A, &data);
            world.run_for(ms(1));
        }
        let taps = world.tap.take().unwrap();
        let from_a = taps.iter().filter(|tapped| tapped.from == A);
        let media = from_a.filter(|tapped| is_media(tapped.data[0]) && tapped.data[1] & 0x7f < 100);
        let bytes: usize = media.map(|tapped| tapped.data.len()).sum();
        let once = 500 * (160 + 12 + 16);
        println!("rtx {with_rtx}: {bytes} bytes, {once} without the storm");
        // A retransmission has two bytes more, and its header is not counted.
        assert!(
            bytes > once && bytes <= (once + (64 << 10)) * 2 * 5 / 4,
            "{bytes}, {once}"
        );
        assert!(world.peers[B].packets.len() - before >= 499);
        assert!(world.peers[A].disconnects().is_empty() && world.both_connected_now());
    }
}

/// C17: names that are the same, be it ours, are nothing.
#[test]
fn r_c17_a_peer_with_our_name_is_heard() {
    let (mut world, keys) = with_keys(7);
    world.start_media();
    world.run_for(secs(1));
    let mut srtp = Srtp::new(&keys).unwrap();
    let before = [A, B].map(|side| world.peers[side].packets.len());
    for _ in 0..50 {
        let mut compound = vec![0x80, 201, 0, 1, 0, 0, 0, 200, 0x82, 202, 0, 0];
        for ssrc in [200u32, 100] {
            compound.extend(ssrc.to_be_bytes());
            compound.extend(b"\x01\x06cname0\0\0\0\0");
        }
        compound[11] = ((compound.len() - 12) / 4) as u8;
        let data = rtcp(&mut srtp, &compound);
        world.inject(A, &data);
        world.run_for(ms(20));
    }
    for side in [A, B] {
        assert!(world.peers[side].packets.len() - before[side] >= 49);
        let conflict = |e: &EngineEvent| matches!(e, EngineEvent::SsrcConflict { .. });
        assert_eq!(world.peers[side].count(conflict), 0);
        assert!(world.peers[side].disconnects().is_empty());
    }
}

/// Authentic, and malformed inside.
#[test]
fn r_a01_r_a04_authentic_nonsense_is_dropped() {
    let (mut world, keys) = with_keys(4);
    world.start_media();
    world.run_for(secs(1));
    let mut rng = world.rng.clone();
    let mut srtp = Srtp::new(&keys).unwrap();
    let mut number = 0u16;
    for length in 0..=64 {
        for bits in [0x80u8, 0xa0, 0x90, 0xb0, 0x8f, 0x9f, 0xbf] {
            // RTP whose header claims more than there is: the header is what SRTP leaves plain.
            number = number.wrapping_add(1);
            let mut data = vec![bits, PT];
            data.extend(number.to_be_bytes());
            data.extend([0; 4]);
            data.extend(300u32.to_be_bytes());
            data.extend(rng.bytes(length));
            srtp.protect_rtp(&mut data, 0, 12).unwrap();
            world.inject(A, &data);
            for kind in 192..=223u8 {
                let mut plain = vec![bits, kind, 0, rng.below(20) as u8];
                plain.extend(rng.bytes(length + 4));
                let data = rtcp(&mut srtp, &plain);
                world.inject(A, &data);
            }
        }
    }
    let before = world.peers[A].packets.len();
    world.run_for(secs(1));
    assert!(world.peers[A].packets.len() - before >= 49);
    assert!(
        world.peers[A].disconnects().is_empty(),
        "{}",
        world.describe()
    );
    assert!(world.both_connected_now());
}

/// G24, RFC 3550 section 8.2: told once; the new SSRC, and the BYE of the old, are the caller's.
#[test]
fn g024_the_peer_using_our_ssrc_is_a_conflict() {
    let (mut world, keys) = with_keys(5);
    world.start_media();
    world.run_for(secs(1));
    let mut srtp = Srtp::new(&keys).unwrap();
    let id = world.add_receiver(A, 100);
    for n in 1..=50 {
        let data = rtp(&mut srtp, 100, n, &[1; 10]);
        world.inject(A, &data);
    }
    let conflict = |e: &EngineEvent| matches!(e, EngineEvent::SsrcConflict { ssrc: 100 });
    assert_eq!(world.peers[A].count(conflict), 1, "{}", world.describe());
    let heard = world.peers[A].packets.iter().filter(|p| p.1 == id).count();
    assert_eq!(heard, 50);
    // The old one ends with a BYE, which its receiver hears.
    let now = world.now;
    world.peers[A].pump = None;
    world.peers[A].engine.remove_sender(now, 100);
    world.add_stream(A, 101);
    world.start_pump(A, 101);
    world.run_for(secs(1));
    let gone = |e: &EngineEvent| matches!(e, EngineEvent::ReceiverDisconnected(_));
    assert_eq!(world.peers[B].count(gone), 1, "{}", world.describe());
    let new = world.peers[B].packets.iter().filter(|p| p.2.ssrc == 101);
    assert!(new.count() >= 49);
}
