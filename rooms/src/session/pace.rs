//! No more messages to the server than it takes.

use std::time::Duration;

use tokio::time::Instant;

/// A server allows for a burst of five seconds; a little less is used.
const BURST: f64 = 4.0;
const SHARE: f64 = 0.9;

/// How many messages may go now.
#[derive(Debug)]
pub(super) struct Pace {
    rate: f64,
    tokens: f64,
    at: Instant,
}

impl Pace {
    /// `rate`: messages in a second that the server takes.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        let rate = f64::from(rate.max(1));
        Self {
            rate,
            tokens: rate * BURST,
            at: now,
        }
    }

    /// How long the next message has to wait.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + passed * self.rate * SHARE).min(self.rate * BURST);
        if self.tokens >= 1.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((1.0 - self.tokens) / (self.rate * SHARE))
    }

    /// One was sent.
    pub(super) fn sent(&mut self) {
        self.tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_h06_a_session_keeps_below_what_a_server_takes() {
        let begin = Instant::now();
        let mut pace = Pace::new(50, begin);
        let (mut now, mut sent) = (begin, Vec::new());
        while sent.len() < 2_000 {
            match pace.wait(now) {
                Duration::ZERO => {
                    pace.sent();
                    sent.push(now);
                }
                wait => now += wait,
            }
        }
        assert!(
            sent[199] == begin && sent[205] > begin,
            "a burst, and then the rate"
        );
        let took = sent[1_999].duration_since(begin).as_secs_f64();
        assert!((39.0..41.5).contains(&took), "{took}");
    }
}
