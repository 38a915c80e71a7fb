//! The trait behind which a DTLS association stands, and what comes out of it.

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use super::keys::KeyingMaterial;
use crate::error::{DtlsFailure, Result};

#[derive(Debug)]
pub(crate) enum DtlsEvent {
    /// The handshake is over. The peer holds the key of `peer_certificate`, but whose
    /// certificate that is, the fingerprint must tell before anything else happens.
    Connected {
        peer_certificate: Vec<u8>,
        srtp: Option<KeyingMaterial>,
        cipher_suite: &'static str,
    },
    Data(Bytes),
    PeerClosed,
    Failed(DtlsFailure),
}

/// What was dropped or done again; none of it is an error.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DtlsCounters {
    /// Records dropped: malformed, out of place, or beyond a bound.
    pub(crate) dropped: u64,
    /// Plaintext alerts, which anybody can forge.
    pub(crate) plaintext_alerts: u64,
    /// Flights sent again.
    pub(crate) resent_flights: u64,
    /// Associations given up and begun anew during the handshake.
    pub(crate) restarts: u64,
}

/// One DTLS association with one peer, without I/O.
pub(crate) trait DtlsTransport: Send {
    /// Begins the handshake; the clock of its time-out starts here.
    fn start(&mut self, now: Instant);
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
    /// The peer answered an authenticated check of the path then.
    fn path_proved(&mut self, at: Instant) {
        let _ = at;
    }
    /// Whether such an answer is wanted now; asked after every input.
    fn asks_for_proof(&mut self) -> bool {
        false
    }
    fn poll_transmit(&mut self) -> Option<Bytes>;
    fn poll_event(&mut self) -> Option<DtlsEvent>;
    /// Opens the records of application data at the front of a datagram in place, one a call from
    /// `at` on: `Some` is where the content of one is, empty if it was refused.
    fn open_data(&mut self, datagram: &mut [u8], at: &mut usize) -> Option<Range<usize>> {
        let _ = (datagram, at);
        None
    }
    /// The length of the datagram that `seal` makes of so many bytes; `None`: use `write`.
    fn sealed_len(&self, len: usize) -> Option<usize> {
        let _ = len;
        None
    }
    /// Appends `data` as one record; false, with nothing appended, when it cannot.
    fn seal(&mut self, data: &[u8], out: &mut Vec<u8>) -> bool {
        let _ = (data, out);
        false
    }
    /// Encrypts `data` into one record, at most 16 KiB. Fails before `Connected` and after the end.
    fn write(&mut self, now: Instant, data: &[u8]) -> Result<()>;
    /// Queues a close_notify and ends.
    fn close(&mut self, now: Instant);
    fn counters(&self) -> DtlsCounters;
}
