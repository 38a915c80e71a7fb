//! What goes out: messages by stream, cut into chunks, and the chunks in flight
//! (RFC 9260 sections 6.1 and 6.9, RFC 3758).

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::forward::Forward;
use super::gaps::Acknowledged;
use super::pop_front_if;
use crate::engine::sctp::wire;
use crate::engine::sctp::{MAX_PACKET, Outbound, Reliability};

/// Bytes that a stream of weight 1 sends in its turn, while others wait: weighted fair shares, as
/// RFC 8260 section 3.6 has them. A message is not interrupted; the next turns make up for it.
const QUANTUM: i64 = 2_000;
/// What a stream has to make up for at most.
const MAX_DEBT: i64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    InFlight,
    /// To be sent again.
    Lost,
    Acked,
    /// Given up (RFC 3758).
    Abandoned,
}

/// A chunk that has a TSN.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) data: Bytes,
    pub(super) flags: u8,
    pub(super) stream: u16,
    pub(super) ssn: u16,
    pub(super) ppid: u32,
    pub(super) fate: Fate,
    /// Which message it is part of.
    pub(super) message: u64,
    /// How many times it was sent.
    pub(super) sends: u16,
    /// The order of all transmissions, and when this one's was.
    pub(super) order: u64,
    pub(super) sent_at: Instant,
    /// It is what made its packet greater than `MAX_PACKET`.
    pub(super) greater: bool,
    pub(super) max_sends: Option<u16>,
    pub(super) expires: Option<Instant>,
}

struct Queued {
    message: Outbound,
    expires: Option<Instant>,
    offset: usize,
    id: u64,
    ssn: u16,
}

#[derive(Default)]
struct Stream {
    next_ssn: u16,
    /// Bytes it may still send in this turn; below 0 when its last message was longer.
    credit: i64,
    queue: VecDeque<Queued>,
    /// It is among those that take turns; maybe with nothing left to send.
    in_turns: bool,
    /// To be told of once nothing waits to be sent.
    ending: bool,
}

impl Stream {
    /// Whether it ends now, since nothing waits to be sent any more.
    fn ends(&mut self) -> bool {
        self.queue.is_empty() && std::mem::take(&mut self.ending)
    }
}

pub(super) struct Outbox {
    streams: HashMap<u16, Stream>,
    /// Streams with something to send, in turn.
    turns: VecDeque<u16>,
    next_message: u64,
    pub(super) next_tsn: u32,
    /// The TSN of the first of `sent`.
    pub(super) first_tsn: u32,
    pub(super) sent: VecDeque<Sent>,
    /// Transmissions in their order: number and TSN.
    pub(super) order: VecDeque<(u64, u32)>,
    pub(super) next_order: u64,
    /// The latest transmission that was acknowledged.
    pub(super) acked_order: Option<u64>,
    /// TSNs to be sent again, in order.
    pub(super) lost: VecDeque<u32>,
    /// Bytes in flight.
    pub(super) flight: usize,
    pub(super) peer_window: usize,
    peer_forwards: bool,
    pub(super) sacked: Acknowledged,
    pub(super) forward: Forward,
    /// Streams that were to be told of, with nothing left to send.
    pub(super) ended: Vec<u16>,
    /// Bytes by stream that need no buffer any more.
    pub(super) released: Vec<(u16, usize)>,
    pub(super) loss_at: Option<Instant>,
    pub(super) rto_at: Option<Instant>,
    /// How patient loss detection is with packets that are late: doubles when it was wrong.
    pub(super) patience: u32,
    /// All up to this is acknowledged or given up; beyond `first_tsn - 1` the peer must be told.
    pub(super) forward_to: Option<u32>,
    pub(super) forward_due: bool,
    pub(super) retransmitted: u64,
    pub(super) abandoned_messages: u64,
    /// One chunk may go although the peer's window is shut, to learn when it opens.
    pub(super) probe: bool,
}

impl Outbox {
    pub(super) fn new(initial_tsn: u32) -> Self {
        Self {
            streams: HashMap::new(),
            turns: VecDeque::new(),
            next_message: 0,
            next_tsn: initial_tsn,
            first_tsn: initial_tsn,
            sent: VecDeque::new(),
            order: VecDeque::new(),
            next_order: 0,
            acked_order: None,
            lost: VecDeque::new(),
            flight: 0,
            peer_window: 0,
            peer_forwards: false,
            sacked: Acknowledged::new(initial_tsn),
            forward: Forward::default(),
            ended: Vec::new(),
            released: Vec::new(),
            loss_at: None,
            rto_at: None,
            patience: 1,
            forward_to: None,
            forward_due: false,
            retransmitted: 0,
            abandoned_messages: 0,
            probe: false,
        }
    }

    pub(super) fn begin(&mut self, window: u32, forwards: bool) {
        self.peer_window = window as usize;
        self.peer_forwards = forwards;
    }

