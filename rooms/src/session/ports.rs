//! UDP ports: one for all sessions of a process, as far as one will do.
//!
//! Two connections on one port cannot go to the same port of a peer, and none goes to the port
//! itself: nothing in a packet would tell them apart. For these further ports are made: where two
//! sessions of a process talk to each other, or are in two rooms with the same peer.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ortc::{
    RTCCandidatePolicy, RTCCertificate, RTCConnection, RTCConnectionOptions, RTCIceServer,
    RTCSocket,
};
use tokio::runtime::{Handle, Id};

/// The most ports that are tried for one connection.
pub(super) const MAX_PORTS: usize = 32;

/// The ports that serve sessions with the same servers.
pub(super) struct Ports {
    config: Config,
    certificate: Option<RTCCertificate>,
    sockets: Mutex<Vec<RTCSocket>>,
    /// Those before are connected to so many peers that some have found no port for them.
    full: AtomicUsize,
}

/// What ports must have in common to be shared.
#[derive(Clone, PartialEq)]
pub(super) struct Config {
    pub(super) servers: Vec<RTCIceServer>,
    pub(super) include_loopback: bool,
    pub(super) relay_only: bool,
    pub(super) bind: Option<SocketAddr>,
    pub(super) port_range: Option<RangeInclusive<u16>>,
    pub(super) external: Vec<IpAddr>,
    /// A port lives in the runtime that it was made in.
    runtime: Id,
}

static SHARED: Mutex<Vec<Weak<Ports>>> = Mutex::new(Vec::new());

impl Config {
    pub(super) fn new(runtime: &Handle) -> Self {
        Self {
            servers: Vec::new(),
            include_loopback: false,
            relay_only: false,
            bind: None,
            port_range: None,
            external: Vec::new(),
            runtime: runtime.id(),
        }
    }
}

impl Ports {
    /// Those of the process.
    pub(super) fn shared(config: &Config) -> Arc<Self> {
        let mut known = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|ports| ports.strong_count() > 0);
        let found = known.iter().filter_map(Weak::upgrade);
        if let Some(ports) = found.into_iter().find(|ports| ports.config == *config) {
            return ports;
        }
        let ports = Self::own(config, None, None);
        known.push(Arc::downgrade(&ports));
        ports
    }

    /// Those of one session.
    pub(super) fn own(
        config: &Config,
        socket: Option<RTCSocket>,
        certificate: Option<RTCCertificate>,
    ) -> Arc<Self> {
        Arc::new(Self {
            config: config.clone(),
            certificate,
            sockets: Mutex::new(socket.into_iter().collect()),
            full: AtomicUsize::new(0),
        })
    }

    /// A new connection on the port of this place. Within a runtime.
    pub(super) fn connection(
        &self,
        place: usize,
        options: &RTCConnectionOptions,
    ) -> ortc::Result<(RTCConnection, ortc::RTCConnectionEvents)> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place.min(sockets.len());
        if let Some(socket) = sockets.get(place) {
            let made = RTCConnection::new(options.clone().socket(socket.clone()));
            // One that was closed is replaced.
            if !matches!(
                made,
                Err(ortc::Error::Misuse(ortc::Misuse::InvalidState(_)))
            ) {
                return made;
            }
            sockets.remove(place);
        }
        let socket = self.bind(place == 0)?;
        let made = RTCConnection::new(options.clone().socket(socket.clone()))?;
        let place = place.min(sockets.len());
        sockets.insert(place, socket);
        Ok(made)
    }

    /// Where to try next when a peer has no port for the one of this place.
    pub(super) fn after(&self, place: usize) -> usize {
        let next = place.saturating_add(1);
        let full = self.full.fetch_max(next, Ordering::Relaxed);
        match full < MAX_PORTS {
            true => next.max(full) % MAX_PORTS,
            false => next % MAX_PORTS,
        }
    }

    /// How many ports are bound.
    pub(super) fn count(&self) -> usize {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.len()
    }

    fn bind(&self, first: bool) -> ortc::Result<RTCSocket> {
        let config = &self.config;
        let mut options = RTCConnectionOptions::default()
            .ice_servers(config.servers.iter().cloned())
            .include_loopback(config.include_loopback)
            .relay_only(config.relay_only);
        let mut policy = RTCCandidatePolicy::default();
        policy = policy.external_addresses(config.external.iter().copied());
        if let Some(range) = &config.port_range {
            policy = policy.ports(range.clone());
        }
        options = options.candidate_policy(policy);
        if let Some(mut address) = config.bind {
            if !first {
                address.set_port(0);
            }
            options = options.bind(address);
        }
        if let Some(certificate) = &self.certificate {
            options = options.certificate(certificate.clone());
        }
        let (connection, _) = RTCConnection::new(options)?;
        let socket = connection.local_socket();
        connection.close();
        Ok(socket)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use ortc::RTCConnectionEvent;

    use super::*;

    #[tokio::test]
    async fn d59_the_address_outside_is_offered_and_the_port_is_of_the_range() {
        let mut config = Config::new(&Handle::current());
        let outside: IpAddr = "203.0.113.5".parse().unwrap();
        config.external = vec![outside];
        config.port_range = Some(43_000..=43_999);
        config.include_loopback = true;
        let ports = Ports::own(&config, None, None);
        let options = RTCConnectionOptions::default().include_loopback(true);
        for place in 0..2 {
            let (connection, mut events) = ports.connection(place, &options).unwrap();
            let found = async {
                loop {
                    if let Some(RTCConnectionEvent::Candidate(found)) = events.next().await
                        && found.connection_address == outside.to_string()
                    {
                        return found;
                    }
                }
            };
            let found = tokio::time::timeout(Duration::from_secs(20), found).await;
            let found = found.expect("the address outside");
            assert_eq!(found.typ, "srflx");
            assert!((43_000..=43_999).contains(&found.connection_port));
            connection.close();
        }
    }
}
