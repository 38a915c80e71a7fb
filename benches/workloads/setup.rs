//! W3: how long a connection takes to set up. W4: what an idle one occupies.

use std::time::{Duration, Instant};

use crate::measure::{Span, percentile, rss_kb};
use crate::{Arguments, Result, pair};

/// From nothing, certificates included, to connected on both sides; one pair after the other.
pub(crate) async fn time(arguments: Arguments) -> Result<()> {
    let mut milliseconds = Vec::new();
    let span = Span::start();
    for _ in 0..arguments.pairs {
        let start = Instant::now();
        let pair = pair::connect().await?;
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        drop(pair);
        // The farewell of one pair is not part of the next one's time; its CPU is counted.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let used = span.end();
    milliseconds.sort_by(f64::total_cmp);
    println!(
        "W3 ortc threads={} pairs={} wall_med_ms={:.2} p95_ms={:.2} min_ms={:.2} \
         cpu_ms_per_pair={:.3}",
        arguments.threads,
        milliseconds.len(),
        percentile(&milliseconds, 0.5),
        percentile(&milliseconds, 0.95),
        percentile(&milliseconds, 0.0),
        used.cpu.as_secs_f64() * 1e3 / milliseconds.len().max(1) as f64,
    );
    Ok(())
}

/// Growth of the process by connected pairs that carry nothing.
pub(crate) async fn memory(arguments: Arguments) -> Result<()> {
    // The first pair pays for what all share.
    let mut pairs = vec![pair::connect().await?];
    let before = rss_kb();
    for _ in 0..arguments.pairs {
        pairs.push(pair::connect().await?);
    }
    let after = rss_kb();
    println!(
        "W4 ortc threads={} pairs={} rss_kb_per_pair={:.1} (rss {before} -> {after})",
        arguments.threads,
        arguments.pairs,
        after.saturating_sub(before) as f64 / arguments.pairs.max(1) as f64,
    );
    drop(pairs);
    Ok(())
}
