//! STUN Binding messages as ICE uses them (RFC 8489, RFC 8445 sections 7.1 and 16.1).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use stun::attributes::{
    ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_MESSAGE_INTEGRITY,
    ATTR_UNKNOWN_ATTRIBUTES, ATTR_USE_CANDIDATE, ATTR_USERNAME, ATTR_XORMAPPED_ADDRESS,
    RawAttribute,
};
use stun::error_code::{ErrorCode, ErrorCodeAttribute};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Getter, Message, MessageType, Setter,
    TransactionId,
};
use stun::textattrs::TextAttribute;
use stun::xoraddr::XorMappedAddress;
use webrtc_ice::attributes::control::{AttrControlled, AttrControlling};
use webrtc_ice::attributes::priority::PriorityAttr;
use webrtc_ice::attributes::use_candidate::UseCandidateAttr;

use super::{Credentials, Role};

/// A check is about 120 bytes; USERNAME may add up to 513, SOFTWARE up to 763.
const MAX_MESSAGE: usize = 1_500;
const MAX_ATTRIBUTES: usize = 24;

/// Comprehension-required attributes that are known, though not all mean something here:
/// MAPPED-ADDRESS, USERNAME, MESSAGE-INTEGRITY, ERROR-CODE, UNKNOWN-ATTRIBUTES, REALM, NONCE,
/// MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH, XOR-MAPPED-ADDRESS, PRIORITY,
/// USE-CANDIDATE.
const KNOWN_REQUIRED: [u16; 13] = [
    0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E, 0x0020, 0x0024,
    0x0025,
];

/// The primitives behind MESSAGE-INTEGRITY.
#[derive(Clone)]
pub(super) struct Crypto(Arc<dyn RTCCryptoProvider>);

