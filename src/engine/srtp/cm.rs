//! AES in counter mode with HMAC-SHA1 (RFC 3711 sections 4.1.1 and 4.2.1), in place.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use rtc_crypto::{
    HmacAlgorithm, Mac, RTCCrypto, StreamCipher, StreamCipherAlgorithm, constant_time_eq,
};

use super::gcm::derive;
use crate::error::{Error, Result};

/// HMAC-SHA1, cut to 80 bits.
pub(super) const TAG: usize = 10;
const SALT: usize = 14;
const LABEL_KEY: u8 = 0;
const LABEL_AUTH: u8 = 1;
const LABEL_SALT: u8 = 2;
const AUTH_KEY: usize = 20;

/// The RTP session keys and salt of one direction.
pub(super) struct Cm {
    cipher: Box<dyn StreamCipher>,
    auth: Box<dyn Mac>,
    salt: [u8; SALT],
}

impl Cm {
    pub(super) fn from_master(crypto: &dyn RTCCrypto, key: &[u8], salt: &[u8]) -> Result<Self> {
        let session = |label, length| derive(crypto, key, salt, label, length);
        let mut session_salt = [0; SALT];
        for (place, byte) in session_salt.iter_mut().zip(session(LABEL_SALT, SALT)?) {
            *place = byte;
        }
        let (key, auth) = (
            session(LABEL_KEY, key.len())?,
            session(LABEL_AUTH, AUTH_KEY)?,
        );
        Ok(Self {
            cipher: crypto
                .new_stream_cipher(StreamCipherAlgorithm::Aes128Ctr, &key)
                .map_err(Error::crypto)?,
            auth: crypto
                .new_hmac(HmacAlgorithm::Sha1, &auth)
                .map_err(Error::crypto)?,
            salt: session_salt,
        })
    }

    /// RFC 3711 section 4.1.1: the salt, the SSRC and the index, each in its place, XORed.
    fn apply(&mut self, ssrc: u32, index: u64, data: &mut [u8]) -> Option<()> {
        let [s0, s1, s2, s3] = ssrc.to_be_bytes();
        let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
        let mut iv = [0, 0, 0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5, 0, 0];
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        self.cipher.apply_keystream(&iv, data).ok()
    }

    /// Over the packet and the rollover counter.
    fn tag(&mut self, index: u64, packet: &[u8]) -> Option<[u8; TAG]> {
        let rollovers = ((index >> 16) as u32).to_be_bytes();
        let mut full = [0; 20];
        self.auth.sign(&[packet, &rollovers], &mut full).ok()?;
        full.first_chunk().copied()
    }

    pub(super) fn seal(
        &mut self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Option<[u8; TAG]> {
        self.apply(ssrc, index, packet.get_mut(header_len..)?)?;
        self.tag(index, packet)
    }

    /// The length of the plain packet; `None` if forged, and the packet is as it was.
    pub(super) fn open(
        &mut self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Option<usize> {
        let (sealed, tag) = packet.split_last_chunk_mut::<TAG>()?;
        if !constant_time_eq(&self.tag(index, sealed)?, tag) {
            return None;
        }
        self.apply(ssrc, index, sealed.get_mut(header_len..)?)?;
        Some(sealed.len())
    }
}
