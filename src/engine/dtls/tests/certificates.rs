//! Certificates of every kind, and what becomes of those whose key proves nothing.

use super::attack::message;
use super::*;
use crate::simnet::usage::cpu;

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..=127 => vec![tag, length as u8],
        128..=255 => vec![tag, 0x81, length as u8],
        256..=65_535 => vec![tag, 0x82, (length >> 8) as u8, length as u8],
        _ => vec![
            tag,
            0x83,
            (length >> 16) as u8,
            (length >> 8) as u8,
            length as u8,
        ],
    };
    [head, content.to_vec()].concat()
}

/// A certificate with this key; `more` is an issuer of any length.
fn certificate(algorithm: &[u8], key: &[u8], more: usize) -> Vec<u8> {
    let info = [der(0x30, algorithm), der(0x03, &[&[0], key].concat())].concat();
    let tbs = [
        der(0x02, &[1]),
        der(0x30, &[]),
        der(0x30, &vec![5; more]),
        der(0x30, &[]),
        der(0x30, &[]),
        der(0x30, &info),
    ]
    .concat();
    let whole = [der(0x30, &tbs), der(0x30, &[]), der(0x03, &[0; 9])].concat();
    der(0x30, &whole)
}

fn rsa(bits: usize) -> Vec<u8> {
    let algorithm = [
        der(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]),
        der(5, &[]),
    ];
    let modulus = [vec![0], vec![0xff; bits / 8]].concat();
    let key = [der(0x02, &modulus), der(0x02, &[1, 0, 1])].concat();
    certificate(&algorithm.concat(), &der(0x30, &key), 0)
}

fn curve(curve: &[u8], point: usize, more: usize) -> Vec<u8> {
    let ec = der(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]);
    let algorithm = [ec, der(0x06, curve)].concat();
    certificate(&algorithm, &vec![4; point], more)
}

const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

fn list(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat()
}

/// A ServerKeyExchange whose signature is longer than any.
fn key_exchange(algorithm: [u8; 2], length: u16) -> Vec<u8> {
    let mut body = vec![3, 0, 29, 32];
    body.extend_from_slice(&[9; 32]);
    body.extend_from_slice(&algorithm);
    body.extend_from_slice(&length.to_be_bytes());
    body.extend(vec![0x30; length.into()]);
    body
}

/// Cuts a message into datagrams.
fn pieces(kind: u8, number: u16, body: &[u8]) -> Vec<Vec<u8>> {
    let mut offset = 0;
    let mut out = Vec::new();
    for chunk in body.chunks(1_100) {
        let piece = record::fragment(kind, body.len(), number, offset, chunk);
        offset += chunk.len();
        out.push(record::plaintext(
            record::HANDSHAKE,
            record::DTLS_1_2,
            5,
            &piece,
        ));
    }
    if body.is_empty() {
        out.push(message(kind, number, body));
    }
    out
}

