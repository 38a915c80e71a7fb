//! Messages on their way out: whose turn it is, how they are cut into chunks, and given up
//! (RFC 9260 sections 6.1 and 6.9, RFC 3758).

use std::time::Instant;

use bytes::Bytes;

use super::front::pop_front_if;
use super::outbox::{Outbox, Queued};
use super::sent::{Fate, Sent};
use crate::engine::sctp::wire;
use crate::engine::sctp::{Outbound, Reliability};

/// Bytes that a stream of weight 1 sends in its turn, while others wait: weighted fair shares, as
/// RFC 8260 section 3.6 has them. A message is not interrupted; the next turns make up for it.
const QUANTUM: i64 = 2_000;
/// What a stream has to make up for at most.
const MAX_DEBT: i64 = 1 << 20;

impl Outbox {
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
                state.count_abandoned();
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
        if let Some(state) = self.streams.get_mut(&stream) {
            state.count_abandoned();
        }
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
}

fn release(released: &mut Vec<(u16, usize)>, stream: u16, bytes: usize) {
    match released.last_mut() {
        Some((last, sum)) if *last == stream => *sum = sum.saturating_add(bytes),
        _ => released.push((stream, bytes)),
    }
}
