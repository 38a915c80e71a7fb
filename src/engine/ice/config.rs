//! What the agent is told and what it tells.

use std::time::Duration;

use tracing::Span;

use super::candidate::Candidate;
use super::denied::Denied;

/// RFC 8445 section 6.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Controlling,
    Controlled,
}

impl Role {
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum IceState {
    /// `start` was not called.
    New,
    /// No pair is selected yet.
    Checking,
    /// A pair is selected and the peer answers.
    Connected,
    /// The selected pair is still in use, but the peer has not answered for a while.
    Disconnected,
    /// No pair was found in time, or consent was lost.
    Failed,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IceEvent {
    State(IceState),
    /// The pair to send on changed.
    Selected {
        local: Candidate,
        remote: Candidate,
    },
    /// The role was decided, or switched by a role conflict.
    Role(Role),
    /// RFC 7675: nothing more may be sent. Followed by `State(Failed)`.
    ConsentLost,
    /// A peer-reflexive remote candidate.
    RemoteCandidateDiscovered(Candidate),
}

/// Timers and bounds. The defaults are those of the RFCs named.
#[derive(Debug, Clone)]
pub(crate) struct IceConfig {
    /// RFC 8445 section 14.2: pace of new checks.
    pub(crate) ta: Duration,
    /// Least distance of any two check requests, retransmissions included; RFC 8445 sections
    /// 14.2 and B.1 reckon with 5 ms between datagrams at the very least.
    pub(crate) request_spacing: Duration,
    /// RFC 8445 section 14.3: never below 500 ms.
    pub(crate) rto: Duration,
    /// RFC 8445 section 6.1.2.5; further pairs take the places of those that failed.
    pub(crate) max_pairs: usize,
    /// The oldest that nothing came of goes first.
    pub(crate) max_local_candidates: usize,
    /// Signalled remote candidates kept; those that were tried in vain go first.
    pub(crate) max_remote_candidates: usize,
    /// Peer-reflexive remote candidates kept at once.
    pub(crate) max_peer_reflexive: usize,
    /// How long the controlling side waits for a better pair than the first one that works.
    pub(crate) nomination_wait: Duration,
    /// A path that works is not left for a better one that comes later.
    pub(crate) keep_path: bool,
    /// RFC 8863: the patiently awaiting connectivity timer.
    pub(crate) failed_after: Duration,
    /// Remote addresses that nothing is sent to.
    pub(crate) denied: Denied,
    /// For the jitter of consent checks only.
    pub(crate) rng_seed: u64,
    /// The connection in the log.
    pub(crate) span: Span,
}

impl Default for IceConfig {
    fn default() -> Self {
        Self {
            ta: Duration::from_millis(50),
            request_spacing: Duration::from_millis(20),
            rto: Duration::from_millis(500),
            max_pairs: 100,
            max_local_candidates: 128,
            max_remote_candidates: 256,
            max_peer_reflexive: 32,
            nomination_wait: Duration::from_millis(200),
            keep_path: false,
            failed_after: Duration::from_millis(39_500),
            denied: Denied::default(),
            rng_seed: 1,
            span: Span::none(),
        }
    }
}

/// What was dropped, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct IceCounters {
    /// Not a STUN Binding message in the form ICE uses, FINGERPRINT included.
    pub(crate) malformed: u64,
    /// A request to an address that is no local candidate's base.
    pub(crate) unknown_local: u64,
    /// USERNAME names another session.
    pub(crate) wrong_username: u64,
    pub(crate) wrong_integrity: u64,
    /// A response to nothing we asked.
    pub(crate) unknown_transaction: u64,
    /// An authenticated response from another address than was asked.
    pub(crate) asymmetric_response: u64,
    /// Authenticated, but with unknown required attributes, without PRIORITY and the like.
    pub(crate) rejected: u64,
    pub(crate) role_conflicts: u64,
    /// Candidates that cannot be used, or are over a bound.
    pub(crate) candidates_refused: u64,
    pub(crate) pairs_dropped: u64,
    pub(crate) peer_reflexive_refused: u64,
    /// Transmits or events nobody polled.
    pub(crate) queue_overflow: u64,
}
