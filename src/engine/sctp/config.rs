//! What an association is made of, and the messages that it is handed.

use std::time::Duration;

use bytes::Bytes;
use tracing::Span;

/// What an association is made of.
#[derive(Debug, Clone)]
pub(crate) struct SctpConfig {
    /// Which side sends the INIT.
    pub(crate) initiator: bool,
    /// Bytes that may wait here for the application, over all streams.
    pub(crate) receive_window: u32,
    /// The largest message taken from the peer.
    pub(crate) max_message_size: u32,
    /// Whether greater packets are tried on the path. They may be where no datagram is ever
    /// fragmented: fragments would show nothing.
    pub(crate) probes_path: bool,
    /// The number of the first chunk; by chance unless a test says otherwise.
    pub(crate) initial_tsn: Option<u32>,
    /// The connection in the log.
    pub(crate) span: Span,
}

/// How hard to try (RFC 3758, RFC 7496).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reliability {
    #[default]
    Reliable,
    /// Abandoned after this many retransmissions.
    Retransmits(u16),
    /// Abandoned this long after it was handed over.
    Lifetime(Duration),
}

/// A message on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Outbound {
    pub(crate) stream: u16,
    /// Payload protocol identifier (RFC 8831 section 8).
    pub(crate) ppid: u32,
    /// Never empty: SCTP cannot carry nothing.
    pub(crate) data: Bytes,
    pub(crate) ordered: bool,
    pub(crate) reliability: Reliability,
    /// Messages that its stream may send in one turn among others.
    pub(crate) weight: u16,
}
