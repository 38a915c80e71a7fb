//! The stateless cookie exchange of the server (RFC 6347 section 4.2.1), done in front of
//! rtc-dtls: its own keeps one cookie per association, so that anybody's ClientHello replaces the
//! cookie the genuine client is about to return.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::sync::{Arc, Mutex, PoisonError};

use ring::hmac;
use ring::rand::SystemRandom;
use rtc_crypto::{CryptoError, RTCCrypto, RTCCryptoProvider, RTCRandom};

use super::fast::SeenCrypto;
use super::record::DTLS_1_0;
use crate::error::{Error, Result};

/// The length of the cookies of rtc-dtls.
const COOKIE: usize = 20;

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
pub(super) fn verify_request(cookie: &[u8; COOKIE]) -> Vec<u8> {
    let mut body = DTLS_1_0.to_vec();
    body.push(COOKIE as u8);
    body.extend_from_slice(cookie);
    body
}

/// The cookie in the body of a HelloVerifyRequest.
pub(super) fn requested_cookie(body: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = body.get(2..)?.split_first()?;
    rest.get(..usize::from(length))
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
        *self
            .random
            .cookie
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(cookie);
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
        if output.len() == COOKIE {
            let mut cookie = self.cookie.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(cookie) = cookie.take() {
                output.copy_from_slice(&cookie);
                return Ok(());
            }
        }
        self.inner.random().fill(output)
    }
}
