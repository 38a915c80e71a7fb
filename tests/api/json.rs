//! The messages of `spec/wire.md`: each file of `spec/json` is read, written again and checked
//! against `spec/wire.schema.json`, and what the schema refuses the crate refuses.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::path::PathBuf;

use crate::common::{candidate, loopback, run, within};
use boon::{Compiler, SchemaIndex, Schemas};
use ortc::capabilities::{RTCCapabilities, rtc_capabilities};
use ortc::dtmf::DTMFTone;
use ortc::july::{Dialect, RTCMediaStreamDescription, RTCRestrictions};
use ortc::{
    Error, MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvent, RTCConnectionSide,
    RTCIceCandidateDescription, RTCIceServer, RTCTrackDescription,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json, to_value};

fn spec(path: &str) -> PathBuf {
    crate::common::root().join("spec").join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(spec(path)).unwrap()
}

fn file(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

/// The schema and its definitions.
struct Schema {
    json: Value,
    schemas: Schemas,
    compiler: Compiler,
}

impl Schema {
    fn new() -> Self {
        let json = file("wire.schema.json");
        let mut compiler = Compiler::new();
        compiler.add_resource("urn:wire", json.clone()).unwrap();
        Self {
            json,
            schemas: Schemas::new(),
            compiler,
        }
    }

    fn index(&mut self, definition: &str) -> SchemaIndex {
        let place = match definition {
            "message" => "urn:wire".to_owned(),
            _ => format!("urn:wire#/$defs/{definition}"),
        };
        self.compiler.compile(&place, &mut self.schemas).unwrap()
    }

    fn accepts(&mut self, definition: &str, value: &Value) -> bool {
        let index = self.index(definition);
        self.schemas.validate(value, index).is_ok()
    }

    #[track_caller]
    fn check(&mut self, definition: &str, value: &Value) {
        let index = self.index(definition);
        if let Err(error) = self.schemas.validate(value, index) {
            panic!("{definition}: {value}\n{error:#}");
        }
    }
}

/// Reads and writes: what comes out means the same, and fits the schema.
#[track_caller]
fn again<T>(schema: &mut Schema, definition: &str, value: &Value) -> Value
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    schema.check(definition, value);
    let read: T = serde_json::from_value(value.clone()).unwrap();
    let written = to_value(&read).unwrap();
    schema.check(definition, &written);
    // As text too: a reader must not depend on the order of members.
    let back: T = serde_json::from_str(&written.to_string()).unwrap();
    assert_eq!(back, read);
    written
}

/// The same with the file as it is: nothing is renamed, added or lost.
#[track_caller]
fn assert_same<T>(definition: &str, path: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let value = file(path);
    assert_eq!(
        again::<T>(&mut Schema::new(), definition, &value),
        value,
        "{path}"
    );
}

#[test]
fn a066_the_candidate_of_the_example() {
    assert_same::<RTCIceCandidateDescription>("candidate", "json/september/candidate.json");
}

#[test]
fn a073_a077_a080_the_track_of_the_example() {
    assert_same::<RTCTrackDescription>("track", "json/september/track.json");
}

#[test]
fn a088_a102_a103_the_track_with_digits_of_the_example() {
    assert_same::<RTCTrackDescription>("track", "json/september/track-dtmf.json");
    let track: RTCTrackDescription =
        serde_json::from_value(file("json/september/track-dtmf.json")).unwrap();
    let names: Vec<&str> = track
        .codecs
        .iter()
        .map(|codec| codec.name.as_str())
        .collect();
    assert_eq!(names, ["opus", "dtmf"]);
}

#[test]
fn a042_a045_a046_the_servers_of_the_examples() {
    assert_same::<Vec<RTCIceServer>>("iceServers", "json/september/ice-servers.json");
    let options = file("json/september/options.json");
    let servers = &options["iceServers"];
    assert_eq!(
        &again::<Vec<RTCIceServer>>(&mut Schema::new(), "iceServers", servers),
        servers
    );
}

