//! Player and receiver with a lossy network between them, on a virtual clock.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use super::event::DTMFEvent;
use super::player::Output;
use super::player_tests::{Stage, ms};
use super::receiver::{IncomingEvent, Receiver};
use super::tone::DTMFTone;
use crate::simnet::rng::Rng;

const ALL: &str = "0123456789*#ABCD";

/// What a receiver makes of what a player sends when packets get lost, doubled and delayed.
fn transfer(seed: u64, loss: f64, digits: &str) -> String {
    let mut rng = Rng::new(seed);
    let mut stage = Stage::new(if rng.chance(0.5) { 8_000 } else { 48_000 });
    let clock_rate = stage.clock_rate();
    stage.play(digits);
    stage.run(ms(170 * digits.len() as u64 + 500));
    let mut arrivals: Vec<(Instant, u32, [u8; 4])> = Vec::new();
    for (at, output) in &stage.outputs {
        let Output::Packet(packet) = output else {
            continue;
        };
        let copies = 1 + usize::from(rng.chance(0.05));
        for _ in 0..copies {
            if !rng.chance(loss) {
                // Less than the gap between two tones.
                let delay = rng.duration(ms(25));
                arrivals.push((*at + delay, packet.timestamp, packet.payload));
            }
        }
    }
    arrivals.sort_by_key(|(at, ..)| *at);
    let mut receiver = Receiver::default();
    let mut heard = String::new();
    let mut listen = |receiver: &mut Receiver| {
        while let Some(event) = receiver.poll() {
            if let DTMFEvent::Tone(DTMFTone { digits, .. }) = event {
                heard.push_str(&digits);
            }
        }
    };
    for (at, timestamp, payload) in &arrivals {
        let event = IncomingEvent {
            ssrc: 7,
            timestamp: *timestamp,
            clock_rate,
            payload,
        };
        receiver.handle(*at, &event);
        listen(&mut receiver);
    }
    receiver.handle_timeout(stage.now + ms(1_000));
    listen(&mut receiver);
    heard
}

#[test]
fn without_loss_every_digit_arrives_once() {
    for seed in 0..100 {
        assert_eq!(transfer(seed, 0.0, ALL), ALL, "seed {seed}");
    }
}

#[test]
fn r_d17_each_digit_arrives_exactly_once_under_20_percent_loss() {
    const RUNS: u64 = 1_000;
    let failed: Vec<(u64, String)> = (0..RUNS)
        .map(|seed| (seed, transfer(seed, 0.2, ALL)))
        .filter(|(_, heard)| heard != ALL)
        .collect();
    assert!(failed.len() <= 1, "failing seeds: {failed:?}");
}

#[test]
fn the_same_digit_again_and_again_is_counted_right_under_loss() {
    let digits = "1".repeat(16);
    let wrong = (0..200).filter(|&seed| transfer(seed, 0.2, &digits) != digits);
    assert!(wrong.count() <= 1);
}
