//! What the parts of an engine have to say goes to where it belongs.

use std::time::Instant;

use super::data::ClosedBecause;
use super::dtls::{DtlsRole, KeyingMaterial};
use super::ice::{IceEvent, IceState};
use super::log;
use super::machine::Engine;
use super::model::{EngineEvent, EngineState};
use super::outgoing::Outlet;
use super::secure::SecureNews;
use crate::error::{DisconnectReason, DtlsFailure};
use crate::trace;

impl Engine {
    /// Moves what the parts have to say to where it belongs, until nothing is left.
    pub(super) fn advance(&mut self, now: Instant) {
        // The end was the last event; what is left inside goes nowhere.
        if self.state == EngineState::Closed {
            return;
        }
        while let Some(event) = self.ice.poll_event() {
            self.on_ice_event(now, event);
        }
        if self.secure.asks_for_proof() {
            self.ice.prove_path(now);
        }
        while let Some(check) = self.ice.poll_transmit() {
            self.out.push(check.local, check.remote, &check.data);
        }
        self.poll_secure(now);
        self.flush_secure();
        self.media.poll_events(&mut self.events);
        if self.media.has_requests() {
            let outlet = Outlet::new(&mut self.out, self.ice.send_path());
            self.media
                .answer_nacks(now, self.ice.selected_rtt(), outlet);
        }
        loop {
            let outlet = Outlet::new(&mut self.out, self.ice.send_path());
            if !self.media.send_held(now, outlet) {
                break;
            }
        }
        self.flush_rtcp(now);
    }

    fn on_ice_event(&mut self, now: Instant, event: IceEvent) {
        log::ice(&self.span, &event, &self.ice, self.servers);
        match event {
            IceEvent::State(state) => {
                self.events.push(EngineEvent::Ice(state));
                match state {
                    IceState::Connected => {
                        self.path_heard(now);
                        self.update_connected(now);
                    }
                    IceState::Failed if self.ice.has_no_address() => {
                        self.halt(DisconnectReason::NoAddress);
                    }
                    IceState::Failed => self.halt(DisconnectReason::IceFailed),
                    IceState::Checking => self.lost = None,
                    IceState::Disconnected => self.silent = true,
                    IceState::New | IceState::Closed => {}
                }
            }
            IceEvent::Selected { local, remote } => {
                self.traffic.selections += 1;
                self.data.path_changed();
                self.path_heard(now);
                self.events.push(EngineEvent::ActivePair { local, remote });
                if !self.secure.is_started() {
                    self.start_secure(now);
                }
                self.update_connected(now);
            }
            IceEvent::ConsentLost => self.halt(DisconnectReason::ConsentLost),
            IceEvent::Role(_) | IceEvent::RemoteCandidateDiscovered(_) => {}
        }
    }

    /// After a silence nobody waits for the back-off of what was sent meanwhile.
    fn path_heard(&mut self, now: Instant) {
        if std::mem::take(&mut self.silent) {
            self.data.told(now);
            self.data.path_restored(now);
            self.poll_data(now);
        }
    }

    // Row G13.
    /// Goes to `Connected` once ICE, DTLS and the identity all agree.
    fn update_connected(&mut self, now: Instant) {
        if matches!(self.state, EngineState::Searching | EngineState::Halted)
            && self.secure.accepted()
            && self.ice.send_path().is_some()
        {
            self.lost = None;
            self.set_state(EngineState::Connected);
            self.events.push(EngineEvent::Connected);
            tracing::info!(target: trace::CONNECTION, parent: &self.span, "connected");
            self.data.path_restored(now);
            self.start_data(now);
        }
    }

    /// The path is lost, or none was found; an ICE restart may bring it back. Told once for each
    /// search.
    fn halt(&mut self, reason: DisconnectReason) {
        if matches!(self.state, EngineState::New | EngineState::Closed) || self.lost.is_some() {
            return;
        }
        self.lost = Some(reason);
        self.set_state(EngineState::Halted);
        self.events.push(EngineEvent::Disconnected(reason));
        self.log_end(reason);
    }

    pub(super) fn set_state(&mut self, state: EngineState) {
        if self.state != state {
            self.state = state;
            self.events.push(EngineEvent::State(state));
        }
    }

    // ---- DTLS and its keys ----------------------------------------------------------------

    fn start_secure(&mut self, now: Instant) {
        let started = self.secure.start(now, self.ice.role(), &mut self.events);
        match started {
            Ok(role) => self.data.set_dtls_client(role == DtlsRole::Client),
            Err(reason) => self.end_secure(now, reason),
        }
    }

    fn poll_secure(&mut self, now: Instant) {
        while let Some(news) = self.secure.poll(&mut self.events) {
            match news {
                SecureNews::Accepted(keys) => self.on_accepted(now, keys),
                SecureNews::Data(packet) => self.handle_sctp(now, &packet),
                SecureNews::PeerClosed => self.close(now, DisconnectReason::RemoteClosed),
                SecureNews::Failed(reason) => self.end_secure(now, reason),
            }
            if self.state == EngineState::Closed {
                return;
            }
        }
    }

    /// The peer is the right one: media and data may flow.
    pub(super) fn on_accepted(&mut self, now: Instant, keys: Option<KeyingMaterial>) {
        if let Some(keys) = keys
            && let Err(error) = self.media.install(&keys)
        {
            tracing::warn!(target: trace::SRTP, parent: &self.span, %error, "the keys could not be installed");
            self.fail_secure(now, DtlsFailure::Internal);
        }
        self.update_connected(now);
    }

    pub(super) fn fail_secure(&mut self, now: Instant, failure: DtlsFailure) {
        let reason = self.secure.fail(failure, &mut self.events);
        self.end_secure(now, reason);
    }

    fn end_secure(&mut self, now: Instant, reason: DisconnectReason) {
        self.media.forget_keys();
        self.close(now, reason);
    }

    pub(super) fn flush_secure(&mut self) {
        let path = self.ice.send_path();
        self.secure.flush(Outlet::new(&mut self.out, path));
    }

    pub(super) fn flush_rtcp(&mut self, now: Instant) {
        let path = self.ice.send_path();
        self.media.flush_rtcp(now, Outlet::new(&mut self.out, path));
    }

    // ---- data -----------------------------------------------------------------------------

    /// Makes the association once a channel wants one and the peer is accepted.
    pub(super) fn start_data(&mut self, now: Instant) {
        self.data.told(now);
        if self.state == EngineState::Connected && self.data.start(now) {
            self.poll_data(now);
        }
    }

    /// One SCTP packet out of a DTLS record.
    pub(super) fn handle_sctp(&mut self, now: Instant, packet: &[u8]) {
        self.data.handle_packet(now, self.secure.accepted(), packet);
        self.poll_data(now);
    }

    pub(super) fn poll_data(&mut self, now: Instant) {
        if self.data.poll(now) {
            // What the association still has to say, an ABORT, is said first.
            self.flush_data();
            self.data.end(ClosedBecause::Association);
            self.suspect_leave(now);
        }
    }

    /// Moves SCTP packets into DTLS records, at most one batch.
    pub(super) fn flush_data(&mut self) {
        let path = self.ice.send_path();
        let (Some(mut outlet), Some(dtls)) =
            (Outlet::new(&mut self.out, path), &mut self.secure.dtls)
        else {
            return;
        };
        if self.data.flush(dtls.as_mut(), &mut outlet) {
            // What went out frees buffers.
            self.poll_data(self.data.last_now());
        }
    }
}
