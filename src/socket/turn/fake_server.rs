//! A TURN server without I/O, for tests: long-term credentials, nonces that go stale, lifetimes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ::stun::addr::MappedAddress;
use ::stun::attributes::*;
use ::stun::error_code::{ErrorCode, ErrorCodeAttribute};
use ::stun::integrity::MessageIntegrity;
use ::stun::message::*;
use ::stun::xoraddr::XorMappedAddress;
use rtc_crypto::providers::RingProvider;
use rtc_crypto::{HashAlgorithm, HmacAlgorithm, RTCCryptoProvider};

pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "pass";

pub(crate) struct FakeServer {
    pub(crate) relayed: SocketAddr,
    pub(crate) mapped: SocketAddr,
    pub(crate) lifetime: Duration,
    /// Of permissions, and half of that of channels.
    pub(crate) permission_lifetime: Duration,
    pub(crate) nonce_life: Duration,
    pub(crate) silent: bool,
    /// Answers these methods with this code, authenticated.
    pub(crate) refuse: Option<(Method, u16)>,
    /// Errors are not authenticated.
    pub(crate) forged_errors: bool,
    /// The answer to requests about an allocation that there is not.
    pub(crate) no_allocation: u16,
    /// The answer to a nonce that is not the latest: 438, or 401 of some.
    pub(crate) stale_nonce: u16,
    pub(crate) realm: &'static str,
    /// PASSWORD-ALGORITHMS: all is authenticated by SHA-256 then, with a key of the first.
    pub(crate) algorithms: Option<Vec<u8>>,
    /// Its answers are authentic by SHA-1 alone.
    pub(crate) forged_integrity: bool,
    /// The nonce tells of algorithms, and there are none.
    pub(crate) hides_algorithms: bool,
    /// Sends clients away before they are authenticated, as coturn does.
    pub(crate) redirects: bool,
    /// What a 300 names.
    pub(crate) alternate: Option<SocketAddr>,
    pub(crate) allocated_until: Option<Instant>,
    pub(crate) permissions: HashMap<IpAddr, Instant>,
    pub(crate) channels: HashMap<u16, (SocketAddr, Instant)>,
    /// Requests that got success.
    pub(crate) granted: Vec<(Instant, Method)>,
    /// (peer, payload) of everything relayed.
    pub(crate) relays: Vec<(SocketAddr, Vec<u8>)>,
    pub(crate) stale_answers: usize,
    pub(crate) keepalives: usize,
    pub(crate) requests: usize,
    nonce: u64,
    nonce_born: Option<Instant>,
}

impl FakeServer {
    pub(crate) fn new(relayed: &str) -> Self {
        Self {
            relayed: relayed.parse().unwrap(),
            mapped: "203.0.113.9:4000".parse().unwrap(),
            lifetime: Duration::from_secs(600),
            permission_lifetime: Duration::from_secs(300),
            nonce_life: Duration::from_secs(600),
            silent: false,
            refuse: None,
            forged_errors: false,
            no_allocation: 437,
            stale_nonce: 438,
            realm: "example.org",
            algorithms: None,
            forged_integrity: false,
            hides_algorithms: false,
            redirects: false,
            alternate: None,
            allocated_until: None,
            permissions: HashMap::new(),
            channels: HashMap::new(),
            granted: Vec::new(),
            relays: Vec::new(),
            stale_answers: 0,
            keepalives: 0,
            requests: 0,
            nonce: 0,
            nonce_born: None,
        }
    }

    /// As after a crash.
    pub(crate) fn restart(&mut self) {
        self.allocated_until = None;
        self.permissions.clear();
        self.channels.clear();
        self.nonce += 1_000;
        self.nonce_born = None;
    }

    fn nonce(&mut self, now: Instant) -> String {
        let born = *self.nonce_born.get_or_insert(now);
        if now - born >= self.nonce_life {
            self.nonce += 1;
            self.nonce_born = Some(now);
        }
        match self.algorithms {
            Some(_) => format!("obMatJos2gAAA-{}", self.nonce),
            None => format!("nonce-{}", self.nonce),
        }
    }

    fn key(&self) -> Vec<u8> {
        let provider = RingProvider::new();
        if self.algorithms.as_ref().is_some_and(|all| all[1] == 2) {
            let text = format!("{USER}:{}:{PASSWORD}", self.realm);
            let hash = provider
                .crypto()
                .hash(HashAlgorithm::Sha256, text.as_bytes());
            return hash.unwrap();
        }
        let (user, password) = (USER.to_owned(), PASSWORD.to_owned());
        MessageIntegrity::long_term_integrity_key(
            user,
            self.realm.into(),
            password,
            provider.crypto(),
        )
        .unwrap()
    }

