//! What a socket is made with, and what it tells of itself.

use std::net::SocketAddr;
use std::sync::Arc;

use super::carrier::Carrier;
use super::ice_server::ServerKind;
use super::member::Gathered;
use super::policy::SocketPolicy;
use super::turn::TurnCredentials;
use crate::engine::certificate::Certificate;
use crate::engine::ice::{Candidate, Credentials};
use crate::error::DisconnectReason;
use crate::media::Kind;
use crate::queue::Queue;

/// An ICE server as the application named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    pub(crate) url: String,
    pub(crate) kind: ServerKind,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) carrier: Carrier,
    /// Of TURN servers.
    pub(crate) credentials: Option<Arc<TurnCredentials>>,
    /// Why it cannot be used; it is then an error of its own and nothing more.
    pub(crate) unsupported: Option<&'static str>,
}

impl ServerAddress {
    /// Whether relays may come of it.
    pub(crate) fn gives_relays(&self) -> bool {
        self.kind == ServerKind::Turn && self.unsupported.is_none()
    }
}

/// How a socket is made.
#[derive(Debug, Clone, Default)]
pub(crate) struct SocketConfig {
    pub(crate) bind: Option<SocketAddr>,
    pub(crate) include_loopback: bool,
    pub(crate) servers: Vec<ServerAddress>,
    pub(crate) gather_at_once: bool,
    /// Addresses that come and go are gathered and withdrawn.
    pub(crate) follow_networks: bool,
    pub(crate) policy: SocketPolicy,
    pub(crate) certificate: Option<Certificate>,
    /// The hashes of its fingerprints that the socket's description has; empty: the usual one.
    pub(crate) announced: Vec<String>,
    /// What servers over TLS are trusted by, in PEM; `None`: what the system trusts.
    pub(crate) server_certificates: Option<Arc<str>>,
    /// Nothing leaves for a peer but through a relay, and nothing else is offered.
    pub(crate) relay_only: bool,
    /// ICE user name fragment and password; `None`: random ones.
    pub(crate) credentials: Option<Credentials>,
    /// The kinds of track that may use the socket; empty: all.
    pub(crate) kinds: Vec<Kind>,
    // Rows B33 to B37.
    /// Where the socket's own events go.
    pub(crate) news: Option<Arc<Queue<SocketNews>>>,
}

impl SocketConfig {
    /// Whether something of this server's would be offered.
    pub(crate) fn asks(&self, server: &ServerAddress) -> bool {
        match server.kind {
            ServerKind::Turn => self.policy.relay,
            ServerKind::Stun => self.policy.reflexive && !self.relay_only,
        }
    }
}

/// What happens on a socket, whichever connection it concerns.
#[derive(Debug, Clone)]
pub(crate) enum SocketNews {
    Gathered(Gathered),
    /// A candidate under the user name fragment that a connection has after an ICE restart.
    Restarted(Candidate, String),
    Active {
        local: Candidate,
        remote: Candidate,
    },
    Connected,
    Disconnected(DisconnectReason),
}
