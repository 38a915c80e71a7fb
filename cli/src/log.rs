//! The log: on standard error, by `RUST_LOG`; warnings without it. The last of it is kept for a
//! report.

use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::ring::Ring;

static RING: OnceLock<Ring> = OnceLock::new();

/// The DTLS below warns of each extension that browsers always send.
const NOISY: (&str, LevelFilter) = ("rtc_dtls", LevelFilter::ERROR);

/// What is logged, as `RUST_LOG` wishes.
fn filter(wish: &str) -> EnvFilter {
    let warnings = format!("warn,{}={}", NOISY.0, NOISY.1);
    let wish = if wish.is_empty() { &warnings } else { wish };
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into());
    filter.parse_lossy(wish)
}

/// Installs it. `ORTC_LOG=json` makes each line an object.
pub(crate) fn install() {
    let filter = filter(&std::env::var("RUST_LOG").unwrap_or_default());
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match std::env::var_os("ORTC_LOG").is_some_and(|form| form == "json") {
        true => log.json().with_filter(filter).boxed(),
        false => log.with_filter(filter).boxed(),
    };
    // Below, the log may name addresses.
    let ring = RING.get_or_init(Ring::new).clone();
    tracing_subscriber::registry()
        .with(log)
        .with(
            ring.with_filter(
                Targets::new()
                    .with_default(LevelFilter::INFO)
                    .with_targets([NOISY]),
            ),
        )
        .init();
}

/// The last of what was said, without addresses.
pub(crate) fn kept() -> String {
    RING.get().map(Ring::text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn warnings_are_said_but_not_of_what_browsers_always_send() {
        let unsaid = filter("").to_string();
        assert!(
            unsaid.contains("rtc_dtls=error") && unsaid.contains("warn"),
            "{unsaid}"
        );
        assert_eq!(filter("rtc_dtls=debug").to_string(), "rtc_dtls=debug");
        assert_eq!(filter("ortc=info").to_string(), "ortc=info");
    }
}
