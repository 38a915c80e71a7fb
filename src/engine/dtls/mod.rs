//! DTLS 1.2 behind a trait of ours: keys for SRTP, and a path for data.

mod fast;
mod flight;
mod hello;
mod inbox;
mod kind;
mod proof;
mod reassembly;
mod record;
mod rtc;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
pub(crate) use rtc::RtcDtls;

use super::certificate::verify;
pub(crate) use crate::error::DtlsFailure;

/// Which side sends the ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DtlsRole {
    Client,
    Server,
}

impl DtlsRole {
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// Why two sides that both have this role fail.
    pub(crate) fn of_both(self) -> DtlsFailure {
        match self {
            Self::Client => DtlsFailure::BothClients,
            Self::Server => DtlsFailure::BothServers,
        }
    }
}

/// The SRTP protection profiles (RFC 5764, RFC 7714), in our order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SrtpProfile {
    AeadAes128Gcm,
    AeadAes256Gcm,
    Aes128CmHmacSha1_80,
}

impl SrtpProfile {
    pub(crate) const ALL: [Self; 3] = [
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
        Self::Aes128CmHmacSha1_80,
    ];

    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmHmacSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    pub(crate) fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }
}

/// SRTP master keys out of the handshake (RFC 5764 section 4.2).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyingMaterial {
    pub(crate) profile: SrtpProfile,
    pub(crate) local_key: Vec<u8>,
    pub(crate) local_salt: Vec<u8>,
    pub(crate) remote_key: Vec<u8>,
    pub(crate) remote_salt: Vec<u8>,
}

impl fmt::Debug for KeyingMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyingMaterial")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Whether a datagram begins with a ClientHello, or a piece of one.
pub(crate) fn is_hello(datagram: &[u8]) -> bool {
    let first = record::records(datagram).next();
    first.is_some_and(|record| {
        let is_plain = (record.epoch, record.content_type) == (0, record::HANDSHAKE);
        let piece = record::fragments(record.body).next();
        is_plain && piece.is_some_and(|piece| piece.kind == kind::CLIENT_HELLO)
    })
}

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

#[derive(Debug, Clone)]
pub(crate) struct DtlsConfig {
    /// Profiles to negotiate, in order of preference; empty leaves use_srtp out.
    pub(crate) srtp_profiles: Vec<SrtpProfile>,
    /// The longest the handshake may take.
    pub(crate) handshake_timeout: Duration,
    pub(crate) announced: Option<Announced>,
}

/// The fingerprints that signalling says the peer's certificate has.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    pub(crate) fingerprints: Vec<(String, Vec<u8>)>,
    /// Whether weak hashes count among them.
    pub(crate) allow_weak: bool,
}

impl DtlsConfig {
    /// Whether a certificate is one that was announced; `None` when none was.
    fn is_announced(&self, certificate: &[u8]) -> Option<bool> {
        let announced = self.announced.as_ref()?;
        let Announced {
            fingerprints,
            allow_weak,
        } = announced;
        Some(verify(certificate, fingerprints, *allow_weak))
    }
}

impl Default for DtlsConfig {
    fn default() -> Self {
        Self {
            srtp_profiles: SrtpProfile::ALL.to_vec(),
            handshake_timeout: Duration::from_secs(30),
            announced: None,
        }
    }
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
    fn write(&mut self, now: Instant, data: &[u8]) -> crate::Result<()>;
    /// Queues a close_notify and ends.
    fn close(&mut self, now: Instant);
    fn counters(&self) -> DtlsCounters;
}
