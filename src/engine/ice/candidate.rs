//! An ICE candidate as the engine uses it: resolved, UDP or TCP, component 1.

use std::net::SocketAddr;
use std::sync::Arc;

/// The type preference of peer-reflexive candidates over TCP.
const TCP_PEER_REFLEXIVE: u32 = 80;

/// RFC 8445 section 4, with the type preferences of section 5.1.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CandidateKind {
    Host,
    ServerReflexive,
    PeerReflexive,
    Relay,
}

impl CandidateKind {
    /// RFC 8839 section 5.1.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
        }
    }

    /// RFC 8445 section 5.1.2.2: recommended type preferences.
    pub(crate) fn type_preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relay => 0,
        }
    }
}

/// RFC 6544 section 3: who begins the connection of a candidate over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TcpType {
    Active,
    Passive,
    /// Not offered, and of a peer never paired.
    SimultaneousOpen,
}

impl TcpType {
    /// RFC 6544 section 4.5.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::SimultaneousOpen]
            .into_iter()
            .find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// What stands for the port in the base of a local candidate, so that a base is never one of
    /// UDP's: connections have ports of their own. 9 is signalled, too (RFC 6544 section 4.1).
    pub(crate) fn base_port(self) -> u16 {
        match self {
            Self::Active => 9,
            Self::Passive | Self::SimultaneousOpen => 1,
        }
    }

    /// Whether a base of this port is one of TCP's.
    pub(crate) fn is_base_port(port: u16) -> bool {
        port == Self::Active.base_port() || port == Self::Passive.base_port()
    }
}

/// What else than UDP at an address of more than one link is used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Uses {
    pub(crate) tcp: bool,
    pub(crate) link_local: bool,
}

/// A local or remote candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) foundation: String,
    pub(crate) priority: u32,
    /// The transport address that is signalled.
    pub(crate) addr: SocketAddr,
    pub(crate) kind: CandidateKind,
    /// Local candidates: the address checks are sent from (RFC 8445 section 4, "base").
    /// Remote candidates: equal to `addr`.
    pub(crate) base: SocketAddr,
    /// RFC 8839 section 5.1 rel-addr/rel-port.
    pub(crate) related: Option<SocketAddr>,
    /// `None`: UDP.
    pub(crate) tcp: Option<TcpType>,
    /// A name that is signalled in place of the address.
    pub(crate) told_as: Option<Arc<str>>,
}

/// An address, and whether it is one of TCP.
pub(super) type Place = (SocketAddr, bool);

impl Candidate {
    /// RFC 8445 section 5.1.2.1: priority of a component-1 candidate.
    pub(crate) fn compute_priority(kind: CandidateKind, local_preference: u16) -> u32 {
        (kind.type_preference() << 24) | (u32::from(local_preference) << 8) | 255
    }

    /// The same over TCP, with the direction in the local preference (RFC 6544 section 4.2). The
    /// type preference is less than any that leads somewhere directly over UDP has: what waits for
    /// a lost segment comes late.
    pub(crate) fn compute_tcp_priority(
        kind: CandidateKind,
        tcp: TcpType,
        local_preference: u16,
    ) -> u32 {
        let direction = match (kind, tcp) {
            (CandidateKind::ServerReflexive, TcpType::SimultaneousOpen)
            | (CandidateKind::Host | CandidateKind::PeerReflexive, TcpType::Active) => 6,
            (CandidateKind::ServerReflexive, TcpType::Active)
            | (CandidateKind::Host | CandidateKind::PeerReflexive, TcpType::Passive) => 4,
            (CandidateKind::Relay, TcpType::Active) => 6,
            (CandidateKind::Relay, TcpType::Passive) => 4,
            _ => 2,
        };
        let preference = match kind {
            CandidateKind::Host => 90,
            CandidateKind::PeerReflexive => TCP_PEER_REFLEXIVE,
            CandidateKind::ServerReflexive => 85,
            CandidateKind::Relay => 0,
        };
        // 13 bits of the preference among addresses.
        let local = (direction << 13) | u32::from(local_preference >> 3);
        (preference << 24) | (local << 8) | 255
    }

    /// RFC 8445 sections 7.1.1 and 7.2.5.3.1: the priority of a peer-reflexive candidate from this
    /// one's base.
    pub(super) fn peer_reflexive_priority(&self) -> u32 {
        let preference = match self.tcp {
            None => CandidateKind::PeerReflexive.type_preference(),
            Some(_) => TCP_PEER_REFLEXIVE,
        };
        (preference << 24) | (self.priority & 0x00FF_FFFF)
    }

    pub(super) fn place(&self) -> Place {
        (self.addr, self.tcp.is_some())
    }
}
