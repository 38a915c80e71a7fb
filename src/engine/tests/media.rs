//! Media between two engines: counters, ends, silences, key frames, packets that come early.

use std::time::Instant;

use super::super::media::ReceiverSpec;
use super::super::{EngineEvent, EngineState, SendOutcome};
use super::harness::{A, B, Setup, World, is_media, is_stun, ms, outgoing, receiver_spec, secs};
use crate::error::DisconnectReason;
use crate::rtp::{ExtensionMap, KeyframeRequest, RTCHeaderExtension, ReceiverId};
use crate::simnet::Link;

fn disconnected(id: ReceiverId) -> impl Fn(&EngineEvent) -> bool {
    move |event| matches!(event, EngineEvent::ReceiverDisconnected(gone) if *gone == id)
}

fn connected(id: ReceiverId) -> impl Fn(&EngineEvent) -> bool {
    move |event| matches!(event, EngineEvent::ReceiverConnected(back) if *back == id)
}

#[test]
fn r_d16_the_counters_of_both_ends_agree_under_loss() {
    for seed in 0..10 {
        let mut world = World::connected(seed, &Setup::default());
        world.net.set_default(Link {
            latency: ms(30),
            jitter: ms(20),
            loss: 0.1,
            reorder: 0.02,
            ..Link::default()
        });
        world.start_media();
        world.run_for(secs(60));
        for side in [A, B] {
            world.peers[side].pump = None;
        }
        world.run_for(secs(5));
        for (side, ssrc) in [(A, 200), (B, 100)] {
            let inbound = world.peers[side].engine.rtp().inbound_stats(ssrc).unwrap();
            let sender = &world.peers[1 - side].engine;
            let outbound = sender.rtp().outbound_stats(ssrc).unwrap();
            let got = world.peers[side].packets.len() as u64;
            assert_eq!(inbound.packets_received, got);
            assert_eq!(inbound.bytes_received, got * 160);
            assert_eq!(outbound.bytes_sent, outbound.packets_sent * 160);
            let missing = outbound.packets_sent as i64 - got as i64;
            assert!(
                (inbound.packets_lost - missing).abs() <= 3,
                "{inbound:?} {outbound:?}"
            );
            assert!((200..=400).contains(&missing), "{missing}");
            // What the sender heard about it in reports.
            let remote = outbound.remote.unwrap();
            let told = i64::from(remote.cumulative_lost);
            assert!((told - missing).abs() <= 20, "{told} {missing}");
            let rtt = remote.rtt.unwrap();
            assert!(rtt >= ms(60) && rtt <= ms(101), "{rtt:?}");
            assert!(world.peers[side].disconnects().is_empty());
        }
    }
}

/// D16: without its BYE a source times out, and is forgotten after five intervals.
#[test]
fn r_d16_a_source_whose_bye_is_lost_is_gone_in_time() {
    for seed in 0..10 {
        let mut world = World::connected(seed, &Setup::default());
        let [_, id] = world.start_media();
        world.run_for(secs(2));
        world.peers[A].pump = None;
        let now = world.now;
        world.peers[A].engine.remove_sender(now, 100);
        world.filter = Some(Box::new(|from, _, data| from != A || is_stun(data)));
        world.run_for(ms(500));
        world.filter = None;
        world.run_for(secs(9));
        assert_eq!(world.peers[B].count(disconnected(id)), 0, "seed {seed}");
        world.run_for(secs(1));
        assert_eq!(world.peers[B].count(disconnected(id)), 1, "seed {seed}");
        assert!(world.peers[B].engine.rtp().inbound_stats(100).is_some());
        world.run_for(secs(16));
        let stats = world.peers[B].engine.rtp().inbound_stats(100);
        assert!(stats.is_none(), "seed {seed}: {stats:?}");
        assert_eq!(world.peers[B].count(disconnected(id)), 1, "seed {seed}");
    }
}

