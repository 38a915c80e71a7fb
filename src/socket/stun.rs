//! The client side of a STUN Binding transaction without credentials (RFC 8489).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::SocketAddr;

use stun::addr::MappedAddress;
use stun::attributes::{ATTR_MAPPED_ADDRESS, ATTR_XORMAPPED_ADDRESS};
use stun::error_code::ErrorCodeAttribute;
use stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Getter, MAGIC_COOKIE, Message, TransactionId,
};
use stun::xoraddr::XorMappedAddress;

/// A Binding response larger than this is not one.
const MAX_RESPONSE: usize = 1_500;
const MAX_REASON_CHARS: usize = 128;
const HEADER: usize = 20;
/// Comprehension-required attributes (RFC 8489 section 18.3) that a Binding response may hold,
/// with those of RFC 3489 that old servers still add.
const UNDERSTOOD: [u16; 17] = [
    0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0007, 0x0008, 0x0009, 0x000a, 0x000b, 0x0014,
    0x0015, 0x001c, 0x001d, 0x001e, 0x0020,
];

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BindingResponse {
    /// The request's source address as the server saw it.
    Mapped(SocketAddr),
    /// An ERROR-CODE, 300 to 699.
    Refused { code: u16, reason: String },
}

/// A fresh, unguessable transaction id.
pub(crate) fn new_transaction_id() -> TransactionId {
    TransactionId::new()
}

/// The bytes of a Binding request.
pub(crate) fn binding_request(id: TransactionId) -> Vec<u8> {
    let mut message = Message::new();
    message.transaction_id = id;
    message.write_header();
    message.set_type(BINDING_REQUEST);
    message.raw
}

/// The transaction id if `data` has the header of a Binding success or error response.
pub(crate) fn response_id(data: &[u8]) -> Option<TransactionId> {
    let (header, attributes) = data.split_first_chunk::<HEADER>()?;
    let [t0, t1, l0, l1, c0, c1, c2, c3, id @ ..] = *header;
    let kind = u16::from_be_bytes([t0, t1]);
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let is_response = kind == BINDING_SUCCESS.value() || kind == BINDING_ERROR.value();
    let well_formed = u32::from_be_bytes([c0, c1, c2, c3]) == MAGIC_COOKIE
        && length == attributes.len()
        && length.is_multiple_of(4)
        && data.len() <= MAX_RESPONSE;
    (is_response && well_formed).then_some(TransactionId(id))
}

/// Reads a response that [`response_id`] accepted.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn parse_response(data: &[u8]) -> Result<BindingResponse, String> {
    if response_id(data).is_none() {
        return Err("not a Binding response".into());
    }
    let mut message = Message::new();
    message
        .unmarshal_binary(data)
        .map_err(|e| format!("undecodable response: {e}"))?;
    // RFC 8489 section 6.3.3 and 6.3.4: such a response fails the transaction.
    for attribute in &message.attributes.0 {
        let kind = attribute.typ.value();
        if kind < 0x8000 && !UNDERSTOOD.contains(&kind) {
            return Err(format!("unknown required attribute {kind:#06x}"));
        }
    }
    if message.typ == BINDING_ERROR {
        let mut error = ErrorCodeAttribute::default();
        error
            .get_from(&message)
            .map_err(|e| format!("error response without ERROR-CODE: {e}"))?;
        if !(300..700).contains(&error.code.0) {
            return Err(format!("error code {} out of range", error.code.0));
        }
        let reason = String::from_utf8_lossy(&error.reason)
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_REASON_CHARS)
            .collect();
        return Ok(BindingResponse::Refused {
            code: error.code.0,
            reason,
        });
    }
    mapped_address(&message).map(BindingResponse::Mapped)
}

fn mapped_address(message: &Message) -> Result<SocketAddr, String> {
    // MAPPED-ADDRESS is what servers of RFC 3489 send; address-rewriting NATs corrupt it, hence
    // the order.
    let kind = [ATTR_XORMAPPED_ADDRESS, ATTR_MAPPED_ADDRESS]
        .into_iter()
        .find(|kind| message.contains(*kind))
        .ok_or("response without a mapped address")?;
    // The getters take a shortened address for one that ends in zeros.
    let value = message.get(kind).map_err(|e| e.to_string())?;
    let length = match value.get(1) {
        Some(1) => 8,
        Some(2) => 20,
        _ => 0,
    };
    if value.len() != length {
        return Err("malformed mapped address".into());
    }
    let (ip, port) = if kind == ATTR_XORMAPPED_ADDRESS {
        let mut mapped = XorMappedAddress::default();
        mapped.get_from(message).map_err(|e| e.to_string())?;
        (mapped.ip, mapped.port)
    } else {
        let mut mapped = MappedAddress::default();
        mapped.get_from(message).map_err(|e| e.to_string())?;
        (mapped.ip, mapped.port)
    };
    let ip = ip.to_canonical();
    if ip.is_unspecified() || ip.is_multicast() || port == 0 {
        return Err(format!("{ip} port {port} cannot be a mapped address"));
    }
    Ok((ip, port).into())
}

#[cfg(test)]
#[path = "stun_tests.rs"]
pub(super) mod tests;
