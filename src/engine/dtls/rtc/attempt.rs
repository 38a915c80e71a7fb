//! One association of rtc-dtls. Several may be under way, since a forgery may have led one astray;
//! the peer's Finished tells which is right.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc_shared::TransportProtocol;
use tracing::Span;
use webrtc_dtls::cipher_suite::cipher_suite_for_id;
use webrtc_dtls::config::HandshakeConfig;
use webrtc_dtls::content::ContentType;
use webrtc_dtls::endpoint::{Endpoint, EndpointEvent};
use webrtc_dtls::record_layer::record_layer_header::{PROTOCOL_VERSION1_2, RecordLayerHeader};

use super::adapter::{PEER, read};
use crate::engine::dtls::DtlsFailure;
use crate::engine::dtls::flight::Flight;
use crate::engine::dtls::hello::CookieProvider;
use crate::engine::dtls::kind;
use crate::engine::dtls::reassembly::Message;
use crate::engine::dtls::record::{
    ALERT, CHANGE_CIPHER_SPEC, DTLS_1_2, HANDSHAKE, fragment, fragments, plaintext, records,
};
use crate::engine::guard::contain;

/// Associations under way at the same time.
pub(super) const MAX_ATTEMPTS: usize = 3;
/// Largest piece of a message handed to rtc-dtls.
const PIECE: usize = 8 * 1024;

/// What rtc-dtls is made with. Each association has its own: it sees the keys.
pub(super) struct Making {
    pub(super) provider: Arc<CookieProvider>,
    pub(super) config: Arc<HandshakeConfig>,
}

pub(super) struct Attempt {
    pub(super) endpoint: Endpoint,
    pub(super) provider: Arc<CookieProvider>,
    pub(super) flight: Flight,
    /// The number of our next plaintext record towards rtc-dtls.
    record: u64,
    /// The peer's plaintext messages are complete and proved: its Finished is next.
    pub(super) ready: bool,
    /// Server: the number of its next plaintext record. The first of its flight has that of the
    /// hello (RFC 6347 section 4.2.1), by which the client knows which of its hellos it answers.
    pub(super) next_number: Option<u64>,
    /// Server: its number among those of this side.
    pub(super) id: u32,
    /// Server: the body of the hello that it began with, with its cookie.
    pub(super) hello: Vec<u8>,
    /// Somebody whose certificate was not announced signed it.
    pub(super) is_strangers: bool,
    /// Server: the handshake so far, as CertificateVerify signs it (RFC 5246 section 7.4.8).
    pub(super) transcript: Vec<u8>,
    /// The client's and the server's (RFC 5246 section 7.4.1.2), once both are known.
    pub(super) randoms: Option<([u8; 32], [u8; 32])>,
    /// Client: the messages of the flight that it answered.
    pub(super) answered: Vec<u32>,
}

/// Records that rtc-dtls wants sent.
#[derive(Default)]
pub(super) struct Output {
    pub(super) flight: Vec<Vec<u8>>,
    pub(super) alerts: Vec<Vec<u8>>,
}

impl Attempt {
    pub(super) fn new(endpoint: Endpoint, provider: Arc<CookieProvider>) -> Self {
        Self {
            endpoint,
            provider,
            flight: Flight::default(),
            record: 0,
            ready: false,
            next_number: None,
            id: 0,
            hello: Vec::new(),
            is_strangers: false,
            transcript: Vec::new(),
            answered: Vec::new(),
            randoms: None,
        }
    }

    /// A server that has seen nothing yet.
    pub(super) fn server(making: Making) -> Self {
        let endpoint = Endpoint::new(PEER, TransportProtocol::UDP, Some(making.config));
        Self::new(endpoint, making.provider)
    }

    pub(super) fn message(
        &mut self,
        now: Instant,
        message: &Message,
    ) -> std::result::Result<Vec<EndpointEvent>, DtlsFailure> {
        let length = message.body.len();
        let mut events = Vec::new();
        let mut offset = 0usize;
        let mut pieces = message.body.chunks(PIECE);
        let mut piece = pieces.next().unwrap_or(&[]);
        loop {
            let body = fragment(message.kind, length, message.number, offset, piece);
            let datagram = plaintext(HANDSHAKE, DTLS_1_2, self.number(), &body);
            events.extend(read(&mut self.endpoint, now, &datagram)?);
            offset = offset.saturating_add(piece.len());
            match pieces.next() {
                Some(next) => piece = next,
                None => return Ok(events),
            }
        }
    }

    /// The peer's plaintext messages are over. ChangeCipherSpec says only what the epoch of the
    /// records that follow says as well.
    pub(super) fn change_cipher_spec(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        let record = plaintext(CHANGE_CIPHER_SPEC, DTLS_1_2, self.number(), &[1]);
        read(&mut self.endpoint, now, &record)?;
        self.ready = true;
        Ok(())
    }