#[test]
fn a113_a116_g009_remove_sender_says_bye_and_the_receiver_hears_it() {
    let mut world = World::connected(1, &Setup::default());
    let [_, id] = world.start_media();
    world.run_for(secs(2));
    assert_eq!(world.peers[B].count(connected(id)), 1);
    world.peers[A].pump = None;
    // Stop: no BYE, the same SSRC and numbers go on.
    world.peers[A].engine.media_mut().stop_sender(100);
    world.run_for(secs(5));
    assert_eq!(world.peers[B].count(disconnected(id)), 0);
    assert_eq!(world.send(A, 100, 500, 0), SendOutcome::Sent);
    world.run_for(ms(100));
    assert_eq!(
        world.peers[B].packets.last().unwrap().2.sequence_number,
        500
    );
    // Remove: BYE, at once.
    let now = world.now;
    world.peers[A].engine.remove_sender(now, 100);
    world.run_for(ms(100));
    assert_eq!(
        world.peers[B].count(disconnected(id)),
        1,
        "{}",
        world.describe()
    );
    assert_eq!(world.peers[B].count(connected(id)), 1);
    // Nothing goes out any more, and the SSRC is free.
    assert_eq!(world.send(A, 100, 501, 0), SendOutcome::NotConnected);
    world.run_for(secs(2));
    world.add_sender(A, 100);
    assert_eq!(world.send(A, 100, 502, 0), SendOutcome::Sent);
    world.run_for(ms(100));
    assert_eq!(
        world.peers[B].count(connected(id)),
        2,
        "{}",
        world.describe()
    );
}

/// A packet that its BYE overtook does not keep the receiver connected for ever.
#[test]
fn a116_a_packet_after_its_bye_leaves_nothing_behind() {
    let mut world = World::connected(2, &Setup::default());
    let now = world.now;
    let spec = receiver_spec(&[]);
    let id = world.peers[B].engine.add_receiver(now, spec).unwrap();
    for (round, ssrc) in [100, 101, 102].into_iter().enumerate() {
        world.add_sender(A, ssrc);
        for n in 1..=5 {
            world.send(A, ssrc, n, 0);
        }
        world.run_for(ms(10));
        // The last packet is held back until after the BYE.
        world.tap = Some(Vec::new());
        world.filter = Some(Box::new(|from, _, data| from == B || !is_media(data[0])));
        world.send(A, ssrc, 6, 0);
        world.filter = None;
        let late = world.tap.take().unwrap().remove(0).data;
        let now = world.now;
        world.peers[A].engine.remove_sender(now, ssrc);
        world.run_for(ms(10));
        world.inject(B, &late);
        assert_eq!(
            world.peers[B].count(disconnected(id)),
            round + 1,
            "{}",
            world.describe()
        );
        assert!(world.peers[B].engine.media().receiver_ssrcs(id).is_empty());
        world.run_for(secs(3));
    }
}

/// libwebrtc says BYE when it renegotiates, and goes on under the same SSRC.
#[test]
fn a116_a_source_goes_on_after_its_bye() {
    // Milliseconds from the BYE to the next packet, and from each packet to the next; how far the
    // numbers are ahead: packets may be lost, or the numbers begin anew.
    for (pause, every) in [
        (0, 0),
        (0, 5),
        (1, 20),
        (30, 1),
        (59, 20),
        (200, 33),
        (900, 20),
    ] {
        for jump in [1u16, 2, 40, 5_000, 30_000, 0x8000, 60_000] {
            for declared in [false, true] {
                let mut world = World::connected(1, &Setup::default());
                world.add_sender(A, 100);
                let now = world.now;
                let ssrcs: &[u32] = if declared { &[100] } else { &[] };
                let spec = receiver_spec(ssrcs);
                let id = world.peers[B].engine.add_receiver(now, spec).unwrap();
                for n in 0..20 {
                    world.send(A, 100, 1_000 + n, 0);
                }
                world.run_for(ms(100));
                let now = world.now;
                world.peers[A].engine.remove_sender(now, 100);
                world.add_sender(A, 100);
                world.run_for(ms(pause));
                let mut last = world.now;
                for n in 0..20 {
                    last = world.now;
                    world.send(A, 100, 1_019u16.wrapping_add(jump).wrapping_add(n), 0);
                    world.run_for(ms(every));
                }
                world.run_for(ms(100));
                let label = format!("{pause} {every} {jump} {declared}");
                // SRTP itself takes numbers far back for replays: the sender refuses them.
                let sent = world.peers[A].engine.rtp().outbound_stats(100).unwrap();
                let sent = sent.packets_sent as usize;
                let numbers = world.peers[B].packets.iter().map(|p| p.2.sequence_number);
                let numbers: Vec<u16> = numbers.skip(20).collect();
                assert_eq!(numbers.len(), sent, "{label} {numbers:?}");
                let in_order = numbers.windows(2).all(|w| w[1] == w[0].wrapping_add(1));
                assert!(in_order, "{label} {numbers:?}");
                let late = world.peers[B].packets.last().unwrap().0 - last;
                assert!(late <= ms(20), "{label} {late:?}");
                assert_eq!(world.peers[B].count(disconnected(id)), 1, "{label}");
                assert_eq!(world.peers[B].count(connected(id)), 2, "{label}");
            }
        }
    }
}

