//! Spreads a window over the round trip, so that it does not leave in one burst.

use std::time::{Duration, Instant};

use crate::engine::sctp::wire::MAX_PACKET;

/// Shorter paths need no pacing, and timers are too coarse for it.
const UNPACED: Duration = Duration::from_millis(3);
/// What may leave at once: what was earned in this time, and at least so many packets. More is
/// more than shallow buffers hold.
const BURST: Duration = Duration::from_millis(4);
const MIN_BURST: usize = 4 * MAX_PACKET;
/// How long the pacer rests at least.
const PACE: Duration = Duration::from_millis(1);

pub(super) struct Pacer {
    /// Bytes that may leave; below 0 when a packet was greater than what was earned.
    tokens: f64,
    /// Bytes a second.
    rate: f64,
    at: Option<Instant>,
}

impl Pacer {
    pub(super) fn new(initial: usize) -> Self {
        Self {
            tokens: initial as f64,
            rate: f64::INFINITY,
            at: None,
        }
    }

    /// Bytes that may leave now, at `gain` windows a round trip.
    pub(super) fn allowance(
        &mut self,
        now: Instant,
        window: usize,
        gain: f64,
        smoothed: Option<Duration>,
    ) -> usize {
        let Some(smoothed) = smoothed.filter(|rtt| *rtt >= UNPACED) else {
            self.rate = f64::INFINITY;
            return usize::MAX;
        };
        self.rate = window as f64 * gain / smoothed.as_secs_f64();
        let since = now.saturating_duration_since(*self.at.get_or_insert(now));
        self.at = Some(now);
        let most = (self.rate * BURST.as_secs_f64()).max(MIN_BURST as f64);
        let earned = self.rate * since.as_secs_f64();
        self.tokens = self
            .tokens
            .max(self.tokens + earned)
            .min(most.max(self.tokens));
        self.tokens.max(0.0) as usize
    }

    pub(super) fn on_sent(&mut self, bytes: usize) {
        if self.rate.is_finite() {
            self.tokens -= bytes as f64;
        }
    }

    /// How long until something may leave again.
    pub(super) fn rest(&self) -> Duration {
        let debt = (-self.tokens).max(0.0) / self.rate.max(1.0);
        Duration::from_secs_f64(debt.min(1.0)).max(PACE)
    }
}
