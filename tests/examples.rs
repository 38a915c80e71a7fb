//! Each example ends well, within its time, with `OK` as its last line.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// The example that cargo built beside this test.
fn program(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let mut command = Command::new(profile.join("examples").join(name));
    command.kill_on_drop(true);
    command
}

async fn example(name: &str, seconds: u64) {
    example_with(name, seconds, "").await;
}

/// The same with that `RUST_LOG`; what it writes to stderr.
async fn example_with(name: &str, seconds: u64, log: &str) -> String {
    let child = program(name).env("RUST_LOG", log).output();
    let ended = timeout(Duration::from_secs(seconds), child).await;
    let output = ended.expect("it ends in time").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{name}: {output:?}");
    assert_eq!(text.lines().last(), Some("OK"), "{name}: {text}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn dtmf() {
    example("dtmf", 60).await;
}

#[tokio::test]
async fn fork() {
    example("fork", 60).await;
}

#[tokio::test]
async fn unknown_track() {
    example("unknown_track", 60).await;
}

#[tokio::test]
async fn simple_peer() {
    example("simple_peer", 60).await;
}

#[tokio::test]
async fn two_peers_data() {
    example("two_peers_data", 150).await;
}

/// A slip of the keyboard is said, not passed over.
#[tokio::test]
async fn unknown_options_and_bad_values_are_refused() {
    for (arguments, code, said) in [
        (&["--help"][..], 0, "[--megabytes N]"),
        (&["--megabyte", "1"], 2, "--megabyte is no option"),
        (&["--megabytes"], 2, "--megabytes needs a value"),
        (&["--megabytes", "ten"], 2, "--megabytes ten: invalid digit"),
    ] {
        let child = program("two_peers_data").args(arguments).output();
        let ended = timeout(Duration::from_secs(20), child).await;
        let output = ended.expect("it ends in time").unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

/// A line of a log without its values: level, kind of span, target, message and names of fields.
#[derive(Debug, PartialEq)]
struct Line {
    level: String,
    span: String,
    target: String,
    message: String,
    fields: Vec<String>,
    /// There may be more fields.
    and_more: bool,
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let (level, rest) = line.split_once(' ')?;
        let (span, rest) = rest.split_once("}: ")?;
        let (target, rest) = rest.split_once(": ")?;
        let is_field = |word: &&str| word.contains('=');
        let message = rest
            .split(' ')
            .take_while(|word| !is_field(word) && *word != "..");
        let fields = rest.split(' ').filter(is_field);
        Some(Self {
            level: level.to_owned(),
            span: span.split('{').next()?.to_owned(),
            target: target.to_owned(),
            message: message.collect::<Vec<_>>().join(" "),
            fields: fields
                .filter_map(|field| Some(field.split_once('=')?.0.to_owned()))
                .collect(),
            and_more: rest.ends_with(" .."),
        })
    }

    fn covers(&self, printed: &Self) -> bool {
        let fields = &printed.fields;
        let same = match self.and_more {
            true => fields.starts_with(&self.fields),
            false => *fields == self.fields,
        };
        same && (&self.level, &self.span) == (&printed.level, &printed.span)
            && (&self.target, &self.message) == (&printed.target, &printed.message)
    }
}

/// The crate page shows the log of a call: those lines, in that order.
#[tokio::test]
async fn the_log_is_as_the_page_says() {
    let page = include_str!("../src/lib.rs");
    let chapter = page.split("# When it does not connect").nth(1).unwrap();
    let shown = chapter.split("```").nth(1).unwrap();
    let shown: Vec<Line> = shown
        .lines()
        .filter_map(|line| Line::parse(line.strip_prefix("//! ")?))
        .collect();
    assert!(shown.len() > 8, "{shown:?}");
    let log = example_with("dtmf", 60, "ortc=info").await;
    // After the time.
    let printed = log.lines().filter_map(|line| line.split_once(' '));
    let printed: Vec<(&str, Line)> = printed
        .filter_map(|(_, line)| Some((line, Line::parse(line.trim_start())?)))
        .collect();
    // A socket and its connection, each in its own order: they are not of one task.
    for span in ["socket{id=1}", "connection{id=2 socket=1 "] {
        let of_one = printed.iter().filter(|(text, _)| text.contains(span));
        let mut rest = of_one.map(|(_, line)| line);
        for line in shown.iter().filter(|line| span.starts_with(&line.span)) {
            let found = rest.any(|printed| line.covers(printed));
            assert!(found, "{line:?} is not in\n{log}");
        }
    }
    assert_eq!(example_with("dtmf", 60, "").await, "");
}
