//! What a data channel is made of, what is told of it, and what is counted.

use std::sync::Arc;

use bytes::Bytes;

use crate::budget::Charged;
use crate::engine::sctp::{Reliability, SctpCounters, StreamCounters};

/// The largest message taken from the peer, unless set otherwise (RFC 8841 section 6.1 has 64 KiB
/// as what a peer may assume at least).
pub(crate) const DEFAULT_MAX_MESSAGE: usize = 256 * 1024;
/// Bytes that may be queued on one channel; beyond, the sender waits.
pub(super) const MAX_BUFFERED: usize = 2 << 20;
/// Channels that the peer may have open at once.
pub(super) const MAX_INCOMING: usize = 16_384;
/// Bytes of messages on streams of no channel yet: the peer may use a negotiated channel before
/// this side has made it.
pub(super) const MAX_EARLY_BYTES: usize = 256 * 1024;
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

/// What became of all channels; what was dropped, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DataCounters {
    /// Channels that have been open.
    pub(crate) channels_opened: u64,
    /// Those of them that are gone.
    pub(crate) channels_closed: u64,
    /// Messages on streams of no channel, beyond the small buffer, or with an unknown identifier.
    pub(crate) dropped_messages: u64,
    /// Channels of the peer that were refused: malformed, out of turn, or too many.
    pub(crate) refused_channels: u64,
    /// SCTP packets dropped before the peer was accepted.
    pub(crate) early_packets: u64,
    pub(crate) sctp: SctpCounters,
}

/// What went over one channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ChannelCounters {
    /// Queued to be sent.
    pub(crate) messages_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) messages_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) stream: StreamCounters,
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

/// What became of a message that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendData {
    Queued,
    /// The buffer is full; `DataEvent::Writable` tells when it is not.
    Full,
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
