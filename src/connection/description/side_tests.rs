#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::json;

use super::fingerprint::Fingerprint;
use super::roles::RTCDtlsRole;
use super::side::{RTCConnectionSide, RTCIceConnectionInfo};
use crate::error::ErrorName;

const FRAG: &str = "abcd";
const PASSWORD: &str = "0123456789abcdefghij+/";

fn read(json: serde_json::Value) -> serde_json::Result<RTCConnectionSide> {
    serde_json::from_str(&json.to_string())
}

fn expected() -> RTCConnectionSide {
    RTCConnectionSide::new(FRAG, PASSWORD)
}

#[test]
fn a049_a050_json_of_a_side_is_pinned() {
    let mut side = expected().with_fingerprint(Fingerprint::new("sha-1", [171; 20]).unwrap());
    let text = r#"{"ice":{"usernameFrag":"abcd","password":"0123456789abcdefghij+/"},"dtls":{"fingerprint":{"sha-1":"AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB"}}}"#;
    assert_eq!(serde_json::to_string(&side).unwrap(), text);
    assert_eq!(
        serde_json::from_str::<RTCConnectionSide>(text).unwrap(),
        side
    );
    let ice: RTCIceConnectionInfo = side.ice.clone();
    assert_eq!((&*ice.username_frag, &*ice.password), (FRAG, PASSWORD));
    side.dtls.role = Some(RTCDtlsRole::Client);
    side.cname = Some("alice".into());
    let value = serde_json::to_value(&side).unwrap();
    assert_eq!(value["dtls"]["role"], "client");
    assert_eq!(value["cname"], "alice");
    assert_eq!(read(value).unwrap(), side);
}

#[test]
fn a054_an_unknown_fingerprint_is_null() {
    let text = r#"{"ice":{"usernameFrag":"abcd","password":"0123456789abcdefghij+/"},"dtls":{"fingerprint":null}}"#;
    assert_eq!(serde_json::to_string(&expected()).unwrap(), text);
    assert_eq!(
        serde_json::from_str::<RTCConnectionSide>(text).unwrap(),
        expected()
    );
}

/// The `iceInfo` of the draft's example: exactly two names.
#[test]
fn a117_ice_info_of_the_example() {
    let text = r#"{"usernameFrag":"abcd","password":"0123456789abcdefghij+/"}"#;
    assert_eq!(serde_json::to_string(&expected().ice).unwrap(), text);
    let ice: RTCIceConnectionInfo = serde_json::from_str(text).unwrap();
    assert_eq!(ice, expected().ice);
    assert_eq!(
        serde_json::from_str::<RTCConnectionSide>(text).unwrap(),
        expected()
    );
    let message = json!({ "iceInfo": { "usernameFrag": FRAG, "password": PASSWORD } });
    assert_eq!(read(message).unwrap(), expected());
}

#[test]
fn g007_every_spelling_is_read() {
    for frag in [
        "usernameFrag",
        "iceUsernameFrag",
        "usernameFragment",
        "ufrag",
        "context-id",
    ] {
        for password in ["password", "icePassword", "pwd", "secret"] {
            let flat = json!({ frag: FRAG, password: PASSWORD, "unknown": [1] });
            assert_eq!(read(flat.clone()).unwrap(), expected(), "{flat}");
            let nested = json!({ "ice": flat });
            assert_eq!(read(nested.clone()).unwrap(), expected(), "{nested}");
        }
    }
}

#[test]
fn b020_b021_connection_description_of_the_forerunner() {
    let side = read(json!({ "cname": "alice", "context-id": FRAG, "secret": PASSWORD })).unwrap();
    assert_eq!(side.ice, expected().ice);
    assert_eq!(side.cname.as_deref(), Some("alice"));
}

#[test]
fn b038_flat_fingerprints_are_read() {
    let hash = Fingerprint::new("shake128", [1, 2]).unwrap();
    for (name, value) in [
        ("fingerprint", json!({ "shake128": "01:02" })),
        (
            "fingerprints",
            json!([{ "algorithm": "shake128", "value": "01:02" }]),
        ),
        ("fingerprints", json!(["shake128 01:02"])),
    ] {
        let with = expected().with_fingerprint(hash.clone());
        let flat = json!({ "context-id": FRAG, "secret": PASSWORD, name: value });
        assert_eq!(read(flat.clone()).unwrap(), with, "{flat}");
        let nested = json!({ "ice": expected().ice, "dtls": { name: value } });
        assert_eq!(read(nested.clone()).unwrap(), with, "{nested}");
    }
}

