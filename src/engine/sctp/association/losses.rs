//! Whose doing the losses are.
//!
//! A standard sender takes each for congestion, which leaves nothing of a fast path that loses
//! one packet in a hundred by chance; to take none for it floods shallow queues and policers, and
//! starves the others there. So it is tried: the window is cut, and held while it is counted how
//! many packets are lost now. Losses that stay the same were chance. That share is then expected,
//! for a while; what passes it is tried again.

use crate::engine::sctp::wire::MAX_PACKET;

/// The most that is taken for chance, whatever a trial says: with many senders on a path no single
/// one changes much.
const MOST_CHANCE: f64 = 0.04;
/// A trial is over when this many losses should have been seen, or after so many rounds.
const ENOUGH: f64 = 8.0;
const ROUNDS: u32 = 10;
/// How many rounds the outcome counts.
const TRUSTED: u32 = 200;

/// Packets, in bytes, that came and that did not.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    acked: f64,
    lost: f64,
}

impl Tally {
    fn all(&self) -> f64 {
        self.acked + self.lost
    }

    fn ratio(&self) -> f64 {
        self.lost / self.all().max(1.0)
    }
}

#[derive(Debug)]
struct Trial {
    /// The window before it.
    before: usize,
    /// The share of losses before it.
    ratio: f64,
    tally: Tally,
    rounds: u32,
}

#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Transmissions before this one were made with a greater window.
    since: u64,
    /// Over the last rounds, fading.
    recent: Tally,
    /// Lost of the present round.
    round_lost: f64,
    chance: f64,
    trusted: u32,
    /// Packets lost beyond twice what chance explains.
    excess: f64,
    trial: Option<Trial>,
    /// Others fill the queue: what is lost then is no chance.
    pub(super) crowded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// They are not this sender's doing: it may have back the window of before.
    Chance { before: usize },
    /// They are.
    Ours { before: usize },
}

fn packets(bytes: usize) -> f64 {
    bytes as f64 / MAX_PACKET as f64
}

impl Losses {
    /// Notes a loss; whether the window is to be cut for it.
    pub(super) fn on_lost(&mut self, bytes: usize, order: u64, window: usize) -> bool {
        if order < self.since {
            return false;
        }
        let lost = packets(bytes);
        self.recent.lost += lost;
        self.round_lost += lost;
        if let Some(trial) = &mut self.trial {
            trial.tally.lost += lost;
            // More than before: it has only begun.
            let expected = trial.ratio * trial.tally.all();
            return trial.tally.lost > 3.0 * expected + 3.0;
        }
        self.excess += lost;
        let bound = if self.trusted == 0 || self.crowded {
            0.0
        } else {
            3.0 + (self.chance * packets(window)).min(4.0)
        };
        self.excess > bound
    }

    /// The same while the window doubles each round: only what no chance explains.
    pub(super) fn on_lost_early(&mut self, bytes: usize, order: u64, window: usize) -> bool {
        if order < self.since {
            return false;
        }
        let lost = packets(bytes);
        self.recent.lost += lost;
        self.round_lost += lost;
        let likely = MOST_CHANCE * packets(window);
        self.round_lost > likely + 2.0 * likely.sqrt() + 1.0
    }

    pub(super) fn on_acked(&mut self, bytes: usize, order: u64) {
        let acked = packets(bytes);
        self.recent.acked += acked;
        self.excess = (self.excess - 2.0 * self.chance * acked).max(0.0);
        if let Some(trial) = self.trial.as_mut().filter(|_| order >= self.since) {
            trial.tally.acked += acked;
        }
    }

    /// The window was cut, and with `next_order` begins what is sent since.
    pub(super) fn begin_trial(&mut self, window: usize, next_order: u64) {
        let (before, ratio) = match self.trial.take() {
            Some(trial) => (trial.before, trial.tally.ratio()),
            None => (window, self.recent.ratio()),
        };
        self.trial = Some(Trial {
            before,
            ratio,
            tally: Tally::default(),
            rounds: 0,
        });
        self.since = next_order;
        self.recent = Tally::default();
        self.excess = 0.0;
    }

    pub(super) fn is_on_trial(&self) -> bool {
        self.trial.is_some()
    }

    pub(super) fn chance(&self) -> f64 {
        if self.trusted > 0 { self.chance } else { 0.0 }
    }

    pub(super) fn end_round(&mut self) -> Option<Verdict> {
        self.round_lost = 0.0;
        self.recent.acked *= 7.0 / 8.0;
        self.recent.lost *= 7.0 / 8.0;
        self.trusted = self.trusted.saturating_sub(1);
        let trial = self.trial.as_mut()?;
        trial.rounds = trial.rounds.saturating_add(1);
        let expected = trial.ratio * trial.tally.all();
        // The first round is of what was sent before.
        let enough = trial.rounds > 1 && expected >= ENOUGH;
        if !enough && trial.rounds <= ROUNDS {
            return None;
        }
        let (tally, before) = (trial.tally, trial.before);
        self.trial = None;
        let now = tally.ratio();
        let stays = !self.crowded && tally.lost >= (expected / 2.0).max(0.5) && now <= MOST_CHANCE;
        if tally.lost >= 3.0 && now <= MOST_CHANCE || stays {
            self.chance = now;
            self.trusted = TRUSTED;
        } else {
            self.chance = 0.0;
            self.trusted = 0;
        }
        Some(if stays {
            Verdict::Chance { before }
        } else {
            Verdict::Ours { before }
        })
    }

    /// What counted as lost was late only: the window of before, if it was cut for it.
    pub(super) fn on_spurious(&mut self) -> Option<usize> {
        self.recent.lost = 0.0;
        self.round_lost = 0.0;
        self.excess = 0.0;
        self.trial.take().map(|trial| trial.before)
    }

    pub(super) fn restart(&mut self, next_order: u64) {
        *self = Self {
            since: next_order,
            ..Self::default()
        };
    }
}
