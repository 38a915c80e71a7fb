//! Network address translators, in the terms of RFC 4787.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The classic kinds, each a pair of mapping and filtering behaviours (RFC 4787 sections 4.1, 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NatKind {
    /// Endpoint-independent mapping, endpoint-independent filtering.
    FullCone,
    /// Endpoint-independent mapping, address-dependent filtering.
    AddressRestricted,
    /// Endpoint-independent mapping, address and port-dependent filtering.
    PortRestricted,
    /// Address and port-dependent mapping, address and port-dependent filtering.
    Symmetric,
    /// A firewall: no UDP crosses it, either way.
    UdpBlocked,
}

#[derive(Debug)]
struct Mapping {
    inside: SocketAddr,
    /// Some for address and port-dependent mapping.
    remote: Option<SocketAddr>,
    /// Refreshed by outbound packets only (RFC 4787 REQ-6).
    used: Instant,
    /// Remotes that were sent to, and when last.
    permitted: BTreeMap<SocketAddr, Instant>,
}

/// One translator with one public address and any number of hosts behind it.
#[derive(Debug)]
pub(super) struct Nat {
    pub(super) kind: NatKind,
    pub(super) public: IpAddr,
    pub(super) inside: Vec<IpAddr>,
    pub(super) timeout: Option<Duration>,
    next_port: u16,
    /// By external port.
    mappings: BTreeMap<u16, Mapping>,
}

impl Nat {
    const FIRST_PORT: u16 = 40_000;

    pub(super) fn new(kind: NatKind, public: IpAddr) -> Self {
        Self {
            kind,
            public,
            inside: Vec::new(),
            timeout: None,
            next_port: Self::FIRST_PORT,
            mappings: BTreeMap::new(),
        }
    }

    fn alive(timeout: Option<Duration>, used: Instant, now: Instant) -> bool {
        timeout.is_none_or(|limit| now.saturating_duration_since(used) < limit)
    }

    /// The external source of an outbound packet; creates or refreshes the mapping.
    pub(super) fn outbound(
        &mut self,
        now: Instant,
        src: SocketAddr,
        dst: SocketAddr,
    ) -> Option<SocketAddr> {
        if self.kind == NatKind::UdpBlocked {
            return None;
        }
        let timeout = self.timeout;
        self.mappings
            .retain(|_, mapping| Self::alive(timeout, mapping.used, now));
        let remote = (self.kind == NatKind::Symmetric).then_some(dst);
        let known = self
            .mappings
            .iter()
            .find(|(_, m)| m.inside == src && m.remote == remote)
            .map(|(port, _)| *port);
        let port = match known {
            Some(port) => port,
            None => self.free_port()?,
        };
        let mapping = self.mappings.entry(port).or_insert_with(|| Mapping {
            inside: src,
            remote,
            used: now,
            permitted: BTreeMap::new(),
        });
        mapping.used = now;
        mapping.permitted.insert(dst, now);
        Some(SocketAddr::new(self.public, port))
    }

    /// Never the inside port, so that nothing passes by luck; a fresh one for each mapping.
    fn free_port(&mut self) -> Option<u16> {
        let span = usize::from(u16::MAX - Self::FIRST_PORT) + 1;
        (0..span).find_map(|_| {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(Self::FIRST_PORT);
            (!self.mappings.contains_key(&port)).then_some(port)
        })
    }

    /// The inside address an inbound packet is for, if the filter lets it through.
    pub(super) fn inbound(
        &self,
        now: Instant,
        src: SocketAddr,
        dst: SocketAddr,
    ) -> Option<SocketAddr> {
        let mapping = self.mappings.get(&dst.port())?;
        if !Self::alive(self.timeout, mapping.used, now) {
            return None;
        }
        let mut live = mapping
            .permitted
            .iter()
            .filter(|(_, used)| Self::alive(self.timeout, **used, now));
        let passes = match self.kind {
            NatKind::FullCone => true,
            NatKind::AddressRestricted => live.any(|(remote, _)| remote.ip() == src.ip()),
            NatKind::PortRestricted | NatKind::Symmetric => live.any(|(remote, _)| *remote == src),
            NatKind::UdpBlocked => false,
        };
        passes.then_some(mapping.inside)
    }

    /// Who owns an external port, whatever the filter says.
    pub(super) fn owner(&self, port: u16) -> Option<SocketAddr> {
        self.mappings.get(&port).map(|mapping| mapping.inside)
    }

    /// Forgets everything, as a reboot does.
    pub(super) fn reset(&mut self) {
        self.mappings.clear();
    }
}
