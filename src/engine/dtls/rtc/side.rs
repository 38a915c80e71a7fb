//! One side of an association, and what it is made of.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use webrtc_dtls::crypto::Certificate as DtlsCertificate;
use webrtc_dtls::endpoint::Endpoint;

use super::adapter::settings;
use super::attempt::{Attempt, Making};
use super::client::Client;
use super::doubt::{Doubt, Stranger};
use super::server::Server;
use crate::engine::certificate::{self, Certificate};
use crate::engine::dtls::fast::Records;
use crate::engine::dtls::flight::Flight;
use crate::engine::dtls::hello::CookieProvider;
use crate::engine::dtls::inbox::Inbox;
use crate::engine::dtls::reassembly::Reassembly;
use crate::engine::dtls::{DtlsConfig, DtlsCounters, DtlsEvent, DtlsRole};
use crate::error::{Error, Result};

/// Signatures verified for one datagram: the dearest takes less than a millisecond.
pub(super) const MAX_VERIFICATIONS: usize = 8;
/// Combinations of messages remembered as tried.
pub(super) const MAX_TRIED: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    New,
    Handshaking,
    Connected,
    Over,
}

/// What only the handshake needs.
#[derive(Default)]
pub(super) struct Handshake {
    pub(super) pieces: Reassembly,
    pub(super) inbox: Inbox,
    /// The number of the datagram being read.
    pub(super) datagram: u64,
    /// Something new came that a signature may prove.
    pub(super) unproved: bool,
    /// Combinations that no signature proves.
    pub(super) tried: VecDeque<[u32; 4]>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) early: VecDeque<Vec<u8>>,
    pub(super) early_bytes: usize,
    pub(super) doubt: Doubt,
    pub(super) stranger: Stranger,
    /// The peer, or somebody else, sent a message of a handshake.
    pub(super) heard: bool,
    pub(super) client: Client,
    pub(super) server: Server,
    /// When messages that wait for better ones are taken as they are.
    pub(super) grace: Option<Instant>,
}

/// [`DtlsTransport`] on rtc-dtls.
pub(crate) struct RtcDtls {
    pub(super) role: DtlsRole,
    pub(super) config: DtlsConfig,
    /// What we show: our certificate.
    pub(super) shown: Vec<DtlsCertificate>,
    /// For the first association.
    pub(super) spare: Option<Making>,
    pub(super) handshake: Box<Handshake>,
    /// Once connected with another cipher than AES-GCM.
    pub(super) endpoint: Option<Endpoint>,
    /// Once connected with AES-GCM.
    pub(super) fast: Option<Records>,
    pub(super) state: State,
    /// Server, once connected: its last flight.
    pub(super) flight: Flight,
    pub(super) next_number: u64,
    pub(super) transmits: VecDeque<Bytes>,
    pub(super) events: VecDeque<DtlsEvent>,
    pub(super) deadline: Option<Instant>,
    pub(super) asks_for_proof: bool,
    pub(super) counters: DtlsCounters,
}

impl RtcDtls {
    pub(crate) fn new(
        certificate: &Certificate,
        role: DtlsRole,
        config: DtlsConfig,
    ) -> Result<Self> {
        let mut side = Self {
            role,
            config,
            shown: vec![certificate.to_dtls()],
            spare: None,
            handshake: Box::default(),
            endpoint: None,
            fast: None,
            state: State::New,
            flight: Flight::default(),
            next_number: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            deadline: None,
            asks_for_proof: false,
            counters: DtlsCounters::default(),
        };
        side.spare = Some(side.making()?);
        if role == DtlsRole::Server {
            side.handshake.server.make_cookies()?;
        }
        Ok(side)
    }

    pub(super) fn making(&mut self) -> Result<Making> {
        if let Some(spare) = self.spare.take() {
            return Ok(spare);
        }
        let provider = Arc::new(CookieProvider::new(certificate::provider()?));
        let config = settings(&self.config, &provider)
            .with_certificates(self.shown.clone())
            .build(self.role == DtlsRole::Client, None)
            .map_err(Error::crypto)?;
        Ok(Making {
            provider,
            config: Arc::new(config),
        })
    }

    /// Shows other certificates than its own, as a cheat would.
    #[cfg(test)]
    pub(in crate::engine::dtls) fn present(&mut self, chain: Vec<DtlsCertificate>) {
        self.shown = chain;
        self.spare = None;
    }

    /// Whether it could say something under keys.
    #[cfg(test)]
    pub(in crate::engine::dtls) fn has_keys(&self) -> bool {
        self.state == State::Connected
            || self.handshake.attempts.iter().any(|attempt| attempt.ready)
    }

    #[cfg(test)]
    pub(in crate::engine::dtls) fn bare_config(
        mut self,
    ) -> Arc<webrtc_dtls::config::HandshakeConfig> {
        self.making()
            .unwrap_or_else(|error| unreachable!("{error}"))
            .config
    }

    pub(super) fn drop_record(&mut self) {
        self.counters.dropped = self.counters.dropped.saturating_add(1);
    }
}
