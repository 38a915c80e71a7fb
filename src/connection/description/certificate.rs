//! RTCCertificate: the identity of a socket.

// Rows B41, G39.

use super::fingerprint::{CertificateFingerprint, fingerprints};
use crate::engine::certificate::{Certificate, HashAlgorithm};
use crate::error::Result;

/// A certificate and its private key, which never shows up in `Debug`. Cloning is cheap.
///
/// Without one each socket makes its own. Bring one to keep the same fingerprint over several
/// sockets or runs.
#[derive(Debug, Clone)]
pub struct RTCCertificate {
    pub(crate) certificate: Certificate,
}

impl RTCCertificate {
    /// A new self-signed P-256 certificate.
    ///
    /// # Errors
    ///
    /// [`TransportFault::Crypto`](crate::TransportFault::Crypto) when the system gives no
    /// randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self {
            certificate: Certificate::generate()?,
        })
    }

    /// A certificate and its PKCS#8 private key, both in PEM. P-256 only.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` when one of them cannot be read or they do not belong together.
    pub fn from_pem(certificate: &str, private_key: &str) -> Result<Self> {
        Ok(Self {
            certificate: Certificate::from_pem(certificate, private_key)?,
        })
    }

    // Rows A55, A56, G19.
    /// Its fingerprints by sha-512 to sha-1, the strongest first.
    pub fn fingerprint(&self) -> CertificateFingerprint {
        fingerprints(self.certificate.der(), HashAlgorithm::ALL).unwrap_or_default()
    }
}
