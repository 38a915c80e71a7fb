//! Receivers that take nothing.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Who has taken nothing for so long is stalled.
const LONG: Duration = Duration::from_secs(10);

/// Since when there is something for a receiver who takes nothing.
#[derive(Debug, Default)]
pub(super) struct Stall {
    since: Option<Instant>,
    told: bool,
}

impl Stall {
    /// There is something for it, or not; whether it is to be told once [`sleep`](Self::sleep)
    /// is over.
    pub(super) fn is_due(&mut self, waits: bool) -> bool {
        match waits {
            true => drop(self.since.get_or_insert_with(Instant::now)),
            false => self.over(),
        }
        waits && !self.told
    }

    /// It has taken something.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }

    /// Until it is stalled. Cancel-safe.
    pub(super) async fn sleep(&mut self) {
        let since = self.since.unwrap_or_else(Instant::now);
        sleep_until(since + LONG).await;
        self.told = true;
    }
}
