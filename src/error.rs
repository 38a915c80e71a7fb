//! One error type for the whole crate, sorted by whose fault it is.

use std::fmt;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

// Row G41.
/// Everything that can go wrong, sorted by whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The application called the API wrongly; fix the call.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The peer, or what was signalled for it, is at fault.
    #[error(transparent)]
    Peer(#[from] PeerFault),
    /// The network or the operating system is at fault.
    #[error(transparent)]
    Transport(#[from] TransportFault),
    /// The connection is over, for the reason given.
    #[error("the connection is closed: {0}")]
    Closed(DisconnectReason),
    /// The data channel is over or takes no more messages, for the reason given.
    #[error("the data channel is closed: {0}")]
    ChannelClosed(DataChannelCloseReason),
    /// The send buffer of the data channel is full, until the peer has taken some of it.
    #[error("the send buffer of the data channel is full")]
    BufferFull,
}

/// The application's own mistakes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The object is in a state that does not allow the call.
    #[error("invalid state: {0}")]
    InvalidState(String),
    /// An argument, or a JSON description, is malformed or contradicts another.
    #[error("invalid parameters: {0}")]
    InvalidParameters(String),
    /// The value is well-formed, but this crate does not support it.
    #[error("not supported: {0}")]
    NotSupported(String),
    /// A character that is not a DTMF digit.
    #[error("'{0}' is not a DTMF character")]
    InvalidCharacter(char),
    /// The object belongs to something else, e.g. another connection.
    #[error("invalid access: {0}")]
    InvalidAccess(String),
    /// The track was removed from its connection.
    #[error("the track was removed from its connection")]
    TrackRemoved,
    /// The data channel is not open yet.
    #[error("the data channel is not open yet")]
    ChannelNotOpen,
    /// Nothing but UDP is spoken, and RTP and RTCP over one port.
    #[error("transport not supported: {0}")]
    UnsupportedTransport(String),
    /// A codec, or each of a list, that this crate does not know or cannot do this with.
    #[error("codec not supported: {0}")]
    UnsupportedCodec(String),
}

/// The peer's mistakes, in what was signalled for it. What it does wrong on the wire is
/// [`DtlsFailure`], [`DisconnectReason`] or [`DataChannelCloseReason`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// What was signalled gives both sides the same DTLS role, so that no handshake can begin.
    #[error("{0}")]
    SameDtlsRole(DtlsFailure),
}

/// Failures of the network or the operating system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportFault {
    /// A socket operation failed.
    #[error("{action}: {message}")]
    Io {
        /// What was being done, e.g. "bind 127.0.0.1:5000".
        action: String,
        /// The operating system's error kind.
        kind: std::io::ErrorKind,
        /// The operating system's message.
        message: String,
    },
    /// Nobody was reached, or the path was lost, and nothing looks for another until a restart or a
    /// new candidate.
    #[error("nobody was reached: {0}")]
    NotReached(DisconnectReason),
    /// No tokio runtime is current, or one without I/O or time; the crate needs both for its
    /// socket's task.
    #[error("no tokio runtime with I/O and time: create the object inside one (enable_all)")]
    NoRuntime,
    /// The operating system gave no randomness, or a key could not be made.
    #[error("cryptography: {0}")]
    Crypto(String),
}

// Row G41.
/// The exception names of the final ORTC specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorName {
    /// The object is in the wrong state.
    InvalidState,
    /// An argument is invalid.
    InvalidParameters,
    /// The argument is valid but unsupported.
    NotSupported,
    /// Not a DTMF character.
    InvalidCharacter,
    /// The object belongs to something else.
    InvalidAccess,
    /// The operation failed for a reason outside the call.
    Operation,
}

