//! rtc-dtls behind a guard. The handshake reaches it as whole messages, in order, with record
//! numbers of our own, so that neither loss nor forged plaintext can disturb its state; it sends
//! through our flight cache, because its own retransmission stops after one lost flight.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod adapter;
mod handshake;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc_shared::TransportProtocol;
use webrtc_dtls::config::HandshakeConfig;
use webrtc_dtls::endpoint::{Endpoint, EndpointEvent};

use self::adapter::{read, settings, summary};
use super::fast::{self, Front, Records};
use super::flight::{Flight, renumber};
use super::hello::{CookieProvider, Cookies};
use super::reassembly::{Partial, Reassembly};
use super::record::{
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Record, fragments, records,
};
use super::{DtlsConfig, DtlsCounters, DtlsEvent, DtlsFailure, DtlsRole, DtlsTransport};
use crate::engine::certificate::{self, Certificate};
use crate::engine::guard::contain;
use crate::error::{Error, Result};

/// rtc-dtls keys associations by address; there is one each, so any address serves.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// Encrypted records that came before their turn, in number and bytes.
const MAX_EARLY: usize = 100;
const MAX_EARLY_BYTES: usize = 64 * 1024;
/// How often a spoiled handshake is begun anew.
const MAX_RESTARTS: u32 = 10;
const RESTART_PAUSE: Duration = Duration::from_millis(100);
/// A plaintext alert may be forged: it counts only when nothing else comes for this long.
const ALERT_PATIENCE: Duration = Duration::from_secs(1);
const ALERT_PATIENCE_COMPLETE: Duration = Duration::from_secs(3);
/// With a known fault and no progress for this long, the handshake has failed.
const FAULT_PATIENCE: Duration = Duration::from_secs(8);
const MAX_WRITE: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Handshaking,
    Connected,
    Over,
}

/// What has come from the peer in the association under way.
#[derive(Default)]
struct Inbound {
    messages: Reassembly,
    /// The number of our next plaintext record towards rtc-dtls.
    record: u64,
    /// The number of the peer's first message that answers our current flight.
    flight_start: u16,
    /// The peer's plaintext messages are complete: ChangeCipherSpec is next.
    complete: bool,
    change_cipher_spec_seen: bool,
    encrypted: bool,
    early: VecDeque<Vec<u8>>,
    early_bytes: usize,
    /// Number and type of the plaintext messages so far.
    kinds: Vec<(u16, u8)>,
    /// Messages that contradict these: either they are forged, or those before them were.
    contradictions: u32,
    /// Server: the random of the client's hello. Client: unused.
    random: Option<[u8; 32]>,
    /// Client: the cookie the server asked for.
    cookie: Option<Vec<u8>>,
}

/// [`DtlsTransport`] on rtc-dtls.
pub(crate) struct RtcDtls {
    role: DtlsRole,
    pub(super) config: Arc<HandshakeConfig>,
    timeout: Duration,
    provider: Arc<CookieProvider>,
    cookies: Cookies,
    endpoint: Option<Endpoint>,
    /// Once connected, in place of `endpoint`, with AES-GCM.
    fast: Option<Records>,
    state: State,
    inbound: Inbound,
    hellos: [Option<Partial>; 2],
    flight: Flight,
    next_number: u64,
    transmits: VecDeque<Bytes>,
    events: VecDeque<DtlsEvent>,
    deadline: Option<Instant>,
    restart_at: Option<Instant>,
    restarts: u32,
    lost_alert: Option<Instant>,
    /// A plaintext fatal alert came then, and nothing since.
    suspicion: Option<Instant>,
    fault: Option<DtlsFailure>,
    best: u16,
    best_at: Option<Instant>,
    counters: DtlsCounters,
}

