//! What a hub counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a hub has passed on.
#[derive(Debug, Default)]
pub(super) struct HubCounts {
    messages: AtomicU64,
    dropped: AtomicU64,
}

impl HubCounts {
    /// A message went on to one more, or was dropped for it.
    pub(super) fn message(&self, taken: bool) {
        let count = match taken {
            true => &self.messages,
            false => &self.dropped,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
