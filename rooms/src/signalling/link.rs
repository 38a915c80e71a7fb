//! The numbers of messages, which bring them through a lost connection: of either side, without
//! sockets or clock.

use std::collections::VecDeque;

use super::envelope::Envelope;

/// So many messages unacknowledged, and an acknowledgement is due.
const ACKNOWLEDGE: u64 = 32;

/// One side of a connection that may be lost and come back: numbers what it sends and keeps it
/// until the other side has seen it, drops what comes twice.
#[derive(Debug)]
pub(crate) struct Link<M> {
    /// The number of the last message that was sent.
    sent: u64,
    /// The last of them that the other side has seen.
    acknowledged: u64,
    /// The number of the last message that came.
    seen: u64,
    /// The last number that the other side was told.
    told: u64,
    /// Sent, and not seen by the other side as far as is known.
    waiting: VecDeque<(u64, M)>,
    /// Nothing with a number came since the last resume.
    resumed: bool,
}

impl<M> Default for Link<M> {
    fn default() -> Self {
        Self {
            sent: 0,
            acknowledged: 0,
            seen: 0,
            told: 0,
            waiting: VecDeque::new(),
            resumed: false,
        }
    }
}

impl<M: Clone> Link<M> {
    /// Gives a message its number, and keeps it.
    pub(crate) fn send(&mut self, message: M) -> Envelope<M> {
        self.sent = self.sent.saturating_add(1);
        self.waiting.push_back((self.sent, message.clone()));
        self.told = self.seen;
        Envelope::new(self.sent, self.seen, message)
    }

    /// Takes what came: `None` if it came before, or only says what was seen.
    pub(crate) fn take<I>(&mut self, envelope: Envelope<I>) -> Option<I> {
        if let Some(seen) = envelope.seen {
            self.forget(seen);
        }
        let Some(seq) = envelope.seq else {
            return envelope.message;
        };
        // The other side sends again only what was not seen: a lower number is of one that starts
        // anew.
        if std::mem::take(&mut self.resumed) && seq <= self.seen {
            self.seen = 0;
            self.told = 0;
        }
        if seq <= self.seen {
            return None;
        }
        self.seen = seq;
        envelope.message
    }

    /// The number of the last message that came: what `hello` and `welcome` tell.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Messages that the other side has not seen as far as is known.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What has come was not told yet.
    pub(crate) fn owes(&self) -> bool {
        self.seen > self.told
    }

    /// So much has come that it must be told.
    pub(crate) fn must_acknowledge(&self) -> bool {
        self.seen.saturating_sub(self.told) >= ACKNOWLEDGE
    }

    /// Tells what has come.
    pub(crate) fn acknowledge(&mut self) -> Envelope<M> {
        self.told = self.seen;
        Envelope::seen(self.seen)
    }

    /// The connection is back, and the other side has seen this: what is to be sent again. One
    /// that has seen less than it said before has forgotten all: the rest gets new numbers.
    pub(crate) fn resume(&mut self, seen: u64) -> Vec<Envelope<M>> {
        self.resumed = true;
        if seen < self.acknowledged {
            self.sent = seen;
            self.acknowledged = seen;
            for (seq, _) in &mut self.waiting {
                self.sent = self.sent.saturating_add(1);
                *seq = self.sent;
            }
        } else {
            self.forget(seen);
        }
        self.told = self.seen;
        let again = self.waiting.iter();
        again
            .map(|(seq, message)| Envelope::new(*seq, self.seen, message.clone()))
            .collect()
    }

    /// The other side does not know this one: all numbers begin anew, what waits is lost.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn forget(&mut self, seen: u64) {
        let seen = seen.min(self.sent);
        self.acknowledged = self.acknowledged.max(seen);
        while self.waiting.front().is_some_and(|(seq, _)| *seq <= seen) {
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(envelopes: Vec<Envelope<u32>>) -> Vec<(u64, u32)> {
        let both = |e: Envelope<u32>| Some((e.seq?, e.message?));
        envelopes.into_iter().filter_map(both).collect()
    }

    #[test]
    fn what_was_not_seen_comes_again_and_once() {
        let (mut a, mut b) = (Link::<u32>::default(), Link::<u32>::default());
        assert_eq!(b.take(a.send(10)), Some(10));
        assert_eq!(b.take(a.send(11)), Some(11));
        // Two are lost with the connection, and so is what the other side has seen.
        let _ = (a.send(12), a.send(13));
        assert_eq!(a.waiting(), 4);
        let again = a.resume(b.seen());
        assert_eq!(all(again.clone()), [(3, 12), (4, 13)]);
        let came: Vec<_> = again.into_iter().filter_map(|e| b.take(e)).collect();
        assert_eq!(came, [12, 13]);
        // A resume that comes too early makes copies, which are dropped.
        let again = a.resume(2);
        b.resume(0);
        b.resumed = false;
        assert!(again.into_iter().all(|e| b.take(e).is_none()));
        assert_eq!(a.take(b.acknowledge()), None::<u32>);
        assert_eq!(a.waiting(), 0);
    }

    #[test]
    fn one_that_starts_anew_is_recognised() {
        let (mut a, mut b) = (Link::<u32>::default(), Link::<u32>::default());
        for n in 0..5 {
            assert_eq!(b.take(a.send(n)), Some(n));
            assert_eq!(a.take(b.send(n)), Some(n));
        }
        let _ = a.send(5);
        // Another server, which knows nothing.
        let mut b = Link::<u32>::default();
        let again = a.resume(b.seen());
        assert_eq!(all(again.clone()), [(1, 5)], "new numbers");
        let came: Vec<_> = again.into_iter().filter_map(|e| b.take(e)).collect();
        assert_eq!(came, [5]);
        assert_eq!(a.take(b.send(100)), Some(100), "its first has number 1");
        assert_eq!(a.take(b.send(101)), Some(101));
    }

    #[test]
    fn acknowledgements_are_due_after_a_number() {
        let (mut a, mut b) = (Link::<u32>::default(), Link::<u32>::default());
        for n in 0..31 {
            assert_eq!(b.take(a.send(n)), Some(n));
        }
        assert!(b.owes() && !b.must_acknowledge());
        assert_eq!(b.take(a.send(31)), Some(31));
        assert!(b.must_acknowledge());
        assert_eq!(a.take(b.acknowledge()), None::<u32>);
        assert_eq!((a.waiting(), b.owes()), (0, false));
    }
}
