//! What comes in: which TSNs have come, messages put together, what is acknowledged
//! (RFC 9260 sections 6.2, 6.5, 6.6, 6.9; RFC 3758 section 3.6).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use crate::engine::sctp::wire::{self, Data};
use crate::engine::sctp::{SctpConfig, SctpEvent, Unread};

/// A TSN further ahead than this is nothing that a window of ours allows.
const MAX_AHEAD: u32 = 1 << 18;
/// Gaps at once; DATA that would make one more is not taken, the peer repeats it.
const MAX_GAPS: usize = 512;
/// Blocks told in one SACK.
const MAX_BLOCKS: usize = 128;
/// Duplicates told in one SACK.
const MAX_DUPLICATES: usize = 16;

/// A message that is being put together: all its fragments from the first one to `next`.
struct Run {
    stream: u16,
    ssn: u16,
    unordered: bool,
    ppid: u32,
    data: Vec<u8>,
    /// Beyond the largest size: the rest is taken and forgotten.
    too_large: bool,
}

/// A fragment whose predecessors have not come.
struct Fragment {
    end: bool,
    data: Vec<u8>,
}

struct Complete {
    stream: u16,
    ssn: u16,
    unordered: bool,
    ppid: u32,
    data: Vec<u8>,
}

#[derive(Default)]
struct Stream {
    expected: u16,
    /// Whole messages that wait for an earlier one.
    ready: BTreeMap<u16, (u32, Vec<u8>)>,
}

pub(super) struct Inbound {
    window: usize,
    max_message_size: usize,
    unread: Unread,
    /// All up to this has come.
    cumulative: u32,
    /// What has come beyond, first and last of each block, in order.
    blocks: VecDeque<(u32, u32)>,
    duplicates: Vec<u32>,
    /// The run that the last chunk went to, by the TSN that continues it.
    hot: Option<(u32, Run)>,
    runs: HashMap<u32, Run>,
    fragments: HashMap<u32, Fragment>,
    streams: HashMap<u16, Stream>,
    /// Bytes in runs, fragments and waiting messages, with what keeping them costs.
    held: usize,
    told_window: usize,
    pub(super) ack_now: bool,
    pub(super) packets_to_ack: u32,
    /// The size of the last long message: the next one is probably as long.
    hint: usize,
}

impl Inbound {
    pub(super) fn new(config: &SctpConfig, unread: Unread) -> Self {
        Self {
            window: config.receive_window as usize,
            max_message_size: config.max_message_size as usize,
            unread,
            cumulative: 0,
            blocks: VecDeque::new(),
            duplicates: Vec::new(),
            hot: None,
            runs: HashMap::new(),
            fragments: HashMap::new(),
            streams: HashMap::new(),
            held: 0,
            told_window: config.receive_window as usize,
            ack_now: false,
            packets_to_ack: 0,
            hint: 0,
        }
    }

    pub(super) fn begin(&mut self, initial_tsn: u32) {
        self.cumulative = initial_tsn.wrapping_sub(1);
    }

    pub(super) fn cumulative(&self) -> u32 {
        self.cumulative
    }

    fn window_left(&self) -> usize {
        let used = self.held.saturating_add(self.unread.get());
        self.window.saturating_sub(used)
    }

    pub(super) fn told_small_window(&self) -> bool {
        self.told_window < self.window / 2
    }

    fn hold(&mut self, len: usize) {
        self.held = self.held.saturating_add(Unread::cost(len));
    }

    fn let_go(&mut self, len: usize) {
        self.held = self.held.saturating_sub(Unread::cost(len));
    }

    /// Takes a DATA chunk; `None` when it is dropped.
    pub(super) fn data(&mut self, data: &Data<'_>, events: &mut VecDeque<SctpEvent>) -> Option<()> {
        // Section 3.3.1: no user data is a violation; ending the association would punish us.
        if data.payload.is_empty() {
            return None;
        }
        self.ack_now |= data.immediate;
        let ahead = data.tsn.wrapping_sub(self.cumulative);
        if ahead == 0 || ahead > 1 << 31 {
            self.duplicate(data.tsn);
            return Some(());
        }
        if ahead > MAX_AHEAD {
            return None;
        }
        // The next one in order is always taken: it may be what all the others wait for.
        if ahead > 1 && self.window_left() == 0 {
            self.ack_now = true;
            return None;
        }
        if ahead == 1 && self.window_left() == 0 && !self.may_exceed() {
            self.ack_now = true;
            return None;
        }
        if self.mark(data.tsn)? {
            self.take(data, events);
        }
        Some(())
    }

