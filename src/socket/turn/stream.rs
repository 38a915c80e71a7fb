//! Connections to TURN servers by name, and what is wanted of them.

use std::net::SocketAddr;

use crate::socket::carrier::Carrier;

/// One connection to a server. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::socket) struct StreamId(pub(in crate::socket) u64);

/// The stream of an allocation.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) id: Option<StreamId>,
    /// Former ones, to be closed.
    pub(super) former: Vec<StreamId>,
    /// Ends and failures in a row.
    pub(super) failures: u32,
}

/// What is to become of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::socket) enum StreamWish {
    /// Connect, and send what comes for it as soon as that is done.
    Open {
        id: StreamId,
        /// An address of this host; the port means nothing.
        from: SocketAddr,
        to: SocketAddr,
        carrier: Carrier,
    },
    /// It may be gone already.
    Close(StreamId),
}
