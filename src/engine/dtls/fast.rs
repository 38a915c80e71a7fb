//! Records after the handshake, sealed and opened in place (RFC 6347 section 4.1, RFC 5288).
//!
//! rtc-dtls allocates and copies twice for each record, which data channels pay for every packet.
//! It makes its ciphers through a provider of ours, so the keys are seen there.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::ops::Range;
use std::sync::{Arc, Mutex};

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use rtc_crypto::{
    ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher,
    CryptoAlgorithm, CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac,
    PublicKey, RTCCrypto, RTCCryptoProvider, SignatureScheme, SigningKey, StreamCipher,
    StreamCipherAlgorithm,
};

use super::record::{APPLICATION_DATA, DTLS_1_2, RECORD_HEADER, records};
use crate::locks::lock;

const KEY: usize = 16;
const SALT: usize = 4;
const EXPLICIT_NONCE: usize = 8;
const TAG: usize = 16;
/// RFC 5246 section 8.1.
const MASTER_SECRET: usize = 48;
/// What sealing adds to a record's content.
pub(super) const OVERHEAD: usize = RECORD_HEADER + EXPLICIT_NONCE + TAG;
/// The only epoch: there is no renegotiation.
const EPOCH: u64 = 1 << 48;
/// RFC 6347 section 4.1: numbers must not wrap.
const MAX_NUMBER: u64 = (1 << 48) - 1;
/// The handshake used number 0 for its Finished.
const FIRST_NUMBER: u64 = 1;

type Secret = ([u8; KEY], [u8; SALT]);

/// The latest keys that rtc-dtls sealed and opened with.
#[derive(Default)]
struct Seen {
    sealed: Option<Secret>,
    opened: Option<Secret>,
}

/// A signature that was verified: key, message, signature.
type Proven = (Vec<u8>, Vec<u8>, Vec<u8>);

