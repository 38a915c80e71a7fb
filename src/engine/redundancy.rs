//! Audio packets that carry those before them again (RFC 2198): sending such, and taking received
//! ones apart.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use super::Engine;
use super::media::{OutgoingRtp, Receiver, ReceiverSpec};
use crate::rtp::{
    MAX_RED_BLOCK, MAX_RED_OFFSET, RED_HEADER, RED_LAST_HEADER, ReceiverId, RedWindow,
    RtpExtensions, RtpPacket, parse_red, write_red_header, write_red_last_header,
};

/// A payload with redundancy stays below this, so that its datagram stays below 1,200 bytes.
const MAX_PAYLOAD: usize = 1_100;

// ---- sending --------------------------------------------------------------------------------

/// How a sending SSRC repeats its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RedStream {
    pub(crate) payload_type: u8,
    /// Payload type of the packets that are carried twice; others go out as they are.
    pub(crate) carried: u8,
    /// How many earlier packets each carries.
    pub(crate) distance: usize,
}

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
    fn set(&mut self, stream: Option<RedStream>) {
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

/// A payload type of redundant audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedFormat {
    pub(crate) payload_type: u8,
    /// The payload types that may be inside.
    pub(crate) carried: Vec<u8>,
}

/// Redundant blocks of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RedCounters {
    pub(crate) received: u64,
    pub(crate) bytes: u64,
    /// Not needed: the packet was there, or cannot be told.
    pub(crate) discarded: u64,
}

/// A source whose packets may carry others.
#[derive(Debug)]
pub(crate) struct RedSource {
    window: RedWindow,
    counters: RedCounters,
}

impl ReceiverSpec {
    pub(super) fn red_format(&self, payload_type: u8) -> Option<&RedFormat> {
        let mut formats = self.red.iter();
        formats.find(|format| format.payload_type == payload_type)
    }
}

impl Receiver {
    /// Notes the number of a packet where there is redundancy; false if the packet is there
    /// already, carried by another. `first`: nothing of its source was received before.
    pub(super) fn note_arrival(&mut self, packet: &RtpPacket, first: bool) -> bool {
        if self.spec.red.is_empty() {
            self.red.clear();
            return true;
        }
        let source = self.red.entry(packet.ssrc).or_insert_with(|| RedSource {
            window: RedWindow::new(packet.sequence_number, !first),
            counters: RedCounters::default(),
        });
        let payload_type = packet.payload_type;
        let is_audio = self.spec.red.iter().any(|format| {
            format.payload_type == payload_type || format.carried.contains(&payload_type)
        });
        let timestamp = (is_audio && !packet.payload.is_empty()).then_some(packet.timestamp);
        source.window.arrived(packet.sequence_number, timestamp)
    }
}

impl Engine {
    /// Says whether packets of a sending SSRC carry earlier ones.
    pub(crate) fn set_sender_red(&mut self, ssrc: u32, stream: Option<RedStream>) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.red.set(stream);
        }
    }

    pub(crate) fn red_counters(&self, id: ReceiverId, ssrc: u32) -> RedCounters {
        let receiver = self.receivers.get(&id);
        let source = receiver.and_then(|receiver| receiver.red.get(&ssrc));
        source.map(|source| source.counters).unwrap_or_default()
    }

    /// As for a packet of its own source, for one that was sent again.
    pub(super) fn note_restored(&mut self, id: ReceiverId, packet: &RtpPacket) -> bool {
        let receiver = self.receivers.get_mut(&id);
        receiver.is_none_or(|receiver| receiver.note_arrival(packet, false))
    }

    /// Gives a packet to the layer above: as it is, or what it carries in the order of the
    /// numbers. `fresh`: it is not there already.
    pub(super) fn hand_on(&mut self, now: Instant, id: ReceiverId, packet: RtpPacket, fresh: bool) {
        if packet.payload.is_empty() {
            // Padding: the layer above needs its number, or it waits for a gap to close.
            if fresh {
                self.queue_packet(id, packet);
            }
            return;
        }
        let Some(receiver) = self.receivers.get_mut(&id) else {
            return;
        };
        let Some(format) = receiver.spec.red_format(packet.payload_type) else {
            if fresh {
                self.queue_packet(id, packet);
            }
            return;
        };
        let Some(source) = receiver.red.get_mut(&packet.ssrc) else {
            return;
        };
        let carried = |payload_type: u8| format.carried.contains(&payload_type);
        let payload = parse_red(&packet.payload).filter(|red| carried(red.primary.payload_type));
        let Some(red) = payload else {
            // Another packet may bring what this one should have.
            source.window.forget(packet.sequence_number);
            self.counters.malformed_rtp += 1;
            return;
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
            let wanted = missing.filter(|n| self.rtp.recovered(now, packet.ssrc, *n));
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
                extensions: RtpExtensions::default(),
                payload: part(&packet.payload, block.range.clone()),
            });
        }
        for packet in recovered.into_iter().rev() {
            self.queue_packet(id, packet);
        }
        if fresh {
            let primary = RtpPacket {
                payload_type: red.primary.payload_type,
                payload: part(&packet.payload, red.primary.range),
                ..packet
            };
            self.queue_packet(id, primary);
        }
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
