//! How much may be in flight.
//!
//! RFC 9260 section 7 takes every loss for congestion, so that 1 % of random loss at 50 ms leaves
//! 0.3 MB/s. Here the queue tells of congestion first: the window grows while the round-trip time
//! is near its lowest, and shrinks when a queue builds up. Of losses it is tried whether they are
//! this sender's doing (see `losses`); if so the window is that of RFC 9438 (CUBIC). A queue that
//! does not shrink with the window is made by others, who know of losses only; beside them the
//! window is a standard one.

use std::time::{Duration, Instant};

use super::losses::{Losses, Verdict};
use super::pacing::Pacer;
use crate::engine::sctp::wire::MAX_PACKET;

const INITIAL: usize = 10 * MAX_PACKET;
const MIN: usize = 4 * MAX_PACKET;
const MAX: usize = 32 << 20;
/// Slow start that was left for a delay of somebody else's goes on up to this.
const RESUMED: usize = 128 * MAX_PACKET;
/// The queue that is aimed at is an eighth of the round-trip time, and at least this.
const MIN_QUEUE: Duration = Duration::from_millis(5);
const MAX_QUEUE: Duration = Duration::from_millis(100);
/// So few packets in a queue are nothing, however long they take.
const FEW: usize = 5 * MAX_PACKET;
const SAMPLES: u8 = 8;
/// The lowest round-trip time is looked for this often, by a smaller window.
const LOOK: Duration = Duration::from_secs(5);
/// After so many rounds others may have left.
const OTHERS: u32 = 100;
/// RFC 9438 section 4.1: packets per second cubed; section 4.6: what is left after a loss.
const CUBIC: f64 = 0.4;

pub(super) struct Congestion {
    window: usize,
    slow_start: bool,
    /// Slow start ends here, after a time-out.
    threshold: usize,
    /// The round ends with the acknowledgement of this transmission.
    round_end: u64,
    round_acked: usize,
    round_rtt: Option<Duration>,
    last_rtt: Option<Duration>,
    /// How much round-trip times differ anyway.
    noise: Duration,
    round_limited: bool,
    last_acked: usize,
    losses: Losses,
    /// The window that lost, and when it began to grow towards it again.
    peak: Option<Peak>,
    /// The lowest of a few samples, while the window doubles.
    sampled: (u8, Option<Duration>),
    drain: Option<Drain>,
    /// Rounds for which the queue counts as made by others.
    others: u32,
    /// When the round-trip time was near its lowest.
    low_at: Option<Instant>,
    pacer: Pacer,
}

/// RFC 9438 section 4.2: the window that lost, and from where it grows towards that again.
struct Peak {
    window: usize,
    from: usize,
    since: Instant,
}

/// The window is being made smaller, until the queue is.
struct Drain {
    /// The window before it.
    before: usize,
    /// It is only to see the lowest round trip.
    looks: bool,
    rtt: Duration,
    /// A window that was held, and the round trip with it.
    held: Option<(usize, Duration)>,
    /// Rounds with the present window; the first is of what was sent before.
    rounds: u32,
}

impl Default for Congestion {
    fn default() -> Self {
        Self {
            window: INITIAL,
            slow_start: true,
            threshold: MAX,
            round_end: 0,
            round_acked: 0,
            round_rtt: None,
            last_rtt: None,
            noise: Duration::ZERO,
            round_limited: false,
            last_acked: 0,
            losses: Losses::default(),
            peak: None,
            sampled: (0, None),
            drain: None,
            others: 0,
            low_at: None,
            pacer: Pacer::new(INITIAL),
        }
    }
}

/// The queue that is aimed at: more where round-trip times differ anyway.
fn aim(lowest: Duration, noise: Duration) -> Duration {
    (lowest / 8).max(noise * 4).clamp(MIN_QUEUE, MAX_QUEUE)
}

impl Peak {
    fn target(&self, at: Instant) -> usize {
        let unit = MAX_PACKET as f64;
        let missing = self.window.saturating_sub(self.from) as f64 / unit;
        let until = (missing / CUBIC).cbrt();
        let time = at.saturating_duration_since(self.since).as_secs_f64() - until;
        let beyond = CUBIC * time * time * time * unit;
        (self.window as f64 + beyond).max(0.0) as usize
    }
}

