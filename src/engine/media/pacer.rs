//! A path that is narrow: video that is sent on waits here instead of in the queue of the path,
//! where it would be lost and take the place of sound.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::model::OutgoingRtp;
use crate::rtp::Strain;

/// So much may wait in the path's queue: what routers have at least.
const DEPTH: Duration = Duration::from_millis(60);
/// The longest that a queue of the path is believed to be.
const MAX_WAIT: Duration = Duration::from_millis(500);
/// Of what the path was found to carry, what is used; and a path is never slower.
const USABLE: f64 = 0.95;
const LEAST: f64 = 4_000.0;
/// Without news of strain for so long while something waits, so much more is tried, and the next
/// time twice that: what is a little too much is found before the queue of the path overflows.
const RAISE: Duration = Duration::from_millis(100);
const MORE: f64 = 0.05;
const MOST_MORE: f64 = 0.8;
/// The same for what is tried after a rest: the path may be another by then.
const MORE_AT_ONCE: f64 = 0.5;
/// The path carries all again when for so long nothing had to wait.
const FREE: Duration = Duration::from_secs(1);
/// Packets that wait, and for how long at most.
const MAX_PACKETS: usize = 1_024;
const MAX_BACKLOG: Duration = Duration::from_secs(1);

/// A packet that waits.
pub(super) struct Waiting {
    pub(super) ssrc: u32,
    marker: bool,
    payload_type: u8,
    sequence_number: u16,
    timestamp: u32,
    csrcs: Vec<u32>,
    extensions: Vec<(u8, Vec<u8>)>,
    head: Vec<u8>,
    payload: Bytes,
}

impl Waiting {
    fn new(ssrc: u32, packet: &OutgoingRtp<'_>) -> Self {
        let shared = packet.shared.cloned();
        let extensions = packet.extensions.iter();
        Self {
            ssrc,
            marker: packet.marker,
            payload_type: packet.payload_type,
            sequence_number: packet.sequence_number,
            timestamp: packet.timestamp,
            csrcs: packet.csrcs.to_vec(),
            extensions: extensions
                .map(|(id, value)| (*id, value.to_vec()))
                .collect(),
            head: packet.head.to_vec(),
            payload: shared.unwrap_or_else(|| Bytes::copy_from_slice(packet.payload)),
        }
    }

    fn len(&self) -> usize {
        self.head.len().saturating_add(self.payload.len())
    }

    /// Shows it to `f` as it is sent.
    pub(super) fn with<R>(&self, f: impl FnOnce(&OutgoingRtp<'_>) -> R) -> R {
        let extensions = self.extensions.iter();
        let extensions: Vec<(u8, &[u8])> = extensions
            .map(|(id, value)| (*id, value.as_slice()))
            .collect();
        f(&OutgoingRtp {
            marker: self.marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            csrcs: &self.csrcs,
            extensions: &extensions,
            head: &self.head,
            payload: &self.payload,
            shared: Some(&self.payload),
        })
    }
}

/// What the path carries, while that is less than what is to be sent.
struct Narrow {
    /// Bytes a second.
    rate: f64,
    /// When the queue of the path is empty, if nothing is added.
    free_at: Instant,
    /// When that was last found, or more was tried, and how much more is tried next.
    changed: Instant,
    more: f64,
    /// When something last had to wait.
    waited: Option<Instant>,
    /// When something was first sent since.
    fluent: Option<Instant>,
}

/// Packets that wait until a narrow path has room for them.
#[derive(Default)]
pub(super) struct Pacer {
    narrow: Option<Narrow>,
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl Pacer {
    /// The path does not carry what is sent.
    pub(super) fn strained(&mut self, now: Instant, strain: &Strain) {
        let wait = strain.waits.min(MAX_WAIT);
        self.narrow = Some(Narrow {
            rate: (strain.carried * USABLE).max(LEAST),
            free_at: now.checked_add(wait).unwrap_or(now),
            changed: now,
            more: MORE,
            waited: Some(now),
            fluent: None,
        });
    }

    /// Something goes out, of whatever kind.
    pub(super) fn sent(&mut self, now: Instant, size: usize) {
        if let Some(narrow) = &mut self.narrow {
            let takes = Duration::try_from_secs_f64(size as f64 / narrow.rate);
            let from = narrow.free_at.max(now);
            let takes = takes.unwrap_or(MAX_WAIT);
            narrow.free_at = from.checked_add(takes).unwrap_or(from);
        }
    }

    /// Whether the path has room for what was lost.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        self.narrow.as_ref().is_none_or(|n| n.has_room(now))
    }

    /// Keeps a packet until the path has room; false if it may go at once. `None`: it is dropped,
    /// as too much waits.
    pub(super) fn hold(
        &mut self,
        now: Instant,
        ssrc: u32,
        packet: &OutgoingRtp<'_>,
    ) -> Option<bool> {
        let Some(narrow) = &mut self.narrow else {
            return Some(false);
        };
        if self.waiting.is_empty() && narrow.has_room(now) {
            let since = *narrow.fluent.get_or_insert(now);
            let waited = narrow.waited.unwrap_or(since).max(since);
            if now.saturating_duration_since(waited) >= FREE {
                self.narrow = None;
            }
            return Some(false);
        }
        narrow.waited = Some(now);
        if self.waiting.len() >= MAX_PACKETS || self.backlog() >= MAX_BACKLOG {
            return None;
        }
        let held = Waiting::new(ssrc, packet);
        self.bytes = self.bytes.saturating_add(held.len());
        self.waiting.push_back(held);
        Some(true)
    }

