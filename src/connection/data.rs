//! The data channels of a connection.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::RTCConnection;
use super::core::event::RTCConnectionEvent;
use super::core::shared::ConnectionShared;
use super::core::state::ConnectionState;
use crate::budget::Charged;
use crate::data::channel::{ChannelOwner, RTCDataChannel};
use crate::data::options::{RTCDataChannelEvent, RTCDataChannelMessage, RTCDataChannelOptions};
use crate::data::shared::{ChannelShared, Delivered};
use crate::engine::data::{ChannelKey, DataEvent, MessageKind, SendData};
use crate::error::{DataChannelCloseReason, DisconnectReason, Error, Result};
use crate::queue::lock;

/// Data channels.
impl RTCConnection {
    /// Makes a data channel. It opens as soon as the connection is connected; the peer gets it in
    /// the event [`DataChannel`](RTCConnectionEvent::DataChannel), unless it is negotiated.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for contradicting options or a negotiated id that is in use; `Closed`.
    #[doc(alias = "createDataChannel")]
    pub fn create_data_channel(
        &self,
        label: impl Into<String>,
        options: RTCDataChannelOptions,
    ) -> Result<RTCDataChannel> {
        let spec = options.spec(label.into())?;
        let shared = self.shared();
        let channel = shared.open(|state| {
            let unread = state.engine.unread();
            let key = state.engine.create_channel(Instant::now(), spec.clone())?;
            let channel = Arc::new(ChannelShared::new(key, Charged::free(spec), unread));
            state.channels.insert(key, channel.clone());
            Ok(channel)
        })?;
        Ok(RTCDataChannel::new(channel, shared.this.clone()))
    }
}

impl ChannelOwner for ConnectionShared {
    fn send(&self, key: ChannelKey, kind: MessageKind, data: Bytes) -> Result<SendData> {
        let outcome = {
            let mut state = self.lock();
            if let Some(reason) = state.over() {
                return Err(Error::Closed(reason));
            }
            let limit = state.peer_max_message_size();
            if data.len() > limit {
                return Err(Error::invalid_parameters(format!(
                    "a message of {} bytes; the peer takes {limit}",
                    data.len()
                )));
            }
            state.engine.send_data(Instant::now(), key, kind, data)?
        };
        if outcome == SendData::Queued {
            self.wake();
        }
        Ok(outcome)
    }

    fn buffered(&self, key: ChannelKey) -> usize {
        self.lock().engine.channel_buffered(key)
    }

    fn lost(&self) -> Option<DisconnectReason> {
        self.lock().engine.lost()
    }

    fn set_low_threshold(&self, key: ChannelKey, threshold: usize) {
        self.lock().engine.set_low_threshold(key, threshold);
    }

    fn is_flushed(&self, key: ChannelKey) -> bool {
        self.lock().engine.flush_channel(key)
    }

    fn read(&self) {
        self.lock().engine.data_read(Instant::now());
        self.wake();
    }

    fn close(&self, channel: &ChannelShared) {
        channel.closing(DataChannelCloseReason::Closed);
        {
            let mut state = self.lock();
            state.engine.close_channel(Instant::now(), channel.key);
        }
        self.wake();
    }

    fn abandoned(&self, key: ChannelKey) {
        // The driver closes it: here the connection may be locked.
        lock(&self.abandoned).push(key);
        self.wake();
    }
}

impl ConnectionShared {
    /// Closes the channels of which the last handle is gone.
    pub(crate) fn close_abandoned(&self, state: &mut ConnectionState) {
        for key in std::mem::take(&mut *lock(&self.abandoned)) {
            state.engine.close_channel(Instant::now(), key);
        }
    }

    /// Moves what happened on data channels to the application.
    pub(crate) fn publish_data(&self, state: &mut ConnectionState) {
        let mut next = state.engine.poll_data_event();
        while let Some(event) = next.take() {
            match event {
                DataEvent::Message { key, kind, data } => {
                    // A run of messages is delivered with one lock.
                    let mut run = vec![message(kind, data)];
                    loop {
                        next = state.engine.poll_data_event();
                        match next.take() {
                            Some(DataEvent::Message {
                                key: same,
                                kind,
                                data,
                            }) if same == key => {
                                run.push(message(kind, data));
                            }
                            other => {
                                next = other;
                                break;
                            }
                        }
                    }
                    if let Some(channel) = state.channels.get(&key) {
                        channel.deliver(run.into_iter());
                    }
                    continue;
                }
                DataEvent::Incoming { key, id, spec } => {
                    let unread = state.engine.unread();
                    let channel = Arc::new(ChannelShared::new(key, spec, unread));
                    channel.opened(id);
                    state.channels.insert(key, channel.clone());
                    let channel = RTCDataChannel::new(channel, self.this.clone());
                    self.events.push(RTCConnectionEvent::DataChannel(channel));
                }
                DataEvent::Open { key, id } => {
                    if let Some(channel) = state.channels.get(&key) {
                        channel.opened(id);
                    }
                }
                DataEvent::Writable(key) | DataEvent::Flushed(key) => {
                    if let Some(channel) = state.channels.get(&key) {
                        channel.changed.notify();
                    }
                }
                DataEvent::BufferedAmountLow(key) => {
                    if let Some(channel) = state.channels.get(&key) {
                        channel.events.push(RTCDataChannelEvent::BufferedAmountLow);
                    }
                }
                DataEvent::Closing(key) => {
                    if let Some(channel) = state.channels.get(&key) {
                        channel.closing(DataChannelCloseReason::RemoteClosed);
                        channel.events.push(RTCDataChannelEvent::Closing);
                    }
                }
                DataEvent::Closed {
                    key,
                    reason,
                    unsent,
                } => {
                    if let Some(channel) = state.channels.remove(&key) {
                        channel.closed(reason.into(), unsent);
                    }
                }
            }
            next = state.engine.poll_data_event();
        }
    }
}

fn message(kind: MessageKind, data: Bytes) -> Delivered {
    let len = data.len();
    let message = match kind {
        MessageKind::Text => RTCDataChannelMessage::Text(text(data)),
        MessageKind::Binary => RTCDataChannelMessage::Binary(data),
    };
    (message, len)
}

fn text(data: Bytes) -> String {
    match String::from_utf8(data.into()) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}