    pub(crate) fn handle(&mut self, now: Instant, data: &[u8]) -> Option<Vec<u8>> {
        if self.silent {
            return None;
        }
        if (64..=79).contains(&data[0]) {
            let number = u16::from_be_bytes([data[0], data[1]]);
            let len = usize::from(u16::from_be_bytes([data[2], data[3]]));
            if let Some((peer, until)) = self.channels.get(&number)
                && now < *until
                && self.is_permitted(now, peer.ip())
            {
                self.relays.push((*peer, data[4..4 + len].to_vec()));
            }
            return None;
        }
        let mut request = Message::new();
        request.unmarshal_binary(data).unwrap();
        let method = request.typ.method;
        if request.typ.class == CLASS_INDICATION {
            if method == METHOD_BINDING {
                self.keepalives += 1;
            } else if method == METHOD_SEND {
                let peer = peer_of(&request);
                if self.is_permitted(now, peer.ip()) {
                    self.relays.push((peer, request.get(ATTR_DATA).unwrap()));
                }
            }
            return None;
        }
        self.requests += 1;
        assert_eq!(request.typ.class, CLASS_REQUEST);
        if self.redirects {
            return Some(self.error(&request, 300, None, false));
        }
        let nonce = self.nonce(now);
        if !request.contains(self.integrity()) {
            return Some(self.error(&request, 401, Some(&nonce), false));
        }
        if request.get(ATTR_NONCE).unwrap() != nonce.as_bytes() {
            self.stale_answers += 1;
            return Some(self.error(&request, self.stale_nonce, Some(&nonce), false));
        }
        let wrong = request.get(ATTR_USERNAME).unwrap() != USER.as_bytes()
            || !self.is_authentic(&mut request);
        if wrong {
            return Some(self.error(&request, 401, Some(&nonce), false));
        }
        if let Some((refused, code)) = self.refuse
            && refused == method
        {
            return Some(self.error(&request, code, None, !self.forged_errors));
        }
        if self.allocated_until.is_some_and(|until| until <= now) {
            self.allocated_until = None;
        }
        let allocated = self.allocated_until.is_some();
        if method == METHOD_ALLOCATE && allocated {
            return Some(self.error(&request, 437, None, true));
        }
        if method != METHOD_ALLOCATE && !allocated {
            let signed = !self.forged_errors;
            return Some(self.error(&request, self.no_allocation, None, signed));
        }
        self.granted.push((now, method));
        Some(self.grant(now, &request))
    }

    fn integrity(&self) -> AttrType {
        match self.algorithms {
            Some(_) => ATTR_MESSAGE_INTEGRITY_SHA256,
            None => ATTR_MESSAGE_INTEGRITY,
        }
    }

    fn is_authentic(&self, request: &mut Message) -> bool {
        let Some(offered) = &self.algorithms else {
            let provider = RingProvider::new();
            return MessageIntegrity::check(request, &self.key(), provider.crypto()).is_ok();
        };
        assert!(!request.contains(ATTR_MESSAGE_INTEGRITY));
        assert_eq!(&request.get(ATTR_PASSWORD_ALGORITHMS).unwrap(), offered);
        let chosen = request.get(ATTR_PASSWORD_ALGORITHM).unwrap();
        assert_eq!(chosen, offered[..4]);
        let found = request.get(ATTR_MESSAGE_INTEGRITY_SHA256).unwrap();
        // Its header and value, and FINGERPRINT behind them.
        let before = request.raw.len() - 36 - 8;
        found == self.hmac_sha256(&request.raw[..before])
    }

    /// Over these bytes, as if the attribute were the last.
    fn hmac_sha256(&self, bytes: &[u8]) -> Vec<u8> {
        let mut text = bytes.to_vec();
        let length = u16::try_from(text.len() - 20 + 36).unwrap();
        text[2..4].copy_from_slice(&length.to_be_bytes());
        let provider = RingProvider::new();
        let hmac = provider
            .crypto()
            .new_hmac(HmacAlgorithm::Sha256, &self.key());
        let mut tag = [0; 32];
        hmac.unwrap().sign(&[&text], &mut tag).unwrap();
        tag.to_vec()
    }

    fn sign(&self, message: &mut Message) {
        if self.algorithms.is_some() && !self.forged_integrity {
            let tag = self.hmac_sha256(&message.raw);
            message.add(ATTR_MESSAGE_INTEGRITY_SHA256, &tag);
        } else {
            sign(message, &self.key());
        }
    }