    pub(super) fn send(
        &mut self,
        now: Instant,
        shared_number: &mut u64,
        transmits: &mut VecDeque<Bytes>,
        span: &Span,
    ) {
        let number = self.next_number.as_mut().unwrap_or(shared_number);
        self.flight.send(now, number, transmits, span);
    }

    fn number(&mut self) -> u64 {
        let number = self.record;
        self.record = number.saturating_add(1);
        number
    }

    pub(super) fn output(&mut self) -> Output {
        let mut output = Output::default();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            for record in records(&transmit.message) {
                let place = match record.content_type {
                    ALERT => &mut output.alerts,
                    _ => &mut output.flight,
                };
                place.push(record.raw.to_vec());
            }
        }
        output
    }

    /// The failure, with the alert that rtc-dtls has just read: it answers by a copy.
    pub(super) fn named(&mut self, failure: DtlsFailure) -> DtlsFailure {
        match failure {
            DtlsFailure::PeerAlert { description: None } => {
                let alerts = self.output().alerts;
                let description = alerts.last().and_then(|alert| alert.last().copied());
                DtlsFailure::PeerAlert { description }
            }
            other => other,
        }
    }

    /// An alert under the keys of this handshake, which is not over: rtc-dtls would send it in
    /// plain text. It is the last of the association, behind the Finished, whose number is 0.
    pub(super) fn sealed_alert(&self, alert: [u8; 2]) -> Option<Vec<u8>> {
        let state = self.endpoint.get_connection_state(PEER)?;
        let mut suite = cipher_suite_for_id(state.cipher_suite()?.id()).ok()?;
        let secret = self.provider.seen.master_secret()?;
        let (client, server) = self.randoms?;
        let header = RecordLayerHeader {
            content_type: ContentType::Alert,
            protocol_version: PROTOCOL_VERSION1_2,
            epoch: 1,
            sequence_number: 1,
            content_len: 2,
        };
        let mut raw = Vec::new();
        contain(|| {
            let provider = self.provider.clone();
            suite
                .init(provider, &secret, &client, &server, state.is_client())
                .ok()?;
            header.marshal(&mut raw).ok()?;
            raw.extend_from_slice(&alert);
            suite.encrypt(&header, &raw).ok()
        })
        .ok()?
    }

    /// Whether rtc-dtls took in everything up to its keys. It swallows what it cannot read.
    pub(super) fn has_keys(&self) -> bool {
        self.endpoint
            .get_connection_state(PEER)
            .and_then(|state| state.cipher_suite())
            .is_some_and(|suite| suite.is_initialized())
    }
}

/// A message as it stands in the transcript: in one piece (RFC 6347 section 4.2.6).
pub(super) fn transcribe(message: &Message) -> Vec<u8> {
    let body = &message.body;
    fragment(message.kind, body.len(), message.number, 0, body)
}

/// The messages of a flight of ours as they stand in the transcript.
pub(super) fn transcribe_flight(flight: &[Vec<u8>], out: &mut Vec<u8>) {
    for raw in flight {
        for record in records(raw).filter(|record| record.content_type == HANDSHAKE) {
            for piece in fragments(record.body) {
                if piece.offset == 0 {
                    let header = fragment(piece.kind, piece.length, piece.message, 0, &[]);
                    // Its last three bytes are the length of the fragment, here of the message.
                    let length = header.get(1..4).unwrap_or_default();
                    let head = header.len().saturating_sub(length.len());
                    out.extend_from_slice(header.get(..head).unwrap_or_default());
                    out.extend_from_slice(length);
                }
                out.extend_from_slice(piece.data);
            }
        }
    }
}

/// The random of the ServerHello in a flight of ours.
pub(super) fn server_random(flight: &[Vec<u8>]) -> Option<[u8; 32]> {
    let first = records(flight.first()?).next()?;
    let hello = fragments(first.body).next()?;
    (hello.kind == kind::SERVER_HELLO && hello.offset == 0).then_some(())?;
    hello.data.get(2..34)?.try_into().ok()
}

/// A ClientHello of ours out of the records that hold it, and the version of those.
pub(super) fn own_hello(flight: &[Vec<u8>]) -> Option<(Vec<u8>, [u8; 2])> {
    let mut body = Vec::new();
    let mut version = None;
    for raw in flight {
        version = version.or_else(|| raw.get(1..3)?.try_into().ok());
        for piece in records(raw).flat_map(|record| fragments(record.body)) {
            (piece.kind == kind::CLIENT_HELLO).then_some(())?;
            body.extend_from_slice(piece.data);
        }
    }
    Some((body, version?))
}
