//! The messages themselves.

use super::net::*;
use crate::engine::ice::message::*;
use crate::engine::ice::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|d| (d[0] * 16 + d[1]) as u8).collect()
}

/// RFC 5769 section 2.1.
const REQUEST: &str = "00010058 2112a442 b7e7a701bc34d686fa87dfae
    80220010 5354554e207465737420636c69656e74 00240004 6e0001ff
    80290008 932ff9b151263b36 00060009 6576746a3a68367659202020
    00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf";

/// RFC 5769 section 2.2.
const RESPONSE: &str = "0101003c 2112a442 b7e7a701bc34d686fa87dfae
    8022000b 7465737420766563746f7220 00200008 0001a147e112a643
    00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96";

const PWD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

#[test]
fn s17_rfc_5769_request() {
    let mut message = Inbound::decode(&hex(REQUEST)).unwrap();
    assert_eq!(message.class, Class::Request);
    assert_eq!(message.username(), Some(("evtj".into(), "h6vY".into())));
    assert!(!message.authenticate("VOkJxbRl1RmTxUk/WvJxBu", &Crypto::new()));
    assert!(message.authenticate(PWD, &Crypto::new()));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(
        message.role(),
        Some((Role::Controlled, 0x932f_f9b1_5126_3b36))
    );
    assert!(!message.use_candidate() && message.unknown_required().is_empty());
}

#[test]
fn s17_rfc_5769_response() {
    let mut message = Inbound::decode(&hex(RESPONSE)).unwrap();
    assert_eq!(message.class, Class::Success);
    assert!(message.authenticate(PWD, &Crypto::new()));
    assert_eq!(message.mapped_address(), Some(addr("192.0.2.1:32853")));
}

/// Each byte of both vectors changed, and each truncation: never accepted, never a panic.
#[test]
fn s17_any_changed_byte_is_refused() {
    for vector in [hex(REQUEST), hex(RESPONSE)] {
        for i in 0..vector.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = vector.clone();
                changed[i] ^= flip;
                assert!(Inbound::decode(&changed).is_none(), "byte {i}");
            }
            assert!(Inbound::decode(&vector[..i]).is_none());
        }
        let mut longer = vector.clone();
        longer.extend([0; 4]);
        assert!(Inbound::decode(&longer).is_none());
    }
}

/// Random frames with a right header, length and FINGERPRINT get through the codec unharmed.
#[test]
fn arbitrary_attributes_never_panic() {
    let mut rng = crate::simnet::Rng::new(1);
    let mut next = move || rng.next_u64() as usize;
    let kinds = [
        0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0020, 0x0024, 0x0025, 0x8029, 0x802A,
        0x8022, 0x8028, 0x7777,
    ];
    let crypto = Crypto::new();
    let mut decoded = 0;
    for _ in 0..20_000 {
        let mut raw = hex("0001 0000 2112a442 b7e7a701bc34d686fa87dfae");
        raw[0] = (next() % 2) as u8;
        raw[1] = [0x01, 0x11, 0x03][next() % 3];
        for _ in 0..next() % 6 {
            let kind = kinds[next() % kinds.len()] as u16;
            let length = next() % 24;
            raw.extend(kind.to_be_bytes());
            raw.extend((length as u16).to_be_bytes());
            raw.extend((0..length.next_multiple_of(4)).map(|_| next() as u8));
        }
        if next() % 4 > 0 {
            raw.extend(hex("00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"));
        }
        let length = (raw.len() - 20 + 8) as u16;
        raw[2..4].copy_from_slice(&length.to_be_bytes());
        let crc = stun::fingerprint::fingerprint_value(&raw);
        raw.extend(hex("80280004"));
        raw.extend(crc.to_be_bytes());
        if let Some(mut message) = Inbound::decode(&raw) {
            decoded += 1;
            let _ = (message.username(), message.priority(), message.role());
            let _ = (message.mapped_address(), message.error_code());
            assert!(!message.authenticate(PWD, &crypto));
        }
    }
    assert!(decoded > 1_000, "{decoded}");
}

#[test]
fn what_we_encode_we_accept() {
    let crypto = Crypto::new();
    let (local, remote) = (credentials("left"), credentials("rite"));
    let check = Check {
        local: &local,
        remote: &remote,
        role: Role::Controlling,
        tie_breaker: 77,
        priority: 5,
        nominate: true,
    };
    let (id, bytes) = check.encode(&crypto).unwrap();
    let mut request = Inbound::decode(&bytes).unwrap();
    assert!(request.authenticate(&remote.pwd, &crypto));
    assert_eq!(request.transaction(), id);
    assert_eq!(
        request.username(),
        Some((remote.ufrag.clone(), local.ufrag.clone()))
    );
    assert_eq!(request.role(), Some((Role::Controlling, 77)));
    assert!(request.use_candidate());
    for from in ["1.2.3.4:5", "[2001:db8::5]:6"] {
        let bytes = success(&request, addr(from), "password", &crypto).unwrap();
        assert!(
            bytes.len() <= check.encode(&crypto).unwrap().1.len(),
            "no amplification"
        );
        let mut answer = Inbound::decode(&bytes).unwrap();
        assert!(answer.authenticate("password", &crypto));
        assert_eq!(answer.mapped_address(), Some(addr(from)));
    }
}

#[test]
fn s13_credentials() {
    let a = Credentials::generate().unwrap();
    let b = Credentials::generate().unwrap();
    assert!(a.validate().is_ok() && a.ufrag != b.ufrag && a.pwd != b.pwd);
    assert_eq!((a.ufrag.len(), a.pwd.len()), (8, 24));
    assert!(!format!("{a:?}").contains(&a.pwd));
    let with = |ufrag: &str, pwd: &str| Credentials {
        ufrag: ufrag.into(),
        pwd: pwd.into(),
    };
    let pwd = "a".repeat(22);
    assert!(with("abcd", &pwd).validate().is_ok());
    assert!(with(&"+".repeat(256), &"/".repeat(256)).validate().is_ok());
    for (ufrag, pwd) in [
        ("abc", pwd.as_str()),
        ("ab:d", &pwd),
        ("abcd", &pwd[1..]),
        ("abcd", &"a".repeat(257)),
        ("ab d", &pwd),
    ] {
        assert!(with(ufrag, pwd).validate().is_err());
    }
}