#[cfg(test)]
thread_local! {
    /// Signatures that rtc-dtls had verified itself.
    pub(super) static VERIFIED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// The cryptography of rtc-dtls, which notes the record keys as they are first used, and does not
/// verify a signature twice.
pub(super) struct SeenCrypto {
    inner: Arc<dyn RTCCryptoProvider>,
    seen: Arc<Mutex<Seen>>,
    proven: Mutex<Option<Proven>>,
    master_secret: Mutex<Option<Vec<u8>>>,
}

impl SeenCrypto {
    pub(super) fn new(inner: Arc<dyn RTCCryptoProvider>) -> Self {
        Self {
            inner,
            seen: Arc::default(),
            proven: Mutex::new(None),
            master_secret: Mutex::new(None),
        }
    }

    /// The master secret, once the keys are made.
    pub(super) fn master_secret(&self) -> Option<Vec<u8>> {
        lock(&self.master_secret).clone()
    }

    /// `signature` is known to be one of `message` by the holder of `key`.
    pub(super) fn prove(&self, key: &[u8], message: &[u8], signature: &[u8]) {
        let proven = (key.to_vec(), message.to_vec(), signature.to_vec());
        *lock(&self.proven) = Some(proven);
    }

    /// Takes the keys of the handshake that has just finished; `None` when it is not AES-128-GCM.
    pub(super) fn take(&self) -> Option<Records> {
        let seen = std::mem::take(&mut *lock(&self.seen));
        *lock(&self.master_secret) = None;
        let key = |secret: [u8; KEY]| {
            let key = UnboundKey::new(&AES_128_GCM, &secret).ok()?;
            Some(LessSafeKey::new(key))
        };
        let (seal_key, seal_salt) = seen.sealed?;
        let (open_key, open_salt) = seen.opened?;
        Some(Records {
            seal: (key(seal_key)?, seal_salt),
            open: (key(open_key)?, open_salt),
            next: FIRST_NUMBER,
            highest: 0,
            window: 1,
        })
    }
}

struct SeenAead {
    inner: Box<dyn AeadCipher>,
    key: [u8; KEY],
    seen: Arc<Mutex<Seen>>,
}

impl SeenAead {
    fn secret(&self, nonce: &[u8]) -> Option<Secret> {
        Some((self.key, *nonce.first_chunk::<SALT>()?))
    }
}

impl AeadCipher for SeenAead {
    fn tag_len(&self) -> usize {
        self.inner.tag_len()
    }

    fn seal_in_place(
        &mut self,
        nonce: &[u8],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.inner.seal_in_place(nonce, aad, data, tag)?;
        lock(&self.seen).sealed = self.secret(nonce);
        Ok(())
    }

    fn open_in_place(
        &mut self,
        nonce: &[u8],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner.open_in_place(nonce, aad, data, tag)?;
        lock(&self.seen).opened = self.secret(nonce);
        Ok(())
    }
}

impl RTCCrypto for SeenCrypto {
    fn new_aead(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn AeadCipher>, CryptoError> {
        let inner = self.inner.crypto().new_aead(algorithm, key)?;
        match <[u8; KEY]>::try_from(key) {
            Ok(key) if algorithm == AeadAlgorithm::Aes128Gcm => Ok(Box::new(SeenAead {
                inner,
                key,
                seen: self.seen.clone(),
            })),
            _ => Ok(inner),
        }
    }

    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.inner.crypto().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().hash(algorithm, data)
    }

    fn block_encrypt(
        &self,
        algorithm: BlockCipherAlgorithm,
        key: &[u8],
        block: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.inner.crypto().block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        // The key of the last such HMAC is the master secret: the record keys and the Finished are
        // made of it (RFC 5246 sections 6.3 and 7.4.9), and records have no HMAC of their own.
        if key.len() == MASTER_SECRET {
            *lock(&self.master_secret) = Some(key.to_vec());
        }
        self.inner.crypto().new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.inner.crypto().new_stream_cipher(algorithm, key)
    }

    fn new_cbc(
        &self,
        algorithm: CbcAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.inner.crypto().new_cbc(algorithm, key)
    }

    fn start_key_exchange(
        &self,
        algorithm: KeyExchangeAlgorithm,
    ) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.inner.crypto().start_key_exchange(algorithm)
    }

    fn generate_signing_key(
        &self,
        scheme: SignatureScheme,
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().generate_signing_key(scheme)
    }

    fn import_signing_key(
        &self,
        scheme: SignatureScheme,
        der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().import_signing_key(scheme, der)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let is_proven =
            |(known, said, by): &Proven| known == key.bytes && said == message && by == signature;
        let proven = lock(&self.proven);
        if proven.as_ref().is_some_and(is_proven) {
            return Ok(());
        }
        #[cfg(test)]
        VERIFIED.set(VERIFIED.get() + 1);
        self.inner
            .crypto()
            .verify_signature(scheme, key, message, signature)
    }
}

/// The record protection of one association after its handshake.
pub(super) struct Records {
    seal: (LessSafeKey, [u8; SALT]),
    open: (LessSafeKey, [u8; SALT]),
    next: u64,
    /// The highest number that was authentic, and which of the 128 up to it were.
    highest: u64,
    window: u128,
}

/// What is at the front of a datagram.
pub(super) enum Front {
    /// A record of application data, whose content is there in the clear.
    Data(Range<usize>),
    /// A record that is forged, or a replay.
    Refused,
    /// Something else.
    Other,
}

fn nonce(salt: [u8; SALT], explicit: [u8; EXPLICIT_NONCE]) -> Nonce {
    let [s0, s1, s2, s3] = salt;
    let [e0, e1, e2, e3, e4, e5, e6, e7] = explicit;
    Nonce::assume_unique_for_key([s0, s1, s2, s3, e0, e1, e2, e3, e4, e5, e6, e7])
}

