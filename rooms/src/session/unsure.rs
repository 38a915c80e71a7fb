//! What was given to a connection and is not known to have come: a connection that is lost takes
//! with it what its association had, and the next one has to bring that first.

use std::collections::VecDeque;

use super::frame::Written;
use super::payload::MAX_PAYLOAD;

/// Frames that are kept, and their bytes.
const MAX_KEPT: usize = 1024;
const MAX_BYTES: usize = 2 * MAX_PAYLOAD;
/// Of one that has not told what it got: it may never.
const UNTOLD: usize = 64;

/// Frames to one peer. Each side counts those that it got of the other, over all connections of
/// the pair, and tells the count.
pub(super) struct Unsure {
    /// Over the present channel.
    gone: VecDeque<Written>,
    bytes: usize,
    /// The peer's count before the first of those, if it is known.
    from: Option<u64>,
    /// The peer has told its count over this channel; until then so many are kept no longer.
    told: bool,
    skipped: u64,
    /// Over channels of before, until the peer's count is heard again.
    old: VecDeque<Written>,
    old_from: Option<u64>,
}

impl Default for Unsure {
    fn default() -> Self {
        Self {
            gone: VecDeque::new(),
            bytes: 0,
            from: Some(0),
            told: false,
            skipped: 0,
            old: VecDeque::new(),
            old_from: None,
        }
    }
}

impl Unsure {
    /// There is another channel.
    pub(super) fn begin(&mut self) {
        // While the count is waited for nothing goes.
        if self.old.is_empty() && !self.gone.is_empty() {
            (self.old, self.old_from) = (std::mem::take(&mut self.gone), self.from.take());
        }
        (self.bytes, self.told, self.skipped) = (0, false, 0);
    }

    /// Whether the peer's count is to be waited for before anything goes.
    pub(super) fn waits(&self) -> bool {
        !self.old.is_empty()
    }

    /// A frame is about to be given to the channel.
    pub(super) fn goes(&mut self, written: &Written) {
        if !written.counts {
            return;
        }
        self.bytes = self.bytes.saturating_add(written.bytes);
        self.gone.push_back(written.clone());
        let most = if self.told { MAX_KEPT } else { UNTOLD };
        while self.gone.len() > most || self.bytes > MAX_BYTES {
            self.came();
        }
    }

    fn came(&mut self) {
        if let Some(written) = self.gone.pop_front() {
            self.bytes = self.bytes.saturating_sub(written.bytes);
            self.from = self.from.map(|from| from.saturating_add(1));
            self.skipped = self.skipped.saturating_add(u64::from(!self.told));
        }
    }

    /// The peer has got so many in all: those that have to go again, before all others.
    pub(super) fn got(&mut self, count: u64) -> VecDeque<Written> {
        if self.told {
            while self.from.is_some_and(|from| from < count) && !self.gone.is_empty() {
                self.came();
            }
            return VecDeque::new();
        }
        self.told = true;
        self.from = Some(count.saturating_add(self.skipped));
        let mut old = std::mem::take(&mut self.old);
        let got = self.old_from.and_then(|from| count.checked_sub(from));
        let got = got.and_then(|got| usize::try_from(got).ok());
        match got.filter(|got| *got <= old.len()) {
            Some(got) => old.split_off(got),
            // It lives anew, or this side does.
            None => VecDeque::new(),
        }
    }

    /// Nothing goes again.
    pub(super) fn forget(&mut self) {
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Payload;
    use crate::session::frame::{Frame, Ping};

    fn text(of: u64) -> Written {
        let payload = Payload::from(of.to_string());
        Frame::Payload(payload).write(0.0).unwrap()
    }

    fn goes(unsure: &mut Unsure, of: std::ops::Range<u64>) {
        for of in of {
            unsure.goes(&text(of));
            unsure.goes(&Frame::Ping(Ping { at: 0.0 }).write(0.0).unwrap());
        }
    }

    fn is(again: &VecDeque<Written>, of: std::ops::Range<u64>) {
        let texts = |written: &Written| format!("{:?}", written.messages);
        let again: Vec<_> = again.iter().map(texts).collect();
        let wanted: Vec<_> = of.map(|of| texts(&text(of))).collect();
        assert_eq!(again, wanted);
    }

    #[test]
    fn e05_what_a_lost_connection_had_goes_again_once() {
        let mut unsure = Unsure::default();
        unsure.begin();
        assert!(!unsure.waits());
        goes(&mut unsure, 0..5);
        // It is lost before the count was heard.
        unsure.begin();
        is(&unsure.got(2), 2..5);
        goes(&mut unsure, 2..5);
        is(&unsure.got(3), 0..0);
        unsure.begin();
        assert!(unsure.waits());
        // Another channel, before the count was heard.
        unsure.begin();
        is(&unsure.got(4), 4..5);
        assert!(!unsure.waits());
        goes(&mut unsure, 4..7);
        is(&unsure.got(6), 0..0);
        unsure.begin();
        is(&unsure.got(6), 6..7);
        goes(&mut unsure, 6..8);
        // The peer lives anew, and counts from 0.
        unsure.begin();
        is(&unsure.got(0), 0..0);
        goes(&mut unsure, 8..9);
        unsure.begin();
        is(&unsure.got(0), 8..9);
        unsure.begin();
        is(&unsure.got(7), 0..0);
    }

    #[test]
    fn e05_what_is_not_known_to_have_come_is_bounded() {
        let mut unsure = Unsure::default();
        unsure.begin();
        goes(&mut unsure, 0..100);
        assert_eq!(unsure.gone.len(), UNTOLD);
        is(&unsure.got(0), 0..0);
        goes(&mut unsure, 100..2000);
        assert_eq!(unsure.gone.len(), MAX_KEPT);
        unsure.got(u64::MAX);
        assert_eq!((unsure.gone.len(), unsure.bytes), (0, 0));
    }
}
