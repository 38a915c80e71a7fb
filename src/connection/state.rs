//! The connection's states and the reasons for leaving them (conformance row G14).

use std::fmt;

use serde::Serialize;

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

/// The state of a connection (row G14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RTCConnectionState {
    /// `connect` has not been called.
    New,
    /// Looking for a path, or securing it.
    Searching,
    /// Media can flow.
    Connected,
    /// The path is lost; it may come back, by itself or by an ICE restart.
    Halted,
    /// Over.
    Closed,
}

/// The state of ICE, for diagnosis (row G13; RFC 8445).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RTCIceState {
    /// Not started.
    New,
    /// Checks are running, no pair is selected.
    Checking,
    /// A pair is selected and the peer answers.
    Connected,
    /// The peer has not answered for some seconds.
    Disconnected,
    /// No pair worked, or consent is lost.
    Failed,
    /// Ended.
    Closed,
}

/// The state of DTLS, for diagnosis (row G13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RTCDtlsState {
    /// Waits for ICE.
    New,
    /// The handshake is running.
    Connecting,
    /// The handshake is done.
    Connected,
    /// The peer said close_notify.
    Closed,
    /// The handshake failed, or the fingerprint did not match.
    Failed,
}
