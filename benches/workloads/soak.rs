//! Many bytes through one data channel to a reader that is slow, or over a path that flips bits:
//! all of them arrive as they were, and what waits stays bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ring::digest::{Context, SHA256};

use crate::measure::{Span, rss_kb};
use crate::{Arguments, Result, data, pair};

/// Sends `total` bytes; the reader takes no more than `read_mbps` MB a second, if that is not 0.
pub(crate) async fn slow_reader(arguments: Arguments) -> Result<()> {
    let mut pair = if arguments.delay_ms > 0 || arguments.loss > 0.0 || arguments.corrupt > 0.0 {
        pair::connect_through(&arguments).await?
    } else {
        pair::connect().await?
    };
    let mut idle = Vec::new();
    let (from, to) = data::channel(&mut pair, &mut idle).await?;
    let start = rss_kb();
    let span = Span::start();
    let reader = tokio::spawn(async move {
        let mut hash = Context::new(&SHA256);
        let mut bytes = 0;
        let begin = Instant::now();
        while bytes < arguments.total {
            let Some(message) = to.recv().await else {
                break;
            };
            bytes += message.len() as u64;
            hash.update(&message.into_bytes());
            if arguments.read_mbps > 0.0 {
                let due = bytes as f64 / (arguments.read_mbps * 1e6);
                tokio::time::sleep_until((begin + Duration::from_secs_f64(due)).into()).await;
            }
        }
        (bytes, hash.finish())
    });
    // Memory is looked at all the time, not only when a message has gone.
    let (peak, done) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let watcher = std::thread::spawn({
        let (peak, done) = (peak.clone(), done.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(rss_kb(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let mut hash = Context::new(&SHA256);
    let mut content: Vec<u8> = (0..arguments.message)
        .map(|n| (n * 7 + n / 256) as u8)
        .collect();
    let (mut sent, mut waiting, mut told) = (0, 0, Instant::now());
    while sent < arguments.total {
        // Each message differs from all others.
        for (place, byte) in content.iter_mut().zip(sent.to_be_bytes()) {
            *place = byte;
        }
        hash.update(&content);
        from.send(Bytes::copy_from_slice(&content)).await?;
        waiting = waiting.max(from.buffered_amount());
        sent += arguments.message as u64;
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            eprintln!("{} of {} MB", sent / 1_000_000, arguments.total / 1_000_000);
        }
    }
    let (bytes, arrived) = reader.await?;
    done.store(true, Ordering::Relaxed);
    let _ = watcher.join();
    let used = span.end();
    let equal = bytes == sent && arrived.as_ref() == hash.finish().as_ref();
    println!(
        "SOAK ortc message={} read_MBps={} corrupt={} loss={} delay_ms={} bytes={bytes} \
         hash_equal={equal} buffered_peak={waiting} rss_kb start={start} peak={} end={} \
         wall_s={:.1} cpu_s_per_GB={:.2}",
        arguments.message,
        arguments.read_mbps,
        arguments.corrupt,
        arguments.loss,
        arguments.delay_ms,
        peak.load(Ordering::Relaxed),
        rss_kb(),
        used.wall.as_secs_f64(),
        used.cpu.as_secs_f64() / (bytes.max(1) as f64 / 1e9),
    );
    if equal {
        Ok(())
    } else {
        Err("what arrived is not what was sent".into())
    }
}

/// Opens channels from both ends, a message through each, and closes them, `seconds` long.
pub(crate) async fn churn(arguments: Arguments) -> Result<()> {
    let mut pair = pair::connect().await?;
    let limit = Instant::now() + Duration::from_secs(arguments.seconds);
    let span = Span::start();
    let (mut rounds, mut first, mut last, mut highest) = (0u64, 0, 0, 0);
    while Instant::now() < limit {
        // The same number from both ends at once.
        let ends = [pair.a.clone(), pair.b.clone()];
        let mut ours = Vec::new();
        for n in 0..25 {
            for (side, end) in ends.iter().enumerate() {
                let label = format!("{rounds}/{n}");
                ours.push((side, end.create_data_channel(label, Default::default())?));
            }
        }
        for side in [0, 1] {
            for _ in 0..25 {
                let there = pair.incoming(1 - side).await?;
                there.send(there.label().to_owned()).await?;
                drop(there);
            }
        }
        for (_, here) in ours {
            let message = here.recv().await.ok_or("a channel closed unheard")?;
            if message.text() != Some(here.label()) {
                return Err(format!("{:?} came on {}", message.text(), here.label()).into());
            }
            highest = highest.max(here.id().unwrap_or_default());
            here.close();
            here.closed().await;
        }
        rounds += 1;
        last = rss_kb();
        if rounds == 20 {
            first = last;
        }
    }
    let used = span.end();
    let channels = rounds * 50;
    println!(
        "CHURN ortc channels={channels} per_s={:.0} highest_id={highest} rss_kb after_1000={first} \
         end={last} cpu_us_per_channel={:.0}",
        channels as f64 / used.wall.as_secs_f64(),
        used.cpu.as_micros() as f64 / channels.max(1) as f64,
    );
    Ok(())
}
