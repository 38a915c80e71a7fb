//! An ICE candidate as the engine uses it: resolved, UDP, component 1.

use std::net::SocketAddr;

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
}

impl Candidate {
    /// RFC 8445 section 5.1.2.1: priority of a component-1 candidate.
    pub(crate) fn compute_priority(kind: CandidateKind, local_preference: u16) -> u32 {
        (kind.type_preference() << 24) | (u32::from(local_preference) << 8) | 255
    }
}
