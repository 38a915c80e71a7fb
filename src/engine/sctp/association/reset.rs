//! Streams that end, so that their ids can be used again (RFC 6525).

use std::time::{Duration, Instant};

use super::resets::{Deferred, NOTHING_TO_DO, RETRY, heartbeat};
use super::state::{Association, State};
use crate::engine::sctp::SctpEvent;
use crate::engine::sctp::wire;
use crate::trace;

const OUTGOING_RESET: u16 = 13;
const INCOMING_RESET: u16 = 14;
const RESPONSE: u16 = 16;
/// Section 4.4.
const PERFORMED: u32 = 1;
const DENIED: u32 = 2;
const ANOTHER_IN_PROGRESS: u32 = 4;
const BAD_SEQUENCE: u32 = 5;
const IN_PROGRESS: u32 = 6;

/// Streams in one request; more wait for the next one.
const MAX_STREAMS: usize = 200;
const MAX_RETRY: Duration = Duration::from_secs(2);
/// A peer that has answered so many heartbeats beside a request, and not the request, does not know
/// what it is: it is skipped in silence (RFC 9260 section 3.2).
const UNANSWERED: u32 = 4;

impl Association {
    /// Asks for the end of the streams on which nothing waits to be sent.
    pub(super) fn send_reset(&mut self, now: Instant) {
        for stream in self.outbox.ended.drain(..) {
            self.resets.ready.push_back(stream);
        }
        if self.state != State::Established
            || self.resets.outstanding.is_some()
            || self.resets.ready.is_empty()
        {
            return;
        }
        let mut streams = Vec::new();
        while (streams.len() < MAX_STREAMS || !self.resets.supported)
            && let Some(stream) = self.resets.ready.pop_front()
        {
            // One that has not comes again when it has.
            if self.outbox.has_ended(stream) {
                streams.push(stream);
            }
        }
        if streams.is_empty() {
            return;
        }
        if !self.resets.supported {
            return self.retire(streams);
        }
        self.resets.outstanding = Some((self.resets.next_request, streams));
        self.resets.interval = RETRY.min(self.rtt.rto());
        self.resets.heartbeats = 0;
        self.put_request(now);
    }

    /// Streams end here without the peer's knowing: nothing more goes out on them or comes in.
    fn retire(&mut self, streams: Vec<u16>) {
        for stream in streams {
            self.resets.asked.remove(&stream);
            if self.resets.retired.insert(stream) {
                self.inbound.retire_stream(stream);
                self.events.push_back(SctpEvent::IncomingReset(stream));
                self.events.push_back(SctpEvent::OutgoingReset(stream));
            }
        }
    }

    fn put_request(&mut self, now: Instant) {
        let Some((request, streams)) = &self.resets.outstanding else {
            self.resets.due = None;
            return;
        };
        let mut value = request.to_be_bytes().to_vec();
        value.extend_from_slice(&self.resets.peer_next.wrapping_sub(1).to_be_bytes());
        value.extend_from_slice(&self.outbox.last_tsn().to_be_bytes());
        for stream in streams {
            value.extend_from_slice(&stream.to_be_bytes());
        }
        let mut body = Vec::new();
        wire::put_parameter(&mut body, OUTGOING_RESET, &value);
        self.resets.due = now.checked_add(self.resets.interval);
        self.push_control(wire::chunk(wire::RECONFIG, 0, &body));
    }

    pub(super) fn resend_reset(&mut self, now: Instant) {
        self.resets.interval = self.resets.interval.saturating_mul(2).min(MAX_RETRY);
        if self.resets.heartbeats >= UNANSWERED {
            let span = &self.config.span;
            tracing::debug!(target: trace::SCTP, parent: span, "the peer does not answer requests to end a stream");
            self.resets.supported = false;
            self.resets.due = None;
            if let Some((_, streams)) = self.resets.outstanding.take() {
                self.retire(streams);
            }
            return self.send_reset(now);
        }
        self.put_request(now);
        if let Some((request, _)) = self.resets.outstanding {
            let mut body = Vec::new();
            wire::put_parameter(&mut body, 1, &heartbeat(request));
            self.push_control(wire::chunk(wire::HEARTBEAT, 0, &body));
        }
    }

