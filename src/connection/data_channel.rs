//! RTCDataChannel (row G40).

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::RTCConnection;
use super::data_options::{
    DataChannelCloseReason, RTCDataChannelEvent, RTCDataChannelMessage, RTCDataChannelOptions,
    RTCDataChannelState, RTCPriorityType,
};
use super::data_shared::{ChannelShared, Delivered};
use super::event::RTCConnectionEvent;
use super::shared::{ConnectionShared, ConnectionState};
use crate::budget::Charged;
use crate::engine::data::{ChannelKey, DataEvent, MessageKind, SendData};
use crate::engine::sctp::Reliability;
use crate::error::{DisconnectReason, Error, Result, TransportFault};
use crate::queue::lock;

/// The channels of a connection that are not closed.
pub(crate) type Channels = BTreeMap<ChannelKey, Arc<ChannelShared>>;

/// A data channel (row G40): messages to the peer and from it, on the connection's own DTLS
/// association, whole and, unless its options say otherwise, in order and without loss.
///
/// Made by [`RTCConnection::create_data_channel`], or by the peer and then found in
/// [`RTCConnectionEvent::DataChannel`]. Cloning gives another handle to the same channel; when the
/// last one is dropped the channel is closed, after what was queued has gone out.
///
/// A reader that stops holds up the other channels of the connection once 13 MiB wait: all of them
/// share one receive window.
#[derive(Clone)]
pub struct RTCDataChannel {
    handle: Arc<Handle>,
}

struct Handle {
    channel: Arc<ChannelShared>,
    // Weak: channels wait in the queue of events, which the connection holds.
    connection: Weak<ConnectionShared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.channel.abandon();
        // A handle may be dropped with an event, under any lock: the driver closes the channel.
        if let Some(connection) = self.connection.upgrade() {
            lock(&connection.abandoned).push(self.channel.key);
            connection.wake();
        }
    }
}

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
        Ok(RTCDataChannel {
            handle: Arc::new(Handle {
                channel,
                connection: Arc::downgrade(shared),
            }),
        })
    }
}

impl RTCDataChannel {
    fn channel(&self) -> &ChannelShared {
        &self.handle.channel
    }

    fn connection(&self) -> Result<Arc<ConnectionShared>> {
        let gone = || Error::Closed(DisconnectReason::Closed);
        self.handle.connection.upgrade().ok_or_else(gone)
    }

    /// The name that the side gave it which made it.
    pub fn label(&self) -> &str {
        &self.channel().spec.label
    }

    /// The name of the protocol inside.
    pub fn protocol(&self) -> &str {
        &self.channel().spec.protocol
    }

    /// Whether messages arrive in order.
    pub fn ordered(&self) -> bool {
        self.channel().spec.ordered
    }

    /// After how many retransmissions a message is given up.
    #[doc(alias = "maxRetransmits")]
    pub fn max_retransmits(&self) -> Option<u16> {
        match self.channel().spec.reliability {
            Reliability::Retransmits(count) => Some(count),
            _ => None,
        }
    }

    /// After what time a message is given up.
    #[doc(alias = "maxPacketLifeTime")]
    pub fn max_packet_life_time(&self) -> Option<Duration> {
        match self.channel().spec.reliability {
            Reliability::Lifetime(time) => Some(time),
            _ => None,
        }
    }

    /// Whether both applications agreed on the id.
    pub fn negotiated(&self) -> bool {
        self.channel().spec.negotiated.is_some()
    }

    /// The stream id; `None` until it is known.
    pub fn id(&self) -> Option<u16> {
        self.channel().id()
    }

    /// How urgent the channel is.
    pub fn priority(&self) -> RTCPriorityType {
        RTCPriorityType::from_wire(self.channel().spec.priority)
    }

    /// The state.
    #[doc(alias = "readyState")]
    pub fn ready_state(&self) -> RTCDataChannelState {
        self.channel().state()
    }

    /// Bytes that were queued and have not gone out yet; once the channel is closed, those that
    /// never will.
    #[doc(alias = "bufferedAmount")]
    pub fn buffered_amount(&self) -> usize {
        if let Some(unsent) = self.channel().unsent() {
            return unsent;
        }
        let connection = self.handle.connection.upgrade();
        connection.map_or(0, |connection| {
            connection
                .lock()
                .engine
                .channel_buffered(self.channel().key)
        })
    }

    /// The amount at which [`RTCDataChannelEvent::BufferedAmountLow`] comes; 0 at first.
    #[doc(alias = "bufferedAmountLowThreshold")]
    pub fn buffered_amount_low_threshold(&self) -> usize {
        self.channel().low_threshold()
    }

    /// Sets that amount, in bytes.
    pub fn set_buffered_amount_low_threshold(&self, threshold: usize) {
        self.channel().set_low_threshold(threshold);
        if let Some(connection) = self.handle.connection.upgrade() {
            let key = self.channel().key;
            connection.lock().engine.set_low_threshold(key, threshold);
        }
    }

    /// Sends a message: waits for the channel to open and for room in its buffer.
    ///
    /// When it returns the message is queued. Cancel-safe: when the future is dropped before, the
    /// message is not sent at all.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` when the message is larger than the peer takes; `InvalidState` once the
    /// channel is closing or closed; `Closed`.
    pub async fn send(&self, message: impl Into<RTCDataChannelMessage>) -> Result<()> {
        let message = message.into();
        loop {
            let changed = self.channel().changed.change();
            if self.ready_state() != RTCDataChannelState::Connecting
                && self.queue(&message)? == SendData::Queued
            {
                return Ok(());
            }
            changed.await;
        }
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    ///
    /// [`TransportFault::BufferFull`] when the buffer is full; `InvalidState` while the channel is
    /// not open; else as [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<RTCDataChannelMessage>) -> Result<()> {
        match self.queue(&message.into())? {
            SendData::Queued => Ok(()),
            SendData::Full => Err(TransportFault::BufferFull.into()),
        }
    }

