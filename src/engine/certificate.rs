//! The DTLS certificate of this side and the fingerprints that authenticate the other.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use rtc_crypto::{RTCCryptoProvider, SignatureScheme};
use webrtc_dtls::crypto::Certificate as DtlsCertificate;

use crate::error::{Error, Result};

/// How long a generated certificate is valid, as in browsers.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Clocks differ: a certificate is valid from a day ago.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 3600);

/// A self-signed P-256 certificate with its private key. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Certificate(Arc<DtlsCertificate>);

impl Certificate {
    /// Makes a key pair and a certificate with a random name, valid for 30 days.
    pub(crate) fn generate() -> Result<Self> {
        let mut name = [0u8; 8];
        SystemRandom::new()
            .fill(&mut name)
            .map_err(|_| Error::crypto("no randomness"))?;
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();

        let mut params = CertificateParams::new(Vec::<String>::new()).map_err(Error::crypto)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
        params.not_after = epoch + now.saturating_add(LIFETIME);

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::crypto)?;
        let certificate = params.self_signed(&key).map_err(Error::crypto)?;
        let provider = provider()?;
        let signing_key = provider
            .crypto()
            .import_signing_key(SignatureScheme::EcdsaP256Sha256, key.serialized_der())
            .map_err(Error::crypto)?;
        Ok(Self(Arc::new(DtlsCertificate::from_signing_key(
            vec![certificate.der().clone()],
            signing_key,
        ))))
    }

    /// Reads a PEM certificate and its PKCS#8 private key, which must be P-256.
    pub(crate) fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self> {
        let invalid = |what: String| Error::invalid_parameters(format!("certificate: {what}"));
        let key = KeyPair::from_pem(key_pem).map_err(|_| invalid("unreadable key".into()))?;
        if !key.is_compatible(&PKCS_ECDSA_P256_SHA256) {
            return Err(invalid("the key is not an ECDSA P-256 key".into()));
        }
        // rtc-dtls reads one text with the key first, under a tag of its own.
        let key_text = key.serialize_pem().replace("PRIVATE KEY", "PRIVATE_KEY");
        let provider = provider()?;
        let certificate =
            DtlsCertificate::from_pem(&format!("{key_text}\n{certificate_pem}"), provider.crypto())
                .map_err(|error| invalid(error.to_string()))?;
        let point = key.public_key_raw();
        let holds_key = certificate
            .certificate
            .first()
            .is_some_and(|der| der.as_ref().windows(point.len()).any(|part| part == point));
        if !holds_key {
            return Err(invalid("it does not belong to the private key".into()));
        }
        Ok(Self(Arc::new(certificate)))
    }

    /// The certificate in DER.
    pub(crate) fn der(&self) -> &[u8] {
        self.0.certificate.first().map_or(&[], |der| der.as_ref())
    }

    pub(crate) fn to_dtls(&self) -> DtlsCertificate {
        self.0.as_ref().clone()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

pub(crate) fn provider() -> Result<Arc<dyn RTCCryptoProvider>> {
    rtc_crypto::default_provider().map_err(Error::crypto)
}

/// The hash functions of the IANA registry "Hash Function Textual Names" that this crate
/// computes, weakest first: the order of the variants is the order of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum HashAlgorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl HashAlgorithm {
    pub(crate) const ALL: &[Self] = &[Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Reads the registry's name in any letter case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|algorithm| name.eq_ignore_ascii_case(algorithm.name()))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }
}

/// The fingerprint of a certificate in DER (RFC 8122 section 5).
pub(crate) fn digest(algorithm: HashAlgorithm, der: &[u8]) -> Vec<u8> {
    let function = match algorithm {
        HashAlgorithm::Sha1 => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
        HashAlgorithm::Sha256 => &ring::digest::SHA256,
        HashAlgorithm::Sha384 => &ring::digest::SHA384,
        HashAlgorithm::Sha512 => &ring::digest::SHA512,
    };
    ring::digest::digest(function, der).as_ref().to_vec()
}

/// Whether `peer_der` is a certificate the signalling announced. RFC 8122 section 5: of the
/// fingerprints given, those of the strongest hash function known here decide, and one of them
/// must match; names not known are ignored. SHA-1 counts only with `allow_weak`.
pub(crate) fn verify(
    peer_der: &[u8],
    fingerprints: &[(String, Vec<u8>)],
    allow_weak: bool,
) -> bool {
    let known = || {
        fingerprints.iter().filter_map(|(name, bytes)| {
            let algorithm = HashAlgorithm::from_name(name)?;
            (allow_weak || algorithm > HashAlgorithm::Sha1).then_some((algorithm, bytes))
        })
    };
    let Some(strongest) = known().map(|(algorithm, _)| algorithm).max() else {
        return false;
    };
    let expected = digest(strongest, peer_der);
    known().any(|(algorithm, bytes)| algorithm == strongest && *bytes == expected)
}

/// Whether every announced fingerprint of a hash function known here is the certificate's, SHA-1
/// as well. It says nothing alone: a list of unknown names passes. For use beside [`verify`].
pub(crate) fn matches_all(peer_der: &[u8], fingerprints: &[(String, Vec<u8>)]) -> bool {
    fingerprints.iter().all(|(name, bytes)| {
        HashAlgorithm::from_name(name).is_none_or(|known| *bytes == digest(known, peer_der))
    })
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
