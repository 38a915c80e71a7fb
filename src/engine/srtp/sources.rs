//! The sources of one direction: those in use with their replay windows, and of those that ended
//! what keeps a key safe when they come back.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::index::Source;

/// Sources that ended, over the life of the keys. To forget one would let its packets be replayed,
/// or, when sending, a nonce be used twice; so more sources than this are refused.
const MAX_ENDED: usize = 65_536;

#[derive(Default)]
pub(super) struct Sources {
    active: BTreeMap<u32, Source>,
    /// The highest index of each.
    ended: BTreeMap<u32, u64>,
}

impl Sources {
    pub(super) fn get_mut(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.active.get_mut(&ssrc)
    }

    /// The source as it was when it ended: nothing that it had used is new.
    pub(super) fn resumed(&self, ssrc: u32) -> Option<Source> {
        self.ended
            .get(&ssrc)
            .map(|highest| Source::resumed(*highest))
    }

    /// The sequence number after all that a source had used when it ended.
    pub(super) fn next_of_ended(&self, ssrc: u32) -> Option<u16> {
        let highest = self.ended.get(&ssrc)?;
        Some((highest & 0xffff) as u16).map(|number| number.wrapping_add(1))
    }

    /// Takes up a source. False if there are `max` already, or too many ended.
    pub(super) fn insert(&mut self, ssrc: u32, source: Source, max: usize) -> bool {
        if self.active.len() >= max || self.ended.len() >= MAX_ENDED {
            return false;
        }
        self.ended.remove(&ssrc);
        self.active.insert(ssrc, source);
        true
    }

    /// A source ended, and makes room.
    pub(super) fn end(&mut self, ssrc: u32) {
        if let Some(source) = self.active.remove(&ssrc) {
            self.ended.insert(ssrc, source.highest());
        }
    }

    /// A source of which nothing was made use of. One that was there before counts as ended.
    pub(super) fn forget(&mut self, ssrc: u32) {
        if self.active.get(&ssrc).is_some_and(Source::is_resumed) {
            self.end(ssrc);
        } else {
            self.active.remove(&ssrc);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.active.len()
    }
}
