//! What gathering deals in: what it tells and sends, and what it knows of hosts and servers.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ::stun::message::TransactionId;

use crate::engine::ice::Candidate;
use crate::socket::carrier::Carrier;
use crate::socket::ice_server::{IceServerError, IceServerErrorKind, ServerKind};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GatherEvent {
    Candidate(Candidate),
    ServerError(IceServerError),
    /// Emitted once. What comes late may follow, and a relay in the place of one that was lost.
    Complete,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatherTransmit {
    pub(crate) local_ip: IpAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) data: Vec<u8>,
}

/// A relay to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WantedRelay {
    /// Names the request in `Gatherer::relay_outcome`.
    pub(crate) ticket: TransactionId,
    /// The server's place in the list given to `new`.
    pub(crate) server: usize,
    pub(crate) base: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// What a server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obtained {
    Mapped(SocketAddr),
    Relayed {
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    },
}

pub(super) struct Host {
    pub(super) base: SocketAddr,
    pub(super) local_preference: u16,
}

pub(super) struct Server {
    pub(super) url: String,
    pub(super) kind: ServerKind,
    pub(super) carrier: Carrier,
    pub(super) resolving: bool,
    pub(super) open: bool,
    pub(super) answered: bool,
    pub(super) deadline: Instant,
    pub(super) error: Option<(IceServerErrorKind, String)>,
}

pub(super) struct Planned {
    /// Index of the host address: each server's best address is asked before any second one.
    pub(super) host: usize,
    pub(super) server: usize,
    pub(super) remote: SocketAddr,
}

pub(super) struct Transaction {
    pub(super) id: TransactionId,
    pub(super) kind: ServerKind,
    pub(super) server: usize,
    pub(super) host: usize,
    pub(super) base: SocketAddr,
    pub(super) remote: SocketAddr,
    /// Finished ones stay, so that their late answers are recognised.
    pub(super) open: bool,
    pub(super) next_send: Instant,
    pub(super) rto: Duration,
    pub(super) send_errors: u32,
}
