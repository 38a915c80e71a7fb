//! The log: on standard error, by `RUST_LOG`; warnings without it.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Installs it. `ORTC_LOG=json` makes each line an object.
pub(crate) fn install() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::env::var_os("ORTC_LOG").is_some_and(|form| form == "json") {
        log.json().init();
    } else {
        log.init();
    }
}
