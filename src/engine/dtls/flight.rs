//! The last flight sent, kept to be sent again (RFC 6347 section 4.2.4).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::Span;

use super::kind;
use super::record::{CHANGE_CIPHER_SPEC, HANDSHAKE, RECORD_HEADER, fragments, plaintext, records};
use crate::trace;

/// Largest datagram of a handshake, in bytes of UDP payload.
pub(super) const MAX_DATAGRAM: usize = 1200;
/// RFC 6347 section 4.2.4.1 says 1 s; shorter timers are allowed where round trips are short.
const FIRST_INTERVAL: Duration = Duration::from_millis(200);
const MAX_INTERVAL: Duration = Duration::from_millis(800);
/// A repetition of the peer is answered at most this often and this many times.
const MIN_GAP: Duration = Duration::from_millis(100);
const MAX_ANSWERS: u32 = 60;

#[derive(Debug, Default)]
pub(super) struct Flight {
    records: Vec<Vec<u8>>,
    interval: Duration,
    due: Option<Instant>,
    sent: Option<Instant>,
    answers: u32,
}

impl Flight {
    pub(super) fn new(records: Vec<Vec<u8>>) -> Self {
        Self {
            records,
            interval: FIRST_INTERVAL,
            ..Self::default()
        }
    }

    /// Other records in place of those, for the next time it is sent.
    pub(super) fn replace(&mut self, records: Vec<Vec<u8>>) {
        self.records = records;
    }

    /// The last flight of the handshake is sent again only when the peer repeats its own.
    pub(super) fn stop_timer(&mut self) {
        self.due = None;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the peer's repetition of its flight is to be answered now; an attacker who repeats
    /// it must not make us flood the peer.
    pub(super) fn answers(&mut self, now: Instant) -> bool {
        let rested = self
            .sent
            .is_none_or(|sent| now.saturating_duration_since(sent) >= MIN_GAP);
        if self.records.is_empty() || !rested || self.answers >= MAX_ANSWERS {
            return false;
        }
        self.answers = self.answers.saturating_add(1);
        true
    }

    /// Sends the flight. Plaintext records get fresh numbers, as section 4.2.4 wants; encrypted
    /// ones go out as they were, and a receiver that has them drops them as replays.
    pub(super) fn send(
        &mut self,
        now: Instant,
        next_number: &mut u64,
        transmits: &mut VecDeque<Bytes>,
        span: &Span,
    ) {
        if self.records.is_empty() {
            return;
        }
        let first = self.sent.replace(now).is_none();
        if !first {
            self.interval = self.interval.saturating_mul(2).min(MAX_INTERVAL);
        }
        self.due = now.checked_add(self.interval);
        tracing::debug!(
            target: trace::DTLS,
            parent: span,
            again = !first,
            messages = %Messages(&self.records),
            "a flight goes out"
        );
        let mut datagram = Vec::new();
        for raw in &self.records {
            let record = renumber(raw, next_number);
            if !datagram.is_empty() && datagram.len().saturating_add(record.len()) > MAX_DATAGRAM {
                transmits.push_back(std::mem::take(&mut datagram).into());
            }
            datagram.extend_from_slice(&record);
        }
        transmits.push_back(datagram.into());
    }
}

/// The names of the messages in records.
struct Messages<'a>(&'a [Vec<u8>]);

impl fmt::Display for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        let mut say = |name: &str, f: &mut fmt::Formatter<'_>| {
            f.write_str(std::mem::replace(&mut between, " "))?;
            f.write_str(name)
        };
        for record in self.0.iter().flat_map(|raw| records(raw)) {
            match (record.epoch, record.content_type) {
                (0, HANDSHAKE) => {
                    for piece in fragments(record.body).filter(|piece| piece.offset == 0) {
                        say(kind::name(piece.kind), f)?;
                    }
                }
                (0, CHANGE_CIPHER_SPEC) => say("change_cipher_spec", f)?,
                (0, _) => say("alert", f)?,
                _ => say("encrypted", f)?,
            }
        }
        Ok(())
    }
}

/// The record under the next free number if it is plaintext, else unchanged.
pub(super) fn renumber(raw: &[u8], next_number: &mut u64) -> Vec<u8> {
    match records(raw).next() {
        Some(record) if record.epoch == 0 => {
            let version = raw
                .get(1..3)
                .and_then(|version| version.try_into().ok())
                .unwrap_or(super::record::DTLS_1_2);
            let number = *next_number;
            *next_number = number.saturating_add(1);
            debug_assert!(raw.len() >= RECORD_HEADER);
            plaintext(record.content_type, version, number, record.body)
        }
        _ => raw.to_vec(),
    }
}
