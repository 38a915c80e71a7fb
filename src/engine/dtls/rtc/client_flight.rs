//! The flights of a client: the server's handshake up to the client's Finished. Nothing is held for a client before its
//! cookie comes back; then each of its hellos has an association of its own until the client's
//! signature proves one of them.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::attempt::{Attempt, MAX_ATTEMPTS, server_random, transcribe, transcribe_flight};
use super::side::{MAX_VERIFICATIONS, RtcDtls};
use crate::engine::dtls::flight::Flight;
use crate::engine::dtls::hello::{self, ClientHello};
use crate::engine::dtls::inbox::{Heard, follows};
use crate::engine::dtls::reassembly::Message;
use crate::engine::dtls::record::{DTLS_1_0, HANDSHAKE, fragment, plaintext};
use crate::engine::dtls::{DtlsFailure, kind, proof};

/// Least time between hellos that take the place of others.
const BETWEEN_HELLOS: Duration = Duration::from_millis(100);
impl RtcDtls {
    pub(super) fn client_hello(&mut self, now: Instant, message: &Message) {
        let (_, record) = message.records;
        // Record numbers of a hello become ours (RFC 6347 section 4.2.1): keep them small.
        let hello = hello::parse(&message.body).filter(|_| record <= u64::from(u32::MAX));
        let server = &mut self.handshake.server;
        let (Some(hello), Some(cookies)) = (hello, &server.cookies) else {
            return self.drop_record();
        };
        let cookie = cookies.cookie(&hello.random);
        if message.number != 1 || !rtc_crypto::constant_time_eq(hello.cookie, &cookie) {
            let body = hello::verify_request(&cookie);
            let body = fragment(kind::HELLO_VERIFY_REQUEST, body.len(), 0, 0, &body);
            let answer = plaintext(HANDSHAKE, DTLS_1_0, record, &body);
            if !server.may_answer(answer.len()) {
                return self.drop_record();
            }
            self.transmits.push_back(answer.into());
            return;
        }
        let known = |attempt: &Attempt| attempt.hello == message.body;
        match self.handshake.attempts.iter().position(known) {
            Some(at) => self.repeat_attempt(now, at),
            None => self.accept(now, &hello, message, cookie),
        }
    }

    /// The client showed that it gets our datagrams: rtc-dtls may see its two hellos.
    fn accept(
        &mut self,
        now: Instant,
        hello: &ClientHello<'_>,
        message: &Message,
        cookie: [u8; 20],
    ) {
        if !self.make_room(now) {
            return self.drop_record();
        }
        let Ok(making) = self.making() else {
            return self.fail(now, DtlsFailure::Internal);
        };
        making.provider.set(cookie);
        let mut attempt = Attempt::server(making);
        let first = Message {
            kind: kind::CLIENT_HELLO,
            number: 0,
            body: hello.first.clone(),
            records: message.records,
        };
        let mut result = attempt.message(now, &first);
        if result.is_ok() {
            // The client has its HelloVerifyRequest, from us.
            attempt.output();
            result = attempt.message(now, message);
        }
        let output = attempt.output();
        if let Err(failure) = result {
            for alert in output.alerts.iter().take(1) {
                let alert = alert
                    .get(alert.len().saturating_sub(2)..)
                    .unwrap_or_default();
                self.send_alert(alert);
            }
            return self.doubted(now, failure);
        }
        let (_, record) = message.records;
        attempt.next_number = Some(record);
        self.next_number = self.next_number.max(record);
        let server = &mut self.handshake.server;
        server.accepted = server.accepted.wrapping_add(1);
        attempt.id = server.accepted;
        attempt.hello = message.body.clone();
        attempt.transcript = transcribe(message);
        transcribe_flight(&output.flight, &mut attempt.transcript);
        attempt.randoms = server_random(&output.flight).map(|server| (hello.random, server));
        attempt.flight = Flight::new(output.flight);
        attempt.send(
            now,
            &mut self.next_number,
            &mut self.transmits,
            &self.config.span,
        );
        if !self.handshake.attempts.is_empty() {
            self.counters.restarts = self.counters.restarts.saturating_add(1);
        }
        self.handshake.attempts.push(attempt);
        // What waits may be for this one.
        self.handshake.unproved = true;
    }

    fn make_room(&mut self, now: Instant) -> bool {
        let handshake = &mut self.handshake;
        if handshake.attempts.len() < MAX_ATTEMPTS {
            return true;
        }
        let rested = handshake
            .server
            .replaced
            .is_none_or(|last| now.saturating_duration_since(last) >= BETWEEN_HELLOS);
        let waits = |attempt: &Attempt| !attempt.ready;
        let strange = |attempt: &Attempt| waits(attempt) && attempt.is_strangers;
        let oldest = handshake
            .attempts
            .iter()
            .position(strange)
            .or_else(|| handshake.attempts.iter().position(waits));
        let Some(oldest) = oldest.filter(|_| rested) else {
            return false;
        };
        handshake.server.replaced = Some(now);
        handshake.attempts.remove(oldest);
        true
    }

