//! What `spec/wire.md` promises of every member, tried on every member of `spec/wire.schema.json`:
//! null counts as absent, and every name means the same. And what people paste that is none of it.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::str::FromStr;

use ortc::capabilities::RTCCapabilities;
use ortc::dtmf::DTMFTone;
use ortc::july::{RTCMediaStreamDescription, RTCRestrictions};
use ortc::{
    RTCCodec, RTCConnectionSide, RTCIceCandidateDescription, RTCIceServer, RTCTrackDescription,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn schema() -> Value {
    let path = crate::common::root().join("spec/wire.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A value that fits, with every member under the name that is written. `found` gets the place of
/// each object and its members.
struct Sampler<'a> {
    schema: &'a Value,
    found: Vec<(Vec<String>, Value)>,
}

impl Sampler<'_> {
    fn sample(&mut self, name: &str, schema: &Value, at: &[String]) -> Value {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap();
            let definition = self.schema["$defs"][name].clone();
            return match name {
                "ssrc" => json!("7"),
                "kind" => json!("audio"),
                "fingerprint" => json!({ "sha-256": vec!["4A"; 32].join(":") }),
                _ => self.sample(name, &definition, at),
            };
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            self.found.push((at.to_vec(), json!(properties)));
            let current = properties
                .iter()
                .filter(|(_, s)| s.get("deprecated").is_none());
            let members = current.map(|(name, schema)| {
                let at = [at, std::slice::from_ref(name)].concat();
                (name.clone(), self.sample(name, schema, &at))
            });
            return Value::Object(members.collect());
        }
        if let Some(forms) = schema.get("anyOf").and_then(Value::as_array)
            && schema.get("type").is_none()
        {
            return self.sample(name, &forms[0], at);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values[0].clone();
        }
        let types = match &schema["type"] {
            Value::Array(types) => types[0].clone(),
            one => one.clone(),
        };
        match types.as_str().unwrap() {
            "string" => json!(match name {
                "password" => "n0TvJ4pLq7s2Yw9bZc5RdE",
                "usernameFrag" => "Kx3a",
                "digits" => "12#",
                _ => "x",
            }),
            "integer" if name == "payload-id" => json!(96),
            "integer" => json!(3),
            "number" => json!(1.5),
            "boolean" => json!(true),
            "array" => {
                let at = [at, &["0".to_owned()]].concat();
                json!([self.sample(name, &schema["items"], &at)])
            }
            "object" => json!({ "urn:x": "y" }),
            other => unreachable!("{name}: {other}"),
        }
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_str(&value.to_string()).ok()
}

/// The object at a place, changed.
fn changed(
    value: &Value,
    at: &[String],
    change: impl Fn(&mut serde_json::Map<String, Value>),
) -> Value {
    let mut value = value.clone();
    let mut inner = &mut value;
    for step in at {
        inner = match inner {
            Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
            other => &mut other[step.as_str()],
        };
    }
    change(inner.as_object_mut().unwrap());
    value
}

/// Tries every member at every depth; returns how many cases that were.
fn every_member<T: DeserializeOwned + PartialEq + Debug>(definition: &str) -> usize {
    let schema = schema();
    let mut sampler = Sampler {
        schema: &schema,
        found: Vec::new(),
    };
    let full = sampler.sample(definition, &schema["$defs"][definition], &[]);
    let expected: T = read(&full).unwrap_or_else(|| panic!("{definition}: {full}"));
    let mut cases = 0;
    for (at, properties) in &sampler.found {
        for (member, of) in properties.as_object().unwrap() {
            let said = format!("{definition} {at:?} {member}");
            cases += 1;
            let null = changed(&full, at, |o| {
                o.insert(member.clone(), Value::Null);
            });
            let absent = changed(&full, at, |o| {
                o.remove(member);
            });
            assert_eq!(read::<T>(&null), read::<T>(&absent), "{said}: null");
            let description = of.get("description").and_then(Value::as_str).unwrap_or("");
            let Some(name) = description.strip_prefix("Read as ") else {
                continue;
            };
            // The other name alone, and beside the first one, which is null.
            let name = name.trim_end_matches('.');
            for beside in [false, true] {
                let other = changed(&full, at, |o| {
                    let value = o.remove(name).unwrap();
                    o.insert(member.clone(), value);
                    if beside {
                        o.insert(name.to_owned(), Value::Null);
                    }
                });
                assert_eq!(
                    read::<T>(&other).as_ref(),
                    Some(&expected),
                    "{said}: {other}"
                );
                cases += 1;
            }
        }
    }
    cases
}

#[test]
fn g026_null_is_absent_and_every_name_the_same_for_every_member() {
    let cases = [
        every_member::<RTCConnectionSide>("connectionSide"),
        every_member::<RTCIceCandidateDescription>("candidate"),
        every_member::<RTCCodec>("codec"),
        every_member::<RTCTrackDescription>("track"),
        every_member::<RTCRestrictions>("restrictions"),
        every_member::<RTCMediaStreamDescription>("stream"),
        every_member::<RTCIceServer>("iceServer"),
        every_member::<RTCCapabilities>("capabilities"),
        every_member::<DTMFTone>("tone"),
    ];
    println!("{cases:?}");
    assert!(cases.iter().sum::<usize>() > 250, "{cases:?}");
    // Members whose names are values.
    let side = |print: Value| {
        let ice = json!({ "usernameFrag": "Kx3a", "password": "n0TvJ4pLq7s2Yw9bZc5RdE" });
        read::<RTCConnectionSide>(&json!({ "ice": ice, "dtls": { "fingerprint": print } }))
    };
    let value = ["4A"; 32].join(":");
    let null = json!({ "sha-256": value, "sha-1": null, "algorithm": null });
    assert_eq!(side(null), side(json!({ "sha-256": value })));
    let track = |values: Value| {
        read::<RTCTrackDescription>(&json!({ "kind": "audio", "rtpExtHeaders": values }))
    };
    let null = json!({ "urn:a": "1", "urn:b": null });
    assert_eq!(track(null), track(json!({ "urn:a": "1" })));
}

/// As the final specification and its libraries have it.
#[test]
fn g026_parameters_of_a_codec_may_be_an_object() {
    let expected: RTCCodec = read(&json!({
        "payload-id": 97, "name": "rtx", "clockRate": 90_000, "params": [{ "name": "apt", "value": "96" }]
    }))
    .unwrap();
    assert_eq!(expected.param("apt"), Some("96"));
    for member in ["parameters", "params"] {
        for value in [
            json!({ "apt": 96 }),
            json!({ "apt": "96" }),
            json!([{ "name": "apt", "value": 96 }]),
        ] {
            let codec =
                json!({ "payloadType": 97, "name": "rtx", "clockRate": 90_000, member: value });
            assert_eq!(read(&codec).as_ref(), Some(&expected), "{codec}");
        }
        let flags =
            json!({ "payloadType": 111, "name": "red", member: { "96/96": null, "x": true } });
        let codec: RTCCodec = read(&flags).unwrap();
        assert_eq!(
            (codec.param("96/96"), codec.param("x")),
            (Some(""), Some("1"))
        );
        let wrong = json!({ "payloadType": 97, "name": "rtx", member: { "apt": { "a": 1 } } });
        assert_eq!(read::<RTCCodec>(&wrong), None);
        let wrong = json!({ "payloadType": 97, "name": "rtx", member: "apt=96" });
        assert_eq!(read::<RTCCodec>(&wrong), None);
    }
    // mediasoup's.
    let codec: RTCCodec = read(&json!({
        "mimeType": "video/rtx", "payloadType": 97, "clockRate": 90_000,
        "parameters": { "apt": 96 }, "rtcpFeedback": []
    }))
    .unwrap();
    assert_eq!(
        (codec.name.as_str(), codec.param("apt")),
        ("rtx", Some("96"))
    );
    // A browser's, of getParameters and getCapabilities.
    for (line, params) in [
        (
            "minptime=10;useinbandfec=1",
            json!([{ "name": "minptime", "value": "10" }, { "name": "useinbandfec", "value": 1 }]),
        ),
        (" apt=96 ; ", json!({ "apt": 96 })),
        ("0-15", json!([{ "name": "0-15" }])),
        ("111/111", json!({ "111/111": null })),
        ("config=a=b", json!({ "config": "a=b" })),
        ("", json!([])),
    ] {
        let codec = |name: &str, value: Value| {
            let codec = json!({ "mimeType": "audio/x", "payloadType": 111, "clockRate": 48_000, "channels": 2, name: value });
            read::<RTCCodec>(&codec).unwrap()
        };
        assert_eq!(
            codec("sdpFmtpLine", json!(line)),
            codec("params", params),
            "{line}"
        );
        let both =
            json!({ "name": "x", "payloadType": 111, "sdpFmtpLine": line, "parameters": {} });
        assert_eq!(
            read::<RTCCodec>(&both).unwrap().params,
            [],
            "the object counts"
        );
    }
    // What this crate writes in that dialect.
    let own = ortc::RTCCodec::h264(100);
    assert_eq!(
        serde_json::from_str::<RTCCodec>(&own.to_json(ortc::july::Dialect::Final))
            .unwrap()
            .params,
        own.params
    );
}

const LINE: &str = "candidate:842163049 1 udp 1677729535 203.0.113.9 46154 typ srflx raddr 10.0.0.1 rport 9 generation 0 network-cost 999";

#[test]
fn g007_a_candidate_as_browsers_signal_it_is_read() {
    let expected = RTCIceCandidateDescription::parse_candidate_line(LINE).unwrap();
    let with = |ufrag: Option<&str>| {
        let mut candidate = expected.clone();
        candidate.username_frag = ufrag.map(str::to_owned);
        candidate
    };
    let ufrag = json!("Kx3a");
    let line = format!("{LINE} ufrag Kx3a");
    for (value, expected) in [
        (
            json!({ "candidate": LINE, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": ufrag }),
            with(Some("Kx3a")),
        ),
        (
            json!({ "candidate": line, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": null }),
            with(Some("Kx3a")),
        ),
        (
            json!({ "candidate": format!("a={LINE}"), "sdpMid": null }),
            with(None),
        ),
        (json!({ "candidate": LINE }), with(None)),
        (json!(LINE), with(None)),
    ] {
        assert_eq!(read(&value).as_ref(), Some(&expected), "{value}");
    }
    for end in [
        json!({ "candidate": "", "sdpMid": "0" }),
        json!(""),
        json!({ "candidate": null }),
    ] {
        let error = serde_json::from_value::<RTCIceCandidateDescription>(end).unwrap_err();
        assert!(error.to_string().contains("end of candidates"), "{error}");
    }
}

fn refusal<T: DeserializeOwned + Debug>(value: &Value) -> String {
    let text = serde_json::from_str::<T>(&value.to_string())
        .unwrap_err()
        .to_string();
    assert!(!text.contains("c0ffee"), "secrets are not repeated: {text}");
    text
}

/// Each is told what it is, and what is wanted.
#[test]
fn g001_what_is_pasted_from_the_world_of_sdp_is_called_by_its_name() {
    let sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-pwd:c0ffee\r\n";
    let descriptions = [
        json!({ "type": "offer", "sdp": sdp }),
        json!({ "type": "answer", "sdp": sdp }),
        json!({ "type": "pranswer", "sdp": sdp }),
        json!({ "type": "rollback", "sdp": "" }),
        json!({ "sdp": sdp }),
        json!({ "type": "offer" }),
        json!(sdp),
        // As a text, and in the messages of applications and servers.
        json!(json!({ "type": "offer", "sdp": sdp }).to_string()),
        json!({ "description": { "type": "offer", "sdp": sdp } }),
        json!({ "sdp": { "type": "offer", "sdp": sdp } }),
        json!({ "janus": "event", "jsep": { "type": "answer", "sdp": sdp } }),
    ];
    let refusals = |value: &Value| {
        [
            ("connection side", refusal::<RTCConnectionSide>(value)),
            ("candidate", refusal::<RTCIceCandidateDescription>(value)),
            ("track description", refusal::<RTCTrackDescription>(value)),
            (
                "stream description",
                refusal::<RTCMediaStreamDescription>(value),
            ),
            ("options", refusal::<RTCRestrictions>(value)),
            ("capabilities", refusal::<RTCCapabilities>(value)),
            ("codec", refusal::<RTCCodec>(value)),
            ("server", refusal::<RTCIceServer>(value)),
            ("tone", refusal::<DTMFTone>(value)),
        ]
    };
    for value in &descriptions {
        for (wanted, text) in refusals(value) {
            let named =
                text.contains("RTCSessionDescription") || text.contains("session description");
            let told = text.split_once("wanted is ");
            let told = told.is_some_and(|(_, told)| told.contains(wanted));
            assert!(named && told, "{value}: {text}");
        }
    }
    // No object at all; what it says is not repeated.
    let side = json!({ "ice": { "usernameFrag": "Kx3a", "password": "c0ffee0000000000000000" } });
    for (value, named) in [
        (json!(side.to_string()), "JSON in it"),
        (json!("turn:u:c0ffee@h"), "a string"),
        (json!(["c0ffee"]), "an array"),
        (json!(5), "a number"),
        (json!(null), "null"),
    ] {
        for (wanted, text) in refusals(&value) {
            let candidate = wanted == "candidate" && value.is_string();
            let told = text
                .split_once("wanted is ")
                .is_some_and(|(_, told)| told.contains(wanted));
            assert!(candidate || told && text.contains(named), "{value}: {text}");
        }
    }
    let text = refusal::<RTCConnectionSide>(&json!({ "iceInfo": side }));
    assert!(text.contains("\"iceInfo\""), "{text}");
    let text = refusal::<RTCConnectionSide>(&json!({ "ice": "Kx3a:c0ffee" }));
    assert!(text.contains("a string"), "{text}");
    for value in [json!({ "candidate": LINE, "sdpMid": "0" }), json!(LINE)] {
        for (wanted, text) in [
            ("side", refusal::<RTCConnectionSide>(&value)),
            ("track", refusal::<RTCTrackDescription>(&value)),
        ] {
            assert!(
                text.contains("ICE candidate") && text.contains(wanted),
                "{text}"
            );
        }
    }
    // The message around it.
    let text = refusal::<RTCTrackDescription>(&json!({ "track": { "kind": "audio" } }));
    assert!(text.contains("\"track\""), "{text}");
    let text = refusal::<RTCIceCandidateDescription>(&json!({ "candidate": { "type": "host" } }));
    assert!(text.contains("\"candidate\""), "{text}");
    let error = RTCIceCandidateDescription::from_str(sdp)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("SDP") && !error.contains("c0ffee"),
        "{error}"
    );
}
