//! TLS to a TURN server: by what its certificate is believed, and what is wrong with it in words.

use std::io;
use std::sync::{Arc, LazyLock};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::end::End;
use crate::socket::ice_server::IceServerErrorKind;
use crate::tasks;

/// Certificates that an application may give.
const MAX_CERTIFICATES: usize = 1_024;

type Config = Result<Arc<ClientConfig>, String>;

static SYSTEM: LazyLock<Config> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    if let ([], Some(error)) = (&*found.certs, found.errors.first()) {
        return Err(format!("the system's certificates: {error}"));
    }
    config(found.certs, false)
});

/// What a server's certificate must be of.
#[derive(Clone)]
pub(super) enum Trust {
    System,
    Given(Config),
}

impl Trust {
    /// `certificates` in PEM, checked; `None`: what the system trusts.
    pub(super) fn new(certificates: Option<Arc<str>>) -> Self {
        match certificates {
            None => Self::System,
            Some(pem) => Self::Given(parse(&pem).and_then(|given| config(given, true))),
        }
    }

    pub(super) async fn connector(self) -> Result<TlsConnector, End> {
        let config = match self {
            Self::Given(config) => config,
            // Reads files, the first time.
            Self::System => tasks::aside(|| SYSTEM.clone()).await.and_then(|made| made),
        };
        let config = config.map_err(|message| (IceServerErrorKind::Certificate, message))?;
        Ok(TlsConnector::from(config))
    }
}

/// Whether these can be used as certificates of ICE servers or of their authorities.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn check_certificates(pem: &str) -> Result<(), String> {
    parse(pem).and_then(|given| config(given, true)).map(|_| ())
}

fn parse(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let given: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .take(MAX_CERTIFICATES + 1)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("certificates of ICE servers: {error}"))?;
    match given.len() {
        0 => Err("certificates of ICE servers: none in the PEM".to_owned()),
        1..=MAX_CERTIFICATES => Ok(given),
        _ => Err(format!(
            "certificates of ICE servers: more than {MAX_CERTIFICATES}"
        )),
    }
}

/// `pinned`: they may be the servers' own as well.
fn config(certificates: Vec<CertificateDer<'static>>, pinned: bool) -> Config {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    if usable == 0 {
        return Err("no certificate by which a TLS server could be trusted".to_owned());
    }
    let authorities =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| error.to_string())?;
    let verifier = Verifier {
        authorities,
        pinned: if pinned { certificates } else { Vec::new() },
        provider: provider.clone(),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A server whose very certificate was given is that server, whatever name and date are in it.
#[derive(Debug)]
struct Verifier {
    authorities: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pinned.contains(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let of = &self.authorities;
        of.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, End> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        let message = "TLS: its name cannot be that of a certificate".to_owned();
        (IceServerErrorKind::Certificate, message)
    })
}

/// If it is about TLS.
pub(super) fn why(error: &io::Error) -> Option<End> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let Error::InvalidCertificate(wrong) = error else {
        return Some((IceServerErrorKind::Malformed, format!("TLS: {error}")));
    };
    let message = match wrong {
        // Of one that only has the name of one that is.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of an authority that is not trusted".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is for another name: {wrong}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("its certificate has expired, or the clock here is wrong: {wrong}")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("its certificate is not valid yet, or the clock here is wrong: {wrong}")
        }
        _ => format!("its certificate is not accepted: {wrong}"),
    };
    Some((IceServerErrorKind::Certificate, message))
}
