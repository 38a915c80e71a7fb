//! What comes in plain text during the handshake: collected, and doubted.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Instant;

use super::attempt::Attempt;
use super::side::{MAX_TRIED, RtcDtls, State};
use crate::engine::dtls::inbox::Added;
use crate::engine::dtls::reassembly::Message;
use crate::engine::dtls::record::{
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Record, fragments,
};
use crate::engine::dtls::{DtlsFailure, DtlsRole, kind, proof};

impl RtcDtls {
    pub(super) fn handshaking(&mut self, now: Instant, record: &Record<'_>) {
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

    pub(super) fn plaintext_messages(&mut self, now: Instant, record: &Record<'_>) {
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

    pub(super) fn message(&mut self, now: Instant, message: Message) {
        self.handshake.heard = true;
        match (self.role, message.kind) {
            (DtlsRole::Server, kind::CLIENT_HELLO) => self.client_hello(now, &message),
            (DtlsRole::Client, kind::CLIENT_HELLO) => {
                self.doubted(now, DtlsFailure::BothClients);
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
    pub(super) fn collect(&mut self, now: Instant, message: Message, lowest: u16) {
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
    pub(super) fn judge_certificate(&mut self, now: Instant, body: &[u8]) {
        let Some(leaf) = proof::leaf(body) else {
            return self.doubted(now, DtlsFailure::NoCertificate);
        };
        let failure = match proof::key(leaf) {
            Some(key) if key.kind.is_supported() => return,
            Some(key) => DtlsFailure::UnsupportedKey {
                key: key.kind.name(),
            },
            None => DtlsFailure::UnreadableCertificate,
        };
        if self.config.is_announced(leaf) == Some(true) {
            self.fail(now, failure);
        } else {
            self.doubted(now, failure);
        }
    }

    /// Whether the first certificate of a Certificate message may be the peer's.
    pub(super) fn may_be_the_peers(&self, body: &[u8]) -> bool {
        proof::leaf(body).is_some_and(|leaf| self.config.is_announced(leaf).unwrap_or(true))
    }

    /// Whether this combination of messages was not tried yet.
    pub(super) fn is_untried(&mut self, combination: [u32; 4]) -> bool {
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

    pub(super) fn heard_again(&mut self, now: Instant, id: u32) {
        let answers = |attempt: &Attempt| attempt.ready && attempt.answered.contains(&id);
        if let Some(at) = self.handshake.attempts.iter().position(answers) {
            self.repeat_attempt(now, at);
        }
    }

    /// The peer repeats what the flight of this attempt answers.
    pub(super) fn repeat_attempt(&mut self, now: Instant, at: usize) {
        let attempt = self.handshake.attempts.get_mut(at);
        if attempt.is_some_and(|attempt| attempt.flight.answers(now)) {
            self.resend_attempt(now, at);
        }
    }

    pub(super) fn resend_attempt(&mut self, now: Instant, at: usize) {
        if let Some(attempt) = self.handshake.attempts.get_mut(at) {
            self.counters.resent_flights = self.counters.resent_flights.saturating_add(1);
            attempt.send(
                now,
                &mut self.next_number,
                &mut self.transmits,
                &self.config.span,
            );
        }
    }

    /// The datagram is read; what it brought may be proved now.
    pub(super) fn prove(&mut self, now: Instant) {
        if self.state != State::Handshaking || !std::mem::take(&mut self.handshake.unproved) {
            return;
        }
        match self.role {
            DtlsRole::Client => self.prove_server(now),
            DtlsRole::Server => self.prove_client(now),
        }
    }

    pub(super) fn plaintext_alert(&mut self, now: Instant, body: &[u8]) {
        self.counters.plaintext_alerts = self.counters.plaintext_alerts.saturating_add(1);
        if let &[2, description] = body {
            let description = Some(description);
            self.doubted(now, DtlsFailure::PeerAlert { description });
        }
    }

    /// Somebody, perhaps the peer, says or shows that the handshake cannot go on.
    pub(super) fn doubted(&mut self, now: Instant, failure: DtlsFailure) {
        self.drop_record();
        self.handshake.doubt.heard(now, failure);
        self.disturbed(now);
    }
}
