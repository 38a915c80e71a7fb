//! The candidates that gathering makes of what it has found.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use super::Gatherer;
use super::plain::{GatherEvent, Host};
use crate::engine::ice::scope::{is_link_local, on_link, scope_of, unscoped};
use crate::engine::ice::{Candidate, CandidateKind, TcpType};
use crate::socket::carrier::Carrier;
use crate::socket::interfaces::InterfaceAddress;

/// Foundations are compared, never read. The salt keeps them from giving away the base address,
/// which a server-reflexive candidate may be meant to hide.
static FOUNDATION_SALT: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Gatherer {
    pub(super) fn add_host(&mut self, host: &InterfaceAddress, port: u16) {
        let (base, local_preference) = (host.at(port), host.local_preference);
        let told_as = &host.told_as;
        if self.hosts.iter().any(|host| host.base == base) {
            return;
        }
        self.hosts.push(Host {
            base,
            local_preference,
        });
        if !self.hosts_offered {
            return;
        }
        let kind = CandidateKind::Host;
        self.events.push_back(GatherEvent::Candidate(Candidate {
            foundation: foundation(kind, base.ip(), None, &Carrier::Udp),
            priority: Candidate::compute_priority(kind, local_preference),
            addr: unscoped(base),
            kind,
            base,
            related: None,
            tcp: None,
            told_as: told_as.clone(),
        }));
        self.add_tcp_host(base, local_preference, told_as.as_ref());
    }

    /// RFC 6544 section 5.1: both directions at each address.
    fn add_tcp_host(
        &mut self,
        base: SocketAddr,
        local_preference: u16,
        told_as: Option<&Arc<str>>,
    ) {
        let Some(port) = self.tcp_port else {
            return;
        };
        let kind = CandidateKind::Host;
        for (tcp, port) in [
            (TcpType::Active, TcpType::Active.base_port()),
            (TcpType::Passive, port),
        ] {
            self.events.push_back(GatherEvent::Candidate(Candidate {
                foundation: tcp_foundation(kind, base.ip(), tcp),
                priority: Candidate::compute_tcp_priority(kind, tcp, local_preference),
                addr: SocketAddr::new(base.ip(), port),
                kind,
                base: on_link(base.ip(), tcp.base_port(), scope_of(base)),
                related: None,
                tcp: Some(tcp),
                told_as: told_as.cloned(),
            }));
        }
    }

    /// The listening port where a NAT maps it to the outside.
    fn add_tcp_external(&mut self, outside: IpAddr, base: IpAddr, local_preference: u16) {
        let Some(port) = self.tcp_port else {
            return;
        };
        let (kind, tcp) = (CandidateKind::ServerReflexive, TcpType::Passive);
        self.events.push_back(GatherEvent::Candidate(Candidate {
            foundation: tcp_foundation(kind, base, tcp),
            priority: Candidate::compute_tcp_priority(kind, tcp, local_preference),
            addr: SocketAddr::new(outside, port),
            kind,
            base: SocketAddr::new(base, tcp.base_port()),
            related: Some(self.shown(SocketAddr::new(base, port))),
            tcp: Some(tcp),
            told_as: None,
        }));
    }

    /// False when it is redundant.
    pub(super) fn add_reflexive(
        &mut self,
        host: usize,
        base: SocketAddr,
        remote: SocketAddr,
        mapped: SocketAddr,
    ) -> bool {
        // RFC 8445 section 5.1.3: the same address and base make a candidate redundant. No NAT,
        // or two servers outside of the same NAT.
        // A name says it to this network alone, so that it is worth saying to others.
        let offered = mapped == base && self.hosts_offered && !self.hosts_hidden;
        if offered || self.reflexive.contains(&(mapped, base)) {
            return false;
        }
        let Some(local_preference) = self.hosts.get(host).map(|host| host.local_preference) else {
            return false;
        };
        self.reflexive.push((mapped, base));
        let kind = CandidateKind::ServerReflexive;
        self.events.push_back(GatherEvent::Candidate(Candidate {
            foundation: foundation(kind, base.ip(), Some(remote.ip()), &Carrier::Udp),
            priority: Candidate::compute_priority(kind, local_preference),
            addr: mapped,
            kind,
            base,
            related: Some(self.shown(base)),
            tcp: None,
            told_as: None,
        }));
        true
    }

    /// Candidates at the addresses that a NAT maps to this host's, port for port: each at the first
    /// address of its family.
    pub(super) fn add_external(&mut self, external: &[IpAddr]) {
        if self.relay_only {
            return;
        }
        for ip in external {
            let same =
                |host: &Host| host.base.is_ipv4() == ip.is_ipv4() && !is_link_local(host.base.ip());
            let host = self.hosts.iter().position(same);
            let base = host.and_then(|at| Some((at, self.hosts.get(at)?.base)));
            if let Some((at, base)) = base {
                let mapped = SocketAddr::new(*ip, base.port());
                let fresh = self.add_reflexive(at, base, mapped, mapped);
                let preference = self.hosts.get(at).map(|host| host.local_preference);
                if let Some(preference) = preference.filter(|_| fresh) {
                    self.add_tcp_external(*ip, base.ip(), preference);
                }
            }
        }
    }

    /// The address for the peer's diagnosis, unless it is to see none of this host (RFC 8839
    /// section 5.1).
    fn shown(&self, base: SocketAddr) -> SocketAddr {
        match base {
            _ if self.hosts_offered && !self.hosts_hidden => unscoped(base),
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        }
    }

    /// RFC 8445 section 5.1.1.2: the base of a relayed candidate is the candidate itself.
    pub(super) fn add_relay(
        &mut self,
        host: usize,
        base: SocketAddr,
        remote: SocketAddr,
        carrier: &Carrier,
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    ) {
        let Some(local_preference) = self.hosts.get(host).map(|host| host.local_preference) else {
            return;
        };
        let kind = CandidateKind::Relay;
        // The cheapest that works is to be used.
        let local_preference = local_preference.saturating_sub(carrier.malus());
        // RFC 8839 section 5.1: rel-addr is the mapped address, or, for privacy, nothing.
        let related = if self.relay_only || self.hosts_hidden {
            match relayed {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            }
        } else {
            mapped.unwrap_or(base)
        };
        self.events.push_back(GatherEvent::Candidate(Candidate {
            foundation: foundation(kind, base.ip(), Some(remote.ip()), carrier),
            priority: Candidate::compute_priority(kind, local_preference),
            addr: relayed,
            kind,
            base: relayed,
            related: Some(related),
            tcp: None,
            told_as: None,
        }));
    }
}

/// The same over TCP; active and passive ones work at different times.
fn tcp_foundation(kind: CandidateKind, base: IpAddr, tcp: TcpType) -> String {
    let hash = FOUNDATION_SALT.hash_one((kind, base, tcp));
    (hash >> 32).to_string()
}

/// RFC 8445 section 5.1.1.3: equal for the same type, base address, server and protocol to it; at
/// most 10 ice-chars of the 32 allowed (RFC 8839 section 5.1).
fn foundation(
    kind: CandidateKind,
    base: IpAddr,
    server: Option<IpAddr>,
    carrier: &Carrier,
) -> String {
    let hash = FOUNDATION_SALT.hash_one((kind, base, server, carrier));
    (hash >> 32).to_string()
}
