//! DTLS inside the engine: the association with the peer, and whether its certificate is the one
//! that was announced.

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use tracing::Span;

use super::certificate::{self, Certificate};
use super::dtls::{
    Announced, DtlsConfig, DtlsCounters, DtlsEvent, DtlsRole, DtlsTransport, KeyingMaterial,
    RtcDtls, SrtpProfile,
};
use super::early::EarlyHellos;
use super::events::Events;
use super::ice::Role;
use super::model::{EngineConfig, EngineEvent, Identity, SecureState};
use super::outgoing::Outlet;
use crate::error::{DisconnectReason, DtlsFailure};
use crate::trace;

/// The secured transport.
pub(crate) struct Secure {
    /// The connection in the log.
    span: Span,
    certificate: Certificate,
    identity: Identity,
    state: SecureState,
    /// The role that this side states, and that of the peer.
    own_role: Option<DtlsRole>,
    peer_role: Option<DtlsRole>,
    /// The role that this side has.
    role: Option<DtlsRole>,
    profiles: Vec<SrtpProfile>,
    pub(super) dtls: Option<Box<dyn DtlsTransport>>,
    early: EarlyHellos,
    early_dropped: u64,
    fingerprints: Vec<(String, Vec<u8>)>,
    peer_certificate: Option<Vec<u8>>,
    cipher_suite: Option<&'static str>,
    /// Keys that wait for `accept`.
    pending: Option<KeyingMaterial>,
    accepted: bool,
    failure: Option<DtlsFailure>,
}

/// What concerns the other parts of the engine.
pub(super) enum SecureNews {
    /// The peer is the right one: the keys, if any were agreed.
    Accepted(Option<KeyingMaterial>),
    /// The content of a record.
    Data(Bytes),
    PeerClosed,
    Failed(DisconnectReason),
}

impl Secure {
    pub(super) fn new(config: &EngineConfig) -> Self {
        Self {
            span: config.span.clone(),
            certificate: config.certificate.clone(),
            identity: config.identity,
            state: SecureState::New,
            own_role: config.dtls_role,
            peer_role: None,
            role: None,
            profiles: SrtpProfile::ALL.to_vec(),
            dtls: None,
            early: EarlyHellos::default(),
            early_dropped: 0,
            fingerprints: Vec::new(),
            peer_certificate: None,
            cipher_suite: None,
            pending: None,
            accepted: false,
            failure: None,
        }
    }

    // ---- what signalling says -------------------------------------------------------------

    /// The fingerprints that signalling says the peer's certificate has.
    pub(crate) fn set_remote_fingerprints(&mut self, fingerprints: Vec<(String, Vec<u8>)>) {
        self.fingerprints = fingerprints;
    }

    pub(crate) fn has_remote_fingerprints(&self) -> bool {
        !self.fingerprints.is_empty()
    }

    /// The role that the peer has stated, if any; one of our own wins.
    pub(crate) fn set_remote_role(&mut self, role: Option<DtlsRole>) {
        self.peer_role = role;
    }

    /// The role that this side states, `None` when it goes by ICE role or by what the peer states.
    pub(crate) fn stated_role(&self) -> Option<DtlsRole> {
        self.own_role
    }

    /// The role that both sides state.
    pub(super) fn common_role(&self) -> Option<DtlsRole> {
        self.own_role.filter(|role| Some(*role) == self.peer_role)
    }

    pub(super) fn set_profiles(&mut self, profiles: Vec<SrtpProfile>) {
        self.profiles = profiles;
    }

    // ---- views ----------------------------------------------------------------------------

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    pub(crate) fn state(&self) -> SecureState {
        self.state
    }

    /// The role that this side has, once the association begins.
    pub(crate) fn role(&self) -> Option<DtlsRole> {
        self.role
    }

    /// The profiles to negotiate.
    pub(super) fn profiles(&self) -> &[SrtpProfile] {
        &self.profiles
    }

