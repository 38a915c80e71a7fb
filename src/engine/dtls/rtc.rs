//! rtc-dtls behind a guard. The peer's plaintext messages, which anybody can forge, are kept in all
//! variants until a signature proves some of them; only those reach rtc-dtls, whole and in order. It
//! sends through our flight cache, because its own retransmission stops after one lost flight.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod adapter;
mod attempt;
mod client;
mod doubt;
mod ending;
mod established;
mod keyed;
mod plaintext;
mod server;
mod server_flight;

#[cfg(test)]
pub(super) use self::adapter::ONLY_CHACHA;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use webrtc_dtls::crypto::Certificate as DtlsCertificate;
use webrtc_dtls::endpoint::Endpoint;

use self::adapter::settings;
use self::attempt::{Attempt, Making};
use self::client::Client;
use self::doubt::{Doubt, Stranger};
use self::server::Server;
use super::fast::{self, Front, Records};
use super::flight::Flight;
use super::hello::CookieProvider;
use super::inbox::Inbox;
use super::reassembly::Reassembly;
use super::record::{APPLICATION_DATA, records};
use super::{DtlsConfig, DtlsCounters, DtlsEvent, DtlsFailure, DtlsRole, DtlsTransport};
use crate::engine::certificate::{self, Certificate};
use crate::engine::guard::contain;
use crate::error::{Error, Result};

/// rtc-dtls keys associations by address; there is one each, so any address serves.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// Encrypted records that came before their turn, in number and bytes.
const MAX_EARLY: usize = 100;
const MAX_EARLY_BYTES: usize = 64 * 1024;
/// Associations under way at the same time.
const MAX_ATTEMPTS: usize = 3;
/// Signatures verified for one datagram: the dearest takes less than a millisecond.
const MAX_VERIFICATIONS: usize = 8;
/// Combinations of messages remembered as tried.
const MAX_TRIED: usize = 1_000;
/// How long messages that are less likely the peer's wait for better ones.
const GRACE: Duration = Duration::from_millis(100);
const MAX_WRITE: usize = 16 * 1024;
/// Alerts: level and description (RFC 5246 section 7.2).
const CLOSE_NOTIFY: [u8; 2] = [1, 0];
const HANDSHAKE_FAILURE: [u8; 2] = [2, 40];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Handshaking,
    Connected,
    Over,
}

/// What only the handshake needs.
#[derive(Default)]
struct Handshake {
    pieces: Reassembly,
    inbox: Inbox,
    /// The number of the datagram being read.
    datagram: u64,
    /// Something new came that a signature may prove.
    unproved: bool,
    /// Combinations that no signature proves.
    tried: VecDeque<[u32; 4]>,
    attempts: Vec<Attempt>,
    early: VecDeque<Vec<u8>>,
    early_bytes: usize,
    doubt: Doubt,
    stranger: Stranger,
    /// The peer, or somebody else, sent a message of a handshake.
    heard: bool,
    client: Client,
    server: Server,
    /// When messages that wait for better ones are taken as they are.
    grace: Option<Instant>,
}

/// [`DtlsTransport`] on rtc-dtls.
pub(crate) struct RtcDtls {
    role: DtlsRole,
    config: DtlsConfig,
    /// What we show: our certificate.
    shown: Vec<DtlsCertificate>,
    /// For the first association.
    spare: Option<Making>,
    handshake: Box<Handshake>,
    /// Once connected with another cipher than AES-GCM.
    endpoint: Option<Endpoint>,
    /// Once connected with AES-GCM.
    fast: Option<Records>,
    state: State,
    /// Server, once connected: its last flight.
    flight: Flight,
    next_number: u64,
    transmits: VecDeque<Bytes>,
    events: VecDeque<DtlsEvent>,
    deadline: Option<Instant>,
    asks_for_proof: bool,
    counters: DtlsCounters,
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

