//! What is asked for, when, and how often.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use super::nack::{Arrival, NackTracker, entries};
use super::reports::nack_sequence_numbers;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn what_is_missing_is_asked_for_after_a_moment_and_again_after_a_round_trip() {
    let start = Instant::now();
    let mut tracker = NackTracker::new(65_534);
    assert_eq!(tracker.arrived(start, 65_535), Arrival::Next);
    assert_eq!(tracker.next_at(), None);
    assert_eq!(tracker.arrived(start, 3), Arrival::Next);
    let first = tracker.next_at().unwrap();
    assert_eq!(first, start + ms(10));
    assert!(tracker.due(start + ms(9), None).is_empty());
    // Overtaken, not lost.
    assert_eq!(
        tracker.arrived(start + ms(5), 1),
        Arrival::Missed { asked: false }
    );
    assert_eq!(tracker.arrived(start + ms(5), 1), Arrival::Repeat);
    assert_eq!(tracker.recovered, 0);
    let rtt = Some(ms(60));
    assert_eq!(tracker.due(first, rtt), [0, 2]);
    assert_eq!(
        tracker.arrived(first + ms(60), 0),
        Arrival::Missed { asked: true }
    );
    assert_eq!(tracker.recovered, 1);
    let second = tracker.next_at().unwrap();
    assert_eq!(second, first + ms(75));
    assert_eq!(tracker.due(second, rtt), [2]);
    assert_eq!(tracker.arrived(second, 3), Arrival::Repeat);
}

#[test]
fn a_packet_is_given_up_after_some_tries_and_after_a_second() {
    for (rtt, tries) in [(Some(ms(1)), 8), (None, 5), (Some(ms(5_000)), 3)] {
        let start = Instant::now();
        let mut tracker = NackTracker::new(1);
        tracker.arrived(start, 3);
        let mut asked = 0;
        while let Some(at) = tracker.next_at() {
            asked += tracker.due(at, rtt).len();
        }
        assert_eq!((asked, tracker.given_up), (tries, 1), "{rtt:?}");
        assert_eq!(tracker.arrived(start, 2), Arrival::Repeat);
    }
}

#[test]
fn gaps_are_bounded() {
    let start = Instant::now();
    let mut tracker = NackTracker::new(0);
    tracker.arrived(start, 502);
    assert_eq!((tracker.next_at(), tracker.given_up), (None, 501));
    tracker.arrived(start, 1_002);
    assert_eq!(tracker.due(start + ms(10), None).len(), 499);
    // The oldest give way to the newest.
    tracker.arrived(start, 1_013);
    assert_eq!(tracker.given_up, 501 + 9);
    let due = tracker.due(start + ms(120), None);
    assert_eq!((due.len(), due[0], due[499]), (500, 512, 1_012));
    // From far behind: no gap, no request.
    assert_eq!(
        tracker.arrived(start, 900u16.wrapping_sub(20_000)),
        Arrival::Repeat
    );
}

#[test]
fn entries_carry_what_is_asked_for() {
    let asked: Vec<u16> = [65_530, 65_535, 0, 9, 10, 11, 26, 27, 28, 400].to_vec();
    let entries = entries(&asked);
    assert_eq!(
        entries.iter().map(|(first, _)| *first).collect::<Vec<_>>(),
        [65_530, 11, 28, 400]
    );
    let wire: Vec<u8> = entries
        .iter()
        .flat_map(|(first, mask)| [first.to_be_bytes(), mask.to_be_bytes()].concat())
        .collect();
    let mut parsed: Vec<u16> = nack_sequence_numbers(&wire).collect();
    parsed.sort_by_key(|n| n.wrapping_sub(65_530));
    assert_eq!(parsed, asked);
}
