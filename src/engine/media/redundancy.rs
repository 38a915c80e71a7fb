//! Audio packets that carry those before them again (RFC 2198): sending such, and taking received
//! ones apart.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use super::model::{OutgoingRtp, RedCounters, RedFormat, RedStream};
use crate::rtp::{
    HeaderExtensionValues, MAX_RED_BLOCK, MAX_RED_OFFSET, RED_HEADER, RED_LAST_HEADER, RedWindow,
    RtpPacket, RtpSession, parse_red, write_red_header, write_red_last_header,
};

/// A payload with redundancy stays below this, so that its datagram stays below 1,200 bytes.
const MAX_PAYLOAD: usize = 1_100;

// ---- sending --------------------------------------------------------------------------------

#[derive(Debug, Default)]
pub(crate) struct SenderRed {
    stream: Option<RedStream>,
    /// Packets with consecutive numbers, the newest last; at most the distance.
    kept: VecDeque<Kept>,
    /// Headers and earlier blocks of the packet being sent.
    prefix: Vec<u8>,
}

#[derive(Debug, Default)]
struct Kept {
    sequence_number: u16,
    timestamp: u32,
    /// Empty when it does not fit a block.
    data: Vec<u8>,
}

impl SenderRed {
    pub(super) fn set(&mut self, stream: Option<RedStream>) {
        if self.stream != stream {
            self.stream = stream;
            self.kept.clear();
        }
    }

    /// The payload type of a packet, and what its payload is preceded by: nothing where there is
    /// nothing to carry, so that this costs no byte.
    pub(super) fn carry(&mut self, packet: &OutgoingRtp<'_>) -> (u8, &[u8]) {
        self.prefix.clear();
        let Some(stream) = self.stream else {
            return (packet.payload_type, &[]);
        };
        if stream.carried != packet.payload_type {
            // A digit has its own repetitions.
            self.kept.clear();
            return (packet.payload_type, &[]);
        }
        if let Some(last) = self.kept.back() {
            let ahead = packet.sequence_number.wrapping_sub(last.sequence_number);
            if ahead == 0 || ahead >= 0x8000 {
                // A forwarded packet that was overtaken.
                return (packet.payload_type, &[]);
            }
            // A receiver counts back from the number of the packet; and what was before a pause
            // comes too late.
            if ahead != 1 || packet.marker {
                self.kept.clear();
            }
        }
        let carries = self.write_prefix(stream, packet);
        self.keep(stream, packet);
        match carries {
            true => (stream.payload_type, &self.prefix),
            false => (packet.payload_type, &[]),
        }
    }

    fn write_prefix(&mut self, stream: RedStream, packet: &OutgoingRtp<'_>) -> bool {
        let offset = |kept: &Kept| packet.timestamp.wrapping_sub(kept.timestamp);
        let mut len = packet.payload.len().saturating_add(RED_LAST_HEADER);
        let mut last_offset = 0;
        let fits = |kept: &&Kept| {
            len = len
                .saturating_add(RED_HEADER)
                .saturating_add(kept.data.len());
            let before = std::mem::replace(&mut last_offset, offset(kept));
            let in_order = (before.saturating_add(1)..=MAX_RED_OFFSET).contains(&last_offset);
            in_order && !kept.data.is_empty() && len <= MAX_PAYLOAD
        };
        let newest_first = self.kept.iter().rev().take(stream.distance);
        let count = newest_first.take_while(fits).count();
        let first = self.kept.len().saturating_sub(count);
        for kept in self.kept.range(first..) {
            write_red_header(
                &mut self.prefix,
                stream.carried,
                offset(kept),
                kept.data.len(),
            );
        }
        write_red_last_header(&mut self.prefix, stream.carried);
        for kept in self.kept.range(first..) {
            self.prefix.extend_from_slice(&kept.data);
        }
        count > 0
    }

    fn keep(&mut self, stream: RedStream, packet: &OutgoingRtp<'_>) {
        let mut kept = match self.kept.len() >= stream.distance {
            true => self.kept.pop_front().unwrap_or_default(),
            false => Kept::default(),
        };
        kept.sequence_number = packet.sequence_number;
        kept.timestamp = packet.timestamp;
        kept.data.clear();
        if packet.payload.len() <= MAX_RED_BLOCK {
            kept.data.extend_from_slice(packet.payload);
        }
        self.kept.push_back(kept);
    }
}

// ---- receiving ------------------------------------------------------------------------------