#[test]
fn incomplete_or_mistyped_sides_are_refused() {
    for bad in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "usernameFrag": FRAG }),
        json!({ "password": PASSWORD }),
        json!({ "usernameFrag": 1, "password": PASSWORD }),
        json!({ "ice": { "usernameFrag": FRAG } }),
        json!({ "ice": "x", "usernameFrag": FRAG, "password": PASSWORD }),
        json!({ "usernameFrag": FRAG, "password": "x".repeat(257) }),
        json!({ "usernameFrag": FRAG, "password": PASSWORD, "dtls": { "role": "actpass" } }),
        json!({ "usernameFrag": FRAG, "password": PASSWORD, "fingerprint": { "sha-1": "AB" } }),
    ] {
        assert!(read(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn a051_a052_credentials_are_validated() {
    let ok = |frag: &str, password: &str| {
        let result = RTCConnectionSide::new(frag, password).validate();
        if let Err(error) = &result {
            assert_eq!(error.name(), ErrorName::InvalidParameters);
            assert!(password.is_empty() || !error.to_string().contains(password));
        }
        result.is_ok()
    };
    assert!(ok(FRAG, PASSWORD));
    assert!(ok(&"f".repeat(256), &"p".repeat(256)));
    assert!(!ok("abc", PASSWORD));
    assert!(!ok(&"f".repeat(257), PASSWORD));
    assert!(!ok("ab-d", PASSWORD));
    assert!(!ok("abcd:", PASSWORD));
    assert!(!ok("abcdé", PASSWORD));
    assert!(!ok(FRAG, &PASSWORD[..21]));
    assert!(!ok(FRAG, &"p".repeat(257)));
    assert!(!ok(FRAG, "0123456789abcdefghij =="));
    assert!(!ok(FRAG, ""));
}

#[test]
fn empty_fingerprints_and_unfit_cnames_are_refused() {
    let mut side = expected();
    side.dtls.fingerprint = Some(Default::default());
    assert!(side.validate().is_err());
    let mut side = expected();
    for (cname, fits) in [("", false), ("a", true)] {
        side.cname = Some(cname.into());
        assert_eq!(side.validate().is_ok(), fits);
    }
    side.cname = Some("c".repeat(255));
    assert!(side.validate().is_ok());
    side.cname = Some("c".repeat(256));
    assert!(side.validate().is_err());
}

#[test]
fn debug_does_not_show_the_password() {
    let shown = format!("{:?} {:#?}", expected(), expected().ice);
    assert!(!shown.contains(PASSWORD) && shown.contains(FRAG), "{shown}");
}

#[test]
fn a_lite_agent_says_so_in_the_side_or_in_its_credentials() {
    let ice = r#""usernameFragment":"abcd","password":"n0TvJ4pLq7s2Yw9bZc5RdE""#;
    for (json, lite) in [
        (format!(r#"{{"ice":{{{ice},"iceLite":true}}}}"#), true),
        (format!(r#"{{"ice":{{{ice},"lite":true}}}}"#), true),
        (format!(r#"{{"ice":{{{ice}}},"iceLite":true}}"#), true),
        (format!(r#"{{{ice},"iceLite":true}}"#), true),
        (format!(r#"{{"ice":{{{ice},"iceLite":null}}}}"#), false),
        (format!(r#"{{"ice":{{{ice},"iceLite":false}}}}"#), false),
        (format!(r#"{{"ice":{{{ice}}}}}"#), false),
    ] {
        let side: RTCConnectionSide = serde_json::from_str(&json).unwrap();
        assert_eq!(side.ice_lite, lite, "{json}");
        let written = serde_json::to_value(&side).unwrap();
        assert_eq!(written.get("iceLite").is_some(), lite, "{written}");
    }
}
