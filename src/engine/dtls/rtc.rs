//! rtc-dtls behind a guard. The peer's plaintext messages, which anybody can forge, are kept in all
//! variants until a signature proves some of them; only those reach rtc-dtls, whole and in order. It
//! sends through our flight cache, because its own retransmission stops after one lost flight.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod adapter;
mod attempt;
mod client;
mod doubt;
mod server;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use webrtc_dtls::crypto::Certificate as DtlsCertificate;
use webrtc_dtls::endpoint::{Endpoint, EndpointEvent};

use self::adapter::{read, settings, summary};
use self::attempt::{Attempt, Making};
use self::client::Client;
use self::doubt::Doubt;
use self::server::Server;
use super::fast::{self, Front, Records};
use super::flight::{Flight, renumber};
use super::hello::CookieProvider;
use super::inbox::{Added, Inbox};
use super::reassembly::{Message, Reassembly};
use super::record::{
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, DTLS_1_2, HANDSHAKE, Record, fragments, plaintext,
    records,
};
use super::{
    DtlsConfig, DtlsCounters, DtlsEvent, DtlsFailure, DtlsRole, DtlsTransport, kind, proof,
};
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
/// The same where the certificate is none that was announced.
const STRANGER_GRACE: Duration = Duration::from_millis(400);
const MAX_WRITE: usize = 16 * 1024;

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

    #[cfg(test)]
    pub(super) fn bare_config(mut self) -> Arc<webrtc_dtls::config::HandshakeConfig> {
        self.making()
            .unwrap_or_else(|error| unreachable!("{error}"))
            .config
    }

    fn drop_record(&mut self) {
        self.counters.dropped = self.counters.dropped.saturating_add(1);
    }

    fn fail(&mut self, failure: DtlsFailure) {
        if self.state == State::Over {
            return;
        }
        if self.state == State::Handshaking && !matches!(failure, DtlsFailure::Timeout) {
            // RFC 5246 section 7.2.2: whoever gives up says so.
            const HANDSHAKE_FAILURE: [u8; 2] = [2, 40];
            self.send_alert(&HANDSHAKE_FAILURE);
        }
        self.end();
        self.events.push_back(DtlsEvent::Failed(failure));
    }

    fn send_alert(&mut self, alert: &[u8]) {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        self.transmits
            .push_back(plaintext(ALERT, DTLS_1_2, number, alert).into());
    }

    fn end(&mut self) {
        self.state = State::Over;
        self.endpoint = None;
        self.fast = None;
        self.release();
        self.flight = Flight::default();
    }

    /// Frees what only the handshake needs.
    fn release(&mut self) {
        *self.handshake = Handshake::default();
        self.shown = Vec::new();
        self.spare = None;
        self.deadline = None;
    }

    // ---- records in ----

    fn handshaking(&mut self, now: Instant, record: &Record<'_>) {
        match (record.epoch, record.content_type) {
            (0, HANDSHAKE) => self.plaintext_messages(now, record),
            // The epoch of the records that follow says the same.
            (0, CHANGE_CIPHER_SPEC) => {}
            (0, ALERT) => self.plaintext_alert(now, record.body),
            (1, HANDSHAKE | ALERT) if self.is_any_ready() => self.encrypted(now, record.raw),
            (1, HANDSHAKE | ALERT | APPLICATION_DATA) => self.keep_early(record.raw),
            _ => self.drop_record(),
        }
    }

    fn plaintext_messages(&mut self, now: Instant, record: &Record<'_>) {
        for fragment in fragments(record.body) {
            match self.handshake.pieces.add(&fragment, record.sequence) {
                Some(complete) => {
                    for message in complete {
                        self.message(now, message);
                    }
                }
                None => self.drop_record(),
            }
            if self.state != State::Handshaking {
                return;
            }
        }
    }

    fn message(&mut self, now: Instant, message: Message) {
        match (self.role, message.kind) {
            (DtlsRole::Server, kind::CLIENT_HELLO) => self.client_hello(now, &message),
            (DtlsRole::Client, kind::CLIENT_HELLO) => {
                let both = "both sides are clients".to_owned();
                self.doubted(now, DtlsFailure::Handshake(both));
            }
            (DtlsRole::Client, kind::HELLO_VERIFY_REQUEST) => self.verify_request(now, &message),
            (DtlsRole::Server, kind::CERTIFICATE) => self.collect(now, message, 2),
            (DtlsRole::Server, kind::CLIENT_KEY_EXCHANGE) => self.collect(now, message, 3),
            (DtlsRole::Server, kind::CERTIFICATE_VERIFY) => self.collect(now, message, 4),
            (DtlsRole::Client, kind::SERVER_HELLO) => self.collect(now, message, 0),
            (DtlsRole::Client, kind::CERTIFICATE) => self.collect(now, message, 1),
            (DtlsRole::Client, kind::SERVER_KEY_EXCHANGE) => self.collect(now, message, 2),
            (DtlsRole::Client, kind::CERTIFICATE_REQUEST) => self.collect(now, message, 3),
            (DtlsRole::Client, kind::SERVER_HELLO_DONE) => self.collect(now, message, 3),
            _ => self.drop_record(),
        }
    }

    /// Keeps a message whose place is `lowest` or, on the client, where one message more came
    /// before it, the next: a HelloVerifyRequest, a CertificateRequest (RFC 5246 section 7.3).
    fn collect(&mut self, now: Instant, message: Message, lowest: u16) {
        let spread = match (self.role, message.kind) {
            (DtlsRole::Server, _) => 0,
            (DtlsRole::Client, kind::SERVER_HELLO_DONE) => 2,
            (DtlsRole::Client, _) => 1,
        };
        let ahead = message.number.checked_sub(lowest);
        let is_waiting = self.role == DtlsRole::Client || !self.handshake.attempts.is_empty();
        if !is_waiting || ahead.is_none_or(|ahead| ahead > spread) {
            return self.drop_record();
        }
        let certificate = (message.kind == kind::CERTIFICATE).then(|| message.body.clone());
        match self.handshake.inbox.add(message, self.handshake.datagram) {
            Added::First => self.handshake.unproved = true,
            Added::Variant => {
                self.handshake.unproved = true;
                self.disturbed(now);
            }
            Added::Again(id) => {
                // It may now stand beside others than before.
                self.handshake.unproved = true;
                return self.heard_again(now, id);
            }
            Added::Dropped => return self.drop_record(),
        }
        if let Some(body) = certificate {
            self.judge_certificate(now, &body);
        }
    }

    /// A certificate whose key can prove nothing ends the handshake, if it is the peer's for sure.
    fn judge_certificate(&mut self, now: Instant, body: &[u8]) {
        let Some(leaf) = proof::leaf(body) else {
            return self.doubted(now, DtlsFailure::NoCertificate);
        };
        let fault = match proof::key(leaf) {
            Some(key) if key.kind.is_supported() => return,
            Some(key) => format!(
                "the peer's certificate has a key that is not supported: {}",
                key.kind.name()
            ),
            None => "the peer's certificate is unreadable".to_owned(),
        };
        let failure = DtlsFailure::Handshake(fault);
        if self.config.is_announced(leaf) == Some(true) {
            self.fail(failure);
        } else {
            self.doubted(now, failure);
        }
    }

    /// Whether the first certificate of a Certificate message may be the peer's.
    fn may_be_the_peers(&self, body: &[u8]) -> bool {
        proof::leaf(body).is_some_and(|leaf| self.config.is_announced(leaf).unwrap_or(true))
    }

    /// Whether this combination of messages was not tried yet.
    fn is_untried(&mut self, combination: [u32; 4]) -> bool {
        let tried = &mut self.handshake.tried;
        if tried.contains(&combination) {
            return false;
        }
        if tried.len() >= MAX_TRIED {
            tried.pop_front();
        }
        tried.push_back(combination);
        true
    }

    fn heard_again(&mut self, now: Instant, id: u32) {
        let answers = |attempt: &Attempt| attempt.ready && attempt.answered.contains(&id);
        if let Some(at) = self.handshake.attempts.iter().position(answers) {
            self.repeat_attempt(now, at);
        }
    }

    /// The peer repeats what the flight of this attempt answers.
    fn repeat_attempt(&mut self, now: Instant, at: usize) {
        let attempt = self.handshake.attempts.get_mut(at);
        if attempt.is_some_and(|attempt| attempt.flight.answers(now)) {
            self.resend_attempt(now, at);
        }
    }

    fn resend_attempt(&mut self, now: Instant, at: usize) {
        if let Some(attempt) = self.handshake.attempts.get_mut(at) {
            self.counters.resent_flights = self.counters.resent_flights.saturating_add(1);
            attempt.send(now, &mut self.next_number, &mut self.transmits);
        }
    }

    /// The datagram is read; what it brought may be proved now.
    fn prove(&mut self, now: Instant) {
        if self.state != State::Handshaking || !std::mem::take(&mut self.handshake.unproved) {
            return;
        }
        match self.role {
            DtlsRole::Client => self.prove_server(now),
            DtlsRole::Server => self.prove_client(now),
        }
    }

    fn plaintext_alert(&mut self, now: Instant, body: &[u8]) {
        self.counters.plaintext_alerts = self.counters.plaintext_alerts.saturating_add(1);
        if let &[2, description] = body {
            self.doubted(now, DtlsFailure::PeerAlert(description));
        }
    }

    /// Somebody, perhaps the peer, says or shows that the handshake cannot go on.
    fn doubted(&mut self, now: Instant, failure: DtlsFailure) {
        self.drop_record();
        self.handshake.doubt.heard(now, failure);
        self.disturbed(now);
    }

    fn keep_early(&mut self, raw: &[u8]) {
        let handshake = &mut self.handshake;
        let bytes = handshake.early_bytes.saturating_add(raw.len());
        if handshake.early.len() >= MAX_EARLY || bytes > MAX_EARLY_BYTES {
            return self.drop_record();
        }
        handshake.early_bytes = bytes;
        handshake.early.push_back(raw.to_vec());
    }

    // ---- encrypted records during the handshake ----

    fn is_any_ready(&self) -> bool {
        self.handshake.attempts.iter().any(|attempt| attempt.ready)
    }

    /// The messages of `attempt` are proved: its Finished may come, or have come.
    fn get_ready(&mut self, now: Instant, attempt: Attempt) {
        self.handshake.attempts.push(attempt);
        let early = std::mem::take(&mut self.handshake.early);
        self.handshake.early_bytes = 0;
        for raw in early {
            match raw.first() {
                _ if self.state == State::Connected => self.early_record(now, &raw),
                Some(&HANDSHAKE) => self.encrypted(now, &raw),
                _ => self.keep_early(&raw),
            }
        }
    }

    /// A record under keys: of what cannot be opened rtc-dtls says nothing.
    fn encrypted(&mut self, now: Instant, raw: &[u8]) {
        let mut at = 0;
        while let Some(attempt) = self.handshake.attempts.get_mut(at) {
            if !attempt.ready {
                at = at.saturating_add(1);
                continue;
            }
            match read(&mut attempt.endpoint, now, raw) {
                Ok(events) => {
                    let is_end =
                        |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
                    if events.iter().any(is_end) {
                        return self.complete(at);
                    }
                    if events
                        .iter()
                        .any(|event| matches!(event, EndpointEvent::PeerClosed))
                    {
                        return self.fail(DtlsFailure::PeerAlert(0));
                    }
                    at = at.saturating_add(1);
                }
                // Only what the peer encrypted gets here.
                Err(failure) if self.handshake.attempts.len() == 1 => return self.fail(failure),
                Err(failure) => {
                    self.handshake.attempts.remove(at);
                    self.doubted(now, failure);
                }
            }
        }
    }

    fn complete(&mut self, at: usize) {
        let mut attempt = self.handshake.attempts.swap_remove(at);
        match attempt.endpoint.get_connection_state(PEER).map(summary) {
            Some(Ok(connected)) => {
                let output = attempt.output();
                self.state = State::Connected;
                if self.role == DtlsRole::Server {
                    self.flight = Flight::new(output.flight);
                }
                if let Some(number) = attempt.next_number {
                    self.next_number = number;
                }
                self.fast = attempt.provider.seen.take();
                // With our own records its work is done.
                self.endpoint = self.fast.is_none().then_some(attempt.endpoint);
                self.events.push_back(connected);
            }
            Some(Err(failure)) => self.fail(failure),
            None => self.fail(DtlsFailure::Internal),
        }
    }

    fn early_record(&mut self, now: Instant, raw: &[u8]) {
        if let Some(record) = records(raw).next() {
            self.connected(now, &record);
        }
    }

    /// Just connected: data that came early has its turn.
    fn settle(&mut self, now: Instant) {
        if self.deadline.is_none() || self.state != State::Connected {
            return;
        }
        let early = std::mem::take(&mut self.handshake.early);
        self.release();
        if self.role == DtlsRole::Server {
            self.send_last_flight(now);
        }
        for raw in early {
            self.early_record(now, &raw);
        }
    }

    fn send_last_flight(&mut self, now: Instant) {
        self.flight
            .send(now, &mut self.next_number, &mut self.transmits);
        self.flight.stop_timer();
    }

    // ---- records after the handshake ----
    fn connected(&mut self, now: Instant, record: &Record<'_>) {
        match (record.epoch, record.content_type) {
            (1, APPLICATION_DATA | ALERT) if self.fast.is_some() => self.open_record(record),
            (1, APPLICATION_DATA | ALERT) => self.open_slowly(now, record.raw),
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

    fn repeated(&mut self, now: Instant) {
        if self.flight.answers(now) {
            self.counters.resent_flights = self.counters.resent_flights.saturating_add(1);
            self.send_last_flight(now);
        }
    }

    /// A record that is rtc-dtls's to open.
    fn open_slowly(&mut self, now: Instant, raw: &[u8]) {
        let Some(endpoint) = self.endpoint.as_mut() else {
            return;
        };
        match read(endpoint, now, raw) {
            Ok(events) => {
                let closing = events
                    .iter()
                    .any(|event| matches!(event, EndpointEvent::PeerClosed));
                self.flush(closing);
                for event in events {
                    match event {
                        EndpointEvent::ApplicationData(data) => {
                            self.events.push_back(DtlsEvent::Data(data.freeze()));
                        }
                        EndpointEvent::PeerClosed => {
                            self.end();
                            self.events.push_back(DtlsEvent::PeerClosed);
                        }
                        _ => {}
                    }
                }
            }
            // Only what the peer encrypted reaches rtc-dtls by now.
            Err(fault @ (DtlsFailure::PeerAlert(_) | DtlsFailure::Internal)) => self.fail(fault),
            Err(_) => {
                self.flush(false);
                self.drop_record();
            }
        }
    }

    /// Takes what rtc-dtls wants sent; alerts only if wanted.
    fn flush(&mut self, alerts: bool) {
        let Some(endpoint) = self.endpoint.as_mut() else {
            return;
        };
        while let Some(transmit) = endpoint.poll_transmit() {
            for record in records(&transmit.message) {
                if record.content_type == ALERT && alerts {
                    let record = renumber(record.raw, &mut self.next_number);
                    self.transmits.push_back(record.into());
                }
            }
        }
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
            let failure = self.handshake.doubt.failure();
            return self.fail(failure.unwrap_or(DtlsFailure::Timeout));
        }
        if is_due(self.handshake.doubt.deadline())
            && let Some(failure) = self.handshake.doubt.verdict(now)
        {
            return self.fail(failure);
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
            self.handshake.grace,
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
        }
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
            self.flush(true);
        }
        self.end();
    }

    fn counters(&self) -> DtlsCounters {
        self.counters
    }
}
