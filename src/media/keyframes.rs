//! When a decoder cannot go on without a key frame, and when to ask for one.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

/// Between two requests; twice as long after each that brought nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Whether the decoder of a source waits for a key frame.
#[derive(Debug)]
pub(crate) struct KeyframeNeed {
    needed: bool,
    /// Something came, or went, that makes it worth asking.
    due: bool,
    last: Option<Instant>,
    pause: Duration,
}

impl Default for KeyframeNeed {
    /// Of a stream that begins: its first frame should be one.
    fn default() -> Self {
        Self {
            needed: true,
            due: false,
            last: None,
            pause: FIRST_PAUSE,
        }
    }
}

impl KeyframeNeed {
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
                self.pause = FIRST_PAUSE;
            }
            Some(false) => self.due |= self.needed,
            None => {}
        }
    }

    /// Whether to ask now. It then counts as asked.
    pub(crate) fn ask(&mut self, now: Instant) -> bool {
        let pausing = |last: Instant| now.saturating_duration_since(last) < self.pause;
        if !self.due || self.last.is_some_and(pausing) {
            return false;
        }
        if self.last.is_some() {
            self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        self.due = false;
        self.last = Some(now);
        true
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
        need.delivered(None);
        assert!(!need.ask(end + Duration::from_secs(60)));
    }
}