/// The packets with which a source goes on may be out of order, too.
#[test]
fn a116_a_source_goes_on_out_of_order() {
    for order in [
        [21u16, 23, 22, 24, 25, 26],
        [23, 22, 21, 24, 25, 26],
        [24, 21, 22, 23, 26, 25],
        [26, 25, 24, 23, 22, 21],
    ] {
        let mut world = World::connected(2, &Setup::default());
        world.add_receiver(B, 100);
        world.add_sender(A, 100);
        for n in 1..=20 {
            world.send(A, 100, n, 0);
        }
        world.run_for(ms(100));
        let now = world.now;
        world.peers[A].engine.remove_sender(now, 100);
        world.add_sender(A, 100);
        world.run_for(ms(30));
        world.filter = Some(Box::new(|from, _, data| from == B || !is_media(data[0])));
        let mut sealed = Vec::new();
        for n in 21..=26 {
            world.tap = Some(Vec::new());
            world.send(A, 100, n, 0);
            sealed.push(world.tap.take().unwrap().remove(0).data);
        }
        world.run_for(ms(20));
        for n in order {
            world.inject(B, &sealed[usize::from(n) - 21]);
            world.run_for(ms(5));
        }
        // In falling order none shows that the source goes on; time does.
        world.filter = None;
        world.run_for(ms(300));
        world.send(A, 100, 27, 0);
        world.run_for(ms(50));
        let numbers = world.peers[B].packets.iter().map(|p| p.2.sequence_number);
        let mut numbers: Vec<u16> = numbers.skip(20).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (21..=27).collect::<Vec<_>>(), "{order:?}");
    }
}

/// Some, in any order, that the BYE overtook: newer than all before it, or late ones.
#[test]
fn a116_strays_that_their_bye_overtook_bring_nothing_back() {
    for strays in [
        &[21u16][..],
        &[22, 21],
        &[21, 23],
        &[10, 21, 22],
        &[22, 21, 19, 23],
    ] {
        let mut world = World::connected(2, &Setup::default());
        let id = world.add_receiver(B, 100);
        world.add_sender(A, 100);
        let mut held = Vec::new();
        for n in 1..=23u16 {
            world.tap = Some(Vec::new());
            let lost = strays.contains(&n) || n > 20;
            world.filter = Some(Box::new(move |from, _, data| {
                from == B || !is_media(data[0]) || !lost
            }));
            world.send(A, 100, n, 0);
            held.push(world.tap.take().unwrap().remove(0).data);
        }
        world.filter = None;
        world.run_for(ms(10));
        let now = world.now;
        world.peers[A].engine.remove_sender(now, 100);
        world.run_for(ms(10));
        for n in strays {
            world.inject(B, &held[usize::from(*n) - 1]);
            world.run_for(ms(10));
        }
        world.run_for(secs(15));
        assert_eq!(world.peers[B].count(disconnected(id)), 1, "{strays:?}");
        assert_eq!(world.peers[B].count(connected(id)), 1, "{strays:?}");
        assert!(world.peers[B].engine.rtp().inbound_stats(100).is_none());
    }
}

