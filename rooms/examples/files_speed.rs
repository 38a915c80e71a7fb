//! How fast files go beside the raw data channel, between two processes over loopback, and what
//! memory each end takes.
//!
//! ```sh
//! cargo run --release -p ortc-rooms --example files_speed -- 1000
//! ```
//! The argument is the size in MB; a second one is how often. Memory is what each end takes beyond
//! what it has while it is connected and nothing goes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ortc::{
    RTCConnection, RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions, RTCDataChannel,
    RTCDataChannelMessage, RTCDataChannelOptions, RTCIceCandidateDescription,
};
use ortc_rooms::files::{FileOffer, ReceiveOptions, SendOptions, Source, Transfer};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const RAW: &str = "raw";
const FILES: &str = "files";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--receive") => receive(Path::new(&arguments[1]), arguments[2].parse()?).await,
        size => {
            let size = size.unwrap_or("1000").parse::<usize>()? * 1_000_000;
            let times = arguments.get(1).map_or(Ok(3), |times| times.parse())?;
            send(size, times).await
        }
    }
}

/// The end that measures.
async fn send(size: usize, times: u32) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("ortc-files-speed-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("to"))?;
    let path = write(&folder, size)?;
    let mut other = tokio::process::Command::new(std::env::current_exe()?)
        .arg("--receive")
        .args([&folder.join("to"), Path::new(&size.to_string())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (input, output) = (other.stdin.take(), other.stdout.take());
    let (input, output) = (input.ok_or("no pipe")?, output.ok_or("no pipe")?);
    let (connection, _events, mut lines, _input) = connect(input, output).await?;
    let mut shares = Vec::new();
    for _ in 0..times {
        let begun = Instant::now();
        let (_, here) = at_cost(raw(&connection, size)).await?;
        let raw_seconds = begun.elapsed().as_secs_f64();
        let (_, there): (String, Cost) = said(&mut lines).await?;
        let raw_cost = [here, there];

        let source = Arc::new(Source::open([&path]).await?);
        let begun = Instant::now();
        let channel = connection.create_data_channel(FILES, RTCDataChannelOptions::default())?;
        let sent = Transfer::send(channel, source, SendOptions::default());
        let (done, here) = at_cost(async { Ok(sent.finished().await?) }).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let (hash, there): (String, Cost) = said(&mut lines).await?;
        assert_eq!(done[0].hash.clone()?.to_string(), hash);
        assert_eq!(blake3(&folder.join("to/file"))?, hash);
        let cost = [here, there];
        let share = 100.0 * raw_seconds / seconds;
        shares.push(share);
        println!(
            "{} MB: raw {:.0} MB/s, file {:.0} MB/s ({share:.0} %); raw took {}, file {}",
            size / 1_000_000,
            size as f64 / 1e6 / raw_seconds,
            size as f64 / 1e6 / seconds,
            words(raw_cost),
            words(cost),
        );
        std::fs::remove_file(folder.join("to/file"))?;
    }
    shares.sort_by(f64::total_cmp);
    println!(
        "median {:.0} % of the raw channel",
        shares[shares.len() / 2]
    );
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

async fn said<O: AsyncRead + Unpin>(lines: &mut Lines<BufReader<O>>) -> Result<(String, Cost)> {
    Ok(serde_json::from_str(
        &lines.next_line().await?.ok_or("it ended")?,
    )?)
}

fn words([here, there]: [Cost; 2]) -> String {
    format!(
        "{} and {} KiB, {:.1} and {:.1} s of processors",
        here.memory, there.memory, here.processors, there.processors
    )
}

async fn raw(connection: &RTCConnection, size: usize) -> Result<()> {
    let channel = connection.create_data_channel(RAW, RTCDataChannelOptions::default())?;
    let message = Bytes::from(vec![7; 64 * 1024]);
    let mut sent = 0;
    while sent < size {
        channel.send(message.clone()).await?;
        sent += message.len();
    }
    // The other end has all of it.
    channel.recv().await.ok_or("the channel ended")?;
    channel.close();
    Ok(())
}

/// The other end.
async fn receive(to: &Path, size: usize) -> Result<()> {
    let (_connection, mut events, _lines, mut out) =
        connect(tokio::io::stdout(), tokio::io::stdin()).await?;
    while let Some(event) = events.next().await {
        let RTCConnectionEvent::DataChannel(channel) = event else {
            continue;
        };
        let said = match channel.label() {
            RAW => at_cost(swallow(channel, size)).await?,
            _ => at_cost(take(channel, to)).await?,
        };
        let said = serde_json::to_string(&said)?;
        out.write_all(format!("{said}\n").as_bytes()).await?;
        out.flush().await?;
    }
    Ok(())
}

async fn swallow(channel: RTCDataChannel, size: usize) -> Result<String> {
    let mut bytes = 0;
    while bytes < size {
        bytes += channel.recv().await.ok_or("the channel ended")?.len();
    }
    channel
        .send(RTCDataChannelMessage::Text("done".into()))
        .await?;
    while channel.recv().await.is_some() {}
    Ok(String::new())
}

async fn take(channel: RTCDataChannel, to: &Path) -> Result<String> {
    let offer = FileOffer::receive(channel).await?;
    let done = offer
        .accept(to, ReceiveOptions::default())
        .finished()
        .await?;
    Ok(done[0].hash.clone()?.to_string())
}

/// A connection to the process at the other end of two pipes, and the pipes.
async fn connect<I: AsyncWrite + Unpin, O: AsyncRead + Unpin>(
    mut out: I,
    input: O,
) -> Result<(RTCConnection, RTCConnectionEvents, Lines<BufReader<O>>, I)> {
    let options = RTCConnectionOptions::default().bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let (connection, mut events) = RTCConnection::new(options)?;
    let mut candidates = Vec::new();
    loop {
        match events.next().await.ok_or("the connection ended")? {
            RTCConnectionEvent::Candidate(candidate) => candidates.push(candidate),
            RTCConnectionEvent::EndOfCandidates => break,
            _ => {}
        }
    }
    let said = serde_json::to_string(&(connection.local(), candidates))?;
    out.write_all(format!("{said}\n").as_bytes()).await?;
    out.flush().await?;
    let mut lines = BufReader::new(input).lines();
    let heard = lines.next_line().await?.ok_or("nobody there")?;
    let (remote, candidates): (_, Vec<RTCIceCandidateDescription>) = serde_json::from_str(&heard)?;
    connection.set_remote(remote)?;
    for candidate in &candidates {
        connection.set_remote_candidate(candidate)?;
    }
    connection.connect()?;
    connection.connected().await?;
    Ok((connection, events, lines, out))
}

fn write(folder: &Path, size: usize) -> Result<PathBuf> {
    let path = folder.join("file");
    let mut file = std::fs::File::create(&path)?;
    let mut block: Vec<u8> = (0..1_000_000_usize).map(|n| (n * 31 / 7) as u8).collect();
    for n in 0..size / block.len() {
        block[..8].copy_from_slice(&(n as u64).to_le_bytes());
        std::io::Write::write_all(&mut file, &block)?;
    }
    Ok(path)
}

fn blake3(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// What a part took of this process: KiB of memory beyond what it had, and seconds of processors.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Cost {
    memory: u64,
    processors: f64,
}

/// What it returns, and what it took. Linux alone tells.
async fn at_cost<T>(what: impl Future<Output = Result<T>>) -> Result<(T, Cost)> {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = (status("VmRSS:"), processors());
    let done = what.await?;
    let cost = Cost {
        memory: status("VmHWM:").saturating_sub(before.0),
        processors: processors() - before.1,
    };
    Ok((done, cost))
}

/// Seconds of all threads: `utime` and `stime`, in ticks of 10 ms.
fn processors() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let digits = line.unwrap_or_default().trim().trim_end_matches(" kB");
    digits.trim().parse().unwrap_or_default()
}