impl RtcDtls {
    pub(crate) fn new(
        certificate: &Certificate,
        role: DtlsRole,
        config: DtlsConfig,
    ) -> Result<Self> {
        let provider = Arc::new(CookieProvider::new(certificate::provider()?));
        Ok(Self {
            role,
            config: Arc::new(
                settings(&config, &provider)
                    .with_certificates(vec![certificate.to_dtls()])
                    .build(role == DtlsRole::Client, None)
                    .map_err(Error::crypto)?,
            ),
            timeout: config.handshake_timeout,
            provider,
            cookies: Cookies::new()?,
            endpoint: None,
            fast: None,
            state: State::New,
            inbound: Inbound::default(),
            hellos: [None, None],
            flight: Flight::default(),
            next_number: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            deadline: None,
            restart_at: None,
            restarts: 0,
            lost_alert: None,
            suspicion: None,
            fault: None,
            best: 0,
            best_at: None,
            counters: DtlsCounters::default(),
        })
    }

    /// Shows other certificates than its own, as a cheat would.
    #[cfg(test)]
    pub(super) fn present(&mut self, chain: Vec<webrtc_dtls::crypto::Certificate>, role: DtlsRole) {
        self.config = Arc::new(
            settings(&DtlsConfig::default(), &self.provider)
                .with_certificates(chain)
                .build(role == DtlsRole::Client, None)
                .unwrap_or_else(|error| unreachable!("{error}")),
        );
    }

    fn drop_record(&mut self) {
        self.counters.dropped = self.counters.dropped.saturating_add(1);
    }

    fn fail(&mut self, failure: DtlsFailure) {
        if self.state != State::Over {
            self.end();
            self.events.push_back(DtlsEvent::Failed(failure));
        }
    }

    fn end(&mut self) {
        self.state = State::Over;
        self.endpoint = None;
        self.fast = None;
        self.inbound = Inbound::default();
        self.hellos = [None, None];
        self.flight = Flight::default();
        self.deadline = None;
        self.restart_at = None;
        self.suspicion = None;
    }

    // ---- records in ----

    fn handshaking(&mut self, now: Instant, record: &Record<'_>) {
        match (record.epoch, record.content_type) {
            (0, HANDSHAKE) => {
                for fragment in fragments(record.body) {
                    self.fragment(now, &fragment, record.sequence);
                }
                self.deliver(now);
            }
            (0, CHANGE_CIPHER_SPEC) => {
                self.inbound.change_cipher_spec_seen = true;
                self.deliver(now);
            }
            (0, ALERT) => self.plaintext_alert(now, record.body),
            (1, HANDSHAKE) if self.inbound.encrypted => self.feed(now, record.raw),
            (1, HANDSHAKE | ALERT | APPLICATION_DATA) => self.keep_early(record.raw),
            _ => self.drop_record(),
        }
    }

    fn connected(&mut self, now: Instant, record: &Record<'_>) {
        match (record.epoch, record.content_type) {
            (1, APPLICATION_DATA | ALERT) if self.fast.is_some() => self.open_record(record),
            (1, APPLICATION_DATA | ALERT) => self.feed(now, record.raw),
            // The peer repeats its last flight because ours was lost. An encrypted handshake
            // record may also ask for a renegotiation, which is refused by not answering.
            (0 | 1, HANDSHAKE) => self.repeated(now),
            (0, ALERT) => {
                self.counters.plaintext_alerts = self.counters.plaintext_alerts.saturating_add(1);
            }
            _ => self.drop_record(),
        }
    }

    /// A record that came in company, or before its turn, and alerts.
    fn open_record(&mut self, record: &Record<'_>) {
        let mut raw = record.raw.to_vec();
        let content = self
            .fast
            .as_mut()
            .and_then(|fast| fast.open(record.content_type, record.sequence, &mut raw))
            .and_then(|content| raw.get(content));
        match (record.content_type, content) {
            (APPLICATION_DATA, Some(data)) => {
                let data = Bytes::copy_from_slice(data);
                self.events.push_back(DtlsEvent::Data(data));
            }
            (ALERT, Some(&[_, 0])) => {
                self.answer_close();
                self.end();
                self.events.push_back(DtlsEvent::PeerClosed);
            }
            (ALERT, Some(&[2, description])) => self.fail(DtlsFailure::PeerAlert(description)),
            (_, Some(_)) => {}
            (_, None) => self.drop_record(),
        }
    }

    /// RFC 5246 section 7.2.1.
    fn answer_close(&mut self) {
        const CLOSE_NOTIFY: [u8; 2] = [1, 0];
        let mut record = Vec::new();
        if let Some(fast) = &mut self.fast
            && fast.seal(ALERT, &CLOSE_NOTIFY, &mut record)
        {
            self.transmits.push_back(record.into());
        }
    }