/// What an acknowledgement says.
pub(super) struct Acked {
    pub(super) now: Instant,
    pub(super) bytes: usize,
    /// The window was used up before it came.
    pub(super) limited: bool,
    pub(super) rtt: Option<Duration>,
    pub(super) lowest: Option<Duration>,
    /// How much round-trip times differ.
    pub(super) variation: Duration,
    /// The latest transmission that is acknowledged, and the next one to be made.
    pub(super) order: u64,
    pub(super) next_order: u64,
}

impl Congestion {
    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn on_acked(&mut self, acked: &Acked) {
        self.round_acked = self.round_acked.saturating_add(acked.bytes);
        self.round_limited |= acked.limited;
        if let Some(rtt) = acked.rtt {
            self.round_rtt = Some(self.round_rtt.map_or(rtt, |lowest| lowest.min(rtt)));
        }
        self.losses.on_acked(acked.bytes, acked.order);
        if self.slow_start && acked.limited {
            self.window = self.window.saturating_add(acked.bytes).min(MAX);
            self.slow_start = self.window < self.threshold;
            self.see_queue(acked);
        }
        if acked.order >= self.round_end {
            self.end_round(acked);
            self.round_end = acked.next_order;
        }
    }

    /// Ends slow start as soon as the round trip becomes longer: at the end of the round a window
    /// twice as great is under way.
    fn see_queue(&mut self, acked: &Acked) {
        let (Some(rtt), Some(lowest)) = (acked.rtt, acked.lowest) else {
            return;
        };
        let (count, least) = self.sampled;
        let least = least.map_or(rtt, |least| least.min(rtt));
        self.sampled = (count + 1, Some(least));
        if count + 1 < SAMPLES {
            return;
        }
        self.sampled = (0, None);
        let queue = least.saturating_sub(lowest);
        let share = queue.as_secs_f64() / least.as_secs_f64().max(1e-9);
        let queued = (self.window as f64 * share) as usize;
        if self.others == 0 && queue > aim(lowest, self.noise) && queued > FEW {
            self.slow_start = false;
            self.window = self
                .delivered()
                .clamp(self.window / 2, self.window)
                .max(MIN);
        }
    }

    /// What the path carries in a round trip, at least.
    fn delivered(&self) -> usize {
        self.last_acked.max(self.round_acked)
    }

    fn end_round(&mut self, acked: &Acked) {
        self.last_acked = std::mem::take(&mut self.round_acked);
        let limited = std::mem::take(&mut self.round_limited);
        let rtt = self.round_rtt.take();
        self.others = self.others.saturating_sub(1);
        self.losses.crowded = self.others > 0;
        match self.losses.end_round() {
            Some(Verdict::Chance { before }) => {
                self.window = self.window.max(before);
                self.peak = None;
            }
            Some(Verdict::Ours { before }) => {
                // RFC 9438 section 4.7: who has less than before leaves room for others.
                let window = match &self.peak {
                    Some(peak) if before < peak.window => before / 20 * 17,
                    _ => before,
                };
                self.peak = Some(Peak {
                    window: window.max(self.window),
                    from: self.window,
                    since: acked.now,
                });
            }
            None => {}
        }
        let (Some(rtt), Some(lowest)) = (rtt, acked.lowest) else {
            return;
        };
        let queue = rtt.saturating_sub(lowest);
        self.noise = self.noise * 7 / 8 + acked.variation / 8;
        let aim = aim(lowest, self.noise);
        if queue < aim / 4 {
            self.others = 0;
        }
        if rtt <= lowest {
            self.low_at = Some(acked.now);
        }
        let share = queue.as_secs_f64() / rtt.as_secs_f64().max(1e-9);
        let queued = (self.window as f64 * share) as usize;
        // Two rounds say so: one may be late by chance.
        let before = self.last_rtt.replace(rtt).unwrap_or(rtt);
        let full = queue.min(before.saturating_sub(lowest)) > aim * 3 / 2 && queued > FEW;
        let left = (lowest + aim / 2).as_secs_f64() / rtt.as_secs_f64().max(1e-9);
        let drained = ((self.window as f64 * left.clamp(0.7, 0.875)) as usize).max(MIN);
        if let Some(drain) = &mut self.drain {
            drain.rounds += 1;
            if drain.rounds >= 2 {
                self.judge_queue(rtt, lowest, full.then_some(drained));
            }
            return;
        }
        let looked = *self.low_at.get_or_insert(acked.now);
        let blind = acked.now.saturating_duration_since(looked) > LOOK.max(rtt * 50);
        if self.others == 0 && (full || blind && !self.slow_start) {
            self.drain = Some(Drain {
                before: self.window,
                looks: blind,
                rtt: rtt.min(before),
                held: None,
                rounds: 0,
            });
            self.slow_start = false;
            let seen = (self.window / 10 * 7).max(MIN);
            self.window = drained;
            if blind {
                self.low_at = Some(acked.now);
                self.window = drained.min(seen);
            }
        } else if limited && !self.slow_start && !self.losses.is_on_trial() {
            self.grow(acked.now, rtt, queue < (aim / 8).max(self.noise * 2));
        }
    }

