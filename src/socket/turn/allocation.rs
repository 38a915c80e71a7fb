//! One relayed address on one TURN server: its state, and how it begins and ends.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod data;
mod refusals;
mod requests;
mod stream;
mod timers;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::stun::message::TransactionId;
use tracing::Span;

use super::auth::Auth;
use super::credentials::TurnCredentials;
use super::peers::Peers;
use super::stream::Stream;
use super::wire::Ask;
use crate::socket::carrier::Carrier;
use crate::socket::ice_server::IceServerErrorKind;

/// RFC 8489 section 6.2.1.
const RTO: Duration = Duration::from_millis(500);
/// RFC 8489 section 6.2.1: Rc.
const TRANSMISSIONS: u32 = 7;
/// A failed refresh is tried again after this while the allocation lasts.
const REFRESH_RETRY: Duration = Duration::from_secs(5);
/// Silence of an allocation that was in use, after which the server is asked for it. The peer's
/// consent checks (RFC 7675) come every 6 s at the latest.
const SILENCE: Duration = Duration::from_secs(7);
/// RFC 8445 section 11: Tr, for the NAT between here and the server.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// What was dropped, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TurnCounters {
    /// From the server, but no TURN message, or not authentic.
    pub(crate) malformed: u64,
    /// Data of peers without permission, or on channels that were never bound.
    pub(crate) unpermitted: u64,
    /// Outgoing datagrams: not permitted, over a bound, or without a relay any more.
    pub(crate) unsent: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The relayed address, and this side as the server sees it. Again after `verify`.
    Ready {
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    },
    /// There is no allocation.
    Failed(IceServerErrorKind, String),
    /// There was one. `Ready` may follow: see `Allocation::lose`.
    Lost(Option<SocketAddr>),
    /// The server sends us to another one: `redirect` or `close`.
    Redirected(SocketAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Allocating,
    Ready,
    Closing,
    Gone,
}

struct Transaction {
    id: TransactionId,
    ask: Ask,
    bytes: Vec<u8>,
    /// Sent with credentials, so the answer must be authentic.
    authenticated: bool,
    nonces: u32,
    sent: u32,
    rto: Duration,
    next: Instant,
    /// An error came that is not authentic: it counts unless something better comes.
    refusal: Option<(u16, String)>,
}

/// One relayed address on one server, asked for from one local address.
pub(super) struct Allocation {
    pub(super) base: SocketAddr,
    /// The server as it was named, and the one it sent us to, which are mostly the same.
    pub(super) asked: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) carrier: Carrier,
    pub(super) stream: Stream,
    pub(super) credentials: Arc<TurnCredentials>,
    /// Own addresses, which cannot be a relay's.
    reserved: Vec<SocketAddr>,
    pub(super) phase: Phase,
    auth: Option<Auth>,
    pub(super) relayed: Option<SocketAddr>,
    mapped: Option<SocketAddr>,
    transactions: Vec<Transaction>,
    peers: Peers,
    expires: Instant,
    refresh_at: Instant,
    keepalive_at: Instant,
    last_sent: Instant,
    close_by: Option<Instant>,
    verifying: bool,
    /// Some request was refused as if there were no allocation; the next Refresh tells.
    doubted: bool,
    last_data: Option<Instant>,
    /// When it was last asked for because nothing came any more.
    asked_after: Option<Instant>,
    /// Somebody got its address.
    pub(super) offered: bool,
    /// When it was made again, the last time.
    renewed: Option<Instant>,
    attempts: u32,
    /// When to ask again after a 437 or 500.
    pub(super) allocate_at: Option<Instant>,
    pub(super) out: VecDeque<Vec<u8>>,
    pub(super) events: VecDeque<Event>,
    pub(super) counters: TurnCounters,
    /// The error by which it was not to relay to a peer, not told yet.
    pub(super) not_permitted: Option<u16>,
    /// The last Refresh failed, and that was told.
    refresh_failed: bool,
    /// The socket in the log.
    pub(super) span: Span,
}

/// What a datagram from the server was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    /// Not ours: a Binding response, say.
    Other,
    Taken,
    /// The payload at this place came from the peer.
    Data(SocketAddr, Range<usize>),
}

impl Allocation {
    pub(super) fn new(
        now: Instant,
        base: SocketAddr,
        server: SocketAddr,
        carrier: Carrier,
        credentials: Arc<TurnCredentials>,
        reserved: Vec<SocketAddr>,
    ) -> Self {
        let mut allocation = Self {
            base,
            asked: server,
            server,
            carrier,
            stream: Stream::default(),
            credentials,
            reserved,
            phase: Phase::Allocating,
            auth: None,
            relayed: None,
            mapped: None,
            transactions: Vec::new(),
            peers: Peers::default(),
            expires: now,
            refresh_at: now,
            keepalive_at: now + KEEPALIVE,
            last_sent: now,
            close_by: None,
            verifying: false,
            doubted: false,
            last_data: None,
            asked_after: None,
            offered: false,
            renewed: None,
            attempts: 0,
            allocate_at: None,
            out: VecDeque::new(),
            events: VecDeque::new(),
            counters: TurnCounters::default(),
            not_permitted: None,
            refresh_failed: false,
            span: Span::none(),
        };
        allocation.ask(now, Ask::Allocate);
        allocation
    }

    /// Whether this is what a relay of that server comes from.
    pub(super) fn serves(&self, base: SocketAddr, server: SocketAddr, carrier: &Carrier) -> bool {
        self.base == base
            && (self.asked == server || self.server == server)
            && self.carrier == *carrier
    }

    /// The relayed address while it can be used.
    pub(super) fn usable(&self) -> Option<SocketAddr> {
        self.relayed.filter(|_| self.phase == Phase::Ready)
    }

    /// Makes sure that the server still knows the allocation: `Ready` again, or `Lost`.
    pub(super) fn verify(&mut self, now: Instant) {
        self.verifying = true;
        self.ask_anew(now, Ask::Refresh { release: false });
    }

    /// Gives the allocation back (RFC 8656 section 8.1); over after `patience` at the latest.
    pub(super) fn close(&mut self, now: Instant, patience: Duration) {
        match self.phase {
            Phase::Gone => {}
            Phase::Closing => {
                let by = now + patience;
                self.close_by = Some(self.close_by.map_or(by, |at| at.min(by)));
            }
            Phase::Ready => {
                self.phase = Phase::Closing;
                self.close_by = Some(now + patience);
                self.transactions.clear();
                self.ask(now, Ask::Refresh { release: true });
            }
            // An answer under way may still make an allocation of it, to be given back then.
            Phase::Allocating if self.transactions.iter().any(|t| t.authenticated) => {
                self.phase = Phase::Closing;
                self.close_by = Some(now + patience);
            }
            Phase::Allocating => self.phase = Phase::Gone,
        }
    }
}

#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod tests;
