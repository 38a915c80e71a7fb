//! A machine sleeps and wakes, or its clock is set.

use std::time::{Duration, Instant};

use super::super::{EngineEvent, EngineState};
use super::harness::{A, B, Setup, World, ms, secs};
use crate::engine::ice::IceState;
use crate::error::DisconnectReason;
use crate::rtp::ReceiverId;

const HOUR: u64 = 3_600;

fn wakes(world: &mut World, side: usize, slept: Duration) {
    let now = world.clock(side);
    world.peers[side].engine.resumed(now, slept);
    world.flush();
}

/// STUN requests that a side has sent since.
fn requests(world: &World, side: usize, since: Instant) -> usize {
    let from = world.peers[side].addr;
    let captured = world.net.captured().iter();
    captured
        .filter(|p| p.src == from && p.first_byte == Some(0) && p.at >= since)
        .count()
}

fn with_media(seed: u64) -> (World, [ReceiverId; 2]) {
    let mut world = World::connected(seed, &Setup::default());
    let ids = world.start_media();
    let lead = ms(3_000 + world.rng.below(5_000));
    world.run_for(lead);
    world.net.start_capture();
    (world, ids)
}

fn media_is_back(world: &mut World, within: Duration) -> bool {
    let before = [A, B].map(|side| world.peers[side].packets.len());
    world.run_until(within, |world| {
        let got = |side: usize| world.peers[side].packets.len() > before[side] + 5;
        got(A) && got(B)
    })
}

/// Consent outlives it at both ends.
#[test]
fn r_d14_after_a_short_sleep_the_path_is_checked_at_once_and_goes_on() {
    for seed in 0..10 {
        for length in [4, 10, 20] {
            let (mut world, _) = with_media(seed);
            world.sleep(A, secs(length));
            let woke = world.now;
            wakes(&mut world, A, secs(length));
            assert!(media_is_back(&mut world, secs(1)), "{}", world.describe());
            assert_eq!(requests(&world, A, woke), 1, "seed {seed}, {length} s");
            let b = world.peers[B].engine.rtp();
            let mut round_trips = Vec::new();
            round_trips.extend(b.outbound_stats(200).unwrap().remote.and_then(|r| r.rtt));
            for _ in 0..100 {
                world.run_for(ms(100));
                let b = world.peers[B].engine.rtp();
                round_trips.extend(b.outbound_stats(200).unwrap().remote.and_then(|r| r.rtt));
            }
            assert!(!round_trips.is_empty());
            let longest = round_trips.into_iter().max();
            assert!(longest < Some(secs(1)), "{longest:?}, seed {seed}");
            assert!(world.both_connected_now(), "{}", world.describe());
            let a = &world.peers[A];
            assert!(a.disconnects().is_empty() && world.peers[B].disconnects().is_empty());
            // The one that slept thinks nobody dead, be it for a moment.
            assert_eq!(a.count(|e| matches!(e, EngineEvent::Ice(_))), 2);
            let counted = a.engine.rtp().inbound_stats(200).unwrap();
            assert!(counted.active);
        }
    }
}

/// The peer has given up long ago.
#[test]
fn r_d14_after_a_long_sleep_consent_is_over_within_8_s_and_a_restart_works() {
    for seed in 0..10 {
        for length in [60, HOUR] {
            let (mut world, _) = with_media(seed);
            // Nothing to do for the peer that would take long.
            let mut pump = world.peers[B].pump.take().unwrap();
            world.sleep(A, secs(length));
            let woke = world.now;
            wakes(&mut world, A, secs(length));
            world.run_for(secs(8));
            let disconnects = world.peers[A].disconnects();
            assert_eq!(disconnects.len(), 1, "{}", world.describe());
            assert_eq!(disconnects[0].1, DisconnectReason::ConsentLost);
            assert!(disconnects[0].0 >= woke + secs(5));
            assert!((4..=12).contains(&requests(&world, A, woke)));
            pump.next = world.now;
            world.peers[B].pump = Some(pump);
            world.restart(1);
            let back = world.run_until(secs(5), World::both_connected_now);
            assert!(back && media_is_back(&mut world, secs(1)));
        }
    }
}

