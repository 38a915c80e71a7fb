//! How long a client waits before it comes back.

use std::time::Duration;

const FIRST: f64 = 1.0;
const BASE: f64 = 0.5;
const LONGEST: f64 = 10.0;

/// The pauses between attempts: random, so that clients of a server that went away do not come
/// back all at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next pause; `random` is from 0 to below 1.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        let longest = match self.attempts {
            0 => FIRST,
            n => (BASE * f64::from(1_u32 << n.min(10))).min(LONGEST),
        };
        self.attempts = self.attempts.saturating_add(1);
        Duration::from_secs_f64(longest * random)
    }

    /// The pause that a server asked for with its goodbye.
    pub(crate) fn after_goodbye(return_after_ms: u32, random: f64) -> Duration {
        let asked = f64::from(return_after_ms) / 1000.0;
        Duration::from_secs_f64(asked + random * (asked + 1.0))
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_h10_pauses_grow_to_ten_seconds_and_are_spread() {
        let mut longest = Backoff::default();
        let seconds: Vec<f64> = (0..8).map(|_| longest.next(1.0).as_secs_f64()).collect();
        assert_eq!(seconds, [1.0, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]);
        assert_eq!(Backoff::default().next(0.0), Duration::ZERO);
        let goodbye = |random| Backoff::after_goodbye(2_000, random).as_secs_f64();
        assert_eq!((goodbye(0.0), goodbye(1.0)), (2.0, 5.0));
    }
}
