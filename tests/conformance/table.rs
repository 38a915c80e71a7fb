//! The table, and the tests that keep it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use super::cases::{self, Case};
use super::items::Items;
use super::root;

const TABLE: &str = "spec/conformance.md";
const ROWS: &str = "spec/rows.tsv";
const ITEMS: &str = "spec/items.tsv";
const SEEDS: [(char, usize, &str); 4] = [
    ('A', 118, "The draft of September 2013 (001)"),
    ('B', 66, "The draft of July 2013 (002)"),
    ('G', 44, "What the drafts leave open, and how it is settled"),
    ('C', 20, "Where the drafts clash, and the one answer"),
];
const HEADER: &str = "# Conformance

Made by `ORTC_UPDATE=1 cargo test -p ortc-tests --test conformance` from [rows.tsv](rows.tsv), [items.tsv](items.tsv) and the names of the tests; `cargo test` fails when it is out of date. A row is done when at least one test with an assertion carries its number, and the items named for it are public. The settlements are in rows.tsv, the reasons in [decisions.md](decisions.md).

In the rules, [N13] is the November 2013 revision of the draft, [FIN] the final ORTC specification, [IETF] the authors' companion internet-draft, [ABS] their reference model and [F0] the parent revision of 002; an arrow points at the row that settles the question.
";

pub(super) struct Row {
    pub(super) id: String,
    section: String,
    rule: String,
    pub(super) items: Vec<String>,
    note: String,
}

#[test]
fn every_row_names_public_items() {
    let items = Items::of_the_crate();
    let faults = item_faults(&rows(), &items);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_row_has_a_test() {
    let rows = rows();
    let (cases, mut faults) = cases::all();
    faults.extend(row_faults(&rows, &cases));
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    let tests = by_row(&cases);
    let done = |seed: char| {
        let mut ids = rows.iter().map(|row| row.id.as_str());
        ids.by_ref()
            .filter(|id| id.starts_with(seed) && tests.contains_key(id))
            .count()
    };
    let all = SEEDS.map(|(_, count, _)| count.to_string()).join(" + ");
    let counts = SEEDS.map(|(seed, _, _)| done(seed).to_string()).join(" + ");
    // Past the capture of the test harness: this is what the run is asked for.
    let mut out = std::io::stdout();
    writeln!(out, "{all} rows, done {counts}, by {} tests", cases.len()).unwrap();
    for row in &rows {
        let shown = tests.get(row.id.as_str()).map_or(0, Vec::len);
        let status = if shown > 0 { "ok" } else { "open" };
        writeln!(out, "row {} ... {status} ({shown})", row.id).unwrap();
    }
}

#[test]
fn the_table_is_what_the_tests_say() {
    let table = render(&rows(), &cases::all().0);
    let path = root().join(TABLE);
    if std::env::var_os("ORTC_UPDATE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == table,
        "{TABLE} is out of date, run: ORTC_UPDATE=1 cargo test -p ortc-tests --test conformance"
    );
}

/// The rows with their items, each seed without gap or double.
pub(super) fn rows() -> Vec<Row> {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let rows = parse(&read(ROWS), &read(ITEMS));
    let expected = SEEDS
        .iter()
        .flat_map(|(seed, count, _)| (1..=*count).map(move |number| format!("{seed}{number}")));
    let ids: Vec<&String> = rows.iter().map(|row| &row.id).collect();
    assert!(
        expected.eq(ids.into_iter().cloned()),
        "{ROWS} has a gap or a double"
    );
    rows
}

/// Joins the two files, which have the same rows in the same order.
fn parse(rows: &str, items: &str) -> Vec<Row> {
    let items: Vec<&str> = items.lines().skip(1).collect();
    let rows: Vec<&str> = rows.lines().skip(1).collect();
    assert_eq!(
        rows.len(),
        items.len(),
        "{ROWS} and {ITEMS} differ in length"
    );
    let join = |(row, item): (&&str, &&str)| {
        let cells: Vec<&str> = row.split('\t').collect();
        let [id, section, _line, rule, _settlement] = cells[..] else {
            panic!("five cells wanted in {ROWS}: {row}");
        };
        let cells: Vec<&str> = item.split('\t').collect();
        let [of, items, note] = cells[..] else {
            panic!("three cells wanted in {ITEMS}: {item}");
        };
        assert_eq!(id, of, "{ITEMS} has another row here");
        let items = items.split(", ").filter(|item| !item.is_empty());
        Row {
            id: id.into(),
            section: section.into(),
            rule: rule.into(),
            items: items.map(str::to_owned).collect(),
            note: note.into(),
        }
    };
    rows.iter().zip(&items).map(join).collect()
}

/// Rows without an item, and items that are not public.
fn item_faults(rows: &[Row], items: &Items) -> Vec<String> {
    let mut faults = Vec::new();
    for row in rows {
        if row.items.is_empty() {
            faults.push(format!("{} names no item", row.id));
        }
        for item in row.items.iter().filter(|item| !items.has(item)) {
            faults.push(format!("{} names {item}, which is not public", row.id));
        }
    }
    faults
}

/// Tests of no row, and rows without a test.
fn row_faults(rows: &[Row], cases: &[Case]) -> Vec<String> {
    let tests = by_row(cases);
    let known = |id: &str| rows.iter().any(|row| row.id == id);
    let mut faults = Vec::new();
    for (id, cases) in tests.iter().filter(|(id, _)| !known(id)) {
        for Case { file, name, .. } in cases {
            faults.push(format!("{file}: {name} names {id}, which is no row"));
        }
    }
    let untested = rows
        .iter()
        .filter(|row| !tests.contains_key(row.id.as_str()));
    faults.extend(untested.map(|row| format!("{} has no test", row.id)));
    faults
}

fn by_row(cases: &[Case]) -> BTreeMap<&str, Vec<&Case>> {
    let mut tests: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        for id in &case.rows {
            tests.entry(id).or_default().push(case);
        }
    }
    tests
}

