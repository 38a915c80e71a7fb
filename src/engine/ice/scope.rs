//! Scopes of IPv6 link-local addresses (RFC 4007): the same address may be on each link of a host.
//!
//! A scope is a number that this host alone gives to its link, so no candidate has one in its
//! signalled address. The base of a local candidate has it, and a pair takes it from there: the
//! peer's address is then one on that link.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Whether the address means something only together with a link.
pub(crate) fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// The address on the link of this number; others than link-local ones have no scope.
pub(crate) fn on_link(ip: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            SocketAddrV6::new(v6, port, 0, scope).into()
        }
        _ => SocketAddr::new(ip, port),
    }
}

/// As it is signalled.
pub(crate) fn unscoped(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip(), addr.port())
}

/// The number of its link; 0: none.
pub(crate) fn scope_of(addr: SocketAddr) -> u32 {
    match addr {
        SocketAddr::V6(v6) => v6.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

/// The peer's address as it is reached from this base.
pub(crate) fn from_base(base: SocketAddr, remote: SocketAddr) -> SocketAddr {
    match scope_of(base) {
        0 => remote,
        scope => on_link(remote.ip(), remote.port(), scope),
    }
}
