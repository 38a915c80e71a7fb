//! Trust in one certificate, which is known by its SHA-256, and in no other.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// The SHA-256 of a certificate.
#[derive(Debug)]
pub(crate) struct Pinned {
    hash: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    /// Reads hexadecimal pairs, with colons or without.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let wrong =
            || "a fingerprint is 32 hexadecimal pairs, as `ortc serve` prints it".to_owned();
        let digits: Vec<char> = text.chars().filter(|c| *c != ':').collect();
        let byte = |pair: &[char]| {
            let text: String = pair.iter().collect();
            u8::from_str_radix(&text, 16).map_err(|_| wrong())
        };
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Result<_, _>>()?;
        let hash = bytes.try_into().map_err(|_| wrong())?;
        Ok(Self {
            hash,
            provider: Arc::new(provider::default_provider()),
        })
    }

    /// What a client trusts.
    pub(crate) fn config(self) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions()?;
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self));
        Ok(builder.with_no_client_auth())
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if digest(&SHA256, certificate).as_ref() == self.hash {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General(
            "the server's certificate is not the one of --fingerprint".into(),
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_has_32_bytes() {
        let colons = ["AB"; 32].join(":");
        assert_eq!(Pinned::read(&colons).unwrap().hash, [0xab; 32]);
        assert_eq!(Pinned::read(&"0f".repeat(32)).unwrap().hash, [0x0f; 32]);
        for wrong in [
            "",
            "AB",
            &"AB".repeat(33),
            &"XY".repeat(32),
            &"é".repeat(32),
        ] {
            assert!(Pinned::read(wrong).is_err(), "{wrong}");
        }
    }
}
