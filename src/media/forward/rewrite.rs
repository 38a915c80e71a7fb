//! Sequence numbers and timestamps of a track that is made of others: one line without a break,
//! whatever its sources do, and however much of them is left out.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Changes of the shift that late packets are told by; what is older than the oldest is dropped.
const MAX_STEPS: usize = 64;
/// What is further behind the newest is dropped.
const OLDEST: u16 = 2_048;
/// A source that jumps further numbers anew.
const JUMP: u16 = 3_000;

/// Where a packet goes in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    /// What is added to the picture's id, and to its index in the base layer.
    pub(crate) pictures: (u16, u8),
}

/// What is added to the numbers of a source.
#[derive(Debug, Clone, Copy)]
struct Shift {
    number: u16,
    picture: u16,
    base: u8,
}

/// The line of one track, and how the numbers of its source lead to it.
#[derive(Debug)]
pub(crate) struct Rewriter {
    /// The number after the newest that went out.
    next: u16,
    /// The newest timestamp that went out, and when.
    last: Option<(u32, Instant)>,
    first_timestamp: u32,
    line: Option<Line>,
}

/// The numbers of the source at present.
#[derive(Debug)]
struct Line {
    newest: u16,
    /// What is older was of no interest, or of another source.
    floor: u16,
    shift: Shift,
    timestamp_shift: u32,
    /// Numbers up to the first had the second as their shift, oldest first.
    steps: VecDeque<(u16, Shift)>,
    newest_is_skipped: bool,
}

/// Whether `a` comes after `b`.
fn is_after(a: u16, b: u16) -> bool {
    (1..0x8000).contains(&a.wrapping_sub(b))
}

impl Line {
    fn starts_at(sequence_number: u16, next: u16, timestamp_shift: u32) -> Self {
        Self {
            newest: sequence_number.wrapping_sub(1),
            floor: sequence_number,
            shift: Shift {
                number: next.wrapping_sub(sequence_number),
                picture: 0,
                base: 0,
            },
            timestamp_shift,
            steps: VecDeque::new(),
            newest_is_skipped: false,
        }
    }

    /// Where a packet that is not the newest goes; `None` if it has no number any more.
    fn late(&self, sequence_number: u16, timestamp: u32) -> Option<Place> {
        let behind = self.newest.wrapping_sub(sequence_number);
        if behind == 0 || behind > OLDEST || is_after(self.floor, sequence_number) {
            return None;
        }
        let step = self
            .steps
            .iter()
            .find(|(upto, _)| !is_after(sequence_number, *upto));
        let shift = step.map_or(self.shift, |(_, shift)| *shift);
        Some(self.place(sequence_number, timestamp, shift))
    }

    fn place(&self, sequence_number: u16, timestamp: u32, shift: Shift) -> Place {
        Place {
            sequence_number: sequence_number.wrapping_add(shift.number),
            timestamp: timestamp.wrapping_add(self.timestamp_shift),
            pictures: (shift.picture, shift.base),
        }
    }

    fn advance(&mut self, sequence_number: u16) {
        self.newest = sequence_number;
        if sequence_number.wrapping_sub(self.floor) > OLDEST.saturating_mul(2) {
            self.floor = sequence_number.wrapping_sub(OLDEST);
        }
        while let Some((upto, _)) = self.steps.front()
            && is_after(self.floor, *upto)
        {
            self.steps.pop_front();
        }
    }
}

impl Rewriter {
    /// A line that begins with this number and timestamp.
    pub(crate) fn new(sequence_number: u16, timestamp: u32) -> Self {
        Self {
            next: sequence_number,
            last: None,
            first_timestamp: timestamp,
            line: None,
        }
    }

    /// Whether a number of the source continues what came of it.
    pub(crate) fn continues(&self, sequence_number: u16) -> bool {
        self.line.as_ref().is_some_and(|line| {
            let ahead = sequence_number.wrapping_sub(line.newest);
            let behind = line.newest.wrapping_sub(sequence_number);
            ahead < JUMP || behind < JUMP
        })
    }

    /// Whether a number of the source is newer than all that came of it.
    pub(crate) fn is_newer(&self, sequence_number: u16) -> bool {
        let line = self.line.as_ref();
        line.is_none_or(|line| is_after(sequence_number, line.newest))
    }

    /// Whether a timestamp of the source is that much later than all that went out.
    pub(crate) fn is_ahead(&self, timestamp: u32, by: u32) -> bool {
        let line = self.line.as_ref().zip(self.last);
        line.is_none_or(|(line, (last, _))| {
            let ahead = timestamp
                .wrapping_add(line.timestamp_shift)
                .wrapping_sub(last);
            (by..0x8000_0000).contains(&ahead)
        })
    }

