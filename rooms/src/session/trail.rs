//! What went by a hub and is not known to have come: once the hub is lost, it goes another way.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::clock::clock;
use super::frame::Written;
use super::payload::MAX_PAYLOAD;
use crate::signalling::UserId;

/// Frames that are kept.
const MAX_KEPT: usize = 512;
/// And their bytes.
const MAX_BYTES: usize = 2 * MAX_PAYLOAD;
/// Who is reached, and in this time has told nothing of numbers, knows of none.
const SILENT: Duration = Duration::from_secs(10);

struct Kept {
    n: u64,
    /// For one alone.
    to: Option<UserId>,
    written: Written,
}

/// Frames that are too large to be kept, of which it is known whom they were for.
const MAX_LARGE: usize = 16;
/// In this time a large frame that the hub has got is held not to have come.
const LARGE: Duration = Duration::from_secs(30);

/// One that it is for.
struct Who {
    /// It has all up to this number.
    seen: u64,
    told: bool,
    /// When a hub reached it, if one has.
    reached: Option<Instant>,
}

impl Who {
    /// Whether nothing need be kept for it, as it never says what has come.
    fn is_silent(&self, now: Instant) -> bool {
        let since = self.reached.map(|reached| now.duration_since(reached));
        !self.told && since.is_some_and(|since| since > SILENT)
    }

    fn has(&self, n: u64, now: Instant) -> bool {
        self.seen >= n || self.is_silent(now)
    }
}

/// What this user has sent by the hub of a room.
#[derive(Default)]
pub(super) struct Trail {
    /// The hub that it went by.
    pub(super) by: Option<UserId>,
    last: u64,
    kept: VecDeque<Kept>,
    bytes: usize,
    whom: BTreeMap<UserId, Who>,
    /// The last that was kept no longer, though it was not seen by all.
    dropped: u64,
    /// Those that are too large to be kept.
    large: VecDeque<(Option<UserId>, Instant)>,
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

    fn who(&mut self, peer: &UserId) -> &mut Who {
        // What was said before is not for one who came after.
        let seen = self.last;
        self.whom.entry(peer.clone()).or_insert(Who {
            seen,
            told: false,
            reached: None,
        })
    }

    /// What is said from now on is for this one, too, whether the hub reaches it yet or not.
    pub(super) fn expect(&mut self, peer: &UserId) {
        if !self.whom.contains_key(peer) {
            self.who(peer);
        }
    }

    /// The hub reaches somebody.
    pub(super) fn reach(&mut self, peer: &UserId, now: Instant) {
        let who = self.who(peer);
        who.reached = Some(now);
    }

    /// Keeps what goes by the hub, for as long as somebody may not have it.
    pub(super) fn keep(&mut self, n: u64, to: Option<&UserId>, written: &Written, now: Instant) {
        self.bytes = self.bytes.saturating_add(written.bytes);
        self.kept.push_back(Kept {
            n,
            to: to.cloned(),
            written: written.clone(),
        });
        self.trim(now);
        while self.kept.len() > MAX_KEPT || self.bytes > MAX_BYTES {
            let Some(oldest) = self.pop() else {
                return;
            };
            self.dropped = oldest;
        }
    }

    /// One goes by the hub that has no number.
    pub(super) fn goes_large(&mut self, to: Option<&UserId>, now: Instant) {
        if self.large.len() >= MAX_LARGE {
            self.large.pop_front();
        }
        self.large.push_back((to.cloned(), now));
    }

    /// Whether one may not have a large frame.
    pub(super) fn lacks_large(&self, peer: &UserId, now: Instant) -> bool {
        let mut large = self.large.iter();
        large.any(|(to, at)| {
            to.as_ref().is_none_or(|to| to == peer) && now.duration_since(*at) < LARGE
        })
    }

    /// What was large was told to be lost.
    pub(super) fn forget_large(&mut self) {
        self.large.clear();
    }

    fn pop(&mut self) -> Option<u64> {
        let kept = self.kept.pop_front()?;
        self.bytes = self.bytes.saturating_sub(kept.written.bytes);
        Some(kept.n)
    }

    /// Somebody has all up to this number.
    pub(super) fn seen(&mut self, by: &UserId, n: u64, now: Instant) {
        let last = self.last;
        if n > last {
            return;
        }
        let who = self.who(by);
        if who.is_silent(now) {
            // Nothing was kept for it meanwhile.
            who.seen = last;
        }
        who.told = true;
        who.seen = n.max(who.seen);
        self.trim(now);
    }

    /// Somebody has left.
    pub(super) fn forget(&mut self, peer: &UserId) {
        self.whom.remove(peer);
        self.trim(Instant::now());
    }

