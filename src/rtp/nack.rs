//! Which packets of a source are missing, and when to ask for them (RFC 4585 section 6.2.1).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A packet is first asked for after so long: one that was only overtaken comes by itself.
const REORDERING: Duration = Duration::from_millis(10);
/// What is due within this time is asked for in the same message.
const BATCH: Duration = Duration::from_millis(5);
/// Then it is given up: no jitter buffer waits so long.
const MAX_AGE: Duration = Duration::from_secs(1);
const MAX_TRIES: u8 = 8;
/// Packets missing at once. A gap that is longer is no loss that repair could mend.
const MAX_MISSING: usize = 500;
/// The time before a packet is asked for again, while the round-trip time is unknown, and its
/// bounds.
const UNKNOWN_RETRY: Duration = Duration::from_millis(100);
const MIN_RETRY: Duration = Duration::from_millis(20);
const MAX_RETRY: Duration = Duration::from_millis(300);

/// What a packet is to the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Newer than all before it.
    Next,
    /// It was missing; whether it had been asked for.
    Missed { asked: bool },
    /// It was here before, or was given up.
    Repeat,
}

#[derive(Debug)]
struct Missing {
    sequence_number: u16,
    since: Instant,
    next: Instant,
    tries: u8,
}

#[derive(Debug)]
pub(super) struct NackTracker {
    highest: u16,
    /// Oldest first.
    missing: VecDeque<Missing>,
    /// NACK messages sent.
    pub(super) messages: u64,
    /// Packets that came after they had been asked for.
    pub(super) recovered: u64,
    /// Packets that came neither by themselves nor when asked for.
    pub(super) given_up: u64,
}

impl NackTracker {
    /// Begins after a source's first packet.
    pub(super) fn new(sequence_number: u16) -> Self {
        Self {
            highest: sequence_number,
            missing: VecDeque::new(),
            messages: 0,
            recovered: 0,
            given_up: 0,
        }
    }

    /// Takes note of a packet, in its own stream or restored from a retransmission.
    pub(super) fn arrived(&mut self, now: Instant, sequence_number: u16) -> Arrival {
        let ahead = sequence_number.wrapping_sub(self.highest);
        if ahead == 1 {
            self.highest = sequence_number;
            return Arrival::Next;
        }
        if ahead != 0 && ahead < 0x8000 {
            self.note_gap(now, sequence_number, usize::from(ahead - 1));
            self.highest = sequence_number;
            return Arrival::Next;
        }
        let position = self
            .missing
            .iter()
            .position(|missing| missing.sequence_number == sequence_number);
        match position.and_then(|position| self.missing.remove(position)) {
            Some(missing) => {
                let asked = missing.tries > 0;
                self.recovered = self.recovered.wrapping_add(u64::from(asked));
                Arrival::Missed { asked }
            }
            None => Arrival::Repeat,
        }
    }

    fn note_gap(&mut self, now: Instant, upto: u16, length: usize) {
        if length > MAX_MISSING {
            let lost = self.missing.len().saturating_add(length);
            self.given_up = self.given_up.wrapping_add(lost as u64);
            self.missing.clear();
            return;
        }
        for back in (1..=length).rev() {
            if self.missing.len() >= MAX_MISSING {
                self.missing.pop_front();
                self.given_up = self.given_up.wrapping_add(1);
            }
            self.missing.push_back(Missing {
                // At most MAX_MISSING.
                sequence_number: upto.wrapping_sub(back as u16),
                since: now,
                next: now + REORDERING,
                tries: 0,
            });
        }
    }

    /// When [`due`](Self::due) has something to ask for.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.next).min()
    }

    /// What to ask for now, in order. What was asked for too often is given up.
    pub(super) fn due(&mut self, now: Instant, rtt: Option<Duration>) -> Vec<u16> {
        let retry = rtt.map_or(UNKNOWN_RETRY, |rtt| {
            // A little more than the round trip: the answer may be waiting in a burst.
            (rtt + rtt / 4).clamp(MIN_RETRY, MAX_RETRY)
        });
        let given_up = &mut self.given_up;
        let mut due = Vec::new();
        let at_hand = self.missing.iter().any(|missing| missing.next <= now);
        if !at_hand {
            return due;
        }
        self.missing.retain_mut(|missing| {
            if missing.next > now + BATCH {
                return true;
            }
            let age = now.saturating_duration_since(missing.since);
            if missing.tries >= MAX_TRIES || age > MAX_AGE {
                *given_up = given_up.wrapping_add(1);
                return false;
            }
            // Longer each time: the round trip may have become longer than is known.
            missing.next = now + retry + (retry / 2).saturating_mul(u32::from(missing.tries));
            missing.tries = missing.tries.saturating_add(1);
            due.push(missing.sequence_number);
            true
        });
        due
    }
}

/// The entries of a NACK, packet id and bitmask of the 16 after it, for numbers in order.
pub(super) fn entries(sequence_numbers: &[u16]) -> Vec<(u16, u16)> {
    let mut entries: Vec<(u16, u16)> = Vec::new();
    for &number in sequence_numbers {
        if let Some((first, mask)) = entries.last_mut()
            && let Some(bit) = number.wrapping_sub(*first).checked_sub(1)
            && bit < 16
        {
            *mask |= 1 << bit;
        } else {
            entries.push((number, 0));
        }
    }
    entries
}
