//! `examples/line_peer.rs` against aiortc and Chromium, both roles each.
//!
//! Every pair runs in a network and process namespace of its own, which ends with the test.
//! `tests/run` brings the foreign peers; without them these tests fail, they do not skip.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::stalls::Watch;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

const SECONDS: &str = "4";
const LINE_LIMIT: Duration = Duration::from_secs(40);
const RESULT_LIMIT: Duration = Duration::from_secs(120);
/// 4 s of 20 ms packets are 200; a pair that only just connected would not reach this.
const PACKETS: u64 = 50;

/// Two browsers at once on a small machine would measure the machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn aiortc_is_controlled() {
    cross(line_peer("controlling"), aiortc("controlled")).await;
}

#[tokio::test]
async fn aiortc_is_controlling() {
    cross(aiortc("controlling"), line_peer("controlled")).await;
}

#[tokio::test]
async fn chromium_is_controlled() {
    cross(line_peer("controlling"), chromium("controlled")).await;
}

#[tokio::test]
async fn chromium_is_controlling() {
    cross(chromium("controlling"), line_peer("controlled")).await;
}

/// A hundred channels of all kinds, with messages of 256 KiB among them, and closed from each side.
#[tokio::test]
async fn g040_a_hundred_data_channels_to_aiortc_and_chromium() {
    let with = |mut command: Vec<String>| {
        command.extend(["--channels", "100"].map(String::from));
        command
    };
    let pairs = [
        (with(line_peer("controlling")), chromium("controlled")),
        (chromium("controlling"), with(line_peer("controlled"))),
        (with(line_peer("controlling")), aiortc("controlled")),
        (aiortc("controlling"), with(line_peer("controlled"))),
    ];
    let mut grown = [0, 0];
    for (n, (controlling, controlled)) in pairs.into_iter().enumerate() {
        let results = cross(controlling, controlled).await;
        let ours = results.iter().find(|result| result["channels"] == 100);
        let ours = ours.unwrap_or_else(|| panic!("{results:?}"));
        grown[n / 2] += usize::from(ours["datagram"].as_u64() > Some(1_400));
    }
    // aiortc answers what tries the path. Chromium sends no SCTP packet above 1,191 bytes, so the
    // way back is never shown to carry more, and datagrams to it stay small.
    assert_eq!(grown, [0, 2]);
}

/// Every digit once and in order, into the browser and out of it. What it hears is told by the
/// sound that it makes of our packets.
#[tokio::test]
async fn g023_digits_go_to_chromium_and_come_from_it() {
    const DIGITS: &str = "0123456789*#ABCD";
    // 16 digits of 300 ms, and some time around them.
    let with = |mut command: Vec<String>| {
        *command.last_mut().unwrap() = "10".into();
        command.extend(["--dtmf", DIGITS].map(String::from));
        command
    };
    let pairs = [
        (chromium("controlling"), line_peer("controlled")),
        (line_peer("controlling"), chromium("controlled")),
    ];
    for (controlling, controlled) in pairs {
        for result in cross(with(controlling), with(controlled)).await {
            assert_eq!(result["dtmf_in"], DIGITS, "{result}");
        }
    }
}

/// Other stacks leave with the end of SCTP alone, and are gone (rows D13 and G4).
#[tokio::test]
async fn r_g04_a_peer_whose_last_word_is_one_of_sctp_or_dtls_is_missed_within_five_seconds() {
    for last in ["abort", "shutdown", "close_notify"] {
        let mut ours = line_peer("controlling");
        ours.push("--until-left".into());
        let mut theirs = aiortc("controlled");
        theirs.extend(["--last", last].map(String::from));
        for words in [&mut ours, &mut theirs] {
            let at = words.iter().position(|word| word == SECONDS).unwrap();
            words[at] = "2".into();
        }
        let _turn = ONE_AT_A_TIME.lock().await;
        let namespace = Namespace::new().await;
        let ([mut a, b], _) = results(&namespace, &ours, &theirs).await;
        let watch = Watch::start();
        b.finish().await;
        let left = a.next(LINE_LIMIT).await;
        let took = watch.took();
        println!("{last}: {left} after {took:?}");
        assert_eq!(left["left"], "RemoteClosed", "{last}");
        assert!(took < Duration::from_secs(5), "{last}: {took:?}");
        a.finish().await;
    }
}

/// Starts both, carries the controlling side's line over first, and judges both results.
async fn cross(controlling: Vec<String>, controlled: Vec<String>) -> [Value; 2] {
    let _turn = ONE_AT_A_TIME.lock().await;
    let namespace = Namespace::new().await;
    let ([a, b], results) = results(&namespace, &controlling, &controlled).await;
    a.finish().await;
    b.finish().await;
    results
}

