//! Peers that never finish DTLS.

use super::super::{EngineState, SecureState};
use super::harness::{A, B, Setup, World, is_stun, ms, secs};
use crate::error::DisconnectReason;
use crate::simnet::Rng;
use crate::simnet::usage::{cpu, full_size, rss_kib};

/// What the peer does instead, every 5 s.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Drip {
    Nothing,
    Byte,
    /// One byte of a message that is waited for, each time the next.
    Fragment,
    /// One byte of its genuine next datagram.
    Cut,
}

const DRIPS: [Drip; 4] = [Drip::Nothing, Drip::Byte, Drip::Fragment, Drip::Cut];

/// Two ends whose DTLS stops after some datagrams of each; ICE goes on.
fn half_open(seed: u64) -> World {
    let mut world = World::new(seed, &Setup::default());
    // Three of each would do.
    let pass = seed / DRIPS.len() as u64 % 3;
    let mut passed = [0; 2];
    world.filter = Some(Box::new(move |from, _, data| {
        if is_stun(data) {
            return true;
        }
        passed[from] += 1;
        passed[from] <= pass
    }));
    world.signal_all();
    let begun = |world: &World, side: usize| {
        world.peers[side].engine.secure().state() == SecureState::Connecting
    };
    let begun = world.run_until(secs(1), |world| begun(world, A) && begun(world, B));
    assert!(begun, "{}", world.describe());
    world
}

fn drip(world: &mut World, how: Drip, step: usize) {
    for side in [A, B] {
        let data = match how {
            Drip::Nothing => continue,
            Drip::Byte => vec![22],
            Drip::Fragment => {
                let kind = [1u8, 2, 11, 16][step % 4];
                let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, step as u8, 0, 13];
                // 256 bytes in all, of message `step / 4`.
                record.extend([
                    kind,
                    0,
                    1,
                    0,
                    0,
                    step as u8 / 4,
                    0,
                    0,
                    step as u8,
                    0,
                    0,
                    1,
                    9,
                ]);
                record
            }
            Drip::Cut => vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, step as u8, 0, 1, 1],
        };
        world.inject(side, &data);
    }
}

/// Reliability row B11: ten thousand ends in full.
#[test]
fn r_b11_half_open_handshakes_end_in_time_and_hold_little() {
    let worlds = if full_size() { 5_000 } else { 40 };
    drop(half_open(0));
    let (before, used) = (rss_kib(), cpu());
    let mut open: Vec<World> = Vec::with_capacity(worlds);
    for seed in 0..worlds as u64 {
        let mut world = half_open(seed);
        world.run_for(ms(4_500));
        open.push(world);
    }
    // In the middle: some hold a flight, or parts of one.
    for (n, world) in open.iter_mut().enumerate() {
        drip(world, DRIPS[n % DRIPS.len()], 0);
    }
    // Tests beside this one may free memory.
    let each = rss_kib().saturating_sub(before) as f64 / (worlds * 2) as f64;
    println!(
        "{} half-open: {each:.1} KiB each, with the network around them",
        worlds * 2
    );
    if full_size() {
        assert!(each <= 64.0, "{each} KiB each");
    }
    let mut slowest = secs(0);
    let mut rng = Rng::new(11);
    for (n, mut world) in open.into_iter().enumerate() {
        let how = DRIPS[n % DRIPS.len()];
        for step in 1..12 {
            drip(&mut world, how, step);
            let rest = 4_990 + rng.below(20);
            world.run_for(ms(rest));
        }
        for side in [A, B] {
            let peer = &world.peers[side];
            let told = peer.disconnects();
            assert_eq!(told.len(), 1, "{how:?} {}", world.describe());
            assert_eq!(told[0].1, DisconnectReason::DtlsFailed);
            slowest = slowest.max(told[0].0 - world.start);
            assert_eq!(peer.engine.state(), EngineState::Closed);
            assert_eq!(peer.engine.poll_timeout(), None, "{}", world.describe());
            assert_eq!(peer.engine.held(), 0);
        }
    }
    println!("ended within {slowest:?}; CPU {:?}", cpu() - used);
    // ICE took a moment of it.
    assert!(slowest <= secs(30) + ms(100), "{slowest:?}");
}
