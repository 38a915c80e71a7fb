//! The receiver against what senders and networks do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use super::event::DTMFEvent;
use super::payload::{TelephoneEvent, event_of};
use super::receiver::{IncomingEvent, Receiver};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A receiver at 8 kHz, and what it said.
struct Ear {
    receiver: Receiver,
    start: Instant,
    said: Vec<String>,
}

impl Ear {
    fn new() -> Self {
        Self {
            receiver: Receiver::default(),
            start: Instant::now(),
            said: Vec::new(),
        }
    }

    fn hear(&mut self, at: u64, timestamp: u32, digit: char, duration: u16, end: bool) {
        self.hear_from(1, at, timestamp, digit, duration, end);
    }

    fn hear_from(&mut self, ssrc: u32, at: u64, stamp: u32, digit: char, len: u16, end: bool) {
        let payload = TelephoneEvent {
            event: event_of(digit).unwrap(),
            end,
            volume: 10,
            duration: len,
        };
        self.raw(ssrc, at, stamp, &payload.encode());
    }

    fn raw(&mut self, ssrc: u32, at: u64, timestamp: u32, payload: &[u8]) {
        let event = IncomingEvent {
            ssrc,
            timestamp,
            clock_rate: 8_000,
            payload,
        };
        self.receiver.handle(self.start + ms(at), &event);
        self.listen();
    }

    fn time(&mut self, at: u64) {
        self.receiver.handle_timeout(self.start + ms(at));
        self.listen();
    }

