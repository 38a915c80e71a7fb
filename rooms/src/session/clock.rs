//! The clock of a peer beside one's own, by pings (as NTP, RFC 5905 section 8).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::frame::Pong;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    })
}

/// The same as what messages have.
#[allow(clippy::cast_precision_loss)]
pub(super) fn clock() -> f64 {
    now_ms() as f64
}

/// How much a peer's clock is ahead, and how sure that is.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Milliseconds, and the round trip that they were measured with.
    best: Option<(f64, f64)>,
    /// Seconds since the last ping.
    pub(super) since_ping: u32,
}

impl Clock {
    /// An answer to a ping came at this time; milliseconds of the own clock.
    pub(super) fn pong(&mut self, pong: Pong, now: f64) {
        let round_trip = now - pong.at;
        if !round_trip.is_finite() || !pong.here.is_finite() || round_trip < 0.0 {
            return;
        }
        let offset = pong.here - f64::midpoint(pong.at, now);
        // The quickest answer says most. Clocks drift: an old one counts for less with time.
        let better = self
            .best
            .is_none_or(|(_, best)| round_trip <= best * 1.1 + 1.0);
        self.best = match (better, self.best) {
            (true, _) | (_, None) => Some((offset, round_trip)),
            (false, Some((offset, best))) => Some((offset, best * 1.05)),
        };
    }

    /// From there to here and back.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        let (_, round_trip) = self.best?;
        Duration::try_from_secs_f64(round_trip / 1000.0).ok()
    }

    /// How long something was on its way that left at this time of the peer's clock.
    pub(super) fn latency(&self, at: Option<f64>, now: f64) -> Option<Duration> {
        let (offset, _) = self.best?;
        let millis = now - (at? - offset);
        Duration::try_from_secs_f64(millis.max(0.0) / 1000.0).ok()
    }

    /// The peer's time as one's own.
    pub(super) fn to_own(&self, at: f64) -> Option<f64> {
        self.best.map(|(offset, _)| at - offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c43_latency_is_told_whatever_the_clocks_show() {
        for ahead in [0.0, 3_600_000.0, -77_000.0] {
            let mut clock = Clock::default();
            assert_eq!(clock.latency(Some(5.0), 10.0), None, "nothing is known yet");
            // There and back 20 ms each; the peer's clock is ahead.
            let pong = Pong {
                at: 1_000.0,
                here: 1_020.0 + ahead,
            };
            clock.pong(pong, 1_040.0);
            assert_eq!(clock.round_trip(), Some(Duration::from_millis(40)));
            let left = 2_000.0 + ahead;
            let latency = clock.latency(Some(left), 2_025.0).unwrap();
            assert!((latency.as_secs_f64() - 0.025).abs() < 0.001, "{latency:?}");
            // A slow answer does not spoil it.
            let pong = Pong {
                at: 3_000.0,
                here: 3_900.0 + ahead,
            };
            clock.pong(pong, 4_000.0);
            assert!(clock.latency(Some(left), 2_025.0).unwrap() < Duration::from_millis(30));
        }
    }
}
