//! The master keys of one direction.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

use crate::engine::certificate::provider;
use crate::engine::dtls::SrtpProfile;
use crate::error::{Error, Result};

pub(super) struct Keys {
    pub(super) profile: SrtpProfile,
    pub(super) key: Vec<u8>,
    pub(super) salt: Vec<u8>,
}

impl Keys {
    /// The profiles of AES-GCM have the tag before the index of SRTCP, the other one behind it.
    pub(super) fn are_gcm(&self) -> bool {
        match self.profile {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => true,
            SrtpProfile::Aes128CmHmacSha1_80 => false,
        }
    }

    /// rtc-srtp, for SRTCP.
    pub(super) fn context(&self) -> Result<Context> {
        let profile = match self.profile {
            SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProfile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
            SrtpProfile::Aes128CmHmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        Context::new(
            &self.key,
            &self.salt,
            profile,
            None,
            None,
            provider()?.crypto(),
        )
        .map_err(Error::crypto)
    }
}
