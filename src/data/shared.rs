//! The state of one data channel outside the engine: what the application reads and waits for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::budget::Charged;
use crate::data::options::{RTCDataChannelEvent, RTCDataChannelMessage, RTCDataChannelState};
use crate::engine::data::{ChannelKey, ChannelSpec, RECEIVE_WINDOW};
use crate::engine::sctp::Unread;
use crate::error::{DataChannelCloseReason, Error};
use crate::locks::{Signal, Waiters, wait};
use crate::queue::{Queue, lock};

/// Events that wait for the application; the oldest is dropped beyond.
const MAX_WAITING_EVENTS: usize = 64;
/// Unread bytes at which reading on is worth telling the peer.
const WINDOW_LOW: usize = RECEIVE_WINDOW / 2;

/// A message, and its length on the wire, by which the window is counted.
pub(crate) type Delivered = (RTCDataChannelMessage, usize);

pub(crate) struct ChannelShared {
    pub(crate) key: ChannelKey,
    pub(crate) spec: Arc<Charged<ChannelSpec>>,
    pub(crate) events: Queue<RTCDataChannelEvent>,
    /// Woken at each change of state and when there is room to send.
    pub(crate) changed: Signal,
    unread: Unread,
    inner: Mutex<Inner>,
}

struct Inner {
    state: RTCDataChannelState,
    id: Option<u16>,
    reason: Option<DataChannelCloseReason>,
    /// Who began to close it.
    ends: Option<DataChannelCloseReason>,
    /// Once closed: bytes that were queued and never went out.
    unsent: usize,
    low_threshold: usize,
    /// Bounded by the receive window.
    messages: VecDeque<Delivered>,
    readers: Waiters,
    /// Nobody will read any more.
    abandoned: bool,
}

impl ChannelShared {
    pub(crate) fn new(key: ChannelKey, spec: Arc<Charged<ChannelSpec>>, unread: Unread) -> Self {
        Self {
            key,
            events: Queue::new(MAX_WAITING_EVENTS),
            changed: Signal::default(),
            unread,
            inner: Mutex::new(Inner {
                state: RTCDataChannelState::Connecting,
                id: spec.negotiated,
                reason: None,
                ends: None,
                unsent: 0,
                low_threshold: 0,
                messages: VecDeque::new(),
                readers: Waiters::default(),
                abandoned: false,
            }),
            spec,
        }
    }

    pub(crate) fn state(&self) -> RTCDataChannelState {
        lock(&self.inner).state
    }

    pub(crate) fn id(&self) -> Option<u16> {
        lock(&self.inner).id
    }

    pub(crate) fn reason(&self) -> Option<DataChannelCloseReason> {
        lock(&self.inner).reason
    }

    pub(crate) fn low_threshold(&self) -> usize {
        lock(&self.inner).low_threshold
    }

    pub(crate) fn set_low_threshold(&self, threshold: usize) {
        lock(&self.inner).low_threshold = threshold;
    }

    pub(crate) fn opened(&self, id: u16) {
        {
            let mut inner = lock(&self.inner);
            inner.id = Some(id);
            inner.state = RTCDataChannelState::Open;
        }
        self.events.push(RTCDataChannelEvent::Open);
        self.changed.notify();
    }

    /// What a call gets that comes too late.
    pub(super) fn over(&self) -> Error {
        let inner = lock(&self.inner);
        let reason = inner.reason.or(inner.ends);
        Error::ChannelClosed(reason.unwrap_or(DataChannelCloseReason::Closed))
    }

    pub(crate) fn closing(&self, reason: DataChannelCloseReason) {
        {
            let mut inner = lock(&self.inner);
            if inner.state == RTCDataChannelState::Closed {
                return;
            }
            inner.state = RTCDataChannelState::Closing;
            inner.ends.get_or_insert(reason);
        }
        self.changed.notify();
    }

    pub(crate) fn unsent(&self) -> Option<usize> {
        let inner = lock(&self.inner);
        inner.reason.map(|_| inner.unsent)
    }

    pub(crate) fn closed(&self, reason: DataChannelCloseReason, unsent: usize) {
        {
            let mut inner = lock(&self.inner);
            if inner.state == RTCDataChannelState::Closed {
                return;
            }
            inner.state = RTCDataChannelState::Closed;
            inner.reason = Some(reason);
            inner.unsent = unsent;
            inner.readers.wake_all();
        }
        self.events.push(RTCDataChannelEvent::Closed { reason });
        self.events.close();
        self.changed.notify();
    }

    /// Appends messages with one lock and one wake.
    pub(crate) fn deliver(&self, messages: impl Iterator<Item = Delivered>) {
        let mut inner = lock(&self.inner);
        if inner.abandoned {
            for (_, len) in messages {
                self.unread.read(len);
            }
            return;
        }
        inner.messages.extend(messages);
        inner.readers.wake_all();
    }

    /// Nobody reads any more: what waits and what comes is let go.
    pub(crate) fn abandon(&self) {
        let mut inner = lock(&self.inner);
        inner.abandoned = true;
        for (_, len) in inner.messages.drain(..) {
            self.unread.read(len);
        }
        inner.messages = VecDeque::new();
    }

    /// The next message, and whether the window is half open again because of it.
    pub(crate) fn try_pop(&self) -> Option<(RTCDataChannelMessage, bool)> {
        let (message, len) = lock(&self.inner).messages.pop_front()?;
        Some((message, self.read(len)))
    }

    fn read(&self, len: usize) -> bool {
        let left = self.unread.read(len);
        left <= WINDOW_LOW && left.saturating_add(Unread::cost(len)) > WINDOW_LOW
    }

    /// The next message; `None` when the channel is closed and all is read.
    pub(super) async fn pop(&self) -> Option<(RTCDataChannelMessage, bool)> {
        let next = |inner: &mut Inner| {
            let message = inner.messages.pop_front();
            let over = inner.state == RTCDataChannelState::Closed;
            (message.is_some() || over).then_some(message)
        };
        let (message, len) = wait(&self.inner, |inner| &mut inner.readers, next).await?;
        Some((message, self.read(len)))
    }
}
