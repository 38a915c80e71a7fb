//! A bounded queue that can be awaited; how events and packets reach the application.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Many producers, any number of consumers; each item goes to one of them.
///
/// When full the oldest item is dropped and counted: a reader that stops never stalls the
/// transport.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    notify: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    dropped: u64,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                dropped: 0,
                closed: false,
            }),
            notify: Notify::new(),
            capacity,
        }
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
        for item in items {
            if inner.items.len() >= self.capacity {
                inner.items.pop_front();
                inner.dropped += 1;
            }
            inner.items.push_back(item);
        }
        drop(inner);
        self.notify.notify_one();
    }

    /// No more items will come; those in the queue can still be read.
    pub(crate) fn close(&self) {
        lock(&self.inner).closed = true;
        self.notify.notify_one();
    }

    pub(crate) fn try_pop(&self) -> Option<T> {
        lock(&self.inner).items.pop_front()
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
        loop {
            {
                let mut inner = lock(&self.inner);
                if let Some(item) = inner.items.pop_front() {
                    if !inner.items.is_empty() {
                        // Another reader may wait for what is left.
                        self.notify.notify_one();
                    }
                    return Some(item);
                }
                if inner.closed {
                    // Pass the word on to the other readers.
                    self.notify.notify_one();
                    return None;
                }
            }
            self.notify.notified().await;
        }
    }
}

/// Locks even when a panic poisoned the mutex: state stays consistent because the engine's panics
/// are contained below.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Queue;
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
