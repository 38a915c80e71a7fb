//! The messages of `spec/files.md`.

use super::super::message::Message;

#[test]
fn c44_messages_are_those_of_the_specification() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/files.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let message = Message::read(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let written = message.write();
        assert_eq!(written.text(), Some(line));
        let name: serde_json::Map<_, _> = serde_json::from_str(line).unwrap();
        seen.extend(name.keys().cloned());
    }
    assert_eq!(seen.len(), 16, "a message is missing: {seen:?}");
}
