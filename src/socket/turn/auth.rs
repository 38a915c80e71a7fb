//! The long-term credential (RFC 8489 section 9.2): keys, and the integrity of messages, by SHA-256
//! where the server offers that and as before by SHA-1 where it does not.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use ::stun::attributes::{
    ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_NONCE, ATTR_PASSWORD_ALGORITHM, ATTR_PASSWORD_ALGORITHMS,
    ATTR_REALM, ATTR_USER_HASH, ATTR_USERNAME,
};
use ::stun::integrity::MessageIntegrity;
use ::stun::message::{Message, Setter};
use ring::{digest, hmac};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;

use super::credentials::TurnCredentials;

/// RFC 8489 section 18.5.
const MD5: u16 = 1;
const SHA_256: u16 = 2;

/// RFC 8489 section 9.2: what a nonce begins with that tells features, 24 bits of Base64.
const NONCE_COOKIE: &[u8] = b"obMatJos2";

/// What the next request is to be authenticated with (RFC 8489 section 9.2.5).
#[derive(Clone, Copy)]
pub(super) struct Challenge<'a> {
    pub(super) nonce: &'a [u8],
    /// PASSWORD-ALGORITHMS as it came.
    pub(super) algorithms: Option<&'a [u8]>,
}

/// The long-term credential as the server wants it (RFC 8489 section 9.2.2).
#[derive(Clone)]
pub(super) struct Auth {
    username: String,
    realm: String,
    nonce: Vec<u8>,
    key: Vec<u8>,
    /// What the server offered, and what was chosen; without it SHA-1 it is.
    algorithms: Option<(Vec<u8>, u16)>,
}

impl Auth {
    /// `None` as well when the server offers nothing that is known here, or when what it offered
    /// was taken out on the way (RFC 8489 section 9.2.5: no further request).
    pub(super) fn new(
        credentials: &TurnCredentials,
        realm: String,
        challenge: Challenge<'_>,
    ) -> Option<Self> {
        let TurnCredentials { username, password } = credentials;
        let algorithms = match challenge.algorithms {
            Some(offered) => Some((offered.to_vec(), first_known(offered)?)),
            None if has_feature(challenge.nonce, Feature::PasswordAlgorithms) => return None,
            None => None,
        };
        let key = match algorithms {
            Some((_, SHA_256)) => {
                let text = format!("{username}:{realm}:{password}");
                let hash = digest::digest(&digest::SHA256, text.as_bytes());
                hash.as_ref().to_vec()
            }
            _ => {
                let provider = RingProvider::new();
                let (username, password) = (username.clone(), password.clone());
                let (realm, crypto) = (realm.clone(), provider.crypto());
                MessageIntegrity::long_term_integrity_key(username, realm, password, crypto).ok()?
            }
        };
        Some(Self {
            username: username.clone(),
            realm,
            nonce: challenge.nonce.to_vec(),
            key,
            algorithms,
        })
    }

    pub(super) fn realm(&self) -> &str {
        &self.realm
    }

    pub(super) fn has_nonce(&self, nonce: &[u8]) -> bool {
        self.nonce == nonce
    }

    /// With the nonce of another challenge, which may offer other algorithms, and none only if
    /// there were none before.
    pub(super) fn renewed(
        &self,
        credentials: &TurnCredentials,
        challenge: Challenge<'_>,
    ) -> Option<Self> {
        if challenge.algorithms.is_some() {
            return Self::new(credentials, self.realm.clone(), challenge);
        }
        let nonce = challenge.nonce.to_vec();
        Some(Self {
            nonce,
            ..self.clone()
        })
    }