    fn trim(&mut self, now: Instant) {
        let done = |whom: &BTreeMap<UserId, Who>, kept: &Kept| match &kept.to {
            Some(to) => whom.get(to).is_none_or(|who| who.has(kept.n, now)),
            None => whom.values().all(|who| who.has(kept.n, now)),
        };
        while self.kept.front().is_some_and(|kept| done(&self.whom, kept)) {
            self.pop();
        }
    }

    /// What one may not have, and whether there was more.
    pub(super) fn unseen(&self, peer: &UserId, now: Instant) -> (Vec<Written>, bool) {
        let Some(who) = self.whom.get(peer).filter(|who| !who.is_silent(now)) else {
            return (Vec::new(), false);
        };
        let is = |kept: &&Kept| kept.n > who.seen && kept.to.as_ref().is_none_or(|to| to == peer);
        let unseen = self.kept.iter().filter(is);
        let unseen = unseen.map(|kept| kept.written.clone()).collect();
        (unseen, self.dropped > who.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Payload;
    use crate::session::frame::Frame;

    fn sent(trail: &mut Trail, to: Option<&UserId>, text: &str, now: Instant) -> u64 {
        let mut written = Frame::Payload(Payload::from(text)).write(0.0).unwrap();
        let n = trail.next();
        written.number(n);
        trail.keep(n, to, &written, now);
        n
    }

    fn unseen(trail: &Trail, peer: &UserId, now: Instant) -> usize {
        trail.unseen(peer, now).0.len()
    }

    #[test]
    fn e05_what_is_not_seen_is_kept_within_bounds() {
        let [anna, bob] = ["anna", "bob"].map(|name| UserId::new(name).unwrap());
        let now = Instant::now();
        let mut trail = Trail::default();
        sent(&mut trail, None, "before anybody is there", now);
        assert!(trail.kept.is_empty());
        trail.seen(&anna, 0, now);
        trail.seen(&bob, 0, now);
        let first = sent(&mut trail, None, "one", now);
        sent(&mut trail, Some(&bob), "two", now);
        let of = |trail: &Trail, peer| unseen(trail, peer, now);
        assert_eq!((of(&trail, &anna), of(&trail, &bob)), (1, 2));
        trail.seen(&anna, first + 100, now);
        assert_eq!(of(&trail, &anna), 1, "a number that was never sent");
        trail.seen(&bob, first, now);
        assert_eq!((of(&trail, &anna), of(&trail, &bob)), (1, 1));
        trail.seen(&anna, first, now);
        assert_eq!(trail.kept.len(), 1);
        trail.forget(&bob);
        assert_eq!((trail.kept.len(), trail.bytes), (0, 0));
        for _ in 0..=MAX_KEPT {
            sent(&mut trail, None, "many", now);
        }
        assert_eq!(trail.kept.len(), MAX_KEPT);
        assert!(trail.unseen(&anna, now).1, "the oldest was dropped");
    }

    #[test]
    fn e05_what_is_too_large_to_be_kept_is_known_for_a_while() {
        let [anna, bob] = ["anna", "bob"].map(|name| UserId::new(name).unwrap());
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut trail = Trail::default();
        trail.goes_large(Some(&bob), begin);
        let lack = |trail: &Trail, now| [&anna, &bob].map(|who| trail.lacks_large(who, now));
        assert_eq!(lack(&trail, after(1)), [false, true]);
        for _ in 0..=MAX_LARGE {
            trail.goes_large(None, after(20));
        }
        assert_eq!(trail.large.len(), MAX_LARGE);
        assert_eq!(lack(&trail, after(49)), [true, true]);
        assert_eq!(lack(&trail, after(50)), [false, false]);
    }

    #[test]
    fn e05_what_is_sent_before_somebody_tells_of_numbers_is_kept_for_a_while() {
        let [anna, bob] = ["anna", "bob"].map(|name| UserId::new(name).unwrap());
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut trail = Trail::default();
        sent(&mut trail, None, "before anybody is there", begin);
        trail.expect(&anna);
        trail.expect(&bob);
        sent(&mut trail, None, "not reached yet", begin);
        assert_eq!(unseen(&trail, &anna, after(100)), 1);
        trail.reach(&anna, after(100));
        trail.reach(&bob, after(100));
        let last = sent(&mut trail, Some(&bob), "two", after(101));
        assert_eq!(unseen(&trail, &bob, after(110)), 2);
        trail.seen(&bob, 0, after(110));
        // Anna knows nothing of numbers.
        assert_eq!(unseen(&trail, &anna, after(111)), 0);
        assert_eq!(unseen(&trail, &bob, after(200)), 2);
        trail.seen(&bob, last, after(200));
        assert!(trail.kept.is_empty());
        // She does after all: what was not kept for her is not missed.
        sent(&mut trail, None, "three", after(201));
        assert!(!trail.kept.is_empty(), "for bob");
        trail.seen(&anna, 0, after(201));
        assert_eq!(unseen(&trail, &anna, after(201)), 0);
    }
}
