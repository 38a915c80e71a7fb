//! Quantities: what a flood before or during the handshake costs, and what is left of it. Millions
//! with `ORTC_SOAK`, where time and memory are measured, too.

use super::attack::record;
use super::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE};
use super::*;
use crate::simnet::usage::{Growth, cpu, full_size};

fn count(full: u32) -> u32 {
    if full_size() { full } else { full / 50 }
}

fn fragment(kind: u8, length: usize, number: u16, offset: usize, data: &[u8]) -> Vec<u8> {
    record(
        HANDSHAKE,
        0,
        3,
        &record::fragment(kind, length, number, offset, data),
    )
}

type Shape = (&'static str, fn(u32) -> Vec<u8>);

/// The fragments that the row names, and their like; each by its number in the flood.
const SHAPES: [Shape; 16] = [
    ("of one byte, in order", |n| {
        fragment(11, 60_000, 1, n as usize % 60_000, b"x")
    }),
    ("of one byte, backwards", |n| {
        fragment(11, 60_000, 2, 59_999 - n as usize % 60_000, b"x")
    }),
    ("of one byte, every other", |n| {
        fragment(1, 15_000, 0, n as usize * 2 % 15_000, b"x")
    }),
    ("of one byte, anywhere", |n| {
        let offset = n.wrapping_mul(2_654_435_761) as usize % 15_000;
        fragment(11, 15_000, 1, offset, b"x")
    }),
    ("that contradict each other", |n| {
        fragment(11, 15_000, 1, n as usize / 7 % 15_000, &[n as u8])
    }),
    ("that contradict a message with many gaps", |n| {
        fragment(11, 2_000, 1, n as usize * 3 % 1_500, &[(n / 500) as u8])
    }),
    ("that contradict a long message", |n| match n % 60_000 {
        0..200 => fragment(11, 60_000, 1, n as usize % 60_000 * 290, &[7; 300]),
        _ => fragment(11, 60_000, 1, n as usize * 31 % 50_000, &[n as u8; 2]),
    }),
    ("that overlap", |n| {
        fragment(11, 60_000, 1, n as usize * 37 % 59_000, &[7; 100])
    }),
    ("that overlap and contradict", |n| {
        fragment(12, 4_000, 2, n as usize * 37 % 3_900, &[n as u8; 100])
    }),
    ("of no length", |n| {
        fragment(11, 60_000, 1, n as usize % 60_000, b"")
    }),
    ("of no length in a message of none", |n| {
        fragment(14, 0, n as u16, 0, b"")
    }),
    ("beyond the end", |n| {
        fragment(1, 5, 0, 5 + n as usize % 1_000, b"x")
    }),
    ("of 16 MB", |n| {
        fragment(11, 16_000_000, 1, 15_999_999 - n as usize, b"x")
    }),
    ("of every length", |n| {
        fragment(11, 2 + n as usize % 60_000, 1, 1, b"x")
    }),
    ("of every message", |n| {
        fragment(2, 100, n as u16, n as usize / 3 % 100, b"x")
    }),
    ("of every message and type", |n| {
        let kinds = [0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20, 200];
        let kind = kinds[n as usize % kinds.len()];
        fragment(kind, 200, n as u16 / 13, n as usize / 5 % 200, b"x")
    }),
];

/// Reliability row B7.
#[test]
fn r_b07_a_million_fragments_of_each_shape() {
    let count = count(1_000_000);
    // What is made once is not the flood's.
    Pair::new().connect();
    let mut growth = Growth::start();
    let mut worst = Duration::ZERO;
    for (name, shape) in SHAPES {
        for victim in 0..2 {
            let mut pair = Pair::new();
            let hello = pair.sides[0].poll_transmit().unwrap();
            pair.inject(1, DELAY, hello.to_vec());
            let mut taken = Duration::ZERO;
            for first in (0..count).step_by(1_000) {
                let datagrams: Vec<_> = (first..first + 1_000).map(shape).collect();
                let before = cpu();
                let side = &mut pair.sides[victim];
                for datagram in &datagrams {
                    side.handle_datagram(pair.now, datagram);
                    while side.poll_transmit().is_some() {}
                }
                taken += cpu() - before;
                growth.look();
            }
            worst = worst.max(taken);
            if full_size() {
                println!("{name}, to side {victim}: {taken:?}");
                let most = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });
                assert!(taken <= most, "{name}: {taken:?}");
            }
            pair.run(Duration::from_secs(30), whole, Pair::both_connected);
            assert!(pair.both_connected(), "{name} to side {victim}");
        }
    }
    println!("{count} of each, at most {worst:?}");
    growth.at_most(2_048);
}

/// Reliability row B8: a gigabyte in full.
#[test]
fn r_b08_a_gigabyte_of_early_records() {
    const RECORD: usize = 1_100;
    let total = if full_size() { 1 << 30 } else { 2 << 20 };
    Pair::new().connect();
    let kinds = [HANDSHAKE, APPLICATION_DATA, ALERT, CHANGE_CIPHER_SPEC, 99];
    for (epochs, number) in [
        ([1u16, 1], 5),
        ([1, 1], 1 << 40),
        ([2, 3], 5),
        ([1, 65_535], 5),
    ] {
        // At once, and in the middle of the handshake.
        for after in [Duration::ZERO, DELAY * 3] {
            let mut pair = Pair::new();
            pair.run(after, whole, |_| false);
            let mut growth = Growth::start();
            let mut sent = 0;
            let mut n = 0usize;
            while sent < total {
                let kind = kinds[n % kinds.len()];
                let number = number + n as u64 / 3;
                let length = [RECORD, 13, 0, 300][n / 7 % 4];
                let datagram = record(kind, epochs[n % 2], number, &vec![n as u8; length]);
                for side in &mut pair.sides {
                    side.handle_datagram(pair.now, &datagram);
                    while side.poll_transmit().is_some() {}
                }
                sent += datagram.len();
                n += 1;
                if n.is_multiple_of(1_000) {
                    growth.look();
                }
            }
            let dropped = pair.sides.each_ref().map(|side| side.counters().dropped);
            assert!(
                dropped.iter().all(|all| *all + 100 >= n as u64),
                "{dropped:?}"
            );
            pair.run(Duration::from_secs(30), whole, Pair::both_connected);
            let failed = pair.outcome.each_ref().map(|side| side.failed.clone());
            assert!(
                pair.both_connected(),
                "{epochs:?} from {number} after {after:?}: {failed:?}"
            );
            growth.at_most(256);
        }
    }
}
