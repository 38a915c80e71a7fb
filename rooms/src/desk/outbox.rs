//! What a client is still to get, or has not said that it got.

use std::collections::VecDeque;
use std::sync::Arc;

/// More is kept of what was sent and not acknowledged: a client acknowledges 32 at the latest.
const MAX_KEPT: usize = 1024;

/// Messages with their numbers, from the oldest that is not acknowledged on.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: VecDeque<Arc<str>>,
    /// The number of the first in the queue.
    first: u64,
    /// How many of the queue were sent.
    sent: usize,
    bytes: usize,
    bytes_unsent: usize,
    limit: usize,
}

/// The client is too far behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            first: 1,
            sent: 0,
            bytes: 0,
            bytes_unsent: 0,
            limit,
        }
    }

    /// Puts a message at the end. What was sent long ago without an acknowledgement makes room.
    pub(crate) fn push(&mut self, text: Arc<str>) -> Result<(), Overflow> {
        if self.bytes_unsent.saturating_add(text.len()) > self.limit {
            return Err(Overflow);
        }
        self.bytes = self.bytes.saturating_add(text.len());
        self.bytes_unsent = self.bytes_unsent.saturating_add(text.len());
        self.queue.push_back(text);
        while self.sent > 0 && (self.bytes > self.limit || self.sent > MAX_KEPT) {
            self.drop_first();
        }
        Ok(())
    }

    fn drop_first(&mut self) {
        if let Some(text) = self.queue.pop_front() {
            self.bytes = self.bytes.saturating_sub(text.len());
            self.first = self.first.saturating_add(1);
            self.sent = self.sent.saturating_sub(1);
        }
        // An empty queue of an idle client has no memory.
        if self.queue.is_empty() && self.queue.capacity() > 16 {
            self.queue = VecDeque::new();
        }
    }

    /// The next to send, with its number.
    pub(crate) fn next(&mut self) -> Option<(u64, Arc<str>)> {
        let text = self.queue.get(self.sent)?.clone();
        let number = self
            .first
            .saturating_add(u64::try_from(self.sent).unwrap_or(u64::MAX));
        self.sent = self.sent.saturating_add(1);
        self.bytes_unsent = self.bytes_unsent.saturating_sub(text.len());
        Some((number, text))
    }

    /// The client has got all up to this number.
    pub(crate) fn seen(&mut self, number: u64) {
        while self.sent > 0 && self.first <= number {
            self.drop_first();
        }
    }

    /// Over a new connection, the client having got all up to this number: what comes after is sent
    /// again. False if that is no longer there, or never was.
    pub(crate) fn rewind(&mut self, number: u64) -> bool {
        self.seen(number);
        self.sent = 0;
        self.bytes_unsent = self.bytes;
        self.first == number.saturating_add(1)
    }

    /// One with the same limit, whose numbers start anew.
    pub(crate) fn emptied(&self) -> Self {
        Self::new(self.limit)
    }

    pub(crate) fn unsent(&self) -> usize {
        self.bytes_unsent
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Arc<str> {
        "x".repeat(length).into()
    }

    fn numbers(outbox: &mut Outbox) -> Vec<u64> {
        std::iter::from_fn(|| outbox.next())
            .map(|(number, _)| number)
            .collect()
    }

    #[test]
    fn what_was_not_seen_is_sent_again() {
        let mut outbox = Outbox::new(1000);
        for _ in 0..5 {
            outbox.push(text(10)).unwrap();
        }
        assert_eq!(numbers(&mut outbox), [1, 2, 3, 4, 5]);
        outbox.seen(2);
        assert!(outbox.rewind(3));
        outbox.push(text(10)).unwrap();
        assert_eq!(numbers(&mut outbox), [4, 5, 6]);
        outbox.seen(6);
        assert_eq!((outbox.kept(), outbox.unsent()), (0, 0));
        assert!(outbox.rewind(6));
        assert!(!outbox.rewind(5), "an older number is a gap");
        assert!(!outbox.rewind(7), "a number that never was is one, too");
    }

    #[test]
    fn h07_bytes_are_bounded_sent_or_not() {
        let mut outbox = Outbox::new(1000);
        for _ in 0..10 {
            outbox.push(text(100)).unwrap();
        }
        assert_eq!(outbox.push(text(1)), Err(Overflow));
        assert_eq!(numbers(&mut outbox).len(), 10);
        for _ in 0..5000 {
            outbox.push(text(100)).unwrap();
            outbox.next().unwrap();
            assert!(outbox.kept() <= 1000);
        }
        assert!(!outbox.rewind(10), "the gap is noticed");
        let mut outbox = outbox.emptied();
        for _ in 0..5000 {
            outbox.push(text(0)).unwrap();
            outbox.next();
        }
        assert!(outbox.queue.len() <= MAX_KEPT + 1);
    }
}
