//! What is to go out: messages by stream, and the chunks that have a TSN.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::acknowledged::Acknowledged;
use super::sent::{Fate, Sent};
use super::skipped::Forward;
use crate::engine::sctp::wire::{self, MAX_PACKET};
use crate::engine::sctp::{Outbound, StreamCounters};

pub(super) struct Queued {
    pub(super) message: Outbound,
    pub(super) expires: Option<Instant>,
    pub(super) offset: usize,
    pub(super) id: u64,
    pub(super) ssn: u16,
}

#[derive(Default)]
pub(super) struct Stream {
    pub(super) next_ssn: u16,
    /// Bytes it may still send in this turn; below 0 when its last message was longer.
    pub(super) credit: i64,
    pub(super) queue: VecDeque<Queued>,
    /// It is among those that take turns; maybe with nothing left to send.
    pub(super) in_turns: bool,
    /// To be told of once nothing waits to be sent.
    pub(super) ending: bool,
    pub(super) counters: StreamCounters,
}

impl Stream {
    pub(super) fn count_abandoned(&mut self) {
        self.counters.abandoned = self.counters.abandoned.saturating_add(1);
    }

    /// Whether it ends now, since nothing waits to be sent any more.
    pub(super) fn ends(&mut self) -> bool {
        self.queue.is_empty() && std::mem::take(&mut self.ending)
    }
}

pub(super) struct Outbox {
    pub(super) streams: HashMap<u16, Stream>,
    /// Streams with something to send, in turn.
    pub(super) turns: VecDeque<u16>,
    pub(super) next_message: u64,
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
    pub(super) peer_forwards: bool,
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
            Some(state) if state.in_turns => {
                state.next_ssn = 0;
                state.counters = StreamCounters::default();
            }
            _ => {
                self.streams.remove(&stream);
            }
        }
    }

    pub(super) fn stream_counters(&self, stream: u16) -> StreamCounters {
        let stream = self.streams.get(&stream);
        stream.map_or_else(StreamCounters::default, |stream| stream.counters)
    }

    pub(super) fn last_tsn(&self) -> u32 {
        self.next_tsn.wrapping_sub(1)
    }

    pub(super) fn get_mut(&mut self, tsn: u32) -> Option<&mut Sent> {
        let at = tsn.wrapping_sub(self.first_tsn);
        self.sent.get_mut(usize::try_from(at).ok()?)
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
        let again = (sent.sends > 1).then_some(sent.stream);
        if let Some(stream) = again {
            self.retransmitted = self.retransmitted.saturating_add(1);
            if let Some(state) = self.streams.get_mut(&stream) {
                let count = &mut state.counters.retransmitted;
                *count = count.saturating_add(1);
            }
        }
        self.flight = self.flight.saturating_add(len);
        self.peer_window = self.peer_window.saturating_sub(len);
        self.order.push_back((order, tsn));
        self.next_order = order.wrapping_add(1);
    }

    /// How long a chunk may be late before it counts as lost.
    pub(super) fn reordering(&self, smoothed: Duration) -> Duration {
        (smoothed / 8)
            .saturating_mul(self.patience)
            .max(Duration::from_millis(1))
    }
}
