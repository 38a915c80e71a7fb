//! How much may be in flight.
//!
//! RFC 9260 section 7 takes every loss for congestion, so that 1 % of random loss at 50 ms leaves
//! 0.3 MB/s. Here the queue tells of congestion first: the window grows while the round-trip time
//! is near its lowest, and shrinks when a queue builds up. Losses count once they are more than
//! chance. Beside it runs the RFC's own window, and the greater one holds, so that in a queue that
//! others fill this sender still has the share of a standard one.

use std::time::{Duration, Instant};

use crate::engine::sctp::MAX_PACKET;

const INITIAL: usize = 10 * MAX_PACKET;
const MIN: usize = 4 * MAX_PACKET;
const MAX: usize = 32 << 20;
/// Slow start that was left for a delay of somebody else's goes on up to this.
const RESUMED: usize = 128 * MAX_PACKET;
const PATIENCE: u32 = 8;
/// Losses up to this share, in percent, are taken for chance.
const CHANCE: usize = 3;
/// The share is known once this much was sent.
const SAMPLE: usize = 150 * MAX_PACKET;
/// The queue that is aimed at is an eighth of the round-trip time, and at least this.
const MIN_QUEUE: Duration = Duration::from_millis(5);
/// Shorter paths need no pacing, and timers are too coarse for it.
const UNPACED: Duration = Duration::from_millis(3);

pub(super) struct Congestion {
    window: usize,
    slow_start: bool,
    /// Slow start ends here, after a time-out.
    threshold: usize,
    /// The window of RFC 9260, from the first loss on.
    standard: usize,
    /// The round ends with the acknowledgement of this transmission.
    round_end: u64,
    round_acked: usize,
    round_lost: usize,
    round_rtt: Option<Duration>,
    round_limited: bool,
    /// Sums over the last rounds, fading.
    acked: usize,
    lost: usize,
    tokens: usize,
    tokens_at: Option<Instant>,
    /// Where the window and the round-trip time stood when the queue began to be drained.
    draining: Option<(usize, Duration)>,
    /// A delay that does not shrink with the window is not this sender's queue: below counts as
    /// none.
    floor: Duration,
    /// Rounds with a delay that so small a window does not explain.
    stuck: u32,
    /// The window before the last cut for losses, should they turn out to be none.
    before_cut: usize,
}

impl Default for Congestion {
    fn default() -> Self {
        Self {
            window: INITIAL,
            slow_start: true,
            threshold: MAX,
            standard: 0,
            round_end: 0,
            round_acked: 0,
            round_lost: 0,
            round_rtt: None,
            round_limited: false,
            acked: 0,
            lost: 0,
            tokens: INITIAL,
            tokens_at: None,
            draining: None,
            floor: Duration::ZERO,
            stuck: 0,
            before_cut: 0,
        }
    }
}

/// What an acknowledgement says.
pub(super) struct Acked {
    pub(super) bytes: usize,
    /// The window was used up before it came.
    pub(super) limited: bool,
    pub(super) rtt: Option<Duration>,
    pub(super) lowest: Option<Duration>,
    /// The latest transmission that is acknowledged, and the next one to be made.
    pub(super) order: u64,
    pub(super) next_order: u64,
}

impl Congestion {
    pub(super) fn window(&self) -> usize {
        self.window.max(self.standard)
    }

    pub(super) fn on_acked(&mut self, acked: &Acked) {
        self.round_acked = self.round_acked.saturating_add(acked.bytes);
        self.round_limited |= acked.limited;
        if let Some(rtt) = acked.rtt {
            self.round_rtt = Some(self.round_rtt.map_or(rtt, |lowest| lowest.min(rtt)));
        }
        if self.standard > 0 && acked.limited {
            let step = MAX_PACKET.saturating_mul(acked.bytes) / self.standard.max(1);
            self.standard = self.standard.saturating_add(step).min(MAX);
        }
        if self.slow_start && acked.limited {
            self.window = self.window.saturating_add(acked.bytes).min(MAX);
            self.slow_start = self.window < self.threshold;
        }
        if acked.order >= self.round_end {
            self.end_round(acked.lowest);
            self.round_end = acked.next_order;
        }
    }

