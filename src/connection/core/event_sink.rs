//! Where the events of a connection's legs meet: in one queue, with one word on whether it is
//! connected.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::event::RTCConnectionEvent;
use crate::queue::{Queue, lock};

/// Which sockets of a connection carry tracks, and which of them are connected.
#[derive(Default)]
struct Group {
    state: Mutex<GroupState>,
}

#[derive(Default)]
struct GroupState {
    /// `None`: free for the next leg.
    sockets: Vec<Option<Status>>,
    announced: bool,
}

#[derive(Clone, Copy, Default)]
struct Status {
    carries: bool,
    up: bool,
}

impl GroupState {
    // Row C4.
    /// Connected are all sockets that carry tracks; without tracks, the first.
    fn is_up(&self) -> bool {
        let mut carrying = self.sockets.iter().flatten().filter(|leg| leg.carries);
        match carrying.next() {
            Some(first) => first.up && carrying.all(|leg| leg.up),
            None => matches!(self.sockets.first(), Some(Some(first)) if first.up),
        }
    }
}

/// Where the events of a leg go: into the one queue of its connection.
pub(crate) struct EventSink {
    queue: Arc<Queue<RTCConnectionEvent>>,
    /// `None` for the first leg.
    socket_id: Option<String>,
    group: Arc<Group>,
    index: usize,
    carries: AtomicBool,
}

impl EventSink {
    pub(crate) fn new(capacity: usize) -> Self {
        Self::join(Arc::new(Queue::new(capacity)), None, Arc::default())
    }

    fn join(
        queue: Arc<Queue<RTCConnectionEvent>>,
        socket_id: Option<String>,
        group: Arc<Group>,
    ) -> Self {
        let index = {
            let mut state = lock(&group.state);
            let free = state.sockets.iter().position(Option::is_none);
            let index = free.unwrap_or(state.sockets.len());
            if free.is_none() {
                state.sockets.push(None);
            }
            if let Some(place) = state.sockets.get_mut(index) {
                *place = Some(Status::default());
            }
            index
        };
        Self {
            queue,
            socket_id,
            group,
            index,
            carries: AtomicBool::new(false),
        }
    }

    /// That of a further leg.
    pub(crate) fn leg(&self, socket_id: String) -> Self {
        Self::join(self.queue.clone(), Some(socket_id), self.group.clone())
    }

    pub(crate) fn queue(&self) -> Arc<Queue<RTCConnectionEvent>> {
        self.queue.clone()
    }

    /// Events that were dropped because the application did not take them.
    pub(crate) fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// The socket's identity; `None` for the first.
    pub(crate) fn socket_id(&self) -> Option<&str> {
        self.socket_id.as_deref()
    }

    pub(crate) fn push(&self, event: RTCConnectionEvent) {
        self.queue.push(self.tagged(event));
    }

    pub(crate) fn push_limited(
        &self,
        event: RTCConnectionEvent,
        limit: usize,
        same: impl Fn(&RTCConnectionEvent) -> bool,
    ) -> bool {
        let same = |event: &_| match event {
            RTCConnectionEvent::Socket { event, .. } => same(event),
            event => same(event),
        };
        self.queue.push_limited(self.tagged(event), limit, same)
    }

    /// The connection ends with its first leg.
    pub(crate) fn close(&self) {
        if self.socket_id.is_none() {
            self.queue.close();
        }
    }

    /// The leg is connected, or no longer.
    pub(crate) fn set_up(&self, up: bool) {
        if up && self.socket_id.is_some() {
            self.push(RTCConnectionEvent::Connected);
        }
        self.note(|status| status.up = up);
    }

    /// The leg has tracks, or none; true when that has made the connection a connected one.
    pub(crate) fn set_carries(&self, carries: bool) -> bool {
        self.carries.swap(carries, Ordering::AcqRel) != carries
            && self.note(|status| status.carries = carries)
    }

    fn note(&self, change: impl FnOnce(&mut Status)) -> bool {
        let mut state = lock(&self.group.state);
        if let Some(Some(status)) = state.sockets.get_mut(self.index) {
            change(status);
        }
        let up = state.is_up();
        let news = up && !state.announced;
        state.announced = up;
        if news {
            // Under the lock, so that it comes once and in order.
            self.queue.push(RTCConnectionEvent::Connected);
        }
        news
    }

    pub(crate) fn carries(&self) -> bool {
        self.carries.load(Ordering::Acquire)
    }

    /// Whether the connection is connected, given that this leg is or is not.
    pub(crate) fn is_connected(&self, own: bool) -> bool {
        let state = lock(&self.group.state);
        if self.socket_id.is_some() || state.sockets.len() == 1 {
            return own;
        }
        state.is_up()
    }

    /// What names its socket by itself stays as it is, and so does what concerns the connection.
    fn tagged(&self, mut event: RTCConnectionEvent) -> RTCConnectionEvent {
        let Some(socket_id) = &self.socket_id else {
            return event;
        };
        match &mut event {
            RTCConnectionEvent::Candidate(candidate)
            | RTCConnectionEvent::ActiveCandidate {
                local: candidate, ..
            } => candidate.socket_id = Some(socket_id.clone()),
            RTCConnectionEvent::AddStream(_) | RTCConnectionEvent::SsrcConflict { .. } => {}
            _ => {
                return RTCConnectionEvent::Socket {
                    socket_id: socket_id.clone(),
                    event: Box::new(event),
                };
            }
        }
        event
    }
}

impl Drop for EventSink {
    fn drop(&mut self) {
        let mut state = lock(&self.group.state);
        if let Some(status) = state.sockets.get_mut(self.index) {
            *status = None;
        }
    }
}
