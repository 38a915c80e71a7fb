//! Reorders the packets of one source and puts frames together.
//!
//! While nothing is missing a frame leaves as soon as its last packet is in. A gap is waited for,
//! then declared lost; a frame that lost a packet is dropped whole and counted.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod intake;

use std::collections::VecDeque;
use std::time::Instant;

use super::{Depacketizer, JitterConfig, JitterStats, KeyframeNeed, MediaSample, RTCCodec};
use crate::rtp::RtpPacket;

struct Slot {
    packet: RtpPacket,
    received: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Discard {
    timestamp: u32,
    /// No packet is missing since the last one that was seen of the frame, so that a packet with
    /// another timestamp is known to begin a frame.
    contiguous: bool,
}

struct Format {
    payload_type: u8,
    depacketizer: Depacketizer,
    clock_rate: u32,
}

/// The jitter buffer of one source.
pub(crate) struct JitterBuffer {
    config: JitterConfig,
    formats: Vec<Format>,
    /// `slots[i]` is the packet with sequence number `base + i`; never longer than the bound.
    slots: VecDeque<Option<Slot>>,
    base: u16,
    started: bool,
    /// Slots `..cursor` are contiguous and belong to the frame at the front.
    cursor: usize,
    /// Whether the packet at the front is known to follow the end of another frame.
    at_boundary: bool,
    /// A frame whose remaining packets are dropped.
    discarding: Option<Discard>,
    /// Until then packets before the first one received are still taken.
    startup: Option<Instant>,
    /// The first missing sequence number, and since when it has been missing.
    gap: Option<(u16, Instant)>,
    timeout: Option<Instant>,
    probation: Vec<(Instant, RtpPacket)>,
    late_run: (u16, usize),
    lost_before: u64,
    dropped_before: u64,
    keyframe: KeyframeNeed,
    stats: JitterStats,
    /// What the packets in `slots` hold, in bytes.
    payloads: usize,
}

impl JitterBuffer {
    /// A buffer for a source that may use any of these codecs. Packets of other payload types
    /// (digits, comfort noise) count as received but give no samples.
    pub(crate) fn new(codecs: &[RTCCodec], config: JitterConfig) -> Self {
        let formats = codecs
            .iter()
            .filter_map(|codec| {
                Some(Format {
                    payload_type: codec.payload_id,
                    depacketizer: Depacketizer::for_codec(codec).ok()?,
                    clock_rate: codec.effective_clock_rate(),
                })
            })
            .collect();
        JitterBuffer {
            config,
            formats,
            slots: VecDeque::new(),
            base: 0,
            started: false,
            cursor: 0,
            at_boundary: false,
            discarding: None,
            startup: None,
            gap: None,
            timeout: None,
            probation: Vec::new(),
            late_run: (0, 0),
            lost_before: 0,
            dropped_before: 0,
            keyframe: KeyframeNeed::default(),
            stats: JitterStats::default(),
            payloads: 0,
        }
    }

    pub(crate) fn stats(&self) -> JitterStats {
        self.stats
    }

    /// What is held, in bytes.
    pub(crate) fn held(&self) -> usize {
        let slots = self
            .slots
            .capacity()
            .saturating_mul(size_of::<Option<Slot>>());
        slots.saturating_add(self.payloads)
    }

    /// Gives up all that is held.
    pub(crate) fn shed(&mut self) {
        while !self.slots.is_empty() {
            self.drop_front();
        }
        self.slots = VecDeque::new();
        self.probation = Vec::new();
    }

    /// Packets held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Replaces the codecs, e.g. when the track's description is updated.
    pub(crate) fn set_codecs(&mut self, codecs: &[RTCCodec]) {
        self.formats = JitterBuffer::new(codecs, self.config).formats;
    }

    /// Packets before the front are missing: whether a frame begins there is unknown.
    fn lose_track(&mut self) {
        self.at_boundary = false;
        if let Some(discard) = &mut self.discarding {
            discard.contiguous = false;
        }
    }

    fn pop_slot(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front().flatten();
        if let Some(slot) = &slot {
            self.payloads = self.payloads.saturating_sub(slot.packet.held());
        }
        self.base = self.base.wrapping_add(1);
        self.cursor = self.cursor.saturating_sub(1);
        slot
    }

    fn count_lost(&mut self, packets: u64) {
        self.stats.lost = self.stats.lost.saturating_add(packets);
        self.lost_before = self.lost_before.saturating_add(packets);
        self.keyframe.broken();
    }

    fn count_dropped_frame(&mut self) {
        self.stats.frames_dropped = self.stats.frames_dropped.saturating_add(1);
        self.dropped_before = self.dropped_before.saturating_add(1);
        self.keyframe.broken();
    }

    fn format(&self, payload_type: u8) -> Option<&Format> {
        self.formats
            .iter()
            .find(|format| format.payload_type == payload_type)
    }

    /// A packet without media: padding, or of a payload type that is not ours.
    fn is_filler(&self, packet: &RtpPacket) -> bool {
        let format = self.format(packet.payload_type);
        format.is_none_or(|format| format.depacketizer.is_filler(&packet.payload))
    }

    /// Whether to ask for a key frame now: frames are lost that later ones may refer to, or the
    /// stream began without one. Paced, and never for audio.
    pub(crate) fn wants_keyframe(&mut self, now: Instant) -> bool {
        self.is_video() && self.keyframe.ask(now)
    }

    fn is_video(&self) -> bool {
        let mut formats = self.formats.iter();
        formats.any(|format| !format.depacketizer.is_frame_per_packet())
    }

    /// When [`pop`](Self::pop), or [`wants_keyframe`](Self::wants_keyframe) after it, has something
    /// to do even if no packet comes.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let keyframe = self.keyframe.next_at().filter(|_| self.is_video());
        [self.timeout, keyframe].into_iter().flatten().min()
    }

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

enum Step {
    Sample(MediaSample),
    Again,
    Wait(Option<Instant>),
}