impl Error {
    /// The final specification's name for this error.
    pub fn name(&self) -> ErrorName {
        match self {
            Error::Misuse(
                Misuse::InvalidState(_) | Misuse::TrackRemoved | Misuse::ChannelNotOpen,
            )
            | Error::Closed(_)
            | Error::ChannelClosed(_) => ErrorName::InvalidState,
            Error::Misuse(Misuse::InvalidParameters(_)) => ErrorName::InvalidParameters,
            Error::Misuse(
                Misuse::NotSupported(_)
                | Misuse::UnsupportedTransport(_)
                | Misuse::UnsupportedCodec(_),
            ) => ErrorName::NotSupported,
            Error::Misuse(Misuse::InvalidCharacter(_)) => ErrorName::InvalidCharacter,
            Error::Misuse(Misuse::InvalidAccess(_)) => ErrorName::InvalidAccess,
            Error::Peer(_) | Error::Transport(_) | Error::BufferFull => ErrorName::Operation,
        }
    }

    pub(crate) fn invalid_state(message: impl Into<String>) -> Self {
        Misuse::InvalidState(message.into()).into()
    }

    pub(crate) fn invalid_parameters(message: impl Into<String>) -> Self {
        Misuse::InvalidParameters(message.into()).into()
    }

    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Misuse::NotSupported(message.into()).into()
    }

    pub(crate) fn invalid_access(message: impl Into<String>) -> Self {
        Misuse::InvalidAccess(message.into()).into()
    }

    pub(crate) fn unsupported_transport(message: impl Into<String>) -> Self {
        Misuse::UnsupportedTransport(message.into()).into()
    }

    pub(crate) fn unsupported_codec(message: impl Into<String>) -> Self {
        Misuse::UnsupportedCodec(message.into()).into()
    }

    pub(crate) fn io(action: impl Into<String>, error: &std::io::Error) -> Self {
        TransportFault::Io {
            action: action.into(),
            kind: error.kind(),
            message: error.to_string(),
        }
        .into()
    }

    pub(crate) fn crypto(error: impl fmt::Display) -> Self {
        TransportFault::Crypto(error.to_string()).into()
    }
}

/// Why DTLS failed: what [`RTCConnectionEvent::DtlsFailure`](crate::RTCConnectionEvent::DtlsFailure)
/// and [`RTCConnection::dtls_failure`](crate::RTCConnection::dtls_failure) tell beside
/// [`DisconnectReason::DtlsFailed`] and [`DisconnectReason::FingerprintMismatch`].
///
/// Plain text decides nothing, as anybody can forge it: what the peer says or shows before there
/// are keys ends the handshake only once it insists on it while ICE shows that the path works, or
/// when the time is over; then it is the reason given here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DtlsFailure {
    /// The handshake did not finish within 30 s, although the peer was heard.
    #[error("the handshake did not finish in time")]
    Timeout,
    /// The same, and nothing of a handshake was heard from the peer. A side that waits for it
    /// hears nothing when the peer waits as well: both were told to be DTLS server.
    #[error("nothing was heard of a handshake: the peer has no DTLS, or waits for it as well")]
    Silent,
    /// Both sides are DTLS clients.
    #[error("both sides are DTLS clients")]
    BothClients,
    /// Both sides state that they are DTLS servers.
    #[error("both sides are DTLS servers")]
    BothServers,
    /// The peer's certificate has a key that cannot be verified.
    #[error("the peer's certificate has a key that is not supported: {key}")]
    UnsupportedKey {
        /// Its algorithm, e.g. "ECDSA P-521" or "RSA 1024".
        key: String,
    },
    /// The peer's certificate is no X.509 certificate, or one that cannot be read.
    #[error("the peer's certificate is unreadable")]
    UnreadableCertificate,
    /// The peer showed no certificate.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// The peer's certificate matches none of the signalled fingerprints.
    #[error("the peer's certificate matches none of the signalled fingerprints")]
    FingerprintMismatch,
    /// The peer has no DTLS 1.2.
    #[error("the peer has no DTLS 1.2")]
    NoCommonVersion,
    /// The peer has no cipher suite, or no curve, that this side has.
    #[error("no common cipher suite")]
    NoCommonCipher,
    /// The peer has no SRTP protection profile that this side has.
    #[error("no common SRTP profile")]
    NoCommonSrtpProfile,
    /// The peer has no extended master secret (RFC 7627), which this side requires.
    #[error("the peer has no extended master secret")]
    NoExtendedMasterSecret,
    /// The peer gave up with this alert.
    #[error("the peer sent the alert {}", alert_name(*description))]
    PeerAlert {
        /// Its description (RFC 5246 section 7.2); `None` where it is not known.
        description: Option<u8>,
    },
    /// The peer's messages are not acceptable; the text says which and is for reading.
    #[error("{0}")]
    Protocol(String),
    /// A fault inside this crate.
    #[error("internal fault")]
    Internal,
}