    pub(super) fn on_reconfig(&mut self, now: Instant, body: &[u8]) -> Option<()> {
        if !wire::well_formed(body) {
            return None;
        }
        // Whatever it listed, it speaks of it.
        self.resets.supported = true;
        for (kind, value) in wire::parameters(body).flatten() {
            match kind {
                OUTGOING_RESET => self.on_request(value, 12)?,
                INCOMING_RESET => {
                    let request = wire::u32_at(value, 0)?;
                    if request == self.resets.peer_next {
                        let list = value.get(4..)?;
                        // Section 4.2: none means all.
                        let all = list.is_empty().then(|| self.outbox.known_streams());
                        for stream in ids(list).chain(all.into_iter().flatten()) {
                            self.resets.ask(stream);
                        }
                        self.respond_new(request, PERFORMED);
                        self.send_reset(now);
                    } else {
                        self.respond_again(request);
                    }
                }
                RESPONSE => self.on_response(wire::u32_at(value, 0)?, wire::u32_at(value, 4)?),
                _ => {
                    let request = wire::u32_at(value, 0)?;
                    if request == self.resets.peer_next {
                        self.respond_new(request, DENIED);
                    } else {
                        self.respond_again(request);
                    }
                }
            }
        }
        Some(())
    }

    fn on_request(&mut self, value: &[u8], header: usize) -> Option<()> {
        let request = wire::u32_at(value, 0)?;
        if request != self.resets.peer_next {
            self.respond_again(request);
            return Some(());
        }
        if self.resets.deferred.is_none() {
            self.resets.deferred = Some(Deferred {
                request,
                last_tsn: wire::u32_at(value, 8)?,
                streams: ids(value.get(header..)?).collect(),
            });
        }
        if !self.perform_deferred_reset() {
            self.respond(request, IN_PROGRESS);
        }
        Some(())
    }

    /// Ends the streams once all that was sent on them has come.
    pub(super) fn perform_deferred_reset(&mut self) -> bool {
        let cumulative = self.inbound.cumulative();
        let Some(deferred) = self
            .resets
            .deferred
            .take_if(|deferred| wire::before_or_at(deferred.last_tsn, cumulative))
        else {
            return false;
        };
        let streams = if deferred.streams.is_empty() {
            self.inbound.known_streams()
        } else {
            deferred.streams
        };
        for stream in streams {
            self.inbound.reset_stream(stream);
            self.events.push_back(SctpEvent::IncomingReset(stream));
        }
        self.respond_new(deferred.request, PERFORMED);
        true
    }

    fn respond_new(&mut self, request: u32, result: u32) {
        self.resets.peer_next = request.wrapping_add(1);
        self.resets.last_response = (request, result);
        self.respond(request, result);
    }

    fn respond_again(&mut self, request: u32) {
        let (last, result) = self.resets.last_response;
        let result = if request == last {
            result
        } else {
            BAD_SEQUENCE
        };
        self.respond(request, result);
    }

    fn respond(&mut self, request: u32, result: u32) {
        let mut value = request.to_be_bytes().to_vec();
        value.extend_from_slice(&result.to_be_bytes());
        let mut body = Vec::new();
        wire::put_parameter(&mut body, RESPONSE, &value);
        self.push_control(wire::chunk(wire::RECONFIG, 0, &body));
    }

    fn on_response(&mut self, request: u32, result: u32) {
        let ours = |(number, _): &mut (u32, Vec<u16>)| *number == request;
        if matches!(result, IN_PROGRESS | ANOTHER_IN_PROGRESS) {
            self.resets.heartbeats = 0;
            return;
        }
        let Some((_, streams)) = self.resets.outstanding.take_if(ours) else {
            return;
        };
        self.resets.due = None;
        self.resets.next_request = request.wrapping_add(1);
        // The next request goes out with the next packet: one of the peer's answers one.
        if !matches!(result, NOTHING_TO_DO | PERFORMED) {
            // The peer goes on counting: the stream can not begin anew.
            return self.retire(streams);
        }
        for stream in streams {
            self.resets.asked.remove(&stream);
            self.outbox.forget_stream(stream);
            self.events.push_back(SctpEvent::OutgoingReset(stream));
        }
    }
}

fn ids(list: &[u8]) -> impl Iterator<Item = u16> + '_ {
    list.chunks_exact(2)
        .filter_map(|pair| wire::u16_at(pair, 0))
}
