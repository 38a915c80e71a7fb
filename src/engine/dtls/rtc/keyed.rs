//! Records under keys during the handshake, up to its end.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Instant;

use webrtc_dtls::endpoint::EndpointEvent;

use super::adapter::{PEER, read, summary};
use super::attempt::Attempt;
use super::side::{RtcDtls, State};
use crate::engine::dtls::flight::Flight;
use crate::engine::dtls::record::{ALERT, HANDSHAKE};
use crate::engine::dtls::{DtlsEvent, DtlsFailure, DtlsRole};

/// Encrypted records that came before their turn, in number and bytes.
const MAX_EARLY: usize = 100;
const MAX_EARLY_BYTES: usize = 64 * 1024;

impl RtcDtls {
    pub(super) fn keep_early(&mut self, raw: &[u8]) {
        let handshake = &mut self.handshake;
        let bytes = handshake.early_bytes.saturating_add(raw.len());
        if handshake.early.len() >= MAX_EARLY || bytes > MAX_EARLY_BYTES {
            return self.drop_record();
        }
        handshake.early_bytes = bytes;
        handshake.early.push_back(raw.to_vec());
    }

    pub(super) fn is_any_ready(&self) -> bool {
        self.handshake.attempts.iter().any(|attempt| attempt.ready)
    }

    /// The messages of `attempt` are proved: its Finished may come, or have come.
    pub(super) fn get_ready(&mut self, now: Instant, attempt: Attempt) {
        self.handshake.attempts.push(attempt);
        let mut early = std::mem::take(&mut self.handshake.early);
        self.handshake.early_bytes = 0;
        // The Finished first: what overtook it is then read as after the handshake.
        let kind = |raw: &Vec<u8>| raw.first().is_none_or(|kind| *kind != HANDSHAKE);
        early.make_contiguous().sort_by_key(kind);
        for raw in early {
            match (self.state, raw.first()) {
                (State::Over, _) => return,
                (State::Connected, _) => self.early_record(now, &raw),
                (_, Some(&HANDSHAKE)) => self.encrypted(now, &raw),
                (_, Some(&ALERT)) => {
                    self.encrypted(now, &raw);
                    self.keep_early(&raw);
                }
                _ => self.keep_early(&raw),
            }
        }
    }

    /// A record under keys: of what cannot be opened rtc-dtls says nothing.
    pub(super) fn encrypted(&mut self, now: Instant, raw: &[u8]) {
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
                        return self.complete(now, at);
                    }
                    if events
                        .iter()
                        .any(|event| matches!(event, EndpointEvent::PeerClosed))
                    {
                        // The peer closed before the handshake was over, and has the keys.
                        self.end();
                        return self.events.push_back(DtlsEvent::PeerClosed);
                    }
                    at = at.saturating_add(1);
                }
                // Only what the peer encrypted gets here.
                Err(failure) => {
                    let failure = attempt.named(failure);
                    if self.handshake.attempts.len() == 1 {
                        return self.fail(now, failure);
                    }
                    self.handshake.attempts.remove(at);
                    self.doubted(now, failure);
                }
            }
        }
    }

    pub(super) fn complete(&mut self, now: Instant, at: usize) {
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
            Some(Err(failure)) => self.fail(now, failure),
            None => self.fail(now, DtlsFailure::Internal),
        }
    }
}
