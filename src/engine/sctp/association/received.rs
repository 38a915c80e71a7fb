//! Which TSNs have come (RFC 9260 section 6.2). TSNs are counted in 64 bits here, so that their
//! order is that of numbers.

use std::collections::VecDeque;

/// Gaps at once; DATA that would make one more is not taken, the peer repeats it.
pub(super) const MAX_GAPS: usize = 512;
/// Numbers begin here, so that there are some before the first.
const EPOCH: u64 = 1 << 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    New,
    Again,
    /// There are too many gaps for one more.
    NoRoom,
}

#[derive(Default)]
pub(super) struct Received {
    /// All up to this has come.
    cumulative: u64,
    /// What has come beyond, first and last of each block, in order.
    blocks: VecDeque<(u64, u64)>,
}

/// The number nearest to another that ends in these 32 bits.
pub(super) fn wide(near: u64, tsn: u32) -> u64 {
    let ahead = tsn.wrapping_sub(near as u32) as i32;
    near.saturating_add_signed(ahead.into())
}

impl Received {
    pub(super) fn begin(&mut self, initial_tsn: u32) {
        self.cumulative = EPOCH.saturating_add(initial_tsn.wrapping_sub(1).into());
    }

    pub(super) fn cumulative(&self) -> u64 {
        self.cumulative
    }

    pub(super) fn wide(&self, tsn: u32) -> u64 {
        wide(self.cumulative, tsn)
    }

    pub(super) fn has_gaps(&self) -> bool {
        !self.blocks.is_empty()
    }

    pub(super) fn has(&self, tsn: u64) -> bool {
        if tsn <= self.cumulative {
            return true;
        }
        let after = self.blocks.partition_point(|&(first, _)| first <= tsn);
        after
            .checked_sub(1)
            .and_then(|at| self.blocks.get(at))
            .is_some_and(|&(_, last)| tsn <= last)
    }

    /// Notes one that is beyond the cumulative TSN.
    pub(super) fn mark(&mut self, tsn: u64) -> Mark {
        let next = tsn.saturating_add(1);
        if tsn == self.cumulative.saturating_add(1) {
            self.cumulative = tsn;
            if let Some(&(first, last)) = self.blocks.front()
                && first == next
            {
                self.cumulative = last;
                self.blocks.pop_front();
            }
            return Mark::New;
        }
        let at = self.blocks.partition_point(|&(first, _)| first <= tsn);
        let follows = self.blocks.get(at).filter(|(first, _)| *first == next);
        let follows = follows.map(|&(_, last)| last);
        if let Some(before) = at.checked_sub(1)
            && let Some((_, last)) = self.blocks.get_mut(before)
        {
            if tsn <= *last {
                return Mark::Again;
            }
            if tsn == last.saturating_add(1) {
                *last = follows.unwrap_or(tsn);
                if follows.is_some() {
                    self.blocks.remove(at);
                }
                return Mark::New;
            }
        }
        if follows.is_some()
            && let Some((first, _)) = self.blocks.get_mut(at)
        {
            *first = tsn;
            return Mark::New;
        }
        if self.blocks.len() >= MAX_GAPS {
            return Mark::NoRoom;
        }
        self.blocks.insert(at, (tsn, tsn));
        Mark::New
    }

    /// All up to `tsn` counts as come.
    pub(super) fn forward(&mut self, tsn: u64) {
        self.cumulative = self.cumulative.max(tsn);
        while let Some(&(first, last)) = self.blocks.front()
            && first <= self.cumulative.saturating_add(1)
        {
            self.cumulative = self.cumulative.max(last);
            self.blocks.pop_front();
        }
    }

    /// Offsets from the cumulative TSN, as many as 16 bits reach.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.blocks.iter().map_while(|&(first, last)| {
            let first = u16::try_from(first.saturating_sub(self.cumulative)).ok()?;
            let last = last.saturating_sub(self.cumulative);
            Some((first, u16::try_from(last).unwrap_or(u16::MAX)))
        })
    }
}