    /// The next packet that may go out now.
    pub(super) fn release(&mut self, now: Instant) -> Option<Waiting> {
        if self.waiting.is_empty() {
            return None;
        }
        if let Some(narrow) = &mut self.narrow {
            narrow.waited = Some(now);
            if now.saturating_duration_since(narrow.changed) >= RAISE {
                narrow.rate *= 1.0 + narrow.more;
                narrow.more = (narrow.more * 2.0).min(MOST_MORE);
                narrow.changed = now;
            }
            if !narrow.has_room(now) {
                return None;
            }
        }
        let held = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(held.len());
        Some(held)
    }

    /// When the next one may go out.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.front()?;
        let narrow = self.narrow.as_ref()?;
        narrow.free_at.checked_sub(DEPTH).or(Some(narrow.changed))
    }

    /// How long what waits takes at the rate of the path.
    pub(super) fn backlog(&self) -> Duration {
        let rate = self.narrow.as_ref().map_or(f64::MAX, |narrow| narrow.rate);
        Duration::try_from_secs_f64(self.bytes as f64 / rate).unwrap_or(MAX_BACKLOG)
    }

    /// What waits of an SSRC is not sent.
    pub(super) fn forget(&mut self, ssrc: u32) {
        self.waiting.retain(|held| held.ssrc != ssrc);
        self.bytes = self.waiting.iter().map(Waiting::len).sum();
        // What is sent later tells anew whether it has to wait.
        if let Some(narrow) = &mut self.narrow {
            narrow.waited = None;
            narrow.fluent = None;
            narrow.more = MORE_AT_ONCE;
        }
    }

    /// Nothing is sent any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Narrow {
    fn has_room(&self, now: Instant) -> bool {
        self.free_at.saturating_duration_since(now) <= DEPTH
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PACKET: [u8; 1_000] = [0; 1_000];

    fn packet(sequence_number: u16) -> OutgoingRtp<'static> {
        OutgoingRtp {
            marker: false,
            payload_type: 96,
            sequence_number,
            timestamp: 0,
            csrcs: &[],
            extensions: &[],
            head: &[],
            payload: &PACKET,
            shared: None,
        }
    }

    fn strain(at: Instant, carried: f64, waits: u64) -> Strain {
        Strain {
            part: 0.5,
            at,
            carried,
            waits: Duration::from_millis(waits),
        }
    }

    /// 1,000 bytes take 26 ms: they go out as that becomes free, and in their order.
    #[test]
    fn what_is_sent_on_waits_for_a_narrow_path() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        assert_eq!(pacer.hold(start, 1, &packet(0)), Some(false));
        pacer.strained(start, &strain(start, 40_000.0, 90));
        for number in 1..4 {
            assert_eq!(pacer.hold(start, 1, &packet(number)), Some(true));
        }
        let mut now = start;
        let mut out = Vec::new();
        while let Some(due) = pacer.due() {
            now = now.max(due);
            while let Some(waiting) = pacer.release(now) {
                out.push((waiting.sequence_number, (now - start).as_millis()));
                pacer.sent(now, 1_000);
            }
        }
        assert_eq!(out, [(1, 30), (2, 56), (3, 82)]);
        // Sound does not wait, and neither does what follows when nothing did for a second.
        let later = now + Duration::from_secs(1);
        assert_eq!(pacer.hold(later, 1, &packet(4)), Some(false));
        assert_eq!(pacer.hold(later + FREE, 1, &packet(5)), Some(false));
        assert!(pacer.narrow.is_none());
    }

    #[test]
    fn a_second_of_it_waits_at_most_and_what_is_forgotten_does_not() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.strained(start, &strain(start, 40_000.0, 500));
        let taken = (0..100).filter(|n| pacer.hold(start, 1, &packet(*n)).is_some());
        assert_eq!(taken.count(), 38);
        assert!(!pacer.has_room(start));
        pacer.forget(2);
        assert_eq!(pacer.waiting.len(), 38);
        pacer.forget(1);
        assert_eq!((pacer.due(), pacer.backlog()), (None, Duration::ZERO));
    }

    /// A path that only seemed to be narrow is used again within a second.
    #[test]
    fn ever_more_is_tried() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.strained(start, &strain(start, 40_000.0, 0));
        let (mut number, mut out) = (0, 0);
        for ms in 0..1_000u64 {
            let now = start + Duration::from_millis(ms);
            // Two packets each 10 ms: five times as much as was found.
            for _ in 0..if ms % 10 == 0 { 2 } else { 0 } {
                number += 1;
                if pacer.hold(now, 1, &packet(number)) == Some(false) {
                    out += 1;
                    pacer.sent(now, 1_000);
                }
            }
            while pacer.release(now).is_some() {
                out += 1;
                pacer.sent(now, 1_000);
            }
        }
        assert!(out >= number - 10, "{out} of {number}");
    }
}
