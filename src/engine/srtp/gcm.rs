//! AES-GCM for SRTP (RFC 7714), in place, and the key derivation (RFC 3711 section 4.3).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use rtc_crypto::{BlockCipherAlgorithm, RTCCrypto};

use crate::error::{Error, Result};

pub(super) const TAG: usize = 16;
const SALT: usize = 12;
const LABEL_KEY: u8 = 0;
const LABEL_SALT: u8 = 2;

/// The RTP session key and salt of one direction.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; SALT],
}

impl Gcm {
    pub(super) fn from_master(crypto: &dyn RTCCrypto, key: &[u8], salt: &[u8]) -> Result<Self> {
        let mut session_salt = [0; SALT];
        let derived = derive(crypto, key, salt, LABEL_SALT, SALT)?;
        for (place, byte) in session_salt.iter_mut().zip(derived) {
            *place = byte;
        }
        Self::from_session(
            &derive(crypto, key, salt, LABEL_KEY, key.len())?,
            session_salt,
        )
    }

    pub(super) fn from_session(key: &[u8], salt: [u8; SALT]) -> Result<Self> {
        let algorithm = if key.len() == 32 {
            &AES_256_GCM
        } else {
            &AES_128_GCM
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| Error::crypto("SRTP key"))?;
        Ok(Self {
            key: LessSafeKey::new(key),
            salt,
        })
    }

    /// RFC 7714 section 8.1: two zero octets, SSRC, rollover counter, sequence number; the last
    /// two are the packet index. XOR the salt.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let [s0, s1, s2, s3] = ssrc.to_be_bytes();
        let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
        let mut nonce = [0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5];
        for (byte, salt) in nonce.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    pub(super) fn seal(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Option<Tag> {
        let (header, payload) = packet.split_at_mut_checked(header_len)?;
        let nonce = self.nonce(ssrc, index);
        self.key
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)
            .ok()
    }

    /// The length of the plain packet, which is at the front of `packet`; `None` if forged.
    pub(super) fn open(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Option<usize> {
        let plain = packet.len().checked_sub(TAG)?;
        let (header, sealed) = packet.split_at_mut_checked(header_len)?;
        let nonce = self.nonce(ssrc, index);
        self.key
            .open_in_place(nonce, Aad::from(&*header), sealed)
            .ok()?;
        Some(plain)
    }
}

/// AES-CM key derivation with a key derivation rate of 0 (RFC 3711 section 4.3.3; RFC 7714
/// section 11: a 96-bit salt is taken as its first octets).
pub(super) fn derive(
    crypto: &dyn RTCCrypto,
    key: &[u8],
    salt: &[u8],
    label: u8,
    length: usize,
) -> Result<Vec<u8>> {
    let algorithm = if key.len() == 32 {
        BlockCipherAlgorithm::Aes256
    } else {
        BlockCipherAlgorithm::Aes128
    };
    let mut out = Vec::with_capacity(length.saturating_add(16));
    for counter in 0u16.. {
        if out.len() >= length {
            break;
        }
        let mut block = [0u8; 16];
        for (place, byte) in block.iter_mut().zip(salt.iter().take(14)) {
            *place = *byte;
        }
        // The label is the octet before the 48-bit index, both right-aligned in 112 bits.
        if let Some(place) = block.get_mut(7) {
            *place ^= label;
        }
        if let Some(place) = block.last_chunk_mut::<2>() {
            *place = counter.to_be_bytes();
        }
        crypto
            .block_encrypt(algorithm, key, &mut block)
            .map_err(Error::crypto)?;
        out.extend_from_slice(&block);
    }
    out.truncate(length);
    Ok(out)
}
