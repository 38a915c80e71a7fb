#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

fn entry(name: &str, bytes: Vec<u8>) -> (String, Vec<u8>) {
    (name.to_owned(), bytes)
}

#[test]
fn certificates_are_unique_and_redacted() {
    let (one, two) = (
        Certificate::generate().unwrap(),
        Certificate::generate().unwrap(),
    );
    assert_ne!(one.der(), two.der());
    assert_eq!(format!("{one:?}"), "Certificate { .. }");
    assert!(one.der().len() < 600, "one datagram must hold it");
}

#[test]
fn pem_round_trip_and_foreign_key() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = CertificateParams::new(vec!["a".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let read = Certificate::from_pem(&certificate.pem(), &key.serialize_pem()).unwrap();
    assert_eq!(read.der(), certificate.der().as_ref());
    assert!(Certificate::from_pem(&certificate.pem(), &other.serialize_pem()).is_err());
    for junk in ["", "-----BEGIN CERTIFICATE-----", "\u{0}x"] {
        assert!(Certificate::from_pem(junk, &key.serialize_pem()).is_err());
        assert!(Certificate::from_pem(&certificate.pem(), junk).is_err());
    }
}

/// Reliability rows S24 and B2.
#[test]
fn only_the_strongest_hash_decides() {
    let der = b"certificate";
    let right = |algorithm: HashAlgorithm| entry(algorithm.name(), digest(algorithm, der));
    let wrong = |algorithm: HashAlgorithm| {
        let mut bytes = digest(algorithm, der);
        bytes[0] ^= 0x10; // one nibble
        entry(algorithm.name(), bytes)
    };
    use HashAlgorithm::{Sha1, Sha256, Sha384, Sha512};
    assert!(verify(der, &[right(Sha256)], false));
    assert!(verify(der, &[entry("ShA-256", digest(Sha256, der))], false));
    assert!(!verify(der, &[wrong(Sha256)], false));
    assert!(!verify(der, &[], false));
    assert!(!verify(der, &[], true));
    assert!(!verify(der, &[wrong(Sha512), right(Sha256)], false));
    assert!(verify(der, &[right(Sha512), wrong(Sha256)], false));
    assert!(verify(der, &[wrong(Sha384), right(Sha384)], false));
    assert!(!verify(der, &[entry("md5", vec![0; 16])], true));
    assert!(verify(
        der,
        &[entry("sha3-256", vec![1; 32]), right(Sha256)],
        false
    ));
    assert!(!verify(der, &[right(Sha1)], false));
    assert!(verify(der, &[right(Sha1)], true));
    assert!(!verify(der, &[wrong(Sha256), right(Sha1)], true));
    assert!(!verify(der, &[entry("sha-256", vec![])], false));
    let mut twenty: Vec<_> = (0..19).map(|_| wrong(Sha256)).collect();
    assert!(!verify(der, &twenty, false));
    twenty.push(right(Sha256));
    assert!(verify(der, &twenty, false));
}
