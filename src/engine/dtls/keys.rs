//! The keys for SRTP that a handshake yields (RFC 5764).

use std::fmt;

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
