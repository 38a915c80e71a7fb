//! The end of a connection with data in its queues (row G4).

use std::time::Duration;

use bytes::Bytes;

use super::super::EngineState;
use super::super::data::{ChannelKey, ClosedBecause, DataEvent, MessageKind};
use super::channels::{negotiated, spec};
use super::harness::{A, B, Setup, World, ms, secs};
use crate::error::DisconnectReason;
use crate::simnet::Link;

const PATIENCE: Duration = Duration::from_secs(1);

fn link(loss: f64) -> Link {
    Link {
        latency: ms(20),
        loss,
        rate_bps: Some(50_000_000),
        queue_bytes: 1 << 20,
        ..Link::default()
    }
}

struct Run {
    world: World,
    /// By side and channel.
    keys: [Vec<ChannelKey>; 2],
    got: [Vec<Bytes>; 2],
    ends: [Vec<(ClosedBecause, usize)>; 2],
}

impl Run {
    fn new(seed: u64, link: Link, channels: u16) -> Self {
        let mut world = World::connected(seed, &Setup::default());
        let now = world.now;
        let keys = [A, B].map(|side| {
            let engine = &mut world.peers[side].engine;
            let one = |id| engine.create_channel(now, negotiated(id)).unwrap();
            (0..channels).map(one).collect()
        });
        world.run_for(secs(1));
        world.net.set_default(link);
        let mut run = Self {
            world,
            keys,
            got: Default::default(),
            ends: Default::default(),
        };
        run.collect(true);
        run
    }

    fn send(&mut self, side: usize, channel: usize, count: u32, len: usize) {
        let (now, key) = (self.world.now, self.keys[side][channel]);
        for n in 0..count {
            let mut data = vec![0; len];
            data[..4].copy_from_slice(&n.to_be_bytes());
            let engine = &mut self.world.peers[side].engine;
            let data = Bytes::from(data);
            engine
                .send_data(now, key, MessageKind::Binary, data)
                .unwrap();
        }
        self.world.flush();
    }

    fn close(&mut self, side: usize, patience: Duration) {
        let now = self.world.now;
        let engine = &mut self.world.peers[side].engine;
        engine.close_after_data(now, DisconnectReason::Closed, patience);
        self.world.flush();
    }

    /// Takes what came; whether the applications read it.
    fn collect(&mut self, read: bool) {
        for side in [A, B] {
            let engine = &mut self.world.peers[side].engine;
            while let Some(event) = engine.poll_data_event() {
                match event {
                    DataEvent::Message { data, .. } => {
                        if read {
                            engine.unread().read(data.len());
                        }
                        self.got[side].push(data);
                    }
                    DataEvent::Closed { reason, unsent, .. } => {
                        self.ends[side].push((reason, unsent));
                    }
                    _ => {}
                }
            }
        }
    }

    /// The time until `side` was closed.
    fn closed_after(&mut self, side: usize, read: bool) -> Duration {
        let begin = self.world.now;
        for _ in 0..5_000 {
            self.collect(read);
            if self.world.peers[side].engine.state() == EngineState::Closed {
                return self.world.now - begin;
            }
            self.world.run_for(ms(1));
        }
        panic!("{}", self.world.describe());
    }

    fn assert_all(&self, side: usize, count: u32) {
        let got = &self.got[side];
        assert_eq!(got.len(), count as usize, "{}", self.world.describe());
        for (n, data) in got.iter().enumerate() {
            assert_eq!(data[..4], (n as u32).to_be_bytes());
        }
    }
}

#[test]
fn r_g04_what_is_queued_goes_first_whatever_the_path_loses() {
    for (seed, loss) in [(1, 0.0), (2, 0.01), (3, 0.1), (4, 0.2)] {
        let mut run = Run::new(seed, link(loss), 1);
        run.send(A, 0, 300, 1_000);
        run.close(A, secs(30));
        run.closed_after(A, true);
        // Meanwhile the peer has learnt of it; all it got came before.
        run.closed_after(B, true);
        run.assert_all(B, 300);
        let closed = |side: usize| run.world.peers[side].disconnects()[0].1;
        assert_eq!(closed(A), DisconnectReason::Closed);
        assert_eq!(closed(B), DisconnectReason::RemoteClosed);
        assert_eq!(run.ends[A], [(ClosedBecause::Connection, 0)]);
        assert_eq!(run.ends[B], [(ClosedBecause::Peer, 0)]);
    }
}