    fn making(&mut self) -> Result<Making> {
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
    pub(super) fn present(&mut self, chain: Vec<DtlsCertificate>) {
        self.shown = chain;
        self.spare = None;
    }

    /// Whether it could say something under keys.
    #[cfg(test)]
    pub(super) fn has_keys(&self) -> bool {
        self.state == State::Connected || self.is_any_ready()
    }

    #[cfg(test)]
    pub(super) fn bare_config(mut self) -> Arc<webrtc_dtls::config::HandshakeConfig> {
        self.making()
            .unwrap_or_else(|error| unreachable!("{error}"))
            .config
    }

    fn drop_record(&mut self) {
        self.counters.dropped = self.counters.dropped.saturating_add(1);
    }
}

impl DtlsTransport for RtcDtls {
    fn start(&mut self, now: Instant) {
        if self.state != State::New {
            return;
        }
        self.state = State::Handshaking;
        self.deadline = now.checked_add(self.config.handshake_timeout);
        if self.role == DtlsRole::Client {
            self.begin(now);
        }
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let handshake = &mut self.handshake;
        handshake.datagram = handshake.datagram.saturating_add(1);
        handshake.server.arrived(datagram.len());
        let mut any = false;
        for record in records(datagram) {
            any = true;
            // Sealed, nothing is so short; rtc-dtls would take it for an error of the peer's.
            if record.epoch > 0 && record.body.is_empty() {
                self.drop_record();
                continue;
            }
            match self.state {
                State::Handshaking => self.handshaking(now, &record),
                State::Connected => self.connected(now, &record),
                State::New | State::Over => self.drop_record(),
            }
            self.settle(now);
        }
        if !any {
            self.drop_record();
        }
        self.prove(now);
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.state != State::Handshaking {
            return;
        }
        if is_due(self.deadline) {
            let failure = self.time_out();
            return self.fail(now, failure);
        }
        if is_due(self.handshake.doubt.deadline())
            && let Some(failure) = self.handshake.doubt.verdict(now)
        {
            return self.fail(now, failure);
        }
        self.asks_for_proof |= self.handshake.stranger.asks(now);
        self.asks_for_proof |= self.handshake.doubt.asks(now);
        if self.handshake.stranger.ends(now) {
            self.handshake.unproved = true;
            self.prove(now);
            self.settle(now);
        }
        if is_due(self.handshake.grace) {
            self.handshake.unproved = true;
            self.prove(now);
            self.handshake.grace = None;
            self.settle(now);
        }
        self.client_timeout(now);
        for at in 0..self.handshake.attempts.len() {
            let attempt = self.handshake.attempts.get(at);
            if is_due(attempt.and_then(|attempt| attempt.flight.due())) {
                self.resend_attempt(now, at);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.state != State::Handshaking {
            return None;
        }
        let flights = self.handshake.attempts.iter();
        [
            self.deadline,
            self.handshake.doubt.deadline(),
            self.handshake.doubt.asking(),
            self.handshake.grace,
            self.handshake.stranger.deadline(),
            self.handshake.client.due(),
        ]
        .into_iter()
        .chain(flights.map(|attempt| attempt.flight.due()))
        .flatten()
        .min()
    }

    fn path_proved(&mut self, at: Instant) {
        if self.state == State::Handshaking {
            self.handshake.doubt.path_proved(at);
            self.handshake.stranger.path_proved(at);
        }
    }

    fn asks_for_proof(&mut self) -> bool {
        std::mem::take(&mut self.asks_for_proof)
    }

    fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    fn poll_event(&mut self) -> Option<DtlsEvent> {
        let event = self.events.pop_front();
        if event.is_none() {
            // Events are large and rare: an idle connection keeps no room for them.
            self.events = VecDeque::new();
        }
        event
    }

    fn open_data(&mut self, datagram: &mut [u8], at: &mut usize) -> Option<Range<usize>> {
        match self.fast.as_mut()?.open_data(datagram, at) {
            Front::Data(content) => Some(content),
            Front::Refused => {
                self.drop_record();
                Some(0..0)
            }
            Front::Other => None,
        }
    }

    fn sealed_len(&self, len: usize) -> Option<usize> {
        self.fast.as_ref()?;
        len.checked_add(fast::OVERHEAD)
    }

    fn seal(&mut self, data: &[u8], out: &mut Vec<u8>) -> bool {
        let fast = self.fast.as_mut();
        fast.is_some_and(|fast| fast.seal(APPLICATION_DATA, data, out))
    }

    fn write(&mut self, now: Instant, data: &[u8]) -> Result<()> {
        if let Some(fast) = &mut self.fast {
            if data.len() > MAX_WRITE {
                return Err(Error::invalid_parameters("longer than a DTLS record"));
            }
            let mut record = Vec::with_capacity(data.len().saturating_add(fast::OVERHEAD));
            if !fast.seal(APPLICATION_DATA, data, &mut record) {
                return Err(Error::crypto("no record numbers are left"));
            }
            self.transmits.push_back(record.into());
            return Ok(());
        }
        let endpoint = self
            .endpoint
            .as_mut()
            .filter(|_| self.state == State::Connected)
            .ok_or_else(|| Error::invalid_state("DTLS is not connected"))?;
        if data.len() > MAX_WRITE {
            return Err(Error::invalid_parameters("longer than a DTLS record"));
        }
        match contain(|| endpoint.write(now, PEER, data)) {
            Ok(Ok(())) => {
                while let Some(transmit) = endpoint.poll_transmit() {
                    self.transmits.push_back(transmit.message.freeze());
                }
                Ok(())
            }
            Ok(Err(error)) => Err(Error::crypto(error)),
            Err(_) => {
                self.fail(now, DtlsFailure::Internal);
                Err(Error::crypto("internal fault"))
            }
        }
    }

    fn close(&mut self, now: Instant) {
        self.close_notify(now);
        self.end();
    }

    fn counters(&self) -> DtlsCounters {
        self.counters
    }
}