    fn keep_early(&mut self, raw: &[u8]) {
        let bytes = self.inbound.early_bytes.saturating_add(raw.len());
        if self.inbound.early.len() >= MAX_EARLY || bytes > MAX_EARLY_BYTES {
            return self.drop_record();
        }
        self.inbound.early_bytes = bytes;
        self.inbound.early.push_back(raw.to_vec());
    }

    fn plaintext_alert(&mut self, now: Instant, body: &[u8]) {
        self.counters.plaintext_alerts = self.counters.plaintext_alerts.saturating_add(1);
        if let &[2, description] = body
            && self.fault.is_none()
        {
            self.fault = Some(DtlsFailure::PeerAlert(description));
            self.suspicion.get_or_insert(now);
        } else if body.first() == Some(&2) {
            self.suspicion.get_or_insert(now);
        }
    }

    fn repeated(&mut self, now: Instant) {
        if self.flight.answers(now) {
            self.counters.resent_flights = self.counters.resent_flights.saturating_add(1);
            self.send_flight(now);
        }
    }

    fn send_flight(&mut self, now: Instant) {
        self.flight
            .send(now, &mut self.next_number, &mut self.transmits);
        if self.state == State::Connected {
            self.flight.stop_timer();
        }
    }

    // ---- rtc-dtls ----

    fn feed(&mut self, now: Instant, datagram: &[u8]) {
        let Some(endpoint) = self.endpoint.as_mut() else {
            return;
        };
        match read(endpoint, now, datagram) {
            Ok(events) => {
                let closing = events
                    .iter()
                    .any(|event| matches!(event, EndpointEvent::PeerClosed));
                self.flush(now, closing);
                for event in events {
                    self.endpoint_event(now, event);
                }
            }
            Err(fault) => match self.state {
                State::Handshaking => {
                    self.flush(now, true);
                    self.spoiled(now, fault);
                }
                State::Connected => {
                    self.flush(now, false);
                    match fault {
                        // Only what the peer encrypted reaches rtc-dtls by now.
                        DtlsFailure::PeerAlert(_) | DtlsFailure::Internal => self.fail(fault),
                        _ => self.drop_record(),
                    }
                }
                State::New | State::Over => {}
            },
        }
    }

    /// Takes what rtc-dtls wants sent: a flight during the handshake; else alerts, if wanted.
    fn flush(&mut self, now: Instant, alerts: bool) {
        let mut flight = Vec::new();
        let mut others = Vec::new();
        if let Some(endpoint) = self.endpoint.as_mut() {
            while let Some(transmit) = endpoint.poll_transmit() {
                for record in records(&transmit.message) {
                    if record.content_type == ALERT {
                        others.push(record.raw.to_vec());
                    } else {
                        flight.push(record.raw.to_vec());
                    }
                }
            }
        }
        if self.state == State::Handshaking && !flight.is_empty() {
            self.inbound.flight_start = self.inbound.messages.next();
            self.flight = Flight::new(flight);
            self.send_flight(now);
        }
        for raw in others.iter().filter(|_| alerts) {
            let record = renumber(raw, &mut self.next_number);
            self.transmits.push_back(record.into());
        }
    }

    fn endpoint_event(&mut self, now: Instant, event: EndpointEvent) {
        match event {
            EndpointEvent::HandshakeComplete => self.complete(now),
            EndpointEvent::ApplicationData(data) if self.state == State::Connected => {
                self.events.push_back(DtlsEvent::Data(data.freeze()));
            }
            EndpointEvent::PeerClosed if self.state == State::Connected => {
                self.end();
                self.events.push_back(DtlsEvent::PeerClosed);
            }
            _ => {}
        }
    }

