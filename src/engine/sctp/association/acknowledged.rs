//! Which chunks beyond its cumulative TSN the peer has said to have.

use std::collections::BTreeMap;

use super::received::wide;

/// All of it since the last time-out, in ranges that do not touch: whatever SACKs say in turn, each
/// chunk is acknowledged once.
#[derive(Default)]
pub(super) struct Acknowledged {
    /// The first chunk that is not acknowledged with all before it.
    first: u64,
    ranges: BTreeMap<u64, u64>,
}

impl Acknowledged {
    pub(super) fn new(initial_tsn: u32) -> Self {
        Self {
            // So that there are numbers before the first.
            first: (1 << 32) + u64::from(initial_tsn),
            ranges: BTreeMap::new(),
        }
    }

    /// The first chunk in flight, in 64 bits; what is before it is forgotten.
    pub(super) fn advance(&mut self, first_tsn: u32) -> u64 {
        self.first = wide(self.first, first_tsn);
        while let Some(entry) = self.ranges.first_entry()
            && *entry.key() < self.first
        {
            let last = entry.remove();
            if last >= self.first {
                self.ranges.insert(self.first, last);
            }
        }
        self.first
    }

    pub(super) fn clear(&mut self) {
        self.ranges.clear();
    }

    /// Adds a range, and calls `new` with the numbers that were not there.
    pub(super) fn add(&mut self, first: u64, last: u64, mut new: impl FnMut(u64)) {
        let (mut start, mut end, mut at) = (first, last, first);
        if let Some((&before, &upto)) = self.ranges.range(..first).next_back()
            && upto.saturating_add(1) >= first
        {
            if upto >= last {
                return;
            }
            start = before;
            at = upto.saturating_add(1);
        }
        let touching = last.saturating_add(1);
        while let Some((&next, &upto)) = self.ranges.range(at..=touching).next() {
            (at..next.min(touching)).for_each(&mut new);
            self.ranges.remove(&next);
            end = end.max(upto);
            at = upto.saturating_add(1);
            if at > touching {
                break;
            }
        }
        (at..touching).for_each(new);
        self.ranges.insert(start, end);
    }
}
