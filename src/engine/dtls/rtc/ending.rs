//! How an association ends, and what the peer is told.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Instant;

use super::adapter::PEER;
use super::side::{Handshake, RtcDtls, State};
use crate::engine::dtls::flight::Flight;
use crate::engine::dtls::record::{ALERT, CLOSE_NOTIFY, DTLS_1_2, HANDSHAKE_FAILURE, plaintext};
use crate::engine::dtls::{DtlsEvent, DtlsFailure, DtlsRole};
use crate::engine::guard::contain;

impl RtcDtls {
    pub(super) fn fail(&mut self, now: Instant, failure: DtlsFailure) {
        if self.state == State::Over {
            return;
        }
        if self.state == State::Handshaking {
            self.say_goodbye(now, HANDSHAKE_FAILURE);
        }
        let is_timeout = matches!(failure, DtlsFailure::Timeout | DtlsFailure::Silent);
        if self.state == State::Handshaking && !is_timeout {
            // RFC 5246 section 7.2.2: whoever gives up says so.
            self.send_alert(&HANDSHAKE_FAILURE);
        }
        self.end();
        self.events.push_back(DtlsEvent::Failed(failure));
    }

    /// Why the handshake did not end in time.
    pub(super) fn time_out(&self) -> DtlsFailure {
        let handshake = &self.handshake;
        match handshake.doubt.failure() {
            _ if handshake.stranger.was_heard() => DtlsFailure::FingerprintMismatch,
            Some(doubt) => doubt,
            None if handshake.heard => DtlsFailure::Timeout,
            None => DtlsFailure::Silent,
        }
    }

    pub(super) fn send_alert(&mut self, alert: &[u8]) {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        self.transmits
            .push_back(plaintext(ALERT, DTLS_1_2, number, alert).into());
    }

    pub(super) fn end(&mut self) {
        self.state = State::Over;
        self.endpoint = None;
        self.fast = None;
        self.release();
        self.flight = Flight::default();
    }

    /// Frees what only the handshake needs.
    pub(super) fn release(&mut self) {
        *self.handshake = Handshake::default();
        self.shown = Vec::new();
        self.spare = None;
        self.deadline = None;
    }

    /// RFC 5246 section 7.2.1.
    pub(super) fn close_notify(&mut self, now: Instant) {
        if self.state == State::Handshaking {
            self.say_goodbye(now, CLOSE_NOTIFY);
        }
        self.answer_close();
        if self.state == State::Connected
            && let Some(endpoint) = self.endpoint.as_mut()
            && contain(|| endpoint.stop(now, PEER)).is_ok()
        {
            self.flush(true);
        }
    }

    /// Says under the keys there are that this side gives up. A client repeats its flight, for a
    /// server that has not got it has no keys yet; a repetition later there will not be.
    fn say_goodbye(&mut self, now: Instant, alert: [u8; 2]) {
        for attempt in &mut self.handshake.attempts {
            let Some(record) = attempt.ready.then(|| attempt.sealed_alert(alert)).flatten() else {
                continue;
            };
            if self.role == DtlsRole::Client {
                attempt.send(
                    now,
                    &mut self.next_number,
                    &mut self.transmits,
                    &self.config.span,
                );
            }
            self.transmits.push_back(record.into());
        }
    }
}