#[test]
fn a114_g033_ten_seconds_of_silence_disconnect_once_and_the_next_packet_connects() {
    let mut world = World::connected(1, &Setup::default());
    let [_, id] = world.start_media();
    world.run_for(secs(2));
    // The source is gone without a BYE: no packets, no reports.
    world.filter = Some(Box::new(|from, _, data| from == B || !is_media(data[0])));
    let since = world.now;
    world.run_for(ms(9_900));
    assert_eq!(
        world.peers[B].count(disconnected(id)),
        0,
        "{}",
        world.describe()
    );
    world.run_for(secs(60));
    assert_eq!(
        world.peers[B].count(disconnected(id)),
        1,
        "{}",
        world.describe()
    );
    let told = world.peers[B]
        .events
        .iter()
        .find(|(_, e)| disconnected(id)(e));
    let after = told.unwrap().0 - since;
    assert!(after >= ms(9_900) && after <= ms(10_100), "{after:?}");
    world.filter = None;
    world.run_for(ms(100));
    assert_eq!(
        world.peers[B].count(connected(id)),
        2,
        "{}",
        world.describe()
    );
    world.run_for(secs(30));
    assert_eq!(world.peers[B].count(disconnected(id)), 1);
}

#[test]
fn g033_sender_reports_keep_a_muted_source_alive() {
    let mut world = World::connected(1, &Setup::default());
    let [_, id] = world.start_media();
    world.run_for(secs(2));
    world.peers[A].pump = None;
    world.run_for(secs(120));
    assert_eq!(
        world.peers[B].count(disconnected(id)),
        0,
        "{}",
        world.describe()
    );
}

#[test]
fn a_key_frame_is_asked_for_by_pli_and_by_fir() {
    for request in [KeyframeRequest::Pli, KeyframeRequest::Fir] {
        let mut world = World::connected(1, &Setup::default());
        let [_, id] = world.start_media();
        world.run_for(secs(1));
        let now = world.now;
        world.peers[B].engine.request_keyframe(now, id, request);
        // Asked again at once: the first is under way.
        world.peers[B].engine.request_keyframe(now, id, request);
        world.run_for(ms(50));
        let asked = |e: &EngineEvent| matches!(e, EngineEvent::KeyframeRequested { ssrc: 100 });
        assert_eq!(
            world.peers[A].count(asked),
            1,
            "{request:?}: {}",
            world.describe()
        );
        assert_eq!(
            world.peers[B].count(|e| matches!(e, EngineEvent::KeyframeRequested { .. })),
            0
        );
        let stats = world.peers[A].engine.rtp().outbound_stats(100).unwrap();
        assert_eq!(stats.plis + stats.firs, 1);
        world.run_for(secs(2));
        let now = world.now;
        world.peers[B].engine.request_keyframe(now, id, request);
        world.run_for(ms(50));
        assert_eq!(world.peers[A].count(asked), 2);
    }
}

#[test]
fn g016_packets_before_the_declaration_are_delivered_in_order_and_bounded() {
    let mut world = World::connected(1, &Setup::default());
    world.add_sender(A, 100);
    for n in 1..=300 {
        assert_eq!(world.send(A, 100, n, u32::from(n)), SendOutcome::Sent);
    }
    world.run_for(ms(100));
    assert!(world.peers[B].packets.is_empty());
    let dropped = world.peers[B].engine.counters().unknown_rtp;
    assert_eq!(dropped, 300 - 256);
    let id = world.add_receiver(B, 100);
    world.send(A, 100, 301, 301);
    world.run_for(ms(100));
    let numbers: Vec<u16> = world.peers[B]
        .packets
        .iter()
        .map(|(_, to, packet)| {
            assert_eq!(*to, id);
            packet.sequence_number
        })
        .collect();
    let expected: Vec<u16> = (1..=256).chain([301]).collect();
    assert_eq!(numbers, expected);
    assert_eq!(world.peers[B].count(connected(id)), 1);
    let stats = world.peers[B].engine.rtp().inbound_stats(100).unwrap();
    assert_eq!(stats.packets_received, 257);
}

/// Another receiver's declaration takes nothing away from the one that follows.
#[test]
fn g016_early_packets_wait_for_their_own_receiver() {
    let mut world = World::connected(1, &Setup::default());
    for (ssrc, count) in [(100, 5), (101, 7)] {
        world.add_sender(A, ssrc);
        for n in 1..=count {
            world.send(A, ssrc, n, 0);
        }
    }
    world.run_for(ms(100));
    let second = world.add_receiver(B, 101);
    world.run_for(secs(1));
    assert_eq!(world.peers[B].packets.len(), 7);
    let first = world.add_receiver(B, 100);
    world.flush();
    let of = |id| world.peers[B].packets.iter().filter(move |p| p.1 == id);
    assert_eq!((of(first).count(), of(second).count()), (5, 7));
}

