//! The connection's states and the reasons for leaving them (conformance row G14).

use std::fmt;

/// Why a connection was disconnected (conformance row G14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// No candidate pair worked. Transient: an ICE restart may help.
    IceFailed,
    /// The peer stopped answering consent checks (RFC 7675). Transient: an ICE restart may help.
    ConsentLost,
    /// The DTLS handshake failed, or the peer sent a fatal alert. Final.
    DtlsFailed,
    /// The peer's certificate matches none of the signalled fingerprints. Final.
    FingerprintMismatch,
    /// The application called `close()`. Final.
    Closed,
    /// The peer closed the connection with a DTLS close_notify. Final.
    RemoteClosed,
    /// The local socket is gone. Final.
    SocketClosed,
    /// A fault inside this crate; the connection is closed, the process lives. Final.
    Internal,
}

impl DisconnectReason {
    /// Whether the connection may still come back, by itself or by an ICE restart.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::IceFailed | Self::ConsentLost)
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IceFailed => "no candidate pair worked",
            Self::ConsentLost => "the peer stopped answering consent checks",
            Self::DtlsFailed => "the DTLS handshake failed",
            Self::FingerprintMismatch => "the peer's certificate matches no signalled fingerprint",
            Self::Closed => "closed by the application",
            Self::RemoteClosed => "closed by the peer",
            Self::SocketClosed => "the local socket is closed",
            Self::Internal => "internal fault",
        })
    }
}
