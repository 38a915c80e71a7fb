//! Keeps `spec/conformance.md` true: which test shows which row of the two drafts.
//!
//! `spec/rows.tsv` numbers the rows. A test names its rows at the front of its own name
//! (`a017_…`, or `a019_a020_…` for two), and a row is done once it has one.
//! `ORTC_UPDATE=1 cargo test --test conformance` writes the table anew.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const TABLE: &str = "spec/conformance.md";
const SEEDS: [(char, &str); 4] = [
    ('A', "The draft of September 2013 (001)"),
    ('B', "The draft of July 2013 (002)"),
    ('G', "What the drafts leave open, and how it is settled"),
    ('C', "Where the drafts clash, and the one answer"),
];
const HEADER: &str = "# Conformance

Made by `ORTC_UPDATE=1 cargo test --test conformance` from [rows.tsv](rows.tsv) and the names of the tests; `cargo test` fails when it is out of date. A row is done when at least one test with an assertion carries its number. The settlements are in rows.tsv.

In the rules, [N13] is the November 2013 revision of the draft, [FIN] the final ORTC specification, [IETF] the authors' companion internet-draft, [ABS] their reference model and [F0] the parent revision of 002; an arrow points at the row that settles the question.
";

struct Row {
    id: String,
    section: String,
    rule: String,
}

#[derive(Debug, PartialEq)]
struct Case {
    file: String,
    name: String,
    rows: Vec<String>,
}

#[test]
fn the_table_is_what_the_tests_say() {
    let rows = rows();
    let mut cases = Vec::new();
    let mut faults = Vec::new();
    for file in sources() {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        scan(&file, &text, &mut cases, &mut faults);
    }
    for case in &cases {
        for id in case
            .rows
            .iter()
            .filter(|id| !rows.iter().any(|row| row.id == **id))
        {
            faults.push(format!(
                "{}: {} names {id}, which is no row",
                case.file, case.name
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    let table = render(&rows, &cases);
    let path = root().join(TABLE);
    if std::env::var_os("ORTC_UPDATE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == table,
        "{TABLE} is out of date, run: ORTC_UPDATE=1 cargo test --test conformance"
    );
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("spec/rows.tsv")).unwrap();
    let rows: Vec<Row> = text.lines().skip(1).map(row).collect();
    for (seed, _) in SEEDS {
        let of_seed = rows.iter().filter(|row| row.id.starts_with(seed));
        for (number, row) in (1..).zip(of_seed) {
            assert_eq!(
                row.id,
                format!("{seed}{number}"),
                "rows.tsv has a gap or a double"
            );
        }
    }
    rows
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.split('\t').collect();
    let [id, section, _line, rule, _settlement] = cells[..] else {
        panic!("five cells wanted in rows.tsv: {line}");
    };
    Row {
        id: id.into(),
        section: section.into(),
        rule: rule.into(),
    }
}

/// Every Rust file below src and tests except this one, sorted.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from("src"), PathBuf::from("tests")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(root().join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && path != Path::new(file!()) {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Finds the tests that carry row numbers. Relies on the layout that rustfmt gives.
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

fn function_name(line: &str) -> Option<&str> {
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
        SEEDS
            .iter()
            .any(|(s, _)| *s == seed)
            .then(|| format!("{seed}{number}"))
    };
    name.split('_').map_while(id).collect()
}

fn is_test_attribute(line: &str) -> bool {
    let inner = line.trim_start_matches("#[");
    let path = inner.split(['(', ']']).next().unwrap_or("");
    path.rsplit("::").next() == Some("test")
}

/// The lines up to the brace that closes at the indentation of the first line.
fn body<'a>(lines: &'a [&'a str]) -> &'a [&'a str] {
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

fn render(rows: &[Row], cases: &[Case]) -> String {
    let mut tests: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        for id in &case.rows {
            tests.entry(id).or_default().push(case);
        }
    }
    let mut out = HEADER.to_owned();
    writeln!(out, "\n| seed | done | rows |\n|---|---|---|").unwrap();
    for (seed, title) in SEEDS {
        let of_seed: Vec<&Row> = rows.iter().filter(|row| row.id.starts_with(seed)).collect();
        let done = of_seed
            .iter()
            .filter(|row| tests.contains_key(row.id.as_str()))
            .count();
        writeln!(out, "| {seed}: {title} | {done} | {} |", of_seed.len()).unwrap();
    }
    for (seed, title) in SEEDS {
        writeln!(out, "\n## {seed}: {title}").unwrap();
        let mut section = "";
        for row in rows.iter().filter(|row| row.id.starts_with(seed)) {
            if row.section != section {
                section = &row.section;
                let heading = format!("\n### {section}\n");
                let heading = if "AB".contains(seed) {
                    heading.as_str()
                } else {
                    ""
                };
                writeln!(
                    out,
                    "{heading}\n| row | rule | tests | status |\n|---|---|---|---|"
                )
                .unwrap();
            }
            let shown = tests.get(row.id.as_str()).map_or(&[][..], Vec::as_slice);
            let names: Vec<String> = shown
                .iter()
                .map(|case| format!("`{}` in {}", case.name, case.file))
                .collect();
            let status = if shown.is_empty() { "open" } else { "done" };
            let rule = row.rule.replace('|', "\\|");
            writeln!(
                out,
                "| {} | {rule} | {} | {status} |",
                row.id,
                names.join("<br>")
            )
            .unwrap();
        }
    }
    out
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
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
