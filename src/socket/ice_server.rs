//! ICE servers as gathering uses them, and why they fail.

use std::fmt;
use std::net::SocketAddr;

use super::carrier::Carrier;

/// An ICE server that gave no candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceServerError {
    /// The server's URL as configured.
    pub url: String,
    /// What went wrong.
    pub kind: IceServerErrorKind,
    /// Details for people.
    pub message: String,
}

impl fmt::Display for IceServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.message)
    }
}

impl std::error::Error for IceServerError {}

/// Why an ICE server gave no candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IceServerErrorKind {
    /// No answer within 10 s, or no connection (TCP).
    Timeout,
    /// No local address can reach it, the operating system refused to send, or nobody listens (TCP).
    Unreachable,
    /// Its name could not be resolved.
    Resolve,
    /// It answered with this STUN error code, 300 to 699.
    Refused(u16),
    /// It answered with something that is not a valid response.
    Malformed,
    /// Its certificate (TLS) is not of an authority that is trusted, not for the name in the URL, or
    /// not valid at this time; the message says which.
    Certificate,
    /// This crate cannot use it: a kind of server not supported, or more than 16 servers.
    Unsupported,
}

/// What to ask a server for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerKind {
    Stun,
    Turn,
}

impl ServerKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Turn => "turn",
        }
    }
}

impl IceServerErrorKind {
    /// Whether the server was heard; `None` when it could not be asked.
    pub(crate) fn answered(self) -> Option<bool> {
        match self {
            Self::Timeout | Self::Unreachable => Some(false),
            Self::Refused(_) | Self::Malformed | Self::Certificate => Some(true),
            Self::Resolve | Self::Unsupported => None,
        }
    }
}

/// A configured server.
#[derive(Debug, Clone)]
pub(crate) struct GatherServer {
    pub(crate) url: String,
    pub(crate) kind: ServerKind,
    pub(crate) carrier: Carrier,
    /// Why this crate cannot use it.
    pub(crate) unsupported: Option<&'static str>,
    /// `None` while its name is being resolved: see `Gatherer::add_server_addrs`.
    pub(crate) addrs: Option<Result<Vec<SocketAddr>, String>>,
}
