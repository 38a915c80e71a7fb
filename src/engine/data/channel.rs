//! One data channel: what it is made of, and where it stands.

use std::sync::Arc;

use super::{ChannelKey, Reliability};
use crate::budget::Charged;

/// Payload protocol identifiers (RFC 8831 section 8).
pub(super) mod ppid {
    pub(in super::super) const DCEP: u32 = 50;
    pub(in super::super) const TEXT: u32 = 51;
    pub(in super::super) const BINARY: u32 = 53;
    pub(in super::super) const EMPTY_TEXT: u32 = 56;
    pub(in super::super) const EMPTY_BINARY: u32 = 57;
}

/// What a channel is made of (RFC 8832 section 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelSpec {
    pub(crate) label: String,
    pub(crate) protocol: String,
    pub(crate) ordered: bool,
    pub(crate) reliability: Reliability,
    pub(crate) priority: u16,
    /// The stream that both applications have agreed on.
    pub(crate) negotiated: Option<u16>,
}

/// The states of a channel (W3C WebRTC, RTCDataChannelState).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelState {
    Connecting,
    Open,
    Closing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Text,
    Binary,
}

/// Why a channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClosedBecause {
    Local,
    Peer,
    /// The peer sent a message beyond the declared size.
    TooLarge,
    /// The peer broke the rules of the channel.
    Protocol,
    /// No stream is left for it, or its stream is in use.
    NoStream,
    /// The association ended, by the peer or by time.
    Association,
    /// The connection was closed.
    Connection,
}

impl ClosedBecause {
    /// Whether nothing more of the channel is wanted; else what still comes can be read.
    pub(super) fn is_fault(self) -> bool {
        matches!(self, Self::TooLarge | Self::Protocol | Self::NoStream)
    }
}

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    No,
    Asked,
    Done,
}

impl ChannelSpec {
    /// What a channel holds at both layers beside its names: measured, with its events.
    const OVERHEAD: usize = 1_024;

    /// Bytes that a channel holds.
    pub(super) fn held(&self) -> usize {
        Self::OVERHEAD
            .saturating_add(self.label.len())
            .saturating_add(self.protocol.len())
    }

    /// Messages in one turn: 1, 2, 4 and 8 for the four priorities (RFC 8831 section 6.4).
    pub(super) fn weight(&self) -> u16 {
        (self.priority / 128).clamp(1, 8)
    }
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
        }
    }
}