#[test]
fn a117_the_messages_of_the_example() {
    let mut schema = Schema::new();
    for name in ["ice-info", "candidate", "track"] {
        schema.check(
            "message",
            &file(&format!("json/september/message-{name}.json")),
        );
    }
    let info = file("json/september/message-ice-info.json");
    // Flat, and without a fingerprint: read, but written as a side has it.
    let written = again::<RTCConnectionSide>(&mut schema, "connectionSide", &info["iceInfo"]);
    assert_eq!(
        written,
        json!({ "ice": info["iceInfo"], "dtls": { "fingerprint": null } })
    );
    let found = file("json/september/message-candidate.json");
    assert_eq!(found["candidate"], file("json/september/candidate.json"));
    let track = file("json/september/message-track.json");
    assert_eq!(track["track"], file("json/september/track.json"));
}

#[test]
fn b043_b044_b045_c017_the_candidate_of_the_earlier_example() {
    let value = file("json/july/candidate.json");
    again::<RTCIceCandidateDescription>(&mut Schema::new(), "candidate", &value);
    let read: RTCIceCandidateDescription = serde_json::from_value(value.clone()).unwrap();
    let written: Value = serde_json::from_str(&read.to_json(Dialect::V002)).unwrap();
    assert_eq!(written, value);
}

#[test]
fn b022_b025_b026_b027_c015_the_options_of_the_earlier_example() {
    let value = file("json/july/options.json");
    let written = again::<RTCRestrictions>(&mut Schema::new(), "restrictions", &value);
    assert_eq!(
        written,
        json!({
            "codecs": [
                { "payload-id": 96, "kind": "audio", "name": "<name>", "clockRate": 32_000, "numChannels": 1 },
                { "payload-id": 96, "kind": "video", "name": "<name>", "clockRate": 96_000 },
            ],
            "required": {},
            "optional": { "video": { "videoMaxWidth": 1280, "videoMaxHeight": 720 } },
        })
    );
}

#[test]
fn g007_g017_g019_g024_g026_g043_the_canonical_forms() {
    for name in ["candidate-host", "candidate-relay", "candidate-tcp"] {
        let path = format!("json/canonical/{name}.json");
        assert_same::<RTCIceCandidateDescription>("candidate", &path);
    }
    for name in ["track-audio", "track-video", "track-simulcast"] {
        let path = format!("json/canonical/{name}.json");
        assert_same::<RTCTrackDescription>("track", &path);
        let track: RTCTrackDescription = serde_json::from_value(file(&path)).unwrap();
        track.validate().unwrap();
    }
    for name in ["side", "side-all"] {
        let path = format!("json/canonical/{name}.json");
        assert_same::<RTCConnectionSide>("connectionSide", &path);
        let side: RTCConnectionSide = serde_json::from_value(file(&path)).unwrap();
        side.validate().unwrap();
    }
    assert_same::<RTCCapabilities>("capabilities", "json/canonical/capabilities.json");
    assert_same::<RTCMediaStreamDescription>("stream", "json/canonical/stream.json");
    assert_same::<Vec<RTCIceServer>>("iceServers", "json/canonical/ice-servers.json");
    assert_same::<DTMFTone>("tone", "json/canonical/tone.json");
}

#[test]
fn the_messages_wrap_the_canonical_forms() {
    let mut schema = Schema::new();
    let wrapped = [
        ("ice-info", "iceInfo", file("json/canonical/side.json")),
        (
            "candidate",
            "candidate",
            file("json/canonical/candidate-host.json"),
        ),
        ("track", "track", file("json/canonical/track-audio.json")),
        ("end-of-candidates", "endOfCandidates", json!(true)),
        (
            "gone",
            "gone",
            file("json/canonical/track-audio.json")["ssrc"].clone(),
        ),
        ("bye", "bye", json!(true)),
    ];
    for (name, key, inner) in wrapped {
        let message = file(&format!("json/canonical/message-{name}.json"));
        schema.check("message", &message);
        assert_eq!(message, json!({ key: inner }));
    }
}

