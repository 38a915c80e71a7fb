//! The trait behind which an association stands, and what comes out of it.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::config::Outbound;
use super::wire::MAX_PACKET;

/// Why an association ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SctpFailure {
    /// The peer aborted the association.
    PeerAborted,
    /// The peer shut the association down.
    PeerClosed,
}

impl fmt::Display for SctpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PeerAborted => "the peer aborted the association",
            Self::PeerClosed => "the peer shut the association down",
        })
    }
}

#[derive(Debug)]
pub(crate) enum SctpEvent {
    Connected,
    Message {
        stream: u16,
        ppid: u32,
        data: Bytes,
    },
    /// The peer will send no more on this stream; all it sent before has been delivered.
    IncomingReset(u16),
    /// The peer knows that nothing more comes on this stream.
    OutgoingReset(u16),
    /// A message beyond the largest size is coming in on this stream.
    TooLarge(u16),
    /// This many bytes of what was queued on the stream need no buffer any more.
    Released {
        stream: u16,
        bytes: usize,
    },
    Failed(SctpFailure),
}

/// What was dropped, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SctpCounters {
    /// Packets that are not well-formed, or break a rule that a sane peer keeps.
    pub(crate) dropped: u64,
    /// DATA chunks sent again.
    pub(crate) retransmitted: u64,
    /// Messages given up under partial reliability.
    pub(crate) abandoned: u64,
}

/// What became of what was sent on one stream, since its channel began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StreamCounters {
    /// DATA chunks sent again.
    pub(crate) retransmitted: u64,
    /// Messages given up under partial reliability.
    pub(crate) abandoned: u64,
}

/// One association with one peer, without I/O.
pub(crate) trait SctpTransport: Send {
    /// Sends INIT, if this side is to.
    fn start(&mut self, now: Instant);
    /// Takes one packet out of a DTLS record.
    fn handle_packet(&mut self, now: Instant, packet: &[u8]);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
    /// Writes the next packet into `packet`, which is emptied before. False when there is none.
    fn poll_packet(&mut self, now: Instant, packet: &mut Vec<u8>) -> bool;
    fn poll_event(&mut self) -> Option<SctpEvent>;
    /// Whether messages can be sent.
    fn is_connected(&self) -> bool;
    /// Whether the peer has all that was to be sent to it.
    fn is_idle(&self) -> bool;
    /// Streams that may be used in both directions, known once connected.
    fn streams(&self) -> u16;
    /// Takes a message; its size and the buffer are the caller's to watch.
    fn send(&mut self, now: Instant, message: Outbound);
    /// Ends the outgoing side of a stream once everything queued on it has been sent (RFC 6525).
    fn reset(&mut self, now: Instant, stream: u16);
    /// Whether a stream can begin (again): not where the peer cannot have it end.
    fn is_usable(&self, stream: u16) -> bool {
        let _ = stream;
        true
    }
    /// The application has read: the window may be open again.
    fn window_opened(&mut self, now: Instant);
    /// The path is back after a pause: what waits for a timer need not wait longer.
    fn path_restored(&mut self, now: Instant);
    /// The path is another one from now on.
    fn path_changed(&mut self) {}
    /// The largest packet that carries data, in bytes.
    fn largest_packet(&self) -> usize {
        MAX_PACKET
    }
    /// Queues an ABORT and ends.
    fn abort(&mut self, now: Instant);
    fn rtt(&self) -> Option<Duration>;
    fn counters(&self) -> SctpCounters;
    fn stream_counters(&self, stream: u16) -> StreamCounters {
        let _ = stream;
        StreamCounters::default()
    }
}