/// RFC 5246 section 6.2.3.3: number, type, version, length of the content.
fn additional(number: u64, kind: u8, length: usize) -> [u8; 13] {
    let [n0, n1, n2, n3, n4, n5, n6, n7] = (EPOCH | number).to_be_bytes();
    let [major, minor] = DTLS_1_2;
    let [l0, l1] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    [n0, n1, n2, n3, n4, n5, n6, n7, kind, major, minor, l0, l1]
}

impl Records {
    /// Appends a record; false, with nothing appended, when no number is left.
    pub(super) fn seal(&mut self, kind: u8, content: &[u8], out: &mut Vec<u8>) -> bool {
        let number = self.next;
        if number > MAX_NUMBER {
            return false;
        }
        let start = out.len();
        let explicit = (EPOCH | number).to_be_bytes();
        let length = EXPLICIT_NONCE
            .saturating_add(content.len())
            .saturating_add(TAG);
        let Ok(length) = u16::try_from(length) else {
            return false;
        };
        out.push(kind);
        out.extend_from_slice(&DTLS_1_2);
        out.extend_from_slice(&explicit);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&explicit);
        let body = out.len();
        out.extend_from_slice(content);
        let (key, salt) = &self.seal;
        let aad = Aad::from(additional(number, kind, content.len()));
        let tag: Option<Tag> = out.get_mut(body..).and_then(|body| {
            key.seal_in_place_separate_tag(nonce(*salt, explicit), aad, body)
                .ok()
        });
        let Some(tag) = tag else {
            out.truncate(start);
            return false;
        };
        out.extend_from_slice(tag.as_ref());
        self.next = number.saturating_add(1);
        true
    }

    fn is_new(&self, number: u64) -> bool {
        match self.highest.checked_sub(number) {
            None => true,
            Some(age) => age < 128 && self.window >> age & 1 == 0,
        }
    }

    fn note(&mut self, number: u64) {
        match number.checked_sub(self.highest) {
            Some(ahead) if ahead > 0 => {
                let ahead_bits = u32::try_from(ahead).unwrap_or(u32::MAX);
                self.window = self.window.checked_shl(ahead_bits).unwrap_or(0) | 1;
                self.highest = number;
            }
            _ => self.window |= 1 << (self.highest.saturating_sub(number).min(127)),
        }
    }

    /// Opens the record at `at` in place if it is application data, and moves on behind it.
    pub(super) fn open_data(&mut self, datagram: &mut [u8], at: &mut usize) -> Front {
        let Some(rest) = datagram.get(*at..) else {
            return Front::Other;
        };
        let Some((kind, epoch, number, length)) = records(rest).next().map(|record| {
            (
                record.content_type,
                record.epoch,
                record.sequence,
                record.raw.len(),
            )
        }) else {
            return Front::Other;
        };
        if kind != APPLICATION_DATA || epoch != 1 {
            return Front::Other;
        }
        let start = *at;
        let end = start.saturating_add(length);
        *at = end;
        let Some(raw) = datagram.get_mut(start..end) else {
            return Front::Refused;
        };
        match self.open(kind, number, raw) {
            Some(content) => {
                Front::Data(start.saturating_add(content.start)..start.saturating_add(content.end))
            }
            None => Front::Refused,
        }
    }

    /// Opens a record in place; where its content is, `None` if it is forged or a replay.
    pub(super) fn open(&mut self, kind: u8, number: u64, raw: &mut [u8]) -> Option<Range<usize>> {
        if !self.is_new(number) {
            return None;
        }
        let (header, body) = raw.split_at_mut_checked(RECORD_HEADER + EXPLICIT_NONCE)?;
        let explicit = *header.last_chunk::<EXPLICIT_NONCE>()?;
        let length = body.len().checked_sub(TAG)?;
        let (key, salt) = &self.open;
        let aad = Aad::from(additional(number, kind, length));
        key.open_in_place(nonce(*salt, explicit), aad, body).ok()?;
        self.note(number);
        let start = RECORD_HEADER + EXPLICIT_NONCE;
        Some(start..start.saturating_add(length))
    }
}
