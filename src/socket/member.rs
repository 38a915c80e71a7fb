//! A connection as its socket sees it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ice_server::IceServerError;
use crate::engine::guard;
use crate::engine::ice::Candidate;
use crate::engine::outgoing::Transmit;
use crate::error::DisconnectReason;

/// A connection on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MemberId(pub(super) u64);

/// What a socket knows of a connection on it.
pub(crate) trait Member: Send + Sync {
    fn datagram(&self, now: Instant, local: SocketAddr, from: SocketAddr, data: &mut [u8]);
    fn timeout(&self, now: Instant);
    /// The machine may have slept for so long.
    fn resumed(&self, now: Instant, slept: Duration);
    /// Hands over what is to be sent and tells the application what happened.
    fn service(&self, out: &mut VecDeque<Transmit>) -> Serviced;
    /// Whether datagrams other than STUN on this path are this connection's.
    fn accepts(&self, local: SocketAddr, from: SocketAddr) -> bool;
    fn is_open(&self) -> bool;
    /// Where it may yet send to.
    fn remotes(&self) -> Vec<SocketAddr>;
    fn gathered(&self, now: Instant, found: &Gathered);
    /// `ufrag`: of the credentials that the candidate names.
    fn remote_candidate(&self, now: Instant, candidate: Candidate, ufrag: Option<&str>);
    /// The connection over TCP between the base and the peer's address is gone.
    fn stream_ended(&self, now: Instant, base: SocketAddr, remote: SocketAddr);
    /// The candidates of this base are no more, though they were in use.
    fn withdrawn(&self, now: Instant, base: SocketAddr);
    /// It is over, whatever else is; does not panic.
    fn end(&self, now: Instant, reason: DisconnectReason);
}

/// The outcome of `Member::service`.
pub(crate) struct Serviced {
    pub(crate) deadline: Option<Instant>,
    /// The connection is closed and has nothing more to send.
    pub(crate) done: bool,
}

/// What gathering found.
#[derive(Debug, Clone)]
pub(crate) enum Gathered {
    Candidate(Candidate),
    Error(IceServerError),
    Complete,
}

/// A panic in a connection, or in what the application gave it, ends that connection alone.
pub(super) fn with<T>(
    now: Instant,
    member: &Arc<dyn Member>,
    call: impl FnOnce(&dyn Member) -> T,
) -> Option<T> {
    let done = guard::contain(|| call(&**member)).ok();
    if done.is_none() {
        member.end(now, DisconnectReason::Internal);
    }
    done
}
