#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::json;

use super::fingerprint::{CertificateFingerprint, Fingerprint};
use crate::error::ErrorName;

/// 00:01:...:1F
fn sha256() -> String {
    (0..32)
        .map(|n| format!("{n:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

fn sha256_bytes() -> Vec<u8> {
    (0..32).collect()
}

fn read(json: serde_json::Value) -> serde_json::Result<CertificateFingerprint> {
    // Through text, as signalling comes.
    serde_json::from_str(&json.to_string())
}

#[test]
fn a055_getter_by_hash_name() {
    let set = read(json!({ "sha-256": sha256() })).unwrap();
    assert_eq!(set.get("sha-256"), Some(sha256_bytes().as_slice()));
    assert_eq!(set.get("SHA-256"), Some(sha256_bytes().as_slice()));
    assert_eq!(set.get("sha-1"), None);
}

#[test]
fn a055_json_is_an_object_keyed_by_hash_name() {
    let text = r#"{"sha-256":"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F","sha-1":"FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF"}"#;
    let mut set = CertificateFingerprint::default();
    set.push(Fingerprint::new("sha-256", sha256_bytes()).unwrap())
        .unwrap();
    set.push(Fingerprint::new("sha-1", [255; 20]).unwrap())
        .unwrap();
    assert_eq!(serde_json::to_string(&set).unwrap(), text);
    assert_eq!(
        serde_json::from_str::<CertificateFingerprint>(text).unwrap(),
        set
    );
}

#[test]
fn g019_every_input_form_reads_the_same() {
    let expected =
        CertificateFingerprint::from(Fingerprint::new("sha-256", sha256_bytes()).unwrap());
    let lower = sha256().to_lowercase();
    for form in [
        json!({ "sha-256": sha256() }),
        json!({ "SHA-256": lower }),
        json!({ "sha-256": [sha256()] }),
        json!({ "sha-256": [sha256(), lower] }),
        json!({ "algorithm": "sha-256", "value": sha256() }),
        json!({ "value": lower, "algorithm": "Sha-256" }),
        json!([{ "algorithm": "sha-256", "value": sha256() }]),
        json!([format!("sha-256 {lower}")]),
        json!(format!("sha-256 {}", sha256())),
        json!(format!("SHA-256  {lower} ")),
    ] {
        assert_eq!(read(form.clone()).unwrap(), expected, "{form}");
    }
}

#[test]
fn g019_one_hash_of_two_certificates_is_kept_twice() {
    let other = sha256().replace("00", "AA");
    let form = json!({ "sha-256": [sha256(), other] });
    let set = read(form.clone()).unwrap();
    assert_eq!(set.len(), 2);
    assert_eq!(set.get("sha-256"), Some(sha256_bytes().as_slice()));
    assert_eq!(serde_json::to_value(&set).unwrap(), form);
}

#[test]
fn g019_text_form_is_upper_case_colon_hex() {
    let text = format!("sha-256 {}", sha256());
    let fingerprint: Fingerprint = text.to_lowercase().parse().unwrap();
    assert_eq!(fingerprint.to_string(), text);
    assert_eq!(fingerprint.value(), sha256());
}

#[test]
fn g019_wrong_lengths_of_known_hashes_are_refused() {
    for (algorithm, len) in [
        ("md5", 16),
        ("sha-1", 20),
        ("sha-224", 28),
        ("sha-256", 32),
        ("sha-384", 48),
        ("sha-512", 64),
    ] {
        assert!(Fingerprint::new(algorithm, vec![1; len]).is_ok());
        for wrong in [0, len - 1, len + 1] {
            let error = Fingerprint::new(algorithm, vec![1; wrong]).unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidParameters, "{algorithm}");
        }
    }
    let error = read(json!({ "sha-256": "AB:CD" })).unwrap_err();
    assert!(error.to_string().contains("sha-256"), "{error}");
}

#[test]
fn g019_unknown_hashes_are_kept() {
    let form = json!({ "shake256": "01:02:03" });
    let set = read(form.clone()).unwrap();
    assert_eq!(set.get("shake256"), Some([1, 2, 3].as_slice()));
    assert_eq!(serde_json::to_value(&set).unwrap(), form);
    assert!(Fingerprint::new("shake256", vec![0; 129]).is_err());
    assert!(Fingerprint::new("shake256", vec![]).is_err());
}

#[test]
fn g019_malformed_values_are_refused() {
    for value in [
        "", ":", "AB:", ":AB", "ABCD", "A:BC", "+1:02", "0x:01", "AB CD", "é:AB", "AB::CD",
    ] {
        assert!(read(json!({ "shake256": value })).is_err(), "{value}");
    }
    for algorithm in ["", "sha 256", "sha-256\n", "ü", &"a".repeat(33)] {
        assert!(read(json!({ algorithm: "AB" })).is_err(), "{algorithm}");
    }
    for form in [
        json!(null),
        json!(1),
        json!(true),
        json!("sha-256"),
        json!([1]),
        json!([null]),
        json!({ "sha-256": 1 }),
        json!([{ "algorithm": "sha-256" }]),
    ] {
        assert!(read(form.clone()).is_err(), "{form}");
    }
    assert!(read(json!({ "shake256": "AB:".repeat(100_000) })).is_err());
    // A member that is null counts as absent.
    assert!(read(json!({ "sha-256": null })).unwrap().is_empty());
}

#[test]
fn g019_at_most_twenty_fingerprints() {
    let hashes = |n: usize| -> serde_json::Map<String, serde_json::Value> {
        (0..n).map(|i| (format!("x{i}"), json!("AB"))).collect()
    };
    assert_eq!(read(hashes(20).into()).unwrap().len(), 20);
    assert!(read(hashes(21).into()).is_err());
    let list = |n: usize| json!((0..n).map(|i| format!("x{i} AB")).collect::<Vec<_>>());
    assert_eq!(read(list(20)).unwrap().len(), 20);
    assert!(read(list(21)).is_err());
    let values = |n: usize| (0..n).map(|i| format!("{i:02X}")).collect::<Vec<_>>();
    assert_eq!(read(json!({ "x": values(20) })).unwrap().len(), 20);
    assert!(read(json!({ "x": values(21) })).is_err());
    assert!(read(json!({ "x": values(20), "y": "AB" })).is_err());
}

#[test]
fn an_unchecked_fingerprint_cannot_enter_the_set() {
    let mut set = CertificateFingerprint::default();
    let wrong = Fingerprint {
        algorithm: "SHA-256".into(),
        bytes: vec![1],
    };
    assert!(set.push(wrong).is_err());
    assert!(set.is_empty());
    set.push(Fingerprint {
        algorithm: "SHA-256".into(),
        bytes: vec![1; 32],
    })
    .unwrap();
    assert_eq!(set.iter().next().unwrap().algorithm, "sha-256");
}
