//! When a decoder cannot go on without a key frame, and when to ask for one.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

/// Between two requests; twice as long after each that brought nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Requests that are made again though nothing came since: one may be lost, as what it asks for.
const MAX_REPEATS: u8 = 4;

/// Whether the decoder of a source waits for a key frame.
#[derive(Debug)]
pub(crate) struct KeyframeNeed {
    needed: bool,
    /// Something came, or went, that makes it worth asking.
    due: bool,
    /// It was asked for in vain, so often since anything came.
    repeats: Option<u8>,
    last: Option<Instant>,
    pause: Duration,
}

impl Default for KeyframeNeed {
    /// Of a stream that begins: its first frame should be one.
    fn default() -> Self {
        Self {
            needed: true,
            due: false,
            repeats: None,
            last: None,
            pause: FIRST_PAUSE,
        }
    }
}

impl KeyframeNeed {
    /// A sequence begins anew, with a key frame if all is well.
    pub(crate) fn begins(&mut self) {
        self.needed = true;
    }

    /// A frame was lost that later ones may refer to.
    pub(crate) fn broken(&mut self) {
        self.needed = true;
        self.due = true;
    }

    /// A frame went to the decoder; `None` for audio.
    pub(crate) fn delivered(&mut self, keyframe: Option<bool>) {
        match keyframe {
            Some(true) => {
                self.needed = false;
                self.due = false;
                self.repeats = None;
                self.pause = FIRST_PAUSE;
            }
            Some(false) => self.due |= self.needed,
            None => {}
        }
    }

    /// Whether to ask now. It then counts as asked.
    pub(crate) fn ask(&mut self, now: Instant) -> bool {
        if !self.wanted() || self.next_at().is_some_and(|at| now < at) {
            return false;
        }
        if self.last.is_some() {
            self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        self.repeats = Some(match self.repeats {
            Some(repeats) if !self.due => repeats.saturating_add(1),
            _ => 0,
        });
        self.due = false;
        self.last = Some(now);
        true
    }

    fn wanted(&self) -> bool {
        self.due || self.repeats.is_some_and(|repeats| repeats < MAX_REPEATS)
    }

    /// When to ask even if nothing comes; `None` if at once, or not at all.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let last = self.last.filter(|_| self.wanted())?;
        last.checked_add(self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_then_ever_longer_pauses() {
        let start = Instant::now();
        let mut need = KeyframeNeed::default();
        assert!(!need.ask(start), "nothing came yet");
        let mut asked = Vec::new();
        for n in 0..2_000u64 {
            let at = Duration::from_millis(n * 10);
            need.delivered(Some(false));
            if need.ask(start + at) {
                asked.push(at.as_millis());
            }
        }
        assert_eq!(asked, [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500]);
        // It came; the next loss is asked for at once, the one after it not.
        let end = start + Duration::from_secs(30);
        need.delivered(Some(true));
        need.delivered(Some(false));
        assert!(!need.ask(end));
        need.broken();
        assert!(need.ask(end));
        need.delivered(Some(true));
        need.broken();
        assert!(!need.ask(end + Duration::from_millis(499)));
        assert!(need.ask(end + Duration::from_millis(500)));
    }

    #[test]
    fn a_lost_request_is_made_again_though_nothing_comes() {
        let start = Instant::now();
        let asked = |need: &mut KeyframeNeed, from: u64| {
            let times = (from..from + 60_000).step_by(10);
            let at = |n: &u64| start + Duration::from_millis(*n);
            times
                .filter(|n| need.ask(at(n)))
                .map(|n| n - from)
                .collect::<Vec<_>>()
        };
        let mut need = KeyframeNeed::default();
        need.delivered(None);
        assert!(asked(&mut need, 0).is_empty(), "audio, or nothing yet");
        need.broken();
        assert_eq!(asked(&mut need, 0), [0, 500, 1_500, 3_500, 7_500]);
        assert_eq!(need.next_at(), None);
        // Something comes, and it is worth asking again.
        need.delivered(Some(false));
        assert_eq!(asked(&mut need, 100_000), [0, 4_000, 8_000, 12_000, 16_000]);
        need.delivered(Some(true));
        assert!(asked(&mut need, 200_000).is_empty());
        // A sequence that begins anew has its first frame to show.
        need.begins();
        assert!(asked(&mut need, 300_000).is_empty());
        need.delivered(Some(false));
        assert!(need.ask(start + Duration::from_secs(400)));
    }
}