    pub(super) fn queue(&mut self, now: Instant, message: Outbound) {
        let expires = match message.reliability {
            Reliability::Lifetime(time) => now.checked_add(time),
            _ => None,
        };
        let stream = message.stream;
        self.next_message = self.next_message.wrapping_add(1);
        let queued = Queued {
            message,
            expires,
            offset: 0,
            id: self.next_message,
            ssn: 0,
        };
        let state = self.streams.entry(stream).or_default();
        if !std::mem::replace(&mut state.in_turns, true) {
            self.turns.push_back(stream);
        }
        state.queue.push_back(queued);
    }

    /// Whether nothing waits to be sent on the stream. If something does, it will be among `ended`
    /// once that is no longer so.
    pub(super) fn has_ended(&mut self, stream: u16) -> bool {
        let Some(state) = self.streams.get_mut(&stream) else {
            return true;
        };
        state.ending = !state.queue.is_empty();
        !state.ending
    }

    pub(super) fn known_streams(&self) -> Vec<u16> {
        self.streams.keys().copied().collect()
    }

    /// Nothing waits to be sent, and all that was sent is acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.streams.values().all(|stream| stream.queue.is_empty())
    }

    pub(super) fn has_work(&self) -> bool {
        !self.turns.is_empty() || !self.lost.is_empty()
    }

    /// The stream begins anew: its next message has number 0 (RFC 6525 section 5.1.2).
    pub(super) fn forget_stream(&mut self, stream: u16) {
        match self.streams.get_mut(&stream) {
            Some(state) if state.in_turns => state.next_ssn = 0,
            _ => {
                self.streams.remove(&stream);
            }
        }
    }

    pub(super) fn last_tsn(&self) -> u32 {
        self.next_tsn.wrapping_sub(1)
    }

    pub(super) fn get_mut(&mut self, tsn: u32) -> Option<&mut Sent> {
        let at = tsn.wrapping_sub(self.first_tsn);
        self.sent.get_mut(usize::try_from(at).ok()?)
    }

    /// What is left of the message that would be sent next, and its size.
    pub(super) fn next_new(&mut self, now: Instant) -> Option<(usize, usize)> {
        loop {
            let stream = *self.turns.front()?;
            let Some(state) = self.streams.get_mut(&stream) else {
                self.turns.pop_front();
                continue;
            };
            let Some(first) = state.queue.front() else {
                state.in_turns = false;
                state.credit = 0;
                self.turns.pop_front();
                continue;
            };
            // What has expired before its turn takes no number at all.
            if first.offset == 0 && first.expires.is_some_and(|at| at <= now) {
                release(&mut self.released, stream, first.message.data.len());
                state.queue.pop_front();
                if state.ends() {
                    self.ended.push(stream);
                }
                self.abandoned_messages = self.abandoned_messages.saturating_add(1);
                continue;
            }
            if first.offset == 0 && state.credit <= 0 {
                let more = QUANTUM.saturating_mul(i64::from(first.message.weight.max(1)));
                // What was sent while nobody waited is no debt.
                let alone = self.turns.len() == 1;
                let debt = if alone {
                    0
                } else {
                    state.credit.max(-MAX_DEBT)
                };
                state.credit = debt.saturating_add(more);
                if state.credit <= 0 {
                    self.turns.rotate_left(1);
                    continue;
                }
            }
            let whole = first.message.data.len();
            return Some((whole.saturating_sub(first.offset), whole));
        }
    }

    /// Cuts the next chunk of at most `room` bytes of user data and gives it a TSN.
    pub(super) fn cut(&mut self, now: Instant, room: usize) -> Option<u32> {
        let stream = *self.turns.front()?;
        let state = self.streams.get_mut(&stream)?;
        let first = state.queue.front_mut()?;
        let mut flags = 0;
        if first.offset == 0 {
            flags |= wire::FLAG_BEGIN;
            first.ssn = state.next_ssn;
            if first.message.ordered {
                state.next_ssn = state.next_ssn.wrapping_add(1);
            }
        }
        if !first.message.ordered {
            flags |= wire::FLAG_UNORDERED;
        }
        let left = first.message.data.len().saturating_sub(first.offset);
        let len = left.min(room);
        let upto = first.offset.checked_add(len)?;
        let end = upto == first.message.data.len();
        let data = if end && first.offset == 0 {
            first.message.data.clone()
        } else {
            first.message.data.slice(first.offset..upto)
        };
        let max_sends = match first.message.reliability {
            Reliability::Retransmits(count) if self.peer_forwards => Some(count.saturating_add(1)),
            _ => None,
        };
        let expires = first.expires.filter(|_| self.peer_forwards);
        if end {
            flags |= wire::FLAG_END;
        }
        let sent = Sent {
            data,
            flags,
            stream,
            ssn: first.ssn,
            ppid: first.message.ppid,
            fate: Fate::Lost,
            message: first.id,
            sends: 0,
            order: 0,
            sent_at: now,
            greater: false,
            max_sends,
            expires,
        };
        first.offset = upto;
        release(&mut self.released, stream, len);
        if end {
            let cost = upto.saturating_add(wire::DATA_HEADER);
            state.queue.pop_front();
            state.credit = state.credit.saturating_sub(cost as i64);
            if state.queue.is_empty() {
                state.credit = 0;
                state.in_turns = false;
                self.turns.pop_front();
                if state.ends() {
                    self.ended.push(stream);
                }
            } else if state.credit <= 0 {
                self.turns.rotate_left(1);
            }
        }
        let tsn = self.next_tsn;
        self.next_tsn = tsn.wrapping_add(1);
        if self.sent.is_empty() {
            self.first_tsn = tsn;
        }
        self.sent.push_back(sent);
        Some(tsn)
    }

    /// Notes a transmission of a chunk, and writes it.
    pub(super) fn transmit(&mut self, now: Instant, tsn: u32, out: &mut Vec<u8>) {
        let order = self.next_order;
        let Some(sent) = self.get_mut(tsn) else {
            return;
        };
        sent.fate = Fate::InFlight;
        sent.order = order;
        sent.sent_at = now;
        sent.sends = sent.sends.saturating_add(1);
        let len = sent.data.len();
        wire::put_chunk(out, wire::DATA, sent.flags, |out| {
            out.extend_from_slice(&tsn.to_be_bytes());
            out.extend_from_slice(&sent.stream.to_be_bytes());
            out.extend_from_slice(&sent.ssn.to_be_bytes());
            out.extend_from_slice(&sent.ppid.to_be_bytes());
            out.extend_from_slice(&sent.data);
        });
        sent.greater = out.len() > MAX_PACKET;
        if sent.sends > 1 {
            self.retransmitted = self.retransmitted.saturating_add(1);
        }
        self.flight = self.flight.saturating_add(len);
        self.peer_window = self.peer_window.saturating_sub(len);
        self.order.push_back((order, tsn));
        self.next_order = order.wrapping_add(1);
    }

    /// The next chunk to be sent again, given up ones left out.
    pub(super) fn next_lost(&mut self, now: Instant) -> Option<(u32, usize)> {
        loop {
            let tsn = *self.lost.front()?;
            let Some(sent) = self.get_mut(tsn) else {
                self.lost.pop_front();
                continue;
            };
            if sent.fate != Fate::Lost {
                self.lost.pop_front();
                continue;
            }
            let over = sent.max_sends.is_some_and(|max| sent.sends >= max)
                || sent.expires.is_some_and(|at| at <= now);
            if over {
                self.abandon(tsn);
                continue;
            }
            return Some((tsn, sent.data.len()));
        }
    }

    /// Gives up a whole message (RFC 3758 section 3.5).
    pub(super) fn abandon(&mut self, tsn: u32) {
        let Some((message, stream)) = self.get_mut(tsn).map(|sent| (sent.message, sent.stream))
        else {
            return;
        };
        self.abandoned_messages = self.abandoned_messages.saturating_add(1);
        let mut freed = 0usize;
        let mut at = tsn;
        // Its chunks are neighbours.
        while let Some(sent) = self
            .get_mut(at.wrapping_sub(1))
            .filter(|sent| sent.message == message)
        {
            let _ = sent;
            at = at.wrapping_sub(1);
        }
        while let Some(sent) = self.get_mut(at).filter(|sent| sent.message == message) {
            if sent.fate == Fate::InFlight {
                freed = freed.saturating_add(sent.data.len());
            }
            if sent.fate != Fate::Acked {
                sent.data = Bytes::new();
                sent.fate = Fate::Abandoned;
            }
            at = at.wrapping_add(1);
        }
        self.flight = self.flight.saturating_sub(freed);
        // What was not sent yet of it never will be.
        if let Some(state) = self.streams.get_mut(&stream)
            && let Some(first) = pop_front_if(&mut state.queue, |first| first.id == message)
        {
            let left = first.message.data.len().saturating_sub(first.offset);
            release(&mut self.released, stream, left);
            if state.ends() {
                self.ended.push(stream);
            }
        }
        self.forward();
    }

    /// How long a chunk may be late before it counts as lost.
    pub(super) fn reordering(&self, smoothed: Duration) -> Duration {
        (smoothed / 8)
            .saturating_mul(self.patience)
            .max(Duration::from_millis(1))
    }
}

fn release(released: &mut Vec<(u16, usize)>, stream: u16, bytes: usize) {
    match released.last_mut() {
        Some((last, sum)) if *last == stream => *sum = sum.saturating_add(bytes),
        _ => released.push((stream, bytes)),
    }
}
