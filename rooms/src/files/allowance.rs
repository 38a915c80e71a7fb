//! How many bytes may be told to be done with, under a limit of the receiver's.

use std::time::{Duration, Instant};

/// After so many bytes the sender is told that they are done with.
pub(super) const TELL: u64 = 256 * 1024;
/// Between two looks.
const SPAN: Duration = Duration::from_millis(50);

/// What a limit allows so far.
pub(super) struct Allowance {
    limit: Option<u64>,
    since: Instant,
    /// Not used up yet.
    left: f64,
}

impl Allowance {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            since: Instant::now(),
            left: 0.0,
        }
    }

    /// Waits until there may be more; for ever without a limit. Cancel-safe.
    pub(super) async fn more(&self) {
        match self.limit {
            Some(_) => tokio::time::sleep(SPAN).await,
            None => std::future::pending().await,
        }
    }

    /// How far it may be told, of what was told and what is done.
    pub(super) fn of(&mut self, told: u64, done: u64) -> u64 {
        let Some(limit) = self.limit else {
            return done;
        };
        let now = Instant::now();
        let span = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now;
        // What was not used does not pile up beyond a second's worth and a message.
        let most = limit as f64 + TELL as f64;
        self.left = (self.left + span * limit as f64).min(most);
        let wanted = done.saturating_sub(told);
        let given = wanted.min(self.left as u64);
        if given < TELL {
            return told;
        }
        self.left -= given as f64;
        told.saturating_add(given)
    }
}
