//! Frames out of the buffer: where they begin and end, and what a gap costs.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Instant;

use super::{Discard, JitterBuffer, Slot};
use crate::media::MediaSample;
use crate::rtp::RtpPacket;

enum Step {
    Sample(MediaSample),
    Again,
    Wait(Option<Instant>),
}

impl JitterBuffer {
    /// The next frame, if it is complete.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<MediaSample> {
        self.timeout = None;
        loop {
            match self.step(now) {
                Step::Sample(sample) => return Some(sample),
                Step::Again => {}
                Step::Wait(until) => {
                    self.timeout = until;
                    return None;
                }
            }
        }
    }

    fn step(&mut self, now: Instant) -> Step {
        let Some(Some(Slot { packet, .. })) = self.slots.get(self.cursor) else {
            return self.step_gap(now);
        };
        if self.is_filler(packet) {
            return self.step_filler();
        }
        let (timestamp, payload_type, marker) =
            (packet.timestamp, packet.payload_type, packet.marker);
        let per_packet = self
            .format(payload_type)
            .is_some_and(|format| format.depacketizer.is_frame_per_packet());
        if let Some(discard) = self.discarding.take() {
            if discard.timestamp == timestamp && !per_packet {
                self.pop_slot();
                self.at_boundary = marker;
                self.discarding = (!marker).then_some(Discard {
                    timestamp,
                    contiguous: true,
                });
                return Step::Again;
            }
            self.at_boundary = discard.contiguous;
        }
        if self.cursor == 0 {
            if let Some(step) = self.step_front(now) {
                return step;
            }
        } else if self
            .slots
            .front()
            .and_then(Option::as_ref)
            .is_some_and(|front| front.packet.timestamp != timestamp)
        {
            return self.release(self.cursor);
        }
        self.cursor = self.cursor.saturating_add(1);
        if marker || per_packet {
            return self.release(self.cursor);
        }
        Step::Again
    }

    /// A filler at the cursor. It may have the marker of the frame that it follows, when its sender
    /// knew too late that nothing more comes.
    fn step_filler(&mut self) -> Step {
        let Some(Some(Slot { packet, .. })) = self.slots.get(self.cursor) else {
            return Step::Again;
        };
        let timestamp = packet.timestamp;
        let ends = packet.marker && self.format(packet.payload_type).is_some();
        if self.cursor == 0 {
            if ends && self.discarding.is_some_and(|d| d.timestamp == timestamp) {
                self.discarding = None;
                self.at_boundary = true;
            }
            self.pop_slot();
            return Step::Again;
        }
        self.cursor = self.cursor.saturating_add(1);
        let front = self.slots.front().and_then(Option::as_ref);
        if ends && front.is_some_and(|front| front.packet.timestamp == timestamp) {
            return self.release(self.cursor);
        }
        Step::Again
    }

    /// Decides whether a frame can begin at the front; None if it can.
    fn step_front(&mut self, now: Instant) -> Option<Step> {
        if self.at_boundary {
            return None;
        }
        let packet = &self.slots.front()?.as_ref()?.packet;
        let format = self.format(packet.payload_type)?;
        // A stream that begins has the benefit of the doubt: nothing of it is known to be lost.
        let doubted = self.startup.is_none();
        let depacketizer = format.depacketizer;
        if depacketizer.starts_frame(&packet.payload)
            || !doubted && depacketizer.may_start_frame(&packet.payload)
        {
            return None;
        }
        let timestamp = packet.timestamp;
        if let Some(until) = self.startup.filter(|until| now < *until) {
            // The packets before this one may still come.
            return Some(Step::Wait(Some(until)));
        }
        // The start of this frame is lost, or may be.
        self.discarding = Some(Discard {
            timestamp,
            contiguous: true,
        });
        self.startup = None;
        self.count_dropped_frame();
        Some(Step::Again)
    }

    /// The packet at the cursor is not there.
    fn step_gap(&mut self, now: Instant) -> Step {
        if self.cursor >= self.slots.len() {
            self.gap = None;
            return Step::Wait(None);
        }
        let missing = self.base.wrapping_add(self.cursor as u16);
        let since = match self.gap {
            Some((sequence, since)) if sequence == missing => since,
            _ => {
                // It has been missing since the first packet after it came.
                let after = self.slots.iter().skip(self.cursor).flatten();
                after.map(|slot| slot.received).min().unwrap_or(now)
            }
        };
        self.gap = Some((missing, since));
        let until = since.checked_add(self.config.max_wait);
        if until.is_some_and(|until| now < until) {
            return Step::Wait(until);
        }
        self.give_up_gap();
        Step::Again
    }

    fn give_up_gap(&mut self) {
        // The part of a frame before the gap, and the rest of that frame after it, are dropped.
        if let Some(Some(front)) = self.slots.front() {
            self.discarding = Some(Discard {
                timestamp: front.packet.timestamp,
                contiguous: true,
            });
            self.count_dropped_frame();
        }
        while self.cursor > 0 {
            self.pop_slot();
        }
        let mut lost = 0u64;
        while matches!(self.slots.front(), Some(None)) {
            self.pop_slot();
            lost = lost.saturating_add(1);
        }
        self.count_lost(lost);
        self.lose_track();
        self.gap = None;
        self.startup = None;
    }

    /// Takes the first `count` slots out and puts the frame together.
    fn release(&mut self, count: usize) -> Step {
        let mut packets = Vec::with_capacity(count);
        let first_sequence_number = self.base;
        let mut last_sequence_number = self.base;
        let mut last: Option<(RtpPacket, Instant)> = None;
        let mut mixed = false;
        for _ in 0..count {
            let sequence = self.base;
            if let Some(slot) = self.pop_slot()
                && !self.is_filler(&slot.packet)
            {
                packets.push(slot.packet.payload.clone());
                last_sequence_number = sequence;
                let mut received = slot.received;
                if let Some((before, at)) = &last {
                    received = received.max(*at);
                    mixed |= before.payload_type != slot.packet.payload_type;
                }
                last = Some((slot.packet, received));
            }
        }
        self.cursor = 0;
        self.at_boundary = true;
        let opening = self.startup.take().is_some();
        let Some((packet, received)) = last else {
            return Step::Again;
        };
        let Some(format) = self.format(packet.payload_type) else {
            return Step::Again;
        };
        let clock_rate = format.clock_rate;
        let depacketizer = format.depacketizer;
        let frame = depacketizer.assemble(&packets);
        let Some(frame) = frame.ok().filter(|_| !mixed) else {
            self.stats.frames_corrupt = self.stats.frames_corrupt.saturating_add(1);
            self.dropped_before = self.dropped_before.saturating_add(1);
            self.keyframe.broken();
            return Step::Again;
        };
        self.stats.frames = self.stats.frames.saturating_add(1);
        self.keyframe.delivered(frame.keyframe);
        // What the first frame should have begun with may be lost after all.
        if opening && frame.keyframe == Some(true) && !depacketizer.has_parameters(&packets) {
            self.keyframe.broken();
        }
        let keyframe = u64::from(frame.keyframe == Some(true));
        self.stats.keyframes = self.stats.keyframes.saturating_add(keyframe);
        Step::Sample(MediaSample {
            data: frame.data,
            timestamp: packet.timestamp,
            clock_rate,
            payload_type: packet.payload_type,
            marker: packet.marker,
            keyframe: frame.keyframe,
            audio_level: self.config.audio_level(&packet),
            csrcs: packet.csrcs,
            lost_before: std::mem::take(&mut self.lost_before),
            dropped_before: std::mem::take(&mut self.dropped_before),
            first_sequence_number,
            last_sequence_number,
            received,
        })
    }
}
