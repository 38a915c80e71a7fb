//! DTLS inside the engine: the association starts on the selected pair, the peer's certificate is
//! checked before anything else happens, then the SRTP keys are installed.

use std::time::Instant;

use super::certificate;
use super::dtls::{
    Announced, DtlsConfig, DtlsEvent, DtlsRole, DtlsTransport, KeyingMaterial, RtcDtls, SrtpProfile,
};
use super::ice::Role;
use super::srtp::Srtp;
use super::{Engine, EngineEvent, EngineState};
use crate::error::{DisconnectReason, DtlsFailure};
use crate::trace;

/// How the peer's certificate is judged (conformance row G18).
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

/// DTLS as the outside sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecureState {
    New,
    Connecting,
    Connected,
    Closed,
    Failed,
}

impl SrtpProfile {
    /// Bytes that protection adds to an RTP packet: the tag (RFC 3711 section 4.2, RFC 7714
    /// section 13.2).
    pub(super) fn rtp_overhead(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }

    /// The same for RTCP: the tag and the index with the E bit.
    pub(super) fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + 4
    }
}

/// The state of the secured transport.
pub(crate) struct Secure {
    identity: Identity,
    state: SecureState,
    fingerprints: Vec<(String, Vec<u8>)>,
    peer_role: Option<DtlsRole>,
    peer_certificate: Option<Vec<u8>>,
    cipher_suite: Option<&'static str>,
    pub(super) srtp_profile: Option<SrtpProfile>,
    /// Keys that wait for `accept_peer`.
    pending: Option<KeyingMaterial>,
    accepted: bool,
    failure: Option<DtlsFailure>,
}

impl Secure {
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity,
            state: SecureState::New,
            fingerprints: Vec::new(),
            peer_role: None,
            peer_certificate: None,
            cipher_suite: None,
            srtp_profile: None,
            pending: None,
            accepted: false,
            failure: None,
        }
    }

    pub(crate) fn accepted(&self) -> bool {
        self.accepted
    }
}

impl Engine {
    /// The fingerprints that signalling says the peer's certificate has.
    pub(crate) fn set_remote_fingerprints(&mut self, fingerprints: Vec<(String, Vec<u8>)>) {
        self.secure.fingerprints = fingerprints;
    }

    /// The role that the peer has stated, if any; one of our own wins.
    pub(crate) fn set_remote_dtls_role(&mut self, role: Option<DtlsRole>) {
        self.secure.peer_role = role;
    }

    /// The role that this side states, `None` when it goes by ICE role or by what the peer states.
    pub(crate) fn stated_dtls_role(&self) -> Option<DtlsRole> {
        self.config.dtls_role
    }

    /// The role that both sides state.
    pub(super) fn common_dtls_role(&self) -> Option<DtlsRole> {
        let peer = self.secure.peer_role;
        self.config.dtls_role.filter(|role| Some(*role) == peer)
    }

    pub(crate) fn has_remote_fingerprints(&self) -> bool {
        !self.secure.fingerprints.is_empty()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.secure.identity
    }