    /// DER of the peer's certificate, once the handshake is done.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.peer_certificate.as_deref()
    }

    pub(super) fn accepted(&self) -> bool {
        self.accepted
    }

    /// Why DTLS failed, if it did.
    pub(crate) fn failure(&self) -> Option<&DtlsFailure> {
        self.failure.as_ref()
    }

    pub(crate) fn cipher_suite(&self) -> Option<&'static str> {
        self.cipher_suite
    }

    pub(crate) fn counters(&self) -> DtlsCounters {
        self.dtls
            .as_ref()
            .map(|dtls| dtls.counters())
            .unwrap_or_default()
    }

    /// Datagrams that came before the association, and were dropped.
    pub(super) fn early_dropped(&self) -> u64 {
        self.early_dropped
    }

    /// Bytes of those that are kept.
    pub(super) fn early_bytes(&self) -> usize {
        self.early.bytes()
    }

    // ---- the association ------------------------------------------------------------------

    pub(super) fn is_started(&self) -> bool {
        self.dtls.is_some()
    }

    /// Begins the association; gives the role that this side has in it.
    ///
    /// # Errors
    ///
    /// Why the connection ends: both sides state one role, or the association cannot be made.
    pub(super) fn start(
        &mut self,
        now: Instant,
        ice_role: Option<Role>,
        events: &mut Events,
    ) -> Result<DtlsRole, DisconnectReason> {
        let agreed = self.peer_role.map(DtlsRole::opposite);
        let role = self.own_role.or(agreed).unwrap_or(match ice_role {
            // Conformance row G35: the controlled side is the client.
            Some(Role::Controlled) => DtlsRole::Client,
            Some(Role::Controlling) | None => DtlsRole::Server,
        });
        self.role = Some(role);
        if let Some(role) = self.common_role() {
            return Err(self.fail(role.of_both(), events));
        }
        let config = DtlsConfig {
            srtp_profiles: self.profiles.clone(),
            announced: self.announced(),
            span: self.span.clone(),
            ..DtlsConfig::default()
        };
        match RtcDtls::new(&self.certificate, role, config) {
            Ok(mut dtls) => {
                dtls.start(now);
                for datagram in self.early.take() {
                    dtls.handle_datagram(now, &datagram);
                }
                self.dtls = Some(Box::new(dtls));
                tracing::debug!(target: trace::DTLS, parent: &self.span, ?role, "the handshake begins");
                self.set_state(SecureState::Connecting, events);
                Ok(role)
            }
            Err(error) => {
                tracing::warn!(target: trace::DTLS, parent: &self.span, %error, "the association could not be made");
                Err(self.fail(DtlsFailure::Internal, events))
            }
        }
    }

    fn announced(&self) -> Option<Announced> {
        let allow_weak = match self.identity {
            Identity::Pinned { allow_weak, .. } => Some(allow_weak),
            Identity::Deferred => self.has_remote_fingerprints().then_some(false),
            Identity::Insecure => None,
        };
        allow_weak.map(|allow_weak| Announced {
            fingerprints: self.fingerprints.clone(),
            allow_weak,
        })
    }

    /// As [`DtlsTransport::open_data`].
    pub(super) fn open_data(&mut self, data: &mut [u8], at: &mut usize) -> Option<Range<usize>> {
        self.dtls.as_mut()?.open_data(data, at)
    }

    /// What is no data; before there is an association, hellos are kept.
    pub(super) fn handle_datagram(&mut self, now: Instant, data: &[u8]) {
        match &mut self.dtls {
            Some(dtls) => dtls.handle_datagram(now, data),
            None => self.early_dropped += self.early.keep(data),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_timeout(now);
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.dtls.as_ref().and_then(|dtls| dtls.poll_timeout())
    }

    /// The peer answered an authenticated check of the path then.
    pub(super) fn path_proved(&mut self, at: Option<Instant>) {
        if let (Some(dtls), Some(at)) = (&mut self.dtls, at) {
            dtls.path_proved(at);
        }
    }

    /// Whether such an answer is wanted now.
    pub(super) fn asks_for_proof(&mut self) -> bool {
        self.dtls.as_mut().is_some_and(|dtls| dtls.asks_for_proof())
    }

    /// Moves the datagrams of the handshake out.
    pub(super) fn flush(&mut self, outlet: Option<Outlet<'_>>) {
        let (Some(dtls), Some(mut outlet)) = (&mut self.dtls, outlet) else {
            return;
        };
        while let Some(datagram) = dtls.poll_transmit() {
            outlet.push(&datagram);
        }
    }

    /// Takes what the association has to say, up to the next that concerns other parts.
    pub(super) fn poll(&mut self, events: &mut Events) -> Option<SecureNews> {
        loop {
            match self.dtls.as_mut()?.poll_event()? {
                DtlsEvent::Connected {
                    peer_certificate,
                    srtp,
                    cipher_suite,
                } => {
                    let news = self.on_handshake(peer_certificate, srtp, cipher_suite, events);
                    if news.is_some() {
                        return news;
                    }
                }
                DtlsEvent::Data(packet) => return Some(SecureNews::Data(packet)),
                DtlsEvent::PeerClosed => {
                    self.set_state(SecureState::Closed, events);
                    return Some(SecureNews::PeerClosed);
                }
                DtlsEvent::Failed(failure) => {
                    return Some(SecureNews::Failed(self.fail(failure, events)));
                }
            }
        }
    }

    // ---- the identity ---------------------------------------------------------------------

    /// RFC 8122 section 6.2: the certificate must match before anything is done with the peer.
    fn on_handshake(
        &mut self,
        peer_certificate: Vec<u8>,
        keys: Option<KeyingMaterial>,
        cipher_suite: &'static str,
        events: &mut Events,
    ) -> Option<SecureNews> {
        let verdict = self.is_announced(&peer_certificate);
        self.peer_certificate = Some(peer_certificate);
        self.cipher_suite = Some(cipher_suite);
        if !verdict {
            let reason = self.fail(DtlsFailure::FingerprintMismatch, events);
            return Some(SecureNews::Failed(reason));
        }
        tracing::info!(
            target: trace::DTLS,
            parent: &self.span,
            cipher = cipher_suite,
            role = self.role.map(DtlsRole::name),
            identity = self.identity.name(),
            "DTLS is established"
        );
        self.set_state(SecureState::Connected, events);
        if self.identity == Identity::Deferred {
            self.pending = keys;
            events.push(EngineEvent::PeerCertificate);
            return None;
        }
        self.accepted = true;
        Some(SecureNews::Accepted(keys))
    }

    fn is_announced(&self, peer_certificate: &[u8]) -> bool {
        let announced = &self.fingerprints;
        match self.identity {
            Identity::Pinned { allow_weak, all } => {
                certificate::verify(peer_certificate, announced, allow_weak)
                    && (!all || certificate::matches_all(peer_certificate, announced))
            }
            // A fingerprint that was signalled is enforced, whoever decides afterwards.
            Identity::Deferred if self.has_remote_fingerprints() => {
                certificate::verify(peer_certificate, announced, false)
            }
            Identity::Deferred | Identity::Insecure => true,
        }
    }

    /// Deferred identity: takes the peer as the right one, and gives the keys, if any were agreed.
    /// `None` when there is nothing to accept.
    pub(super) fn accept(&mut self) -> Option<Option<KeyingMaterial>> {
        if self.peer_certificate.is_none() || self.accepted {
            return None;
        }
        self.accepted = true;
        Some(self.pending.take())
    }

    // ---- the end --------------------------------------------------------------------------

    /// Notes that DTLS failed; gives why the connection ends.
    pub(super) fn fail(&mut self, failure: DtlsFailure, events: &mut Events) -> DisconnectReason {
        let reason = match failure {
            DtlsFailure::FingerprintMismatch => DisconnectReason::FingerprintMismatch,
            _ => DisconnectReason::DtlsFailed,
        };
        tracing::warn!(target: trace::DTLS, parent: &self.span, cause = %failure, "DTLS failed");
        self.failure = Some(failure.clone());
        events.push(EngineEvent::DtlsFailure(failure));
        self.set_state(SecureState::Failed, events);
        self.accepted = false;
        reason
    }

    /// Queues the goodbye.
    pub(super) fn close(&mut self, now: Instant) {
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
    }

    /// Forgets the association without a goodbye.
    pub(super) fn abandon(&mut self) {
        self.dtls = None;
    }

    fn set_state(&mut self, state: SecureState, events: &mut Events) {
        if self.state != state {
            self.state = state;
            events.push(EngineEvent::Secure(state));
        }
    }
}