/// Every file is named above, so that none lies there unchecked.
#[test]
fn every_file_is_checked() {
    let here = include_str!("json.rs");
    for draft in ["september", "july", "canonical"] {
        for entry in std::fs::read_dir(spec("json").join(draft)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = name.strip_suffix(".json").unwrap();
            let stem = stem.strip_prefix("message-").unwrap_or(stem);
            let named = [format!("\"{stem}\""), format!("{draft}/{name}")];
            assert!(named.iter().any(|n| here.contains(n)), "{draft}/{name}");
        }
    }
}

/// Whether the crate takes a value: it can be read and its ranges hold.
fn crate_accepts(definition: &str, value: &Value) -> bool {
    fn read<T: DeserializeOwned>(value: &Value, valid: impl Fn(T) -> Result<(), Error>) -> bool {
        serde_json::from_value::<T>(value.clone()).is_ok_and(|read| valid(read).is_ok())
    }
    match definition {
        "candidate" => read(value, |_: RTCIceCandidateDescription| Ok(())),
        "connectionSide" => read(value, |side: RTCConnectionSide| side.validate()),
        "track" => read(value, |track: RTCTrackDescription| track.validate()),
        "restrictions" => read(value, |limits: RTCRestrictions| limits.validate()),
        "iceServer" => read(value, |_: RTCIceServer| Ok(())),
        _ => unreachable!("{definition}"),
    }
}

/// A canonical file with members taken out and put in.
fn changed(path: &str, without: &[&str], with: Value) -> Value {
    let mut value = file(path);
    let object = value.as_object_mut().unwrap();
    for member in without {
        object.remove(*member).unwrap();
    }
    object.extend(with.as_object().unwrap().clone());
    value
}

#[test]
fn g007_g020_g022_g026_every_alias_means_its_member() {
    let mut schema = Schema::new();
    let host = "json/canonical/candidate-host.json";
    let expected: RTCIceCandidateDescription = serde_json::from_value(file(host)).unwrap();
    let aliases = [
        ("foundation", json!({ "foundation": 1 })),
        ("component", json!({ "component": "rtp" })),
        ("component", json!({})),
        ("transport", json!({ "protocol": "udp" })),
        ("connectionAddress", json!({ "address": "192.0.2.33" })),
        ("connectionAddress", json!({ "ip": "192.0.2.33" })),
        ("connectionPort", json!({ "port": 50_000 })),
        ("usernameFrag", json!({ "usernameFragment": "Kx3a" })),
        ("usernameFrag", json!({ "ufrag": "Kx3a" })),
        (
            "type",
            json!({ "type": "host", "unknown": { "member": [1] } }),
        ),
    ];
    for (member, with) in aliases {
        let value = changed(host, &[member], with);
        schema.check("candidate", &value);
        let read: RTCIceCandidateDescription = serde_json::from_value(value).unwrap();
        assert_eq!(read, expected);
    }
    let print = file("json/canonical/side.json")["dtls"]["fingerprint"]["sha-256"].clone();
    let line = format!("sha-256 {}", print.as_str().unwrap());
    let (ufrag, password) = ("Kx3a", "n0TvJ4pLq7s2Yw9bZc5RdE");
    let sides = [
        json!({ "usernameFrag": ufrag, "password": password, "fingerprint": line }),
        json!({ "context-id": ufrag, "secret": password, "fingerprints": [line] }),
        json!({ "ice": { "usernameFragment": ufrag, "pwd": password },
            "dtls": { "fingerprints": [{ "algorithm": "sha-256", "value": print }] } }),
        json!({ "iceInfo": { "iceUsernameFrag": ufrag, "icePassword": password },
            "dtls": { "fingerprint": { "algorithm": "sha-256", "value": print } } }),
        json!({ "ufrag": ufrag, "password": password, "fingerprint": { "sha-256": [print] } }),
    ];
    let expected = changed("json/canonical/side.json", &["sctp"], json!({}));
    for side in sides {
        assert_eq!(
            again::<RTCConnectionSide>(&mut schema, "connectionSide", &side),
            expected
        );
    }
    let codec = json!({ "payload-id": 96, "name": "opus", "clockRate": 48_000, "numChannels": 2 });
    for other in [
        json!({ "payloadId": 96, "name": "opus", "hzRate": 48_000, "channels": 2 }),
        json!({ "payloadType": 96, "name": "opus", "clockRate": 48_000, "numChannels": 2 }),
        json!({ "preferredPayloadType": 96, "name": "opus", "clockRate": 48_000, "channels": 2 }),
    ] {
        let value = json!({ "kind": ["audio", "dtmf"], "ssrc": 7, "mid": "a", "codecs": [other] });
        let expected =
            json!({ "kind": "audio", "ssrc": "7", "msid": [], "muxId": "a", "codecs": [codec] });
        assert_eq!(
            again::<RTCTrackDescription>(&mut schema, "track", &value),
            expected
        );
    }
}

