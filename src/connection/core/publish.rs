//! What the engine tells, told to the application.

use std::time::Instant;

use super::event::RTCConnectionEvent;
use super::shared::ConnectionShared;
use super::state::ConnectionState;
use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::connection::description::fingerprint::fingerprints;
use crate::connection::description::roles::LocalCandidates;
use crate::connection::description::state::{RTCConnectionState, RTCDtlsState, RTCIceState};
use crate::engine::certificate::HashAlgorithm;
use crate::engine::ice::Candidate;
use crate::engine::ice::scope::is_link_local;
use crate::engine::{EngineEvent, EngineState};
use crate::error::DisconnectReason;
use crate::media::track::MediaStreamTrackEvent;
use crate::socket::SocketNews;

impl ConnectionShared {
    /// Moves the engine's events and packets to the application.
    pub(super) fn publish(&self, state: &mut ConnectionState) {
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

    fn publish_event(&self, state: &mut ConnectionState, event: EngineEvent) {
        match event {
            EngineEvent::State(new) => {
                let new = RTCConnectionState::from(new);
                self.events.push(RTCConnectionEvent::StateChange(new));
            }
            EngineEvent::Ice(new) => {
                let role = state.engine.ice().role();
                state.auto_restart.ice(Instant::now(), new, role);
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
                    .secure()
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
            EngineEvent::Disconnected(reason) => self.publish_end(state, reason),
            EngineEvent::ReceiverConnected(id) => state.receiving.connected(id),
            EngineEvent::ReceiverDisconnected(id) => state.receiving.disconnected(id),
            EngineEvent::KeyframeRequested { ssrc } => {
                if let Some(track) = state.sending.values().find(|track| track.ssrc == ssrc) {
                    if track.source.is_fed() {
                        // That locks another connection: once this one is unlocked.
                        state.asked.push(track.source.clone());
                        return;
                    }
                    track.source.emit(MediaStreamTrackEvent::KeyframeRequested);
                    // The first encoding has two names.
                    let first = track.rid.as_ref().filter(|_| track.parent.is_none());
                    if let Some(alias) = first.and_then(|rid| track.source.encoding(rid)) {
                        alias.emit(MediaStreamTrackEvent::KeyframeRequested);
                    }
                }
            }
            EngineEvent::PathStrained => {
                // As above. A peer may tell of it many times before that.
                for track in state.sending.values() {
                    if track.source.is_fed() && !state.strained.contains(&track.source) {
                        state.strained.push(track.source.clone());
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

    /// Tells of the end, which may be for now only.
    fn publish_end(&self, state: &mut ConnectionState, reason: DisconnectReason) {
        self.socket.tell(|| SocketNews::Disconnected(reason));
        if state.engine.state() == EngineState::Closed {
            for leg in state.legs.drain(..).filter_map(|leg| leg.upgrade()) {
                leg.close(reason);
            }
        }
        self.events.set_up(false);
        self.events
            .push(RTCConnectionEvent::Disconnected { reason });
        // They may wait to be opened.
        state.channels.values().for_each(|c| c.changed.notify());
        if state.engine.state() == EngineState::Closed && state.closed.is_none() {
            state.closed = Some(reason);
            state.deliver_packets();
            state.receiving.end();
            state.end_lookups();
            state.socket = None;
            self.events.set_carries(false);
            self.events.close();
        }
    }

    /// Gathering is over. Candidates that the application has yet to apply may still come.
    pub(super) fn local_candidates_end(&self, now: Instant) {
        let mut state = self.lock();
        if state.policy == LocalCandidates::Auto || state.announced.is_empty() {
            state.engine.end_of_local_candidates(now);
        }
    }

    // Row G3.
    /// Applies a discovered local candidate, or leaves that to the application.
    pub(super) fn local_candidate(&self, now: Instant, candidate: &Candidate) {
        let mut state = self.lock();
        if state.over().is_some() {
            return;
        }
        if state.policy == LocalCandidates::Auto {
            state.engine.add_local_candidate(now, candidate.clone());
        }
        let key = (candidate.addr, candidate.base, candidate.kind);
        if state.announced.contains(&key) {
            return;
        }
        // For the peer, one link-local address on several links is one.
        let told = is_link_local(candidate.addr.ip())
            && state.announced.iter().any(|(addr, base, _)| {
                *addr == candidate.addr && base.port() == candidate.base.port()
            });
        state.announced.push(key);
        if told {
            return;
        }
        let lost = state.engine.lost().is_some();
        state.auto_restart.found(now, candidate.addr, lost);
        let ufrag = state.credentials.ufrag.clone();
        self.events.push(RTCConnectionEvent::Candidate(
            RTCIceCandidateDescription::from_engine(candidate, Some(&ufrag)),
        ));
        if ufrag != self.socket.credentials.ufrag {
            self.socket
                .tell(|| SocketNews::Restarted(candidate.clone(), ufrag));
        }
    }
}