    /// Alone, a window smaller by a part makes the round trip shorter by as much.
    fn judge_queue(&mut self, rtt: Duration, lowest: Duration, drained: Option<usize>) {
        let (Some(drain), Some(drained)) = (&mut self.drain, drained) else {
            // It was to look only, or made no difference.
            if let Some(drain) = self.drain.take()
                && (drain.looks || rtt >= drain.rtt.mul_f64(0.9))
            {
                self.window = self.window.max(drain.before);
            }
            return;
        };
        if let Some((window, before)) = drain.held {
            let part = self.window as f64 / window.max(1) as f64;
            let hoped = before.saturating_sub(before.mul_f64(part.min(1.0)).max(lowest));
            if before.saturating_sub(rtt) < hoped / 2 {
                self.others = OTHERS;
                self.window = self.window.max(drain.before);
                self.drain = None;
                // It was wrong to leave slow start, then; but not back to any size.
                self.slow_start = self.peak.is_none() && self.window < RESUMED;
                self.threshold = RESUMED;
                return;
            }
        }
        drain.held = Some((self.window, rtt));
        drain.rounds = 0;
        self.window = drained;
    }

    fn grow(&mut self, now: Instant, rtt: Duration, free: bool) {
        let alone = self.others == 0;
        let fast = (self.window / 16).max(MAX_PACKET);
        let step = match &self.peak {
            // Beside others all grow by the same, so that shares become alike.
            _ if !alone || !free => MAX_PACKET,
            None => fast,
            Some(_) if self.losses.chance() > 0.0 => (self.window / 64).max(MAX_PACKET),
            Some(peak) => {
                let cubic = peak.target(now + rtt).saturating_sub(self.window);
                // On long paths its clock runs away from those who count round trips.
                let most = if self.window < peak.window {
                    MAX_PACKET.saturating_add(self.window / 256)
                } else {
                    fast
                };
                cubic.clamp(MAX_PACKET / 2, most)
            }
        };
        let passed = |peak: &Peak| self.window / 3 * 2 > peak.window;
        if alone && free && self.peak.as_ref().is_some_and(passed) {
            self.peak = None;
        }
        self.window = self.window.saturating_add(step).min(MAX);
    }

    /// A loss was found; `next_order` is the next transmission.
    pub(super) fn on_lost(&mut self, bytes: usize, order: u64, next_order: u64) {
        let cut = if self.slow_start {
            self.losses.on_lost_early(bytes, order, self.window)
        } else {
            self.losses.on_lost(bytes, order, self.window)
        };
        if !cut {
            return;
        }
        if self.slow_start {
            self.slow_start = false;
            self.window = self.delivered().clamp(self.window / 2, self.window);
        }
        self.losses.begin_trial(self.window, next_order);
        self.window = (self.window / 10 * 7).max(MIN);
        self.drain = None;
    }

    /// What counted as lost was late only.
    pub(super) fn on_spurious(&mut self) {
        if let Some(before) = self.losses.on_spurious() {
            self.window = self.window.max(before);
        }
    }

    /// Nothing was heard for two time-outs.
    pub(super) fn collapse(&mut self, next_order: u64) {
        self.threshold = (self.window / 2).max(INITIAL);
        self.window = INITIAL;
        self.slow_start = true;
        self.drain = None;
        self.peak = None;
        self.others = 0;
        self.losses.restart(next_order);
    }

    /// Bytes that may leave now.
    pub(super) fn allowance(&mut self, now: Instant, smoothed: Option<Duration>) -> usize {
        let gain = if self.slow_start { 2.0 } else { 1.25 };
        self.pacer.allowance(now, self.window, gain, smoothed)
    }

    pub(super) fn on_sent(&mut self, bytes: usize) {
        self.pacer.on_sent(bytes);
    }

    pub(super) fn rest(&self) -> Duration {
        self.pacer.rest()
    }
}
