//! Keeps `spec/features.md` true: for each row of the three seeds that describe what people build
//! on such an API, what embodies it and what shows it, or the sentence why it is not there.
//!
//! `spec/features.tsv` is the source. A row is `yes` with at least one test, `no` with a sentence,
//! else `open`; there is no "partly". A test in Rust has the row at the front of its name
//! (`c010_…` or `c10_…`); one of a browser or a shell names the row in its text.
//! `ORTC_UPDATE=1 cargo test -p ortc-tests --test features` writes the page anew.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const SOURCE: &str = "spec/features.tsv";
const PAGE: &str = "spec/features.md";
const SEEDS: [(char, usize, &str); 3] = [
    ('C', 101, "RTCMultiConnection.js (000)"),
    ('D', 62, "A web SDK with its server (003)"),
    ('E', 18, "Group file sharing (004)"),
];
const HEADER: &str = "# Features

What people build on the API, by the documents that describe it, row by row. Made by `ORTC_UPDATE=1 cargo test -p ortc-tests --test features` from [features.tsv](features.tsv); `cargo test` fails when it is out of date. `yes`: the item is there and the test shows it. `no`: not built, and the note says why. `open`: not built yet.

";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

struct Row {
    id: String,
    rule: String,
    state: String,
    items: Vec<String>,
    tests: Vec<String>,
    note: String,
}

fn list(cell: &str) -> Vec<String> {
    let parts = cell.split(", ").filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn parse(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [id, rule, state, items, tests, note] = cells[..] else {
            panic!("six cells wanted in {SOURCE}: {line}");
        };
        Row {
            id: id.into(),
            rule: rule.into(),
            state: state.into(),
            items: list(items),
            tests: list(tests),
            note: note.into(),
        }
    };
    text.lines().skip(1).map(row).collect()
}

fn rows() -> Vec<Row> {
    let rows = parse(&std::fs::read_to_string(root().join(SOURCE)).unwrap());
    let expected = SEEDS
        .iter()
        .flat_map(|(seed, count, _)| (1..=*count).map(move |number| format!("{seed}{number}")));
    assert!(
        expected.eq(rows.iter().map(|row| row.id.clone())),
        "{SOURCE} has a gap or a double"
    );
    rows
}

/// What the crates have: the text of each file by its path.
struct Tree(BTreeMap<String, String>);

impl Tree {
    fn read() -> Self {
        let mut open: Vec<PathBuf> = ["src", "rooms", "server", "cli", "tests", "examples", "web"]
            .map(PathBuf::from)
            .to_vec();
        for file in [
            "README.md",
            "FAQ.md",
            "CHANGELOG.md",
            "SECURITY.md",
            "CONTRIBUTING.md",
            "deny.toml",
        ] {
            open.push(file.into());
        }
        let mut files = BTreeMap::new();
        while let Some(path) = open.pop() {
            let full = root().join(&path);
            if full.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                let entries = std::fs::read_dir(full).unwrap();
                open.extend(entries.map(|entry| path.join(entry.unwrap().file_name())));
            } else if let Ok(text) = std::fs::read_to_string(full) {
                files.insert(path.to_str().unwrap().to_owned(), text);
            }
        }
        Self(files)
    }

    /// A test that is known and shows the row.
    fn shows(&self, test: &str, row: &str) -> bool {
        if let Some(text) = self.0.get(test) {
            return names(text, row);
        }
        let number: usize = row[1..].parse().unwrap();
        let prefix = row[..1].to_lowercase();
        let named = test
            .split('_')
            .map_while(|word| Some((word.get(..1)?, word.get(1..)?.parse::<usize>().ok()?)))
            .any(|named| named == (prefix.as_str(), number));
        named && self.rust().any(|text| is_a_test(text, test))
    }

    fn rust(&self) -> impl Iterator<Item = &String> {
        let rust = self.0.iter().filter(|(path, _)| path.ends_with(".rs"));
        rust.map(|(_, text)| text)
    }

    /// A file, or something that one of the crates declares.
    fn has(&self, item: &str) -> bool {
        if self.0.contains_key(item.split('#').next().unwrap()) {
            return true;
        }
        let last = item.rsplit("::").next().unwrap();
        let kinds = [
            "fn", "struct", "enum", "trait", "type", "mod", "const", "async fn",
        ];
        let mut heads = kinds.map(|kind| format!("pub {kind} {last}")).to_vec();
        // Members and variants.
        heads.extend([
            format!("pub {last}:"),
            format!("    {last} {{"),
            format!("    {last}("),
        ]);
        heads.push(format!("    {last},"));
        self.rust()
            .any(|text| heads.iter().any(|head| names(text, head)))
    }
}