/// The names of RFC 5246 section 7.2 and of the extensions that added to it.
fn alert_name(description: Option<u8>) -> String {
    let name = match description {
        None => return "(unknown)".to_owned(),
        Some(0) => "close_notify",
        Some(10) => "unexpected_message",
        Some(20) => "bad_record_mac",
        Some(22) => "record_overflow",
        Some(40) => "handshake_failure",
        Some(42) => "bad_certificate",
        Some(43) => "unsupported_certificate",
        Some(44) => "certificate_revoked",
        Some(45) => "certificate_expired",
        Some(46) => "certificate_unknown",
        Some(47) => "illegal_parameter",
        Some(48) => "unknown_ca",
        Some(49) => "access_denied",
        Some(50) => "decode_error",
        Some(51) => "decrypt_error",
        Some(70) => "protocol_version",
        Some(71) => "insufficient_security",
        Some(80) => "internal_error",
        Some(90) => "user_canceled",
        Some(100) => "no_renegotiation",
        Some(110) => "unsupported_extension",
        Some(other) => return other.to_string(),
    };
    name.to_owned()
}

// Row G14.
/// Why a connection was disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// No candidate pair worked. Transient: an ICE restart may help.
    IceFailed,
    /// This side has no address to be reached at: there is no network, or no relay where nothing
    /// else is to be used. Transient: an address that is found later begins the search again.
    NoAddress,
    /// The peer stopped answering consent checks (RFC 7675). Transient: an ICE restart may help.
    ConsentLost,
    /// The DTLS handshake failed, or the peer sent a fatal alert; [`DtlsFailure`] says why. Final.
    DtlsFailed,
    /// The peer's certificate matches none of the signalled fingerprints. Final.
    FingerprintMismatch,
    /// The application called `close()`. Final.
    Closed,
    /// The peer closed the connection with a DTLS close_notify. Final.
    RemoteClosed,
    /// The local socket is gone. Final.
    SocketClosed,
    /// The tokio runtime that the socket's task ran on was shut down. Final.
    RuntimeShutdown,
    /// A fault inside this crate; the connection is closed, the process lives. Final.
    Internal,
}

impl DisconnectReason {
    /// Whether the connection may still come back, by itself or by an ICE restart.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::IceFailed | Self::NoAddress | Self::ConsentLost)
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IceFailed => "no candidate pair worked",
            Self::NoAddress => "no local address: there is no network, or no relay",
            Self::ConsentLost => "the peer stopped answering consent checks",
            Self::DtlsFailed => "the DTLS handshake failed",
            Self::FingerprintMismatch => "the peer's certificate matches no signalled fingerprint",
            Self::Closed => "closed by the application",
            Self::RemoteClosed => "closed by the peer",
            Self::SocketClosed => "the local socket is closed",
            Self::RuntimeShutdown => "the runtime of the local socket was shut down",
            Self::Internal => "internal fault",
        })
    }
}

/// Why a data channel was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataChannelCloseReason {
    /// `close()` was called here, or the last handle was dropped.
    Closed,
    /// The peer closed it.
    RemoteClosed,
    /// The peer sent a message larger than this side declared.
    MessageTooLarge,
    /// The peer broke the protocol of the channel, e.g. opened it twice.
    Protocol,
    /// All stream ids are in use, or the negotiated one is beyond what the peer allows.
    NoStream,
    /// The peer ended the association that carries the channels.
    TransportClosed,
    /// The connection is closed.
    ConnectionClosed,
}

impl fmt::Display for DataChannelCloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed by the application",
            Self::RemoteClosed => "closed by the peer",
            Self::MessageTooLarge => "the peer sent a message larger than declared",
            Self::Protocol => "the peer broke the protocol of the channel",
            Self::NoStream => "no stream id for the channel",
            Self::TransportClosed => "the peer ended the association",
            Self::ConnectionClosed => "the connection is closed",
        })
    }
}
