//! The state behind an RTCConnection, as its socket's driver and its tracks see it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::data_channel::Channels;
use super::data_options::DataChannelCloseReason;
use super::event::RTCConnectionEvent;
use super::legs::EventSink;
use super::receiving::Receiving;
use super::sink::removed;
use super::state::{RTCConnectionState, RTCDtlsState, RTCIceState};
use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::connection::description::fingerprint::fingerprints;
use crate::connection::description::restrictions::{RTCRestrictions, profiles};
use crate::connection::description::roles::LocalCandidates;
use crate::connection::description::side::RTCConnectionSide;
use crate::engine::certificate::HashAlgorithm;
use crate::engine::data::{ChannelKey, DEFAULT_MAX_MESSAGE};
use crate::engine::guard;
use crate::engine::ice::{Candidate, Credentials};
use crate::engine::outgoing::Transmit;
use crate::engine::{Engine, EngineEvent, EngineState};
use crate::error::{DisconnectReason, Error, Result};
use crate::locks::{Guard, Signal};
use crate::media::sending::SendingTrack;
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrackEvent;
use crate::queue::lock;
use crate::socket::{Gathered, Member, MemberId, RTCSocket, Serviced, SocketNews, SocketShared};

/// Batches that one service of a connection sends at most.
const MAX_TRANSMITS: usize = 8;

pub(crate) struct ConnectionShared {
    pub(crate) id: MemberId,
    pub(crate) socket: Arc<SocketShared>,
    pub(crate) events: EventSink,
    /// Milestones: woken at each change of state.
    pub(crate) changed: Arc<Signal>,
    state: Mutex<ConnectionState>,
    /// Held while a stream is added. Locked before the state, never after.
    pub(super) adding: Mutex<()>,
    dirty: AtomicBool,
    /// Channels of which the last handle is gone.
    pub(super) abandoned: Mutex<Vec<ChannelKey>>,
    pub(crate) this: Weak<ConnectionShared>,
}

/// Everything that changes, under one lock. Nothing is awaited while it is held.
pub(crate) struct ConnectionState {
    pub(crate) engine: Engine,
    pub(crate) credentials: Credentials,
    /// Local candidates that were announced under these credentials: address and base.
    pub(crate) announced: Vec<(SocketAddr, SocketAddr)>,
    pub(crate) remote: Option<RTCConnectionSide>,
    pub(crate) policy: LocalCandidates,
    pub(crate) sending: BTreeMap<u32, SendingTrack>,
    pub(crate) streams: Vec<SendingStream>,
    /// Keys of the sending tracks that carry digits.
    pub(crate) carriers: BTreeSet<u32>,
    /// There may be tracks of digits that no audio track carries yet.
    pub(crate) digits_wait: bool,
    pub(crate) receiving: Receiving,
    pub(crate) channels: Channels,
    pub(crate) next_key: u32,
    pub(crate) closed: Option<DisconnectReason>,
    /// How long closing may take, for what is queued.
    pub(crate) linger: Duration,
    pub(crate) remote_names: usize,
    pub(crate) ignored_candidates: u64,
    pub(crate) media_dropped: u64,
    /// Keeps the port open; given up when the connection is closed, whoever still has handles.
    pub(crate) socket: Option<RTCSocket>,
    /// What is received, and what is sent (row C7).
    pub(crate) receive_restrictions: RTCRestrictions,
    pub(crate) send_restrictions: RTCRestrictions,
    /// Those of further sockets. Locked after this one, never before.
    pub(crate) legs: Vec<Weak<ConnectionShared>>,
}

/// A stream that is sent.
pub(crate) struct SendingStream {
    pub(crate) stream: MediaStream,
    pub(crate) autostart: bool,
}

