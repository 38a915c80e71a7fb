//! Two separate processes, given only JSON descriptions over a pipe, connect over UDP and carry a
//! real VP8 video and a real Opus recording in real time.
//!
//! ```text
//! cargo run --release --example two_peers [-- --out DIR]
//! ```
//!
//! This process starts itself twice, as caller and as callee, and is their signalling: it carries
//! each JSON line from one to the other and shows it. What a peer does is in `peer.rs`, which is
//! the code to copy.

#[path = "../support/arguments.rs"]
mod arguments;
mod peer;
mod report;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use arguments::Arguments;
use serde_json::Value;
use support::Result;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// The recordings last five seconds; a run that needs a minute is stuck.
const TIME_LIMIT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    support::log::install();
    let usage = "two_peers [--out DIR]   DIR is where what arrives is written";
    let arguments = Arguments::read(usage, &["--out", "--role"]);
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/media");
    let out = arguments.text("--out");
    let out = out.map_or_else(std::env::temp_dir, PathBuf::from);
    let outcome = match arguments.text("--role") {
        Some("caller") => peer::call(&media).await,
        Some("callee") => peer::answer(&out).await,
        _ => tokio::time::timeout(TIME_LIMIT, run(&media, &out))
            .await
            .unwrap_or_else(|_| Err("time is up".into())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("two_peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts both peers, carries their signalling, compares what was sent with what arrived.
async fn run(media: &Path, out: &Path) -> Result<()> {
    std::fs::create_dir_all(out)?;
    let mut caller = start("caller", out)?;
    let mut callee = start("callee", out)?;
    let (lines, mut crossing) = mpsc::channel(100);
    read_lines("caller", &mut caller, lines.clone())?;
    read_lines("callee", &mut callee, lines)?;
    let mut to_caller = caller.stdin.take().ok_or("no pipe to the caller")?;
    let mut to_callee = callee.stdin.take().ok_or("no pipe to the callee")?;

    println!("signalling, all of it:");
    let mut reports = report::Reports::default();
    while let Some((from, line)) = crossing.recv().await {
        let message: Value = serde_json::from_str(&line)?;
        if let Some(report) = message.get("report") {
            reports.add(from, report.clone());
            if reports.complete() {
                break;
            }
            continue;
        }
        let (pipe, arrow) = if from == "caller" {
            (&mut to_callee, "caller --> callee")
        } else {
            (&mut to_caller, "caller <-- callee")
        };
        println!("  {arrow}  {line}");
        pipe.write_all(format!("{line}\n").as_bytes()).await?;
    }
    // The end of their input lets the peers end.
    drop((to_caller, to_callee));
    for (name, child) in [("caller", &mut caller), ("callee", &mut callee)] {
        let status = child.wait().await?;
        if !status.success() {
            return Err(format!("the {name} failed: {status}").into());
        }
    }
    reports.compare(media, out)
}

fn start(role: &str, out: &Path) -> Result<Child> {
    Ok(Command::new(std::env::current_exe()?)
        .args(["--role", role, "--out"])
        .arg(out)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?)
}

fn read_lines(
    name: &'static str,
    child: &mut Child,
    lines: mpsc::Sender<(&'static str, String)>,
) -> Result<()> {
    let stdout = child.stdout.take().ok_or("no pipe from the peer")?;
    tokio::spawn(async move {
        let mut reader = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = reader.next_line().await {
            if lines.send((name, line)).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}