impl Crypto {
    pub(super) fn new() -> Self {
        Self(Arc::new(RingProvider::new()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Request,
    Success,
    Error,
}

/// A well-formed Binding message with a right FINGERPRINT. Nothing in it may be believed
/// before `authenticate` said yes.
pub(super) struct Inbound {
    message: Message,
    pub(super) class: Class,
}

impl Inbound {
    pub(super) fn decode(data: &[u8]) -> Option<Self> {
        well_formed(data)?;
        let mut message = Message {
            raw: data.to_vec(),
            ..Message::default()
        };
        message.decode().ok()?;
        let class = match message.typ {
            BINDING_REQUEST => Class::Request,
            BINDING_SUCCESS => Class::Success,
            BINDING_ERROR => Class::Error,
            _ => return None,
        };
        FINGERPRINT.check(&message).ok()?;
        Some(Self { message, class })
    }

    pub(super) fn transaction(&self) -> TransactionId {
        self.message.transaction_id
    }

    /// RFC 8445 section 7.2.2: "receiver's ufrag : sender's ufrag".
    pub(super) fn username(&self) -> Option<(String, String)> {
        let value = self.message.get(ATTR_USERNAME).ok()?;
        let text = String::from_utf8(value).ok()?;
        let (receiver, sender) = text.split_once(':')?;
        Some((receiver.to_owned(), sender.to_owned()))
    }

    /// Checks MESSAGE-INTEGRITY, and forgets what it does not cover (RFC 8489 section 14.5).
    pub(super) fn authenticate(&mut self, pwd: &str, crypto: &Crypto) -> bool {
        let right =
            MessageIntegrity::check(&mut self.message, pwd.as_bytes(), crypto.0.crypto()).is_ok();
        if right {
            let attributes = &mut self.message.attributes.0;
            let covered = attributes
                .iter()
                .position(|a| a.typ == ATTR_MESSAGE_INTEGRITY);
            attributes.truncate(covered.unwrap_or(0));
        }
        right
    }

    pub(super) fn unknown_required(&self) -> Vec<u16> {
        let attributes = self.message.attributes.0.iter();
        attributes
            .map(|a| a.typ)
            .filter(|t| t.required() && !KNOWN_REQUIRED.contains(&t.value()))
            .map(|t| t.value())
            .collect()
    }

    pub(super) fn priority(&self) -> Option<u32> {
        let mut priority = PriorityAttr::default();
        priority.get_from(&self.message).ok()?;
        Some(priority.0)
    }

    /// The sender's role and tie-breaker.
    pub(super) fn role(&self) -> Option<(Role, u64)> {
        if self.message.contains(ATTR_ICE_CONTROLLING) {
            let mut attribute = AttrControlling::default();
            attribute.get_from(&self.message).ok()?;
            Some((Role::Controlling, attribute.0))
        } else if self.message.contains(ATTR_ICE_CONTROLLED) {
            let mut attribute = AttrControlled::default();
            attribute.get_from(&self.message).ok()?;
            Some((Role::Controlled, attribute.0))
        } else {
            None
        }
    }

    pub(super) fn use_candidate(&self) -> bool {
        self.message.contains(ATTR_USE_CANDIDATE)
    }

    pub(super) fn mapped_address(&self) -> Option<SocketAddr> {
        // The codec takes a truncated address for a whole one.
        let value = self.message.get(ATTR_XORMAPPED_ADDRESS).ok()?;
        let mut mapped = XorMappedAddress::default();
        mapped.get_from(&self.message).ok()?;
        let whole = match mapped.ip {
            IpAddr::V4(_) => 8,
            IpAddr::V6(_) => 20,
        };
        (value.len() == whole).then(|| SocketAddr::new(mapped.ip, mapped.port))
    }

    pub(super) fn error_code(&self) -> Option<u16> {
        let mut error = ErrorCodeAttribute::default();
        error.get_from(&self.message).ok()?;
        Some(error.code.0)
    }
}

/// The exact frame of RFC 8489 section 5: lengths add up, one MESSAGE-INTEGRITY of 20 bytes, and
/// one FINGERPRINT of 4 bytes, last (RFC 8445 section 7.1 demands both of every message).
fn well_formed(data: &[u8]) -> Option<()> {
    if data.len() > MAX_MESSAGE || !data.len().is_multiple_of(4) {
        return None;
    }
    let (header, mut rest) = data.split_at_checked(20)?;
    let length = u16::from_be_bytes([*header.get(2)?, *header.get(3)?]);
    if *header.first()? > 3 || usize::from(length) != rest.len() {
        return None;
    }
    let (mut attributes, mut integrity, mut fingerprint) = (0, 0, 0);
    while !rest.is_empty() {
        let (head, tail) = rest.split_at_checked(4)?;
        let kind = u16::from_be_bytes([*head.first()?, *head.get(1)?]);
        let length = usize::from(u16::from_be_bytes([*head.get(2)?, *head.get(3)?]));
        rest = tail.get(length.next_multiple_of(4)..)?;
        attributes += 1;
        if kind == ATTR_MESSAGE_INTEGRITY.value() {
            integrity += 1;
            (length == 20).then_some(())?;
        } else if kind == ATTR_FINGERPRINT.value() {
            fingerprint += 1;
            (length == 4 && rest.is_empty()).then_some(())?;
        }
    }
    (attributes <= MAX_ATTRIBUTES && integrity == 1 && fingerprint == 1).then_some(())
}

/// What a check says (RFC 8445 section 7.1 and 7.2.2).
pub(super) struct Check<'a> {
    pub(super) local: &'a Credentials,
    pub(super) remote: &'a Credentials,
    pub(super) role: Role,
    pub(super) tie_breaker: u64,
    /// What the local candidate would have as peer-reflexive one.
    pub(super) priority: u32,
    pub(super) nominate: bool,
}

impl Check<'_> {
    pub(super) fn encode(&self, crypto: &Crypto) -> Option<(TransactionId, Vec<u8>)> {
        let username = format!("{}:{}", self.remote.ufrag, self.local.ufrag);
        let mut attributes: Vec<Box<dyn Setter>> = vec![
            Box::new(TextAttribute::new(ATTR_USERNAME, username)),
            Box::new(PriorityAttr(self.priority)),
        ];
        match self.role {
            Role::Controlling => attributes.push(Box::new(AttrControlling(self.tie_breaker))),
            Role::Controlled => attributes.push(Box::new(AttrControlled(self.tie_breaker))),
        }
        if self.nominate {
            attributes.push(Box::new(UseCandidateAttr::new()));
        }
        let transaction = TransactionId::new();
        let pwd = &self.remote.pwd;
        let bytes = seal(BINDING_REQUEST, transaction, attributes, pwd, crypto)?;
        Some((transaction, bytes))
    }
}

pub(super) fn success(
    request: &Inbound,
    from: SocketAddr,
    pwd: &str,
    crypto: &Crypto,
) -> Option<Vec<u8>> {
    let mapped = XorMappedAddress {
        ip: from.ip(),
        port: from.port(),
    };
    let attributes: Vec<Box<dyn Setter>> = vec![Box::new(mapped)];
    seal(
        BINDING_SUCCESS,
        request.transaction(),
        attributes,
        pwd,
        crypto,
    )
}

/// `unknown` goes with 420 (RFC 8489 section 6.3.1).
pub(super) fn error(
    request: &Inbound,
    code: ErrorCode,
    unknown: &[u16],
    pwd: &str,
    crypto: &Crypto,
) -> Option<Vec<u8>> {
    let mut attributes: Vec<Box<dyn Setter>> = vec![Box::new(code)];
    if !unknown.is_empty() {
        attributes.push(Box::new(RawAttribute {
            typ: ATTR_UNKNOWN_ATTRIBUTES,
            value: unknown.iter().flat_map(|t| t.to_be_bytes()).collect(),
            ..RawAttribute::default()
        }));
    }
    seal(
        BINDING_ERROR,
        request.transaction(),
        attributes,
        pwd,
        crypto,
    )
}

pub(super) fn seal(
    kind: MessageType,
    transaction: TransactionId,
    attributes: Vec<Box<dyn Setter>>,
    pwd: &str,
    crypto: &Crypto,
) -> Option<Vec<u8>> {
    let integrity =
        MessageIntegrity::new_raw_integrity_with_provider(pwd.as_bytes(), crypto.0.crypto());
    let mut message = Message::new();
    message.set_type(kind);
    message.transaction_id = transaction;
    message.write_header();
    for attribute in attributes {
        attribute.add_to(&mut message).ok()?;
    }
    integrity.add_to(&mut message).ok()?;
    FINGERPRINT.add_to(&mut message).ok()?;
    Some(message.raw)
}