fn extensions() -> ExtensionMap {
    ExtensionMap::new(&[RTCHeaderExtension {
        uri: "urn:ietf:params:rtp-hdrext:sdes:mid".to_owned(),
        id: 3,
    }])
    .unwrap()
}

/// G24: SSRC first, then MID, then payload type; a match binds the SSRC.
#[test]
fn g024_packets_find_their_receiver_by_ssrc_then_mid_then_payload_type() {
    let mut world = World::new(1, &Setup::default());
    for peer in &mut world.peers {
        peer.engine.media_mut().set_extensions(extensions());
    }
    world.signal_all();
    assert!(world.connect(secs(5)));
    let now = world.now;
    let engine = &mut world.peers[B].engine;
    let by_ssrc = engine.add_receiver(now, receiver_spec(&[100])).unwrap();
    let mut mid = receiver_spec(&[]);
    mid.declaration.mid = Some("video".to_owned());
    mid.declaration.payload_types.clear();
    let by_mid = engine.add_receiver(now, mid).unwrap();
    let by_type = engine.add_receiver(now, receiver_spec(&[])).unwrap();
    let engine = &mut world.peers[A].engine;
    engine
        .media_mut()
        .add_sender(100, 90_000, Some("video".to_owned()))
        .unwrap();
    engine
        .media_mut()
        .add_sender(101, 90_000, Some("video".to_owned()))
        .unwrap();
    engine.media_mut().add_sender(102, 90_000, None).unwrap();
    for (ssrc, id) in [(100, by_ssrc), (101, by_mid), (102, by_type)] {
        for n in 1..=3 {
            world.send(A, ssrc, n, 0);
        }
        world.run_for(ms(10));
        let of = |id| world.peers[B].packets.iter().filter(move |p| p.1 == id);
        assert_eq!(of(id).count(), 3, "{ssrc}");
        assert!(of(id).all(|p| p.2.ssrc == ssrc));
        assert_eq!(world.peers[B].engine.media().receiver_ssrcs(id), [ssrc]);
    }
}

#[test]
fn g012_close_says_bye_and_close_notify_and_the_peer_hears_within_a_second() {
    for closer in [A, B] {
        let mut world = World::connected(1, &Setup::default());
        let ids = world.start_media();
        world.run_for(secs(2));
        let now = world.now;
        world.net.start_capture();
        world.tap = Some(Vec::new());
        let engine = &mut world.peers[closer].engine;
        engine.close(now, DisconnectReason::Closed);
        engine.close(now, DisconnectReason::Closed);
        world.run_for(secs(1));
        assert_eq!(
            world.peers[closer].disconnects(),
            [(now, DisconnectReason::Closed)]
        );
        let told = world.peers[1 - closer].disconnects();
        assert_eq!(told.len(), 1, "{}", world.describe());
        assert_eq!(told[0].1, DisconnectReason::RemoteClosed);
        // The BYE came first, so the receiver ended before the connection did.
        let gone = disconnected(ids[1 - closer]);
        assert_eq!(
            world.peers[1 - closer].count(gone),
            1,
            "{}",
            world.describe()
        );
        for side in [A, B] {
            let peer = &mut world.peers[side];
            assert_eq!(peer.engine.state(), EngineState::Closed);
            assert_eq!(peer.engine.poll_timeout(), None);
            let outcome = peer
                .engine
                .send_rtp(now, 100 + 100 * side as u32, &outgoing(9_999, 0));
            assert_eq!(outcome.unwrap(), SendOutcome::NotConnected);
        }
        world.run_for(secs(1));
        let sent: Vec<_> = world.tap.take().unwrap();
        let mut by_closer = sent.iter().filter(|t| t.from == closer).map(|t| t.data[0]);
        assert!(by_closer.next().is_some_and(is_media), "BYE");
        assert_eq!(by_closer.next(), Some(21), "close_notify");
        assert_eq!(by_closer.next(), None);
    }
}

