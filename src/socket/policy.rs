//! Which candidates a socket has to offer.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

type InterfaceFilter = Arc<dyn Fn(&str, IpAddr) -> bool + Send + Sync>;

/// Which candidates a socket has to offer.
#[derive(Clone)]
pub(crate) struct SocketPolicy {
    pub(crate) host: bool,
    pub(crate) reflexive: bool,
    pub(crate) relay: bool,
    pub(crate) ipv6: bool,
    /// Addresses of IPv6 that are good on their link alone.
    pub(crate) link_local: bool,
    /// Names stand for addresses of this host.
    pub(crate) host_names: bool,
    pub(crate) ports: Option<RangeInclusive<u16>>,
    /// TCP is used as well, and listened to on this port; 0: that of UDP, or else any. Of a socket:
    /// the port that it is.
    pub(crate) tcp: Option<u16>,
    /// Under which this host is known outside, by a NAT that maps address to address.
    pub(crate) external: Vec<IpAddr>,
    /// Whether an interface of this name may be used with this address.
    pub(crate) interfaces: Option<InterfaceFilter>,
}

impl Default for SocketPolicy {
    fn default() -> Self {
        Self {
            host: true,
            reflexive: true,
            relay: true,
            ipv6: true,
            link_local: false,
            host_names: false,
            ports: None,
            tcp: None,
            external: Vec::new(),
            interfaces: None,
        }
    }
}

impl SocketPolicy {
    pub(crate) fn admits(&self, name: &str, ip: IpAddr) -> bool {
        let wanted = self.interfaces.as_ref();
        (self.ipv6 || ip.is_ipv4()) && wanted.is_none_or(|wanted| wanted(name, ip))
    }
}

impl fmt::Debug for SocketPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketPolicy")
            .field("host", &self.host)
            .field("reflexive", &self.reflexive)
            .field("relay", &self.relay)
            .field("ipv6", &self.ipv6)
            .field("link_local", &self.link_local)
            .field("host_names", &self.host_names)
            .field("ports", &self.ports)
            .field("tcp", &self.tcp)
            .field("external", &self.external)
            .field("interfaces", &self.interfaces.is_some())
            .finish()
    }
}
