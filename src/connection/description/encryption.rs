//! The SRTP protection profiles under their names.

use crate::engine::dtls::SrtpProfile;

/// Names of the IANA registry "DTLS-SRTP Protection Profiles".
pub(crate) fn srtp_name(profile: SrtpProfile) -> &'static str {
    match profile {
        SrtpProfile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        SrtpProfile::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        SrtpProfile::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
    }
}
