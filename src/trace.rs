//! Where a connection stands in the log: its span, and the targets by which lines are chosen.
//!
//! Lines name the span as their parent instead of entering it: entering costs at each packet.
//! At info and above no line holds an address, a password or a key, and no text that a peer or a
//! server chose.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Span;

/// What a connection does as a whole.
pub(crate) const CONNECTION: &str = "ortc::connection";
pub(crate) const GATHER: &str = "ortc::gather";
pub(crate) const TURN: &str = "ortc::turn";
pub(crate) const ICE: &str = "ortc::ice";
pub(crate) const DTLS: &str = "ortc::dtls";
pub(crate) const SRTP: &str = "ortc::srtp";
pub(crate) const SCTP: &str = "ortc::sctp";
pub(crate) const RTP: &str = "ortc::rtp";
pub(crate) const SOCKET: &str = "ortc::socket";
/// What was dropped, and why.
pub(crate) const DROP: &str = "ortc::drop";

/// Numbers sockets and connections, from 1 on, each once in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogId(u64);

impl LogId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The span of a socket. Of level error, as all spans here, so that it is there with each line that
/// a filter lets through.
pub(crate) fn socket_span(id: LogId) -> Span {
    tracing::error_span!(target: SOCKET, "socket", %id)
}

/// The span of a connection on a socket.
pub(crate) fn connection_span(id: LogId, socket: LogId, ufrag: &str) -> Span {
    #[cfg(test)]
    watch::install();
    tracing::error_span!(target: CONNECTION, "connection", %id, %socket, ufrag)
}

#[cfg(test)]
pub(crate) mod page_tests;
#[cfg(test)]
pub(crate) mod watch;
#[cfg(test)]
mod watch_tests;
