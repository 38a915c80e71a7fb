//! The path in use.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pair::{PairKey, Traffic};
use super::scope::from_base;
use super::{Candidate, Credentials};

/// The path in use. It outlives its checklist across an ICE restart, so it has its own
/// credentials (RFC 8445 section 9).
pub(super) struct Path {
    pub(super) local: Arc<Candidate>,
    pub(super) remote: Arc<Candidate>,
    pub(super) base: SocketAddr,
    pub(super) generation: u64,
    pub(super) local_credentials: Arc<Credentials>,
    pub(super) remote_credentials: Arc<Credentials>,
    pub(super) since: Instant,
    pub(super) last_response: Instant,
    pub(super) last_consent: Instant,
    pub(super) next_consent: Instant,
    /// The controlling side's: the next distance of two nominations of this path, until the peer
    /// was heard on it.
    pub(super) unheard: Option<Duration>,
    pub(super) doubt: Option<Doubt>,
    /// When it was asked out of turn whether it works, and did not answer yet.
    pub(super) asked: Option<Instant>,
    pub(super) last_asked: Instant,
    /// It did not answer the first time: what else there is is looked at.
    pub(super) others_wanted: bool,
    /// When it is to be asked again.
    pub(super) ask_at: Option<Instant>,
    /// When a stranger's address was checked.
    pub(super) last_probe: Instant,
    /// The controlled side's own choice: what the peer nominates comes before it.
    pub(super) unasked_for: bool,
    pub(super) traffic: Traffic,
}

impl Path {
    pub(super) fn key(&self) -> PairKey {
        (self.base, from_base(self.base, self.remote.addr))
    }
}

/// The age of the path's consent is in doubt.
pub(super) struct Doubt {
    pub(super) since: Instant,
    pub(super) until: Instant,
    pub(super) slept: Duration,
}

impl Doubt {
    /// Whether the answer to what was sent then ends it.
    pub(super) fn is_settled_by(&self, sent: Instant) -> bool {
        sent >= self.since
    }
}
