#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use stun::attributes::AttrType;
use stun::message::{MessageType, Setter};

use super::*;

fn respond(id: TransactionId, typ: MessageType, add: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message::new();
    message.transaction_id = id;
    message.write_header();
    message.set_type(typ);
    add(&mut message);
    message.raw
}

pub(crate) fn success(id: TransactionId, mapped: SocketAddr) -> Vec<u8> {
    respond(id, BINDING_SUCCESS, |message| {
        let (ip, port) = (mapped.ip(), mapped.port());
        XorMappedAddress { ip, port }.add_to(message).unwrap();
    })
}

pub(crate) fn refusal(id: TransactionId, code: u16) -> Vec<u8> {
    respond(id, BINDING_ERROR, |message| {
        let code = stun::error_code::ErrorCode(code);
        let reason = b"go\n away".to_vec();
        ErrorCodeAttribute { code, reason }.add_to(message).unwrap();
    })
}

/// A well-formed success response that says nothing.
pub(crate) fn empty_success(id: TransactionId) -> Vec<u8> {
    respond(id, BINDING_SUCCESS, |_| ())
}

/// The id of a Binding request.
pub(crate) fn request_id(data: &[u8]) -> TransactionId {
    assert_eq!(data.len(), HEADER);
    assert_eq!(data[..8], [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
    TransactionId(data[8..].try_into().unwrap())
}

fn addr(s: &str) -> SocketAddr {
    s.parse().unwrap()
}

#[test]
fn requests_are_bare_and_never_repeat_an_id() {
    let (a, b) = (new_transaction_id(), new_transaction_id());
    assert_ne!(a, b);
    assert_eq!(request_id(&binding_request(a)), a);
    assert_eq!(response_id(&binding_request(a)), None);
}

#[test]
fn mapped_addresses_of_both_families_and_of_old_servers() {
    let id = new_transaction_id();
    for mapped in [addr("192.0.2.1:32853"), addr("[2001:db8::5]:1")] {
        let data = success(id, mapped);
        assert_eq!(response_id(&data), Some(id));
        assert_eq!(parse_response(&data), Ok(BindingResponse::Mapped(mapped)));
        let data = respond(id, BINDING_SUCCESS, |message| {
            let (ip, port) = (mapped.ip(), mapped.port());
            MappedAddress { ip, port }.add_to(message).unwrap();
        });
        assert_eq!(parse_response(&data), Ok(BindingResponse::Mapped(mapped)));
    }
    let data = success(id, addr("[::ffff:192.0.2.1]:5"));
    assert_eq!(
        parse_response(&data),
        Ok(BindingResponse::Mapped(addr("192.0.2.1:5")))
    );
}

/// RFC 5769 section 2.2: sample IPv4 response, mapped address 192.0.2.1 port 32853. The vector's
/// FINGERPRINT and MESSAGE-INTEGRITY are left out, they are not asked for here.
#[test]
fn rfc_5769_mapped_address() {
    let data = [
        0x01, 0x01, 0x00, 0x0c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6,
        0x86, 0xfa, 0x87, 0xdf, 0xae, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12,
        0xa6, 0x43,
    ];
    assert_eq!(
        parse_response(&data),
        Ok(BindingResponse::Mapped(addr("192.0.2.1:32853")))
    );
}

#[test]
fn refusals_carry_code_and_clean_reason() {
    let data = refusal(new_transaction_id(), 400);
    let reason = "go away".to_owned();
    assert_eq!(
        parse_response(&data),
        Ok(BindingResponse::Refused { code: 400, reason })
    );
    for code in [0, 299, 700] {
        assert!(parse_response(&refusal(new_transaction_id(), code)).is_err());
    }
}

#[test]
fn malformed_responses_are_errors() {
    let id = new_transaction_id();
    let raw = |kind, value: &[u8]| {
        respond(id, BINDING_SUCCESS, |message| {
            message.add(AttrType(kind), value)
        })
    };
    let bad = [
        empty_success(id),
        success(id, addr("0.0.0.0:5")),
        success(id, addr("224.0.0.1:5")),
        success(id, addr("192.0.2.1:0")),
        raw(0x0020, &[0, 1, 0, 5, 1]),
        raw(0x0020, &[0, 3, 0, 5, 1, 2, 3, 4]),
        raw(0x0020, &[]),
        raw(0x0001, &[0, 1, 0, 5, 1, 2]),
        raw(0x0001, &[0, 2, 0, 5, 1, 2, 3, 4]),
        raw(0x7fff, &[0; 4]),
        respond(id, BINDING_ERROR, |_| ()),
        respond(id, BINDING_ERROR, |message| {
            message.add(AttrType(9), &[0, 0])
        }),
    ];
    for data in bad {
        assert_eq!(response_id(&data), Some(id), "{data:02x?}");
        assert!(parse_response(&data).is_err(), "{data:02x?}");
    }
}

#[test]
fn what_is_not_a_binding_response_has_no_id() {
    let id = new_transaction_id();
    let good = success(id, addr("192.0.2.1:9"));
    for length in 0..good.len() {
        assert_eq!(response_id(&good[..length]), None);
        assert!(parse_response(&good[..length]).is_err());
    }
    let mut cookie = good.clone();
    cookie[4] ^= 1;
    assert_eq!(response_id(&cookie), None);
    let mut trailing = good.clone();
    trailing.push(0);
    assert_eq!(response_id(&trailing), None);
    let mut huge = vec![0; 2_000];
    huge[..HEADER].copy_from_slice(&good[..HEADER]);
    huge[2..4].copy_from_slice(&1980u16.to_be_bytes());
    assert_eq!(response_id(&huge), None);
}

#[test]
fn every_one_byte_change_and_random_bodies_do_not_panic() {
    let id = new_transaction_id();
    for good in [success(id, addr("[2001:db8::5]:1")), refusal(id, 500)] {
        for at in 0..good.len() {
            for value in 0..=255 {
                let mut data = good.clone();
                data[at] = value;
                let _ = parse_response(&data);
            }
        }
    }
    let mut rng = crate::simnet::Rng::new(1);
    for _ in 0..20_000 {
        let mut data = empty_success(id);
        for _ in 0..rng.below(16) * 4 {
            let mask = if rng.percent(50) { 0x2f } else { 0xff };
            data.push(rng.below(256) as u8 & mask);
        }
        let length = (data.len() - HEADER) as u16;
        data[2..4].copy_from_slice(&length.to_be_bytes());
        let _ = parse_response(&data);
    }
}
