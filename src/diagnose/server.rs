//! A server that is asked.

use crate::connection::description::ice_server::RTCIceServer;
use crate::connection::description::server_url::{ParsedServer, ServerScheme, ServerTransport};

/// A server that is asked.
#[derive(Debug, Clone)]
pub(super) struct Server(pub(super) ParsedServer);

impl Server {
    /// Whether it is asked over UDP.
    pub(super) fn is_udp(&self) -> bool {
        self.0.transport == ServerTransport::Udp && !self.is_secure()
    }

    pub(super) fn is_turn(&self) -> bool {
        self.0.scheme.is_turn()
    }

    fn is_secure(&self) -> bool {
        matches!(self.0.scheme, ServerScheme::Stuns | ServerScheme::Turns)
    }

    /// "UDP", "TCP" or "TLS".
    pub(super) fn way(&self) -> &'static str {
        match (self.is_secure(), self.0.transport) {
            (true, ServerTransport::Tcp) => "TLS",
            (true, ServerTransport::Udp) => "DTLS",
            (false, ServerTransport::Tcp) => "TCP",
            (false, ServerTransport::Udp) => "UDP",
        }
    }

    /// When the password of a user name of the REST kind ends, in seconds since 1970: such a name
    /// begins with it.
    pub(super) fn expires(&self) -> Option<u64> {
        let name = self.0.username.as_deref()?;
        let digits = name.split(':').next()?;
        digits.parse().ok().filter(|time| *time > 1_000_000_000)
    }

    pub(super) fn alone(&self) -> RTCIceServer {
        let mut server = RTCIceServer::new(self.0.url.clone());
        server.username.clone_from(&self.0.username);
        server.credential.clone_from(&self.0.credential);
        server
    }

    /// The same as a STUN server, which every TURN server is.
    pub(super) fn as_stun(&self) -> Option<RTCIceServer> {
        let host = match self.0.host.contains(':') {
            true => format!("[{}]", self.0.host),
            false => self.0.host.clone(),
        };
        let url = format!("stun:{host}:{}", self.0.port);
        self.is_udp().then(|| RTCIceServer::new(url))
    }
}
