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
    assert_eq!(seen.len(), 17, "a message is missing: {seen:?}");
}

/// What pages hash by a module of their own: sizes of files, the hashes of their blocks, of the
/// blocks before the last, and of the whole.
#[test]
fn c44_hashes_are_those_that_pages_make() {
    use super::super::hash::{BLOCK, Tree, block_size, blocks, hash_block};

    const MIB: u64 = BLOCK;
    let sizes = [0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 3073, 65_536];
    let larger = [MIB - 1, MIB, MIB + 1, MIB * 2, MIB * 3 + 7, MIB * 5];
    let mut all = Vec::new();
    for size in sizes.into_iter().chain(larger) {
        let data: Vec<u8> = (0..size).map(|at| (at * 31 + at / 977) as u8).collect();
        let (mut tree, mut hashes, mut before) = (Tree::default(), Vec::new(), None);
        for index in 0..blocks(size) {
            before = (index > 0).then(|| tree.prefix().to_string());
            let from = (index * BLOCK) as usize;
            let block = &data[from..from + block_size(size, index) as usize];
            let hash = hash_block(size, index, block);
            tree.push(hash);
            hashes.push(hash.to_string());
        }
        let root = tree.root().to_string();
        all.push(serde_json::json!({
            "size": size, "blocks": hashes, "before": before, "hash": root,
        }));
    }
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../spec/json/files/blake3.json"
    );
    let text = format!("{:#}\n", serde_json::Value::Array(all));
    if std::env::var_os("ORTC_UPDATE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}
