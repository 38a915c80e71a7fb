//! Streams that end, so that their ids can be used again (RFC 6525).

use std::time::{Duration, Instant};

use super::Association;
use super::State;
use crate::engine::sctp::SctpEvent;
use crate::engine::sctp::wire;

const OUTGOING_RESET: u16 = 13;
const INCOMING_RESET: u16 = 14;
const RESPONSE: u16 = 16;
/// Section 4.4.
const NOTHING_TO_DO: u32 = 0;
const PERFORMED: u32 = 1;
const DENIED: u32 = 2;
const BAD_SEQUENCE: u32 = 5;
const IN_PROGRESS: u32 = 6;

/// Streams in one request; more wait for the next one.
const MAX_STREAMS: usize = 200;
const RETRY: Duration = Duration::from_millis(400);
const MAX_RETRY: Duration = Duration::from_secs(2);

struct Deferred {
    request: u32,
    last_tsn: u32,
    streams: Vec<u16>,
}

pub(super) struct Resets {
    /// Streams of ours to be ended.
    waiting: Vec<u16>,
    next_request: u32,
    outstanding: Option<(u32, Vec<u16>)>,
    pub(super) due: Option<Instant>,
    interval: Duration,
    peer_next: u32,
    last_response: (u32, u32),
    /// The peer's request that waits for data: never more than one, since requests are in turn.
    deferred: Option<Deferred>,
}

impl Resets {
    pub(super) fn new(initial_tsn: u32) -> Self {
        Self {
            waiting: Vec::new(),
            next_request: initial_tsn,
            outstanding: None,
            due: None,
            interval: RETRY,
            peer_next: 0,
            last_response: (0, NOTHING_TO_DO),
            deferred: None,
        }
    }

    /// Section 5.1.1: the numbers of requests begin with the initial TSN.
    pub(super) fn begin(&mut self, initial_tsn: u32) {
        self.peer_next = initial_tsn;
        self.last_response = (initial_tsn.wrapping_sub(1), NOTHING_TO_DO);
    }

    pub(super) fn ask(&mut self, stream: u16) {
        let known = self.waiting.contains(&stream)
            || self
                .outstanding
                .as_ref()
                .is_some_and(|(_, streams)| streams.contains(&stream));
        if !known {
            self.waiting.push(stream);
        }
    }
}

impl Association {
    /// Asks for the end of the streams on which nothing waits to be sent.
    pub(super) fn send_reset(&mut self, now: Instant) {
        if self.state != State::Established
            || self.resets.outstanding.is_some()
            || self.resets.waiting.is_empty()
        {
            return;
        }
        let mut streams = Vec::new();
        let outbox = &self.outbox;
        self.resets.waiting.retain(|&stream| {
            let ready = streams.len() < MAX_STREAMS && !outbox.has_queued(stream);
            if ready {
                streams.push(stream);
            }
            !ready
        });
        if streams.is_empty() {
            return;
        }
        self.resets.outstanding = Some((self.resets.next_request, streams));
        self.resets.interval = RETRY.min(self.rtt.rto());
        self.put_request(now);
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
        self.put_request(now);
    }

    pub(super) fn on_reconfig(&mut self, now: Instant, body: &[u8]) -> Option<()> {
        if !wire::well_formed(body) {
            return None;
        }
        for (kind, value) in wire::parameters(body).flatten() {
            match kind {
                OUTGOING_RESET => self.on_request(value, 12)?,
                INCOMING_RESET => {
                    let request = wire::u32_at(value, 0)?;
                    if request == self.resets.peer_next {
                        for stream in ids(value.get(4..)?) {
                            self.resets.ask(stream);
                        }
                        self.respond_new(request, PERFORMED);
                        self.send_reset(now);
                    } else {
                        self.respond_again(request);
                    }
                }
                RESPONSE => self.on_response(now, wire::u32_at(value, 0)?, wire::u32_at(value, 4)?),
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

    fn on_response(&mut self, now: Instant, request: u32, result: u32) {
        let ours = |(number, _): &mut (u32, Vec<u16>)| *number == request;
        if result == IN_PROGRESS {
            return;
        }
        let Some((_, streams)) = self.resets.outstanding.take_if(ours) else {
            return;
        };
        self.resets.due = None;
        self.resets.next_request = request.wrapping_add(1);
        for stream in streams {
            self.outbox.forget_stream(stream);
            self.events.push_back(SctpEvent::OutgoingReset(stream));
        }
        self.send_reset(now);
    }
}

fn ids(list: &[u8]) -> impl Iterator<Item = u16> + '_ {
    list.chunks_exact(2)
        .filter_map(|pair| wire::u16_at(pair, 0))
}
