//! That the public types can grow: what mirrors a format, or is made by the crate alone, is
//! `#[non_exhaustive]`.

use super::{root, rust_files};

/// What a program may build and match in full, since it is what an RFC or the draft says for good.
const CLOSED: [(&str, &str); 5] = [
    ("AudioLevel", "the one byte of RFC 6464"),
    ("RtpPacket", "the header of RFC 3550"),
    ("RTCDataChannelMessage", "text or binary, RFC 8831"),
    ("RTCIceRole", "controlling or controlled, RFC 8445"),
    ("RTCSide", "local or remote"),
];

#[test]
fn what_may_grow_is_non_exhaustive() {
    let mut closed = Vec::new();
    for file in rust_files("src") {
        if !file.contains("test") {
            closed.extend(exhaustive(
                &std::fs::read_to_string(root().join(&file)).unwrap(),
            ));
        }
    }
    closed.sort();
    let mut expected = CLOSED.map(|(name, _)| name.to_owned());
    expected.sort();
    assert_eq!(closed, expected);
}

/// The public enums, and structs with public fields, that code outside the crate can list in full.
fn exhaustive(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let (rest, is_enum) = match (
            line.strip_prefix("pub struct "),
            line.strip_prefix("pub enum "),
        ) {
            (Some(rest), _) => (rest, false),
            (_, Some(rest)) => (rest, true),
            _ => continue,
        };
        let Some((name, _)) = rest.split_once(" {") else {
            continue;
        };
        let body = lines[at + 1..].iter().take_while(|line| **line != "}");
        let fields = body.filter(|line| line.starts_with("    ") && !line.starts_with("     "));
        let comment = |line: &str| line.trim_start().starts_with(['/', '#']);
        let fields = fields.filter(|line| line.contains(": ") && !comment(line));
        let fields: Vec<&&str> = fields.collect();
        let open = !fields.is_empty() && fields.iter().all(|line| line.starts_with("    pub "));
        let before = lines[..at].iter().rev();
        let mut before = before.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        let marked = before.any(|line| *line == "#[non_exhaustive]");
        if (is_enum || open) && !marked {
            found.push(name.to_owned());
        }
    }
    found
}

/// rustdoc lists blocks of methods in the order of their modules.
#[test]
fn the_page_of_the_connection_is_in_the_order_of_its_use() {
    let text = std::fs::read_to_string(root().join("src/connection/mod.rs")).unwrap();
    let modules: Vec<&str> = text
        .lines()
        .filter_map(|line| line.rsplit_once("mod ")?.1.strip_suffix(';'))
        .collect();
    let order = [
        "sides",
        "candidates",
        "reaching",
        "sending",
        "receiving",
        "data",
        "ending",
    ];
    let places = order.map(|name| modules.iter().position(|module| *module == name));
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?}"
    );
}

#[test]
fn what_is_closed_is_found() {
    let text = "/// A.\npub struct A {\n    /// B: c.\n    pub b: u8,\n}\n\n\
                #[derive(Debug)]\n#[non_exhaustive]\n/// C.\npub struct C {\n    pub d: u8,\n}\n\n\
                pub struct E {\n    f: u8,\n}\n\npub enum G {\n    H,\n}\n\npub struct I(u8);\n";
    assert_eq!(exhaustive(text), ["A", "G"]);
}
