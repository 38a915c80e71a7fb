//! What a peer has this side hold, counted in bytes in one place for each connection.
//!
//! Two sorts are counted where they are held: channels with their labels, which are refused beyond
//! their part of the budget, and packets that wait on tracks. The rest the engine adds up.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The budget of a connection, unless set otherwise.
pub(crate) const DEFAULT_BUDGET: usize = 32 << 20;

/// A handle to the counters of one connection. A default one has the default limit.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    limit: usize,
    channels: AtomicUsize,
    packets: AtomicUsize,
    /// Packets that gave way.
    dropped: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(DEFAULT_BUDGET)
    }
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Counters {
            limit,
            channels: AtomicUsize::new(0),
            packets: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        }))
    }

    pub(crate) fn limit(&self) -> usize {
        self.0.limit
    }

    pub(crate) fn channels(&self) -> usize {
        self.0.channels.load(Ordering::Relaxed)
    }

    pub(crate) fn packets(&self) -> usize {
        self.0.packets.load(Ordering::Relaxed)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// How much is held too much, given what else is held.
    pub(crate) fn excess(&self, rest: usize) -> usize {
        self.channels()
            .saturating_add(self.packets())
            .saturating_add(rest)
            .saturating_sub(self.0.limit)
    }

    /// A channel of the peer's. `None` when all of them would hold more than three quarters:
    /// packets make room for channels, but not all of it.
    pub(crate) fn charge_channel(&self, bytes: usize) -> Option<Charge> {
        let before = self.0.channels.fetch_add(bytes, Ordering::Relaxed);
        let charge = Charge {
            budget: Some(self.clone()),
            bytes,
        };
        let most = self.0.limit / 4 * 3;
        (before.saturating_add(bytes) <= most).then_some(charge)
    }

    /// Packets have come to hold `after` bytes where they held `before`.
    pub(crate) fn packets_changed(&self, before: usize, after: usize) {
        let packets = &self.0.packets;
        if after > before {
            packets.fetch_add(after - before, Ordering::Relaxed);
        } else if before > after {
            packets.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    pub(crate) fn packets_dropped(&self, count: u64) {
        self.0.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

/// Counted for as long as it lives.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Option<Budget>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(Budget(counters)) = &self.budget {
            counters.channels.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// A value that is counted for as long as anybody has it.
#[derive(Debug)]
pub(crate) struct Charged<T> {
    value: T,
    _charge: Charge,
}

impl<T> Charged<T> {
    pub(crate) fn new(value: T, charge: Charge) -> Arc<Self> {
        Arc::new(Self {
            value,
            _charge: charge,
        })
    }

    /// One of our own.
    pub(crate) fn free(value: T) -> Arc<Self> {
        let charge = Charge {
            budget: None,
            bytes: 0,
        };
        Self::new(value, charge)
    }
}

impl<T> Deref for Charged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_counted_while_anybody_has_them() {
        let budget = Budget::new(1_000);
        let one = Charged::new("one".to_owned(), budget.charge_channel(500).unwrap());
        let other = Arc::clone(&one);
        assert!(budget.charge_channel(251).is_none());
        assert_eq!(budget.channels(), 500, "what was refused is not counted");
        let rest = budget.charge_channel(250).unwrap();
        drop(one);
        assert_eq!(budget.channels(), 750);
        assert_eq!(**other, "one".to_owned());
        drop(other);
        drop(rest);
        assert_eq!(budget.channels(), 0);
        drop(Charged::free("own"));
        assert_eq!(budget.channels(), 0);
    }

    #[test]
    fn the_excess_counts_everything() {
        let budget = Budget::new(1_000);
        let _channel = budget.charge_channel(100);
        budget.packets_changed(0, 700);
        assert_eq!(budget.excess(200), 0);
        assert_eq!(budget.excess(300), 100);
        budget.packets_changed(700, 300);
        assert_eq!((budget.packets(), budget.excess(300)), (300, 0));
    }
}
