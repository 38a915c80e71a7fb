//! What a DTLS side is told: its role, the profiles for SRTP and the peer's fingerprints.

use std::time::Duration;

use tracing::Span;

use super::keys::SrtpProfile;
use crate::engine::certificate::verify;
use crate::error::DtlsFailure;

/// Which side sends the ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DtlsRole {
    Client,
    Server,
}

impl DtlsRole {
    /// As statistics and the log have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

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

#[derive(Debug, Clone)]
pub(crate) struct DtlsConfig {
    /// Profiles to negotiate, in order of preference; empty leaves use_srtp out.
    pub(crate) srtp_profiles: Vec<SrtpProfile>,
    /// The longest the handshake may take.
    pub(crate) handshake_timeout: Duration,
    pub(crate) announced: Option<Announced>,
    /// The connection in the log.
    pub(crate) span: Span,
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
    pub(super) fn is_announced(&self, certificate: &[u8]) -> Option<bool> {
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
            span: Span::none(),
        }
    }
}
