//! Media time in RTP ticks.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Duration;

/// Turns durations into RTP ticks without drift: what is left of a tick is carried over.
#[derive(Debug, Clone)]
pub(crate) struct TimestampClock {
    clock_rate: u32,
    /// Billionths of a tick not yet given out.
    remainder: u128,
}

impl TimestampClock {
    pub(crate) fn new(clock_rate: u32) -> Self {
        TimestampClock {
            clock_rate,
            remainder: 0,
        }
    }

    /// The ticks that `duration` adds to the RTP timestamp, modulo 2^32.
    pub(crate) fn advance(&mut self, duration: Duration) -> u32 {
        const NANOS: u128 = 1_000_000_000;
        let total = duration
            .as_nanos()
            .saturating_mul(u128::from(self.clock_rate))
            .saturating_add(self.remainder);
        self.remainder = total % NANOS;
        // The timestamp is 32 bits wide and wraps.
        ((total / NANOS) & u128::from(u32::MAX)) as u32
    }
}
