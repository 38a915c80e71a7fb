//! Reorders the packets of one source and puts frames together.
//!
//! While nothing is missing a frame leaves as soon as its last packet is in. A gap is waited for,
//! then declared lost; a frame that lost a packet is dropped whole and counted.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod config;
mod frames;
mod intake;

use std::collections::VecDeque;
use std::time::Instant;

use super::{Depacketizer, KeyframeNeed, RTCCodec};
pub(crate) use config::{JitterConfig, JitterStats};

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
                    payload_type: codec.payload_type,
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

    /// Gives up all that is held; what comes next is the first of a sequence. No packet before it
    /// is missed, but frames are.
    pub(crate) fn begin_anew(&mut self) {
        self.slots = VecDeque::new();
        self.payloads = 0;
        self.probation = Vec::new();
        self.started = false;
        self.timeout = None;
        self.dropped_before = self.dropped_before.saturating_add(1);
        self.keyframe = KeyframeNeed::default();
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
}
