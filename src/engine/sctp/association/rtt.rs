//! Round-trip time and the retransmission time-out (RFC 9260 section 6.3, RFC 6298).

use std::time::{Duration, Instant};

/// Below this a peer's delayed acknowledgement of 200 ms would look like a loss.
const MIN_RTO: Duration = Duration::from_millis(300);
const INITIAL_RTO: Duration = Duration::from_millis(500);
/// After a blackout data goes on within this time of the path's return.
const MAX_RTO: Duration = Duration::from_secs(2);
/// How long the lowest round-trip time counts: paths change.
const MIN_RTT_LIFE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
    backoff: u32,
    /// The lowest of this span and of the one before it.
    lowest: [Option<Duration>; 2],
    span_start: Option<Instant>,
}

impl Rtt {
    pub(super) fn sample(&mut self, now: Instant, rtt: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variation = rtt / 2;
            }
            Some(smoothed) => {
                let difference = smoothed.abs_diff(rtt);
                self.variation = self.variation * 3 / 4 + difference / 4;
                self.smoothed = Some(smoothed * 7 / 8 + rtt / 8);
            }
        }
        let start = *self.span_start.get_or_insert(now);
        let [current, previous] = self.lowest;
        if now.saturating_duration_since(start) >= MIN_RTT_LIFE {
            self.span_start = Some(now);
            self.lowest = [Some(rtt), current];
        } else {
            self.lowest = [
                Some(current.map_or(rtt, |lowest| lowest.min(rtt))),
                previous,
            ];
        }
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    pub(super) fn lowest(&self) -> Option<Duration> {
        self.lowest.iter().flatten().min().copied()
    }

    pub(super) fn variation(&self) -> Duration {
        self.variation
    }

    pub(super) fn rto(&self) -> Duration {
        let base = match self.smoothed {
            None => INITIAL_RTO,
            Some(smoothed) => (smoothed + self.variation * 4).max(MIN_RTO),
        };
        base.saturating_mul(1 << self.backoff.min(8)).min(MAX_RTO)
    }

    pub(super) fn backoff(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    pub(super) fn acked(&mut self) {
        self.backoff = 0;
    }

    /// Time-outs in a row.
    pub(super) fn timeouts(&self) -> u32 {
        self.backoff
    }
}
