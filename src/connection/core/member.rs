//! A connection as the driver of its socket sees it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::event::RTCConnectionEvent;
use super::shared::ConnectionShared;
use super::state::{ConnectionState, Leg};
use crate::engine::EngineState;
use crate::engine::guard;
use crate::engine::ice::{Candidate, CandidateKind, Credentials};
use crate::engine::outgoing::Transmit;
use crate::error::{DisconnectReason, Result};
use crate::media::sending::SendingTrack;
use crate::socket::{Gathered, Member, Serviced};

/// Batches that one service of a connection sends at most.
const MAX_TRANSMITS: usize = 8;

impl Member for ConnectionShared {
    fn datagram(&self, now: Instant, local: SocketAddr, from: SocketAddr, data: &mut [u8]) {
        self.lock().engine.handle_datagram(now, local, from, data);
    }

    fn timeout(&self, now: Instant) {
        self.timers(now);
        let due = {
            let mut state = self.lock();
            let role = state.engine.ice().role();
            state.auto_restart.is_due(now, role)
        };
        if due && self.restart(now).is_ok() {
            self.events.push(RTCConnectionEvent::Restarted);
        }
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
        let serviced = Serviced {
            deadline: state.poll_timeout(),
            done: state.engine.state() == EngineState::Closed,
        };
        let elsewhere =
            state.receiving.has_offered() || !state.asked.is_empty() || !state.strained.is_empty();
        drop(state);
        if elsewhere {
            self.serve_others();
        }
        serviced
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
            Gathered::Candidate(candidate) => {
                if let CandidateKind::ServerReflexive | CandidateKind::Relay = candidate.kind {
                    self.lock().engine.note_server(true);
                }
                self.local_candidate(now, candidate);
            }
            Gathered::Error(error) => {
                if let Some(answered) = error.kind.answered() {
                    self.lock().engine.note_server(answered);
                }
                self.events
                    .push(RTCConnectionEvent::IceServerError(error.clone()));
            }
            Gathered::Complete => {
                self.local_candidates_end(now);
                self.events.push(RTCConnectionEvent::EndOfCandidates);
            }
        }
        self.wake();
    }

    fn stream_ended(&self, now: Instant, base: SocketAddr, remote: SocketAddr) {
        self.lock().engine.stream_ended(now, base, remote);
        self.wake();
    }

    fn withdrawn(&self, now: Instant, base: SocketAddr) {
        let _ = self.open(|state| {
            state.engine.withdraw_local_base(now, base);
            // Should it come back, it is news.
            state.announced.retain(|(_, known, _)| *known != base);
            state.auto_restart.withdrawn(base);
            Ok(())
        });
    }

    fn remote_candidate(&self, now: Instant, candidate: Candidate, ufrag: Option<&str>) {
        let _ = self.open(|state| {
            state.add_remote_candidate(now, candidate, ufrag);
            Ok(())
        });
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

impl ConnectionShared {
    fn timers(&self, now: Instant) {
        let mut state = self.lock();
        state.engine.handle_timeout(now);
        state.play_dtmf(now);
        state.receiving.handle_timeout(now);
        let ConnectionState {
            engine, receiving, ..
        } = &mut *state;
        receiving.repeat_keyframe_requests(now, engine);
        state.report(now);
    }

    /// ICE restart. Not with the connection's state locked.
    pub(crate) fn restart(&self, now: Instant) -> Result<()> {
        self.open(|_| Ok(()))?;
        let credentials = Credentials::generate()?;
        self.open(|state| {
            state.credentials = credentials.clone();
            state.announced.clear();
            state.engine.restart(now, credentials);
            Ok(())
        })?;
        // The peer cannot use the new fragment before this returns.
        self.update_route();
        self.socket.gather(now);
        Ok(())
    }
}

impl ConnectionState {
    /// When something has to be done next, by the engine or for digits.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let playing = self
            .carriers
            .iter()
            .filter_map(|key| self.sending.get(key))
            .filter(|track| track.started && self.engine.is_connected())
            .filter_map(SendingTrack::dtmf_timeout);
        self.engine
            .poll_timeout()
            .into_iter()
            .chain(playing)
            .chain(self.receiving.poll_timeout())
            .chain(self.auto_restart.timeout())
            .min()
    }
}

impl Leg for ConnectionShared {
    fn close(&self, reason: DisconnectReason) {
        self.close(reason);
    }
}
