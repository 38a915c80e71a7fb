//! Messages put together from DATA chunks that come in any order (RFC 9260 section 6.9).
//!
//! Neighbours are joined as they come, and what can never become whole is let go, so that there
//! are at most two parts for each gap: no chunk costs more when more is held.

use std::collections::{BTreeMap, VecDeque};

use super::received::Received;
use crate::engine::sctp::wire::Data;
use crate::engine::sctp::{SctpEvent, Unread};

/// Parts that get room for a long message when they begin: not for beginnings without end.
const HOPEFUL: usize = 8;

/// What the first chunk of a message says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) stream: u16,
    pub(super) ssn: u16,
    pub(super) unordered: bool,
    pub(super) ppid: u32,
}

pub(super) struct Message {
    pub(super) head: Head,
    /// None when it was beyond the largest size. Its place in the order is used up all the same.
    pub(super) data: Option<Vec<u8>>,
}

/// Chunks without a gap between them, of one message that is not whole.
struct Part {
    last: u64,
    /// It has the first chunk.
    head: Option<Head>,
    /// It has the last chunk.
    end: bool,
    data: VecDeque<u8>,
    /// Beyond the largest size: the rest is taken and forgotten.
    too_large: bool,
    told: bool,
}

pub(super) struct Reassembly {
    max_message_size: usize,
    /// The part that the last chunk went to, by its first TSN.
    hot: Option<(u64, Part)>,
    /// The others.
    parts: BTreeMap<u64, Part>,
    /// Bytes in parts, with what keeping them costs.
    held: usize,
    /// The size of the last long message: the next one is probably as long.
    hint: usize,
    /// Chunks and parts that can never become a message.
    broken: u64,
}

impl Head {
    fn of(chunk: &Data<'_>) -> Self {
        Self {
            stream: chunk.stream,
            ssn: chunk.ssn,
            unordered: chunk.unordered,
            ppid: chunk.ppid,
        }
    }
}

impl Part {
    fn cost(&self) -> usize {
        Unread::cost(self.data.len())
    }

    fn fits(&mut self, more: usize, most: usize) -> bool {
        if !self.too_large && self.data.len().saturating_add(more) > most {
            self.data = VecDeque::new();
            self.too_large = true;
        }
        !self.too_large
    }

    fn append(&mut self, bytes: &[u8], most: usize) {
        if self.fits(bytes.len(), most) {
            // In steps that waste less than doubling would.
            if self.data.capacity().saturating_sub(self.data.len()) < bytes.len() {
                let more = bytes.len().max(self.data.len() / 4);
                self.data.reserve_exact(more);
            }
            self.data.extend(bytes);
        }
    }

    /// Goes on with the part that follows. The smaller one is moved.
    fn join(&mut self, mut after: Self, most: usize) {
        self.last = after.last;
        self.end = after.end;
        self.too_large |= after.too_large;
        if self.too_large {
            self.data = VecDeque::new();
        }
        if !self.fits(after.data.len(), most) {
            return;
        }
        let len = self.data.len();
        if len < after.data.len() {
            std::mem::swap(&mut self.data, &mut after.data);
            put(&mut self.data, &after.data);
            self.data.rotate_right(len);
        } else {
            put(&mut self.data, &after.data);
        }
    }
}

/// A few bytes would keep the room of the long message that was expected.
fn trimmed(mut data: Vec<u8>) -> Vec<u8> {
    let spare = data.capacity().saturating_sub(data.len());
    if spare > data.len() / 8 + 64 {
        data.shrink_to_fit();
    }
    data
}

/// Appends by slices, which is fast.
fn put(data: &mut VecDeque<u8>, more: &VecDeque<u8>) {
    let (front, back) = more.as_slices();
    data.extend(front);
    data.extend(back);
}