async fn results(
    namespace: &Namespace,
    controlling: &[String],
    controlled: &[String],
) -> ([Peer; 2], [Value; 2]) {
    let mut a = Peer::start(namespace, "controlling", controlling);
    let mut b = Peer::start(namespace, "controlled", controlled);

    let line = a.next(LINE_LIMIT).await;
    check_line(&line);
    b.tell(&line).await;
    let line = b.next(LINE_LIMIT).await;
    check_line(&line);
    a.tell(&line).await;

    let (of_a, of_b) = tokio::join!(a.next(RESULT_LIMIT), b.next(RESULT_LIMIT));
    println!("{of_a}\n{of_b}");
    check_result(&of_a, "controlling");
    check_result(&of_b, "controlled");
    ([a, b], [of_a, of_b])
}

fn check_line(line: &Value) {
    let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str);
    assert!(
        text("/ice/usernameFragment").is_some_and(|s| s.len() >= 4),
        "{line}"
    );
    assert!(
        text("/ice/password").is_some_and(|s| s.len() >= 22),
        "{line}"
    );
    assert!(text("/candidates/0").is_some(), "no candidate in {line}");
    assert!(text("/dtls/fingerprints/0/algorithm").is_some(), "{line}");
    assert!(text("/dtls/fingerprints/0/value").is_some(), "{line}");
}

fn check_result(result: &Value, role: &str) {
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or("");
    let count = |name: &str| result.get(name).and_then(Value::as_u64).unwrap_or(0);
    assert_eq!(text("role"), role, "{result}");
    assert!(
        ["connected", "completed"].contains(&text("ice")),
        "{result}"
    );
    assert_eq!(text("dtls"), "connected", "{result}");
    let heard = if role == "controlling" {
        "echo:hello ortc"
    } else {
        "hello ortc"
    };
    assert_eq!(result["dc"], serde_json::json!([heard]), "{result}");
    assert!(count("srtp_in") > PACKETS, "{result}");
    assert!(count("srtp_out") > PACKETS, "{result}");
}

fn aiortc(role: &str) -> Vec<String> {
    let python = setting("ORTC_VENV_PYTHON", root().join("target/venv/bin/python"));
    command(&[&python, &root().join("tests/peers/aiortc_line.py")], role)
}

fn chromium(role: &str) -> Vec<String> {
    setting("ORTC_CHROMIUM", "/usr/bin/chromium".into());
    let modules = setting("ORTC_PLAYWRIGHT_DIR", root().join("target/peers"));
    present(modules.join("node_modules/playwright-core"));
    let script = root().join("tests/peers/browser_line.mjs");
    command(&[Path::new("node"), &script], role)
}

/// The example that cargo built beside this test.
fn line_peer(role: &str) -> Vec<String> {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    command(&[&present(profile.join("examples/line_peer"))], role)
}

fn command(words: &[&Path], role: &str) -> Vec<String> {
    let words = words.iter().map(|word| word.to_str().unwrap());
    words
        .chain([role, "--seconds", SECONDS])
        .map(String::from)
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn setting(name: &str, default: PathBuf) -> PathBuf {
    present(std::env::var_os(name).map_or(default, PathBuf::from))
}

fn present(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing: tests/run installs the foreign peers, \
         `cargo build --examples` makes line_peer",
        path.display()
    );
    path
}

/// The kernel ends every process inside once the holder's stdin is closed, even if this test is killed.
struct Namespace {
    inner: String,
    _holder: Child,
}

impl Namespace {
    async fn new() -> Self {
        let mut holder = Command::new(root().join("tests/peers/namespace.sh"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("namespace.sh starts");
        let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
        let ready = timeout(LINE_LIMIT, lines.next_line()).await;
        let ready = ready.expect("the namespace stands in time").unwrap();
        assert_eq!(
            ready.as_deref(),
            Some("ready"),
            "needs root, unshare and ip"
        );
        let outer = holder.id().unwrap();
        let children = format!("/proc/{outer}/task/{outer}/children");
        let inner = std::fs::read_to_string(children).unwrap().trim().to_owned();
        assert!(!inner.is_empty(), "the namespace has a first process");
        Self {
            inner,
            _holder: holder,
        }
    }

    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.inner, "-n", "-p", "-m", "--"])
            .args(words);
        command
    }
}

struct Peer {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(namespace: &Namespace, role: &str, words: &[String]) -> Self {
        let name = format!("{role} {}", words.join(" "));
        let mut child = namespace
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            name,
            child,
            stdin,
            lines,
        }
    }

    async fn next(&mut self, limit: Duration) -> Value {
        let name = &self.name;
        let line = timeout(limit, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{name}: no line within {limit:?}"));
        let line = line
            .unwrap()
            .unwrap_or_else(|| panic!("{name}: ended without a line"));
        let value = serde_json::from_str::<Value>(&line);
        let value = value.unwrap_or_else(|error| panic!("{name}: {error} in {line}"));
        assert!(value.get("error").is_none(), "{name}: {line}");
        value
    }

    async fn tell(&mut self, line: &Value) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
        stdin.flush().await.unwrap();
    }

    /// Hangs up; a peer that had a result then leaves by itself, and well.
    async fn finish(mut self) {
        self.stdin.take();
        let status = timeout(LINE_LIMIT, self.child.wait()).await;
        let status = status
            .unwrap_or_else(|_| panic!("{} does not end", self.name))
            .unwrap();
        assert!(status.success(), "{}: {status}", self.name);
    }
}