impl ConnectionShared {
    pub(crate) fn new(
        id: MemberId,
        socket: Arc<SocketShared>,
        state: ConnectionState,
        events: EventSink,
        changed: Arc<Signal>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            id,
            socket,
            events,
            changed,
            state: Mutex::new(state),
            adding: Mutex::default(),
            dirty: AtomicBool::new(false),
            abandoned: Mutex::default(),
            this: this.clone(),
        })
    }

    pub(crate) fn lock(&self) -> Guard<'_, ConnectionState> {
        lock(&self.state)
    }

    pub(crate) fn local_socket(&self) -> RTCSocket {
        let own = self.lock().socket.clone();
        own.unwrap_or_else(|| RTCSocket::of(&self.socket))
    }

    /// Has the driver send what waits and tell what happened.
    pub(crate) fn wake(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            self.socket.wake(self.id);
        }
    }

    /// Runs a verb on an open connection and wakes the driver.
    pub(crate) fn open<T>(&self, f: impl FnOnce(&mut ConnectionState) -> Result<T>) -> Result<T> {
        let result = {
            let mut state = self.lock();
            if let Some(reason) = state.over() {
                return Err(Error::Closed(reason));
            }
            let result = f(&mut state);
            let carries = !state.sending.is_empty() || !state.receiving.is_empty();
            if self.events.set_carries(carries) {
                self.changed.notify();
            }
            result
        };
        self.wake();
        result
    }

    /// Closes this and its legs, once what is queued on data channels was handed over. From now on
    /// every verb is refused.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        {
            let mut state = self.lock();
            if state.over().is_some() {
                return;
            }
            let linger = state.linger;
            let now = Instant::now();
            state.engine.close_after_data(now, reason, linger);
            self.publish(&mut state);
            for channel in state.channels.values() {
                channel.closing();
            }
            for leg in state.legs.iter().filter_map(Weak::upgrade) {
                leg.close(reason);
            }
        }
        self.changed.notify();
        self.wake();
    }

    /// Moves the engine's events and packets to the application.
    fn publish(&self, state: &mut ConnectionState) {
        if !state.engine.has_output() {
            return;
        }
        let mut changed = false;
        while let Some(event) = state.engine.poll_event() {
            changed = true;
            if matches!(event, EngineEvent::Disconnected(_)) {
                // What arrived before the end is delivered before it is told.
                self.publish_data(state);
            }
            self.publish_event(state, event);
        }
        self.publish_data(state);
        state.deliver_packets();
        self.publish_unknown(state);
        if changed {
            self.changed.notify();
        }
    }

    /// Ends without a word to the peer, since what would say it is at fault: of what the
    /// application waits for, nothing is left waiting.
    fn abandon(&self, reason: DisconnectReason) {
        let mut state = self.lock();
        state.closed.get_or_insert(reason);
        for (_, channel) in std::mem::take(&mut state.channels) {
            channel.closed(DataChannelCloseReason::ConnectionClosed, 0);
        }
        let _ = guard::contain(|| state.receiving.end());
        state.socket = None;
        let reason = state.closed.unwrap_or(reason);
        self.events.set_up(false);
        self.events
            .push(RTCConnectionEvent::Disconnected { reason });
        self.events.close();
        self.changed.notify();
    }

    fn publish_event(&self, state: &mut ConnectionState, event: EngineEvent) {
        match event {
            EngineEvent::State(new) => {
                let new = RTCConnectionState::from(new);
                self.events.push(RTCConnectionEvent::StateChange(new));
            }
            EngineEvent::Ice(new) => {
                let new = RTCIceState::from(new);
                self.events.push(RTCConnectionEvent::IceStateChange(new));
            }
            EngineEvent::Secure(new) => {
                let new = RTCDtlsState::from(new);
                self.events.push(RTCConnectionEvent::DtlsStateChange(new));
            }
            EngineEvent::ActivePair { local, remote } => {
                self.socket.tell(|| SocketNews::Active {
                    local: local.clone(),
                    remote: remote.clone(),
                });
                self.events.push(RTCConnectionEvent::ActiveCandidate {
                    local: RTCIceCandidateDescription::from_engine(&local, None),
                    remote: RTCIceCandidateDescription::from_engine(&remote, None),
                });
            }
            EngineEvent::PeerCertificate => {
                let fingerprint = state
                    .engine
                    .peer_certificate()
                    .and_then(|der| fingerprints(der, HashAlgorithm::ALL));
                if let Some(fingerprint) = fingerprint {
                    self.events
                        .push(RTCConnectionEvent::PeerFingerprint(fingerprint));
                }
            }
            EngineEvent::Connected => {
                self.socket.tell(|| SocketNews::Connected);
                self.events.set_up(true);
            }
            EngineEvent::DtlsFailure(failure) => {
                self.events.push(RTCConnectionEvent::DtlsFailure(failure));
            }
            EngineEvent::Disconnected(reason) => {
                self.socket.tell(|| SocketNews::Disconnected(reason));
                if state.engine.state() == EngineState::Closed {
                    for leg in state.legs.drain(..).filter_map(|leg| leg.upgrade()) {
                        leg.close(reason);
                    }
                }
                self.events.set_up(false);
                self.events
                    .push(RTCConnectionEvent::Disconnected { reason });
                if state.engine.state() == EngineState::Closed && state.closed.is_none() {
                    state.closed = Some(reason);
                    state.deliver_packets();
                    state.receiving.end();
                    state.socket = None;
                    self.events.set_carries(false);
                    self.events.close();
                }
            }
            EngineEvent::ReceiverConnected(id) => state.receiving.connected(id),
            EngineEvent::ReceiverDisconnected(id) => state.receiving.disconnected(id),
            EngineEvent::KeyframeRequested { ssrc } => {
                if let Some(track) = state.sending.values().find(|track| track.ssrc == ssrc) {
                    track.source.emit(MediaStreamTrackEvent::KeyframeRequested);
                    // The first encoding has two names.
                    let first = track.rid.as_ref().filter(|_| track.parent.is_none());
                    if let Some(alias) = first.and_then(|rid| track.source.encoding(rid)) {
                        alias.emit(MediaStreamTrackEvent::KeyframeRequested);
                    }
                }
            }
            EngineEvent::SsrcConflict { ssrc } => {
                if let Some(new) = state.replace_ssrc(Instant::now(), ssrc) {
                    self.events
                        .push(RTCConnectionEvent::SsrcConflict { old: ssrc, new });
                }
            }
        }
    }

    /// Applies a discovered local candidate, or leaves that to the application (row G3).
    fn local_candidate(&self, now: Instant, candidate: &Candidate) {
        let mut state = self.lock();
        if state.over().is_some() {
            return;
        }
        if state.policy == LocalCandidates::Auto {
            state.engine.add_local_candidate(now, candidate.clone());
        }
        let key = (candidate.addr, candidate.base);
        if state.announced.contains(&key) {
            return;
        }
        state.announced.push(key);
        let ufrag = state.credentials.ufrag.clone();
        self.events.push(RTCConnectionEvent::Candidate(
            RTCIceCandidateDescription::from_engine(candidate, Some(&ufrag)),
        ));
        if ufrag != self.socket.credentials.ufrag {
            self.socket
                .tell(|| SocketNews::Restarted(candidate.clone(), ufrag));
        }
    }

    /// Tells the socket which user name fragments lead here.
    pub(super) fn update_route(&self) {
        let (local, remote, undecided) = {
            let state = self.lock();
            let ice = state.engine.ice();
            (ice.local_ufrags(), ice.remote_ufrags(), ice.awaits_remote())
        };
        self.socket.set_ufrags(self.id, local, remote, undecided);
    }
}

