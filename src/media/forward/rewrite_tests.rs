//! The line of a forwarded track, whatever its sources do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Place, Rewriter};
use crate::simnet::Rng;

const START: u16 = 65_000;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn number(place: Option<Place>) -> Option<u16> {
    place.map(|place| place.sequence_number)
}

fn joined(first: u16) -> (Rewriter, Instant) {
    let now = Instant::now();
    let mut line = Rewriter::new(START, 1_000);
    line.join(now, (first, 50), 90_000, None, 1);
    (line, now)
}

#[test]
fn what_is_lost_keeps_its_number_and_what_is_left_out_has_none() {
    let (mut line, now) = joined(10);
    let mut at = |n: u16| number(line.place(now, n, 50)).map(|n| n.wrapping_sub(START));
    assert_eq!([at(10), at(11), at(13)], [Some(0), Some(1), Some(3)]);
    assert_eq!(at(12), Some(2), "late");
    assert_eq!(at(13), None, "again");
    assert_eq!(at(9), None, "before the first");
    // 14 is lost, 15 and 16 are left out.
    assert_eq!(line.skip(15, 50), None);
    assert_eq!(line.skip(16, 50), None);
    let mut at = |n: u16| number(line.place(now, n, 50)).map(|n| n.wrapping_sub(START));
    assert_eq!([at(17), at(14), at(18)], [Some(5), Some(4), Some(6)]);
    // A late one that is to be left out leaves a hole that has to be filled.
    assert_eq!(number(line.place(now, 20, 50)), Some(START.wrapping_add(8)));
    assert_eq!(number(line.skip(19, 50)), Some(START.wrapping_add(7)));
}

#[test]
fn another_source_goes_on_after_the_newest_and_by_the_time_that_passed() {
    let (mut line, now) = joined(10);
    line.place(now, 10, 50).unwrap();
    line.place(now, 12, 3_050).unwrap();
    let later = now + ms(100);
    line.join(later, (7_000, 900_000), 90_000, None, 1);
    let place = line.place(later, 7_000, 900_000).unwrap();
    assert_eq!(place.sequence_number, START.wrapping_add(3));
    assert_eq!(place.timestamp, 1_000 + 3_000 + 9_000);
    // By the clocks of the sources, where that fits.
    for (aligned, expected) in [(14_000, 14_000), (12_000, 22_000), (500_000, 22_000)] {
        let (mut line, now) = joined(10);
        line.place(now, 10, 12_050).unwrap();
        let later = now + ms(100);
        line.join(later, (1, 1), 90_000, Some(aligned), 1);
        let place = line.place(later, 1, 1).unwrap();
        assert_eq!(place.timestamp, expected, "{aligned}");
    }
}

#[test]
fn after_a_pause_the_numbers_go_on_and_the_timestamps_tell_of_it() {
    let (mut line, now) = joined(10);
    line.place(now, 10, 50).unwrap();
    // What was passed over is not counted; its stragglers have no place.
    line.rejoin(500);
    assert_eq!(number(line.place(now, 499, 40_000)), None);
    let place = line.place(now, 500, 45_050).unwrap();
    assert_eq!(place.sequence_number, START.wrapping_add(1));
    assert_eq!(place.timestamp, 46_000);
}

/// A source that sends, with losses, late packets and repetitions.
struct Source {
    next: u16,
    timestamp: u32,
    waiting: Vec<(u16, u32)>,
}

/// Whatever comes: no number twice, none missing but for what was lost on the way here, and never
/// more than that.
#[test]
fn r_c06_no_number_is_used_twice_and_none_is_missing_without_a_loss() {
    let runs = if std::env::var_os("ORTC_SOAK").is_some() {
        2_000
    } else {
        100
    };
    for seed in 0..runs {
        let mut rng = Rng::new(seed);
        let mut below = |n: u64| rng.next_u64() % n;
        let start = Instant::now();
        let mut line = Rewriter::new(below(1 << 16) as u16, below(1 << 32) as u32);
        let mut source = Source {
            next: below(1 << 16) as u16,
            timestamp: below(1 << 32) as u32,
            waiting: Vec::new(),
        };
        let mut used = BTreeSet::new();
        let mut by_out = BTreeMap::new();
        let (mut newest, mut newest_time) = (None::<u64>, None::<u64>);
        let extend = |newest: &mut Option<u64>, out: u16| {
            let known = newest.unwrap_or(u64::from(out) + 65_536);
            let ahead = out.wrapping_sub(known as u16) as i16;
            let full = known.wrapping_add_signed(i64::from(ahead));
            *newest = Some(known.max(full));
            full
        };
        let (mut lost, mut joining, mut filled) = (0u64, true, 0u64);
        for step in 0..3_000u64 {
            let now = start + ms(step * 5);
            if below(300) == 0 {
                // Another source, or the same after a pause.
                source.waiting.clear();
                if below(2) == 0 {
                    source.next = below(1 << 16) as u16;
                    source.timestamp = below(1 << 32) as u32;
                    joining = true;
                } else if !joining {
                    source.next = source.next.wrapping_add(below(5_000) as u16);
                    source.timestamp = source.timestamp.wrapping_add(450_000);
                    line.rejoin(source.next);
                }
                // What the late packets would have filled stays open.
                lost += 64;
            }
            let packet = (source.next, source.timestamp);
            source.next = source.next.wrapping_add(1);
            source.timestamp = source.timestamp.wrapping_add(450);
            match below(20) {
                0 => {
                    lost += 1;
                    continue;
                }
                1 => {
                    source.waiting.push(packet);
                    continue;
                }
                _ => {}
            }
            let mut due = vec![packet];
            if below(8) == 0 && !source.waiting.is_empty() {
                due.push(source.waiting.remove(0));
            }
            for (number, timestamp) in due {
                if joining {
                    line.join(now, (number, timestamp), 90_000, None, 1);
                    joining = false;
                }
                let out = if below(5) == 0 {
                    let hole = line.skip(number, timestamp);
                    filled += u64::from(hole.is_some());
                    hole
                } else {
                    line.place(now, number, timestamp)
                };
                let Some(out) = out else { continue };
                let full = extend(&mut newest, out.sequence_number);
                assert!(used.insert(full), "twice: {full}, seed {seed}");
                by_out.insert(full, out.timestamp);
                let time = u64::from(out.timestamp);
                if newest == Some(full) {
                    if let Some(before) = newest_time {
                        let ahead = out.timestamp.wrapping_sub(before as u32);
                        assert!(ahead < 0x8000_0000, "back in time, seed {seed}");
                    }
                    newest_time = Some(time);
                }
            }
            source.waiting.truncate(32);
        }
        let (first, last) = (used.first().unwrap(), used.last().unwrap());
        let missing = last - first + 1 - used.len() as u64;
        assert!(missing <= lost, "{missing} of {lost}, seed {seed}");
        assert!(filled > 0, "seed {seed}");
    }
}
