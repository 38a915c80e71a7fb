//! Roles and policies of a connection. The drafts define none of them; each default is the safe
//! choice.

// Rows G1, G3, G18, G35.

use serde::{Deserialize, Serialize};

use crate::engine::dtls::DtlsRole;
use crate::engine::ice::Role;

/// Which side nominates the candidate pair (RFC 8445 section 6.1.1).
///
/// Usually left unset: the connection settles it, and repairs a conflict with the tie-breaker.
/// Set it only for a peer whose role is fixed, such as an ICE-lite server (always controlled).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RTCIceRole {
    /// This side nominates.
    Controlling,
    /// The peer nominates.
    Controlled,
}

/// Which side starts the DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RTCDtlsRole {
    /// The opposite of what the peer states; if it states none by ICE role: the controlled side is
    /// the client, the controlling side the server.
    #[default]
    Auto,
    /// Sends the first ClientHello.
    Client,
    /// Waits for it.
    Server,
}

/// How the peer's certificate is checked against its signalled fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PeerIdentity {
    /// The fingerprint must be known before `connect()`, and the certificate must match it.
    #[default]
    Pinned,
    /// The handshake may finish without a fingerprint. The application then sees the peer's, and
    /// nothing flows either way until it accepts the peer. A fingerprint that is known is still
    /// enforced.
    Deferred,
    /// Any certificate is accepted: whoever carries the signalling or the packets can read and
    /// change everything. For tests only.
    Insecure,
}

/// Which of the peer's signalled fingerprints its certificate must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FingerprintCheck {
    /// One of those of the strongest hash function among them; sha-1 and md5 count for nothing.
    #[default]
    Strongest,
    /// The same, and sha-1 or md5 counts where the peer has nothing better. Both are broken; only
    /// for peers that have nothing else.
    AllowWeak,
    /// Every one whose hash function is known, sha-1 included; one by sha-256 or better must be
    /// among them.
    All,
}

/// When the tracks of a stream that is added begin to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[doc(alias = "autostart")]
#[non_exhaustive]
pub enum TrackStart {
    /// By themselves, as soon as the connection is connected.
    #[default]
    Automatic,
    /// Each by [`RTCTrack::start`](crate::RTCTrack::start).
    Manual,
}

/// When a gathered local candidate takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LocalCandidates {
    /// As soon as it is found.
    #[default]
    Auto,
    /// Once the application passes it to `set_local_candidate()`, as the draft has it. One that is
    /// never passed is never used, which lets an application keep addresses private.
    OnSet,
}

/// What a connection's socket does when the addresses of this host change. Watched are the
/// interfaces and routes: Linux tells of them, elsewhere they are looked at every 3 s. A socket that
/// is bound to one address has nothing to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NetworkChanges {
    /// New addresses are gathered and told by [`Candidate`](crate::RTCConnectionEvent::Candidate)
    /// events, to be signalled as ever. Candidates of an address that is gone are withdrawn, and the
    /// pair in use is left for any that works. A better pair that appears later is taken: that is
    /// the choice of the side that controls.
    #[default]
    Follow,
    /// The same, but what has carried for 10 s is kept for as long as it works, whatever better
    /// there is.
    KeepPath,
    /// Nothing: the application calls [`update`](crate::RTCConnection::update).
    Ignore,
}

/// When gathering starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GatherStart {
    /// At construction. No candidate can be missed: events wait until they are read.
    #[default]
    Immediate,
    /// At the first `update()`.
    Manual,
}

impl From<RTCIceRole> for Role {
    fn from(role: RTCIceRole) -> Self {
        match role {
            RTCIceRole::Controlling => Self::Controlling,
            RTCIceRole::Controlled => Self::Controlled,
        }
    }
}

impl From<Role> for RTCIceRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Controlling => Self::Controlling,
            Role::Controlled => Self::Controlled,
        }
    }
}

impl RTCDtlsRole {
    /// `None`: not stated.
    pub(crate) fn to_engine(self) -> Option<DtlsRole> {
        match self {
            Self::Auto => None,
            Self::Client => Some(DtlsRole::Client),
            Self::Server => Some(DtlsRole::Server),
        }
    }
}

impl From<DtlsRole> for RTCDtlsRole {
    fn from(role: DtlsRole) -> Self {
        match role {
            DtlsRole::Client => Self::Client,
            DtlsRole::Server => Self::Server,
        }
    }
}
