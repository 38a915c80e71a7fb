//! Packets into the buffer: their place, what is late, and sequences that begin anew.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Instant;

use super::{Discard, JitterBuffer, Slot};
use crate::rtp::RtpPacket;

/// RFC 3550 appendix A.1: a jump of this many sequence numbers is not loss but a new sequence.
const MAX_DROPOUT: i16 = 3000;
/// Consecutive packets that prove a new sequence after a jump.
const PROBATION: usize = 3;
/// Consecutive late packets that prove a new sequence a little below the old one.
const LATE_RUN: usize = 100;

impl JitterBuffer {
    /// Takes a packet in. Call [`pop`](Self::pop) afterwards until it gives nothing.
    pub(crate) fn push(&mut self, now: Instant, packet: RtpPacket) {
        self.stats.received = self.stats.received.saturating_add(1);
        if !self.started {
            self.restart(now, packet.sequence_number);
        }
        let newest = self
            .base
            .wrapping_add(self.slots.len() as u16)
            .wrapping_sub(1);
        let ahead = packet.sequence_number.wrapping_sub(newest) as i16;
        let offset = packet.sequence_number.wrapping_sub(self.base);
        let inside = usize::from(offset) < self.slots.len();
        if !inside && !(-MAX_DROPOUT..MAX_DROPOUT).contains(&ahead) {
            self.push_far(now, packet);
            return;
        }
        self.probation.clear();
        // Less than half the number space ahead of the base means at or after it.
        if offset < 0x8000 {
            self.late_run.1 = 0;
            self.insert(now, usize::from(offset), packet);
        } else if self.startup.is_some_and(|until| now < until) && self.make_room_before(offset) {
            self.insert(now, 0, packet);
        } else {
            self.push_late(now, packet);
        }
    }

    fn insert(&mut self, now: Instant, offset: usize, packet: RtpPacket) {
        let mut offset = offset;
        while offset >= self.config.max_packets.max(1) {
            self.drop_front();
            offset = offset.saturating_sub(1);
        }
        if offset >= self.slots.len() {
            self.slots.resize_with(offset.saturating_add(1), || None);
        }
        match self.slots.get_mut(offset) {
            Some(slot @ None) => {
                self.payloads = self.payloads.saturating_add(packet.held());
                *slot = Some(Slot {
                    packet,
                    received: now,
                });
            }
            _ => self.stats.duplicates = self.stats.duplicates.saturating_add(1),
        }
    }

    /// Moves the base back to a packet that overtook none that was delivered.
    fn make_room_before(&mut self, offset: u16) -> bool {
        let missing = usize::from(offset.wrapping_neg());
        let length = self.slots.len().saturating_add(missing);
        if length > self.config.max_packets {
            return false;
        }
        for _ in 0..missing {
            self.slots.push_front(None);
        }
        self.base = self.base.wrapping_add(offset);
        self.cursor = 0;
        true
    }

    /// A sequence number far from the others: a stray, or the start of a new sequence.
    fn push_far(&mut self, now: Instant, packet: RtpPacket) {
        let follows = self.probation.last().is_some_and(|(_, last)| {
            packet.sequence_number == last.sequence_number.wrapping_add(1)
        });
        self.stats.out_of_range = self.stats.out_of_range.saturating_add(1);
        if !follows {
            self.probation.clear();
        }
        self.probation.push((now, packet));
        if self.probation.len() >= PROBATION {
            let packets = std::mem::take(&mut self.probation);
            self.resync(now, packets);
        }
    }

    fn push_late(&mut self, now: Instant, packet: RtpPacket) {
        self.stats.late = self.stats.late.saturating_add(1);
        let sequence = packet.sequence_number;
        let (last, run) = self.late_run;
        let run = if sequence == last.wrapping_add(1) {
            run.saturating_add(1)
        } else {
            1
        };
        self.late_run = (sequence, run);
        if run >= LATE_RUN {
            self.resync(now, vec![(now, packet)]);
        }
    }

    fn resync(&mut self, now: Instant, packets: Vec<(Instant, RtpPacket)>) {
        self.stats.resyncs = self.stats.resyncs.saturating_add(1);
        while !self.slots.is_empty() {
            self.drop_front();
        }
        if let Some((_, first)) = packets.first() {
            self.restart(now, first.sequence_number);
        }
        for (received, packet) in packets {
            let offset = usize::from(packet.sequence_number.wrapping_sub(self.base));
            self.insert(received, offset, packet);
        }
    }

    fn restart(&mut self, now: Instant, sequence: u16) {
        self.started = true;
        self.slots.clear();
        self.payloads = 0;
        self.base = sequence;
        self.cursor = 0;
        self.at_boundary = false;
        self.discarding = None;
        self.gap = None;
        self.late_run = (0, 0);
        self.keyframe.begins();
        self.startup = now.checked_add(self.config.max_wait);
    }

    /// Gives up the oldest slot because there is no room.
    pub(super) fn drop_front(&mut self) {
        match self.pop_slot() {
            Some(slot) => {
                self.stats.overflow = self.stats.overflow.saturating_add(1);
                let (timestamp, marker) = (slot.packet.timestamp, slot.packet.marker);
                if self.discarding.is_none_or(|d| d.timestamp != timestamp) {
                    self.count_dropped_frame();
                }
                // The marker ends the frame, so the next packet begins another.
                self.at_boundary = marker;
                self.discarding = (!marker).then_some(Discard {
                    timestamp,
                    contiguous: true,
                });
            }
            None => {
                self.count_lost(1);
                self.lose_track();
            }
        }
        self.startup = None;
        self.cursor = 0;
    }
}
