//! rtc-dtls behind a guard. The peer's plaintext messages, which anybody can forge, are kept in all
//! variants until a signature proves some of them; only those reach rtc-dtls, whole and in order. It
//! sends through our flight cache, because its own retransmission stops after one lost flight.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod adapter;
mod attempt;
mod client;
mod client_flight;
mod client_hello;
mod doubt;
mod ending;
mod established;
mod keyed;
mod plaintext;
mod server;
mod server_flight;
mod side;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

#[cfg(test)]
pub(super) use self::adapter::ONLY_CHACHA;
use self::adapter::PEER;
pub(crate) use self::side::RtcDtls;
use self::side::State;
use super::fast::{self, Front};
use super::record::{APPLICATION_DATA, records};
use super::{DtlsCounters, DtlsEvent, DtlsFailure, DtlsRole, DtlsTransport};
use crate::engine::guard::contain;
use crate::error::{Error, Result};

const MAX_WRITE: usize = 16 * 1024;

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