impl Reassembly {
    pub(super) fn new(max_message_size: usize) -> Self {
        Self {
            max_message_size,
            hot: None,
            parts: BTreeMap::new(),
            held: 0,
            hint: 0,
            broken: 0,
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn broken(&self) -> u64 {
        self.broken
    }

    /// Takes a chunk that is noted in `came`; the message that it makes whole.
    pub(super) fn add(
        &mut self,
        chunk: &Data<'_>,
        tsn: u64,
        came: &Received,
        events: &mut VecDeque<SctpEvent>,
    ) -> Option<Message> {
        let (before, after) = (tsn.saturating_sub(1), tsn.saturating_add(1));
        let previous = match self.take_ending_at(before) {
            Some((first, part)) if part.end => {
                self.keep(first, part);
                None
            }
            // After a beginning without end there is no other beginning.
            Some(_) if chunk.begin => {
                self.give_up();
                None
            }
            previous => previous,
        };
        let mut follows = self.take_headless_at(after);
        // What it would go on with is complete, or was never begun.
        let orphan = previous.is_none() && !chunk.begin && came.has(before);
        if (orphan || chunk.end) && follows.take().is_some() {
            self.give_up();
        }
        if orphan {
            self.give_up();
            return None;
        }
        if chunk.begin && chunk.end {
            return Some(Message {
                head: Head::of(chunk),
                data: Some(chunk.payload.to_vec()),
            });
        }
        let (first, mut part) = previous.unwrap_or_else(|| (tsn, self.begin(chunk)));
        part.append(chunk.payload, self.max_message_size);
        part.last = tsn;
        part.end = chunk.end;
        let stuck = !chunk.end && follows.is_none() && came.has(after);
        if let Some((_, follows)) = follows {
            part.join(follows, self.max_message_size);
        }
        if stuck {
            // What comes next has come, and is no part of it.
            self.give_up();
            return None;
        }
        if let Some(head) = part.head
            && part.too_large
            && !part.told
        {
            part.told = true;
            events.push_back(SctpEvent::TooLarge(head.stream));
        }
        match part.head.filter(|_| part.end) {
            Some(head) => {
                self.hint = part.data.len();
                let data = (!part.too_large).then(|| trimmed(part.data.into()));
                Some(Message { head, data })
            }
            None => {
                self.heat(first, part);
                None
            }
        }
    }

    /// A new part, without the chunk's bytes.
    fn begin(&self, chunk: &Data<'_>) -> Part {
        let len = chunk.payload.len();
        let hopeful = chunk.begin && self.hint > len && self.parts.len() < HOPEFUL;
        let capacity = if hopeful { self.hint } else { len };
        Part {
            last: 0,
            head: chunk.begin.then(|| Head::of(chunk)),
            end: false,
            data: VecDeque::with_capacity(capacity),
            too_large: false,
            told: false,
        }
    }

    /// The part that a chunk after `last` goes on with.
    fn take_ending_at(&mut self, last: u64) -> Option<(u64, Part)> {
        let taken = match self.hot.take_if(|(_, part)| part.last == last) {
            Some(hot) => hot,
            None if self.parts.is_empty() => return None,
            None => {
                let (&first, part) = self.parts.range(..=last).next_back()?;
                if part.last != last {
                    return None;
                }
                (first, self.parts.remove(&first)?)
            }
        };
        self.held = self.held.saturating_sub(taken.1.cost());
        Some(taken)
    }

    /// The part that begins there, and not with a first chunk.
    fn take_headless_at(&mut self, first: u64) -> Option<(u64, Part)> {
        let wanted = |at: u64, part: &Part| at == first && part.head.is_none();
        let taken = match self.hot.take_if(|(at, part)| wanted(*at, part)) {
            Some(hot) => hot,
            None if self.parts.is_empty() => return None,
            None if !wanted(first, self.parts.get(&first)?) => return None,
            None => (first, self.parts.remove(&first)?),
        };
        self.held = self.held.saturating_sub(taken.1.cost());
        Some(taken)
    }

    fn keep(&mut self, first: u64, part: Part) {
        self.held = self.held.saturating_add(part.cost());
        self.parts.insert(first, part);
    }

    fn heat(&mut self, first: u64, part: Part) {
        self.held = self.held.saturating_add(part.cost());
        if let Some((first, part)) = self.hot.replace((first, part)) {
            self.parts.insert(first, part);
        }
    }

    fn give_up(&mut self) {
        self.broken = self.broken.saturating_add(1);
    }

    /// Nothing more comes up to `tsn` (RFC 3758 section 3.6). A message that has begun goes on if
    /// its next chunk is to come.
    pub(super) fn forward(&mut self, tsn: u64) {
        let goes_on = |part: &Part| part.head.is_some() && part.last >= tsn;
        let next = tsn.saturating_add(1);
        let mut kept = Vec::new();
        if let Some((first, part)) = self.hot.take_if(|(first, _)| *first <= next) {
            kept.push((first, part));
        }
        while let Some(entry) = self.parts.first_entry()
            && *entry.key() <= next
        {
            kept.push(entry.remove_entry());
        }
        for (first, part) in kept {
            self.held = self.held.saturating_sub(part.cost());
            if goes_on(&part) {
                self.keep(first, part);
            }
        }
    }
}
