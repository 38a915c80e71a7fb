//! Points in time as the statistics give them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The W3C's unit of points in time; before 1970 is 1970.
pub(super) fn milliseconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1_000.0
}

/// The same for a moment that has passed.
pub(super) fn wall_clock(at: Instant) -> f64 {
    let now = SystemTime::now();
    milliseconds(now.checked_sub(at.elapsed()).unwrap_or(now))
}