    fn end_round(&mut self, lowest: Option<Duration>) {
        let (acked, lost) = (self.round_acked, self.round_lost);
        self.acked = (self.acked * 7 / 8).saturating_add(acked);
        self.lost = (self.lost * 7 / 8).saturating_add(lost);
        let limited = std::mem::take(&mut self.round_limited);
        self.round_acked = 0;
        self.round_lost = 0;
        if lost > 0 {
            self.standard = (self.window() / 2).max(MIN).min(match self.standard {
                0 => self.window() / 2,
                standard => standard / 2,
            });
        }
        let all = self.acked.saturating_add(self.lost);
        let percent = self.lost.saturating_mul(100) / all.max(1);
        if lost > 0 && (all >= SAMPLE && percent > CHANCE || percent > 30) {
            self.slow_start = false;
            self.before_cut = self.before_cut.max(self.window);
            self.window = (self.window / 10 * 7).max(MIN);
            self.acked = 0;
            self.lost = 0;
            self.round_rtt = None;
            return;
        }
        let (Some(rtt), Some(lowest)) = (self.round_rtt.take(), lowest) else {
            return;
        };
        self.floor -= self.floor.saturating_sub(rtt) / 16;
        let lowest = lowest.max(self.floor);
        let queue = rtt.saturating_sub(lowest);
        let aim = (lowest / 8).max(MIN_QUEUE);
        // What of the window stands in the queue: few packets there are nothing at a low rate.
        let share = queue.as_secs_f64() / rtt.as_secs_f64().max(1e-9);
        let queued = (self.window as f64 * share) as usize;
        if queue > aim.saturating_mul(2) && queued > 8 * MAX_PACKET {
            if self.slow_start {
                self.slow_start = false;
                self.window = self.window.saturating_sub(queued / 2).max(MIN);
            } else {
                self.window = (self.window - self.window / 16).max(MIN);
            }
            let (window, then) = *self.draining.get_or_insert((self.window, rtt));
            if self.window <= window / 4 * 3 {
                if rtt >= then * 9 / 10 {
                    self.blame_others(rtt);
                }
                self.draining = None;
            }
        } else if !self.slow_start && limited && (queue < aim || queued < 4 * MAX_PACKET) {
            let step = (self.window / 16).max(MAX_PACKET);
            self.window = self.window.saturating_add(step).min(MAX);
            self.draining = None;
            self.stuck = 0;
        } else if queue > aim.saturating_mul(2) {
            // So few packets do not make such a queue, unless the path is slow indeed.
            self.stuck = self.stuck.saturating_add(1);
            if self.stuck >= PATIENCE {
                self.blame_others(rtt);
            }
        }
    }

    /// This delay is not this sender's doing. It was wrong to leave slow start, then; but not back
    /// to any size.
    fn blame_others(&mut self, rtt: Duration) {
        self.floor = rtt;
        self.slow_start = self.window < RESUMED;
        self.threshold = RESUMED;
        self.stuck = 0;
    }

    pub(super) fn on_lost(&mut self, bytes: usize) {
        self.round_lost = self.round_lost.saturating_add(bytes);
    }

    /// What counted as lost was late only.
    pub(super) fn on_spurious(&mut self) {
        self.window = self.window.max(std::mem::take(&mut self.before_cut));
        self.lost = 0;
        self.round_lost = 0;
    }

    /// Nothing was heard for two time-outs.
    pub(super) fn collapse(&mut self) {
        self.threshold = (self.window() / 2).max(INITIAL);
        self.window = INITIAL;
        self.standard = 0;
        self.slow_start = true;
        self.draining = None;
        self.acked = 0;
        self.lost = 0;
    }

    /// Bytes that may leave now, so that a window does not leave in one burst.
    pub(super) fn allowance(&mut self, now: Instant, smoothed: Option<Duration>) -> usize {
        let Some(smoothed) = smoothed.filter(|rtt| *rtt >= UNPACED) else {
            return usize::MAX;
        };
        let gain = if self.slow_start { 2.0 } else { 1.25 };
        let rate = self.window() as f64 * gain / smoothed.as_secs_f64();
        let since = now.saturating_duration_since(*self.tokens_at.get_or_insert(now));
        let earned = (rate * since.as_secs_f64()) as usize;
        if earned > 0 {
            self.tokens_at = Some(now);
            let most = ((rate * 0.004) as usize).max(16 * MAX_PACKET);
            self.tokens = self.tokens.saturating_add(earned).min(most);
        }
        self.tokens
    }

    pub(super) fn on_sent(&mut self, bytes: usize) {
        self.tokens = self.tokens.saturating_sub(bytes);
    }
}
