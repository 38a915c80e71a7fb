//! The receive window: how large it is, and what of it is unread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may wait for the application, over all streams: 100 ms at 1 Gbit/s.
pub(crate) const RECEIVE_WINDOW: usize = 13 << 20;

/// Bytes delivered that the application has not read yet: the other end of the receive window.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread(Arc<AtomicUsize>);

impl Unread {
    /// What a message occupies: many small ones are not free. It takes about half of this on its
    /// way to the application; the rest keeps so many from waiting that one packet, which sets
    /// them free at once, costs long.
    const OVERHEAD: usize = 256;

    pub(crate) fn cost(len: usize) -> usize {
        len.saturating_add(Self::OVERHEAD)
    }

    pub(crate) fn add(&self, len: usize) {
        self.0.fetch_add(Self::cost(len), Ordering::AcqRel);
    }

    /// What is unread after a message of `len` bytes was read.
    pub(crate) fn read(&self, len: usize) -> usize {
        let cost = Self::cost(len);
        self.0
            .fetch_sub(cost, Ordering::AcqRel)
            .saturating_sub(cost)
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}