#[test]
fn g012_close_before_there_is_a_path_is_silent_and_final() {
    for steps in 0..3 {
        let mut world = World::new(1, &Setup::default());
        if steps > 0 {
            world.signal_all();
        }
        if steps > 1 {
            world.run_for(ms(5));
        }
        let now = world.now;
        world.peers[A].engine.close(now, DisconnectReason::Closed);
        world.flush();
        let events = world.peers[A].events.len();
        world.signal_all();
        world.restart(1);
        world.run_for(secs(60));
        assert_eq!(world.peers[A].events.len(), events, "{}", world.describe());
        assert_eq!(world.peers[A].disconnects().len(), 1);
        let told = world.peers[B].disconnects();
        let last = told.iter().filter(|(_, reason)| !reason.is_transient());
        assert!(last.count() <= 1, "{}", world.describe());
        assert!(!world.peers[B].connected() || steps > 1);
    }
}

/// The peer is gone without a word (G4): noticed, told once.
#[test]
fn r_g04_a_peer_that_vanishes_is_noticed() {
    let mut world = World::connected(1, &Setup::default());
    world.start_media();
    world.run_for(secs(2));
    let since = world.now;
    world.filter = Some(Box::new(|from, _, _| from != A));
    world.run_for(secs(60));
    let peer = &world.peers[B];
    let disconnects = peer.disconnects();
    assert_eq!(disconnects.len(), 1, "{}", world.describe());
    assert!(disconnects[0].0 <= since + secs(40));
    let doubt = |e: &EngineEvent| {
        matches!(
            e,
            EngineEvent::Ice(super::super::ice::IceState::Disconnected)
        )
    };
    let doubted = peer.events.iter().find(|(_, e)| doubt(e)).unwrap().0;
    assert!(doubted <= since + secs(10), "{:?}", doubted - since);
}

/// A queue that nobody empties stays bounded.
#[test]
fn a_sender_faster_than_its_socket_is_told() {
    let mut world = World::connected(1, &Setup::default());
    world.add_stream(A, 100);
    let now: Instant = world.now;
    let engine = &mut world.peers[A].engine;
    let mut full = None;
    for n in 0..40_000u32 {
        let packet = outgoing(n as u16, n);
        match engine.send_rtp(now, 100, &packet).unwrap() {
            SendOutcome::Sent => {}
            other => {
                full = Some((n, other));
                break;
            }
        }
    }
    let (sent, outcome) = full.expect("never full");
    assert_eq!(outcome, SendOutcome::QueueFull);
    assert!(sent > 20_000, "{sent}");
    world.run_for(secs(1));
    let counters = world.peers[A].engine.counters();
    assert_eq!(counters.outgoing_dropped, 1);
    // The layer above did not read meanwhile either: bounded there too.
    assert!(world.peers[B].packets.len() <= sent as usize);
    assert_eq!(world.send(A, 100, sent as u16, 0), SendOutcome::Sent);
}

#[test]
fn a_receiver_that_is_removed_gets_nothing_more() {
    let mut world = World::connected(1, &Setup::default());
    let [_, id] = world.start_media();
    world.run_for(secs(1));
    let now = world.now;
    world.peers[B].engine.media_mut().remove_receiver(now, id);
    let before = world.peers[B].packets.len();
    world.run_for(secs(30));
    assert_eq!(world.peers[B].packets.len(), before);
    assert_eq!(world.peers[B].count(disconnected(id)), 0);
    let spec: ReceiverSpec = receiver_spec(&[100]);
    let now = world.now;
    let again = world.peers[B].engine.add_receiver(now, spec).unwrap();
    world.run_for(secs(1));
    assert!(world.peers[B].packets.iter().any(|p| p.1 == again));
}