    fn grant(&mut self, now: Instant, request: &Message) -> Vec<u8> {
        let mut answer = answer_to(request, CLASS_SUCCESS_RESPONSE);
        let mut lifetime = self.lifetime;
        match request.typ.method {
            METHOD_ALLOCATE => {
                self.allocated_until = Some(now + lifetime);
                // Both belong to the allocation (RFC 8656 section 3.2) and ended with the last one.
                self.channels.clear();
                self.permissions.clear();
                for (kind, address) in [
                    (ATTR_XOR_RELAYED_ADDRESS, self.relayed),
                    (ATTR_XORMAPPED_ADDRESS, self.mapped),
                ] {
                    let (ip, port) = (address.ip(), address.port());
                    let value = XorMappedAddress { ip, port };
                    value.add_to_as(&mut answer, kind).unwrap();
                }
            }
            METHOD_REFRESH => {
                if request.get(ATTR_LIFETIME).is_ok_and(|l| l == [0; 4]) {
                    lifetime = Duration::ZERO;
                    self.allocated_until = None;
                } else {
                    // As coturn 4.6 does it: the maximum is kept when a lifetime is asked for.
                    if !request.contains(ATTR_LIFETIME) {
                        lifetime = Duration::from_secs(600);
                    }
                    self.allocated_until = Some(now + lifetime);
                }
            }
            METHOD_CREATE_PERMISSION => {
                let until = now + self.permission_lifetime;
                self.permissions.insert(peer_of(request).ip(), until);
            }
            METHOD_CHANNEL_BIND => {
                let number = request.get(ATTR_CHANNEL_NUMBER).unwrap();
                let number = u16::from_be_bytes([number[0], number[1]]);
                let peer = peer_of(request);
                let clash = self
                    .channels
                    .iter()
                    .any(|(n, (p, _))| (*n == number) != (*p == peer));
                assert!(
                    !clash || self.channels.len() > 1,
                    "a channel is bound twice"
                );
                self.channels
                    .insert(number, (peer, now + 2 * self.permission_lifetime));
                let until = now + self.permission_lifetime;
                self.permissions.insert(peer.ip(), until);
            }
            other => panic!("{other:?}"),
        }
        let seconds = u32::try_from(lifetime.as_secs()).unwrap();
        answer.add(ATTR_LIFETIME, &seconds.to_be_bytes());
        self.sign(&mut answer);
        answer.raw
    }

    /// An error that anybody could make, for this request.
    pub(crate) fn forge(&self, request: &[u8], code: u16) -> Vec<u8> {
        let mut message = Message::new();
        message.unmarshal_binary(request).unwrap();
        self.error(&message, code, Some("forged"), false)
    }

    fn error(&self, request: &Message, code: u16, nonce: Option<&str>, signed: bool) -> Vec<u8> {
        let mut answer = answer_to(request, CLASS_ERROR_RESPONSE);
        let code = ErrorCode(code);
        let reason = b"no".to_vec();
        ErrorCodeAttribute { code, reason }
            .add_to(&mut answer)
            .unwrap();
        if let Some(nonce) = nonce {
            answer.add(ATTR_NONCE, nonce.as_bytes());
            answer.add(ATTR_REALM, self.realm.as_bytes());
            if let Some(offered) = self.algorithms.as_ref().filter(|_| !self.hides_algorithms) {
                answer.add(ATTR_PASSWORD_ALGORITHMS, offered);
            }
        }
        if let Some(alternate) = self.alternate.filter(|_| code == ErrorCode(300)) {
            let (ip, port) = (alternate.ip(), alternate.port());
            let value = MappedAddress { ip, port };
            value.add_to_as(&mut answer, ATTR_ALTERNATE_SERVER).unwrap();
        }
        if signed {
            self.sign(&mut answer);
        }
        answer.raw
    }

    fn is_permitted(&self, now: Instant, ip: IpAddr) -> bool {
        self.permissions.get(&ip).is_some_and(|until| now < *until)
    }
}

fn sign(message: &mut Message, key: &[u8]) {
    let provider = RingProvider::new();
    MessageIntegrity::new_raw_integrity_with_provider(key, provider.crypto())
        .add_to(message)
        .unwrap();
}

fn answer_to(request: &Message, class: MessageClass) -> Message {
    let mut answer = Message::new();
    answer.transaction_id = request.transaction_id;
    answer.write_header();
    answer.set_type(MessageType::new(request.typ.method, class));
    answer
}

fn peer_of(message: &Message) -> SocketAddr {
    let mut peer = XorMappedAddress::default();
    peer.get_from_as(message, ATTR_XOR_PEER_ADDRESS).unwrap();
    SocketAddr::new(peer.ip, peer.port)
}

/// A Data indication.
pub(crate) fn data_indication(peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut message = Message::new();
    message.transaction_id = TransactionId::new();
    message.write_header();
    message.set_type(MessageType::new(METHOD_DATA, CLASS_INDICATION));
    let (ip, port) = (peer.ip(), peer.port());
    let value = XorMappedAddress { ip, port };
    value
        .add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS)
        .unwrap();
    message.add(ATTR_DATA, payload);
    message.raw
}

/// A ChannelData message.
pub(crate) fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = number.to_be_bytes().to_vec();
    out.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    out.extend_from_slice(payload);
    out
}
