//! The log: on standard error, by `RUST_LOG`; warnings without it. The last of it is kept for a
//! report.

use std::sync::OnceLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::ring::Ring;

static RING: OnceLock<Ring> = OnceLock::new();

/// Installs it. `ORTC_LOG=json` makes each line an object.
pub(crate) fn install() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match std::env::var_os("ORTC_LOG").is_some_and(|form| form == "json") {
        true => log.json().with_filter(filter).boxed(),
        false => log.with_filter(filter).boxed(),
    };
    // Below, the log may name addresses.
    let ring = RING.get_or_init(Ring::new).clone();
    tracing_subscriber::registry()
        .with(log)
        .with(ring.with_filter(LevelFilter::INFO))
        .init();
}

/// The last of what was said, without addresses.
pub(crate) fn kept() -> String {
    RING.get().map(Ring::text).unwrap_or_default()
}
