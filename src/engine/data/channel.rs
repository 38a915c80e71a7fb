//! One data channel: where it stands.

use std::sync::Arc;

use super::model::{ChannelCounters, ChannelKey, ChannelSpec, ChannelState, ClosedBecause};
use crate::budget::Charged;

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) key: ChannelKey,
    pub(super) spec: Arc<Charged<ChannelSpec>>,
    pub(super) id: Option<u16>,
    pub(super) state: ChannelState,
    /// The peer opened it.
    pub(super) incoming: bool,
    /// The peer knows of the channel, so that its messages may be unordered (RFC 8832 section 6).
    pub(super) acked: bool,
    pub(super) buffered: usize,
    pub(super) low_threshold: usize,
    /// Somebody waits for room.
    pub(super) waited_for: bool,
    /// Somebody waits until nothing is buffered.
    pub(super) flush_awaited: bool,
    pub(super) outgoing_reset: Reset,
    pub(super) incoming_reset: bool,
    pub(super) reason: Option<ClosedBecause>,
    /// Without those of its stream, which the association has.
    pub(super) counters: ChannelCounters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    No,
    Asked,
    Done,
}

impl Channel {
    pub(super) fn new(key: ChannelKey, spec: Arc<Charged<ChannelSpec>>, incoming: bool) -> Self {
        Self {
            key,
            id: spec.negotiated,
            // A negotiated channel needs no agreement on the wire.
            acked: incoming || spec.negotiated.is_some(),
            spec,
            state: ChannelState::Connecting,
            incoming,
            buffered: 0,
            low_threshold: 0,
            waited_for: false,
            flush_awaited: false,
            outgoing_reset: Reset::No,
            incoming_reset: false,
            reason: None,
            counters: ChannelCounters::default(),
        }
    }

    pub(super) fn count_sent(&mut self, bytes: usize) {
        let counters = &mut self.counters;
        counters.messages_sent = counters.messages_sent.saturating_add(1);
        counters.bytes_sent = counters.bytes_sent.saturating_add(bytes as u64);
    }

    pub(super) fn count_received(&mut self, bytes: usize) {
        let counters = &mut self.counters;
        counters.messages_received = counters.messages_received.saturating_add(1);
        counters.bytes_received = counters.bytes_received.saturating_add(bytes as u64);
    }
}
