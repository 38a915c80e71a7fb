//! RTCCandidatePolicy.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::engine::ice::Denied;
use crate::error::{Error, Result};
use crate::socket::SocketPolicy;

/// Addresses given to the outside at most.
const MAX_EXTERNAL: usize = 16;
/// Ranges of denied addresses at most.
const MAX_RANGES: usize = 1_024;

/// Which candidates are offered, and which of the peer's are used. The default: all.
///
/// ```
/// use ortc::{RTCCandidatePolicy, RTCConnectionOptions};
///
/// // A server in a cloud, that must not be used to reach what is beside it.
/// let policy = RTCCandidatePolicy::default()
///     .ports(40_000..=40_999)
///     .external_addresses(["203.0.113.5".parse().unwrap()])
///     .deny_private_remotes();
/// let options = RTCConnectionOptions::default().candidate_policy(policy);
/// ```
#[derive(Debug, Clone, Default)]
#[doc(alias = "RTCIceGatherPolicy")]
pub struct RTCCandidatePolicy {
    pub(crate) socket: SocketPolicy,
    pub(crate) denied: Denied,
}

impl RTCCandidatePolicy {
    /// Whether addresses of this host are offered. Without them those that STUN servers see do not
    /// name them either. At least one of `host`, `reflexive` and `relay` must be there.
    #[must_use]
    pub fn host(mut self, offer: bool) -> Self {
        self.socket.host = offer;
        self
    }

    /// Whether addresses that servers see are offered, and STUN servers asked.
    #[must_use]
    pub fn reflexive(mut self, offer: bool) -> Self {
        self.socket.reflexive = offer;
        self
    }

    /// Whether relays are offered, and TURN servers asked. Relays alone are
    /// [`relay_only`](crate::RTCConnectionOptions::relay_only), which hides more.
    #[must_use]
    pub fn relay(mut self, offer: bool) -> Self {
        self.socket.relay = offer;
        self
    }

    /// Whether IPv6 is used.
    #[must_use]
    pub fn ipv6(mut self, use_it: bool) -> Self {
        self.socket.ipv6 = use_it;
        self
    }

    /// Whether link-local addresses of IPv6 (`fe80::/10`) are offered, for hosts that have no others,
    /// e.g. two on a cable. The default is not: they reach no farther than their link, and often tell
    /// the number of the network card.
    ///
    /// [`interfaces`](Self::interfaces) is asked for each, so that they may be those of some links
    /// alone. They are signalled without a zone, which would mean something on this host only (RFC
    /// 4007 section 6); one that a peer's candidate has is cut off, where without this the candidate
    /// is ignored and counted. The peer's address is tried on each of the links; checks find out on
    /// which it is.
    #[must_use]
    pub fn link_local(mut self, use_it: bool) -> Self {
        self.socket.link_local = use_it;
        self
    }

    /// Whether names stand for the addresses of this host, as in browsers without permission for media
    /// (`UUID.local`): who is told them must be in this network to find what is behind them, by
    /// multicast DNS (RFC 6762), which this side answers on its interfaces of IPv4 as long as the
    /// socket lives. The default is not.
    ///
    /// What servers see is still told, without the address of this host that it is of; with
    /// `reflexive(false)` and relays, no address of this host is. Where the network lets no multicast
    /// through, nobody is reached by a name: servers should be at hand. Statistics have the names, too.
    #[must_use]
    pub fn host_names(mut self, use_them: bool) -> Self {
        self.socket.host_names = use_them;
        self
    }

    /// The local port is one of these, unless `bind` names one. Taken at random of those that are
    /// free; none free is an error.
    #[must_use]
    pub fn ports(mut self, range: RangeInclusive<u16>) -> Self {
        self.socket.ports = Some(range);
        self
    }

    /// Whether TCP is used beside UDP (RFC 6544): for those whose firewall lets nothing else
    /// through. Offered are the addresses of this host, on a listening port that all connections of
    /// the socket share, and connections to the peer's. Where UDP works it is preferred. The
    /// default is not.
    ///
    /// The port has the number of the UDP port if it is free, or else any of `ports`, or any at all;
    /// [`tcp_port`](Self::tcp_port) names one.
    #[must_use]
    pub fn tcp(mut self, use_it: bool) -> Self {
        self.socket.tcp = use_it.then(|| self.socket.tcp.unwrap_or(0));
        self
    }

    /// Uses TCP as [`tcp`](Self::tcp) does, and listens on this port; if it is not free, the socket
    /// is refused. 0 leaves the choice.
    #[must_use]
    pub fn tcp_port(mut self, port: u16) -> Self {
        self.socket.tcp = Some(port);
        self
    }

    /// Addresses under which this host is known outside, where a NAT maps address to address and
    /// port to the same port (1:1 NAT): each is one more server-reflexive candidate, at the first
    /// address of its family. At most 16.
    #[must_use]
    pub fn external_addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.socket.external = addresses.into_iter().collect();
        self
    }

    /// Uses the interfaces' addresses of which `wanted` says so; it gets the interface's name and
    /// the address. It is asked each time that gathering begins, and not for an address that is
    /// bound explicitly. It must return at once.
    #[must_use]
    pub fn interfaces(
        mut self,
        wanted: impl Fn(&str, IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.socket.interfaces = Some(Arc::new(wanted));
        self
    }

    /// Sends nothing to addresses of the peer's that would mean this host or its links: loopback,
    /// link-local, multicast, metadata services of clouds. Neither as candidates nor when checks
    /// come from there; `dropped.ice.candidates` of the statistics counts them.
    #[must_use]
    pub fn deny_local_remotes(mut self) -> Self {
        self.denied.local = true;
        self
    }

    /// The same for private and reserved networks besides (RFC 6890): peers are on the Internet, or
    /// behind relays that are.
    #[must_use]
    pub fn deny_private_remotes(mut self) -> Self {
        self.denied.private = true;
        self
    }

    /// The same for addresses of which the first `bits` are those of `address`, besides what else
    /// is denied. At most 1,024 ranges.
    #[must_use]
    pub fn deny_remotes(mut self, address: IpAddr, bits: u8) -> Self {
        self.denied.ranges.push((address, bits));
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let SocketPolicy {
            host,
            reflexive,
            relay,
            ipv6,
            link_local,
            host_names,
            ports,
            external,
            ..
        } = &self.socket;
        let wrong = if !(*host || *reflexive || *relay) {
            "a policy without any candidates can never connect"
        } else if ports
            .as_ref()
            .is_some_and(|p| p.is_empty() || p.contains(&0))
        {
            "the range of ports is empty, or has port 0"
        } else if external.len() > MAX_EXTERNAL {
            "more than 16 external addresses"
        } else if external
            .iter()
            .any(|ip| ip.is_unspecified() || ip.is_multicast())
        {
            "an external address is no address of a host"
        } else if *host_names && !*host {
            "names are wanted for addresses that are not offered"
        } else if *link_local && !(*ipv6 && *host) {
            "link-local addresses are wanted, but no addresses of this host or of IPv6"
        } else if *link_local && (self.denied.local || self.denied.private) {
            "link-local addresses are wanted, and denied where they are the peer's"
        } else if self.denied.ranges.len() > MAX_RANGES {
            "more than 1,024 ranges of denied addresses"
        } else {
            return Ok(());
        };
        Err(Error::invalid_parameters(wrong))
    }
}
