//! That the tests of a row use the public items that embody it: their own lines name each, or those
//! of a helper that they call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::cases::{self, Case, body, function_name};
use super::items::Items;
use super::root;
use super::table::{Row, rows};

const EXCEPTIONS: &str = "spec/exceptions.tsv";

/// The words of each function of a file, without comments; functions of one name together.
type Functions = BTreeMap<String, BTreeSet<String>>;

fn functions(text: &str) -> Functions {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Functions::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let words = found.entry(name.to_owned()).or_default();
        for line in body(&lines[at..]) {
            let code = line.split("//").next().unwrap_or("");
            words.extend(said(code));
        }
    }
    found
}

/// The words of a line; those that name a member (`.word`, `::word`, `word:`) also with a dot before.
fn said(code: &str) -> Vec<String> {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(begin) = rest.find(of_word) {
        let before = rest[..begin].trim_end();
        let word = &rest[begin..];
        let word = &word[..word.find(|c| !of_word(c)).unwrap_or(word.len())];
        let after = rest[begin + word.len()..].trim_start();
        let is_range = before.ends_with("..");
        let is_field = after.starts_with(':') && !after.starts_with("::");
        if before.ends_with('.') && !is_range || before.ends_with("::") || is_field {
            found.push(format!(".{word}"));
        }
        found.push(word.to_owned());
        rest = &rest[begin + word.len()..];
    }
    found
}

/// What a function says, and all those that it calls as far as they are known.
fn reach<'a>(name: &'a str, known: &[&'a Functions]) -> BTreeSet<&'a str> {
    let (mut words, mut done) = (BTreeSet::new(), BTreeSet::new());
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        if !done.insert(name) {
            continue;
        }
        for said in known.iter().filter_map(|functions| functions.get(name)) {
            let said = said.iter().map(String::as_str);
            let fresh: Vec<&str> = said.filter(|word| words.insert(*word)).collect();
            let calls = |word: &&str| known.iter().any(|functions| functions.contains_key(*word));
            open.extend(fresh.into_iter().filter(calls));
        }
    }
    words
}

/// Every file's functions; which of them help the tests of another.
struct Sources(BTreeMap<String, Functions>);

impl Sources {
    fn of_the_crate() -> Self {
        let files = ["src", "tests"].into_iter().flat_map(super::rust_files);
        let read = |file: String| {
            let text = std::fs::read_to_string(root().join(&file)).unwrap();
            (file, functions(&text))
        };
        Self(files.map(read).collect())
    }

    /// The functions that the tests of a file can call, as far as they are for tests.
    fn helpers(&self, file: &str) -> Vec<&Functions> {
        let directory = Path::new(file).parent().unwrap();
        let helps = |other: &str| {
            let beside = Path::new(other).parent() == Some(directory);
            let for_tests = other.contains("test") || other.ends_with("harness.rs");
            match file.starts_with("tests/") {
                true => other.starts_with("tests/common/"),
                false => beside && for_tests && other.starts_with("src/"),
            }
        };
        let others = self.0.iter().filter(|(other, _)| helps(other));
        let own = self.0.get(file);
        own.into_iter().chain(others.map(|(_, f)| f)).collect()
    }
}

/// Row and item of each that no test of its row uses.
fn unused(
    rows: &[Row],
    cases: &[Case],
    items: &Items,
    sources: &Sources,
) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for row in rows {
        let mut words = BTreeSet::new();
        for case in cases.iter().filter(|case| case.rows.contains(&row.id)) {
            words.extend(reach(&case.name, &sources.helpers(&case.file)));
        }
        for item in &row.items {
            let used = match item.split_once("::") {
                Some((_, member)) => words.contains(&*format!(".{member}")),
                // A value has its type without a word of it: a member of it will do.
                None => {
                    words.contains(item.as_str())
                        || items
                            .members(item)
                            .any(|member| words.contains(&*format!(".{member}")))
                }
            };
            if !used {
                found.insert((row.id.clone(), item.clone()));
            }
        }
    }
    found
}

/// Row, item and reason.
fn exceptions() -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(root().join(EXCEPTIONS)).unwrap();
    let read = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [row, item, reason] = cells[..] else {
            panic!("three cells wanted in {EXCEPTIONS}: {line}");
        };
        assert!(reason.len() > 10, "{row} {item} needs a reason");
        (row.to_owned(), item.to_owned())
    };
    text.lines().skip(1).map(read).collect()
}

#[test]
fn the_tests_of_a_row_use_its_items() {
    let sources = Sources::of_the_crate();
    let found = unused(&rows(), &cases::all().0, &Items::of_the_crate(), &sources);
    let excepted = exceptions();
    let say = |(row, item): &(String, String)| format!("{row}\t{item}");
    let missing: Vec<String> = found.difference(&excepted).map(say).collect();
    assert!(
        missing.is_empty(),
        "no test of the row uses it, by itself or by a helper:\n{}",
        missing.join("\n")
    );
    let idle: Vec<String> = excepted.difference(&found).map(say).collect();
    assert!(
        idle.is_empty(),
        "{EXCEPTIONS} has what is no exception:\n{}",
        idle.join("\n")
    );
}

#[test]
fn words_are_found_through_helpers_and_not_in_comments() {
    let own = functions(
        "async fn a001_x() {\n    // gone()\n    help(1).await;\n}\n\nfn other() {\n    shut();\n}\n",
    );
    let common = functions(
        "pub(crate) fn help(n: u8) {\n    deeper();\n}\nfn deeper() {\n    a.open();\n    help(2);\n}\n",
    );
    let words = reach("a001_x", &[&own, &common]);
    assert!(words.contains("open") && words.contains("help"));
    for word in ["gone", "shut", "other"] {
        assert!(!words.contains(word), "{word}");
    }
}
