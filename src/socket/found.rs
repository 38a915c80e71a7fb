//! What a socket remembers of gathering, across the gatherers that it has in turn.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::gather::Gatherer;
use super::interfaces::InterfaceAddress;
use super::member::Gathered;

#[derive(Default)]
pub(super) struct Gathering {
    pub(super) gatherer: Option<Gatherer>,
    /// Everything found so far, for connections that come later.
    pub(super) found: Vec<Gathered>,
    /// What the present gatherer has found: address and base.
    pub(super) confirmed: Vec<(SocketAddr, SocketAddr)>,
    /// What the present gatherer gathers on.
    pub(super) hosts: Vec<InterfaceAddress>,
    /// Addresses that are gone; the driver does not know yet.
    pub(super) gone: Vec<SocketAddr>,
    /// Bases that are gone, not told yet.
    pub(super) withdrawn: Vec<SocketAddr>,
    /// Names to look up, by server index of the current gatherer.
    pub(super) lookups: Vec<(u64, usize, String, u16)>,
    pub(super) generation: u64,
    /// Of the addresses of this host that there were last, where names stand for them.
    pub(super) names: Vec<(Arc<str>, IpAddr)>,
    /// The relays were given back when the last connection closed.
    pub(super) released: bool,
}