fn render(rows: &[Row], cases: &[Case]) -> String {
    let tests = by_row(cases);
    let mut out = HEADER.to_owned();
    writeln!(out, "\n| seed | done | rows |\n|---|---|---|").unwrap();
    for (seed, count, title) in SEEDS {
        let of_seed = rows.iter().filter(|row| row.id.starts_with(seed));
        let done = of_seed.filter(|row| tests.contains_key(row.id.as_str()));
        writeln!(out, "| {seed}: {title} | {} | {count} |", done.count()).unwrap();
    }
    for (seed, _, title) in SEEDS {
        writeln!(out, "\n## {seed}: {title}").unwrap();
        let mut section = "";
        for row in rows.iter().filter(|row| row.id.starts_with(seed)) {
            if row.section != section {
                section = &row.section;
                if "AB".contains(seed) {
                    writeln!(out, "\n### {section}").unwrap();
                }
                let columns = "| row | rule | Rust item | tests | status | note |";
                writeln!(out, "\n{columns}\n|---|---|---|---|---|---|").unwrap();
            }
            let shown = tests.get(row.id.as_str()).map_or(&[][..], Vec::as_slice);
            let shown: Vec<String> = shown
                .iter()
                .map(|case| format!("`{}` in {}", case.name, case.file))
                .collect();
            let items: Vec<String> = row.items.iter().map(|item| format!("`{item}`")).collect();
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                row.id,
                row.rule.replace('|', "\\|"),
                items.join("<br>"),
                shown.join("<br>"),
                if shown.is_empty() { "open" } else { "done" },
                row.note,
            )
            .unwrap();
        }
    }
    out
}

fn two_rows(items: &str) -> Vec<Row> {
    parse(
        "\nA1\tS\t1\tmust\t\nA2\tS\t2\tshould\t\n",
        &format!("\n{items}"),
    )
}

fn case(rows: &[&str]) -> Case {
    Case {
        file: "x.rs".into(),
        name: "x".into(),
        rows: rows.iter().map(|row| (*row).to_owned()).collect(),
    }
}

#[test]
fn a_row_without_an_item_and_an_item_that_is_gone_are_faults() {
    let rows = two_rows("A1\t\t\nA2\tRTCConnection, RTCConnection::gone\t\n");
    assert_eq!(
        item_faults(&rows, &Items::of_the_crate()),
        [
            "A1 names no item",
            "A2 names RTCConnection::gone, which is not public"
        ]
    );
}

#[test]
fn a_row_without_a_test_and_a_test_without_a_row_are_faults() {
    let rows = two_rows("A1\tx\t\nA2\tx\t\n");
    let cases = [case(&["A1", "A3"])];
    assert_eq!(
        row_faults(&rows, &cases),
        ["x.rs: x names A3, which is no row", "A2 has no test"]
    );
}

#[test]
#[should_panic(expected = "another row here")]
fn the_two_files_have_the_same_rows() {
    two_rows("A2\tx\t\nA1\tx\t\n");
}