/// A source whose packets may carry others.
#[derive(Debug)]
struct RedSource {
    window: RedWindow,
    counters: RedCounters,
}

/// The sources of a receiver with redundant audio, by SSRC.
#[derive(Debug, Default)]
pub(super) struct ReceiverRed {
    sources: BTreeMap<u32, RedSource>,
}

/// A packet that should carry others and cannot be taken apart.
pub(super) struct Malformed;

impl ReceiverRed {
    /// There is no redundancy any longer.
    pub(super) fn clear(&mut self) {
        self.sources.clear();
    }

    pub(super) fn forget(&mut self, ssrc: u32) {
        self.sources.remove(&ssrc);
    }

    pub(super) fn counters(&self, ssrc: u32) -> RedCounters {
        let source = self.sources.get(&ssrc);
        source.map(|source| source.counters).unwrap_or_default()
    }

    /// Notes the number of a packet; false if the packet is there already, carried by another.
    /// `first`: nothing of its source was received before.
    pub(super) fn note_arrival(
        &mut self,
        formats: &[RedFormat],
        packet: &RtpPacket,
        first: bool,
    ) -> bool {
        let source = self
            .sources
            .entry(packet.ssrc)
            .or_insert_with(|| RedSource {
                window: RedWindow::new(packet.sequence_number, !first),
                counters: RedCounters::default(),
            });
        let payload_type = packet.payload_type;
        let is_audio = formats.iter().any(|format| {
            format.payload_type == payload_type || format.carried.contains(&payload_type)
        });
        let timestamp = (is_audio && !packet.payload.is_empty()).then_some(packet.timestamp);
        source.window.arrived(packet.sequence_number, timestamp)
    }

    /// Takes a packet of this format apart: what it carries that is not there, in the order of the
    /// numbers, and itself if it is `fresh`, not there already.
    pub(super) fn take_apart(
        &mut self,
        now: Instant,
        rtp: &mut RtpSession,
        format: &RedFormat,
        packet: RtpPacket,
        fresh: bool,
    ) -> Result<(Vec<RtpPacket>, Option<RtpPacket>), Malformed> {
        let Some(source) = self.sources.get_mut(&packet.ssrc) else {
            return Ok((Vec::new(), None));
        };
        let carried = |payload_type: u8| format.carried.contains(&payload_type);
        let payload = parse_red(&packet.payload).filter(|red| carried(red.primary.payload_type));
        let Some(red) = payload else {
            // Another packet may bring what this one should have.
            source.window.forget(packet.sequence_number);
            return Err(Malformed);
        };
        let mut recovered = Vec::new();
        let mut upper = packet.sequence_number.wrapping_sub(1);
        let mut last_offset = 0;
        for block in red.redundant.iter().rev() {
            let counters = &mut source.counters;
            counters.received = counters.received.wrapping_add(1);
            counters.bytes = counters.bytes.wrapping_add(block.range.len() as u64);
            let timestamp = packet.timestamp.wrapping_sub(block.offset);
            let usable = block.offset > last_offset
                && !block.range.is_empty()
                && carried(block.payload_type);
            last_offset = last_offset.max(block.offset);
            let place = |()| source.window.place(upper, timestamp);
            let missing = usable.then_some(()).and_then(place);
            let wanted = missing.filter(|n| rtp.recovered(now, packet.ssrc, *n));
            let Some(sequence_number) = wanted else {
                counters.discarded = counters.discarded.wrapping_add(1);
                continue;
            };
            source.window.arrived(sequence_number, Some(timestamp));
            upper = sequence_number.wrapping_sub(1);
            recovered.push(RtpPacket {
                marker: false,
                payload_type: block.payload_type,
                sequence_number,
                timestamp,
                ssrc: packet.ssrc,
                csrcs: packet.csrcs.clone(),
                extensions: HeaderExtensionValues::default(),
                payload: part(&packet.payload, block.range.clone()),
            });
        }
        recovered.reverse();
        let primary = fresh.then(|| RtpPacket {
            payload_type: red.primary.payload_type,
            payload: part(&packet.payload, red.primary.range),
            ..packet
        });
        Ok((recovered, primary))
    }
}

/// A part of a packet. A small one is copied: it would keep all of the packet for as long as it
/// waits.
fn part(whole: &Bytes, range: Range<usize>) -> Bytes {
    let part = whole.slice(range);
    if part.len().saturating_mul(4) < whole.len() {
        return Bytes::copy_from_slice(&part);
    }
    part
}
