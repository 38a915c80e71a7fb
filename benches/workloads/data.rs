//! W2: bytes through one data channel, as fast as it takes them. W6: the same over a path with
//! delay and loss.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ortc::{RTCConnectionEvent, RTCDataChannel, RTCDataChannelOptions};

use crate::measure::Span;
use crate::pair::{self, Pair};
use crate::{Arguments, Result};

/// A channel between the two ends of a pair.
pub(crate) async fn channel(
    pair: &mut Pair,
    idle: &mut Vec<RTCDataChannel>,
) -> Result<(RTCDataChannel, RTCDataChannel)> {
    let options = RTCDataChannelOptions::default();
    let from = pair.a.create_data_channel("bench", options)?;
    from.opened().await?;
    loop {
        match pair.events_b().next().await {
            Some(RTCConnectionEvent::DataChannel(to)) if to.label() == "bench" => {
                return Ok((from, to));
            }
            // Dropping it would close it.
            Some(RTCConnectionEvent::DataChannel(other)) => idle.push(other),
            Some(_) => {}
            None => return Err("no data channel came".into()),
        }
    }
}

/// Sends `total` bytes in messages of `message` bytes for at most `seconds`.
pub(crate) async fn throughput(name: &str, arguments: Arguments) -> Result<()> {
    let mut pair = if arguments.delay_ms > 0 || arguments.loss > 0.0 {
        pair::connect_through(&arguments).await?
    } else {
        pair::connect().await?
    };
    // Channels that are open and carry nothing.
    let mut idle = Vec::new();
    for n in 1..arguments.channels {
        let options = RTCDataChannelOptions::default();
        idle.push(pair.a.create_data_channel(n.to_string(), options)?);
    }
    let (from, to) = channel(&mut pair, &mut idle).await?;
    let limit = Instant::now() + Duration::from_secs(arguments.seconds);
    let span = Span::start();
    let reader = tokio::spawn(async move {
        let (mut bytes, mut messages) = (0u64, 0u64);
        while bytes < arguments.total {
            match tokio::time::timeout_at(limit.into(), to.recv()).await {
                Ok(Some(message)) => {
                    bytes += message.len() as u64;
                    messages += 1;
                }
                _ => break,
            }
        }
        (bytes, messages)
    });
    let message = Bytes::from(vec![5; arguments.message]);
    let mut sent = 0;
    while sent < arguments.total {
        let sending = from.send(message.clone());
        match tokio::time::timeout_at(limit.into(), sending).await {
            Ok(result) => result?,
            Err(_) => break,
        }
        sent += arguments.message as u64;
    }
    let (bytes, messages) = reader.await?;
    let used = span.end();
    let (wall, cpu) = (used.wall.as_secs_f64(), used.cpu.as_secs_f64());
    println!(
        "{name} ortc threads={} message={} channels={} delay_ms={} loss={} bytes={bytes} \
         MBps={:.2} msgs_per_s={:.0} cpu_s_per_GB={:.2} wall_s={wall:.2}",
        arguments.threads,
        arguments.message,
        arguments.channels,
        arguments.delay_ms,
        arguments.loss,
        bytes as f64 / 1e6 / wall,
        messages as f64 / wall,
        cpu / (bytes.max(1) as f64 / 1e9),
    );
    Ok(())
}
