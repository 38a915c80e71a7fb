//! The stateless cookie exchange of the server (RFC 6347 section 4.2.1), done in front of
//! rtc-dtls: its own keeps one cookie per association, so that anybody's ClientHello replaces the
//! cookie the genuine client is about to return.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use ring::hmac;
use ring::rand::SystemRandom;
use rtc_crypto::{CryptoError, RTCCrypto, RTCCryptoProvider, RTCRandom};

use super::fast::SeenCrypto;
use super::kind;
use super::record::{DTLS_1_0, DTLS_1_2, HANDSHAKE, fragments, records};
use crate::error::{DtlsFailure, Error, Result};
use crate::locks::lock;

/// RFC 5764 section 4.1.1.
const USE_SRTP: u16 = 14;
/// RFC 7627 section 5.1.
const EXTENDED_MASTER_SECRET: u16 = 23;
/// The length of the cookies of rtc-dtls.
const COOKIE: usize = 20;

/// Whether a datagram begins with a ClientHello, or a piece of one.
pub(crate) fn is_hello(datagram: &[u8]) -> bool {
    let first = records(datagram).next();
    first.is_some_and(|record| {
        let is_plain = (record.epoch, record.content_type) == (0, HANDSHAKE);
        let piece = fragments(record.body).next();
        is_plain && piece.is_some_and(|piece| piece.kind == kind::CLIENT_HELLO)
    })
}

/// The start of a ClientHello (RFC 6347 section 4.2.1).
#[derive(Debug)]
pub(super) struct ClientHello<'a> {
    pub(super) random: [u8; 32],
    pub(super) cookie: &'a [u8],
    /// The message without its cookie, as the client sent it first.
    pub(super) first: Vec<u8>,
}

pub(super) fn parse(body: &[u8]) -> Option<ClientHello<'_>> {
    let (random, rest) = body.get(2..)?.split_first_chunk::<32>()?;
    let (&session, rest) = rest.split_first()?;
    let rest = rest.get(usize::from(session)..)?;
    let (&length, rest) = rest.split_first()?;
    let (cookie, rest) = rest.split_at_checked(usize::from(length))?;
    let before = body.len().checked_sub(rest.len())?;
    let before = before.checked_sub(cookie.len())?.checked_sub(1)?;
    let mut first = body.get(..before)?.to_vec();
    first.push(0);
    first.extend_from_slice(rest);
    Some(ClientHello {
        random: *random,
        cookie,
        first,
    })
}

/// Makes and checks cookies; nothing is stored per client.
pub(super) struct Cookies(hmac::Key);

impl Cookies {
    pub(super) fn new() -> Result<Self> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map(Self)
            .map_err(|_| Error::crypto("no randomness"))
    }

    pub(super) fn cookie(&self, random: &[u8; 32]) -> [u8; COOKIE] {
        let tag = hmac::sign(&self.0, random);
        let mut cookie = [0; COOKIE];
        for (place, byte) in cookie.iter_mut().zip(tag.as_ref()) {
            *place = *byte;
        }
        cookie
    }
}

/// The body of a HelloVerifyRequest; its version SHOULD be DTLS 1.0 whatever is negotiated.
pub(super) fn verify_request(cookie: &[u8]) -> Vec<u8> {
    let mut body = DTLS_1_0.to_vec();
    body.push(u8::try_from(cookie.len()).unwrap_or(u8::MAX));
    body.extend_from_slice(cookie);
    body
}

/// The cookie in the body of a HelloVerifyRequest.
pub(super) fn requested_cookie(body: &[u8]) -> Option<&[u8]> {
    let (version, rest) = body.split_first_chunk::<2>()?;
    let (&length, rest) = rest.split_first()?;
    let fits = usize::from(length) == rest.len() && length > 0;
    (fits && [DTLS_1_0, DTLS_1_2].contains(version)).then_some(rest)
}

/// A ClientHello without a cookie, as it is sent again with one (RFC 6347 section 4.2.1: nothing
/// else changes).
pub(super) fn with_cookie(first: &[u8], cookie: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = first.split_at_checked(2 + 32)?;
    let (&session, rest) = rest.split_first()?;
    let (session_id, rest) = rest.split_at_checked(usize::from(session))?;
    let (&0, rest) = rest.split_first()? else {
        return None;
    };
    let length = u8::try_from(cookie.len()).ok()?;
    let parts = [head, &[session], session_id, &[length], cookie, rest];
    Some(parts.concat())
}

