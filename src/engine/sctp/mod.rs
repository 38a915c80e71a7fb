//! SCTP over DTLS (RFC 8261) behind a trait of ours: messages on streams in, packets out.

mod association;
#[cfg(test)]
mod rtc;
mod wire;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) use association::Association;
use bytes::Bytes;

/// The largest SCTP packet on a path that has not shown to carry more: with the DTLS record a
/// datagram has at most 1,200 bytes, which every path carries (RFC 8831 section 5).
pub(crate) const MAX_PACKET: usize = 1_160;
/// The most that DTLS adds to a packet.
pub(crate) const RECORD: usize = 37;

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

/// Why an association ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SctpFailure {
    /// The peer aborted the association.
    PeerAborted,
    /// The peer shut the association down.
    PeerClosed,
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
}
