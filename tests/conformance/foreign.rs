//! That no type of another crate is in a public signature: its next version would be ours to follow.

use std::collections::{BTreeMap, BTreeSet};

use super::items::Items;
use super::{root, rust_files};

/// What is there on purpose: bytes, what is waited and written to with everywhere, and serde's traits.
const ALLOWED: [(&str, &[&str]); 5] = [
    ("bytes", &["Bytes"]),
    ("futures_core", &["Stream"]),
    ("futures_sink", &["Sink"]),
    (
        "serde",
        &["Serialize", "Deserialize", "Serializer", "Deserializer"],
    ),
    ("tokio", &["AsyncRead", "AsyncWrite", "ReadBuf"]),
];

#[test]
fn no_public_signature_has_a_foreign_type() {
    let crates = dependencies();
    assert!(crates.contains("webrtc_ice") && crates.contains("serde_json"));
    let items = Items::of_the_crate();
    let mut faults = Vec::new();
    for file in rust_files("src") {
        if !file.contains("test") {
            let text = std::fs::read_to_string(root().join(&file)).unwrap();
            let found = foreign(&text, &crates, &items.types());
            faults.extend(found.into_iter().map(|fault| format!("{file}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a public signature begins with. The last takes in fields.
const STARTS: [&str; 7] = [
    "pub fn ",
    "pub async fn ",
    "pub const fn ",
    "pub use ",
    "pub enum ",
    "impl",
    "pub ",
];

/// The dependencies, as code names them.
fn dependencies() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lines = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]");
    let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.replace('-', "_"))
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    parts.filter(|word| !word.is_empty())
}

fn paths(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    parts.map(|path| path.trim_matches(':'))
}

/// What public signatures of a file name of these crates, but for what is allowed: signatures of
/// functions, fields, and the traits that these types implement. Relies on the lint
/// `unreachable_pub`: what is `pub` is exported.
fn foreign(text: &str, crates: &BTreeSet<String>, types: &BTreeSet<&str>) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with(['/', '#']));
    let text = &code.fold(String::new(), |text, line| text + line + "\n");
    let mut imported: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for statement in statements(text, "use ") {
        let of = words(statement).nth(1).unwrap_or_default();
        if let Some(of) = crates.get(of) {
            imported.extend(words(statement).skip(1).map(|word| (word, of.as_str())));
        }
    }
    let is_allowed = |of: &str, word: &str| {
        ALLOWED
            .iter()
            .any(|(c, all)| *c == of && all.contains(&word))
    };
    for start in STARTS {
        for signature in statements(text, start) {
            if start == "impl" {
                let of = signature.split(" for ").nth(1);
                let of = of.and_then(|rest| words(rest).next());
                if !of.is_some_and(|of| types.contains(of)) {
                    continue;
                }
            }
            for path in paths(signature) {
                let (first, last) = match path.split_once("::") {
                    Some((first, rest)) => (first, rest.rsplit("::").next().unwrap()),
                    None => (path, path),
                };
                // A word alone may be called as a crate is.
                let of = crates.get(first).filter(|_| path.contains("::"));
                let of = of.map(String::as_str).or(imported.get(first).copied());
                let is_type = last.starts_with(|c: char| c.is_ascii_uppercase());
                if let Some(of) = of.filter(|of| is_type && !is_allowed(of, last)) {
                    found.insert(format!("{of}::{last}"));
                }
            }
        }
    }
    found
}

/// From lines that begin so to the end of the signature.
fn statements<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let nested = start == "use " || start == "impl" || start == "pub use ";
        if line.trim_start().starts_with(start) && !(nested && indent > 0) {
            let rest = &text[at + indent..];
            let end = match start {
                "use " | "pub use " => rest.find(';'),
                "pub enum " => rest.find("\n}"),
                "pub " => rest.find([';', '{', ',']),
                _ => rest.find([';', '{']),
            };
            found.push(&rest[..end.unwrap_or(rest.len())]);
        }
        at += line.len();
    }
    found
}

#[test]
fn a_foreign_type_is_found_where_the_public_sees_it() {
    let crates = BTreeSet::from(["bytes", "stun", "tokio"].map(str::to_owned));
    let types = BTreeSet::from(["Door"]);
    let found = |text: &str| foreign(text, &crates, &types).len();
    assert_eq!(
        found("use stun::Key;\npub struct Door {\n    pub key: Key,\n}\n"),
        1
    );
    assert_eq!(
        found(
            "use stun::{Key, Lock};\nimpl Door {\n    pub fn open(\n        &self,\n        key: &Key,\n    ) {\n    }\n}\n"
        ),
        1
    );
    assert_eq!(
        found("impl Door {\n    pub fn key(&self) -> stun::Key {\n    }\n}\n"),
        1
    );
    assert_eq!(found("use stun::Key;\nimpl From<Key> for Door {\n}\n"), 1);
    assert_eq!(found("pub use stun::Key;\n"), 1);
    assert_eq!(found("pub enum Door {\n    Open(stun::Key),\n}\n"), 1);
    let fine = [
        "use stun::Key;\npub(crate) struct Attic {\n    key: Key,\n}\nimpl From<Key> for Attic {\n}\n",
        "use bytes::Bytes;\nimpl Door {\n    pub fn bytes(&self) -> Bytes {\n        stun::Key::new()\n    }\n}\n",
        "use tokio::io::{AsyncRead, ReadBuf};\nimpl AsyncRead for Door {\n}\n",
    ];
    for text in fine {
        assert_eq!(found(text), 0, "{text}");
    }
}
