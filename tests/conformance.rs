//! Keeps `spec/conformance.md` true: for each row of the two drafts the public item that embodies
//! it and the test that shows it.
//!
//! `spec/rows.tsv` numbers the rows, `spec/items.tsv` maps them to items. A test names its rows at
//! the front of its own name (`a017_…`, or `a019_a020_…` for two), and a row is done once it has
//! one. `ORTC_UPDATE=1 cargo test --test conformance` writes the table anew.
#![allow(clippy::unwrap_used)]

mod conformance {
    mod cases;
    mod items;
    mod table;

    use std::path::{Path, PathBuf};

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    /// Every Rust file below a directory, sorted.
    fn rust_files(top: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![PathBuf::from(top)];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(root().join(&directory)).unwrap() {
                let entry = entry.unwrap();
                let path = directory.join(entry.file_name());
                if entry.file_type().unwrap().is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    found.push(path.to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }
}
