//! Milliseconds since 1970 that never go back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The wall clock as it was at the start, and what tokio's clock counted since.
#[derive(Debug)]
pub struct Clock {
    began: u64,
    start: Instant,
    last: AtomicU64,
}

impl Default for Clock {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            began: since.map_or(0, milliseconds),
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }
}

impl Clock {
    /// Now.
    pub fn now(&self) -> u64 {
        self.began
            .saturating_add(milliseconds(self.start.elapsed()))
    }

    /// Now, or a little later: no two are the same.
    pub fn unique(&self) -> u64 {
        let now = self.now();
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(now.max(last.saturating_add(1)))
            })
            .unwrap_or_default();
        now.max(before.saturating_add(1))
    }
}

/// Whole milliseconds of a time span.
pub fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