/// Reliability row A8.
#[test]
fn r_a08_no_certificate_costs_much() {
    let rsa_pss = certificate(
        &der(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0a]),
        &[],
        0,
    );
    let chain = |leaf: &[u8], count: usize| list(&list(leaf).repeat(count));
    let bodies = [
        ("64 KB", chain(&curve(P256, 65, 64_000), 1)),
        ("100 in a chain", chain(&curve(P256, 65, 200), 100)),
        ("a point off the curve", chain(&curve(P256, 65, 0), 1)),
        ("a short point", chain(&curve(P256, 1, 0), 1)),
        ("P-521", chain(&curve(P521, 133, 0), 1)),
        ("a curve of nobody", chain(&curve(&[1, 2, 3], 65, 0), 1)),
        ("RSA 8192", chain(&rsa(8_192), 1)),
        ("RSA 16384", chain(&rsa(16_384), 1)),
        ("RSA 512", chain(&rsa(512), 1)),
        ("RSA-PSS", chain(&rsa_pss, 1)),
        ("an empty certificate", chain(&[], 1)),
        ("no certificate", list(&[])),
        ("an empty message", vec![]),
        ("junk", vec![0xff; 5_000]),
    ];
    for (name, body) in &bodies {
        for victim in 0..2 {
            let mut pair = Pair::new();
            let start = pair.start;
            // The server has an association that waits for a certificate.
            pair.run(Duration::from_secs(5), whole, |pair| {
                pair.now - start >= DELAY * 3
            });
            let before = cpu();
            let number = 1 + victim as u16;
            let mut flight = pieces(11, number, body);
            for algorithm in [[4, 3], [4, 1], [6, 1], [8, 7]] {
                flight.extend(pieces(12, number + 1, &key_exchange(algorithm, 1_024)));
                flight.extend(pieces(
                    15,
                    number + 2,
                    &key_exchange(algorithm, 1_024)[36..],
                ));
            }
            flight.extend(pieces(16, number + 1, &[&[32][..], &[9; 32]].concat()));
            for datagram in &flight {
                pair.sides[victim].handle_datagram(pair.now, datagram);
            }
            let taken = cpu() - before;
            assert!(taken <= Duration::from_millis(50), "{name}: {taken:?}");
            pair.run(Duration::from_secs(10), whole, Pair::both_connected);
            assert!(pair.both_connected(), "{name} to {victim}");
        }
    }
}

/// A certificate that signalling announced is the peer's for sure: if its key can prove nothing,
/// the handshake ends at once and says why.
#[test]
fn a_key_that_is_not_supported_is_named() {
    use crate::engine::certificate::{HashAlgorithm, digest};
    let [ours, _] = certificates();
    let named = |key: &str| DtlsFailure::UnsupportedKey {
        key: key.to_owned(),
    };
    let cases = [
        (curve(P521, 133, 0), named("ECDSA P-521")),
        (rsa(16_384), named("RSA 16384")),
        (rsa(1_024), named("RSA 1024")),
        (vec![0x30, 0], DtlsFailure::UnreadableCertificate),
    ];
    for (leaf, expected) in cases {
        let sha256 = ("sha-256".to_owned(), digest(HashAlgorithm::Sha256, &leaf));
        let other = ("sha-256".to_owned(), vec![1; 32]);
        for (fingerprint, is_the_peers) in [(sha256, true), (other, false)] {
            let config = DtlsConfig {
                announced: Some(Announced {
                    fingerprints: vec![fingerprint],
                    allow_weak: false,
                }),
                ..DtlsConfig::default()
            };
            let mut side = RtcDtls::new(&ours, DtlsRole::Client, config).unwrap();
            let now = Instant::now();
            side.start(now);
            for datagram in pieces(11, 2, &list(&list(&leaf))) {
                side.handle_datagram(now, &datagram);
            }
            match side.poll_event() {
                Some(DtlsEvent::Failed(failure)) if is_the_peers => {
                    assert_eq!(failure, expected);
                }
                None if !is_the_peers => {}
                other => panic!("{expected}: {other:?}"),
            }
        }
    }
}

/// The tool cannot be a server with Ed25519; what a client verifies of it is verified here.
#[test]
fn an_ed25519_key_proves_a_key_exchange() {
    use ring::signature::{Ed25519KeyPair, KeyPair};
    let seed = [7; 32];
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let leaf = certificate(
        &der(0x06, &[0x2b, 0x65, 0x70]),
        pair.public_key().as_ref(),
        0,
    );
    let key = proof::key(&leaf).unwrap();
    let signature = pair.sign(b"said");
    let body = [&[8, 7, 0, 64], signature.as_ref()].concat();
    let signed = proof::certificate_verify(&body).unwrap();
    assert!(proof::verify(&key, b"said", &signed));
    assert!(!proof::verify(&key, b"unsaid", &signed));
}
