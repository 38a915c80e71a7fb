//! That the documentation says what a rule says, not which row of the table has it: whoever reads it
//! has no table. Rows are named in `//` comments.

use std::collections::BTreeSet;

use super::table::rows;
use super::{root, rust_files};

#[test]
fn no_documentation_names_a_row() {
    let rows: BTreeSet<String> = rows().into_iter().map(|row| row.id).collect();
    let mut faults = Vec::new();
    for file in rust_files("src") {
        if !file.contains("test") {
            let text = std::fs::read_to_string(root().join(&file)).unwrap();
            let named = named_rows(&text, &rows).into_iter();
            faults.extend(named.map(|(line, row)| format!("{file}:{line}: {row}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The rows that doc comments name, with the line: `row A1`, `(rows A1, A2)`, `(A1)`.
fn named_rows(text: &str, rows: &BTreeSet<String>) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut before = String::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or(line.strip_prefix("//!"));
        let Some(doc) = doc else {
            before.clear();
            continue;
        };
        for word in doc.split_whitespace() {
            let opens = word.starts_with('(');
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            let after_row = before == "row" || before == "rows";
            if (opens || after_row) && rows.contains(bare) {
                found.push((at + 1, bare.to_owned()));
            }
            before = bare.to_ascii_lowercase();
        }
    }
    found
}

#[test]
fn a_row_is_found_in_documentation_and_only_there() {
    let rows = BTreeSet::from(["A1".to_owned(), "G12".to_owned()]);
    let found = |text: &str| {
        let found = named_rows(text, &rows).into_iter();
        found.map(|(_, row)| row).collect::<Vec<_>>()
    };
    assert_eq!(found("/// A thing (conformance row G12).\n"), ["G12"]);
    assert_eq!(found("    //! Things (rows\n    //! A1, A2).\n"), ["A1"]);
    assert_eq!(found("/// Row A1: a thing.\n"), ["A1"]);
    assert_eq!(found("/// A thing (G12).\n"), ["G12"]);
    let fine = [
        "// Row A1.\n",
        "/// Row\n\nA1\n",
        "/// The A1 of maps (H264).\n",
    ];
    for text in fine {
        assert!(found(text).is_empty(), "{text}");
    }
}
