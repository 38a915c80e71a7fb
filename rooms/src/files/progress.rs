//! How far a transfer is.

use std::time::{Duration, Instant};

use super::choice::Choice;
use super::error::Error;

/// What a transfer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TransferState {
    /// The offer was made, or is about to be.
    #[default]
    Offered,
    /// Bytes go.
    Running,
    /// One of the sides has paused it.
    Paused,
    /// The connection is lost; it goes on when that comes back, or fails after a while.
    Waiting,
    /// All that was wanted has arrived.
    Done,
    /// It ended otherwise.
    Failed,
}

impl TransferState {
    /// Whether nothing more comes.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// How far a transfer is.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// What it does.
    pub state: TransferState,
    /// Bytes that the receiver has, those of an earlier attempt as well.
    pub bytes: u64,
    /// Bytes that it wants in all; what is offered until it has chosen.
    pub total: u64,
    /// Bytes of those that it had before the last attempt.
    pub kept: u64,
    /// Files that are complete.
    pub files_done: u32,
    /// Files that are sent.
    pub files: u32,
    /// Bytes a second, over the last seconds.
    pub rate: f64,
    /// The file that is sent, safe to show.
    pub file: String,
    /// To the sender: there is something for the receiver, who has taken nothing of it for ten
    /// seconds.
    pub stalled: bool,
    /// To the sender: why the room's hub, which keeps files, does not keep this one. It goes from
    /// here to each who takes it.
    pub unkept: Option<Error>,
    /// What the receiver takes; `None`: all.
    pub(crate) chosen: Option<Choice>,
}

impl Progress {
    /// How long the rest takes at the present rate.
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.bytes) as f64;
        let seconds = left / self.rate;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// How fast bytes go, smoothed over some two seconds.
pub(super) struct Meter {
    since: Instant,
    bytes: u64,
    rate: f64,
}

/// Between two measurements.
const SPAN: Duration = Duration::from_millis(250);

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            bytes: 0,
            rate: 0.0,
        }
    }

    /// So many bytes more; the rate, when it is measured anew.
    pub(super) fn count(&mut self, now: Instant, bytes: u64) -> Option<f64> {
        self.bytes = self.bytes.saturating_add(bytes);
        let span = now.saturating_duration_since(self.since);
        if span < SPAN {
            return None;
        }
        let seconds = span.as_secs_f64();
        let rate = self.bytes as f64 / seconds;
        let weight = (seconds / 2.0).min(1.0);
        self.rate = match self.rate {
            0.0 => rate,
            before => before + (rate - before) * weight,
        };
        self.since = now;
        self.bytes = 0;
        Some(self.rate)
    }
}
