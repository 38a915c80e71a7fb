//! Records after the handshake.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Instant;

use bytes::Bytes;
use webrtc_dtls::endpoint::EndpointEvent;

use super::adapter::read;
use super::side::{RtcDtls, State};
use crate::engine::dtls::flight::renumber;
use crate::engine::dtls::record::{
    ALERT, APPLICATION_DATA, CLOSE_NOTIFY, HANDSHAKE, Record, records,
};
use crate::engine::dtls::{DtlsEvent, DtlsFailure, DtlsRole};

impl RtcDtls {
    pub(super) fn early_record(&mut self, now: Instant, raw: &[u8]) {
        if let Some(record) = records(raw).next() {
            self.connected(now, &record);
        }
    }

    /// Just connected: data that came early has its turn.
    pub(super) fn settle(&mut self, now: Instant) {
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

    pub(super) fn send_last_flight(&mut self, now: Instant) {
        self.flight.send(
            now,
            &mut self.next_number,
            &mut self.transmits,
            &self.config.span,
        );
        self.flight.stop_timer();
    }

    // ---- records after the handshake ----
    pub(super) fn connected(&mut self, now: Instant, record: &Record<'_>) {
        match (record.epoch, record.content_type) {
            (1, APPLICATION_DATA | ALERT) if self.fast.is_some() => self.open_record(now, record),
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
    pub(super) fn open_record(&mut self, now: Instant, record: &Record<'_>) {
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
            (ALERT, Some(&[2, description])) => {
                let description = Some(description);
                self.fail(now, DtlsFailure::PeerAlert { description });
            }
            (_, Some(_)) => {}
            (_, None) => self.drop_record(),
        }
    }

    /// RFC 5246 section 7.2.1.
    pub(super) fn answer_close(&mut self) {
        let mut record = Vec::new();
        if let Some(fast) = &mut self.fast
            && fast.seal(ALERT, &CLOSE_NOTIFY, &mut record)
        {
            self.transmits.push_back(record.into());
        }
    }

    pub(super) fn repeated(&mut self, now: Instant) {
        if self.flight.answers(now) {
            self.counters.resent_flights = self.counters.resent_flights.saturating_add(1);
            self.send_last_flight(now);
        }
    }

    /// A record that is rtc-dtls's to open.
    pub(super) fn open_slowly(&mut self, now: Instant, raw: &[u8]) {
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
                        // `HandshakeComplete`, which is long over: there are no others.
                        _ => {}
                    }
                }
            }
            // Only what the peer encrypted reaches rtc-dtls by now.
            Err(fault @ (DtlsFailure::PeerAlert { .. } | DtlsFailure::Internal)) => {
                self.fail(now, fault)
            }
            Err(_) => {
                self.flush(false);
                self.drop_record();
            }
        }
    }

    /// Takes what rtc-dtls wants sent; alerts only if wanted.
    pub(super) fn flush(&mut self, alerts: bool) {
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
