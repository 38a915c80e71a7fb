//! Sources that a peer sends and has not told of: what it said may be lost, and is asked for.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What tells of a source usually comes before it, and in this time else.
const FIRST: Duration = Duration::from_secs(2);
/// The peer is asked so often for one source, with pauses that double.
const MAX_ASKS: u32 = 5;
/// More sources are passed over: what tells of one tells of all.
const MAX_SOURCES: usize = 16;

/// The sources of one peer that nothing is known of.
#[derive(Debug, Default)]
pub(super) struct Unheard {
    sources: BTreeSet<u32>,
    asked: u32,
    next: Option<Instant>,
}

impl Unheard {
    /// Something came of a source that nothing is known of.
    pub(super) fn came(&mut self, ssrc: u32, now: Instant) {
        if self.sources.len() < MAX_SOURCES && self.sources.insert(ssrc) {
            self.asked = 0;
            self.next = now.checked_add(FIRST);
        }
    }

    /// The peer told of a source.
    pub(super) fn told(&mut self, ssrc: u32) {
        self.sources.remove(&ssrc);
    }

    /// True if the peer is to be asked now.
    pub(super) fn due(&mut self, now: Instant) -> bool {
        let due = !self.sources.is_empty() && self.next.is_some_and(|next| next <= now);
        if due {
            self.asked = self.asked.saturating_add(1);
            let pause = FIRST.saturating_mul(1 << self.asked.min(MAX_ASKS));
            self.next = now.checked_add(pause).filter(|_| self.asked < MAX_ASKS);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_asked_after_a_while_and_not_for_ever() {
        let begin = Instant::now();
        let mut unheard = Unheard::default();
        assert!(!unheard.due(begin));
        unheard.came(1, begin);
        unheard.came(2, begin);
        unheard.told(2);
        let asked: Vec<u64> = (0..1_000)
            .filter(|second| unheard.due(begin + Duration::from_secs(*second)))
            .collect();
        assert_eq!(asked, [2, 6, 14, 30, 62]);
        unheard.told(1);
        unheard.came(3, begin);
        unheard.told(3);
        assert!(!unheard.due(begin + Duration::from_secs(1_000)));
    }
}
