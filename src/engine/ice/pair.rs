//! Candidate pairs and the transactions that check them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stun::message::TransactionId;

use super::scope::{from_base, is_link_local};
use super::{Candidate, CandidateKind, Credentials, Role, TcpType};

/// RFC 8489 section 6.2.1: Rc. As many checks unanswered are a pair that does not work.
const CHECKS_IN_VAIN: u64 = 7;

/// RFC 8445 section 6.1.2.6. There is no Frozen: with one component and one stream it would only
/// delay pairs of equal foundation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PairState {
    Waiting,
    InProgress,
    Succeeded,
    Failed,
}

/// Checks leave from the base, so base and remote address are what tells pairs apart; pairs that
/// differ in nothing else are redundant (RFC 8445 section 6.1.2.4).
pub(super) type PairKey = (SocketAddr, SocketAddr);

/// Both addresses of a pair have the scope of the base: one peer's address on two links is two
/// pairs.
pub(super) fn key_of(local: &Candidate, remote: &Candidate) -> PairKey {
    (local.base, from_base(local.base, remote.addr))
}

pub(super) struct Pair {
    pub(super) local: Arc<Candidate>,
    pub(super) remote: Arc<Candidate>,
    /// The local candidate as the peer saw it (RFC 8445 section 7.2.5.3.1).
    pub(super) mapped: Option<Arc<Candidate>>,
    pub(super) state: PairState,
    /// The peer's authenticated checks arrive on this pair: answers are likely, so lost checks
    /// are repeated sooner.
    pub(super) heard: bool,
    /// Transactions that timed out.
    pub(super) timeouts: u32,
    /// Checks that were sent when the latest of them did.
    pub(super) unanswered: u64,
    pub(super) nominated: bool,
    /// RFC 8445 section 7.3.1.5: USE-CANDIDATE came before our own check succeeded.
    pub(super) nominate_on_success: bool,
    pub(super) last_success: Option<Instant>,
    pub(super) created: Instant,
    /// When its latest check was first sent.
    pub(super) started: Option<Instant>,
    pub(super) traffic: Traffic,
}

/// Counts of one pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) requests_sent: u64,
    pub(super) requests_received: u64,
    pub(super) responses_sent: u64,
    pub(super) responses_received: u64,
    pub(super) rtt: Option<Duration>,
}

impl Pair {
    /// Answered, and not refused or silent since.
    pub(super) fn is_verified(&self) -> bool {
        match self.state {
            PairState::Succeeded => true,
            PairState::InProgress => self.last_success.is_some(),
            PairState::Waiting | PairState::Failed => false,
        }
    }

    pub(super) fn new(now: Instant, local: Arc<Candidate>, remote: Arc<Candidate>) -> Self {
        Self {
            local,
            remote,
            mapped: None,
            state: PairState::Waiting,
            heard: false,
            timeouts: 0,
            unanswered: 0,
            nominated: false,
            nominate_on_success: false,
            last_success: None,
            created: now,
            started: None,
            traffic: Traffic::default(),
        }
    }

    pub(super) fn key(&self) -> PairKey {
        key_of(&self.local, &self.remote)
    }

    /// As many checks went unanswered as tell that it does not work.
    pub(super) fn is_in_vain(&self) -> bool {
        self.state == PairState::Failed || (self.unanswered >= CHECKS_IN_VAIN && !self.heard)
    }

    pub(super) fn priority(&self, role: Role) -> u64 {
        priority(self.local.priority, self.remote.priority, role)
    }
}

/// RFC 8445 section 6.1.2.3.
pub(super) fn priority(local: u32, remote: u32, role: Role) -> u64 {
    let (local, remote) = (u64::from(local), u64::from(remote));
    let (g, d) = match role {
        Role::Controlling => (local, remote),
        Role::Controlled => (remote, local),
    };
    (g.min(d) << 32)
        .saturating_add(g.max(d).saturating_mul(2))
        .saturating_add(u64::from(g > d))
}

/// RFC 8445 section 6.1.2.2: one family, and link-local only with link-local. RFC 6544 section 6.2:
/// one transport, and over TCP active with passive; a passive candidate pairs with none that is
/// signalled, since the address from which the peer connects is not known before it does.
pub(super) fn can_pair(local: &Candidate, remote: &Candidate) -> bool {
    let transports = match (local.tcp, remote.tcp) {
        (None, None) | (Some(TcpType::Active), Some(TcpType::Passive)) => true,
        (Some(TcpType::Passive), Some(TcpType::Active)) => {
            remote.kind == CandidateKind::PeerReflexive
        }
        _ => false,
    };
    transports && are_of_one_kind(local.base.ip(), remote.addr.ip())
}

fn are_of_one_kind(base: IpAddr, remote: IpAddr) -> bool {
    match (base, remote) {
        (IpAddr::V4(_), IpAddr::V4(_)) => true,
        (IpAddr::V6(a), IpAddr::V6(_)) => {
            is_link_local(base) == is_link_local(remote) || a.is_loopback()
        }
        _ => false,
    }
}

/// An address a check may be sent to at all.
pub(super) fn is_usable(addr: SocketAddr) -> bool {
    let ip = addr.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Check { nominate: bool },
    Consent,
}

/// An outstanding Binding request.
pub(super) struct Transaction {
    pub(super) id: TransactionId,
    pub(super) key: PairKey,
    pub(super) purpose: Purpose,
    pub(super) role: Role,
    /// Whose password signs the response.
    pub(super) remote: Arc<Credentials>,
    pub(super) bytes: Vec<u8>,
    pub(super) rto: Duration,
    pub(super) transmissions: u32,
    pub(super) first_sent: Instant,
    pub(super) last_sent: Instant,
    /// When to retransmit or give up; when to forget, if it is not live.
    pub(super) next_at: Instant,
    /// Still retransmitted. A response counts in any case.
    pub(super) live: bool,
}

/// An authenticated request that came before the peer's credentials did.
pub(super) struct EarlyCheck {
    pub(super) key: PairKey,
    pub(super) sender: String,
    pub(super) priority: u32,
    pub(super) nominate: bool,
}

/// A pair for the statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairStats {
    pub(crate) local: Candidate,
    pub(crate) remote: Candidate,
    pub(crate) state: PairState,
    pub(crate) nominated: bool,
    pub(crate) selected: bool,
    /// RFC 8445 section 6.1.2.3.
    pub(crate) priority: u64,
    /// Of the last check that was sent once only.
    pub(crate) rtt: Option<Duration>,
    pub(crate) requests_sent: u64,
    pub(crate) requests_received: u64,
    pub(crate) responses_sent: u64,
    pub(crate) responses_received: u64,
}
