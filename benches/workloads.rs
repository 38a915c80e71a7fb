//! Whole workloads through the public API, both peers in this process, on 127.0.0.1.
//!
//! ```text
//! cargo bench --bench workloads -- w1 [--threads 1|2] [--size BYTES] [--packets N] [--window N]
//! cargo bench --bench workloads -- w2 [--threads 1|2] [--message BYTES] [--total BYTES] [--channels N]
//! cargo bench --bench workloads -- w5 [--subs N] [--rate PACKETS] [--size BYTES] [--seconds N]
//! cargo bench --bench workloads -- w6 [--delay-ms MS] [--loss PERCENT] [--seconds N] (and those of w2)
//! cargo bench --bench workloads -- soak [--read-mbps MB] [--corrupt PERCENT] (and those of w6)
//! cargo bench --bench workloads -- churn [--seconds N]
//! cargo bench --bench workloads -- w3 [--threads 1|2] [--pairs N]
//! cargo bench --bench workloads -- w4 [--threads 1|2] [--pairs N]
//! ```
//!
//! With `ORTC_BENCH_BY` the two meet another way: `tcp` is ICE over TCP; a URL is that of a TURN server
//! with the user `user` and the password `pass`, between relays of which everything goes
//! (`ORTC_BENCH_CERTIFICATE`: a file of what it is trusted by over TLS). `benches/by` measures all.
//!
//! One line a run. CPU is user and system time of the process, so of both peers together.

#[path = "workloads/data.rs"]
mod data;
#[path = "workloads/fan.rs"]
mod fan;
#[path = "workloads/measure.rs"]
mod measure;
#[path = "workloads/media.rs"]
mod media;
#[path = "workloads/pair.rs"]
mod pair;
#[path = "workloads/relay.rs"]
mod relay;
#[path = "workloads/setup.rs"]
mod setup;
#[path = "workloads/soak.rs"]
mod soak;

use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What the command line says.
#[derive(Debug, Clone, Copy)]
struct Arguments {
    threads: usize,
    size: usize,
    packets: u64,
    window: u64,
    pairs: usize,
    message: usize,
    total: u64,
    channels: usize,
    delay_ms: u64,
    loss: f64,
    corrupt: f64,
    read_mbps: f64,
    seconds: u64,
    subs: usize,
    rate: u64,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            threads: 1,
            size: 1_200,
            packets: 400_000,
            window: 512,
            pairs: 200,
            message: 65_536,
            total: 1_000_000_000,
            channels: 1,
            delay_ms: 0,
            loss: 0.0,
            corrupt: 0.0,
            read_mbps: 0.0,
            seconds: 20,
            subs: 50,
            rate: 2_000,
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<(Vec<String>, Arguments)> {
    let (mut workloads, mut arguments) = (Vec::new(), Arguments::default());
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--threads" => arguments.threads = value()?.parse()?,
            "--size" => arguments.size = value()?.parse()?,
            "--packets" => arguments.packets = value()?.parse()?,
            "--window" => arguments.window = value()?.parse()?,
            "--pairs" => arguments.pairs = value()?.parse()?,
            "--message" => arguments.message = value()?.parse()?,
            "--total" => arguments.total = value()?.parse()?,
            "--channels" => arguments.channels = value()?.parse()?,
            "--delay-ms" => arguments.delay_ms = value()?.parse()?,
            "--loss" => arguments.loss = value()?.parse()?,
            "--corrupt" => arguments.corrupt = value()?.parse()?,
            "--read-mbps" => arguments.read_mbps = value()?.parse()?,
            "--subs" => arguments.subs = value()?.parse()?,
            "--rate" => arguments.rate = value()?.parse()?,
            "--seconds" => arguments.seconds = value()?.parse()?,
            // What cargo adds.
            "--bench" => {}
            "w1" | "w2" | "w3" | "w4" | "w5" | "w6" | "soak" | "churn" => workloads.push(word),
            _ => {
                let known = "w1, w2, w3, w4, w5, w6, soak, churn and the options";
                return Err(format!("unknown: {word}; {known} are").into());
            }
        }
    }
    Ok((workloads, arguments))
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("relay") {
        return match relay::run(std::env::args().skip(2)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let outcome = parse(std::env::args().skip(1)).and_then(|(workloads, arguments)| {
        let runtime = match arguments.threads {
            1 => tokio::runtime::Builder::new_current_thread(),
            threads => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(threads);
                builder
            }
        }
        .enable_all()
        .build()?;
        for workload in workloads {
            // A task, so that with several threads none of the work is on the main thread.
            runtime.block_on(async {
                match workload.as_str() {
                    "w1" => tokio::spawn(media::one_way(arguments)).await?,
                    "w2" => tokio::spawn(data::throughput("W2", arguments)).await?,
                    "w5" => tokio::spawn(fan::out(arguments)).await?,
                    "w6" => tokio::spawn(data::throughput("W6", arguments)).await?,
                    "soak" => tokio::spawn(soak::slow_reader(arguments)).await?,
                    "churn" => tokio::spawn(soak::churn(arguments)).await?,
                    "w3" => tokio::spawn(setup::time(arguments)).await?,
                    _ => tokio::spawn(setup::memory(arguments)).await?,
                }
            })?;
        }
        Ok(())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workloads: {error}");
            ExitCode::FAILURE
        }
    }
}