/// The peer's network is slow to come back, as Wi-Fi is.
#[test]
fn r_d14_an_answer_within_seven_seconds_is_in_time() {
    for seed in 0..10 {
        let (mut world, _) = with_media(seed);
        let until = world.now + secs(17);
        world.net.blackout(world.now, until);
        world.sleep(A, secs(11));
        wakes(&mut world, A, secs(11));
        world.run_for(secs(6));
        assert!(media_is_back(&mut world, secs(1)), "{}", world.describe());
        world.run_for(secs(10));
        assert!(world.both_connected_now(), "{}", world.describe());
        assert!(world.peers[A].disconnects().is_empty());
    }
}

/// What was asked before the sleep and is answered after it proves nothing.
#[test]
fn r_d14_an_old_answer_is_no_consent() {
    let (mut world, _) = with_media(3);
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = kept.clone();
    // B's answers are held back.
    world.filter = Some(Box::new(move |from, _, data| {
        let answer = from == B && data.first() == Some(&1);
        if answer {
            into.lock().unwrap().push(data.clone());
        }
        !answer
    }));
    world.run_until(secs(7), |_| !kept.lock().unwrap().is_empty());
    world.filter = Some(Box::new(|from, _, _| from != B));
    world.sleep(A, secs(HOUR));
    wakes(&mut world, A, secs(HOUR));
    world.run_for(ms(100));
    let answers = kept.lock().unwrap().clone();
    assert!(!answers.is_empty());
    for answer in answers {
        world.inject(A, &answer);
    }
    world.run_for(secs(8));
    assert_eq!(world.peers[A].engine.state(), EngineState::Halted);
}

/// The clock is set by an hour and nobody has slept: one more check is all that comes of it, also
/// while datagrams are lost, and in a blackout that ends in time.
#[test]
fn r_d14_a_clock_set_ahead_costs_one_check_and_changes_nothing() {
    for seed in 0..20 {
        let (mut world, ids) = with_media(seed);
        let before: Vec<usize> = world.peers.iter().map(|p| p.events.len()).collect();
        for side in [A, B] {
            let at = world.now;
            let checks = requests(&world, side, world.start);
            wakes(&mut world, side, secs(HOUR));
            world.run_for(ms(100));
            assert_eq!(requests(&world, side, world.start), checks + 1);
            assert!(world.now < at + secs(1));
        }
        world.run_for(secs(40));
        if seed % 2 == 0 {
            let until = world.now + secs(5);
            world.net.blackout(world.now, until);
            wakes(&mut world, A, secs(HOUR));
            wakes(&mut world, B, secs(HOUR));
            world.run_for(secs(30));
            assert!(world.both_connected_now());
            assert!(world.peers.iter().all(|p| p.disconnects().is_empty()));
        } else {
            for side in [A, B] {
                let sent = world.peers[1 - side].pump.as_ref().unwrap().sent;
                let got = world.peers[side].packets.iter();
                let got = got.filter(|(_, id, _)| *id == ids[side]).count() as u64;
                assert!(got + 1 >= sent, "{got} of {sent}");
            }
            let after: Vec<usize> = world.peers.iter().map(|p| p.events.len()).collect();
            assert_eq!(before, after, "{}", world.describe());
        }
    }
}

/// In every state of a connection, also where nothing can be checked.
#[test]
fn r_d14_sleep_in_any_state_ends_nothing_by_itself() {
    for seed in 0..40 {
        let mut world = World::new(seed, &Setup::default());
        if seed % 4 > 0 {
            world.signal_all();
        }
        let pause = ms(world.rng.below(40));
        world.run_for(pause);
        for side in [A, B] {
            world.sleep(side, secs(5));
            wakes(&mut world, side, secs(5));
            wakes(&mut world, side, secs(5));
        }
        if seed % 4 == 0 {
            world.signal_all();
        }
        assert!(world.connect(secs(5)), "{}", world.describe());
        world.restart(1);
        wakes(&mut world, A, secs(5));
        assert!(world.run_until(secs(5), |world| {
            let state = |side: usize| world.peers[side].engine.ice().state();
            [A, B].map(state) == [IceState::Connected; 2]
        }));
        world.run_for(secs(40));
        assert!(world.both_connected_now(), "{}", world.describe());
    }
}