    /// Adds the credential, and integrity as the last attribute so far.
    pub(super) fn add_to(&self, message: &mut Message) -> Option<()> {
        if has_feature(&self.nonce, Feature::UsernameAnonymity) {
            // RFC 8489 section 14.4.
            let text = format!("{}:{}", self.username, self.realm);
            let hash = digest::digest(&digest::SHA256, text.as_bytes());
            message.add(ATTR_USER_HASH, hash.as_ref());
        } else {
            message.add(ATTR_USERNAME, self.username.as_bytes());
        }
        message.add(ATTR_REALM, self.realm.as_bytes());
        message.add(ATTR_NONCE, &self.nonce);
        let Some((offered, chosen)) = &self.algorithms else {
            let provider = RingProvider::new();
            let key = self.key.clone();
            let sha_1 = MessageIntegrity::new_raw_integrity_with_provider(key, provider.crypto());
            return sha_1.add_to(message).ok();
        };
        message.add(ATTR_PASSWORD_ALGORITHMS, offered);
        let [high, low] = chosen.to_be_bytes();
        message.add(ATTR_PASSWORD_ALGORITHM, &[high, low, 0, 0]);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        let tag = hmac::sign(&key, &covered(&message.raw, message.raw.len())?);
        message.add(ATTR_MESSAGE_INTEGRITY_SHA256, tag.as_ref());
        Some(())
    }

    /// Whether `data`, which `Frame::parse` accepted, has the right integrity of the kind in use;
    /// of MESSAGE-INTEGRITY-SHA256 `sha_256` is the place and the value.
    pub(super) fn verifies(&self, data: &[u8], sha_256: Option<(usize, &[u8])>) -> bool {
        if self.algorithms.is_some() {
            // RFC 8489 section 14.6: all of it, as TURN does not say that it may be cut short.
            let verified = sha_256.and_then(|(at, tag)| {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
                hmac::verify(&key, &covered(data, at)?, tag).ok()
            });
            return verified.is_some();
        }
        let mut message = Message {
            raw: data.to_vec(),
            ..Message::default()
        };
        let provider = RingProvider::new();
        message.decode().is_ok()
            && MessageIntegrity::check(&mut message, &self.key, provider.crypto()).is_ok()
    }
}

/// RFC 8489 section 14.6: what comes before the attribute, with a length that ends with it.
fn covered(data: &[u8], at: usize) -> Option<Vec<u8>> {
    let mut text = data.get(..at)?.to_vec();
    let length = u16::try_from(at.checked_sub(20)?.checked_add(36)?).ok()?;
    text.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    Some(text)
}