    /// What is added to the source's timestamps.
    pub(crate) fn timestamp_shift(&self) -> Option<u32> {
        self.line.as_ref().map(|line| line.timestamp_shift)
    }

    /// Another source begins with this number, and is at this timestamp. Its timestamps go on by
    /// the time that passed, by `least` at least, or from `aligned`, what its timestamp is in this
    /// line, if that is known and fits.
    pub(crate) fn join(
        &mut self,
        now: Instant,
        (sequence_number, timestamp): (u16, u32),
        clock_rate: u32,
        aligned: Option<u32>,
        least: u32,
    ) {
        let begins = match self.last {
            None => self.first_timestamp,
            Some((last, at)) => {
                let passed = now.saturating_duration_since(at);
                let estimate = last.wrapping_add(ticks(passed, clock_rate).max(least));
                let near = |aligned: &u32| {
                    let ahead = aligned.wrapping_sub(last);
                    let off = (aligned.wrapping_sub(estimate) as i32).unsigned_abs();
                    (least..0x8000_0000).contains(&ahead) && off < clock_rate
                };
                aligned.filter(near).unwrap_or(estimate)
            }
        };
        let timestamp_shift = begins.wrapping_sub(timestamp);
        self.line = Some(Line::starts_at(sequence_number, self.next, timestamp_shift));
    }

    /// The same source goes on with this packet, after some that were left out.
    pub(crate) fn rejoin(&mut self, sequence_number: u16) {
        if let Some(line) = &mut self.line {
            *line = Line::starts_at(sequence_number, self.next, line.timestamp_shift);
        }
    }

    /// Where a packet of the source goes; `None` for one that is too late, or was here.
    pub(crate) fn place(
        &mut self,
        now: Instant,
        sequence_number: u16,
        timestamp: u32,
    ) -> Option<Place> {
        let line = self.line.as_mut()?;
        if !is_after(sequence_number, line.newest) {
            let place = line.late(sequence_number, timestamp)?;
            self.used(place.sequence_number);
            return Some(place);
        }
        line.advance(sequence_number);
        line.newest_is_skipped = false;
        let place = line.place(sequence_number, timestamp, line.shift);
        self.next = place.sequence_number.wrapping_add(1);
        let newer = |(last, _): (u32, _)| place.timestamp.wrapping_sub(last) < 0x8000_0000;
        if self.last.is_none_or(newer) {
            self.last = Some((place.timestamp, now));
        }
        Some(place)
    }

    /// From the newest packet on, so much is added to the ids of pictures and to their indices in
    /// the base layer.
    pub(crate) fn shift_pictures(&mut self, picture: u16, base: u8) {
        if let Some(line) = &mut self.line {
            line.shift.picture = picture;
            line.shift.base = base;
        }
    }

    /// The picture that was just left out has no id.
    pub(crate) fn skip_picture(&mut self) {
        if let Some(line) = &mut self.line {
            line.shift.picture = line.shift.picture.wrapping_sub(1);
        }
    }

    /// A late packet may be the newest that goes out: those after it were left out.
    fn used(&mut self, sequence_number: u16) {
        let next = sequence_number.wrapping_add(1);
        if is_after(next, self.next) {
            self.next = next;
        }
    }

    /// A packet of the source is left out, and no number goes missing for it. For a late one that
    /// is not to be had: others went out around its place, which is given, to be filled.
    pub(crate) fn skip(&mut self, sequence_number: u16, timestamp: u32) -> Option<Place> {
        let line = self.line.as_mut()?;
        if !is_after(sequence_number, line.newest) {
            let place = line.late(sequence_number, timestamp)?;
            self.used(place.sequence_number);
            return Some(place);
        }
        let before = sequence_number.wrapping_sub(1);
        // The one before it, left out as well, does not come again.
        if !(line.newest_is_skipped && line.newest == before) {
            line.steps.push_back((before, line.shift));
            if line.steps.len() > MAX_STEPS
                && let Some((upto, _)) = line.steps.pop_front()
            {
                line.floor = upto.wrapping_add(1);
            }
        }
        line.advance(sequence_number);
        line.newest_is_skipped = true;
        line.shift.number = line.shift.number.wrapping_sub(1);
        None
    }
}

/// A time in units of a clock.
pub(crate) fn ticks(time: Duration, clock_rate: u32) -> u32 {
    let units = time.as_nanos().wrapping_mul(u128::from(clock_rate)) / 1_000_000_000;
    // Timestamps wrap.
    units as u32
}