/// A path of 40 ms takes two megabytes well within the second.
#[test]
fn r_g04_two_megabytes_within_the_second() {
    let mut run = Run::new(5, link(0.0), 1);
    run.send(A, 0, 128, 16_000);
    run.close(A, PATIENCE);
    let took = run.closed_after(A, true);
    assert!(took < PATIENCE, "{took:?}");
    run.closed_after(B, true);
    run.assert_all(B, 128);
}

#[test]
fn r_g04_both_sides_at_once_lose_nothing() {
    for (seed, loss) in [(1, 0.0), (2, 0.05), (3, 0.1)] {
        for (ours, theirs) in [(10, 400), (400, 10), (200, 200), (1, 1)] {
            let mut run = Run::new(seed, link(loss), 1);
            run.send(A, 0, ours, 1_000);
            run.send(B, 0, theirs, 1_000);
            run.close(A, secs(30));
            run.close(B, secs(30));
            run.closed_after(A, true);
            run.closed_after(B, true);
            run.assert_all(B, ours);
            run.assert_all(A, theirs);
            for side in [A, B] {
                let reasons = run.world.peers[side].disconnects();
                assert_eq!(reasons.len(), 1);
                assert_eq!(reasons[0].1, DisconnectReason::Closed);
            }
        }
    }
}

/// Several channels, one of them closed before, one that gives up at once.
#[test]
fn r_g04_every_channel_is_handed_over() {
    let mut run = Run::new(7, link(0.02), 3);
    for channel in 0..3 {
        run.send(A, channel, 100, 2_000);
    }
    let (now, key) = (run.world.now, run.keys[A][1]);
    run.world.peers[A].engine.close_channel(now, key);
    run.close(A, secs(30));
    run.close(A, Duration::ZERO);
    run.closed_after(A, true);
    run.closed_after(B, true);
    assert_eq!(run.got[B].len(), 300);
    run.ends[A].sort_by_key(|(reason, _)| *reason == ClosedBecause::Local);
    let ends: Vec<_> = run.ends[A].iter().map(|(reason, _)| *reason).collect();
    let all = ClosedBecause::Connection;
    assert_eq!(ends, [all, all, ClosedBecause::Local]);
}

#[test]
fn r_g04_with_nothing_to_hand_over_it_is_over_at_once() {
    // Nothing queued; nothing wanted; no association; not connected yet.
    let mut idle = Run::new(8, link(0.0), 1);
    idle.close(A, PATIENCE);
    let mut abrupt = Run::new(8, link(0.0), 1);
    abrupt.send(A, 0, 300, 1_000);
    abrupt.close(A, Duration::ZERO);
    let mut empty = Run::new(8, link(0.0), 0);
    empty.close(A, PATIENCE);
    for run in [&mut idle, &mut abrupt, &mut empty] {
        assert_eq!(run.world.peers[A].engine.state(), EngineState::Closed);
        run.closed_after(B, true);
    }
    assert_eq!(abrupt.ends[A].len(), 1);
    assert!(abrupt.ends[A][0].1 > 200_000, "{:?}", abrupt.ends);

    let mut world = World::new(9, &Setup::default());
    let now = world.now;
    let engine = &mut world.peers[A].engine;
    engine.create_channel(now, negotiated(0)).unwrap();
    engine.connect(now);
    engine.close_after_data(now, DisconnectReason::Closed, PATIENCE);
    assert_eq!(engine.state(), EngineState::Closed);
    assert_eq!(engine.poll_timeout(), None);
}

/// A path that is gone, a peer that is gone, one that does not read.
#[test]
fn r_g04_no_longer_than_was_allowed() {
    for case in 0..3 {
        let mut run = Run::new(10 + case, link(0.0), 1);
        let reads = case != 2;
        run.send(A, 0, 128, 16_000);
        if case == 2 {
            // A window that is shut: thirteen megabytes wait at the peer.
            for _ in 0..20 {
                run.world.run_for(ms(500));
                run.collect(false);
                let left = run.world.peers[A].engine.channel_buffered(run.keys[A][0]);
                if left > 1 << 20 {
                    break;
                }
                run.send(A, 0, 64, 16_000);
            }
        } else {
            run.world.net.set_default(link(1.0));
        }
        if case == 1 {
            run.world.peers[B].pump = None;
            run.world.filter = Some(Box::new(|_, _, _| false));
        }
        run.close(A, PATIENCE);
        let took = run.closed_after(A, reads);
        assert!(took >= PATIENCE && took <= PATIENCE + ms(2), "{took:?}");
        assert!(run.ends[A][0].1 > 0, "{case}: {:?}", run.ends);
        assert_eq!(run.world.peers[A].engine.poll_timeout(), None);
    }
}

