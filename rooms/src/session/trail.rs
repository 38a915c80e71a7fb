//! What went by a hub and is not known to have come: once the hub is lost, it goes another way.

use std::collections::{BTreeMap, VecDeque};

use super::clock::clock;
use super::frame::Written;
use super::payload::MAX_PAYLOAD;
use crate::signalling::UserId;

/// Frames that are kept.
const MAX_KEPT: usize = 512;
/// And their bytes.
const MAX_BYTES: usize = 2 * MAX_PAYLOAD;

struct Kept {
    n: u64,
    /// For one alone.
    to: Option<UserId>,
    written: Written,
}

/// What this user has sent by the hub of a room.
#[derive(Default)]
pub(super) struct Trail {
    /// The hub that it went by.
    pub(super) by: Option<UserId>,
    last: u64,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// What has come, of those who tell it.
    seen: BTreeMap<UserId, u64>,
    /// The last that was kept no longer, though it was not seen by all.
    dropped: u64,
}

impl Trail {
    /// The number of the next frame.
    pub(super) fn next(&mut self) -> u64 {
        // One who comes back under its name goes on above what it said before.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let now = clock() as u64;
        self.last = match self.last {
            0 => now,
            last => last.saturating_add(1),
        };
        self.last
    }

    /// Keeps what goes by the hub, for as long as somebody may not have it.
    pub(super) fn keep(&mut self, n: u64, to: Option<&UserId>, written: &Written) {
        if self.seen.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(written.bytes);
        self.kept.push_back(Kept {
            n,
            to: to.cloned(),
            written: written.clone(),
        });
        while self.kept.len() > MAX_KEPT || self.bytes > MAX_BYTES {
            let Some(oldest) = self.pop() else {
                return;
            };
            self.dropped = oldest;
        }
    }

    fn pop(&mut self) -> Option<u64> {
        let kept = self.kept.pop_front()?;
        self.bytes = self.bytes.saturating_sub(kept.written.bytes);
        Some(kept.n)
    }

    /// Somebody has all up to this number.
    pub(super) fn seen(&mut self, by: &UserId, n: u64) {
        let last = self.last;
        if n > last {
            return;
        }
        // What was sent before it said so for the first time may have been before it came.
        let seen = self.seen.entry(by.clone()).or_insert(last);
        *seen = n.max(*seen);
        self.trim();
    }

    /// Somebody has left.
    pub(super) fn forget(&mut self, peer: &UserId) {
        self.seen.remove(peer);
        self.trim();
    }

    fn trim(&mut self) {
        let done = |seen: &BTreeMap<UserId, u64>, kept: &Kept| match &kept.to {
            Some(to) => seen.get(to).is_none_or(|seen| *seen >= kept.n),
            None => seen.values().all(|seen| *seen >= kept.n),
        };
        while self.kept.front().is_some_and(|kept| done(&self.seen, kept)) {
            self.pop();
        }
    }

    /// What one has not seen, and whether there was more.
    pub(super) fn unseen(&self, peer: &UserId) -> (Vec<Written>, bool) {
        let Some(seen) = self.seen.get(peer) else {
            return (Vec::new(), false);
        };
        let is = |kept: &&Kept| kept.n > *seen && kept.to.as_ref().is_none_or(|to| to == peer);
        let unseen = self.kept.iter().filter(is);
        let unseen = unseen.map(|kept| kept.written.clone()).collect();
        (unseen, self.dropped > *seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Payload;
    use crate::session::frame::Frame;

    fn sent(trail: &mut Trail, to: Option<&UserId>, text: &str) -> u64 {
        let mut written = Frame::Payload(Payload::from(text)).write(0.0).unwrap();
        let n = trail.next();
        written.number(n);
        trail.keep(n, to, &written);
        n
    }

    #[test]
    fn e05_what_is_not_seen_is_kept_within_bounds() {
        let [anna, bob] = ["anna", "bob"].map(|name| UserId::new(name).unwrap());
        let mut trail = Trail::default();
        sent(&mut trail, None, "before anybody tells");
        assert!(trail.kept.is_empty());
        trail.seen(&anna, 0);
        trail.seen(&bob, 0);
        let first = sent(&mut trail, None, "one");
        sent(&mut trail, Some(&bob), "two");
        let of = |trail: &Trail, peer| trail.unseen(peer).0.len();
        assert_eq!((of(&trail, &anna), of(&trail, &bob)), (1, 2));
        trail.seen(&anna, first + 100);
        assert_eq!(of(&trail, &anna), 1, "a number that was never sent");
        trail.seen(&bob, first);
        assert_eq!((of(&trail, &anna), of(&trail, &bob)), (1, 1));
        trail.seen(&anna, first);
        assert_eq!(trail.kept.len(), 1);
        trail.forget(&bob);
        assert_eq!((trail.kept.len(), trail.bytes), (0, 0));
        for _ in 0..=MAX_KEPT {
            sent(&mut trail, None, "many");
        }
        assert_eq!(trail.kept.len(), MAX_KEPT);
        assert!(trail.unseen(&anna).1, "the oldest was dropped");
    }
}