#[test]
fn what_the_schema_refuses_the_crate_refuses() {
    let mut schema = Schema::new();
    let candidate = |without: &[&str], with| {
        let host = "json/canonical/candidate-host.json";
        ("candidate", changed(host, without, with))
    };
    let track = |with| {
        (
            "track",
            changed("json/canonical/track-audio.json", &[], with),
        )
    };
    let ice = |ice| {
        (
            "connectionSide",
            changed("json/canonical/side.json", &["ice"], ice),
        )
    };
    let long = "x".repeat(257);
    let codec = |id: u32| json!({ "codecs": [{ "payload-id": id, "name": "opus" }] });
    let extension = |id: u32| json!({ "headerExtensions": [{ "uri": "urn:x", "id": id }] });
    let wrong = [
        candidate(&["foundation"], json!({})),
        candidate(&["priority"], json!({})),
        candidate(&["type"], json!({})),
        candidate(&["transport"], json!({})),
        candidate(&["connectionAddress"], json!({})),
        candidate(&["connectionPort"], json!({})),
        candidate(&[], json!({ "foundation": "" })),
        candidate(&[], json!({ "foundation": "a b" })),
        candidate(&[], json!({ "priority": -1 })),
        candidate(&[], json!({ "priority": 4_294_967_296u64 })),
        candidate(&[], json!({ "connectionPort": 65_536 })),
        candidate(&[], json!({ "connectionAddress": long })),
        candidate(&[], json!({ "component": "data" })),
        ("candidate", json!([])),
        track(json!({ "kind": "text" })),
        track(json!({ "kind": ["audio", "video"], "codecs": [] })),
        track(json!({ "ssrc": "x" })),
        track(json!({ "ssrc": 4_294_967_296u64 })),
        track(codec(64)),
        track(codec(95)),
        track(codec(128)),
        track(json!({ "codecs": [{ "payload-id": 96 }] })),
        track(json!({ "codecs": [{ "name": "opus" }] })),
        track(json!({ "codecs": [{ "payload-id": 96, "name": "opus", "clockRate": 0 }] })),
        track(json!({ "codecs": [{ "payload-id": 96, "name": "opus", "numChannels": 256 }] })),
        track(extension(0)),
        track(extension(15)),
        track(extension(256)),
        track(json!({ "muxId": "" })),
        track(json!({ "rtcp": { "mux": false } })),
        track(json!({ "mediaAttributes": [{ "resolutionScale": 0.5 }] })),
        track(json!({ "mediaAttributes": [{ "priority": 0.0 }] })),
        track(json!({ "mediaAttributes": [{ "videoMaxWidth": -1 }] })),
        track(json!({ "mediaAttributes": [{ "rid": "a b" }] })),
        track(json!({ "msid": vec!["m"; 129] })),
        ice(json!({})),
        ice(json!({ "ice": { "usernameFrag": "Kx3a" } })),
        ice(json!({ "ice": { "password": "n0TvJ4pLq7s2Yw9bZc5RdE" } })),
        ice(json!({ "usernameFrag": "Kx3", "password": "n0TvJ4pLq7s2Yw9bZc5RdE" })),
        ice(json!({ "usernameFrag": "Kx3a", "password": "tooshort" })),
        ice(json!({ "usernameFrag": "Kx a", "password": "n0TvJ4pLq7s2Yw9bZc5RdE" })),
        ice(json!({ "usernameFrag": "Kx3a", "password": "n0TvJ4pLq7s2Yw9bZc5RdE", "cname": "" })),
        ice(
            json!({ "ice": file("json/canonical/side.json")["ice"], "dtls": { "role": "actpass" } }),
        ),
        ice(
            json!({ "ice": file("json/canonical/side.json")["ice"], "dtls": { "fingerprint": "sha-256" } }),
        ),
        ice(
            json!({ "ice": file("json/canonical/side.json")["ice"], "dtls": { "fingerprint": { "sha-256": "xy" } } }),
        ),
        (
            "restrictions",
            json!({ "codecs": [{ "payloadId": 70, "name": "opus" }] }),
        ),
        (
            "restrictions",
            json!({ "required": { "video": { "maxHeight": -1 } } }),
        ),
        ("iceServer", json!({ "credential": "x" })),
        ("iceServer", json!({ "url": vec!["stun:a"; 65] })),
    ];
    for (definition, value) in wrong {
        assert!(
            !schema.accepts(definition, &value),
            "schema: {definition} {value}"
        );
        assert!(
            !crate_accepts(definition, &value),
            "crate: {definition} {value}"
        );
    }
    for value in [
        json!({}),
        json!({ "offer": "v=0" }),
        json!({ "bye": 1 }),
        json!([]),
    ] {
        assert!(!schema.accepts("message", &value), "{value}");
    }
}