/// The path comes back in time.
#[test]
fn r_g04_a_short_blackout_costs_nothing() {
    let mut run = Run::new(14, link(0.0), 1);
    run.world.net.set_default(link(1.0));
    run.send(A, 0, 50, 1_000);
    run.close(A, secs(5));
    run.world.run_for(secs(2));
    run.world.net.set_default(link(0.0));
    run.closed_after(A, true);
    run.closed_after(B, true);
    run.assert_all(B, 50);
}

/// While it waits nothing new begins: no media, no channel of the peer's.
#[test]
fn r_g04_a_connection_that_is_being_closed_takes_nothing_new() {
    let mut run = Run::new(15, link(0.0), 1);
    run.send(A, 0, 128, 16_000);
    run.close(A, secs(30));
    let engine = &mut run.world.peers[A].engine;
    assert!(!engine.is_connected());
    assert_eq!(engine.closing(), Some(DisconnectReason::Closed));
    let now = run.world.now;
    let late = spec(String::new());
    let engine = &mut run.world.peers[B].engine;
    engine.create_channel(now, late).unwrap();
    run.world.flush();
    run.closed_after(A, true);
    assert_eq!(run.ends[A].len(), 1);
    let counters = run.world.peers[A].engine.data_counters();
    assert_eq!(counters.refused_channels, 1);
    run.closed_after(B, true);
    run.assert_all(B, 128);
}

/// Whether the datagram has a record under keys.
fn is_keyed(datagram: &[u8]) -> bool {
    // Content type, version, epoch (RFC 6347 section 4.1).
    let epoch_1 = |at: usize| datagram.get(at..at + 5).is_some_and(|head| head[4] == 1);
    let mut at = 0;
    while let Some(head) = datagram.get(at..at + 13) {
        if (20..=23).contains(&head[0]) && epoch_1(at) {
            return true;
        }
        at += 13 + usize::from(u16::from_be_bytes([head[11], head[12]]));
    }
    false
}

/// Reliability row B11: whenever one side closes, from the first check to the first media, the
/// other hears of it within a second if there were keys, and no later than a time-out if not.
#[test]
fn r_b11_a_close_at_any_moment_of_the_set_up_leaves_no_ghost() {
    let (mut heard, mut silent) = (0, 0);
    for closer in [A, B] {
        for step in 0..60 {
            let mut world = World::new(step, &Setup::default());
            world.net.set_default(link(0.0));
            world.tap = Some(Vec::new());
            world.signal_all();
            world.run_for(ms(step * 5));
            let now = world.now;
            world.peers[closer]
                .engine
                .close(now, DisconnectReason::Closed);
            world.flush();
            let tapped = world.tap.take().unwrap();
            let has_keys = tapped
                .iter()
                .any(|tapped| tapped.from == closer && is_keyed(&tapped.data));
            world.run_for(secs(1));
            let told = world.peers[1 - closer].disconnects();
            if has_keys {
                assert_eq!(told.len(), 1, "{closer} at {step}: {}", world.describe());
                assert_eq!(told[0].1, DisconnectReason::RemoteClosed);
                heard += 1;
                continue;
            }
            silent += 1;
            world.run_for(secs(61));
            let told = world.peers[1 - closer].disconnects();
            assert!(!told.is_empty(), "{closer} at {step}: {}", world.describe());
        }
    }
    println!("{heard} heard at once, {silent} by the time");
    assert!(heard > 30 && silent > 20, "{heard}, {silent}");
}

/// All that some peers say when they leave is the end of SCTP. Those that go on are heard.
#[test]
fn r_g04_a_peer_that_ends_its_association_and_is_gone_is_missed() {
    for seed in 0..10 {
        for lives in [false, true] {
            let mut run = Run::new(seed, link(0.0), 1);
            run.world.run_for(secs(seed % 3 + 1));
            let said = run.world.now;
            let peer = &mut run.world.peers[B].engine;
            assert!(peer.data.abort(said));
            peer.flush_data();
            run.world.flush();
            run.world.run_for(ms(100));
            if !lives {
                let end = said + secs(600);
                run.world.net.blackout(run.world.now, end);
            }
            run.world.run_for(secs(4));
            let told = run.world.peers[A].disconnects();
            if lives {
                assert_eq!(told, []);
                assert_eq!(run.world.peers[A].engine.state(), EngineState::Connected);
                continue;
            }
            let [(at, reason)] = &told[..] else {
                panic!("{told:?}")
            };
            assert_eq!(*reason, DisconnectReason::RemoteClosed);
            assert!(*at - said < secs(3), "{:?}", *at - said);
        }
    }
}
