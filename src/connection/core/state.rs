//! What changes on a connection, under one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::auto_restart::AutoRestart;
use tokio::task::AbortHandle;

use crate::connection::description::restrictions::{RTCRestrictions, profiles};
use crate::connection::description::roles::LocalCandidates;
use crate::connection::description::side::RTCConnectionSide;
use crate::connection::receiving::tracks::Receiving;
use crate::data::shared::ChannelShared;
use crate::engine::Engine;
use crate::engine::data::{ChannelKey, DEFAULT_MAX_MESSAGE};
use crate::engine::ice::{Candidate, CandidateKind, Credentials};
use crate::error::{DisconnectReason, Error, Misuse, Result};
use crate::media::sending::SendingTrack;
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrack;
use crate::socket::RTCSocket;

/// Everything that changes, under one lock. Nothing is awaited while it is held.
pub(crate) struct ConnectionState {
    pub(crate) engine: Engine,
    pub(crate) credentials: Credentials,
    /// Local candidates that were announced under these credentials: address, base and type.
    pub(crate) announced: Vec<(SocketAddr, SocketAddr, CandidateKind)>,
    pub(crate) remote: Option<RTCConnectionSide>,
    pub(crate) auto_restart: AutoRestart,
    pub(crate) policy: LocalCandidates,
    pub(crate) sending: BTreeMap<u32, SendingTrack>,
    pub(crate) streams: Vec<SendingStream>,
    /// Keys of the sending tracks that carry digits.
    pub(crate) carriers: BTreeSet<u32>,
    /// There may be tracks of digits that no audio track carries yet.
    pub(crate) digits_wait: bool,
    /// Digits that went with their audio track to another socket.
    pub(crate) digits_elsewhere: Vec<MediaStreamTrack>,
    pub(crate) receiving: Receiving,
    pub(crate) channels: BTreeMap<ChannelKey, Arc<ChannelShared>>,
    /// Tracks that are forwarded and of which the peer wants a key frame.
    pub(crate) asked: Vec<MediaStreamTrack>,
    /// Those that are to be less, as the path does not carry them.
    pub(crate) strained: Vec<MediaStreamTrack>,
    pub(crate) next_key: u32,
    pub(crate) closed: Option<DisconnectReason>,
    /// How long closing may take, for what is queued.
    pub(crate) linger: Duration,
    pub(crate) remote_names: usize,
    /// What looks for the addresses behind them; it ends with the connection.
    pub(crate) lookups: Vec<AbortHandle>,
    pub(crate) ignored_candidates: u64,
    /// Keeps the port open; given up when the connection is closed, whoever still has handles.
    pub(crate) socket: Option<RTCSocket>,
    // Row C7.
    /// What is received, and what is sent.
    pub(crate) receive_restrictions: RTCRestrictions,
    pub(crate) send_restrictions: RTCRestrictions,
    /// Those of further sockets.
    pub(crate) legs: Vec<Weak<dyn Leg>>,
}

/// The connection over another of its sockets, which ends with the first.
pub(crate) trait Leg: Send + Sync {
    fn close(&self, reason: DisconnectReason);
}

/// A stream that is sent.
pub(crate) struct SendingStream {
    pub(crate) stream: MediaStream,
    pub(crate) autostart: bool,
}

impl ConnectionState {
    pub(super) fn end_lookups(&mut self) {
        self.lookups.drain(..).for_each(|lookup| lookup.abort());
    }

    /// Why no verb is taken any more: the connection is closed, or is being closed.
    pub(crate) fn over(&self) -> Option<DisconnectReason> {
        self.closed.or_else(|| self.engine.closing())
    }

    /// Puts restrictions into force; in case of an error those before stay.
    ///
    /// `InvalidState` for another choice of encryption after `connect`.
    pub(crate) fn restrict(
        &mut self,
        receive: RTCRestrictions,
        send: RTCRestrictions,
    ) -> Result<()> {
        let profiles = profiles(&[&receive, &send])?;
        if !self.engine.set_srtp_profiles(profiles) {
            return Err(Error::invalid_state(
                "the encryption cannot change once connect was called",
            ));
        }
        self.engine
            .media_mut()
            .restrict_extensions(&receive.header_extensions, &send.header_extensions);
        self.receive_restrictions = receive;
        self.send_restrictions = send;
        Ok(())
    }

    pub(crate) fn add_remote_candidate(
        &mut self,
        now: Instant,
        candidate: Candidate,
        ufrag: Option<&str>,
    ) {
        match ufrag {
            Some(ufrag) => self.engine.add_remote_candidate_of(now, candidate, ufrag),
            None => self.engine.add_remote_candidate(now, candidate),
        }
    }

    pub(super) fn deliver_packets(&mut self) {
        let level_id = self.engine.media().extensions().csrc_audio_level;
        while let Some((id, packets)) = self.engine.poll_packets() {
            self.receiving.deliver(id, packets, level_id);
        }
        if self.receiving.has_offered() {
            self.receiving.describe_forwarded(&self.engine);
        }
    }

    /// The largest message that the peer takes (RFC 8841 section 6.1: 0 is without limit).
    pub(crate) fn peer_max_message_size(&self) -> usize {
        let declared = self.remote.as_ref().and_then(|side| side.sctp.as_ref());
        match declared.map(|sctp| sctp.max_message_size) {
            None => DEFAULT_MAX_MESSAGE,
            Some(0) => u32::MAX as usize,
            Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
        }
    }
}

pub(crate) fn removed() -> Error {
    Misuse::TrackRemoved.into()
}
