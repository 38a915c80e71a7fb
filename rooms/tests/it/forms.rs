//! The messages' JSON: what `spec/json/rooms` has, `spec/rooms.schema.json` describes, and the types
//! read and write.

use std::collections::BTreeSet;
use std::path::PathBuf;

use boon::{Compiler, SchemaIndex, Schemas};
use ortc_rooms::signalling::{ClientMessage, Envelope, ServerMessage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const ID: &str = "https://ortc.example/rooms.schema.json";

fn spec() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec")
}

fn read(path: &PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The schema, and each part of it that is asked for.
fn compiled(parts: &[&str]) -> (Schemas, Vec<SchemaIndex>) {
    let mut compiler = Compiler::new();
    compiler
        .add_resource(ID, read(&spec().join("rooms.schema.json")))
        .unwrap();
    let mut schemas = Schemas::new();
    let parts = parts.iter().map(|part| {
        let at = format!("{ID}#/$defs/{part}");
        compiler.compile(&at, &mut schemas).unwrap()
    });
    let parts = parts.collect();
    (schemas, parts)
}

/// The messages of one side: name of the file, and message.
fn golden(side: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(spec().join("json/rooms").join(side)).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let messages = read(&path).as_array().unwrap().clone();
        assert!(!messages.is_empty(), "{name}");
        all.extend(messages.into_iter().map(|message| (name.clone(), message)));
    }
    all
}

/// Golden messages are what the types read and write, one file for each kind that the schema has.
fn check<M: Serialize + DeserializeOwned>(side: &str, part: &str) {
    let (schemas, parts) = compiled(&[part, "envelope"]);
    let mut names = BTreeSet::new();
    for (name, message) in golden(side) {
        schemas
            .validate(&message, parts[0])
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let typed: M = serde_json::from_value(message.clone()).unwrap();
        assert_eq!(serde_json::to_value(&typed).unwrap(), message, "{name}");
        let kind = message.as_object().unwrap().keys().next().unwrap();
        assert_eq!(*kind, name);
        let text = json!({ "seq": 1, "seen": 0, "message": message }).to_string();
        let envelope = Envelope::<M>::from_json(&text).unwrap();
        let written: Value = serde_json::from_str(&envelope.to_json().unwrap()).unwrap();
        assert_eq!(written["message"], message);
        schemas.validate(&written, parts[1]).unwrap();
        // Members of a later version are no harm.
        let mut later = message.clone();
        later[kind.as_str()]["later"] = json!({"x": [1]});
        serde_json::from_value::<M>(later.clone()).unwrap();
        schemas.validate(&later, parts[0]).unwrap();
        names.insert(name);
    }
    let schema = read(&spec().join("rooms.schema.json"));
    let kinds = schema["$defs"][part]["properties"].as_object().unwrap();
    assert_eq!(names, kinds.keys().cloned().collect());
}

#[test]
fn messages_of_clients_are_what_the_schema_says() {
    check::<ClientMessage>("client", "clientMessage");
}

#[test]
fn messages_of_servers_are_what_the_schema_says() {
    check::<ServerMessage>("server", "serverMessage");
}

#[test]
fn envelopes_are_what_the_schema_says() {
    let (schemas, parts) = compiled(&["envelope"]);
    for envelope in read(&spec().join("json/rooms/envelope.json"))
        .as_array()
        .unwrap()
    {
        schemas.validate(envelope, parts[0]).unwrap();
        let typed = Envelope::<ClientMessage>::from_json(&envelope.to_string()).unwrap();
        let written: Value = serde_json::from_str(&typed.to_json().unwrap()).unwrap();
        assert_eq!(written, *envelope);
    }
}

/// What the types refuse the schema refuses, and the other way round, member by member.
#[test]
fn what_lacks_a_member_or_has_another_type_is_refused_by_both() {
    fn refused<M: DeserializeOwned>(side: &str, part: &str) {
        let (schemas, parts) = compiled(&[part]);
        for (name, message) in golden(side) {
            let members: Vec<String> = message[&name]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect();
            for member in members {
                // Those may be anything.
                if ["body", "extra", "version"].contains(&member.as_str()) {
                    continue;
                }
                let mut without = message.clone();
                without[&name].as_object_mut().unwrap().remove(&member);
                let mut wrong = message.clone();
                wrong[&name][&member] = json!([{"x": 1}, 2]);
                for other in [without, wrong] {
                    let fits = schemas.validate(&other, parts[0]).is_ok();
                    let read = serde_json::from_value::<M>(other.clone()).is_ok();
                    assert_eq!(read, fits, "{other}");
                }
            }
        }
    }
    refused::<ClientMessage>("client", "clientMessage");
    refused::<ServerMessage>("server", "serverMessage");
}
