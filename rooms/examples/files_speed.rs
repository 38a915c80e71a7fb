//! How fast files go beside the raw data channel, over loopback, and what memory they take.
//!
//! ```sh
//! cargo run --release -p ortc-rooms --example files_speed -- 1000
//! ```
//! The argument is the size in MB.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ortc::{
    RTCConnection, RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions, RTCDataChannel,
    RTCDataChannelOptions,
};
use ortc_rooms::files::{FileOffer, ReceiveOptions, SendOptions, Source, Transfer};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let size = std::env::args().nth(1).unwrap_or_else(|| "1000".into());
    let size: usize = size.parse::<usize>()? * 1_000_000;
    let folder = std::env::temp_dir().join(format!("ortc-files-speed-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("to"))?;
    let path = folder.join("file");
    let block: Vec<u8> = (0..1_000_000_usize).map(|n| (n * 31 / 7) as u8).collect();
    let mut file = std::fs::File::create(&path)?;
    for _ in 0..size / block.len() {
        std::io::Write::write_all(&mut file, &block)?;
    }
    drop(file);
    let (from, _from_events, mut events) = pair().await?;
    for _ in 0..3 {
        let raw = raw(&from, &mut events, size).await?;
        let before = resident();
        let files = files(&from, &mut events, &path, &folder.join("to")).await?;
        println!(
            "{size} bytes: raw {raw:.0} MB/s, files {files:.0} MB/s ({:.0} %); memory {before} KiB before, at most {} KiB",
            100.0 * files / raw,
            peak()
        );
        std::fs::remove_file(folder.join("to/file"))?;
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

async fn raw(from: &RTCConnection, events: &mut RTCConnectionEvents, size: usize) -> Result<f64> {
    let (one, other) = channel(from, events).await?;
    let begun = Instant::now();
    let read = tokio::spawn(async move {
        let mut bytes = 0;
        while bytes < size {
            match other.recv().await {
                Some(message) => bytes += message.len(),
                None => break,
            }
        }
    });
    let message = Bytes::from(vec![7; 64 * 1024]);
    let mut sent = 0;
    while sent < size {
        one.send(message.clone()).await?;
        sent += message.len();
    }
    read.await?;
    Ok(size as f64 / 1e6 / begun.elapsed().as_secs_f64())
}

async fn files(
    from: &RTCConnection,
    events: &mut RTCConnectionEvents,
    path: &std::path::Path,
    to: &std::path::Path,
) -> Result<f64> {
    let (one, other) = channel(from, events).await?;
    let source = Arc::new(Source::open([path]).await?);
    let size = source.bytes();
    clear_peak();
    let begun = Instant::now();
    let sent = Transfer::send(one, source, SendOptions::default());
    let got = FileOffer::receive(other)
        .await?
        .accept(to, ReceiveOptions::default());
    got.finished().await?;
    let rate = size as f64 / 1e6 / begun.elapsed().as_secs_f64();
    sent.finished().await?;
    Ok(rate)
}

async fn channel(
    from: &RTCConnection,
    events: &mut RTCConnectionEvents,
) -> Result<(RTCDataChannel, RTCDataChannel)> {
    let one = from.create_data_channel("speed", RTCDataChannelOptions::default())?;
    loop {
        match events.next().await.ok_or("the connection ended")? {
            RTCConnectionEvent::DataChannel(other) => return Ok((one, other)),
            _ => continue,
        }
    }
}

async fn pair() -> Result<(RTCConnection, RTCConnectionEvents, RTCConnectionEvents)> {
    let options = || RTCConnectionOptions::default().bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let (a, mut a_events) = RTCConnection::new(options())?;
    let (b, mut b_events) = RTCConnection::new(options())?;
    a.set_remote(b.local())?;
    b.set_remote(a.local())?;
    tell(&mut a_events, &b).await?;
    tell(&mut b_events, &a).await?;
    a.connect()?;
    b.connect()?;
    a.connected().await?;
    b.connected().await?;
    // Its end lives as long as its events are read.
    std::mem::forget(b);
    Ok((a, a_events, b_events))
}

async fn tell(events: &mut RTCConnectionEvents, to: &RTCConnection) -> Result<()> {
    loop {
        match events.next().await.ok_or("the connection ended")? {
            RTCConnectionEvent::Candidate(candidate) => to.set_remote_candidate(&candidate)?,
            RTCConnectionEvent::EndOfCandidates => return Ok(()),
            _ => {}
        }
    }
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let digits = line.unwrap_or_default().trim().trim_end_matches(" kB");
    digits.trim().parse().unwrap_or_default()
}

fn resident() -> u64 {
    status("VmRSS:")
}

fn peak() -> u64 {
    status("VmHWM:")
}

/// Linux forgets the peak.
fn clear_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
