//! The path while it is in use: consent, blackouts, restarts.

use super::super::{EngineEvent, EngineState};
use super::harness::{A, B, Setup, World, is_stun, ms, secs};
use crate::error::DisconnectReason;
use crate::simnet::usage::full_size;

/// S9: whatever else it sends, a peer that answers no STUN is left alone after 30 s.
#[test]
fn g042_r_s09_a_peer_that_answers_no_stun_gets_nothing_after_31_s() {
    for seed in 0..10 {
        let mut world = World::connected(seed, &Setup::default());
        world.start_media();
        world.net.start_capture();
        world.run_for(secs(3));
        let silent_from = world.now;
        // B's STUN is lost. Its media, and what its port sends besides, go on.
        world.filter = Some(Box::new(|from, _, data| from == A || !is_stun(data)));
        for _ in 0..400 {
            world.run_for(ms(100));
            let len = world.rng.below(1_400) as usize;
            let junk = world.rng.bytes(len);
            let [a, b] = [A, B].map(|side| world.peers[side].addr);
            world.net.send(world.now, b, a, junk);
        }
        let from = world.peers[A].addr;
        let last = world
            .net
            .captured()
            .iter()
            .filter(|packet| packet.src == from && packet.first_byte.is_some_and(|b| b > 3))
            .map(|packet| packet.at)
            .max()
            .unwrap();
        let after = last - silent_from;
        assert!(after <= secs(31), "{after:?}: {}", world.describe());
        assert!(after >= secs(23), "{after:?}: {}", world.describe());
        let disconnects = world.peers[A].disconnects();
        assert_eq!(disconnects.len(), 1);
        assert_eq!(disconnects[0].1, DisconnectReason::ConsentLost);
        assert_eq!(world.peers[A].engine.state(), EngineState::Halted);
        // And nothing of ICE either, unless it is asked to restart.
        let late = world
            .net
            .captured()
            .iter()
            .filter(|packet| packet.src == from && packet.at > silent_from + secs(31));
        assert_eq!(late.count(), 0, "seed {seed}");
    }
}

/// S8: one check each 4 to 6 s on a quiet path.
#[test]
fn g042_r_s08_consent_checks_are_4_to_6_s_apart() {
    let mut world = World::connected(3, &Setup::default());
    world.run_for(secs(2));
    world.net.start_capture();
    world.run_for(secs(300));
    let from = world.peers[A].addr;
    // A's requests; its responses to B's are STUN too, told apart by their first byte.
    let requests: Vec<_> = world
        .net
        .captured()
        .iter()
        .filter(|packet| packet.src == from && packet.first_byte == Some(0))
        .map(|packet| packet.at)
        .collect();
    assert!((50..=75).contains(&requests.len()), "{}", requests.len());
    for pair in requests.windows(2) {
        let gap = pair[1] - pair[0];
        assert!(gap >= ms(3_999) && gap <= ms(6_001), "{gap:?}");
    }
}

fn blackout(seed: u64, length: u64) -> World {
    let mut world = World::connected(seed, &Setup::default());
    world.start_media();
    let lead = ms(3_000 + world.rng.below(5_000));
    world.run_for(lead);
    let (from, until) = (world.now, world.now + secs(length));
    world.net.blackout(from, until);
    world.run_for(secs(length));
    world
}

/// Up to 23 s: consent lasts 30 s from an answer that may be 6 s old when the blackout begins.
#[test]
fn r_d5_media_is_back_within_a_second_after_a_blackout() {
    let seeds = if full_size() { 10 } else { 2 };
    for length in [2, 5, 10, 20, 23] {
        for seed in 0..seeds {
            let mut world = blackout(seed, length);
            let before = [A, B].map(|side| world.peers[side].packets.len());
            let back = world.run_until(secs(1), |world| {
                [A, B]
                    .iter()
                    .all(|&s| world.peers[s].packets.len() > before[s] + 5)
            });
            assert!(back, "{length} s: {}", world.describe());
            world.run_for(secs(40));
            for peer in &world.peers {
                // Every lost packet was lost in the blackout.
                let lost = peer
                    .engine
                    .rtp()
                    .inbound_stats(if peer.addr == world.peers[A].addr {
                        200
                    } else {
                        100
                    });
                let lost = lost.unwrap().packets_lost;
                assert!(lost <= 50 * length as i64 + 2, "{length} s, {lost} lost");
                assert!(peer.disconnects().is_empty(), "{}", world.describe());
            }
            assert!(world.both_connected_now());
        }
    }
}

#[test]
fn r_d6_after_35_s_of_blackout_a_restart_brings_the_media_back() {
    for seed in 0..10 {
        let mut world = blackout(seed, 35);
        world.run_for(secs(20));
        for peer in &world.peers {
            let disconnects = peer.disconnects();
            assert_eq!(disconnects.len(), 1, "{}", world.describe());
            assert_eq!(disconnects[0].1, DisconnectReason::ConsentLost);
            assert_eq!(peer.engine.state(), EngineState::Halted);
        }
        world.restart(1);
        let before = [A, B].map(|side| world.peers[side].packets.len());
        let back = world.run_until(secs(5), |world| {
            [A, B]
                .iter()
                .all(|&s| world.peers[s].packets.len() > before[s] + 5)
        });
        assert!(back && world.both_connected_now(), "{}", world.describe());
        for peer in &world.peers {
            assert_eq!(peer.count(|e| matches!(e, EngineEvent::Connected)), 2);
            assert_eq!(peer.disconnects().len(), 1);
        }
    }
}

#[test]
fn r_d6_a_blackout_in_one_direction_ends_both_sides() {
    let mut world = World::connected(5, &Setup::default());
    world.start_media();
    world.run_for(secs(3));
    let (from, until) = (world.now, world.now + secs(60));
    let [a, b] = [A, B].map(|side| world.peers[side].addr.ip());
    world.net.blackout_link(a, b, from, until);
    world.run_for(secs(60));
    for peer in &world.peers {
        let disconnects = peer.disconnects();
        assert_eq!(disconnects.len(), 1, "{}", world.describe());
        let after = disconnects[0].0 - from;
        assert!(after >= secs(22) && after <= secs(40), "{after:?}");
    }
    world.restart(1);
    let back = world.run_until(secs(5), World::both_connected_now);
    assert!(back, "{}", world.describe());
}

/// A restart while all is well loses no packet.
#[test]
fn r_b14_media_flows_through_a_restart() {
    for seed in 0..10 {
        let mut world = World::connected(seed, &Setup::default());
        let ids = world.start_media();
        world.run_for(secs(2));
        world.restart(1);
        world.run_for(secs(5));
        for side in [A, B] {
            let sent = world.peers[1 - side].pump.as_ref().unwrap().sent;
            let peer = &world.peers[side];
            let got = peer.packets.iter().filter(|(_, id, _)| *id == ids[side]);
            assert!(got.count() as u64 >= sent - 1, "{}", world.describe());
            assert!(peer.disconnects().is_empty());
            assert_eq!(
                peer.count(|e| matches!(e, EngineEvent::ActivePair { .. })),
                2
            );
        }
    }
}

/// The blackout falls on the set-up: it goes on afterwards.
#[test]
fn r_d5_a_blackout_during_set_up_delays_it() {
    for seed in 0..20 {
        let mut world = World::new(seed, &Setup::default());
        let pause = ms(world.rng.below(12));
        world.signal_all();
        world.run_for(pause);
        let until = world.now + secs(10);
        world.net.blackout(world.now, until);
        world.run_for(secs(10));
        assert!(world.connect(secs(5)), "{}", world.describe());
    }
}
