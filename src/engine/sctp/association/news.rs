//! What one SACK newly acknowledges.

use std::time::Instant;

use super::sent::Sent;

#[derive(Default)]
pub(super) struct News {
    pub(super) bytes: usize,
    /// The latest transmission among it: its number, when it was, and whether it was the first.
    pub(super) latest: Option<(u64, Instant, bool)>,
    /// The latest one in a packet greater than every path carries.
    pub(super) greater: Option<u64>,
}

impl News {
    pub(super) fn note(&mut self, sent: &Sent) {
        self.bytes = self.bytes.saturating_add(sent.data.len());
        if sent.greater {
            self.greater = self.greater.max(Some(sent.order));
        }
        if self
            .latest
            .is_none_or(|(latest, _, _)| latest <= sent.order)
        {
            self.latest = Some((sent.order, sent.sent_at, sent.sends == 1));
        }
    }
}
