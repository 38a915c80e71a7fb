//! What carries the messages between here and a TURN server.

use std::sync::Arc;

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Carrier {
    Udp,
    Tcp,
    /// TLS over TCP; the server's certificate must be for this name.
    Tls(Arc<str>),
}

impl Carrier {
    /// Whether messages come one behind the other on a connection of their own.
    pub(crate) fn is_stream(&self) -> bool {
        *self != Self::Udp
    }

    /// The share of a candidate's local preference that it costs: what waits for a lost segment
    /// comes late, and TLS costs on top. More than all the addresses of a host differ by.
    pub(crate) fn malus(&self) -> u16 {
        match self {
            Self::Udp => 0,
            Self::Tcp => 0x4000,
            Self::Tls(_) => 0x8000,
        }
    }
}