    /// With a full window: nothing is taken that only waits for the application, but what may
    /// complete or free something is, by a peer that never passed the window it was told.
    fn may_exceed(&self) -> bool {
        let unread = self.unread.get();
        let most = self
            .window
            .saturating_mul(2)
            .saturating_add(self.max_message_size);
        self.held > 0 && unread < self.window && self.held.saturating_add(unread) < most
    }

    fn duplicate(&mut self, tsn: u32) {
        self.ack_now = true;
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(tsn);
        }
    }

    /// Notes that a TSN has come; false when it had before, `None` when there are too many gaps.
    fn mark(&mut self, tsn: u32) -> Option<bool> {
        if tsn == self.cumulative.wrapping_add(1) {
            self.cumulative = tsn;
            if let Some(&(first, last)) = self.blocks.front()
                && first == tsn.wrapping_add(1)
            {
                self.cumulative = last;
                self.blocks.pop_front();
            }
            // Section 6.7: a gap that is filled, or is still there, is told at once.
            self.ack_now |= !self.blocks.is_empty();
            return Some(true);
        }
        self.ack_now = true;
        let base = self.cumulative;
        let offset = |tsn: u32| tsn.wrapping_sub(base);
        let at = self
            .blocks
            .partition_point(|&(first, _)| offset(first) <= offset(tsn));
        if let Some(before) = at.checked_sub(1)
            && let Some((_, last)) = self.blocks.get_mut(before)
        {
            if offset(tsn) <= offset(*last) {
                self.duplicate(tsn);
                return Some(false);
            }
            if tsn == last.wrapping_add(1) {
                *last = tsn;
                let last = tsn;
                if let Some(&(next_first, next_last)) = self.blocks.get(at)
                    && next_first == last.wrapping_add(1)
                {
                    self.blocks.remove(at);
                    if let Some(block) = self.blocks.get_mut(before) {
                        block.1 = next_last;
                    }
                }
                return Some(true);
            }
        }
        if let Some((first, _)) = self.blocks.get_mut(at)
            && *first == tsn.wrapping_add(1)
        {
            *first = tsn;
            return Some(true);
        }
        if self.blocks.len() >= MAX_GAPS {
            return None;
        }
        self.blocks.insert(at, (tsn, tsn));
        Some(true)
    }

    fn take(&mut self, data: &Data<'_>, events: &mut VecDeque<SctpEvent>) {
        if data.begin && data.end {
            self.hold(data.payload.len());
            let complete = Complete {
                stream: data.stream,
                ssn: data.ssn,
                unordered: data.unordered,
                ppid: data.ppid,
                data: data.payload.to_vec(),
            };
            return self.complete(complete, events);
        }
        let next = data.tsn.wrapping_add(1);
        let mut run = if data.begin {
            // Not for beginnings without end.
            let capacity = if self.hint > data.payload.len() && self.runs.len() < 8 {
                self.hint
            } else {
                data.payload.len()
            };
            self.hold(0);
            Run {
                stream: data.stream,
                ssn: data.ssn,
                unordered: data.unordered,
                ppid: data.ppid,
                data: Vec::with_capacity(capacity),
                too_large: false,
            }
        } else if let Some(run) = self.take_run(data.tsn) {
            run
        } else {
            self.hold(data.payload.len());
            let fragment = Fragment {
                end: data.end,
                data: data.payload.to_vec(),
            };
            self.fragments.insert(data.tsn, fragment);
            return;
        };
        self.append(&mut run, data.payload, events);
        self.go_on(run, next, data.end, events);
    }

    fn take_run(&mut self, tsn: u32) -> Option<Run> {
        if let Some((_, run)) = self.hot.take_if(|(next, _)| *next == tsn) {
            return Some(run);
        }
        if self.runs.is_empty() {
            return None;
        }
        self.runs.remove(&tsn)
    }

    fn append(&mut self, run: &mut Run, payload: &[u8], events: &mut VecDeque<SctpEvent>) {
        if run.too_large {
            return;
        }
        if run.data.len().saturating_add(payload.len()) > self.max_message_size {
            self.held = self.held.saturating_sub(run.data.len());
            run.data = Vec::new();
            run.too_large = true;
            events.push_back(SctpEvent::TooLarge(run.stream));
            return;
        }
        self.held = self.held.saturating_add(payload.len());
        run.data.extend_from_slice(payload);
    }

    /// Takes on the fragments that came before their turn, and finishes the message if it is whole.
    fn go_on(
        &mut self,
        mut run: Run,
        mut next: u32,
        mut end: bool,
        events: &mut VecDeque<SctpEvent>,
    ) {
        while !end {
            let Some(fragment) = (!self.fragments.is_empty())
                .then(|| self.fragments.remove(&next))
                .flatten()
            else {
                if let Some((next, run)) = self.hot.replace((next, run)) {
                    self.runs.insert(next, run);
                }
                return;
            };
            self.let_go(fragment.data.len());
            self.append(&mut run, &fragment.data, events);
            end = fragment.end;
            next = next.wrapping_add(1);
        }
        self.hint = run.data.len();
        if run.too_large {
            // Its place in the order is used up all the same.
            run.ppid = u32::MAX;
        }
        let complete = Complete {
            stream: run.stream,
            ssn: run.ssn,
            unordered: run.unordered,
            ppid: run.ppid,
            data: run.data,
        };
        self.complete(complete, events);
    }

    fn complete(&mut self, message: Complete, events: &mut VecDeque<SctpEvent>) {
        let Complete {
            stream,
            ssn,
            unordered,
            ppid,
            data,
        } = message;
        if unordered {
            return self.deliver(stream, ppid, data, events);
        }
        let state = self.streams.entry(stream).or_default();
        if ssn != state.expected {
            if ssn.wrapping_sub(state.expected) < 1 << 15 {
                // A number used twice is the peer's fault; the first stands.
                let len = data.len();
                match state.ready.entry(ssn) {
                    Entry::Vacant(place) => {
                        place.insert((ppid, data));
                    }
                    Entry::Occupied(_) => self.let_go(len),
                }
            } else {
                self.let_go(data.len());
            }
            return;
        }
        state.expected = ssn.wrapping_add(1);
        let more = !state.ready.is_empty();
        self.deliver(stream, ppid, data, events);
        if more {
            self.deliver_ready(stream, events);
        }
    }

    fn deliver_ready(&mut self, stream: u16, events: &mut VecDeque<SctpEvent>) {
        while let Some(state) = self.streams.get_mut(&stream)
            && let Some((ppid, data)) = state.ready.remove(&state.expected)
        {
            state.expected = state.expected.wrapping_add(1);
            self.deliver(stream, ppid, data, events);
        }
    }

    fn deliver(&mut self, stream: u16, ppid: u32, data: Vec<u8>, events: &mut VecDeque<SctpEvent>) {
        self.let_go(data.len());
        if ppid == u32::MAX {
            return;
        }
        self.unread.add(data.len());
        events.push_back(SctpEvent::Message {
            stream,
            ppid,
            data: Bytes::from(data),
        });
    }

    /// A FORWARD-TSN (RFC 3758 section 3.6): the peer has given up all up to a TSN.
    pub(super) fn forward(&mut self, body: &[u8], events: &mut VecDeque<SctpEvent>) -> Option<()> {
        let new = wire::u32_at(body, 0)?;
        self.ack_now = true;
        if !wire::before(self.cumulative, new) {
            return Some(());
        }
        self.cumulative = new;
        while let Some(&(first, last)) = self.blocks.front() {
            if wire::before(self.cumulative.wrapping_add(1), first) {
                break;
            }
            if wire::before(self.cumulative, last) {
                self.cumulative = last;
            }
            self.blocks.pop_front();
        }
        // What is incomplete and ends within is lost. A run goes on if its next TSN is to come.
        let gone = |next: u32| wire::before_or_at(next, new);
        let mut freed = 0usize;
        if let Some((_, run)) = self.hot.take_if(|(next, _)| gone(*next)) {
            freed = freed.saturating_add(Unread::cost(run.data.len()));
        }
        self.runs.retain(|&next, run| {
            let keep = !gone(next);
            if !keep {
                freed = freed.saturating_add(Unread::cost(run.data.len()));
            }
            keep
        });
        self.fragments.retain(|&tsn, fragment| {
            let keep = !gone(tsn);
            if !keep {
                freed = freed.saturating_add(Unread::cost(fragment.data.len()));
            }
            keep
        });
        self.held = self.held.saturating_sub(freed);
        for entry in body.get(4..)?.chunks_exact(4) {
            let (stream, ssn) = (wire::u16_at(entry, 0)?, wire::u16_at(entry, 2)?);
            self.skip(stream, ssn, events);
        }
        Some(())
    }

    /// Messages up to `ssn` that are not here will not come.
    fn skip(&mut self, stream: u16, ssn: u16, events: &mut VecDeque<SctpEvent>) {
        let Some(state) = self.streams.get(&stream) else {
            let stream = self.streams.entry(stream).or_default();
            stream.expected = ssn.wrapping_add(1);
            return;
        };
        let after = ssn.wrapping_add(1);
        let span = after.wrapping_sub(state.expected);
        if span == 0 || span > 1 << 15 {
            return;
        }
        let base = state.expected;
        let mut within: Vec<u16> = state
            .ready
            .keys()
            .copied()
            .filter(|one| one.wrapping_sub(base) < span)
            .collect();
        within.sort_by_key(|one| one.wrapping_sub(base));
        for one in within {
            let found = self
                .streams
                .get_mut(&stream)
                .and_then(|state| state.ready.remove(&one));
            if let Some((ppid, data)) = found {
                self.deliver(stream, ppid, data, events);
            }
        }
        if let Some(state) = self.streams.get_mut(&stream) {
            state.expected = after;
        }
        self.deliver_ready(stream, events);
    }

    /// The peer begins a stream anew (RFC 6525 section 5.2.2).
    pub(super) fn reset_stream(&mut self, stream: u16) {
        if let Some(state) = self.streams.remove(&stream) {
            for (_, data) in state.ready.into_values() {
                self.let_go(data.len());
            }
        }
    }

    pub(super) fn known_streams(&self) -> Vec<u16> {
        self.streams.keys().copied().collect()
    }

    /// Whether a SACK is to go now (section 6.2: at least one for every second packet).
    pub(super) fn wants_ack(&self) -> bool {
        self.ack_now || self.packets_to_ack >= 2
    }

    /// Appends a SACK of at most `room` bytes.
    pub(super) fn put_sack(&mut self, out: &mut Vec<u8>, room: usize) {
        let window = self.window_left();
        self.told_window = window;
        let base = self.cumulative;
        let room = room.saturating_sub(16) / 4;
        let duplicates = self.duplicates.len().min(room / 2);
        let blocks: Vec<(u16, u16)> = self
            .blocks
            .iter()
            .map_while(|&(first, last)| {
                let first = u16::try_from(first.wrapping_sub(base)).ok()?;
                let last = u16::try_from(last.wrapping_sub(base)).unwrap_or(u16::MAX);
                Some((first, last))
            })
            .take(room.saturating_sub(duplicates).min(MAX_BLOCKS))
            .collect();
        wire::put_chunk(out, wire::SACK, 0, |out| {
            out.extend_from_slice(&base.to_be_bytes());
            let window = u32::try_from(window).unwrap_or(u32::MAX);
            out.extend_from_slice(&window.to_be_bytes());
            out.extend_from_slice(&(blocks.len() as u16).to_be_bytes());
            out.extend_from_slice(&(duplicates as u16).to_be_bytes());
            for (first, last) in blocks {
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
