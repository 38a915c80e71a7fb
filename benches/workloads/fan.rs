//! W5: one publisher, a forwarder in a thread of its own, and many who watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ortc::rtp::RtpPacket;
use ortc::{MediaForward, MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvents};
use tokio::runtime::Handle;

use crate::measure::{Span, thread_cpu};
use crate::{Arguments, Result, pair};

/// Packets between two key frames.
const KEYFRAMES: u64 = 2_000;
/// What is under way at the end arrives.
const LAST: Duration = Duration::from_millis(200);

type End = (RTCConnection, RTCConnectionEvents);

/// The forwarder's connections, and what it sends on.
struct Forwarder {
    /// Where its socket is served, by a thread that does nothing else.
    runtime: Handle,
    _ends: Vec<End>,
    forwards: Vec<MediaForward>,
}

fn forwarder_thread() -> Result<Handle> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        if let Ok(runtime) = { runtime }.enable_all().build() {
            let _ = tell.send(runtime.handle().clone());
            runtime.block_on(std::future::pending::<()>());
        }
    });
    Ok(told.recv()?)
}

/// CPU time of the forwarder's thread.
async fn cpu_of(runtime: &Handle) -> Result<Duration> {
    Ok(runtime.spawn(async { thread_cpu() }).await?)
}

pub(crate) async fn out(arguments: Arguments) -> Result<()> {
    let Arguments {
        size,
        subs,
        rate,
        seconds,
        ..
    } = arguments;
    let mut forwarder = Forwarder {
        runtime: forwarder_thread()?,
        _ends: Vec::new(),
        forwards: Vec::new(),
    };
    let (publisher, input) = {
        let publisher = pair::end(None)?;
        let _inside = forwarder.runtime.enter();
        (publisher, pair::end(None)?)
    };
    let (publisher, input) = pair::join(publisher, input).await?;
    let stream = MediaStream::new();
    let outgoing = stream.add_track(&MediaStreamTrack::video());
    publisher.0.add_stream(&stream)?;
    let sending = publisher.0.track(&outgoing).ok_or("not sent")?;
    let source = input.0.receive_track(sending.description()?)?;

    let got = Arc::new(AtomicU64::new(0));
    let mut watchers = Vec::new();
    for _ in 0..subs {
        let watcher = pair::end(None)?;
        let server = {
            let _inside = forwarder.runtime.enter();
            pair::end(Some(input.0.local_socket()))?
        };
        let (watcher, server) = pair::join(watcher, server).await?;
        let forward = source.forward()?;
        let stream = MediaStream::new();
        let local = stream.add_track(forward.track());
        server.0.add_stream(&stream)?;
        let sent = server.0.track(&local).ok_or("not sent")?;
        let track = watcher.0.receive_track(sent.description()?)?;
        let got = got.clone();
        tokio::spawn(async move {
            while track.recv_rtp().await.is_some() {
                got.fetch_add(1, Ordering::Relaxed);
            }
        });
        watchers.push(watcher);
        forwarder._ends.push(server);
        forwarder.forwards.push(forward);
    }

    let before = cpu_of(&forwarder.runtime).await?;
    let span = Span::start();
    let sent = publish(&outgoing, size, rate, Duration::from_secs(seconds)).await?;
    tokio::time::sleep(LAST).await;
    let used = span.end();
    let cpu = cpu_of(&forwarder.runtime).await?.saturating_sub(before);
    let out = got.load(Ordering::Relaxed);
    let per_out = |cpu: Duration| cpu.as_secs_f64() * 1e6 / out.max(1) as f64;
    println!(
        "W5 ortc subs={subs} rate={rate} size={size} sent={sent} out={out} delivered={:.1}% \
         cpu_pct={:.1} total_us_per_out={:.3} sfu_us_per_out={:.3}",
        100.0 * out as f64 / (sent * subs as u64).max(1) as f64,
        100.0 * used.cpu.as_secs_f64() / used.wall.as_secs_f64(),
        per_out(used.cpu),
        per_out(cpu),
    );
    Ok(())
}

/// Sends at a rate, what is due once a millisecond.
async fn publish(track: &MediaStreamTrack, size: usize, rate: u64, time: Duration) -> Result<u64> {
    // VP8: the first packet of a key frame, and of another.
    let frame = |tag: u8| {
        let mut payload = vec![7; size.max(2)];
        payload.splice(..2, [0x10, tag]);
        Bytes::from(payload)
    };
    let (key, other) = (frame(0), frame(1));
    let (start, mut sent) = (Instant::now(), 0u64);
    let mut packet = RtpPacket::default();
    while start.elapsed() < time {
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due {
            let is_key = sent.is_multiple_of(KEYFRAMES);
            packet.payload = if is_key { key.clone() } else { other.clone() };
            packet.sequence_number = sent as u16;
            packet.timestamp = (sent * 45) as u32;
            track.write_rtp(&packet)?;
            sent += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(sent)
}
