//! What comes in, and what is acknowledged (RFC 9260 sections 6.2 and 6.5; RFC 3758 section 3.6).

use std::collections::VecDeque;

use super::ordering::Ordering;
use super::reassembly::Reassembly;
use super::received::{Mark, Received};
use crate::engine::sctp::wire::{self, Data};
use crate::engine::sctp::{SctpConfig, SctpEvent, Unread};

/// A TSN further ahead than this is nothing that a window of ours allows.
const MAX_AHEAD: u64 = 1 << 18;
/// Messages that wait for an earlier one: one packet may set them all free. What comes in turn may
/// be what they wait for, so that there is room for some more of that.
const MAX_WAITING: usize = 24 * 1024;
const MAX_WAITING_IN_TURN: usize = 32 * 1024;
/// Blocks told in one SACK.
const MAX_BLOCKS: usize = 128;
/// Duplicates told in one SACK.
const MAX_DUPLICATES: usize = 16;

pub(super) struct Inbound {
    window: usize,
    max_message_size: usize,
    received: Received,
    duplicates: Vec<u32>,
    reassembly: Reassembly,
    ordering: Ordering,
    told_window: usize,
    pub(super) ack_now: bool,
    pub(super) packets_to_ack: u32,
}

impl Inbound {
    pub(super) fn new(config: &SctpConfig, unread: Unread) -> Self {
        Self {
            window: config.receive_window as usize,
            max_message_size: config.max_message_size as usize,
            received: Received::default(),
            duplicates: Vec::new(),
            reassembly: Reassembly::new(config.max_message_size as usize),
            ordering: Ordering::new(unread),
            told_window: config.receive_window as usize,
            ack_now: false,
            packets_to_ack: 0,
        }
    }

    pub(super) fn begin(&mut self, initial_tsn: u32) {
        self.received.begin(initial_tsn);
    }

    pub(super) fn cumulative(&self) -> u32 {
        self.received.cumulative() as u32
    }

    /// Chunks that broke the rules of RFC 9260 section 6.9.
    pub(super) fn broken(&self) -> u64 {
        self.reassembly.broken()
    }

    /// Bytes in parts and waiting messages, with what keeping them costs.
    fn held(&self) -> usize {
        self.reassembly.held().saturating_add(self.ordering.held())
    }

    fn window_left(&self) -> usize {
        if self.ordering.waiting() >= MAX_WAITING {
            return 0;
        }
        let used = self.held().saturating_add(self.ordering.unread());
        self.window.saturating_sub(used)
    }

    pub(super) fn told_small_window(&self) -> bool {
        self.told_window < self.window / 2
    }

    /// Takes a DATA chunk; `None` when it is dropped.
    pub(super) fn data(&mut self, data: &Data<'_>, events: &mut VecDeque<SctpEvent>) -> Option<()> {
        // Section 3.3.1: no user data is a violation; ending the association would punish us.
        if data.payload.is_empty() {
            return None;
        }
        self.ack_now |= data.immediate;
        let tsn = self.received.wide(data.tsn);
        let ahead = tsn.saturating_sub(self.received.cumulative());
        if ahead == 0 {
            self.duplicate(data.tsn);
            return Some(());
        }
        if ahead > MAX_AHEAD {
            return None;
        }
        // The next one in order is always taken: it may be what all the others wait for.
        if self.window_left() == 0 && (ahead > 1 || !self.may_exceed()) {
            self.ack_now = true;
            return None;
        }
        // Section 6.7: a gap that is filled, or is still there, is told at once.
        self.ack_now |= ahead > 1 || self.received.has_gaps();
        match self.received.mark(tsn) {
            Mark::New => {}
            Mark::Again => {
                self.duplicate(data.tsn);
                return Some(());
            }
            Mark::NoRoom => return None,
        }
        if let Some(message) = self.reassembly.add(data, tsn, &self.received, events) {
            self.ordering.add(message, events);
        }
        Some(())
    }

    /// With a full window: nothing is taken that only waits for the application, but what may
    /// complete or free something is, by a peer that never passed the window it was told.
    fn may_exceed(&self) -> bool {
        let (held, unread) = (self.held(), self.ordering.unread());
        let most = self
            .window
            .saturating_add(self.window / 4)
            .saturating_add(self.max_message_size);
        held > 0
            && unread < self.window
            && held.saturating_add(unread) < most
            && self.ordering.waiting() < MAX_WAITING_IN_TURN
    }

    fn duplicate(&mut self, tsn: u32) {
        self.ack_now = true;
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(tsn);
        }
    }

    /// A FORWARD-TSN (RFC 3758 section 3.6): the peer has given up all up to a TSN.
    pub(super) fn forward(&mut self, body: &[u8], events: &mut VecDeque<SctpEvent>) -> Option<()> {
        let new = self.received.wide(wire::u32_at(body, 0)?);
        let streams = body.get(4..)?;
        self.ack_now = true;
        if new <= self.received.cumulative() {
            return Some(());
        }
        self.received.forward(new);
        self.reassembly.forward(new);
        for entry in streams.chunks_exact(4) {
            let (stream, ssn) = (wire::u16_at(entry, 0)?, wire::u16_at(entry, 2)?);
            self.ordering.skip(stream, ssn, events);
        }
        Some(())
    }

    /// The peer begins a stream anew (RFC 6525 section 5.2.2).
    pub(super) fn reset_stream(&mut self, stream: u16) {
        self.ordering.forget(stream);
    }

    /// What comes on this stream is for nobody.
    pub(super) fn retire_stream(&mut self, stream: u16) {
        self.ordering.retire(stream);
    }

    pub(super) fn known_streams(&self) -> Vec<u16> {
        self.ordering.known()
    }

    /// Whether a SACK is to go now (section 6.2: at least one for every second packet).
    pub(super) fn wants_ack(&self) -> bool {
        self.ack_now || self.packets_to_ack >= 2
    }

    /// Appends a SACK of at most `room` bytes.
    pub(super) fn put_sack(&mut self, out: &mut Vec<u8>, room: usize) {
        let window = self.window_left();
        self.told_window = window;
        let base = self.cumulative();
        let room = room.saturating_sub(16) / 4;
        let duplicates = self.duplicates.len().min(room / 2);
        let most = room.saturating_sub(duplicates).min(MAX_BLOCKS);
        let blocks = self.received.gaps().take(most).count();
        wire::put_chunk(out, wire::SACK, 0, |out| {
            out.extend_from_slice(&base.to_be_bytes());
            let window = u32::try_from(window).unwrap_or(u32::MAX);
            out.extend_from_slice(&window.to_be_bytes());
            out.extend_from_slice(&(blocks as u16).to_be_bytes());
            out.extend_from_slice(&(duplicates as u16).to_be_bytes());
            for (first, last) in self.received.gaps().take(blocks) {
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&last.to_be_bytes());
            }
            for tsn in self.duplicates.iter().take(duplicates) {
                out.extend_from_slice(&tsn.to_be_bytes());
            }
        });
        self.duplicates.clear();
        self.ack_now = false;
        self.packets_to_ack = 0;
    }
}