/// D9: reordered, jittered and doubled, each packet is delivered once.
#[test]
fn r_d9_reordering_and_doubling_deliver_each_packet_once() {
    for seed in 0..5 {
        let mut world = World::new(seed, &Setup::default());
        world.net.set_default(Link {
            latency: ms(30),
            jitter: ms(100),
            reorder: 0.25,
            reorder_by: ms(200),
            duplicate: 0.1,
            ..Link::default()
        });
        world.signal_all();
        assert!(world.connect(secs(30)), "{}", world.describe());
        world.start_media();
        world.run_for(secs(30));
        for side in [A, B] {
            world.peers[side].pump.as_mut().unwrap().every = secs(3_600);
        }
        world.run_for(secs(1));
        for side in [A, B] {
            let sent = world.peers[1 - side].pump.as_ref().unwrap().sent;
            let packets = world.peers[side].packets.iter();
            let mut numbers: Vec<_> = packets.map(|p| p.2.sequence_number).collect();
            numbers.sort_unstable();
            let count = numbers.len() as u64;
            numbers.dedup();
            assert_eq!(numbers.len() as u64, count, "doubled");
            // All but those that came before the other side had its keys.
            assert!(count + 30 >= sent, "{count} of {sent}");
            assert!(world.peers[side].disconnects().is_empty());
        }
    }
}

/// D10: a flipped bit costs its datagram and nothing else.
#[test]
fn r_d10_flipped_bits_cost_only_their_datagrams() {
    for seed in 0..5 {
        let mut world = World::new(seed, &Setup::default());
        world.net.set_default(Link {
            latency: ms(10),
            corrupt: 0.05,
            ..Link::default()
        });
        world.signal_all();
        assert!(world.connect(secs(30)), "{}", world.describe());
        world.start_media();
        world.run_for(secs(60));
        for side in [A, B] {
            let peer = &world.peers[side];
            assert!(peer.packets.len() > 2_750, "{}", peer.packets.len());
            assert!(peer.disconnects().is_empty(), "{}", world.describe());
            let right = |p: &crate::rtp::RtpPacket| {
                p.ssrc == [200, 100][side] && p.payload.iter().all(|byte| *byte == 0x55)
            };
            assert!(peer.packets.iter().all(|p| right(&p.2)), "wrong bytes");
        }
    }
}

/// D11: nothing of the engine's own making exceeds 1,200 bytes, on a path that has not shown to
/// carry more (see `data`); IPv6's least MTU carries it.
#[test]
fn r_d11_no_datagram_exceeds_1_200_bytes() {
    let mut world = World::new(1, &Setup::default());
    world.net.set_default(Link {
        mtu: Some(1_228),
        ..Link::default()
    });
    world.net.start_capture();
    world.signal_all();
    assert!(world.connect(secs(5)), "{}", world.describe());
    // Thirty-one sources make long reports.
    for ssrc in 1_000..1_060 {
        world.add_stream(A, ssrc);
        world.send(A, ssrc, 1, 0);
        world.add_stream(B, ssrc + 1_000);
        world.send(B, ssrc + 1_000, 1, 0);
    }
    world.run_for(secs(10));
    let now = world.now;
    world.peers[A].engine.close(now, DisconnectReason::Closed);
    world.run_for(secs(1));
    let longest = world.net.captured().iter().map(|p| p.len).max().unwrap();
    assert!(longest <= 1_200, "{longest}");
    assert_eq!(world.net.counters().too_big, 0);
}

/// G1: close in every state, from either side or both at once.
#[test]
fn r_g01_close_in_any_state_ends_both_sides_once() {
    for at in 0..12 {
        for closers in [vec![A], vec![B], vec![A, B]] {
            let mut world = World::new(at, &Setup::default());
            if at > 0 {
                world.signal_all();
                world.start_media();
                world.run_for(ms(at - 1));
            }
            if at == 11 {
                let until = world.now + secs(40);
                world.net.blackout(world.now, until);
                world.run_for(secs(41));
            }
            let now = world.now;
            for &side in &closers {
                world.peers[side]
                    .engine
                    .close(now, DisconnectReason::Closed);
            }
            world.run_for(secs(90));
            for side in [A, B] {
                let peer = &world.peers[side];
                let last = peer
                    .disconnects()
                    .into_iter()
                    .filter(|d| !d.1.is_transient());
                let closed = usize::from(peer.engine.state() == EngineState::Closed);
                assert_eq!(last.count(), closed, "{}", world.describe());
                assert!(!closers.contains(&side) || closed == 1);
                // Its timers are gone, or it still hopes for a restart.
                let idle = peer.engine.poll_timeout().is_none();
                assert!(idle || closed == 0, "{}", world.describe());
            }
        }
    }
}
