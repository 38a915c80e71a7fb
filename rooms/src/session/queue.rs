//! The events of a session, in a queue that a slow reader cannot make grow without end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use tokio::sync::Notify;

use super::event::Event;

/// Events that wait; beyond it the oldest is dropped.
const MAX_EVENTS: usize = 4096;
/// Messages of peers among them; beyond it their channels wait.
const MAX_MESSAGES: usize = 256;

#[derive(Default)]
struct Inner {
    events: VecDeque<(Event, bool)>,
    messages: usize,
    missed: u64,
    ended: bool,
    waker: Option<Waker>,
}

/// The writing end.
#[derive(Default)]
pub(super) struct EventQueue {
    inner: Mutex<Inner>,
    room: Notify,
}

impl EventQueue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the session does not wait with.
    pub(super) fn push(&self, event: Event) {
        self.insert(event, false);
    }

    /// A message of a peer: waits while many wait to be read, and so does the peer.
    pub(super) async fn push_message(&self, event: Event) {
        loop {
            let room = self.room.notified();
            {
                let inner = self.lock();
                if inner.messages < MAX_MESSAGES || inner.ended {
                    break;
                }
            }
            room.await;
        }
        self.insert(event, true);
    }

    fn insert(&self, event: Event, message: bool) {
        let waker = {
            let mut inner = self.lock();
            if inner.ended {
                return;
            }
            if inner.events.len() >= MAX_EVENTS {
                if let Some((_, true)) = inner.events.pop_front() {
                    inner.messages = inner.messages.saturating_sub(1);
                }
                inner.missed = inner.missed.saturating_add(1);
            }
            inner.messages = inner.messages.saturating_add(usize::from(message));
            inner.events.push_back((event, message));
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Nothing comes after this.
    pub(super) fn end(&self) {
        let waker = {
            let mut inner = self.lock();
            inner.ended = true;
            inner.waker.take()
        };
        self.room.notify_waiters();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What happens in a session: a stream that ends with it.
///
/// Nothing waits for the reader but the messages of peers, which wait once 256 are unread: a peer
/// then cannot send any more. Of all events 4,096 wait; then the oldest are dropped, which
/// [`Event::Missed`] tells. Dropping this loses events, and nothing else.
pub struct Events {
    pub(super) queue: Arc<EventQueue>,
}

impl Events {
    /// The next event; `None` after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The next event if one waits.
    pub fn try_next(&mut self) -> Option<Event> {
        let mut inner = self.queue.lock();
        let event = take(&mut inner);
        drop(inner);
        self.queue.room.notify_waiters();
        event
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut inner = self.queue.lock();
        match take(&mut inner) {
            Some(event) => {
                drop(inner);
                self.queue.room.notify_waiters();
                Poll::Ready(Some(event))
            }
            None if inner.ended => Poll::Ready(None),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn take(inner: &mut Inner) -> Option<Event> {
    if inner.missed > 0 {
        return Some(Event::Missed(std::mem::take(&mut inner.missed)));
    }
    let (event, message) = inner.events.pop_front()?;
    inner.messages = inner.messages.saturating_sub(usize::from(message));
    Some(event)
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_event(cx)
    }
}

impl Drop for Events {
    /// Nobody reads: peers are not to wait for that.
    fn drop(&mut self) {
        self.queue.end();
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}
