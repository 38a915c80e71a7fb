//! What was measured.

use std::fmt;
use std::time::Duration;

/// Of one rate.
pub(crate) struct Figures {
    pub(crate) rate: usize,
    pub(crate) said: usize,
    pub(crate) wanted: usize,
    pub(crate) heard: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) most: Duration,
}

impl Figures {
    pub(crate) fn new(rate: usize, said: usize, receivers: usize, mut delays: Vec<u64>) -> Self {
        delays.sort_unstable();
        let at = |hundredth: usize| {
            let index = (delays.len() * hundredth / 100).min(delays.len().saturating_sub(1));
            Duration::from_micros(delays.get(index).copied().unwrap_or(0))
        };
        Self {
            rate,
            said,
            wanted: said * receivers,
            heard: delays.len(),
            p50: at(50),
            p99: at(99),
            most: at(100),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
        write!(
            f,
            "{:>5} a second: {} said, {} of {} heard, p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
            self.rate,
            self.said,
            self.heard,
            self.wanted,
            milliseconds(self.p50),
            milliseconds(self.p99),
            milliseconds(self.most),
        )
    }
}
