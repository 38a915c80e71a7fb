//! Messages on streams of no channel yet: the peer may use a negotiated channel before this side
//! has made it.

use std::collections::HashMap;

use bytes::Bytes;

use super::model::MAX_EARLY_BYTES;
use crate::engine::sctp::Unread;

/// By stream, so that nothing that comes on one costs more when more is kept of others.
#[derive(Default)]
pub(super) struct Early {
    streams: HashMap<u16, Vec<(u32, Bytes)>>,
    held: usize,
}

impl Early {
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Keeps a message with its payload protocol identifier; false when there is no room.
    pub(super) fn keep(&mut self, stream: u16, kind: u32, data: Bytes) -> bool {
        let held = self.held.saturating_add(Unread::cost(data.len()));
        let fits = held <= MAX_EARLY_BYTES;
        if fits {
            self.held = held;
            self.streams.entry(stream).or_default().push((kind, data));
        }
        fits
    }

    /// What came on a stream, in order.
    pub(super) fn take(&mut self, stream: u16) -> Vec<(u32, Bytes)> {
        let taken = self.streams.remove(&stream).unwrap_or_default();
        let freed = taken.iter().map(|(_, data)| Unread::cost(data.len()));
        self.held = self.held.saturating_sub(freed.sum());
        taken
    }
}
