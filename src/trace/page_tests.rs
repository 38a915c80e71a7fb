//! What the crate's page quotes of the log is what the code writes.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::engine::ice::Diagnosis;

/// The files of the library that are no tests: name and text.
pub(crate) fn sources() -> Vec<(String, String)> {
    fn read(folder: &Path, all: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                read(&path, all);
            } else if name.ends_with(".rs") && !name.contains("test") && !name.contains("simnet") {
                all.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut all = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    all
}

#[test]
fn what_the_page_quotes_is_written() {
    let silence = Diagnosis::Silence {
        checks: 24,
        pairs: 3,
        relay: false,
    };
    let all = sources();
    let page = all.iter().find(|(name, _)| name.ends_with("/lib.rs"));
    let page = &page.unwrap().1;
    let reading = page.split("Where it stops tells what is wrong:").nth(1);
    let reading = reading.unwrap().split("# The drafts").next().unwrap();
    let words = reading.lines().flat_map(|line| line.split_whitespace());
    let reading: Vec<&str> = words.filter(|word| *word != "//!").collect();
    let reading = reading.join(" ");
    let quoted = reading.split('`').skip(1).step_by(2);
    let mut seen = 0;
    for quote in quoted.filter(|quote| quote.contains(' ')) {
        seen += 1;
        let literal = |(name, text): &(String, String)| {
            // In code: not in a comment.
            let mut lines = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            !name.ends_with("/lib.rs") && lines.any(|line| line.contains(quote))
        };
        let written = all.iter().any(literal) || silence.to_string().contains(quote);
        assert!(written, "{quote}");
    }
    assert!(seen >= 9, "{seen}: {reading}");
}