/// True if the text has the word, and not as the beginning of a longer one.
fn names(text: &str, word: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let ends_in_word = word.ends_with(|c: char| c.is_alphanumeric());
    text.match_indices(word)
        .any(|(at, _)| !ends_in_word || !goes_on(&text[at + word.len()..]))
}

/// True if an attribute before the function makes it a test, or a macro does that is given its name.
fn is_a_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let given = |line: &&str| {
        let line = line.strip_prefix("example!(").unwrap_or(line);
        line.trim_end_matches(',').split(',').next() == Some(name)
    };
    let head = format!("fn {name}(");
    let Some(at) = lines.iter().position(|line| line.contains(&head)) else {
        return lines.iter().any(given);
    };
    let before = lines[..at].iter().rev();
    before
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .any(|line| line.contains("test]") || line.contains("test("))
}

/// What is wrong with a row.
fn faults(row: &Row, tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |what: &str| faults.push(format!("{}: {what}", row.id));
    match row.state.as_str() {
        "yes" => {
            if row.tests.is_empty() || row.items.is_empty() {
                fault("yes needs an item and a test");
            }
        }
        "no" if row.note.len() < 20 => fault("no needs a sentence"),
        "no" => {}
        "open" if !row.items.is_empty() || !row.tests.is_empty() => fault("open has no items yet"),
        "open" => {}
        other => fault(&format!("{other} is no state")),
    }
    for test in &row.tests {
        if !tree.shows(test, &row.id) {
            fault(&format!("no test {test} that names the row"));
        }
    }
    for item in &row.items {
        if !tree.has(item) {
            fault(&format!("no item {item}"));
        }
    }
    faults
}

#[test]
fn every_row_says_what_is_there() {
    let tree = Tree::read();
    let faults: Vec<String> = rows().iter().flat_map(|row| faults(row, &tree)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_check_finds_what_is_wrong() {
    let files = [
        (
            "rooms/src/a.rs",
            "pub fn open() {}\n\n#[tokio::test]\nasync fn c7_d8_opens() {}\n\nfn c7_help() {}\n",
        ),
        ("tests/browser/x.mjs", "// C7: opens\n"),
    ];
    let tree = Tree(files.map(|(path, text)| (path.into(), text.into())).into());
    let row = |line: &str| parse(&format!("head\n{line}")).remove(0);
    let wrong = |line: &str| faults(&row(line), &tree).len();
    assert_eq!(
        wrong("C7\topens\tyes\tSession::open\tc7_d8_opens, tests/browser/x.mjs\t"),
        0
    );
    assert_eq!(wrong("D8\topens\tyes\trooms/src/a.rs\tc7_d8_opens\t"), 0);
    assert_eq!(wrong("C8\topens\tyes\tSession::open\tc7_d8_opens\t"), 1);
    assert_eq!(wrong("C7\topens\tyes\tSession::close\tc7_help\t"), 2);
    assert_eq!(
        wrong("C70\topens\tyes\tSession::open\ttests/browser/x.mjs\t"),
        1
    );
    assert_eq!(wrong("C7\topens\tpartly\t\t\t"), 1);
    assert_eq!(wrong("C7\topens\tyes\t\t\t"), 1);
    assert_eq!(wrong("C7\topens\tno\t\t\tdead"), 1);
    assert_eq!(wrong("C7\topens\topen\tSession::open\t\t"), 1);
}

#[test]
fn the_page_is_what_the_rows_say() {
    let page = render(&rows());
    let path = root().join(PAGE);
    if std::env::var_os("ORTC_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "{PAGE} is out of date, run: ORTC_UPDATE=1 cargo test -p ortc-tests --test features"
    );
}

fn render(rows: &[Row]) -> String {
    let of = |seed: char| rows.iter().filter(move |row| row.id.starts_with(seed));
    let mut page = format!("{HEADER}| seed | yes | no | open | rows |\n|---|---|---|---|---|\n");
    for (seed, count, name) in SEEDS {
        let [yes, no, open] =
            ["yes", "no", "open"].map(|state| of(seed).filter(|row| row.state == state).count());
        writeln!(page, "| {seed}: {name} | {yes} | {no} | {open} | {count} |").unwrap();
    }
    for (seed, _, name) in SEEDS {
        write!(page, "\n## {seed}: {name}\n\n| row | seed says | state | item | test | note |\n|---|---|---|---|---|---|\n").unwrap();
        for row in of(seed) {
            let code = |names: &[String]| {
                let names = names.iter().map(|name| format!("`{name}`"));
                names.collect::<Vec<_>>().join("<br>")
            };
            let cells = [
                row.id.clone(),
                row.rule.replace('|', "\\|"),
                row.state.clone(),
                code(&row.items),
                code(&row.tests),
                row.note.replace('|', "\\|"),
            ];
            writeln!(page, "| {} |", cells.join(" | ")).unwrap();
        }
    }
    page
}
