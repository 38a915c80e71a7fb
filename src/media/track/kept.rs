//! A key frame of a source, while it is young, and all that came since: who begins in this time
//! begins with it, and need not wait for the next one.

use std::time::{Duration, Instant};

use super::outlets::Placed;
use crate::rtp::RtpPacket;

/// A source is asked for a key frame once a second: who begins later than this after one waits for
/// less than half a second, and would have more to catch up with.
const YOUNG: Duration = Duration::from_millis(600);
/// Each packet counts with what it holds beside its payload.
const MAX_BYTES: usize = 256 * 1024;
/// What came since goes out in one burst with the key frame, which has to go out anyway: so much is
/// half a second of 2 Mbit/s.
const MAX_SINCE: usize = 128 * 1024;

/// The packets from the first of a key frame on, by their numbers.
#[derive(Default)]
pub(super) struct Kept {
    began: Option<Instant>,
    packets: Vec<RtpPacket>,
    bytes: usize,
    /// Of these, what is of later pictures.
    since: usize,
}

impl Kept {
    /// A packet came; `begins` says whether a key frame may begin with it.
    pub(super) fn note(&mut self, now: Instant, packet: &RtpPacket, begins: impl Fn() -> bool) {
        let first = self.packets.first();
        // Of the same picture: another of its parts that looks like a beginning.
        let same = first
            .is_some_and(|first| first.ssrc == packet.ssrc && first.timestamp == packet.timestamp);
        if !same && begins() {
            self.clear();
            self.began = Some(now);
        }
        let Some(began) = self.began else {
            return;
        };
        let weight = packet.weight();
        self.bytes = self.bytes.saturating_add(weight);
        if !self.packets.is_empty() && !same {
            self.since = self.since.saturating_add(weight);
        }
        let is_old = now.saturating_duration_since(began) > YOUNG;
        let is_other = first_differs(&self.packets, packet);
        if is_old || is_other || self.bytes > MAX_BYTES || self.since > MAX_SINCE {
            self.clear();
            return;
        }
        self.insert(packet);
    }

    /// Where its number has it; what is before the first is of no use.
    fn insert(&mut self, packet: &RtpPacket) {
        let Some(first) = self.packets.first() else {
            self.packets.push(packet.clone());
            return;
        };
        let first = first.sequence_number;
        let place = |packet: &RtpPacket| packet.sequence_number.wrapping_sub(first);
        let own = place(packet);
        if own >= 0x8000 {
            return;
        }
        let at = self.packets.partition_point(|known| place(known) < own);
        if self.packets.get(at).is_none_or(|known| place(known) != own) {
            self.packets.insert(at, packet.clone());
        }
    }

    /// Drops all, and the room for it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the key frame began to come, if it is young and nothing is missing.
    pub(super) fn whole(&self, now: Instant) -> Option<Instant> {
        let ends = self.packets.first().zip(self.packets.last());
        let span =
            ends.map(|(first, last)| last.sequence_number.wrapping_sub(first.sequence_number));
        let count = span.map(|span| usize::from(span).saturating_add(1));
        let is_young = |began: Instant| now.saturating_duration_since(began) <= YOUNG;
        let is_whole = count == Some(self.packets.len());
        self.began.filter(|began| is_whole && is_young(*began))
    }

    /// All of it, if it is whole, and when it began to come.
    pub(super) fn get(&self, now: Instant) -> Option<(Instant, Vec<RtpPacket>)> {
        let began = self.whole(now)?;
        Some((began, self.packets.clone()))
    }
}

/// Whether a packet is of another source than those that are there.
fn first_differs(packets: &[RtpPacket], packet: &RtpPacket) -> bool {
    packets
        .first()
        .is_some_and(|first| first.ssrc != packet.ssrc)
}