/// RFC 8489 sections 14.11 and 9.2.4: each a number with parameters, of which the known ones have
/// none.
fn first_known(mut offered: &[u8]) -> Option<u16> {
    while let [n0, n1, l0, l1, rest @ ..] = offered {
        let number = u16::from_be_bytes([*n0, *n1]);
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        if matches!(number, MD5 | SHA_256) && length == 0 {
            return Some(number);
        }
        offered = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// RFC 8489 section 18.1: the number of the bit.
#[derive(Clone, Copy)]
enum Feature {
    PasswordAlgorithms = 0,
    UsernameAnonymity = 1,
}

/// Whether the nonce tells of the feature. Bits count from the right by erratum 6290, and some count
/// from the left, as the text had it.
fn has_feature(nonce: &[u8], feature: Feature) -> bool {
    let value = |letter: &u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let features = nonce.strip_prefix(NONCE_COOKIE).and_then(|rest| {
        let letters: Option<Vec<u8>> = rest.get(..4)?.iter().map(value).collect();
        letters
    });
    let first = features.as_deref().and_then(|all| all.first().copied());
    let last = features.as_deref().and_then(|all| all.last().copied());
    let (left, right) = (0x20 >> feature as u8, 1 << feature as u8);
    first.is_some_and(|bits| bits & left != 0) || last.is_some_and(|bits| bits & right != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ::stun::message::TransactionId;

    use super::super::wire::{Ask, request};
    use super::*;

    fn challenge<'a>(nonce: &'a [u8], algorithms: Option<&'a [u8]>) -> Challenge<'a> {
        Challenge { nonce, algorithms }
    }

    fn auth(challenge: Challenge<'_>) -> Option<Auth> {
        let credentials = TurnCredentials {
            username: "user".into(),
            password: "secret".into(),
        };
        Auth::new(&credentials, "example.org".into(), challenge)
    }

    /// Computed by Python's hashlib, hmac and zlib.
    #[test]
    fn a_request_by_sha_256_is_what_others_make_of_it() {
        let offered = [0, 2, 0, 0, 0, 1, 0, 0];
        let auth = auth(challenge(b"obMatJos2gAAAnonce", Some(&offered))).unwrap();
        let id = TransactionId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let server = "192.0.2.1:3478".parse().unwrap();
        let bytes = request(id, Ask::Allocate, server, Some(&auth)).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, EXPECTED);
    }

    #[test]
    fn the_first_that_is_known_is_taken_and_a_bid_down_is_refused() {
        let chosen = |offered: &[u8]| {
            let auth = auth(challenge(b"obMatJos2gAAAx", Some(offered)))?;
            auth.algorithms.map(|(_, chosen)| chosen)
        };
        assert_eq!(chosen(&[0, 1, 0, 0, 0, 2, 0, 0]), Some(MD5));
        assert_eq!(chosen(&[0, 9, 0, 3, 1, 2, 3, 0, 0, 2, 0, 0]), Some(SHA_256));
        for nothing in [&[0, 9, 0, 0][..], &[], &[0, 2, 0], &[0, 9, 255, 255, 1]] {
            assert_eq!(chosen(nothing), None);
        }
        for (nonce, refused) in [
            (&b"obMatJos2gAAAx"[..], true),
            (b"obMatJos2AAABx", true),
            (b"obMatJos2AAACx", false),
            (b"obMatJos2QAAAx", false),
            (b"obMatJos2", false),
            (b"obMatJos2?AAAx", false),
            (b"gAAAx", false),
        ] {
            assert_eq!(auth(challenge(nonce, None)).is_none(), refused);
        }
    }

    /// Names that are hidden where the server says so, and nowhere else; the hash is of Python's hashlib.
    #[test]
    fn a_server_that_takes_hashes_of_names_is_told_no_name() {
        let id = TransactionId([7; 12]);
        let server = "192.0.2.1:3478".parse().unwrap();
        let hash = HASH
            .as_bytes()
            .chunks(2)
            .map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
        let hash: Vec<u8> = hash.collect();
        for (nonce, hidden) in [
            (&b"obMatJos2AAACx"[..], true),
            (b"obMatJos2QAAAx", true),
            (b"obMatJos2AAABx", false),
            (b"obMatJos2IAAAx", false),
            (b"obMatJos2", false),
            (b"AAAC", false),
        ] {
            let offered = [0, 2, 0, 0];
            for algorithms in [None, Some(&offered[..])] {
                let Some(auth) = auth(challenge(nonce, algorithms)) else {
                    // Told of algorithms, and of none.
                    assert!(nonce.ends_with(b"AAABx"));
                    continue;
                };
                let bytes = request(id, Ask::Allocate, server, Some(&auth)).unwrap();
                let has = |what: &[u8]| bytes.windows(what.len()).any(|part| part == what);
                assert_eq!(has(&[&[0, 0x1e, 0, 32], &hash[..]].concat()), hidden);
                assert_eq!(has(b"user"), !hidden);
            }
        }
    }

    const HASH: &str = "cf9fa894dfc9b7680968aec1efb3a6b8b2a1cac25c0461cab3b0c2f87c25eeaf";
    const EXPECTED: &str = "000300782112a4420102030405060708090a0b0c001900041100000000060004757365720014000b\
        6578616d706c652e6f726700001500126f624d61744a6f7332674141416e6f6e6365000080020008\
        0002000000010000001d000400020000001c0020238a00b2018e61ca21c66fa0b67cb553b694f08d\
        33ea5098f3fef14fc197877f80280004716ca31e";
}
