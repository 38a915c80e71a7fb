//! W1: RTP packets one way, as fast as a window of unread packets allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ortc::rtp::RtpPacket;
use ortc::{MediaStream, MediaStreamTrack};
use tokio::sync::Notify;

use crate::measure::Span;
use crate::{Arguments, Result, pair};

/// No packet for so long: what is missing is lost.
const GIVE_UP: Duration = Duration::from_millis(300);

/// What the reader tells the writer.
#[derive(Default)]
struct Progress {
    got: AtomicU64,
    sent: AtomicU64,
    waiting: AtomicBool,
    moved: Notify,
}

pub(crate) async fn one_way(arguments: Arguments) -> Result<()> {
    let Arguments {
        size,
        packets,
        window,
        ..
    } = arguments;
    let pair = pair::connect().await?;
    let outgoing = MediaStreamTrack::video();
    let stream = MediaStream::new();
    let outgoing = stream.add_track(&outgoing);
    pair.a.add_stream(&stream)?;
    let sending = pair.a.track(&outgoing).ok_or("the track is not sent")?;
    let incoming = pair.b.receive_track(sending.description()?)?;

    let progress = Arc::new(Progress::default());
    let span = Span::start();
    let reader = tokio::spawn(read(incoming, progress.clone(), packets, window));
    let mut packet = RtpPacket {
        marker: false,
        payload_type: 0,
        sequence_number: 0,
        timestamp: 0,
        ssrc: 0,
        csrcs: Vec::new(),
        extensions: Default::default(),
        payload: Bytes::from(vec![7; size]),
    };
    let mut lost = 0;
    for sent in 0..packets {
        while sent - lost - progress.got.load(Ordering::Acquire) >= window {
            progress.waiting.store(true, Ordering::Release);
            if sent - lost - progress.got.load(Ordering::Acquire) <= window / 2 {
                break;
            }
            let moved = progress.moved.notified();
            if tokio::time::timeout(GIVE_UP, moved).await.is_err() {
                lost = sent - progress.got.load(Ordering::Acquire);
            }
        }
        packet.sequence_number = sent as u16;
        packet.timestamp = (sent * 9) as u32;
        outgoing.write_rtp(&packet)?;
        progress.sent.store(sent + 1, Ordering::Release);
    }
    let ended = tokio::time::timeout(GIVE_UP, reader).await;
    let used = span.end();
    if let Ok(result) = ended {
        result?;
    }
    let got = progress.got.load(Ordering::Acquire);
    println!(
        "W1 ortc gcm128 threads={} payload={size} sent={packets} got={got} loss={:.3}% \
         wall={:.3}s pps={:.0} cpu_us_per_pkt={:.3}",
        arguments.threads,
        100.0 * packets.saturating_sub(got) as f64 / packets.max(1) as f64,
        used.wall.as_secs_f64(),
        got as f64 / used.wall.as_secs_f64(),
        used.cpu.as_secs_f64() * 1e6 / got.max(1) as f64,
    );
    Ok(())
}

async fn read(track: MediaStreamTrack, progress: Arc<Progress>, packets: u64, window: u64) {
    let mut got = 0;
    while got < packets && track.recv_rtp().await.is_some() {
        got += 1;
        progress.got.store(got, Ordering::Release);
        if progress.waiting.load(Ordering::Acquire)
            && progress.sent.load(Ordering::Acquire).saturating_sub(got) <= window / 2
        {
            progress.waiting.store(false, Ordering::Release);
            progress.moved.notify_one();
        }
    }
}