/// What a client asked for, to judge a ServerHello by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer<'a> {
    pub(super) suites: &'a [u16],
    /// The protection profiles of use_srtp; empty when it was not offered.
    pub(super) srtp_profiles: &'a [u16],
}

/// The random of a ServerHello (RFC 5246 section 7.4.1.3) that answers `offer`, or why it does not.
pub(super) fn server_random<'a>(
    body: &'a [u8],
    offer: Offer<'_>,
) -> std::result::Result<&'a [u8; 32], DtlsFailure> {
    let unreadable = || DtlsFailure::Protocol("unreadable ServerHello".to_owned());
    let (version, rest) = body.split_first_chunk::<2>().ok_or_else(unreadable)?;
    let (random, rest) = rest.split_first_chunk::<32>().ok_or_else(unreadable)?;
    let (&session, rest) = rest.split_first().ok_or_else(unreadable)?;
    let rest = rest.get(usize::from(session)..).ok_or_else(unreadable)?;
    let (&[s0, s1, compression], rest) = rest.split_first_chunk::<3>().ok_or_else(unreadable)?;
    if *version != DTLS_1_2 {
        return Err(DtlsFailure::NoCommonVersion);
    }
    if !offer.suites.contains(&u16::from_be_bytes([s0, s1])) || compression != 0 {
        return Err(DtlsFailure::NoCommonCipher);
    }
    let mut extensions = rest.get(2..).unwrap_or_default();
    let (mut master_secret, mut profile) = (false, None);
    while let Some((&[t0, t1, l0, l1], rest)) = extensions.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (data, rest) = rest.split_at_checked(length).ok_or_else(unreadable)?;
        extensions = rest;
        match u16::from_be_bytes([t0, t1]) {
            EXTENDED_MASTER_SECRET => master_secret = true,
            USE_SRTP => {
                let chosen = data.get(2..4).and_then(|chosen| chosen.try_into().ok());
                profile = chosen.map(u16::from_be_bytes);
            }
            _ => {}
        }
    }
    if !master_secret {
        return Err(DtlsFailure::NoExtendedMasterSecret);
    }
    let offered = |profile: Option<u16>| match profile {
        Some(profile) => offer.srtp_profiles.contains(&profile),
        None => offer.srtp_profiles.is_empty(),
    };
    if !offered(profile) {
        return Err(DtlsFailure::NoCommonSrtpProfile);
    }
    Ok(random)
}

/// A crypto provider whose random source gives out the cookie that was agreed on, once, when
/// rtc-dtls asks for one: the cookie is part of the transcript and cannot be changed later.
pub(super) struct CookieProvider {
    inner: Arc<dyn RTCCryptoProvider>,
    pub(super) seen: SeenCrypto,
    random: CookieRandom,
}

struct CookieRandom {
    inner: Arc<dyn RTCCryptoProvider>,
    cookie: Mutex<Option<[u8; COOKIE]>>,
}

impl CookieProvider {
    pub(super) fn new(inner: Arc<dyn RTCCryptoProvider>) -> Self {
        let random = CookieRandom {
            inner: inner.clone(),
            cookie: Mutex::new(None),
        };
        let seen = SeenCrypto::new(inner.clone());
        Self {
            inner,
            seen,
            random,
        }
    }

    pub(super) fn set(&self, cookie: [u8; COOKIE]) {
        *lock(&self.random.cookie) = Some(cookie);
    }
}

impl RTCCryptoProvider for CookieProvider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        &self.seen
    }

    fn random(&self) -> &dyn RTCRandom {
        &self.random
    }
}

impl RTCRandom for CookieRandom {
    fn fill(&self, output: &mut [u8]) -> std::result::Result<(), CryptoError> {
        if output.len() == COOKIE
            && let Some(cookie) = lock(&self.cookie).take()
        {
            output.copy_from_slice(&cookie);
            return Ok(());
        }
        self.inner.random().fill(output)
    }
}
