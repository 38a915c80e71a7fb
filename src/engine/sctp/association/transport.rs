//! The trait on the association: what the layer above asks of it, and its timers.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::state::{Association, Control, State};
use crate::engine::sctp::wire;
use crate::engine::sctp::{Outbound, SctpCounters, SctpEvent, SctpTransport, StreamCounters};

impl SctpTransport for Association {
    fn start(&mut self, now: Instant) {
        if self.state == State::Idle && self.config.initiator {
            self.send_init(now);
        }
    }

    fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        if self.state != State::Over && self.dispatch(now, packet).is_none() {
            self.drop_packet();
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.state == State::Over {
            return;
        }
        if is_due(self.handshake.due) {
            self.handshake_timeout(now);
        }
        if is_due(self.ack_at) {
            self.ack_at = None;
            self.inbound.ack_now = true;
        }
        if is_due(self.resets.due) {
            self.resend_reset(now);
        }
        if is_due(self.outbox.loss_at) {
            self.detect_losses(now);
        }
        if is_due(self.outbox.rto_at) {
            // A peer that drops what it said to take, packets without a checksum, hears nothing.
            self.peer_takes_zero_checksum &=
                self.outbox.acked_order.is_some() || self.rtt.timeouts() == 0;
            self.retransmission_timeout(now);
        }
        if is_due(self.path_mtu.due()) {
            self.path_mtu.on_timeout(now);
        }
        if is_due(self.paced_until) {
            self.paced_until = None;
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Over {
            return None;
        }
        [
            self.handshake.due,
            self.ack_at,
            self.resets.due,
            self.outbox.loss_at,
            self.outbox.rto_at,
            self.path_mtu.due(),
            self.paced_until,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn poll_packet(&mut self, now: Instant, packet: &mut Vec<u8>) -> bool {
        self.write_packet(now, packet)
    }

    fn poll_event(&mut self) -> Option<SctpEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let (stream, bytes) = self.outbox.released.pop()?;
        Some(SctpEvent::Released { stream, bytes })
    }

    fn is_connected(&self) -> bool {
        self.state == State::Established
    }

    fn is_idle(&self) -> bool {
        self.state == State::Over || self.outbox.is_empty()
    }

    fn streams(&self) -> u16 {
        self.streams
    }

    fn send(&mut self, now: Instant, message: Outbound) {
        if self.state != State::Over {
            self.outbox.queue(now, message);
        }
    }

    fn reset(&mut self, now: Instant, stream: u16) {
        if self.state != State::Over {
            self.resets.ask(stream);
            self.send_reset(now);
        }
    }

    fn is_usable(&self, stream: u16) -> bool {
        !self.resets.is_retired(stream)
    }

    fn window_opened(&mut self, now: Instant) {
        let _ = now;
        // Only a window that was told to be small is worth a packet.
        self.inbound.ack_now |= self.inbound.told_small_window();
    }

    fn path_restored(&mut self, now: Instant) {
        self.path_mtu.restart();
        self.retry(now);
    }

    fn path_changed(&mut self) {
        self.path_mtu.restart();
    }

    fn largest_packet(&self) -> usize {
        self.path_mtu.limit()
    }

    fn abort(&mut self, now: Instant) {
        let _ = now;
        if !matches!(self.state, State::Idle | State::Over) {
            // Cause 12: user-initiated abort (RFC 9260 section 3.3.10.12).
            let chunk = wire::chunk(wire::ABORT, 0, &[0, 12, 0, 4]);
            let tag = self.peer_tag;
            self.control.clear();
            self.control.push_back(Control::Alone { tag, chunk });
        }
        self.state = State::Over;
    }

    fn rtt(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    fn counters(&self) -> SctpCounters {
        SctpCounters {
            dropped: self.counters.dropped.saturating_add(self.inbound.broken()),
            retransmitted: self.outbox.retransmitted,
            abandoned: self.outbox.abandoned_messages,
        }
    }

    fn stream_counters(&self, stream: u16) -> StreamCounters {
        self.outbox.stream_counters(stream)
    }
}
