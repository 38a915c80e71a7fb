//! STUN messages of a TURN server, framed and read (RFC 8489 sections 5 and 14), so that the `stun`
//! crate sees well-formed ones only.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use ::stun::message::{CLASS_REQUEST, MessageType, TransactionId};

use super::auth::Challenge;
use super::wire::{Ask, COOKIE, DATA, XOR_PEER_ADDRESS, xor_ip, xor_port};

const LIFETIME: u16 = 0x000d;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;
const ALTERNATE_SERVER: u16 = 0x8023;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
const PASSWORD_ALGORITHMS: u16 = 0x8002;
const DATA_INDICATION: u16 = 0x0017;
const HEADER: usize = 20;
const MAX_ATTRIBUTES: usize = 32;
const MAX_REASON_CHARS: usize = 128;
/// RFC 8489 sections 14.9 and 14.10.
const MAX_TEXT: usize = 763;

/// A well-formed STUN message that is not a request.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    kind: u16,
    pub(super) id: TransactionId,
    data: &'a [u8],
}

/// A STUN class with what an error says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Success,
    Error(u16, String),
}

impl<'a> Frame<'a> {
    pub(super) fn parse(data: &'a [u8]) -> Option<Self> {
        let [t0, t1, l0, l1, c0, c1, c2, c3, rest @ ..] = data else {
            return None;
        };
        let (id, attributes) = rest.split_first_chunk::<12>()?;
        let kind = u16::from_be_bytes([*t0, *t1]);
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let framed = kind < 0x4000
            && u32::from_be_bytes([*c0, *c1, *c2, *c3]) == COOKIE
            && length == attributes.len();
        if !framed || kind & 0x0110 == 0 {
            return None;
        }
        let frame = Self {
            kind,
            id: TransactionId(*id),
            data,
        };
        // Every attribute must be whole, those of integrity of the one right size.
        let mut at = HEADER;
        let mut count = 0;
        while at < data.len() {
            let (kind, value, next) = frame.attribute(at)?;
            count += 1;
            let size = match kind {
                MESSAGE_INTEGRITY => 20,
                MESSAGE_INTEGRITY_SHA256 => 32,
                _ => value.len(),
            };
            if count > MAX_ATTRIBUTES || value.len() != size {
                return None;
            }
            at = next;
        }
        Some(frame)
    }

    /// The attribute at `at`: type, place of the value, start of the next one.
    fn attribute(&self, at: usize) -> Option<(u16, Range<usize>, usize)> {
        let [k0, k1, l0, l1] = *self.data.get(at..)?.first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (start, end) = (at + 4, at + 4 + length);
        let next = end.next_multiple_of(4);
        (next <= self.data.len()).then_some((u16::from_be_bytes([k0, k1]), start..end, next))
    }

    /// The first attribute of a type. RFC 8489 sections 14.5 and 14.6: those after one of integrity
    /// do not count, but the second of these.
    fn find(&self, wanted: u16) -> Option<Range<usize>> {
        let mut at = HEADER;
        while let Some((kind, value, next)) = self.attribute(at) {
            if kind == wanted {
                return Some(value);
            }
            match kind {
                MESSAGE_INTEGRITY if wanted == MESSAGE_INTEGRITY_SHA256 => {}
                MESSAGE_INTEGRITY | MESSAGE_INTEGRITY_SHA256 => return None,
                _ => {}
            }
            at = next;
        }
        None
    }

    /// MESSAGE-INTEGRITY-SHA256: where the attribute begins, and its value.
    pub(super) fn integrity_sha256(&self) -> Option<(usize, &'a [u8])> {
        let place = self.find(MESSAGE_INTEGRITY_SHA256)?;
        Some((place.start.checked_sub(4)?, self.data.get(place)?))
    }

    fn get(&self, wanted: u16) -> Option<&'a [u8]> {
        self.data.get(self.find(wanted)?)
    }

    /// What it answers to `ask`; `None` when it is no answer to that.
    pub(super) fn answer(&self, ask: Ask) -> Option<Answer> {
        let request = MessageType::new(ask.method(), CLASS_REQUEST).value();
        if self.kind == request | 0x0100 {
            return Some(Answer::Success);
        }
        if self.kind != request | 0x0110 {
            return None;
        }
        // RFC 8489 section 14.8.
        let [_, _, class, number, reason @ ..] = self.get(ERROR_CODE)? else {
            return None;
        };
        let code = u16::from(class & 7) * 100 + u16::from(*number);
        if !(300..700).contains(&code) || *number > 99 {
            return None;
        }
        let reason = String::from_utf8_lossy(reason)
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_REASON_CHARS)
            .collect();
        Some(Answer::Error(code, reason))
    }

    pub(super) fn challenge(&self) -> Option<Challenge<'a>> {
        let nonce = self.get(NONCE)?;
        let challenge = Challenge {
            nonce,
            algorithms: self.get(PASSWORD_ALGORITHMS),
        };
        (1..=MAX_TEXT).contains(&nonce.len()).then_some(challenge)
    }

    pub(super) fn realm(&self) -> Option<String> {
        let realm = self.get(REALM)?;
        let text = std::str::from_utf8(realm).ok()?;
        (realm.len() <= MAX_TEXT).then(|| text.to_owned())
    }

    pub(super) fn lifetime(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(LIFETIME)?.try_into().ok()?))
    }

    pub(super) fn relayed(&self) -> Option<SocketAddr> {
        self.address(XOR_RELAYED_ADDRESS)
    }

    pub(super) fn mapped(&self) -> Option<SocketAddr> {
        self.address(XOR_MAPPED_ADDRESS)
    }

    /// Where an error 300 sends the client (RFC 8489 section 14.15).
    pub(super) fn alternate_server(&self) -> Option<SocketAddr> {
        self.plain_address(ALTERNATE_SERVER)
    }

    /// The peer and the place of the payload, if this is a Data indication (RFC 8656
    /// section 11.3).
    pub(super) fn data_indication(&self) -> Option<(SocketAddr, Range<usize>)> {
        if self.kind != DATA_INDICATION {
            return None;
        }
        Some((self.address(XOR_PEER_ADDRESS)?, self.find(DATA)?))
    }

    pub(super) fn is_data_indication(&self) -> bool {
        self.kind == DATA_INDICATION
    }

    /// An XORed transport address, never one that cannot be sent to.
    fn address(&self, wanted: u16) -> Option<SocketAddr> {
        let (ip, port) = self.raw_address(wanted)?;
        usable(xor_ip(ip, &self.id.0), xor_port(port))
    }

    /// One that is not XORed.
    fn plain_address(&self, wanted: u16) -> Option<SocketAddr> {
        let (ip, port) = self.raw_address(wanted)?;
        usable(ip, port)
    }

    fn raw_address(&self, wanted: u16) -> Option<(IpAddr, u16)> {
        let [_, family, p0, p1, ip @ ..] = self.get(wanted)? else {
            return None;
        };
        let ip = match family {
            1 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
            2 => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
            _ => return None,
        };
        Some((ip, u16::from_be_bytes([*p0, *p1])))
    }
}

fn usable(ip: IpAddr, port: u16) -> Option<SocketAddr> {
    let ip = ip.to_canonical();
    let usable = port != 0 && !ip.is_unspecified() && !ip.is_multicast();
    usable.then(|| SocketAddr::new(ip, port))
}
