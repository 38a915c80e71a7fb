//! One direction of a path: delay, loss, reordering, duplication, corruption, rate and MTU.

use std::time::{Duration, Instant};

use super::rng::Rng;

/// Gilbert-Elliott burst loss: a two-state chain stepped once per packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Burst {
    /// Probability per packet of entering the bad state.
    pub(crate) enter: f64,
    /// Probability per packet of leaving it; bursts are 1/leave packets long on average.
    pub(crate) leave: f64,
    /// Loss in the bad state; in the good state `Link::loss` applies.
    pub(crate) loss: f64,
}

/// The qualities of one direction of a path. Default: 1 ms, clean, unlimited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Link {
    pub(crate) latency: Duration,
    /// Added to the latency, uniform in 0..=jitter. Never reorders by itself.
    pub(crate) jitter: Duration,
    /// 0..=1, independent per packet.
    pub(crate) loss: f64,
    pub(crate) burst: Option<Burst>,
    /// Probability that a packet is held back by up to `reorder_by` and overtaken meanwhile.
    pub(crate) reorder: f64,
    pub(crate) reorder_by: Duration,
    /// Probability of a second copy, with a delay of its own.
    pub(crate) duplicate: f64,
    /// Probability that one bit of the payload is flipped.
    pub(crate) corrupt: f64,
    /// Bottleneck rate, counted in IP packets (payload + 28 or 48 bytes).
    pub(crate) rate_bps: Option<u64>,
    /// Bytes waiting for the bottleneck; a packet that does not fit is dropped (tail drop).
    pub(crate) queue_bytes: u64,
    /// Drops what does not fit, as above, but delays nothing: a token bucket of `queue_bytes`.
    pub(crate) polices: bool,
    /// Larger IP packets are dropped silently.
    pub(crate) mtu: Option<usize>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: None,
            reorder: 0.0,
            reorder_by: Duration::from_millis(20),
            duplicate: 0.0,
            corrupt: 0.0,
            rate_bps: None,
            queue_bytes: 64 * 1024,
            polices: false,
            mtu: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drop {
    Lost,
    QueueFull,
    TooBig,
}

/// When the copies of one packet arrive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passage {
    pub(super) first: Instant,
    pub(super) second: Option<Instant>,
    pub(super) reordered: bool,
    pub(super) corrupted: bool,
}

/// What one direction remembers between packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkState {
    bad: bool,
    /// When the bottleneck has sent everything that was queued.
    free_at: Instant,
    last_arrival: Instant,
}

impl LinkState {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            bad: false,
            free_at: start,
            last_arrival: start,
        }
    }

    pub(super) fn pass(
        &mut self,
        link: &Link,
        rng: &mut Rng,
        now: Instant,
        ip_len: usize,
    ) -> Result<Passage, Drop> {
        if link.mtu.is_some_and(|mtu| ip_len > mtu) {
            return Err(Drop::TooBig);
        }
        let departs = match link.rate_bps {
            None => now,
            Some(rate) => self.queue(link, rate.max(1), now, ip_len)?,
        };
        let mut loss = link.loss;
        if let Some(burst) = link.burst {
            self.bad = if self.bad {
                !rng.chance(burst.leave)
            } else {
                rng.chance(burst.enter)
            };
            if self.bad {
                loss = burst.loss;
            }
        }
        if rng.chance(loss) {
            return Err(Drop::Lost);
        }
        let reordered = rng.chance(link.reorder);
        let first = self.arrival(link, rng, departs, reordered);
        let second = rng
            .chance(link.duplicate)
            .then(|| self.arrival(link, rng, departs, false));
        Ok(Passage {
            first,
            second,
            reordered,
            corrupted: rng.chance(link.corrupt),
        })
    }

    fn queue(
        &mut self,
        link: &Link,
        rate: u64,
        now: Instant,
        ip_len: usize,
    ) -> Result<Instant, Drop> {
        let wait = self.free_at.saturating_duration_since(now);
        let queued = (wait.as_nanos() * u128::from(rate) / 8_000_000_000) as u64;
        if queued > 0 && queued + ip_len as u64 > link.queue_bytes {
            return Err(Drop::QueueFull);
        }
        let nanos = ip_len as u128 * 8_000_000_000 / u128::from(rate);
        self.free_at = now + wait + Duration::from_nanos(nanos as u64);
        Ok(if link.polices { now } else { self.free_at })
    }

    fn arrival(&mut self, link: &Link, rng: &mut Rng, departs: Instant, late: bool) -> Instant {
        let at = departs + link.latency + rng.duration(link.jitter);
        if late {
            return at.max(self.last_arrival) + rng.duration(link.reorder_by);
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }
}