#[tokio::test]
async fn what_a_connection_says_is_valid() {
    run(async {
        let mut schema = Schema::new();
        schema.check("capabilities", &to_value(rtc_capabilities()).unwrap());
        let (connection, mut events) = RTCConnection::new(loopback()).unwrap();
        schema.check("connectionSide", &to_value(connection.local()).unwrap());
        let stream = MediaStream::new();
        stream.add_track(&MediaStreamTrack::audio());
        stream.add_track(&MediaStreamTrack::video());
        connection.add_stream(&stream).unwrap();
        for track in connection.tracks() {
            let message = json!({ "track": track.description().unwrap() });
            schema.check("message", &message);
        }
        let found = within(10, async {
            loop {
                let event = events.next().await.unwrap();
                if let Some(found) = candidate(&event) {
                    break found;
                }
                assert!(!matches!(event, RTCConnectionEvent::EndOfCandidates));
            }
        });
        schema.check("message", &json!({ "candidate": found.await }));
        connection.close();
        connection.closed().await;
    })
    .await;
}

#[test]
fn the_text_explains_every_member_that_is_written() {
    let wire = text("wire.md");
    let schema = Schema::new().json;
    let mut members = Vec::new();
    let mut open = vec![&schema];
    while let Some(value) = open.pop() {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            let current = properties
                .iter()
                .filter(|(_, s)| s.get("deprecated").is_none());
            members.extend(current.map(|(name, _)| name.clone()));
        }
        match value {
            Value::Object(object) => open.extend(object.values()),
            Value::Array(array) => open.extend(array),
            _ => {}
        }
    }
    assert!(members.len() > 60, "{members:?}");
    members.retain(|name| !wire.contains(&format!("`{name}`")));
    assert!(members.is_empty(), "wire.md does not name {members:?}");
}
