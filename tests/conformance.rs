//! Keeps `spec/conformance.md` true: for each row of the two drafts the public item that embodies
//! it and the test that shows it.
//!
//! `spec/rows.tsv` numbers the rows, `spec/items.tsv` maps them to items. A test names its rows at
//! the front of its own name (`a017_…`, or `a019_a020_…` for two), and a row is done once it has
//! one that uses each item of the row, by itself or through its helpers; `spec/exceptions.tsv` has
//! those that need not, with the reason. `ORTC_UPDATE=1 cargo test -p ortc-tests --test conformance` writes the table anew.
#![allow(clippy::unwrap_used)]

mod conformance {
    mod cases;
    mod docs;
    mod foreign;
    mod items;
    mod pins;
    mod surface;
    mod table;
    mod uses;

    use std::path::{Path, PathBuf};

    pub(super) fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
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

/// What is not named is not run, and nobody would notice.
#[test]
fn every_file_of_tests_is_in_a_program() {
    let names = |directory: &str| {
        let files = std::fs::read_dir(conformance::root().join(directory)).unwrap();
        let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = files
            .filter_map(|file| Some(file.strip_suffix(".rs")?.to_owned()))
            .collect();
        names.sort();
        names
    };
    let read = |file: &str| std::fs::read_to_string(conformance::root().join(file)).unwrap();
    let manifest = read("tests/Cargo.toml");
    for name in names("tests") {
        let path = format!("name = \"{name}\"\npath = \"{name}.rs\"\n");
        assert!(manifest.contains(&path), "tests/{name}.rs is in no program");
    }
    let main = read("tests/api/main.rs");
    for name in names("tests/api") {
        let known = name == "main" || main.contains(&format!("\nmod {name};\n"));
        assert!(known, "tests/api/{name}.rs is in no program");
    }
}
