//! The events of a connection (one enum, pulled, never lost).

// Row G4.

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
    // Row A32.
    /// A local candidate was discovered: signal it. With
    /// [`LocalCandidates::OnSet`](crate::LocalCandidates::OnSet) also apply it with
    /// `set_local_candidate`.
    Candidate(RTCIceCandidateDescription),
    // Row A33.
    /// All discoveries have completed, but for servers that are silent: one that answers late is told of
    /// all the same. Again after each `update`.
    EndOfCandidates,
    /// A STUN or TURN server did not do its work; one per server.
    IceServerError(IceServerError),
    // Row A34.
    /// The pair in use; again when a better one is found.
    ActiveCandidate {
        /// The local candidate.
        local: RTCIceCandidateDescription,
        /// The remote candidate.
        remote: RTCIceCandidateDescription,
    },
    // Rows A35, G13.
    /// ICE, DTLS and the peer's identity are established.
    Connected,
    // Rows A36, G14.
    /// The connection is lost, for now or for good.
    Disconnected {
        /// Why; [`is_transient`](DisconnectReason::is_transient) says whether it may come back.
        reason: DisconnectReason,
    },
    // Row G8.
    /// ICE was restarted because nothing was heard of the peer, as
    /// [`auto_restart`](crate::RTCConnectionOptions::auto_restart) has it: signal
    /// [`local`](crate::RTCConnection::local) and the candidates that follow.
    Restarted,
    /// DTLS failed, for this reason; `Disconnected` follows, see
    /// [`dtls_failure`](crate::RTCConnection::dtls_failure) as well.
    DtlsFailure(DtlsFailure),
    // Row G40.
    /// The peer made a data channel. Dropping it closes it.
    DataChannel(RTCDataChannel),
    // Rows A37, G15.
    /// `receive_track` named a stream that no other receiving track named.
    AddStream(MediaStream),
    // Rows A38 to A41, G16.
    /// A track without a description is connected: once for each SSRC. At most 64 wait to be read;
    /// what finds no room comes with a later packet. A source that was silent for a minute may be
    /// announced again.
    UnknownTrack(UnknownTrack),
    // Row G18.
    /// Identity policy `Deferred`: the handshake is done, nothing flows until `accept_peer` is
    /// called.
    PeerFingerprint(CertificateFingerprint),
    // Row G14.
    /// The state changed.
    StateChange(RTCConnectionState),
    // Row G13.
    /// ICE, for diagnosis.
    IceStateChange(RTCIceState),
    // Row G13.
    /// DTLS, for diagnosis.
    DtlsStateChange(RTCDtlsState),
    // Row C4.
    /// Something on one of the further sockets of the connection. Candidates, which name their
    /// socket by themselves, `AddStream` and `SsrcConflict` come plain.
    Socket {
        /// The socket, see [`RTCSocket::id`](crate::RTCSocket::id).
        socket_id: String,
        /// What happened there.
        event: Box<RTCConnectionEvent>,
    },
    // Row G24.
    /// The peer uses an SSRC of ours; it was changed: signal the track's description again.
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
            Self::Restarted => "restarted",
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