impl ConnectionState {
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
            .restrict_extensions(&receive.header_extensions, &send.header_extensions);
        self.receive_restrictions = receive;
        self.send_restrictions = send;
        Ok(())
    }

    pub(super) fn add_remote_candidate(
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

    fn deliver_packets(&mut self) {
        let level_id = self.engine.extensions().csrc_audio_level;
        while let Some((id, packets)) = self.engine.poll_packets() {
            self.receiving.deliver(id, packets, level_id);
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

    /// RFC 3550 section 8.2: BYE for the SSRC that collides, then a new one.
    fn replace_ssrc(&mut self, now: Instant, old: u32) -> Option<u32> {
        let new = self.fresh_ssrc();
        if !self.sending.values().any(|track| track.ssrc == old) {
            return self.replace_rtx_ssrc(old, new);
        }
        self.change_ssrc(now, old, new).ok()?;
        Some(new)
    }

    pub(super) fn change_ssrc(&mut self, now: Instant, old: u32, new: u32) -> Result<()> {
        let rtx = self.fresh_ssrc();
        let of_old = |(_, track): &(&u32, &mut SendingTrack)| track.ssrc == old;
        let (&key, track) = self.sending.iter_mut().find(of_old).ok_or_else(removed)?;
        let (clock_rate, mid) = (track.clock_rate(), track.mux_id.clone());
        self.engine.add_sender(new, clock_rate, mid)?;
        self.engine.remove_sender(now, old);
        track.ssrc = new;
        track.rtx_ssrc = rtx;
        if let Some(next) = self.engine.next_sequence(new) {
            track.go_on_with(next);
        }
        self.sync_encodings(key);
        Ok(())
    }

    pub(super) fn uses_ssrc(&self, ssrc: u32) -> bool {
        self.sending.values().any(|track| track.uses_ssrc(ssrc)) || self.receiving.uses_ssrc(ssrc)
    }

    pub(crate) fn fresh_ssrc(&self) -> u32 {
        loop {
            let ssrc = crate::random::u32();
            if ssrc != 0 && !self.uses_ssrc(ssrc) {
                return ssrc;
            }
        }
    }
}

impl Member for ConnectionShared {
    fn datagram(&self, now: Instant, local: SocketAddr, from: SocketAddr, data: &mut [u8]) {
        self.lock().engine.handle_datagram(now, local, from, data);
    }

    fn timeout(&self, now: Instant) {
        let mut state = self.lock();
        state.engine.handle_timeout(now);
        state.play_dtmf(now);
        state.receiving.handle_timeout(now);
        state.report(now);
    }

    fn resumed(&self, now: Instant, slept: Duration) {
        self.lock().engine.resumed(now, slept);
    }

    fn service(&self, out: &mut VecDeque<Transmit>) -> Serviced {
        self.dirty.store(false, Ordering::Release);
        let mut state = self.lock();
        self.close_abandoned(&mut state);
        self.publish(&mut state);
        while let Some(transmit) = state.engine.poll_transmit() {
            out.push_back(transmit);
            if out.len() >= MAX_TRANSMITS {
                // Data knows no end: others get a turn, and what comes in is read.
                self.wake();
                break;
            }
        }
        // Sending frees buffers that are waited for.
        self.publish(&mut state);
        let held = state.engine.held();
        state.receiving.stay_within_budget(held);
        Serviced {
            deadline: state.poll_timeout(),
            done: state.engine.state() == EngineState::Closed,
        }
    }

    fn accepts(&self, local: SocketAddr, from: SocketAddr) -> bool {
        self.lock().engine.ice().accepts(local, from)
    }

    fn is_open(&self) -> bool {
        self.lock().over().is_none()
    }

    fn remotes(&self) -> Vec<SocketAddr> {
        self.lock().engine.ice().remote_addresses()
    }

    fn gathered(&self, now: Instant, found: &Gathered) {
        match found {
            Gathered::Candidate(candidate) => self.local_candidate(now, candidate),
            Gathered::Error(error) => self
                .events
                .push(RTCConnectionEvent::IceServerError(error.clone())),
            Gathered::Complete => self.events.push(RTCConnectionEvent::EndOfCandidates),
        }
        self.wake();
    }

    fn withdrawn(&self, now: Instant, base: SocketAddr) {
        let _ = self.open(|state| {
            state.engine.withdraw_local_base(now, base);
            // Should it come back, it is news.
            state.announced.retain(|(_, known)| *known != base);
            Ok(())
        });
    }

    fn remote_candidate(&self, now: Instant, candidate: Candidate, ufrag: Option<&str>) {
        let _ = self.open(|state| {
            state.add_remote_candidate(now, candidate, ufrag);
            Ok(())
        });
    }

    fn base_gone(&self, now: Instant, base: SocketAddr) {
        let mut state = self.lock();
        state.announced.retain(|(_, of)| *of != base);
        state.engine.remove_local_base(now, base);
    }

    fn end(&self, now: Instant, reason: DisconnectReason) {
        let said = guard::contain(|| {
            let mut state = self.lock();
            if state.closed.is_none() {
                state.engine.close(now, reason);
                self.publish(&mut state);
            }
        });
        if said.is_err() {
            self.abandon(reason);
        }
    }
}
