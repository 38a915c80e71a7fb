//! The peer's handshake messages: checked, put in order, and handed to rtc-dtls whole.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use rtc_shared::TransportProtocol;
use webrtc_dtls::endpoint::Endpoint;

use super::adapter::read;
use super::{Inbound, PEER, RtcDtls, State};
use crate::engine::dtls::hello;
use crate::engine::dtls::reassembly::{Added, Message, Partial, Reassembly};
use crate::engine::dtls::record::{
    ALERT, CHANGE_CIPHER_SPEC, DTLS_1_0, DTLS_1_2, Fragment, HANDSHAKE, fragment, plaintext,
};
use crate::engine::dtls::{DtlsFailure, DtlsRole};

/// Largest piece of a message handed to rtc-dtls.
const PIECE: usize = 8 * 1024;
/// A peer whose messages contradict those we have may do so this often.
const MAX_CONTRADICTIONS: u32 = 3;
/// Least time between alerts that tell a client its association is gone.
const LOST_ALERT_GAP: Duration = Duration::from_millis(200);

// Handshake types (RFC 5246 section 7.4, RFC 6347 section 4.3.2).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;

impl RtcDtls {
    pub(super) fn fragment(&mut self, now: Instant, fragment: &Fragment<'_>, record: u64) {
        match (self.role, fragment.kind) {
            (DtlsRole::Server, CLIENT_HELLO) => self.hello_fragment(now, fragment, record),
            (DtlsRole::Client, CLIENT_HELLO) => {
                self.fault
                    .get_or_insert(DtlsFailure::Handshake("both sides are clients".into()));
                self.drop_record();
            }
            _ if self.endpoint.is_none() => self.association_lost(now),
            (DtlsRole::Client, HELLO_VERIFY_REQUEST) if self.other_cookie(fragment) => {
                // RFC 6347 section 4.2.1: the server changed its mind, or somebody forged one.
                self.spoiled(now, DtlsFailure::Handshake("cookies contradict".into()));
            }
            _ => match self.inbound.messages.add(fragment) {
                Added::Old => {
                    let contradicts = |(number, kind): &(u16, u8)| {
                        *number == fragment.message && *kind != fragment.kind
                    };
                    if self.inbound.kinds.iter().any(contradicts) {
                        self.contradicted(now);
                    } else if fragment.message < self.inbound.flight_start {
                        self.repeated(now);
                    }
                }
                Added::Stored => {}
                Added::Dropped => self.drop_record(),
            },
        }
    }

    /// One contradiction is a forgery; a peer that insists means that we took a forgery for its
    /// message.
    fn contradicted(&mut self, now: Instant) {
        self.drop_record();
        self.inbound.contradictions = self.inbound.contradictions.saturating_add(1);
        // Once complete, the messages have proved to belong together, and the peer may be done.
        if self.inbound.contradictions >= MAX_CONTRADICTIONS && !self.inbound.complete {
            self.spoiled(now, DtlsFailure::Handshake("messages contradict".into()));
        }
    }

    fn other_cookie(&self, fragment: &Fragment<'_>) -> bool {
        self.inbound.messages.next() == 1
            && fragment.data.len() == fragment.length
            && self.inbound.cookie.is_some()
            && hello::requested_cookie(fragment.data) != self.inbound.cookie.as_deref()
    }

    fn hello_fragment(&mut self, now: Instant, fragment: &Fragment<'_>, record: u64) {
        let number = fragment.message;
        // Record numbers of a hello become ours (RFC 6347 section 4.2.1): keep them small.
        let Some(slot) = self
            .hellos
            .get_mut(usize::from(number))
            .filter(|_| record <= u64::from(u32::MAX))
        else {
            return self.drop_record();
        };
        Partial::add(slot, fragment);
        if let Some(message) = Partial::take(slot, number) {
            self.hello(now, &message, record);
        }
    }

    fn hello(&mut self, now: Instant, message: &Message, record: u64) {
        let Some(hello) = hello::parse(&message.body) else {
            return self.drop_record();
        };
        let cookie = self.cookies.cookie(&hello.random);
        if message.number != 1 || !rtc_crypto::constant_time_eq(hello.cookie, &cookie) {
            let body = hello::verify_request(&cookie);
            let body = fragment(HELLO_VERIFY_REQUEST, body.len(), 0, 0, &body);
            self.transmits
                .push_back(plaintext(HANDSHAKE, DTLS_1_0, record, &body).into());
        } else if self.endpoint.is_some() && self.inbound.random == Some(hello.random) {
            self.repeated(now);
        } else {
            self.accept(now, &hello, message, record, cookie);
        }
    }

