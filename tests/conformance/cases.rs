//! The tests that carry row numbers. Relies on the layout that rustfmt gives.

use std::path::Path;

use super::root;

/// A test and the rows that it names.
#[derive(Debug, PartialEq)]
pub(super) struct Case {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) rows: Vec<String>,
}

/// Every test of the crate that names rows, and what is wrong with those that do.
pub(super) fn all() -> (Vec<Case>, Vec<String>) {
    let (mut cases, mut faults) = (Vec::new(), Vec::new());
    for top in ["src", "tests"] {
        for file in super::rust_files(top) {
            let text = std::fs::read_to_string(root().join(&file)).unwrap();
            // The scan's own examples are no tests of rows.
            if Path::new(&file).parent() != Some(Path::new("tests/conformance")) {
                scan(&file, &text, &mut cases, &mut faults);
            }
        }
    }
    (cases, faults)
}

fn scan(file: &str, text: &str, cases: &mut Vec<Case>, faults: &mut Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let ids = row_ids(name);
        if ids.is_empty() {
            continue;
        }
        let attributes: Vec<&str> = lines[..at]
            .iter()
            .rev()
            .map(|line| line.trim())
            .take_while(|line| line.starts_with("#[") || line.starts_with("//") || *line == ")]")
            .filter(|line| line.starts_with("#["))
            .collect();
        let mut fault = |what: &str| faults.push(format!("{file}: {name} {what}"));
        if !attributes.iter().any(|line| is_test_attribute(line)) {
            fault("has a row number but is no test");
        }
        if attributes.iter().any(|line| line.starts_with("#[ignore")) {
            fault("is ignored");
        }
        let panics = attributes
            .iter()
            .any(|line| line.starts_with("#[should_panic"));
        if !panics && !body(&lines[at..]).iter().any(|line| can_fail(line)) {
            fault("asserts nothing");
        }
        cases.push(Case {
            file: file.into(),
            name: name.into(),
            rows: ids,
        });
    }
}

pub(super) fn function_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line
        .strip_prefix("pub ")
        .or(line.strip_prefix("pub(crate) "))
        .unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ")?;
    Some(&rest[..rest.find(['(', '<'])?])
}

/// `a019_a020_connect` -> A19, A20.
fn row_ids(name: &str) -> Vec<String> {
    let id = |part: &str| {
        let seed = part.chars().next()?.to_ascii_uppercase();
        let number = part
            .get(1..)
            .filter(|n| n.len() == 3)?
            .parse::<u16>()
            .ok()?;
        "ABGC".contains(seed).then(|| format!("{seed}{number}"))
    };
    name.split('_').map_while(id).collect()
}

fn is_test_attribute(line: &str) -> bool {
    let inner = line.trim_start_matches("#[");
    let path = inner.split(['(', ']']).next().unwrap_or("");
    path.rsplit("::").next() == Some("test")
}

/// The lines up to the brace that closes at the indentation of the first line.
pub(super) fn body<'a>(lines: &'a [&'a str]) -> &'a [&'a str] {
    let Some(first) = lines.first() else {
        return lines;
    };
    if first.ends_with('}') {
        return &lines[..1];
    }
    let indent = &first[..first.len() - first.trim_start().len()];
    let closing = format!("{indent}}}");
    let end = lines
        .iter()
        .position(|line| *line == closing)
        .unwrap_or(lines.len() - 1);
    &lines[..=end]
}

fn can_fail(line: &str) -> bool {
    const WAYS: [&str; 6] = [
        "assert",
        "matches!(",
        "panic!(",
        "unreachable!(",
        ".expect_err(",
        ".unwrap_err(",
    ];
    let code = line.split("//").next().unwrap_or("");
    !code.contains("assert!(true") && WAYS.iter().any(|way| code.contains(way))
}

fn scanned(text: &str) -> (Vec<Case>, Vec<String>) {
    let (mut cases, mut faults) = (Vec::new(), Vec::new());
    scan("x.rs", text, &mut cases, &mut faults);
    (cases, faults)
}

#[test]
fn a_test_with_an_assertion_counts_for_each_row_it_names() {
    let text = "    #[tokio::test(start_paused = true)]\n    async fn a019_g002_connect() {\n        assert!(go());\n    }\n";
    let (cases, faults) = scanned(text);
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].rows, ["A19", "G2"]);
}

#[test]
fn a_row_test_that_cannot_fail_is_a_fault() {
    let bodies = ["let _ = 1;", "// assert!(x);", "assert!(true);"];
    for body in bodies {
        let text =
            format!("#[test]\nfn b001_x() {{\n    {body}\n}}\nfn y() {{\n    assert!(z);\n}}\n");
        let (_, faults) = scanned(&text);
        assert_eq!(faults, ["x.rs: b001_x asserts nothing"], "{body}");
    }
    let (_, faults) = scanned("#[test]\nfn b001_x() {}\nfn y() {\n    assert!(z);\n}\n");
    assert_eq!(faults, ["x.rs: b001_x asserts nothing"]);
}

#[test]
fn an_ignored_row_test_and_a_plain_function_are_faults() {
    let (_, faults) = scanned("#[test]\n#[ignore]\nfn c001_x() {\n    assert!(z);\n}\n");
    assert_eq!(faults, ["x.rs: c001_x is ignored"]);
    let (_, faults) = scanned("fn c001_x() {\n    assert!(z);\n}\n");
    assert_eq!(faults, ["x.rs: c001_x has a row number but is no test"]);
}

#[test]
fn other_names_carry_no_row() {
    for name in ["a17_x", "d001_x", "a0170_x", "answers_bye", "g", "x_a017"] {
        assert_eq!(row_ids(name), Vec::<String>::new(), "{name}");
    }
}
