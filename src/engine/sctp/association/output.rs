//! Packets, written one at a time (RFC 9260 sections 6.1 and 6.10).

use std::time::Instant;

use super::front::pop_front_if;
use super::state::{Association, Control, State};
use crate::engine::sctp::wire::{self, MAX_PACKET};

const PORT: u16 = 5000;
/// A piece of a message smaller than this is not worth its header.
const MIN_PIECE: usize = 256;
/// The same of a message that is cut anyway, where it fills a greater packet.
const MIN_FILL: usize = 128;
/// The most user data of a chunk: it fits the packet that every path carries, so that it can
/// always be sent again.
const MAX_PIECE: usize = MAX_PACKET - wire::COMMON_HEADER - wire::DATA_HEADER;
/// Chunks in flight. A SACK speaks of no more (RFC 9260 section 3.3.4), and a peer that acknowledges
/// all but the first has them all kept.
const MAX_SENT: usize = 1 << 16;

impl Association {
    pub(super) fn write_packet(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        if let Some(Control::Alone { tag, chunk }) = pop_front_if(&mut self.control, |control| {
            matches!(control, Control::Alone { .. })
        }) {
            wire::begin_packet(out, PORT, tag);
            out.extend_from_slice(&chunk);
            wire::put_checksum(out);
            return true;
        }
        if self.state == State::Established
            && let Some(size) = self.path_mtu.wanted(now)
        {
            self.write_probe(now, size, out);
            return true;
        }
        out.clear();
        if matches!(self.state, State::Idle | State::Over) && self.control.is_empty() {
            return false;
        }
        self.send_reset(now);
        wire::begin_packet(out, PORT, self.peer_tag);
        let empty = out.len();
        while let Some(Control::Bundled(chunk)) = pop_front_if(&mut self.control, |control| {
            matches!(control, Control::Bundled(chunk)
                if out.len() == empty || out.len().saturating_add(chunk.len()) <= MAX_PACKET)
        }) {
            out.extend_from_slice(&chunk);
        }
        // The answer to a great heartbeat is as great as that, and no greater.
        if self.state == State::Established && out.len() <= MAX_PACKET {
            self.put_chunks(now, out);
        }
        if out.len() == empty {
            return false;
        }
        // RFC 9653 section 5.3; a packet with a COOKIE ECHO is never written here.
        if !self.peer_takes_zero_checksum {
            wire::put_checksum(out);
        }
        true
    }

    /// A packet with nothing but the HEARTBEAT.
    fn write_probe(&mut self, now: Instant, size: usize, out: &mut Vec<u8>) {
        wire::begin_packet(out, PORT, self.peer_tag);
        self.path_mtu.put_probe(now, self.rtt.rto(), size, out);
        if !self.peer_takes_zero_checksum {
            wire::put_checksum(out);
        }
    }

    fn put_chunks(&mut self, now: Instant, out: &mut Vec<u8>) {
        let to_ack = self.inbound.packets_to_ack > 0 || self.inbound.ack_now;
        if self.inbound.wants_ack() || to_ack && self.outbox.has_work() {
            self.inbound
                .put_sack(out, MAX_PACKET.saturating_sub(out.len()));
            self.ack_at = None;
        }
        if self.outbox.forward_due && MAX_PACKET.saturating_sub(out.len()) > 64 {
            self.outbox
                .put_forward(out, MAX_PACKET.saturating_sub(out.len()));
        }
        self.put_data(now, out);
        self.arm(now);
    }

    fn put_data(&mut self, now: Instant, out: &mut Vec<u8>) {
        if !self.outbox.has_work() {
            return;
        }
        let window = self.congestion.window();
        if self.outbox.flight >= window {
            self.expire_in_flight(now);
        }
        let probe = self.outbox.probe;
        let limit = self.path_mtu.limit();
        let mut allowance = self.congestion.allowance(now, self.rtt.smoothed());
        let start = out.len();
        loop {
            let room = limit
                .saturating_sub(out.len())
                .saturating_sub(wire::DATA_HEADER);
            if allowance == 0 && !probe {
                self.paced_until = now.checked_add(self.congestion.rest());
                break;
            }
            if self.outbox.flight >= window && !probe {
                break;
            }
            let tsn = if let Some((tsn, len)) = self.outbox.next_lost(now) {
                if len > room {
                    break;
                }
                tsn
            } else if self.outbox.sent.len() < MAX_SENT
                && let Some((left, whole)) = self.outbox.next_new(now)
            {
                let room = room.min(MAX_PIECE);
                let least = match whole {
                    _ if limit == MAX_PACKET => left.min(MIN_PIECE),
                    ..=MAX_PIECE => left,
                    _ => left.min(MIN_FILL),
                };
                // RFC 9260 section 6.1 A: with nothing in flight one chunk may always go.
                let shut = self.outbox.peer_window < left.min(room);
                if shut && self.outbox.flight > 0 && !probe || room < least {
                    break;
                }
                if shut && !probe && self.outbox.peer_window == 0 {
                    break;
                }
                match self.outbox.cut(now, room) {
                    Some(tsn) => tsn,
                    None => break,
                }
            } else {
                break;
            };
            let before = out.len();
            self.outbox.transmit(now, tsn, out);
            let written = out.len().saturating_sub(before);
            allowance = allowance.saturating_sub(written);
            self.congestion.on_sent(written);
            if probe && self.outbox.flight >= window {
                break;
            }
        }
        if out.len() > start {
            self.outbox.probe = false;
            self.path_mtu.on_sent(out.len());
        }
    }
}