    /// The client showed that it gets our datagrams: rtc-dtls may see its two hellos.
    fn accept(
        &mut self,
        now: Instant,
        hello: &hello::ClientHello<'_>,
        message: &Message,
        record: u64,
        cookie: [u8; 20],
    ) {
        self.provider.set(cookie);
        self.inbound = Inbound {
            messages: Reassembly::starting_at(2),
            random: Some(hello.random),
            ..Inbound::default()
        };
        self.next_number = self.next_number.max(record);
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, Some(self.config.clone()));
        let first = Message {
            kind: CLIENT_HELLO,
            number: 0,
            body: hello.first.clone(),
        };
        let mut result = Ok(());
        for datagram in self.datagrams(&first) {
            if let Err(fault) = read(&mut endpoint, now, &datagram) {
                result = Err(fault);
            }
        }
        if let Err(fault) = result {
            self.endpoint = Some(endpoint);
            self.flush(now, true);
            return self.spoiled(now, fault);
        }
        // The client has its HelloVerifyRequest, from us.
        while endpoint.poll_transmit().is_some() {}
        self.endpoint = Some(endpoint);
        self.message(now, message);
    }

    /// A client goes on with a handshake that is no more: tell it, so that it begins anew.
    fn association_lost(&mut self, now: Instant) {
        let rested = self
            .lost_alert
            .is_none_or(|last| now.saturating_duration_since(last) >= LOST_ALERT_GAP);
        if self.role == DtlsRole::Server && self.restarts > 0 && rested {
            const FATAL_UNEXPECTED_MESSAGE: [u8; 2] = [2, 10];
            self.lost_alert = Some(now);
            let number = self.next_number;
            self.next_number = number.saturating_add(1);
            self.transmits
                .push_back(plaintext(ALERT, DTLS_1_2, number, &FATAL_UNEXPECTED_MESSAGE).into());
        }
    }

    /// Hands rtc-dtls whatever is next in order.
    pub(super) fn deliver(&mut self, now: Instant) {
        while self.state == State::Handshaking && self.endpoint.is_some() {
            let (role, inbound) = (self.role, &mut self.inbound);
            let last = inbound.kinds.last().map(|(_, kind)| *kind);
            let mut wanted = true;
            let message = inbound.messages.pop(|kind| {
                wanted = in_order(role, last, kind);
                wanted
            });
            if !wanted {
                self.contradicted(now);
            }
            let Some(message) = message else {
                break;
            };
            self.inbound.kinds.push((message.number, message.kind));
            if message.kind == HELLO_VERIFY_REQUEST {
                self.inbound.cookie = hello::requested_cookie(&message.body).map(<[u8]>::to_vec);
            }
            self.message(now, &message);
        }
        if self.inbound.complete && self.inbound.change_cipher_spec_seen && !self.inbound.encrypted
        {
            self.inbound.encrypted = true;
            let record = plaintext(CHANGE_CIPHER_SPEC, DTLS_1_2, self.inbound_number(), &[1]);
            self.feed(now, &record);
            self.feed_early(now, HANDSHAKE);
        }
    }

    fn message(&mut self, now: Instant, message: &Message) {
        for datagram in self.datagrams(message) {
            self.feed(now, &datagram);
        }
        if self.endpoint.is_none() {
            return; // it spoiled the handshake
        }
        self.suspicion = None;
        if message.number >= self.best {
            self.best = message.number.saturating_add(1);
            self.best_at = Some(now);
            self.fault = None;
        }
        // rtc-dtls swallows a message it cannot read, and would then wait for ever.
        let accepted = match (self.role, message.kind) {
            (DtlsRole::Client, SERVER_HELLO_DONE) => {
                self.inbound.flight_start == self.inbound.messages.next()
            }
            (DtlsRole::Server, CERTIFICATE_VERIFY) => self
                .endpoint
                .as_ref()
                .and_then(|endpoint| endpoint.get_connection_state(PEER)?.cipher_suite())
                .is_some_and(|suite| suite.is_initialized()),
            _ => return,
        };
        if accepted {
            self.inbound.complete = true;
        } else {
            self.spoiled(now, DtlsFailure::Handshake("unreadable message".into()));
        }
    }

    fn datagrams(&mut self, message: &Message) -> Vec<Vec<u8>> {
        let length = message.body.len();
        let mut offset = 0usize;
        let mut out = Vec::new();
        let mut pieces = message.body.chunks(PIECE);
        let mut piece = pieces.next().unwrap_or(&[]);
        loop {
            let body = fragment(message.kind, length, message.number, offset, piece);
            let number = self.inbound_number();
            out.push(plaintext(HANDSHAKE, DTLS_1_2, number, &body));
            offset = offset.saturating_add(piece.len());
            match pieces.next() {
                Some(next) => piece = next,
                None => return out,
            }
        }
    }

    fn inbound_number(&mut self) -> u64 {
        let number = self.inbound.record;
        self.inbound.record = number.saturating_add(1);
        number
    }

    pub(super) fn feed_early(&mut self, now: Instant, content_type: u8) {
        let kept = std::mem::take(&mut self.inbound.early);
        self.inbound.early_bytes = 0;
        for raw in kept {
            if self.state == State::Connected {
                if let Some(record) = crate::engine::dtls::record::records(&raw).next() {
                    self.connected(now, &record);
                }
            } else if raw.first() == Some(&content_type) {
                self.feed(now, &raw);
            } else if self.state == State::Handshaking {
                self.keep_early(&raw);
            }
        }
    }
}

/// Whether a plaintext message of this type may follow `last` (RFC 5246 section 7.3), the peer's
/// hello being dealt with elsewhere on the server. We offer nothing that adds other messages.
fn in_order(role: DtlsRole, last: Option<u8>, kind: u8) -> bool {
    match (role, last) {
        (DtlsRole::Client, None) => matches!(kind, HELLO_VERIFY_REQUEST | SERVER_HELLO),
        (DtlsRole::Client, Some(HELLO_VERIFY_REQUEST)) => kind == SERVER_HELLO,
        (DtlsRole::Client, Some(SERVER_HELLO)) => kind == CERTIFICATE,
        (DtlsRole::Client, Some(CERTIFICATE)) => kind == SERVER_KEY_EXCHANGE,
        (DtlsRole::Client, Some(SERVER_KEY_EXCHANGE)) => {
            matches!(kind, CERTIFICATE_REQUEST | SERVER_HELLO_DONE)
        }
        (DtlsRole::Client, Some(CERTIFICATE_REQUEST)) => kind == SERVER_HELLO_DONE,
        (DtlsRole::Server, None) => kind == CERTIFICATE,
        (DtlsRole::Server, Some(CERTIFICATE)) => kind == CLIENT_KEY_EXCHANGE,
        (DtlsRole::Server, Some(CLIENT_KEY_EXCHANGE)) => kind == CERTIFICATE_VERIFY,
        _ => false,
    }
}
