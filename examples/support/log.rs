//! The log of an example, on stderr: stdout stays what the read-me says.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Writes what `RUST_LOG` lets through, as `ortc=info` or `ortc::ice=debug,warn`; the crate's
/// warnings unless it is set. The DTLS below it warns of each extension that browsers always send.
pub(crate) fn install() {
    let wish = std::env::var("RUST_LOG").unwrap_or_default();
    let warnings = Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_target("ortc", LevelFilter::WARN);
    let targets = match wish.as_str() {
        "" => warnings,
        wish => wish.parse().unwrap_or_else(|error| {
            eprintln!("RUST_LOG is not understood: {error}");
            warnings
        }),
    };
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(to_stderr)
        .with(targets)
        .init();
}
