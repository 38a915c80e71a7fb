//! TURN messages as bytes (RFC 8656 sections 11, 12 and 18; RFC 8489 section 14). Requests are
//! built with the `stun` crate.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use ::stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_LIFETIME, ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_REQUESTED_TRANSPORT,
    ATTR_XOR_PEER_ADDRESS,
};
use ::stun::fingerprint::FINGERPRINT;
use ::stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND,
    METHOD_CREATE_PERMISSION, METHOD_REFRESH, Message, MessageType, Method, Setter, TransactionId,
};
use ::stun::xoraddr::XorMappedAddress;

use super::auth::Auth;

pub(super) const COOKIE: u32 = 0x2112_a442;

pub(super) const XOR_PEER_ADDRESS: u16 = 0x0012;
pub(super) const DATA: u16 = 0x0013;
const SEND_INDICATION: u16 = 0x0016;

/// RFC 8656 section 7.2: what a server grants that is asked for none, in seconds.
pub(super) const DEFAULT_LIFETIME: u32 = 600;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Allocate,
    /// `release` asks for a lifetime of 0, which ends the allocation.
    Refresh {
        release: bool,
    },
    Permission(IpAddr),
    Channel(u16, SocketAddr),
}

impl Ask {
    pub(super) fn method(self) -> Method {
        match self {
            Self::Allocate => METHOD_ALLOCATE,
            Self::Refresh { .. } => METHOD_REFRESH,
            Self::Permission(_) => METHOD_CREATE_PERMISSION,
            Self::Channel(..) => METHOD_CHANNEL_BIND,
        }
    }
}

/// The bytes of a request, `None` when an attribute does not fit.
pub(super) fn request(
    id: TransactionId,
    ask: Ask,
    server: SocketAddr,
    auth: Option<&Auth>,
) -> Option<Vec<u8>> {
    let mut message = Message::new();
    message.transaction_id = id;
    message.write_header();
    message.set_type(MessageType::new(ask.method(), CLASS_REQUEST));
    match ask {
        Ask::Allocate => {
            // RFC 8656 section 18.8: 17 is UDP.
            message.add(ATTR_REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
            // RFC 8656 section 7.2: without this attribute the relay is IPv4.
            if server.is_ipv6() {
                message.add(ATTR_REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
            }
        }
        Ask::Refresh { release: true } => message.add(ATTR_LIFETIME, &[0; 4]),
        // Servers exist (coturn 4.6) that keep to their maximum only when a lifetime is asked for.
        Ask::Refresh { release: false } => {
            message.add(ATTR_LIFETIME, &DEFAULT_LIFETIME.to_be_bytes());
        }
        Ask::Permission(ip) => peer_address(&mut message, SocketAddr::new(ip, 0))?,
        Ask::Channel(number, peer) => {
            let [high, low] = number.to_be_bytes();
            message.add(ATTR_CHANNEL_NUMBER, &[high, low, 0, 0]);
            peer_address(&mut message, peer)?;
        }
    }
    if let Some(auth) = auth {
        auth.add_to(&mut message)?;
    }
    FINGERPRINT.add_to(&mut message).ok()?;
    Some(message.raw)
}

/// A Binding indication, which keeps the way to the server open (RFC 8445 section 11).
pub(super) fn keepalive() -> Vec<u8> {
    let mut message = Message::new();
    message.transaction_id = TransactionId::new();
    message.write_header();
    message.set_type(MessageType::new(METHOD_BINDING, CLASS_INDICATION));
    message.raw
}

fn peer_address(message: &mut Message, peer: SocketAddr) -> Option<()> {
    let (ip, port) = (peer.ip(), peer.port());
    XorMappedAddress { ip, port }
        .add_to_as(message, ATTR_XOR_PEER_ADDRESS)
        .ok()
}

/// Appends a Send indication (RFC 8656 section 11.1).
pub(super) fn push_send_indication(out: &mut Vec<u8>, peer: SocketAddr, payload: &[u8]) {
    let padding = payload.len().next_multiple_of(4) - payload.len();
    let address: usize = if peer.is_ipv4() { 8 } else { 20 };
    let length = 4 + address + 4 + payload.len() + padding;
    let id: [u8; 12] = TransactionId::new().0;
    out.extend_from_slice(&SEND_INDICATION.to_be_bytes());
    out.extend_from_slice(&to_u16(length).to_be_bytes());
    out.extend_from_slice(&COOKIE.to_be_bytes());
    out.extend_from_slice(&id);
    out.extend_from_slice(&XOR_PEER_ADDRESS.to_be_bytes());
    out.extend_from_slice(&to_u16(address).to_be_bytes());
    let family: u8 = if peer.is_ipv4() { 1 } else { 2 };
    out.extend_from_slice(&[0, family]);
    out.extend_from_slice(&xor_port(peer.port()).to_be_bytes());
    match xor_ip(peer.ip(), &id) {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&DATA.to_be_bytes());
    out.extend_from_slice(&to_u16(payload.len()).to_be_bytes());
    out.extend_from_slice(payload);
    out.extend_from_slice([0; 3].get(..padding).unwrap_or_default());
}

/// Appends a ChannelData message (RFC 8656 section 12.4), which over UDP needs no padding.
pub(super) fn push_channel_data(out: &mut Vec<u8>, number: u16, payload: &[u8]) {
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&to_u16(payload.len()).to_be_bytes());
    out.extend_from_slice(payload);
}

/// Channel number and place of the payload. RFC 8656 section 12.5: what comes after the payload
/// is padding; a payload longer than the datagram makes it malformed.
pub(super) fn channel_data(data: &[u8]) -> Option<(u16, Range<usize>)> {
    let [n0, n1, l0, l1, ..] = *data else {
        return None;
    };
    let number = u16::from_be_bytes([n0, n1]);
    let end = usize::from(u16::from_be_bytes([l0, l1])).saturating_add(4);
    ((0x4000..=0x4fff).contains(&number) && end <= data.len()).then_some((number, 4..end))
}

/// UDP payloads have at most 65,507 bytes.
fn to_u16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

pub(super) fn xor_port(port: u16) -> u16 {
    port ^ 0x2112
}

pub(super) fn xor_ip(ip: IpAddr, id: &[u8; 12]) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) ^ COOKIE).into()),
        IpAddr::V6(ip) => {
            let id = id
                .iter()
                .fold(0u128, |all, byte| (all << 8) | u128::from(*byte));
            let mask = (u128::from(COOKIE) << 96) | id;
            IpAddr::V6(Ipv6Addr::from(u128::from(ip) ^ mask))
        }
    }
}
