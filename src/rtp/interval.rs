//! When to send the next RTCP report (RFC 3550 section 6.3 and appendix A.7).

use std::time::Duration;

/// The compensation for timer reconsideration converging below the intended rate: e - 3/2.
const COMPENSATION: f64 = 1.21828;
/// A peer that does not know of our reduced minimum reports this seldom; timeouts of members go
/// by it (RFC 3550 section 6.2).
pub(super) const FIXED_MINIMUM: Duration = Duration::from_secs(5);
/// The longest interval that is drawn: 1.5 of the deterministic one, over the compensation.
pub(super) const LONGEST_DRAW: f64 = 1.5 / COMPENSATION;
/// UDP and IPv4 headers count into the average packet size (RFC 3550 section 6.2).
const OVERHEAD: usize = 28;

/// What the interval depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    pub(super) members: usize,
    pub(super) senders: usize,
    pub(super) we_sent: bool,
}

#[derive(Debug)]
pub(super) struct IntervalTimer {
    rng: u64,
    minimum: Duration,
    /// Octets a second: 5 % of the session bandwidth.
    rtcp_bandwidth: f64,
    average_size: f64,
    pub(super) initial: bool,
}

impl IntervalTimer {
    /// `session_bandwidth` is in bits a second.
    pub(super) fn new(seed: u64, minimum: Duration, session_bandwidth: u64) -> Self {
        Self {
            rng: seed,
            minimum,
            rtcp_bandwidth: (session_bandwidth.max(1) as f64) * 0.05 / 8.0,
            // A first guess (RFC 3550 section 6.3.2): SR, SDES and the overhead.
            average_size: 100.0,
            initial: true,
        }
    }

    /// Counts a compound packet sent or received (RFC 3550 section 6.3.3) that holds so many
    /// reports and report blocks. Many SSRCs share one, and the interval is to follow what all of
    /// them cost, not their number: each counts for its part (RFC 8108 section 5.3).
    pub(super) fn count(&mut self, size: usize, parts: usize) {
        let size = size.saturating_add(OVERHEAD) as f64 / parts.max(1) as f64;
        self.average_size = size / 16.0 + self.average_size * 15.0 / 16.0;
    }

    /// The session bandwidth that is in use, in bits a second.
    pub(super) fn set_bandwidth(&mut self, session_bandwidth: u64) {
        self.rtcp_bandwidth = (session_bandwidth.max(1) as f64) * 0.05 / 8.0;
    }

    /// The interval before randomisation (RFC 3550 section 6.3.1).
    pub(super) fn deterministic(&self, m: Membership) -> Duration {
        let members = m.members as f64;
        let senders = m.senders as f64;
        let (share, count) = if senders > 0.0 && senders <= members * 0.25 {
            if m.we_sent {
                (0.25, senders)
            } else {
                (0.75, members - senders)
            }
        } else {
            (1.0, members)
        };
        let seconds = self.average_size * count / (self.rtcp_bandwidth * share);
        let minimum = if self.initial {
            self.minimum / 2
        } else {
            self.minimum
        };
        // An hour keeps a lying peer from overflowing the time.
        Duration::try_from_secs_f64(seconds.clamp(0.0, 3_600.0))
            .unwrap_or_default()
            .max(minimum)
    }

    /// Somewhere in 0.5 to 1.5 of the deterministic interval, over the compensation.
    pub(super) fn randomised(&mut self, m: Membership) -> Duration {
        let unit = (self.random() >> 11) as f64 / (1u64 << 53) as f64;
        self.deterministic(m).mul_f64((0.5 + unit) / COMPENSATION)
    }

    /// SplitMix64: spreads timers and SSRCs; nothing here is a secret.
    pub(super) fn random(&mut self) -> u64 {
        self.rng = self.rng.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(members: usize, senders: usize, we_sent: bool) -> Membership {
        Membership {
            members,
            senders,
            we_sent,
        }
    }

    #[test]
    fn follows_rfc_3550_6_3_1() {
        // 128 kbit/s: 800 octets a second for RTCP; packets of 100 octets on average.
        let mut timer = IntervalTimer::new(1, Duration::from_secs(1), 128_000);
        let two = membership(2, 1, true);
        assert_eq!(timer.deterministic(two), Duration::from_millis(500));
        timer.initial = false;
        assert_eq!(timer.deterministic(two), Duration::from_secs(1));
        // 100 members, 60 senders: all share alike. 100 * 100 / 800.
        assert_eq!(
            timer.deterministic(membership(100, 60, true)),
            Duration::from_millis(12_500)
        );
        // 10 of 100 send: senders share a quarter, 10 * 100 / 200; receivers 90 * 100 / 600.
        assert_eq!(
            timer.deterministic(membership(100, 10, true)),
            Duration::from_secs(5)
        );
        assert_eq!(
            timer.deterministic(membership(100, 10, false)),
            Duration::from_secs(15)
        );
        // 372 = 400 - 28: the average moves by a sixteenth of 300.
        timer.count(372, 1);
        assert_eq!(
            timer.deterministic(membership(80, 60, false)),
            Duration::from_micros(11_875_000)
        );
    }

    #[test]
    fn randomisation_spans_its_range() {
        let mut timer = IntervalTimer::new(7, Duration::from_secs(1), 1_000_000);
        timer.initial = false;
        let draws: Vec<f64> = (0..10_000)
            .map(|_| timer.randomised(membership(2, 1, true)).as_secs_f64() * COMPENSATION)
            .collect();
        assert!(draws.iter().all(|d| (0.4999..=1.5001).contains(d)));
        assert!(draws.iter().any(|d| *d < 0.51) && draws.iter().any(|d| *d > 1.49));
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
    }
}
