//! Whether the path is found to be too narrow when it is, and not otherwise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use super::path_meter::PathMeter;
use super::transport_cc::{Recorder, parse};
use crate::simnet::Rng;

const SIZE: u64 = 1_200;

/// A sender, its path and its peer, by the microsecond.
struct Path {
    meter: PathMeter,
    recorder: Recorder,
    start: Instant,
    number: u16,
    /// Bits a second, and what may wait, in microseconds.
    rate: u64,
    depth: u64,
    loss: f64,
    free: u64,
    /// Of the one who receives: he hears nothing until then.
    deaf_until: u64,
    under_way: Vec<(u64, u16)>,
    feedback_at: u64,
    strained: Vec<(u64, f64)>,
    rng: Rng,
}

impl Path {
    fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            meter: PathMeter::default(),
            // The clock of the other side is another one.
            recorder: Recorder::new(start),
            start,
            number: 65_000,
            rate: 50_000_000,
            depth: 150_000,
            loss: 0.0,
            free: 0,
            deaf_until: 0,
            under_way: Vec::new(),
            feedback_at: 0,
            strained: Vec::new(),
            rng: Rng::new(seed),
        }
    }

    fn at(&self, micros: u64) -> Instant {
        self.start + Duration::from_micros(micros)
    }

    fn send(&mut self, now: u64, size: u64) {
        self.meter.sent(self.at(now), self.number, size as usize);
        let number = self.number;
        self.number = number.wrapping_add(1);
        let wait = self.free.saturating_sub(now);
        if wait > self.depth || self.rng.chance(self.loss) {
            return;
        }
        self.free = now + wait + size * 8_000_000 / self.rate;
        self.under_way.push((self.free + 10_000, number));
    }

    /// Pictures every 40 ms, as large as the rate has it, and sound in between.
    fn run(&mut self, from: u64, to: u64, bits: u64) {
        for now in (from..to).step_by(1_000) {
            if now % 40_000 == 0 {
                (0..bits * 40 / 8_000 / SIZE).for_each(|_| self.send(now, SIZE));
            }
            if now % 20_000 == 7_000 {
                self.send(now, 120);
            }
            if now >= self.deaf_until {
                let came = self.under_way.partition_point(|(at, _)| *at <= now);
                for (at, number) in self.under_way.drain(..came) {
                    let at = at.max(self.deaf_until);
                    let at = self.start + Duration::from_micros(at);
                    self.recorder.arrived(at, number, 7);
                }
                if now >= self.feedback_at {
                    self.feedback_at = now + 50_000;
                    self.tell(now);
                }
            }
        }
    }

    fn tell(&mut self, now: u64) {
        let later = self.at(now + 10_000);
        while let Some(body) = self.recorder.message() {
            if self.meter.told(later, &parse(&body).unwrap()) {
                self.strained.push((now, self.meter.strain().unwrap().part));
            }
        }
    }
}

const S: u64 = 1_000_000;

#[test]
fn a_path_that_becomes_narrow_is_found_so_at_once_and_how_narrow_it_is() {
    for seed in 0..20 {
        let mut path = Path::new(seed);
        path.run(0, 5 * S, 1_500_000);
        assert_eq!(path.strained, [], "seed {seed}");
        path.rate = 300_000;
        path.run(5 * S, 6 * S, 1_500_000);
        let (at, part) = path.strained[0];
        assert!(at < 5 * S + 300_000, "seed {seed}: {at}");
        assert!((0.75..0.85).contains(&part), "seed {seed}: {part}");
        // What it carries is no strain.
        path.meter.restart();
        path.strained.clear();
        path.run(6 * S, 12 * S, 240_000);
        assert_eq!(path.strained, [], "seed {seed}");
    }
}

#[test]
fn a_path_that_drops_without_a_queue_is_found_by_that() {
    let mut path = Path::new(1);
    path.run(0, 2 * S, 1_500_000);
    path.depth = 0;
    path.rate = 300_000;
    path.run(2 * S, 3 * S, 1_500_000);
    let found = |least: f64| {
        path.strained
            .iter()
            .find(|(_, part)| *part > least)
            .unwrap()
            .0
    };
    assert!(found(0.3) < 2 * S + 300_000 && found(0.6) < 2 * S + 400_000);
}

/// A machine that stands still for a moment, few losses, a long way and a busy path that carries all.
#[test]
fn what_only_looks_like_a_narrow_path_is_none() {
    for seed in 0..20 {
        let mut path = Path::new(seed);
        path.loss = 0.03;
        path.rate = 2_500_000;
        let mut rng = Rng::new(seed);
        for tenth in 0..300 {
            let now = tenth * S / 10;
            if rng.percent(15) {
                path.deaf_until = now + rng.below(250_000);
            }
            path.run(now, now + S / 10, 1_500_000);
        }
        assert_eq!(path.strained, [], "seed {seed}");
    }
}

#[test]
fn the_clock_of_the_peer_and_the_numbers_wrap() {
    let mut path = Path::new(3);
    // 2 to the power of 24 times 64 ms, less a second.
    let far = ((1u64 << 24) * 64_000) - S;
    path.feedback_at = far;
    path.free = far;
    path.run(far, far + 5 * S, 1_500_000);
    assert_eq!(path.strained, []);
    path.rate = 300_000;
    path.run(far + 5 * S, far + 6 * S, 1_500_000);
    assert!(path.strained[0].0 < far + 5 * S + 300_000);
}
