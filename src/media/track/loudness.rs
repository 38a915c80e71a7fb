//! How loud a received track was lately, by the levels that its packets carry (RFC 6464).

#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use crate::rtp::AudioLevel;

/// A level counts for once to twice as long: several packets, whatever their size.
const WINDOW: Duration = Duration::from_millis(100);

/// The loudest of the present window and of the one before.
#[derive(Debug, Default)]
pub(super) struct Loudness {
    begun: Option<Instant>,
    now: Option<AudioLevel>,
    before: Option<AudioLevel>,
}

impl Loudness {
    pub(super) fn heard(&mut self, now: Instant, level: AudioLevel) {
        self.turn(now);
        self.now = louder(self.now, Some(level));
    }

    pub(super) fn get(&mut self, now: Instant) -> Option<AudioLevel> {
        self.turn(now);
        louder(self.now, self.before)
    }

    fn turn(&mut self, now: Instant) {
        let age = self.begun.map(|begun| now.saturating_duration_since(begun));
        let before = match age {
            Some(age) if age < WINDOW => return,
            Some(age) if age < WINDOW.saturating_mul(2) => self.now,
            _ => None,
        };
        (self.begun, self.before, self.now) = (Some(now), before, None);
    }
}

fn louder(one: Option<AudioLevel>, other: Option<AudioLevel>) -> Option<AudioLevel> {
    let both = [one, other].into_iter().flatten();
    both.reduce(|one, other| AudioLevel {
        voice: one.voice || other.voice,
        level: one.level.min(other.level),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_of_late_counts_and_is_forgotten() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let level = |level, voice| AudioLevel { voice, level };
        let mut loudness = Loudness::default();
        assert_eq!(loudness.get(at(0)), None);
        loudness.heard(at(0), level(40, false));
        loudness.heard(at(20), level(60, true));
        assert_eq!(loudness.get(at(40)), Some(level(40, true)));
        // The window before still counts, and that before it does not.
        loudness.heard(at(120), level(90, false));
        assert_eq!(loudness.get(at(140)), Some(level(40, true)));
        assert_eq!(loudness.get(at(240)), Some(level(90, false)));
        assert_eq!(loudness.get(at(460)), None);
    }
}
