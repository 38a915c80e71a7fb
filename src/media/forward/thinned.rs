//! Which temporal layers of a picture a path that is too narrow for all of it still gets.

use std::time::{Duration, Instant};

/// How long a smaller picture is kept at least after losses, at first and at most.
pub(super) const FIRST_PATIENCE: Duration = Duration::from_secs(5);
pub(super) const MOST_PATIENCE: Duration = Duration::from_secs(60);
/// If more than this waits for the path, it does not carry the least.
pub(super) const TOO_LATE: Duration = Duration::from_millis(400);
/// What waits is read again so long after temporal layers were left out.
const TELLS: Duration = Duration::from_secs(1);
/// A path that has less than this waiting carries what is sent.
const LITTLE_WAITS: Duration = Duration::from_millis(100);

/// Which temporal layers of the least are left out.
#[derive(Debug)]
pub(super) struct Thinned {
    /// The highest that is sent; `None`: all are.
    pub(super) most: Option<u8>,
    changed: Option<Instant>,
    /// Since when nothing is too much.
    calm: Option<Instant>,
    /// When one came back.
    tried: Option<Instant>,
    patience: Duration,
}

impl Default for Thinned {
    fn default() -> Self {
        Self {
            most: None,
            changed: None,
            calm: None,
            tried: None,
            patience: FIRST_PATIENCE,
        }
    }
}

impl Thinned {
    /// Whether what changed last has not told yet in what waits.
    pub(super) fn is_new(&self, now: Instant) -> bool {
        let since = |at| now.saturating_duration_since(at);
        self.most.is_some() && self.changed.is_some_and(|at| since(at) < TELLS)
    }

    /// One of so many less where too much waits, one more after a time in which nothing was too much;
    /// `excess`: when something last was.
    pub(super) fn select(
        &mut self,
        now: Instant,
        layers: u8,
        (waits, excess): (Duration, Option<Instant>),
    ) {
        let since = |at: Instant| now.saturating_duration_since(at);
        if self.is_new(now) {
            return;
        }
        let top = layers.saturating_sub(1);
        let most = self.most.unwrap_or(top).min(top);
        if waits >= TOO_LATE {
            let Some(less) = most.checked_sub(1) else {
                return;
            };
            let in_vain = self
                .tried
                .take()
                .is_some_and(|at| since(at) < self.patience);
            if in_vain {
                self.patience = self.patience.saturating_mul(2).min(MOST_PATIENCE);
            }
            self.most = Some(less);
            self.changed = Some(now);
            self.calm = None;
            return;
        }
        let is_calm = waits < LITTLE_WAITS && excess.is_none_or(|at| since(at) > TELLS);
        let calm = self.calm.filter(|_| is_calm);
        self.calm = calm.or(is_calm.then_some(now));
        if self.most.is_some() && calm.is_some_and(|at| since(at) >= self.patience) {
            let more = most.saturating_add(1);
            self.most = (more < top).then_some(more);
            self.changed = Some(now);
            self.tried = Some(now);
            self.calm = None;
        } else if self.tried.is_some_and(|at| since(at) >= MOST_PATIENCE) {
            self.patience = FIRST_PATIENCE;
        }
    }

    /// Nothing is sent: that it is calm tells nothing.
    pub(super) fn rest(&mut self) {
        self.calm = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks twice a second from `from` to `to` seconds, with so many milliseconds waiting.
    fn look(thinned: &mut Thinned, start: Instant, (from, to): (u64, u64), waits: u64) {
        let waits = Duration::from_millis(waits);
        for half in from * 2..to * 2 {
            let now = start + Duration::from_millis(half * 500);
            thinned.select(now, 3, (waits, None));
        }
    }

    #[test]
    fn layers_go_one_after_another_and_come_back_so() {
        let start = Instant::now();
        let mut thinned = Thinned::default();
        look(&mut thinned, start, (0, 1), 500);
        assert_eq!(thinned.most, Some(1));
        look(&mut thinned, start, (1, 2), 500);
        assert_eq!(thinned.most, Some(0));
        // Not fewer than one, and none while something waits.
        look(&mut thinned, start, (2, 4), 500);
        look(&mut thinned, start, (4, 20), 200);
        assert_eq!(thinned.most, Some(0));
        for (time, most) in [((20, 25), Some(0)), ((25, 31), Some(1)), ((31, 32), None)] {
            look(&mut thinned, start, time, 50);
            assert_eq!(thinned.most, most, "{time:?}");
        }
        // That was too much: the next try is later.
        look(&mut thinned, start, (32, 33), 500);
        assert_eq!(thinned.most, Some(1));
        look(&mut thinned, start, (33, 43), 50);
        assert_eq!(thinned.most, Some(1));
        look(&mut thinned, start, (43, 44), 50);
        assert_eq!(thinned.most, None);
    }

    /// A rest, and what is still too much for the path, are no calm.
    #[test]
    fn nothing_comes_back_before_it_was_calm() {
        let start = Instant::now();
        let mut thinned = Thinned::default();
        look(&mut thinned, start, (0, 1), 500);
        for second in 1..20 {
            let now = start + Duration::from_secs(second);
            thinned.select(now, 3, (Duration::ZERO, Some(now)));
        }
        look(&mut thinned, start, (20, 24), 50);
        thinned.rest();
        look(&mut thinned, start, (24, 29), 50);
        assert_eq!(thinned.most, Some(1));
        look(&mut thinned, start, (29, 30), 50);
        assert_eq!(thinned.most, None);
    }

    #[test]
    fn what_marks_no_layers_is_not_thinned() {
        let start = Instant::now();
        let mut thinned = Thinned::default();
        for layers in [0, 1] {
            thinned.select(start, layers, (TOO_LATE, None));
            assert_eq!(thinned.most, None);
            assert!(!thinned.is_new(start));
        }
    }
}
