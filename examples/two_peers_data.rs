//! Two separate processes, given only JSON descriptions over a pipe, move 100 MB through a data
//! channel and compare what was sent with what arrived.
//!
//! ```text
//! cargo run --release --example two_peers_data [-- --megabytes N]
//! ```
//!
//! This process starts itself twice, as sender and as receiver, and is their signalling.

#[path = "support/arguments.rs"]
mod arguments;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/log.rs"]
mod log;

use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use arguments::Arguments;
use bytes::Bytes;
use lines::{hear, signal};
use ortc::{
    RTCConnection, RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions,
    RTCDataChannelMessage, RTCDataChannelOptions,
};
use ring::digest;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const MESSAGE: usize = 64 * 1024;
const TIME_LIMIT: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> ExitCode {
    log::install();
    let usage = "two_peers_data [--megabytes N]";
    let arguments = Arguments::read(usage, &["--megabytes", "--role"]);
    let megabytes: u32 = arguments.value("--megabytes").unwrap_or(100);
    let total = megabytes as usize * 1_000_000;
    let outcome = match arguments.text("--role") {
        Some("sender") => send(total).await,
        Some("receiver") => receive().await,
        _ => tokio::time::timeout(TIME_LIMIT, run(total))
            .await
            .unwrap_or_else(|_| Err("time is up".into())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("two_peers_data: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends `total` bytes, then the hash of all of them.
async fn send(total: usize) -> Result<()> {
    let (connection, events) = RTCConnection::new(RTCConnectionOptions::default())?;
    signal(json!({ "iceInfo": connection.local() }));
    let trickling = tokio::spawn(trickle(events));
    let signalling = tokio::spawn(hear(connection.clone()));
    let channel = connection.create_data_channel("file", RTCDataChannelOptions::default())?;
    connection.connected().await?;
    channel.opened().await?;

    let mut hash = digest::Context::new(&digest::SHA256);
    let mut sent = 0;
    let mut number = 0u64;
    while sent < total {
        // No two messages are equal, so that one in the wrong place is noticed.
        let length = MESSAGE.min(total - sent);
        let piece: Vec<u8> = number.to_le_bytes().repeat(MESSAGE / 8);
        let piece = Bytes::from(piece).slice(..length);
        hash.update(&piece);
        channel.send(piece).await?;
        sent += length;
        number += 1;
    }
    channel.send(hex(hash.finish().as_ref())).await?;
    // The receiver's word that it has everything.
    let answer = channel.recv().await.ok_or("closed before the answer")?;
    let rtt = connection.stats().data.round_trip_time;
    channel.close();
    channel.closed().await;
    connection.close();
    signalling.abort();
    trickling.abort();
    let answer = answer.text().unwrap_or_default().to_owned();
    signal(json!({ "report": { "sent": sent, "answer": answer, "rtt": rtt } }));
    Ok(())
}

/// Receives until the hash comes, and says how it went.
async fn receive() -> Result<()> {
    let (connection, mut events) = RTCConnection::new(RTCConnectionOptions::default())?;
    signal(json!({ "iceInfo": connection.local() }));
    let signalling = tokio::spawn(hear(connection.clone()));
    let channel = loop {
        match events.next().await.ok_or("closed before a channel came")? {
            RTCConnectionEvent::DataChannel(channel) => break channel,
            RTCConnectionEvent::Candidate(candidate) => signal(json!({ "candidate": candidate })),
            RTCConnectionEvent::Disconnected { reason } => {
                return Err(format!("nobody was reached: {reason}").into());
            }
            _ => {}
        }
    };
    let start = Instant::now();
    let mut hash = digest::Context::new(&digest::SHA256);
    let (mut bytes, mut told) = (0usize, 0);
    let theirs = loop {
        match channel.recv().await.ok_or("closed before the end")? {
            RTCDataChannelMessage::Binary(piece) => {
                hash.update(&piece);
                bytes += piece.len();
            }
            RTCDataChannelMessage::Text(theirs) => break theirs,
        }
        if bytes / 10_000_000 > told {
            told = bytes / 10_000_000;
            signal(json!({ "progress": told * 10 }));
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let ours = hex(hash.finish().as_ref());
    channel.send(ours.clone()).await?;
    // The sender closes.
    channel.closed().await;
    signalling.abort();
    signal(json!({ "report": {
        "received": bytes,
        "megabytes_per_second": bytes as f64 / 1e6 / seconds,
        "equal": ours == theirs,
        "sha256": ours,
    }}));
    Ok(())
}

async fn trickle(mut events: RTCConnectionEvents) {
    while let Some(event) = events.next().await {
        if let RTCConnectionEvent::Candidate(candidate) = event {
            signal(json!({ "candidate": candidate }));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Starts both peers, carries their signalling, judges their reports.
async fn run(total: usize) -> Result<()> {
    let mut sender = start("sender", total)?;
    let mut receiver = start("receiver", total)?;
    let mut to_sender = sender.stdin.take().ok_or("no pipe to the sender")?;
    let mut to_receiver = receiver.stdin.take().ok_or("no pipe to the receiver")?;
    let mut from_sender =
        BufReader::new(sender.stdout.take().ok_or("no pipe from the sender")?).lines();
    let mut from_receiver =
        BufReader::new(receiver.stdout.take().ok_or("no pipe from the receiver")?).lines();
    let (mut sent, mut received) = (Value::Null, Value::Null);
    while sent.is_null() || received.is_null() {
        tokio::select! {
            line = from_sender.next_line(), if sent.is_null() => {
                let line = line?.ok_or("the sender is gone")?;
                match serde_json::from_str::<Value>(&line)?.get("report") {
                    Some(report) => sent = report.clone(),
                    None => to_receiver.write_all(format!("{line}\n").as_bytes()).await?,
                }
            }
            line = from_receiver.next_line(), if received.is_null() => {
                let line = line?.ok_or("the receiver is gone")?;
                let message: Value = serde_json::from_str(&line)?;
                if let Some(report) = message.get("report") {
                    received = report.clone();
                } else if let Some(progress) = message.get("progress") {
                    println!("{progress} MB");
                } else {
                    to_sender.write_all(format!("{line}\n").as_bytes()).await?;
                }
            }
        }
    }
    // The end of their input lets the peers end.
    drop((to_sender, to_receiver));
    for (name, child) in [("sender", &mut sender), ("receiver", &mut receiver)] {
        let status = child.wait().await?;
        if !status.success() {
            return Err(format!("the {name} failed: {status}").into());
        }
    }
    println!(
        "{} bytes, {:.1} MB/s, round trip {:.2} ms, sha-256 {}",
        received["received"],
        received["megabytes_per_second"]
            .as_f64()
            .unwrap_or_default(),
        sent["rtt"].as_f64().unwrap_or_default() * 1e3,
        received["sha256"].as_str().unwrap_or_default(),
    );
    if received["equal"] != true
        || received["received"] != total
        || sent["answer"] != received["sha256"]
    {
        return Err(format!("what arrived is not what was sent: {sent} {received}").into());
    }
    println!("OK");
    Ok(())
}

fn start(role: &str, total: usize) -> Result<Child> {
    Ok(Command::new(std::env::current_exe()?)
        .args(["--role", role, "--megabytes"])
        .arg((total / 1_000_000).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?)
}
