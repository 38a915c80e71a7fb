//! The events of a connection (row G4: one enum, pulled, never lost).

use std::sync::Arc;

use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::connection::description::fingerprint::CertificateFingerprint;
use crate::connection::description::state::{RTCConnectionState, RTCDtlsState, RTCIceState};
use crate::connection::description::unknown_track::UnknownTrack;
use crate::data::channel::RTCDataChannel;
use crate::error::{DisconnectReason, DtlsFailure};
use crate::media::stream::MediaStream;
use crate::queue::Queue;
use crate::socket::IceServerError;

/// Events that wait for the application. Two thousand is far beyond what a session makes; when
/// full the oldest is dropped.
pub(crate) const MAX_WAITING_EVENTS: usize = 2048;

/// What happens on a connection. [`name`](Self::name) gives the draft's event name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)] // Few, and short-lived.
pub enum RTCConnectionEvent {
    /// A local candidate was discovered: signal it (row A32). With
    /// [`LocalCandidates::OnSet`](crate::LocalCandidates::OnSet) also apply it with
    /// `set_local_candidate`.
    Candidate(RTCIceCandidateDescription),
    /// All discoveries have completed (row A33); again after each `update`.
    EndOfCandidates,
    /// A STUN or TURN server did not do its work; one per server.
    IceServerError(IceServerError),
    /// The pair in use (row A34); again when a better one is found.
    ActiveCandidate {
        /// The local candidate.
        local: RTCIceCandidateDescription,
        /// The remote candidate.
        remote: RTCIceCandidateDescription,
    },
    /// ICE, DTLS and the peer's identity are established (rows A35, G13).
    Connected,
    /// The connection is lost, for now or for good (rows A36, G14).
    Disconnected {
        /// Why; [`is_transient`](DisconnectReason::is_transient) says whether it may come back.
        reason: DisconnectReason,
    },
    /// DTLS failed, for this reason; `Disconnected` follows, see
    /// [`dtls_failure`](crate::RTCConnection::dtls_failure) as well.
    DtlsFailure(DtlsFailure),
    /// The peer made a data channel (row G40). Dropping it closes it.
    DataChannel(RTCDataChannel),
    /// `receive_track` named a stream that no other receiving track named (rows A37, G15).
    AddStream(MediaStream),
    /// A track without a description is connected (rows A38 to A41, G16): once for each SSRC. At
    /// most 64 wait to be read; what finds no room comes with a later packet. A source that was
    /// silent for a minute may be announced again.
    UnknownTrack(UnknownTrack),
    /// Identity policy `Deferred`: the handshake is done, nothing flows until `accept_peer` is
    /// called (row G18).
    PeerFingerprint(CertificateFingerprint),
    /// The state changed (row G14).
    StateChange(RTCConnectionState),
    /// ICE, for diagnosis (row G13).
    IceStateChange(RTCIceState),
    /// DTLS, for diagnosis (row G13).
    DtlsStateChange(RTCDtlsState),
    /// Something on one of the further sockets of the connection (row C4). Candidates, which name
    /// their socket by themselves, `AddStream` and `SsrcConflict` come plain.
    Socket {
        /// The socket, see [`RTCSocket::id`](crate::RTCSocket::id).
        socket_id: String,
        /// What happened there.
        event: Box<RTCConnectionEvent>,
    },
    /// The peer uses an SSRC of ours; it was changed: signal the track's description again
    /// (row G24).
    SsrcConflict {
        /// The SSRC that was given up.
        old: u32,
        /// The one that replaces it.
        new: u32,
    },
}

impl RTCConnectionEvent {
    /// The event's name in the draft, or in its style where the draft has none.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Candidate(_) => "candidate",
            Self::EndOfCandidates => "endofcandidates",
            Self::IceServerError(_) => "iceservererror",
            Self::ActiveCandidate { .. } => "activecandidate",
            Self::Connected => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::DtlsFailure(_) => "dtlsfailure",
            Self::DataChannel(_) => "datachannel",
            Self::AddStream(_) => "addstream",
            Self::UnknownTrack(_) => "unknowntrack",
            Self::PeerFingerprint(_) => "peerfingerprint",
            Self::StateChange(_) => "statechange",
            Self::IceStateChange(_) => "icestatechange",
            Self::DtlsStateChange(_) => "dtlsstatechange",
            Self::SsrcConflict { .. } => "ssrcconflict",
            Self::Socket { event, .. } => event.name(),
        }
    }
}

/// The events of one connection, in order. Comes with the connection from
/// [`RTCConnection::new`](crate::RTCConnection::new), so none can be missed.
///
/// Progress never depends on events being read.
#[derive(Debug)]
pub struct RTCConnectionEvents {
    pub(crate) queue: Arc<Queue<RTCConnectionEvent>>,
}

impl RTCConnectionEvents {
    /// The next event; `None` after the connection is closed and all events are read.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<RTCConnectionEvent> {
        self.queue.pop().await
    }

    /// The next event if one waits.
    pub fn try_next(&mut self) -> Option<RTCConnectionEvent> {
        self.queue.try_pop()
    }
}