/// No time is left for the pictures before the newest: who gets them shows that one at once, instead
/// of all with the delay of the first.
pub(super) fn catch_up(placed: &mut [Placed], packets: &[RtpPacket]) {
    let mut later: Option<(u32, u32)> = None;
    for placed in placed.iter_mut().rev() {
        let Some(packet) = packets.get(placed.index) else {
            continue;
        };
        let timestamp = match later {
            Some((of, timestamp)) if of == packet.timestamp => timestamp,
            Some((_, timestamp)) => timestamp.wrapping_sub(1),
            None => placed.place.timestamp,
        };
        placed.place.timestamp = timestamp;
        later = Some((packet.timestamp, timestamp));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn packet(number: u16, picture: u32) -> RtpPacket {
        RtpPacket {
            ssrc: 7,
            sequence_number: number,
            timestamp: picture * 3_000,
            payload: vec![0; 1_000].into(),
            ..RtpPacket::default()
        }
    }

    struct Source {
        kept: Kept,
        start: Instant,
    }

    impl Source {
        fn new() -> Self {
            Self {
                kept: Kept::default(),
                start: Instant::now(),
            }
        }

        fn comes(&mut self, at: u32, number: u16, picture: u32, begins: bool) {
            let packet = packet(number, picture);
            self.kept.note(self.start + at * MS, &packet, || begins);
        }

        fn numbers(&self, at: u32) -> Option<Vec<u16>> {
            let (_, packets) = self.kept.get(self.start + at * MS)?;
            Some(
                packets
                    .iter()
                    .map(|packet| packet.sequence_number)
                    .collect(),
            )
        }
    }

    #[test]
    fn a_young_key_frame_and_what_came_since() {
        let mut source = Source::new();
        source.comes(0, 65_532, 1, false);
        assert_eq!(source.numbers(0), None);
        source.comes(10, 65_533, 2, true);
        // Its second unit looks like a beginning too.
        source.comes(10, 65_534, 2, true);
        source.comes(20, 65_535, 3, false);
        source.comes(30, 0, 4, false);
        let all = Some(vec![65_533, 65_534, 65_535, 0]);
        assert_eq!(source.numbers(30), all);
        assert_eq!(source.numbers(610), all);
        assert_eq!(source.numbers(611), None);
        // The next one.
        source.comes(700, 1, 5, true);
        assert_eq!(source.numbers(700), Some(vec![1]));
        source.comes(1_301, 2, 6, false);
        assert_eq!(source.numbers(1_301), None);
        assert_eq!(source.kept.packets.capacity(), 0);
    }

    #[test]
    fn what_is_missing_must_have_come_first() {
        let mut source = Source::new();
        source.comes(0, 10, 1, true);
        source.comes(1, 12, 2, false);
        source.comes(2, 14, 3, false);
        assert_eq!(source.numbers(2), None);
        source.comes(3, 13, 3, false);
        source.comes(4, 13, 3, false);
        // Of before.
        source.comes(5, 9, 0, false);
        assert_eq!(source.numbers(5), None);
        source.comes(6, 11, 2, false);
        assert_eq!(source.numbers(6), Some(vec![10, 11, 12, 13, 14]));
    }

    #[test]
    fn it_is_bounded_and_of_one_source() {
        let mut source = Source::new();
        source.comes(0, 0, 0, true);
        // A large key frame is one, and little may follow.
        for number in 1..200 {
            source.comes(1, number, 0, false);
        }
        assert_eq!(source.numbers(1).unwrap().len(), 200);
        for number in 200..300 {
            source.comes(1, number, 0, false);
        }
        assert_eq!((source.numbers(1), source.kept.bytes), (None, 0));
        source.comes(1, 300, 1, true);
        for number in 301..405 {
            source.comes(2, number, 2, false);
        }
        assert_eq!(source.numbers(2).unwrap().len(), 105);
        source.comes(2, 405, 2, false);
        assert_eq!((source.numbers(2), source.kept.since), (None, 0));
        source.comes(2, 300, 2, true);
        let mut other = packet(301, 2);
        other.ssrc = 8;
        source.kept.note(source.start + 2 * MS, &other, || false);
        assert_eq!(source.numbers(2), None);
        // Small ones.
        let small = |number: u16| RtpPacket {
            payload: vec![1].into(),
            ..packet(number, 3)
        };
        let start = source.start;
        for number in 0..1_025 {
            source.kept.note(start, &small(number), || number == 0);
        }
        assert!(source.kept.packets.is_empty());
    }
}