    fn queue(&self, message: &RTCDataChannelMessage) -> Result<SendData> {
        let (kind, data) = match message {
            // Text is short as a rule; bytes are not copied.
            RTCDataChannelMessage::Text(text) => (
                MessageKind::Text,
                bytes::Bytes::copy_from_slice(text.as_bytes()),
            ),
            RTCDataChannelMessage::Binary(data) => (MessageKind::Binary, data.clone()),
        };
        let connection = self.connection()?;
        let outcome = {
            let mut state = connection.lock();
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
            let now = Instant::now();
            state
                .engine
                .send_data(now, self.channel().key, kind, data)?
        };
        if outcome == SendData::Queued {
            connection.wake();
        }
        Ok(outcome)
    }

    /// Waits until all that was queued has gone out. Cancel-safe.
    ///
    /// # Errors
    ///
    /// `InvalidState` when the channel is closed before.
    pub async fn flush(&self) -> Result<()> {
        loop {
            let changed = self.channel().changed.change();
            if self.is_flushed()? {
                return Ok(());
            }
            changed.await;
        }
    }

    /// Whether nothing is queued; if something is, `changed` tells when that is over.
    pub(super) fn is_flushed(&self) -> Result<bool> {
        let connection = self.handle.connection.upgrade();
        let key = self.channel().key;
        if connection.is_some_and(|connection| connection.lock().engine.flush_channel(key)) {
            return Ok(true);
        }
        match self.channel().unsent() {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(_) => Err(Error::invalid_state("the data channel is closed")),
        }
    }

    /// The next message; `None` when the channel is closed and everything is read. Cancel-safe.
    pub async fn recv(&self) -> Option<RTCDataChannelMessage> {
        let (message, half_open) = self.channel().pop().await?;
        self.after_read(half_open);
        Some(message)
    }

    /// The next message if one waits.
    pub fn try_recv(&self) -> Option<RTCDataChannelMessage> {
        let (message, half_open) = self.channel().try_pop()?;
        self.after_read(half_open);
        Some(message)
    }

    /// Tells the peer once the window is half open again.
    fn after_read(&self, half_open: bool) {
        if half_open && let Some(connection) = self.handle.connection.upgrade() {
            connection.lock().engine.data_read(Instant::now());
            connection.wake();
        }
    }

    /// The next event; `None` after `Closed`. Cancel-safe.
    pub async fn next_event(&self) -> Option<RTCDataChannelEvent> {
        self.channel().events.pop().await
    }

    /// Waits until messages can be sent. Cancel-safe.
    ///
    /// # Errors
    ///
    /// `InvalidState` when the channel is closed before.
    pub async fn opened(&self) -> Result<()> {
        loop {
            let changed = self.channel().changed.change();
            match self.ready_state() {
                RTCDataChannelState::Connecting => changed.await,
                RTCDataChannelState::Open => return Ok(()),
                RTCDataChannelState::Closing | RTCDataChannelState::Closed => {
                    return Err(Error::invalid_state("the data channel is closed"));
                }
            }
        }
    }

    /// Waits for the end of the channel and says why. Cancel-safe.
    pub async fn closed(&self) -> DataChannelCloseReason {
        loop {
            let changed = self.channel().changed.change();
            if let Some(reason) = self.channel().reason() {
                return reason;
            }
            changed.await;
        }
    }

    /// Closes the channel once everything queued has gone out; the peer reads all of it before it
    /// learns of the end. What the peer sends meanwhile can still be read. Idempotent.
    pub fn close(&self) {
        if let Some(connection) = self.handle.connection.upgrade() {
            connection.close_channel(self.channel());
        }
    }
}

impl PartialEq for RTCDataChannel {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle.channel, &other.handle.channel)
    }
}

impl Eq for RTCDataChannel {}

impl std::fmt::Debug for RTCDataChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RTCDataChannel")
            .field("label", &self.label())
            .field("id", &self.id())
            .field("state", &self.ready_state())
            .finish_non_exhaustive()
    }
}

impl ConnectionShared {
    fn close_channel(&self, channel: &ChannelShared) {
        channel.closing();
        {
            let mut state = self.lock();
            state.engine.close_channel(Instant::now(), channel.key);
        }
        self.wake();
    }

    /// Closes the channels of which the last handle is gone.
    pub(super) fn close_abandoned(&self, state: &mut ConnectionState) {
        for key in std::mem::take(&mut *lock(&self.abandoned)) {
            state.engine.close_channel(Instant::now(), key);
        }
    }

    /// Moves what happened on data channels to the application.
    pub(super) fn publish_data(&self, state: &mut ConnectionState) {
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
                    let handle = RTCDataChannel {
                        handle: Arc::new(Handle {
                            channel,
                            connection: self.this.clone(),
                        }),
                    };
                    self.events.push(RTCConnectionEvent::DataChannel(handle));
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
                        channel.closing();
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

fn message(kind: MessageKind, data: bytes::Bytes) -> Delivered {
    let len = data.len();
    let message = match kind {
        MessageKind::Text => RTCDataChannelMessage::Text(text(data)),
        MessageKind::Binary => RTCDataChannelMessage::Binary(data),
    };
    (message, len)
}

fn text(data: bytes::Bytes) -> String {
    match String::from_utf8(data.into()) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}