    fn complete(&mut self, now: Instant) {
        let summary = self
            .endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.get_connection_state(PEER))
            .map(summary);
        match summary {
            Some(Ok(connected)) => {
                self.state = State::Connected;
                self.deadline = None;
                self.fault = None;
                self.suspicion = None;
                self.hellos = [None, None];
                match self.role {
                    DtlsRole::Server => self.flight.stop_timer(),
                    DtlsRole::Client => self.flight = Flight::default(),
                }
                self.fast = self.provider.seen.take();
                if self.fast.is_some() {
                    // Its work is done.
                    self.endpoint = None;
                }
                self.events.push_back(connected);
                self.feed_early(now, APPLICATION_DATA);
            }
            Some(Err(failure)) => self.fail(failure),
            None => self.fail(DtlsFailure::Internal),
        }
    }

    /// rtc-dtls cannot go on after an unacceptable message, which may have been forged: begin
    /// anew, with the same certificate.
    fn spoiled(&mut self, now: Instant, failure: DtlsFailure) {
        self.endpoint = None;
        self.inbound = Inbound::default();
        self.flight = Flight::default();
        self.suspicion = None;
        self.restarts = self.restarts.saturating_add(1);
        self.counters.restarts = self.counters.restarts.saturating_add(1);
        if self.restarts > MAX_RESTARTS {
            return self.fail(failure);
        }
        self.fault = Some(failure);
        if self.role == DtlsRole::Client {
            self.restart_at = now.checked_add(RESTART_PAUSE.saturating_mul(self.restarts));
        }
    }

    fn connect(&mut self, now: Instant) {
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        let config = self.config.clone();
        match contain(|| endpoint.connect(now, PEER, config, None)) {
            Ok(Ok(())) => {
                self.endpoint = Some(endpoint);
                self.flush(now, false);
            }
            _ => self.fail(DtlsFailure::Internal),
        }
    }

    fn fault_deadline(&self) -> Option<Instant> {
        self.fault
            .as_ref()
            .and(self.best_at)?
            .checked_add(FAULT_PATIENCE)
    }

    fn suspicion_deadline(&self) -> Option<Instant> {
        let suspicious = self.suspicion.filter(|_| self.role == DtlsRole::Client)?;
        // Having answered everything, a server may be done: beginning anew would lose it.
        let patience = if self.inbound.complete {
            ALERT_PATIENCE_COMPLETE
        } else {
            ALERT_PATIENCE
        };
        suspicious.checked_add(patience)
    }
}

impl DtlsTransport for RtcDtls {
    fn start(&mut self, now: Instant) {
        if self.state != State::New {
            return;
        }
        self.state = State::Handshaking;
        self.deadline = now.checked_add(self.timeout);
        self.best_at = Some(now);
        if self.role == DtlsRole::Client {
            self.connect(now);
        }
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let mut any = false;
        for record in records(datagram) {
            any = true;
            match self.state {
                State::Handshaking => self.handshaking(now, &record),
                State::Connected => self.connected(now, &record),
                State::New | State::Over => self.drop_record(),
            }
        }
        if !any {
            self.drop_record();
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.state != State::Handshaking {
            return;
        }
        if is_due(self.deadline) {
            let failure = self.fault.take().unwrap_or(DtlsFailure::Timeout);
            return self.fail(failure);
        }
        if is_due(self.fault_deadline())
            && let Some(failure) = self.fault.take()
        {
            return self.fail(failure);
        }
        if is_due(self.suspicion_deadline()) {
            let failure = self.fault.take().unwrap_or(DtlsFailure::Timeout);
            self.spoiled(now, failure);
        }
        if is_due(self.restart_at) {
            self.restart_at = None;
            self.connect(now);
        }
        if is_due(self.flight.due()) {
            self.counters.resent_flights = self.counters.resent_flights.saturating_add(1);
            self.send_flight(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.state != State::Handshaking {
            return None;
        }
        [
            self.deadline,
            self.fault_deadline(),
            self.suspicion_deadline(),
            self.restart_at,
            self.flight.due(),
        ]
        .into_iter()
        .flatten()
        .min()
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
                self.fail(DtlsFailure::Internal);
                Err(Error::crypto("internal fault"))
            }
        }
    }

    fn close(&mut self, now: Instant) {
        self.answer_close();
        if self.state == State::Connected
            && let Some(endpoint) = self.endpoint.as_mut()
            && contain(|| endpoint.stop(now, PEER)).is_ok()
        {
            self.flush(now, true);
        }
        self.end();
    }

    fn counters(&self) -> DtlsCounters {
        self.counters
    }
}
