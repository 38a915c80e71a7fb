//! The state behind an RTCConnection, as its socket's driver and its tracks see it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use super::event::RTCConnectionEvent;
use super::event_sink::EventSink;
use super::state::ConnectionState;
use crate::engine::data::ChannelKey;
use crate::engine::guard;
use crate::error::{DataChannelCloseReason, DisconnectReason, Error, Result};
use crate::locks::{Guard, Rank, Signal, lock_at};
use crate::socket::{MemberId, RTCSocket, SocketShared};

pub(crate) struct ConnectionShared {
    pub(crate) id: MemberId,
    pub(crate) socket: Arc<SocketShared>,
    pub(crate) events: EventSink,
    /// Milestones: woken at each change of state.
    pub(crate) changed: Arc<Signal>,
    state: Mutex<ConnectionState>,
    /// Held while a stream is added.
    pub(crate) adding: Mutex<()>,
    pub(super) dirty: AtomicBool,
    /// Channels of which the last handle is gone.
    pub(crate) abandoned: Mutex<Vec<ChannelKey>>,
    pub(crate) this: Weak<ConnectionShared>,
}

impl ConnectionShared {
    pub(crate) fn new(
        id: MemberId,
        socket: Arc<SocketShared>,
        state: ConnectionState,
        events: EventSink,
        changed: Arc<Signal>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            id,
            socket,
            events,
            changed,
            state: Mutex::new(state),
            adding: Mutex::default(),
            dirty: AtomicBool::new(false),
            abandoned: Mutex::default(),
            this: this.clone(),
        })
    }

    pub(crate) fn lock(&self) -> Guard<'_, ConnectionState> {
        lock_at(Rank::Connection, &self.state)
    }

    pub(crate) fn local_socket(&self) -> RTCSocket {
        let own = self.lock().socket.clone();
        own.unwrap_or_else(|| RTCSocket::of(&self.socket))
    }

    /// Has the driver send what waits and tell what happened.
    pub(crate) fn wake(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            self.socket.wake(self.id);
        }
    }

    /// Runs a verb on an open connection and wakes the driver.
    pub(crate) fn open<T>(&self, f: impl FnOnce(&mut ConnectionState) -> Result<T>) -> Result<T> {
        let result = {
            let mut state = self.lock();
            if let Some(reason) = state.over() {
                return Err(Error::Closed(reason));
            }
            let result = f(&mut state);
            let carries = !state.sending.is_empty() || !state.receiving.is_empty();
            if self.events.set_carries(carries) {
                self.changed.notify();
            }
            result
        };
        self.wake();
        result
    }

    /// Closes this and its legs, once what is queued on data channels was handed over. From now on
    /// every verb is refused.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        {
            let mut state = self.lock();
            if state.over().is_some() {
                return;
            }
            let linger = state.linger;
            let now = Instant::now();
            state.engine.close_after_data(now, reason, linger);
            self.publish(&mut state);
            for channel in state.channels.values() {
                channel.closing(DataChannelCloseReason::ConnectionClosed);
            }
            for leg in state.legs.iter().filter_map(Weak::upgrade) {
                leg.close(reason);
            }
        }
        self.changed.notify();
        self.wake();
    }

    /// Ends without a word to the peer, since what would say it is at fault: of what the
    /// application waits for, nothing is left waiting.
    pub(in crate::connection) fn abandon(&self, reason: DisconnectReason) {
        let mut state = self.lock();
        state.closed.get_or_insert(reason);
        for (_, channel) in std::mem::take(&mut state.channels) {
            channel.closed(DataChannelCloseReason::ConnectionClosed, 0);
        }
        let _ = guard::contain(|| state.receiving.end());
        state.end_lookups();
        state.socket = None;
        let reason = state.closed.unwrap_or(reason);
        self.events.set_up(false);
        self.events.set_carries(false);
        self.events
            .push(RTCConnectionEvent::Disconnected { reason });
        self.events.close();
        self.changed.notify();
    }

    /// Tells the socket which user name fragments lead here.
    pub(crate) fn update_route(&self) {
        let (local, remote, undecided) = {
            let state = self.lock();
            let ice = state.engine.ice();
            (ice.local_ufrags(), ice.remote_ufrags(), ice.awaits_remote())
        };
        self.socket.set_ufrags(self.id, local, remote, undecided);
    }
}