    fn listen(&mut self) {
        while let Some(event) = self.receiver.poll() {
            self.said.push(match event {
                DTMFEvent::ToneStart { digit } => format!("start {digit}"),
                DTMFEvent::ToneStop { digit } => format!("stop {digit}"),
                DTMFEvent::Tone(tone) => {
                    format!("tone {} {}", tone.digits, tone.duration.as_millis())
                }
            });
        }
    }

    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

#[test]
fn a104_g031_a_digit_is_start_stop_tone_in_this_order() {
    let mut ear = Ear::new();
    ear.hear(0, 100, '5', 1, false);
    assert_eq!(ear.said(), ["start 5"]);
    ear.hear(50, 100, '5', 400, false);
    for at in [100, 110, 120] {
        ear.hear(at, 100, '5', 800, true);
    }
    assert_eq!(ear.said(), ["stop 5", "tone 5 100"]);
    assert_eq!(ear.receiver.poll_timeout(), None);
}

#[test]
fn end_packets_alone_are_a_digit_as_firefox_sends_it() {
    let mut ear = Ear::new();
    for (n, digit) in "112".chars().enumerate() {
        for repeat in 0..3 {
            let n = n as u64;
            ear.hear(n * 200 + repeat, 100 + n as u32 * 1_600, digit, 960, true);
        }
    }
    let of = |digit| {
        [
            format!("start {digit}"),
            format!("stop {digit}"),
            format!("tone {digit} 120"),
        ]
    };
    assert_eq!(ear.said(), [of('1'), of('1'), of('2')].concat());
}

#[test]
fn duplicates_and_reordered_packets_change_nothing() {
    let mut ear = Ear::new();
    ear.hear(0, 100, '5', 160, false);
    ear.hear(20, 100, '5', 480, false);
    ear.hear(20, 100, '5', 320, false);
    ear.hear(30, 100, '5', 480, false);
    ear.hear(60, 100, '5', 800, true);
    ear.hear(61, 100, '5', 640, false);
    ear.hear(90, 900, '6', 160, false);
    // Of the digit before, after the next has begun and after it has ended.
    ear.hear(95, 100, '5', 800, true);
    ear.hear(190, 900, '6', 800, true);
    ear.hear(191, 100, '5', 800, true);
    ear.hear(192, 900, '6', 160, false);
    assert_eq!(
        ear.said(),
        [
            "start 5",
            "stop 5",
            "tone 5 100",
            "start 6",
            "stop 6",
            "tone 6 100"
        ]
    );
}

#[test]
fn a_lost_end_is_noticed_by_silence_or_by_the_next_digit() {
    let mut ear = Ear::new();
    ear.hear(0, 100, '5', 160, false);
    ear.hear(50, 100, '5', 560, false);
    assert_eq!(ear.receiver.poll_timeout(), Some(ear.start + ms(350)));
    ear.time(349);
    assert_eq!(ear.said(), ["start 5"]);
    ear.time(350);
    assert_eq!(ear.said(), ["stop 5", "tone 5 70"]);
    // Its end comes late: it is known.
    ear.hear(400, 100, '5', 800, true);
    assert!(ear.said().is_empty());
    ear.hear(1_000, 8_100, '6', 160, false);
    ear.hear(1_100, 8_900, '6', 160, false);
    assert_eq!(
        ear.said(),
        ["start 6", "stop 6", "tone 6 20", "start 6"],
        "the same digit twice is told by its timestamp"
    );
    ear.receiver.end();
    ear.listen();
    assert_eq!(ear.said(), ["stop 6", "tone 6 20"]);
}

#[test]
fn r_s43_segments_are_one_tone() {
    let mut ear = Ear::new();
    let full = 0xffff;
    let next = 100u32.wrapping_add(full);
    ear.hear(0, 100, '5', 1, false);
    // The last packet of the first segment is lost or not, and it may come late.
    ear.hear(50, next, '5', 400, false);
    ear.hear(51, 100, '5', 0xffff, false);
    ear.hear(100, next.wrapping_add(full), '5', 400, false);
    ear.hear(200, next.wrapping_add(full), '5', 1_200, true);
    // 131,070 + 1,200 units at 8 kHz.
    assert_eq!(ear.said(), ["start 5", "stop 5", "tone 5 16533"]);
    // A tone that was taken for over goes on in its next segment: no new digit.
    ear.hear(1_000, 500_000, '7', 0xff00, false);
    ear.time(2_000);
    ear.hear(2_000, 500_000 + full, '7', 400, false);
    ear.hear(2_100, 500_000 + full, '7', 1_200, true);
    assert_eq!(ear.said(), ["start 7", "stop 7", "tone 7 8160"]);
}

#[test]
fn sources_are_kept_apart_and_bounded() {
    let mut ear = Ear::new();
    ear.hear_from(1, 0, 100, '1', 160, false);
    ear.hear_from(2, 0, 100, '2', 160, false);
    ear.hear_from(1, 50, 100, '1', 800, true);
    ear.hear_from(2, 50, 100, '2', 800, true);
    assert_eq!(
        ear.said(),
        [
            "start 1",
            "start 2",
            "stop 1",
            "tone 1 100",
            "stop 2",
            "tone 2 100"
        ]
    );
    for ssrc in 10..100 {
        ear.hear_from(ssrc, 60 + u64::from(ssrc), 100, '3', 160, false);
    }
    let said = ear.said();
    let count = |what: &str| said.iter().filter(|said| said.starts_with(what)).count();
    assert_eq!((count("start"), count("tone")), (90, 74));
}

#[test]
fn r_a12_other_payloads_are_ignored_and_counted() {
    let mut ear = Ear::new();
    let mut ignored = 0;
    for len in 0..=16usize {
        for event in [0, 15, 16, 255] {
            let mut payload = vec![0x8a; len];
            if let Some(first) = payload.first_mut() {
                *first = event;
            }
            let is_digit = len == 4 && event < 16;
            ignored += u64::from(!is_digit);
            let before = ear.said.len();
            ear.raw(1, 0, 5_000 * u32::from(event) + 7, &payload);
            assert_eq!(ear.said.len() > before, is_digit, "{len} {event}");
        }
    }
    assert_eq!(ear.receiver.ignored(), ignored);
}
