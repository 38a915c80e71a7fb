//! The settings and results of rtc-dtls in our types.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rtc_shared::error::Error as RtcError;
use webrtc_dtls::cipher_suite::CipherSuiteId;
use webrtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType};
use webrtc_dtls::endpoint::{Endpoint, EndpointEvent};
use webrtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use webrtc_dtls::state::State;

use crate::engine::dtls::hello::CookieProvider;
use crate::engine::dtls::{DtlsConfig, DtlsEvent, DtlsFailure, KeyingMaterial, SrtpProfile};
use crate::engine::guard::contain;

/// rtc-dtls keys associations by address; there is one each, so any address serves.
pub(super) const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// The fragment size rtc-dtls is told, which does not count the headers.
const FRAGMENT: usize = 1_100;

/// In our order of preference. The suites with RSA are for servers that have such a certificate.
pub(super) const SUITES: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
];

#[cfg(test)]
thread_local! {
    /// Only the suites whose records are not ours.
    pub(in crate::engine::dtls) static ONLY_CHACHA: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn suites() -> Vec<CipherSuiteId> {
    #[cfg(test)]
    if ONLY_CHACHA.get() {
        return SUITES.into_iter().skip(1).step_by(2).collect();
    }
    SUITES.to_vec()
}

pub(super) fn read(
    endpoint: &mut Endpoint,
    now: Instant,
    datagram: &[u8],
) -> std::result::Result<Vec<EndpointEvent>, DtlsFailure> {
    match contain(|| endpoint.read(now, PEER, None, BytesMut::from(datagram))) {
        Ok(Ok(events)) => Ok(events),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(DtlsFailure::Internal),
    }
}

fn failure(error: &RtcError) -> DtlsFailure {
    match error {
        RtcError::ErrAlertFatalOrClose => DtlsFailure::PeerAlert { description: None },
        RtcError::ErrCipherSuiteNoIntersection
        | RtcError::ErrInvalidCipherSuite
        | RtcError::ErrNoSupportedEllipticCurves => DtlsFailure::NoCommonCipher,
        RtcError::ErrServerNoMatchingSrtpProfile
        | RtcError::ErrClientNoMatchingSrtpProfile
        | RtcError::ErrRequestedButNoSrtpExtension => DtlsFailure::NoCommonSrtpProfile,
        RtcError::ErrUnsupportedProtocolVersion => DtlsFailure::NoCommonVersion,
        RtcError::ErrServerRequiredButNoClientEms | RtcError::ErrClientRequiredButNoServerEms => {
            DtlsFailure::NoExtendedMasterSecret
        }
        RtcError::ErrClientCertificateRequired | RtcError::ErrCertificateVerifyNoCertificate => {
            DtlsFailure::NoCertificate
        }
        other => DtlsFailure::Protocol(other.to_string()),
    }
}

fn profiles(config: &DtlsConfig) -> impl Iterator<Item = SrtpProtectionProfile> {
    config.srtp_profiles.iter().map(|profile| match profile {
        SrtpProfile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        SrtpProfile::AeadAes256Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
        SrtpProfile::Aes128CmHmacSha1_80 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    })
}

pub(super) fn profile_ids(config: &DtlsConfig) -> Vec<u16> {
    profiles(config).map(|profile| profile as u16).collect()
}

pub(super) fn settings(config: &DtlsConfig, provider: &Arc<CookieProvider>) -> ConfigBuilder {
    ConfigBuilder::default()
        .with_crypto_provider(provider.clone())
        .with_cipher_suites(suites())
        .with_srtp_protection_profiles(profiles(config).collect())
        // Certificates are self-signed; the fingerprint tells whose they are.
        .with_insecure_skip_verify(true)
        // What rtc-dtls puts there by itself, with a warning at each connection.
        .with_server_name("localhost".to_owned())
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        // RFC 7627 ties the keys to the whole handshake. rtc-dtls as server does not compare the
        // client's Finished, so nothing else would notice a hello that was changed on the way.
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_mtu(FRAGMENT)
}

pub(super) fn summary(state: &State) -> std::result::Result<DtlsEvent, DtlsFailure> {
    let peer_certificate = state
        .peer_certificates
        .first()
        .cloned()
        .ok_or(DtlsFailure::NoCertificate)?;
    let profile = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Some(SrtpProfile::AeadAes128Gcm),
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Some(SrtpProfile::AeadAes256Gcm),
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
            Some(SrtpProfile::Aes128CmHmacSha1_80)
        }
        _ => None,
    };
    let srtp = match profile {
        Some(profile) => Some(keys(state, profile).ok_or(DtlsFailure::Internal)?),
        None => None,
    };
    let cipher_suite = match state.cipher_suite().map(|suite| suite.id()) {
        Some(CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256) => {
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
        }
        Some(CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256) => {
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
        }
        Some(CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256) => {
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        }
        Some(CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256) => {
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
        }
        _ => return Err(DtlsFailure::Internal),
    };
    Ok(DtlsEvent::Connected {
        peer_certificate,
        srtp,
        cipher_suite,
    })
}

/// RFC 5764 section 4.2: client key, server key, client salt, server salt.
fn keys(state: &State, profile: SrtpProfile) -> Option<KeyingMaterial> {
    let (key, salt) = (profile.key_len(), profile.salt_len());
    let length = key.checked_add(salt)?.checked_mul(2)?;
    let material = state
        .export_keying_material("EXTRACTOR-dtls_srtp", &[], length)
        .ok()?;
    let (keys, salts) = material.as_ref().split_at_checked(key.checked_mul(2)?)?;
    let (client_key, server_key) = keys.split_at_checked(key)?;
    let (client_salt, server_salt) = salts.split_at_checked(salt)?;
    let client = (client_key.to_vec(), client_salt.to_vec());
    let server = (server_key.to_vec(), server_salt.to_vec());
    let ((local_key, local_salt), (remote_key, remote_salt)) = if state.is_client() {
        (client, server)
    } else {
        (server, client)
    };
    Some(KeyingMaterial {
        profile,
        local_key,
        local_salt,
        remote_key,
        remote_salt,
    })
}
