//! What an engine is made of, what it tells, and what it counts.

use std::time::Instant;

use tracing::Span;

use super::certificate::Certificate;
use super::dtls::DtlsRole;
use super::ice::{Candidate, Credentials, IceConfig, IceState, Role};
use crate::budget::Budget;
use crate::error::{DisconnectReason, DtlsFailure};
use crate::rtp::{ExtensionMap, ReceiverId, RtpConfig};

/// What a connection is made of, fixed at construction.
#[derive(Clone)]
pub(crate) struct EngineConfig {
    pub(crate) local: Credentials,
    pub(crate) certificate: Certificate,
    pub(crate) role: Option<Role>,
    // Row G35.
    /// `None`: the controlled side is the DTLS client.
    pub(crate) dtls_role: Option<DtlsRole>,
    pub(crate) identity: Identity,
    pub(crate) ice: IceConfig,
    pub(crate) rtp: RtpConfig,
    pub(crate) cname: String,
    pub(crate) extensions: ExtensionMap,
    pub(crate) tie_breaker: u64,
    /// What the peer may have this side hold.
    pub(crate) budget: Budget,
    /// The largest data channel message taken from the peer, in bytes.
    pub(crate) max_message_size: usize,
    /// The socket never lets a datagram be fragmented.
    pub(crate) whole_datagrams: bool,
    /// Seeds timers' jitter only, never a secret.
    pub(crate) rng_seed: u64,
    /// An instant and the NTP time of day at that instant, for RTCP sender reports.
    pub(crate) wall_clock: (Instant, u64),
    /// The connection in the log.
    pub(crate) span: Span,
}

// Row G14.
/// The states of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineState {
    New,
    Searching,
    Connected,
    /// Was connected; the path is lost for now.
    Halted,
    Closed,
}

// Row G18.
/// How the peer's certificate is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// It must match a signalled fingerprint; sha-1 and md5 count only when `allow_weak`. With
    /// `all` it must match every one.
    Pinned { allow_weak: bool, all: bool },
    /// The application looks at it and calls `accept_peer`; until then nothing flows.
    Deferred,
    /// Any certificate. For tests.
    Insecure,
}

impl Identity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pinned { .. } => "pinned",
            Self::Deferred => "deferred",
            Self::Insecure => "insecure",
        }
    }
}

/// DTLS as the outside sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecureState {
    New,
    Connecting,
    Connected,
    Closed,
    Failed,
}

/// A connection that is closed once what is queued has been handed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    pub(super) until: Instant,
    pub(super) reason: DisconnectReason,
}

/// What the layer above is told.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Rare, and short-lived in a queue.
pub(crate) enum EngineEvent {
    State(EngineState),
    Ice(IceState),
    ActivePair {
        local: Candidate,
        remote: Candidate,
    },
    Secure(SecureState),
    /// Deferred identity: the peer's certificate is known, the application has to decide.
    PeerCertificate,
    Connected,
    /// Why DTLS failed; `Disconnected` follows.
    DtlsFailure(DtlsFailure),
    Disconnected(DisconnectReason),
    /// First packet of a declared receiver, or the first again after silence.
    ReceiverConnected(ReceiverId),
    /// BYE, or nothing heard for the source time-out.
    ReceiverDisconnected(ReceiverId),
    KeyframeRequested {
        ssrc: u32,
    },
    /// The path carries less than what is sent.
    PathStrained,
    /// The peer uses one of our SSRCs (RFC 3550 section 8.2).
    SsrcConflict {
        ssrc: u32,
    },
}

/// What was dropped, and why: nothing invalid has another effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EngineCounters {
    /// Not STUN, DTLS, RTP or RTCP by its first byte.
    pub(crate) unknown_protocol: u64,
    /// Not STUN, and not from a validated pair.
    pub(crate) wrong_path: u64,
    /// DTLS before there is an association: no hello, or beyond the small buffer.
    pub(crate) early_dtls: u64,
    /// RTP or RTCP before the keys are there or before the peer is accepted.
    pub(crate) early_media: u64,
    /// Not a well-formed RTP packet.
    pub(crate) malformed_rtp: u64,
    /// SRTP or SRTCP that did not authenticate, or a replay.
    pub(crate) rejected_srtp: u64,
    /// RTP of no declared receiver, beyond the replay buffer.
    pub(crate) unknown_rtp: u64,
    /// Outgoing datagrams refused: queue full.
    pub(crate) outgoing_dropped: u64,
}

/// Datagrams of a connection, without UDP and IP headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) packets_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) bytes_received: u64,
    /// How often ICE selected a pair.
    pub(crate) selections: u64,
}
