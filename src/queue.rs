//! A bounded queue that can be awaited; how events and packets reach the application.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::budget::Budget;
use crate::locks::{Waiters, wait};

pub(crate) use crate::locks::lock;

/// Many producers, any number of consumers; each item goes to one of them.
///
/// When full the oldest item is dropped and counted: a reader that stops never stalls the
/// transport.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    capacity: usize,
}

/// Room for so many items is kept when the queue is empty, and more if it was needed since the
/// queue was last empty: bursts that come one after another have the same room.
const KEPT: usize = 256;

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    /// The most items at once since it was last empty.
    most: usize,
    dropped: u64,
    closed: bool,
    weight: Option<Weight<T>>,
    readers: Waiters,
}

/// What the items of a queue hold is counted while more can come.
#[derive(Debug)]
struct Weight<T> {
    of: fn(&T) -> usize,
    all: usize,
    budget: Budget,
}

impl<T> Inner<T> {
    fn pop(&mut self) -> Option<T> {
        self.most = self.most.max(self.items.len());
        let item = self.items.pop_front()?;
        if let Some(weight) = &mut self.weight {
            let left = weight.all.saturating_sub((weight.of)(&item));
            weight.set(left);
        }
        if self.items.is_empty() {
            let most = std::mem::take(&mut self.most);
            if self.items.capacity() > KEPT && most < self.items.capacity() / 4 {
                self.items = VecDeque::new();
            }
        }
        Some(item)
    }
}

impl<T> Weight<T> {
    fn set(&mut self, all: usize) {
        self.budget.packets_changed(self.all, all);
        self.all = all;
    }
}

impl<T> Drop for Weight<T> {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self::make(capacity, None)
    }

    /// One whose items count against a budget until it is closed.
    pub(crate) fn weighed(capacity: usize, budget: Budget, of: fn(&T) -> usize) -> Self {
        let all = 0;
        Self::make(capacity, Some(Weight { of, all, budget }))
    }

    fn make(capacity: usize, weight: Option<Weight<T>>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                most: 0,
                dropped: 0,
                closed: false,
                weight,
                readers: Waiters::default(),
            }),
            capacity,
        }
    }

    /// What is counted of the items that wait.
    pub(crate) fn weight(&self) -> usize {
        lock(&self.inner)
            .weight
            .as_ref()
            .map_or(0, |weight| weight.all)
    }

    /// Drops the oldest items until `bytes` of them are gone, and says how many bytes and items
    /// that were.
    pub(crate) fn shed(&self, bytes: usize) -> (usize, u64) {
        let mut inner = lock(&self.inner);
        let mut shed = (0usize, 0);
        while shed.0 < bytes {
            let before = inner.weight.as_ref().map_or(0, |weight| weight.all);
            if inner.weight.is_none() || inner.pop().is_none() {
                break;
            }
            let after = inner.weight.as_ref().map_or(0, |weight| weight.all);
            shed = (
                shed.0.saturating_add(before.saturating_sub(after)),
                shed.1 + 1,
            );
        }
        inner.dropped += shed.1;
        shed
    }

    /// Drops what waits, without counting it as dropped; says how many items that were.
    pub(crate) fn clear(&self) -> u64 {
        let mut inner = lock(&self.inner);
        let mut cleared = 0;
        while inner.pop().is_some() {
            cleared += 1;
        }
        cleared
    }

    pub(crate) fn push(&self, item: T) {
        self.extend(std::iter::once(item));
    }

    /// Appends the item unless `limit` of those that `same` tells wait already.
    pub(crate) fn push_limited(&self, item: T, limit: usize, same: impl Fn(&T) -> bool) -> bool {
        if lock(&self.inner).items.iter().filter(|i| same(i)).count() >= limit {
            return false;
        }
        self.push(item);
        true
    }

    /// Appends all items with one lock and one wake.
    pub(crate) fn extend(&self, items: impl Iterator<Item = T>) {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return;
        }
        let mut came = 0usize;
        for item in items {
            if inner.items.len() >= self.capacity {
                inner.pop();
                inner.dropped += 1;
            }
            if let Some(weight) = &inner.weight {
                came = came.saturating_add((weight.of)(&item));
            }
            inner.items.push_back(item);
        }
        if let Some(weight) = &mut inner.weight {
            let all = weight.all.saturating_add(came);
            weight.set(all);
        }
        inner.readers.wake_all();
    }

    /// No more items will come; those in the queue can still be read.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        // What waits is the application's now, and grows no more.
        inner.weight = None;
        inner.readers.wake_all();
    }

    pub(crate) fn try_pop(&self) -> Option<T> {
        lock(&self.inner).pop()
    }

    pub(crate) fn is_closed(&self) -> bool {
        let inner = lock(&self.inner);
        inner.closed && inner.items.is_empty()
    }

    pub(crate) fn dropped(&self) -> u64 {
        lock(&self.inner).dropped
    }

    /// The next item, or `None` once closed and empty. Cancel-safe: nothing is taken before the
    /// future completes.
    pub(crate) async fn pop(&self) -> Option<T> {
        let next = |inner: &mut Inner<T>| {
            let item = inner.pop();
            (item.is_some() || inner.closed).then_some(item)
        };
        wait(&self.inner, |inner| &mut inner.readers, next).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{KEPT, Queue, lock};
    use std::sync::Arc;

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_and_counts() {
        let queue = Queue::new(3);
        queue.extend(0..5);
        assert_eq!(queue.dropped(), 2);
        queue.close();
        let mut seen = Vec::new();
        while let Some(item) = queue.pop().await {
            seen.push(item);
        }
        assert_eq!(seen, [2, 3, 4]);
        assert!(queue.is_closed());
    }

    #[test]
    fn bursts_have_the_same_room_and_a_single_one_leaves_little() {
        let queue = Queue::new(2_000);
        let burst = |count| {
            queue.extend(0..count);
            while queue.try_pop().is_some() {}
            lock(&queue.inner).items.capacity()
        };
        let room = burst(1_000);
        assert!(room >= 1_000);
        for count in [500, 700, 300, 1_000] {
            assert_eq!(burst(count), room);
        }
        assert!(burst(100) <= KEPT);
        assert!(burst(KEPT) <= KEPT);
    }

    #[tokio::test]
    async fn several_readers_share_the_items_and_all_learn_of_the_end() {
        let queue = Arc::new(Queue::new(1000));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move {
                    let mut count = 0;
                    while queue.pop().await.is_some() {
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.extend(0..100);
        tokio::task::yield_now().await;
        queue.close();
        let mut total = 0;
        for reader in readers {
            total += reader.await.unwrap();
        }
        assert_eq!(total, 100);
    }
}