    /// Looks for the messages of the client that its signature joins (RFC 5246 section 7.4.8).
    pub(super) fn prove_client(&mut self, now: Instant) {
        let mut budget = MAX_VERIFICATIONS;
        let mut failed = false;
        let mut proved: Option<(usize, [Message; 3], bool)> = None;
        let mut strange = Vec::new();
        let handshake = &self.handshake;
        let mut tried = Vec::new();
        for (at, flight) in self.client_combinations() {
            let [certificate, exchange, verify] = flight;
            let Some(attempt) = handshake.attempts.get(at) else {
                continue;
            };
            let combination = [attempt.id, certificate.id, exchange.id, verify.id];
            if budget == 0 || handshake.tried.contains(&combination) {
                continue;
            }
            let leaf = proof::leaf(&certificate.message.body);
            let Some(key) = leaf.and_then(proof::key) else {
                continue;
            };
            let Some(signed) = proof::certificate_verify(&verify.message.body) else {
                continue;
            };
            budget = budget.saturating_sub(1);
            let said = [
                attempt.transcript.as_slice(),
                &transcribe(&certificate.message),
                &transcribe(&exchange.message),
            ]
            .concat();
            if proof::verify(&key, &said, &signed) {
                attempt
                    .provider
                    .seen
                    .prove(key.bytes, &said, signed.signature);
                let is_the_peers = self.may_be_the_peers(&certificate.message.body);
                let messages = flight.map(|heard| heard.message.clone());
                proved.get_or_insert((at, messages, is_the_peers));
                if is_the_peers {
                    break;
                }
                // The peer's came before, so it is none of those: the first of them is as good as
                // another, but whose hellos these are is of use.
                strange.push(at);
                continue;
            }
            tried.push(combination);
            failed = true;
        }
        for at in strange {
            if let Some(attempt) = self.handshake.attempts.get_mut(at) {
                attempt.is_strangers = true;
            }
        }
        self.handshake.unproved = budget == 0;
        for combination in tried {
            self.is_untried(combination);
        }
        if let Some((_, _, true)) = proved {
            self.handshake.stranger.peer_is_there();
        }
        match proved {
            Some((_, _, false)) if !self.handshake.stranger.may_have_it(now) => {}
            Some((at, flight, _)) => self.take_in(now, at, &flight),
            None if failed => {
                let why = "no signature proves the client's messages".to_owned();
                self.doubted(now, DtlsFailure::Protocol(why));
            }
            None => {}
        }
    }

    /// Which messages may be one flight of the client, and of which of its hellos; the likeliest first.
    fn client_combinations(&self) -> Vec<(usize, [&Heard; 3])> {
        let handshake = &self.handshake;
        let inbox = &handshake.inbox;
        let mut combinations: Vec<(usize, [&Heard; 3])> = Vec::new();
        for (at, attempt) in handshake.attempts.iter().enumerate().rev() {
            if attempt.ready {
                continue;
            }
            for verify in inbox.of(4, kind::CERTIFICATE_VERIFY) {
                for exchange in inbox.of(3, kind::CLIENT_KEY_EXCHANGE) {
                    for certificate in inbox.of(2, kind::CERTIFICATE) {
                        combinations.push((at, [certificate, exchange, verify]));
                    }
                }
            }
        }
        // The peer's certificate before any other, and what was sent in one go before the rest.
        if combinations.len() > 1 {
            combinations.sort_by_cached_key(|(_, [certificate, exchange, verify])| {
                let gaps = u8::from(!follows(certificate, exchange))
                    .saturating_add(u8::from(!follows(exchange, verify)));
                (!self.may_be_the_peers(&certificate.message.body), gaps)
            });
        }
        combinations
    }

    /// Hands the proved messages to rtc-dtls. Its faults now are those of whoever signed them: the
    /// client's, if its certificate was announced.
    fn take_in(&mut self, now: Instant, at: usize, flight: &[Message; 3]) {
        self.handshake.grace = None;
        let mut attempt = self.handshake.attempts.remove(at);
        for message in flight {
            if let Err(failure) = attempt.message(now, message) {
                return self.signed_badly(now, flight, failure);
            }
        }
        if !attempt.has_keys() || attempt.change_cipher_spec(now).is_err() {
            let unreadable = "unreadable message".to_owned();
            return self.signed_badly(now, flight, DtlsFailure::Protocol(unreadable));
        }
        self.get_ready(now, attempt);
    }

    /// The association is lost, and the handshake if the fault is the client's for sure: a client
    /// that hears nothing begins anew.
    fn signed_badly(&mut self, now: Instant, flight: &[Message; 3], failure: DtlsFailure) {
        let [certificate, ..] = flight;
        let leaf = proof::leaf(&certificate.body);
        match leaf.and_then(|leaf| self.config.is_announced(leaf)) {
            Some(true) => self.fail(now, failure),
            _ => self.doubted(now, failure),
        }
    }
}
