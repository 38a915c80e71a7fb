//! Data channels inside the engine (RFC 8831): which stream belongs to which channel, how channels
//! open and close, and what of their messages goes where.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod channel;
mod dcep;
mod early;
mod rules;
mod transport;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use channel::{Channel, ppid};
pub(crate) use channel::{ChannelSpec, ChannelState, ClosedBecause, MessageKind};
use early::Early;
pub(crate) use transport::SendData;

use crate::budget::{Budget, Charged};

pub(crate) use super::sctp::RECEIVE_WINDOW;
use super::sctp::{Reliability, SctpCounters, SctpTransport, Unread};

/// The largest message taken from the peer, unless set otherwise (RFC 8841 section 6.1 has 64 KiB
/// as what a peer may assume at least).
pub(crate) const DEFAULT_MAX_MESSAGE: usize = 256 * 1024;
/// Channels that the peer may have open at once.
const MAX_INCOMING: usize = 16_384;
/// Bytes of messages on streams of no channel yet: the peer may use a negotiated channel before
/// this side has made it.
const MAX_EARLY_BYTES: usize = 256 * 1024;
/// The highest stream identifier; 65,535 is reserved (RFC 8831 section 6.6).
pub(crate) const MAX_STREAM: u16 = 65_534;

/// A channel of one connection; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChannelKey(pub(crate) u32);

/// What the layer above is told, in order.
#[derive(Debug)]
pub(crate) enum DataEvent {
    /// The peer opened a channel.
    Incoming {
        key: ChannelKey,
        id: u16,
        spec: Arc<Charged<ChannelSpec>>,
    },
    /// A channel of ours can be used.
    Open { key: ChannelKey, id: u16 },
    Message {
        key: ChannelKey,
        kind: MessageKind,
        data: Bytes,
    },
    /// There is room again in the buffer of a channel that had none.
    Writable(ChannelKey),
    /// All that was queued has gone out, which somebody waits for.
    Flushed(ChannelKey),
    /// The buffered amount fell to the threshold.
    BufferedAmountLow(ChannelKey),
    /// The peer closes the channel; what is queued still goes out.
    Closing(ChannelKey),
    Closed {
        key: ChannelKey,
        reason: ClosedBecause,
        /// Bytes that were queued and never went out.
        unsent: usize,
    },
}

/// What was dropped, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DataCounters {
    /// Messages on streams of no channel, beyond the small buffer, or with an unknown identifier.
    pub(crate) dropped_messages: u64,
    /// Channels of the peer that were refused: malformed, out of turn, or too many.
    pub(crate) refused_channels: u64,
    /// SCTP packets dropped before the peer was accepted.
    pub(crate) early_packets: u64,
    pub(crate) sctp: SctpCounters,
}

/// Data channels of one connection. Nothing is allocated before the first one.
#[derive(Default)]
pub(crate) struct Data {
    sctp: Option<Box<dyn SctpTransport>>,
    channels: BTreeMap<ChannelKey, Channel>,
    streams: HashMap<u16, ChannelKey>,
    next_key: u32,
    /// Channels that the peer opened.
    incoming: usize,
    budget: Budget,
    events: VecDeque<DataEvent>,
    early: Early,
    /// No stream of this side's is free below.
    free_from: u16,
    /// There are more events of the association than are taken at once.
    more: bool,
    unread: Unread,
    counters: DataCounters,
    /// Scratch space for the packet being sent.
    packet: Vec<u8>,
    failed: Option<ClosedBecause>,
    /// The connection is being closed: no channel of the peer's is taken any more.
    ending: bool,
}

impl Data {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }

    /// What is kept of messages on streams of no channel yet.
    pub(super) fn early_bytes(&self) -> usize {
        self.early.held()
    }
}
