//! Gathering of relays: which to ask for, and their candidates.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use ::stun::message::TransactionId;

use super::{GatherEvent, Gatherer, Obtained, Transaction, foundation};
use crate::engine::ice::{Candidate, CandidateKind};
use crate::socket::ice_server::{IceServerErrorKind, ServerKind};

/// A relay to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WantedRelay {
    /// Names the request in [`Gatherer::relay_outcome`].
    pub(crate) ticket: TransactionId,
    /// The server's place in the list given to `new`.
    pub(crate) server: usize,
    pub(crate) base: SocketAddr,
    pub(crate) remote: SocketAddr,
}

impl Gatherer {
    /// The next relay to ask for.
    pub(crate) fn poll_wanted_relay(&mut self) -> Option<WantedRelay> {
        self.wanted_relays.pop_front()
    }

    /// The next one that was asked for in vain long enough.
    pub(crate) fn poll_unwanted_relay(&mut self) -> Option<TransactionId> {
        self.unwanted_relays.pop_front()
    }

    /// The local addresses gathered from.
    pub(crate) fn bases(&self) -> Vec<SocketAddr> {
        self.hosts.iter().map(|host| host.base).collect()
    }

    /// What came of a wanted relay; ignored if nobody waits for it any more.
    pub(crate) fn relay_outcome(
        &mut self,
        now: Instant,
        ticket: TransactionId,
        outcome: Result<(SocketAddr, Option<SocketAddr>), (IceServerErrorKind, String)>,
    ) {
        let waits = |t: &Transaction| t.open && t.kind == ServerKind::Turn && t.id == ticket;
        if let Some(index) = self.transactions.iter().position(waits) {
            let outcome = outcome.map(|(relayed, mapped)| Obtained::Relayed { relayed, mapped });
            self.finish(now, index, outcome);
            self.check_complete();
        }
    }

    /// A relay that came in the place of one that was lost.
    pub(crate) fn relay_renewed(
        &mut self,
        base: SocketAddr,
        remote: SocketAddr,
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    ) {
        let same =
            |t: &&Transaction| t.kind == ServerKind::Turn && t.base == base && t.remote == remote;
        let Some(host) = self.transactions.iter().find(same).map(|t| t.host) else {
            return;
        };
        self.add_relay(host, base, remote, relayed, mapped);
        if let Some(mapped) = mapped.filter(|_| !self.relay_only) {
            self.add_reflexive(host, base, remote, mapped);
        }
    }

    /// RFC 8445 section 5.1.1.2: the base of a relayed candidate is the candidate itself.
    pub(super) fn add_relay(
        &mut self,
        host: usize,
        base: SocketAddr,
        remote: SocketAddr,
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    ) {
        let Some(local_preference) = self.hosts.get(host).map(|host| host.local_preference) else {
            return;
        };
        let kind = CandidateKind::Relay;
        // RFC 8839 section 5.1: rel-addr is the mapped address, or, for privacy, nothing.
        let related = if self.relay_only {
            match relayed {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            }
        } else {
            mapped.unwrap_or(base)
        };
        self.events.push_back(GatherEvent::Candidate(Candidate {
            foundation: foundation(kind, base.ip(), Some(remote.ip())),
            priority: Candidate::compute_priority(kind, local_preference),
            addr: relayed,
            kind,
            base: relayed,
            related: Some(related),
        }));
    }
}
