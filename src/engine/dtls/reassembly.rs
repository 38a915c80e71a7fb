//! Handshake messages out of fragments, within bounds, in order.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::record::Fragment;

/// Longest handshake message accepted, in bytes.
const MAX_MESSAGE: usize = 64 * 1024;
/// Fragments one message may come in; at the limit it starts over.
const MAX_FRAGMENTS: usize = 1_000;
/// Messages that may be collected ahead of order.
const MAX_AHEAD: u16 = 8;
/// Bytes of all messages being collected.
const MAX_TOTAL: usize = 96 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) number: u16,
    pub(super) body: Vec<u8>,
}

/// One message being collected.
#[derive(Debug)]
pub(super) struct Partial {
    kind: u8,
    body: Vec<u8>,
    have: Vec<bool>,
    missing: usize,
    fragments: usize,
}

impl Partial {
    fn new(fragment: &Fragment<'_>) -> Self {
        Self {
            kind: fragment.kind,
            body: vec![0; fragment.length],
            have: vec![false; fragment.length],
            missing: fragment.length,
            fragments: 0,
        }
    }

    /// Puts a fragment into `slot`. A fragment that contradicts what is there starts the message
    /// over, so that a forged one costs a retransmission and no more.
    pub(super) fn add(slot: &mut Option<Self>, fragment: &Fragment<'_>) {
        if fragment.length > MAX_MESSAGE {
            return;
        }
        let fits = slot.as_ref().is_some_and(|partial| {
            partial.kind == fragment.kind
                && partial.body.len() == fragment.length
                && partial.fragments < MAX_FRAGMENTS
        });
        if !fits {
            *slot = None;
        }
        let partial = slot.get_or_insert_with(|| Self::new(fragment));
        partial.fragments = partial.fragments.saturating_add(1);
        let places = partial.body.iter_mut().zip(partial.have.iter_mut());
        for ((place, have), byte) in places.skip(fragment.offset).zip(fragment.data) {
            if !*have {
                *have = true;
                *place = *byte;
                partial.missing = partial.missing.saturating_sub(1);
            }
        }
    }

    /// Takes the message out of `slot` when it is complete.
    pub(super) fn take(slot: &mut Option<Self>, number: u16) -> Option<Message> {
        slot.take_if(|partial| partial.missing == 0)
            .map(|partial| Message {
                kind: partial.kind,
                number,
                body: partial.body,
            })
    }
}

/// What became of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// Part of a message that was delivered before.
    Old,
    Stored,
    Dropped,
}

/// Collects messages and hands them out in order.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    next: u16,
    partial: BTreeMap<u16, Option<Partial>>,
}

impl Reassembly {
    pub(super) fn starting_at(next: u16) -> Self {
        Self {
            next,
            partial: BTreeMap::new(),
        }
    }

    /// The number of the next message to be handed out.
    pub(super) fn next(&self) -> u16 {
        self.next
    }

    pub(super) fn add(&mut self, fragment: &Fragment<'_>) -> Added {
        let Some(ahead) = fragment.message.checked_sub(self.next) else {
            return Added::Old;
        };
        if ahead >= MAX_AHEAD || fragment.length > MAX_MESSAGE {
            return Added::Dropped;
        }
        // The next message always finds room; those ahead of it make way.
        while self
            .bytes_without(fragment.message)
            .saturating_add(fragment.length)
            > MAX_TOTAL
        {
            match self.partial.last_key_value() {
                Some((&last, _)) if last > fragment.message => self.partial.pop_last(),
                _ => return Added::Dropped,
            };
        }
        Partial::add(self.partial.entry(fragment.message).or_default(), fragment);
        Added::Stored
    }

    /// The next message, if it is complete and `wanted` accepts its type; one that is not wanted
    /// is forgotten, and its place stays free for the genuine one.
    pub(super) fn pop(&mut self, wanted: impl FnOnce(u8) -> bool) -> Option<Message> {
        let message = Partial::take(self.partial.get_mut(&self.next)?, self.next)?;
        self.partial.remove(&self.next);
        if !wanted(message.kind) {
            return None;
        }
        self.next = self.next.checked_add(1)?;
        Some(message)
    }

    fn bytes_without(&self, number: u16) -> usize {
        self.partial
            .iter()
            .filter(|(key, _)| **key != number)
            .filter_map(|(_, partial)| partial.as_ref())
            .map(|partial| partial.body.len())
            .sum()
    }
}