    /// DER of the peer's certificate, once the handshake is done.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.secure.peer_certificate.as_deref()
    }

    pub(crate) fn secure_state(&self) -> SecureState {
        self.secure.state
    }

    /// Why DTLS failed, if it did.
    pub(crate) fn dtls_failure(&self) -> Option<&DtlsFailure> {
        self.secure.failure.as_ref()
    }

    pub(crate) fn cipher_suite(&self) -> Option<&'static str> {
        self.secure.cipher_suite
    }

    pub(crate) fn srtp_profile(&self) -> Option<SrtpProfile> {
        self.secure.srtp_profile
    }

    /// Deferred identity: lets media flow. False when there is nothing to accept.
    pub(crate) fn accept_peer(&mut self, now: Instant) -> bool {
        if self.secure.peer_certificate.is_none()
            || self.secure.accepted
            || self.state == EngineState::Closed
        {
            return false;
        }
        let keys = self.secure.pending.take();
        self.install(now, keys);
        self.update_connected(now);
        true
    }

    pub(super) fn start_dtls(&mut self, now: Instant) {
        let agreed = self.secure.peer_role.map(DtlsRole::opposite);
        let role = self
            .config
            .dtls_role
            .or(agreed)
            .unwrap_or(match self.ice.role() {
                // Conformance row G35: the controlled side is the client.
                Some(Role::Controlled) => DtlsRole::Client,
                Some(Role::Controlling) | None => DtlsRole::Server,
            });
        self.dtls_role = Some(role);
        self.data.set_dtls_client(role == DtlsRole::Client);
        let allow_weak = match self.secure.identity {
            Identity::Pinned { allow_weak, .. } => Some(allow_weak),
            Identity::Deferred => self.has_remote_fingerprints().then_some(false),
            Identity::Insecure => None,
        };
        let announced = allow_weak.map(|allow_weak| Announced {
            fingerprints: self.secure.fingerprints.clone(),
            allow_weak,
        });
        let config = DtlsConfig {
            srtp_profiles: self.srtp_profiles.clone(),
            announced,
            span: self.config.span.clone(),
            ..DtlsConfig::default()
        };
        if let Some(role) = self.common_dtls_role() {
            return self.fail_secure(now, role.of_both());
        }
        match RtcDtls::new(&self.config.certificate, role, config) {
            Ok(mut dtls) => {
                dtls.start(now);
                for datagram in self.early_dtls.take() {
                    dtls.handle_datagram(now, &datagram);
                }
                self.dtls = Some(Box::new(dtls));
                tracing::debug!(target: trace::DTLS, parent: &self.config.span, ?role, "the handshake begins");
                self.set_secure_state(SecureState::Connecting);
            }
            Err(error) => {
                tracing::warn!(target: trace::DTLS, parent: &self.config.span, %error, "the association could not be made");
                self.fail_secure(now, DtlsFailure::Internal);
            }
        }
    }

    /// Whether there was more than data: then other layers may have something to say.
    pub(super) fn handle_dtls(&mut self, now: Instant, data: &mut [u8]) -> bool {
        let mut at = 0;
        while let Some(content) = self
            .dtls
            .as_mut()
            .and_then(|dtls| dtls.open_data(data, &mut at))
        {
            if let Some(packet) = data.get(content).filter(|packet| !packet.is_empty()) {
                self.handle_sctp(now, packet);
            }
        }
        let data = data.get(at..).unwrap_or_default();
        if at > 0 && data.is_empty() {
            return false;
        }
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_datagram(now, data);
        } else {
            self.counters.early_dtls += self.early_dtls.keep(data);
        }
        true
    }

    pub(super) fn poll_dtls_events(&mut self, now: Instant) {
        while let Some(event) = self.dtls.as_mut().and_then(|dtls| dtls.poll_event()) {
            match event {
                DtlsEvent::Connected {
                    peer_certificate,
                    srtp,
                    cipher_suite,
                } => self.on_handshake(now, peer_certificate, srtp, cipher_suite),
                DtlsEvent::Data(packet) => self.handle_sctp(now, &packet),
                DtlsEvent::PeerClosed => {
                    self.set_secure_state(SecureState::Closed);
                    self.close(now, DisconnectReason::RemoteClosed);
                }
                DtlsEvent::Failed(failure) => self.fail_secure(now, failure),
            }
            if self.state == EngineState::Closed {
                return;
            }
        }
    }

    /// RFC 8122 section 6.2: the certificate must match before anything is done with the peer.
    fn on_handshake(
        &mut self,
        now: Instant,
        peer_certificate: Vec<u8>,
        keys: Option<KeyingMaterial>,
        cipher_suite: &'static str,
    ) {
        let verdict = match self.secure.identity {
            Identity::Pinned { allow_weak, all } => {
                let announced = &self.secure.fingerprints;
                certificate::verify(&peer_certificate, announced, allow_weak)
                    && (!all || certificate::matches_all(&peer_certificate, announced))
            }
            // A fingerprint that was signalled is enforced, whoever decides afterwards.
            Identity::Deferred if self.has_remote_fingerprints() => {
                certificate::verify(&peer_certificate, &self.secure.fingerprints, false)
            }
            Identity::Deferred | Identity::Insecure => true,
        };
        self.secure.peer_certificate = Some(peer_certificate);
        self.secure.cipher_suite = Some(cipher_suite);
        if !verdict {
            self.fail_secure(now, DtlsFailure::FingerprintMismatch);
            return;
        }
        tracing::info!(
            target: trace::DTLS,
            parent: &self.config.span,
            cipher = cipher_suite,
            role = ?self.dtls_role,
            identity = ?self.secure.identity,
            "DTLS is established"
        );
        self.set_secure_state(SecureState::Connected);
        if self.secure.identity == Identity::Deferred {
            self.secure.pending = keys;
            self.events.push_back(EngineEvent::PeerCertificate);
        } else {
            self.install(now, keys);
            self.update_connected(now);
        }
    }

    fn install(&mut self, now: Instant, keys: Option<KeyingMaterial>) {
        self.secure.accepted = true;
        let Some(keys) = keys else { return };
        match Srtp::new(&keys) {
            Ok(srtp) => {
                self.secure.srtp_profile = Some(keys.profile);
                self.srtp = Some(srtp);
                tracing::info!(
                    target: trace::SRTP,
                    parent: &self.config.span,
                    profile = ?keys.profile,
                    "SRTP is established"
                );
            }
            Err(error) => {
                tracing::warn!(target: trace::SRTP, parent: &self.config.span, %error, "the keys could not be installed");
                self.fail_secure(now, DtlsFailure::Internal);
            }
        }
    }

    pub(super) fn fail_secure(&mut self, now: Instant, failure: DtlsFailure) {
        let reason = match failure {
            DtlsFailure::FingerprintMismatch => DisconnectReason::FingerprintMismatch,
            _ => DisconnectReason::DtlsFailed,
        };
        tracing::warn!(target: trace::DTLS, parent: &self.config.span, cause = %failure, "DTLS failed");
        self.secure.failure = Some(failure.clone());
        self.events.push_back(EngineEvent::DtlsFailure(failure));
        self.set_secure_state(SecureState::Failed);
        self.secure.accepted = false;
        self.srtp = None;
        self.close(now, reason);
    }

    fn set_secure_state(&mut self, state: SecureState) {
        if self.secure.state != state {
            self.secure.state = state;
            self.events.push_back(EngineEvent::Secure(state));
        }
    }
}
