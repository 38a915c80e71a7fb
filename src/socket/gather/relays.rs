//! Gathering of relays: which to ask for, and what came of it.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Instant;

use ::stun::message::TransactionId;

use super::Gatherer;
use super::plain::{Obtained, Transaction, WantedRelay};
use crate::socket::carrier::Carrier;
use crate::socket::ice_server::{IceServerErrorKind, ServerKind};

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
            self.check_complete(now);
        }
    }

    /// A relay that came in the place of one that was lost.
    pub(crate) fn relay_renewed(
        &mut self,
        base: SocketAddr,
        remote: SocketAddr,
        carrier: &Carrier,
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    ) {
        let same = |t: &&Transaction| {
            let of = self.servers.get(t.server);
            t.kind == ServerKind::Turn
                && t.base == base
                && t.remote == remote
                && of.is_some_and(|server| server.carrier == *carrier)
        };
        let found = self.transactions.iter().find(same);
        if let Some((server, host)) = found.map(|t| (t.server, t.host)) {
            self.relayed(server, host, base, remote, relayed, mapped);
        }
    }

    /// What a relay gives.
    pub(super) fn relayed(
        &mut self,
        server: usize,
        host: usize,
        base: SocketAddr,
        remote: SocketAddr,
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    ) {
        let Some(carrier) = self
            .servers
            .get(server)
            .map(|server| server.carrier.clone())
        else {
            return;
        };
        self.add_relay(host, base, remote, &carrier, relayed, mapped);
        // Its NAT binding is kept alive by the allocation. That of a TCP connection takes no UDP.
        if let Some(mapped) = mapped.filter(|_| self.reflexive_offered && !carrier.is_stream()) {
            self.add_reflexive(host, base, remote, mapped);
        }
    }
}
