//! RTCDataChannel.

// Row G40.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::options::{
    RTCDataChannelEvent, RTCDataChannelMessage, RTCDataChannelState, RTCPriorityType,
};
use super::shared::ChannelShared;
use crate::engine::data::{ChannelKey, MessageKind, SendData};
use crate::engine::sctp::Reliability;
use crate::error::{DataChannelCloseReason, DisconnectReason, Error, Result, TransportFault};

// Row G40.
/// A data channel: messages to the peer and from it, on the connection's own DTLS association,
/// whole and, unless its options say otherwise, in order and without loss.
///
/// Made by [`RTCConnection::create_data_channel`](crate::RTCConnection::create_data_channel), or by the peer and then found in
/// [`RTCConnectionEvent::DataChannel`](crate::RTCConnectionEvent::DataChannel). Cloning gives another handle to the same channel; when the
/// last one is dropped the channel is closed, after what was queued has gone out.
///
/// A reader that stops holds up the other channels of the connection once 13 MiB wait: all of them
/// share one receive window.
#[derive(Clone)]
pub struct RTCDataChannel {
    handle: Arc<Handle>,
}

/// The connection that a channel belongs to.
pub(crate) trait ChannelOwner: Send + Sync {
    /// Queues a message; it goes out when its turn comes.
    fn send(&self, key: ChannelKey, kind: MessageKind, data: Bytes) -> Result<SendData>;
    /// Bytes that wait to be sent.
    fn buffered(&self, key: ChannelKey) -> usize;
    fn set_low_threshold(&self, key: ChannelKey, threshold: usize);
    /// Why nothing looks for a path to the peer any more, if that is so.
    fn lost(&self) -> Option<DisconnectReason>;
    /// Whether nothing waits to be sent; if something does, the channel is told when that is over.
    fn is_flushed(&self, key: ChannelKey) -> bool;
    /// The window is half open again.
    fn read(&self);
    fn close(&self, channel: &ChannelShared);
    /// The last handle is gone. Comes under any lock: a handle may be dropped with an event.
    fn abandoned(&self, key: ChannelKey);
}

struct Handle {
    channel: Arc<ChannelShared>,
    // Weak: channels wait in the queue of events, which the connection holds.
    owner: Weak<dyn ChannelOwner>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.channel.abandon();
        if let Some(owner) = self.owner.upgrade() {
            owner.abandoned(self.channel.key);
        }
    }
}

impl RTCDataChannel {
    fn channel(&self) -> &ChannelShared {
        &self.handle.channel
    }

    pub(crate) fn new(channel: Arc<ChannelShared>, owner: Weak<dyn ChannelOwner>) -> Self {
        Self {
            handle: Arc::new(Handle { channel, owner }),
        }
    }

    fn owner(&self) -> Option<Arc<dyn ChannelOwner>> {
        self.handle.owner.upgrade()
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
        let key = self.channel().key;
        self.owner().map_or(0, |owner| owner.buffered(key))
    }

    /// The amount at which [`RTCDataChannelEvent::BufferedAmountLow`] comes; 0 at first.
    #[doc(alias = "bufferedAmountLowThreshold")]
    pub fn buffered_amount_low_threshold(&self) -> usize {
        self.channel().low_threshold()
    }

    /// Sets that amount, in bytes.
    pub fn set_buffered_amount_low_threshold(&self, threshold: usize) {
        self.channel().set_low_threshold(threshold);
        if let Some(owner) = self.owner() {
            owner.set_low_threshold(self.channel().key, threshold);
        }
    }

    /// Sends a message: waits for the channel to open and for room in its buffer; that of an open
    /// channel stays full while the path to the peer is lost, until a restart of either side.
    ///
    /// When it returns the message is queued. Cancel-safe: when the future is dropped before, the
    /// message is not sent at all.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` when the message is larger than the peer takes; [`Error::ChannelClosed`]
    /// once it is closing or closed, whoever closed it; [`TransportFault::NotReached`] while it
    /// waits to be opened, as
    /// [`RTCConnection::connected`](crate::RTCConnection::connected) has it; `Closed`.
    pub async fn send(&self, message: impl Into<RTCDataChannelMessage>) -> Result<()> {
        let message = message.into();
        loop {
            let changed = self.channel().changed.change();
            if self.ready_state() == RTCDataChannelState::Connecting {
                self.may_open()?;
            } else if self.queue(&message)? == SendData::Queued {
                return Ok(());
            }
            changed.await;
        }
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`] when the buffer is full;
    /// [`Misuse::ChannelNotOpen`](crate::Misuse::ChannelNotOpen) while the channel waits to be
    /// opened; else as [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<RTCDataChannelMessage>) -> Result<()> {
        match self.queue(&message.into())? {
            SendData::Queued => Ok(()),
            SendData::Full => Err(Error::BufferFull),
        }
    }

    fn queue(&self, message: &RTCDataChannelMessage) -> Result<SendData> {
        let (kind, data) = match message {
            // Text is short as a rule; bytes are not copied.
            RTCDataChannelMessage::Text(text) => {
                (MessageKind::Text, Bytes::copy_from_slice(text.as_bytes()))
            }
            RTCDataChannelMessage::Binary(data) => (MessageKind::Binary, data.clone()),
        };
        let owner = self.owner().ok_or_else(gone)?;
        let sent = owner.send(self.channel().key, kind, data);
        sent.map_err(|error| match error {
            // The channel knows who closed it.
            Error::ChannelClosed(_) => self.channel().over(),
            error => error,
        })
    }

    /// Waits until all that was queued has gone out; nothing does while the path to the peer is
    /// lost, until a restart of either side. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Error::ChannelClosed`] when it is closed before.
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
        let key = self.channel().key;
        if self.owner().is_some_and(|owner| owner.is_flushed(key)) {
            return Ok(true);
        }
        match self.channel().unsent() {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(_) => Err(self.channel().over()),
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
        if half_open && let Some(owner) = self.owner() {
            owner.read();
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
    /// [`Error::ChannelClosed`] when it is closed before; [`TransportFault::NotReached`] as
    /// [`RTCConnection::connected`](crate::RTCConnection::connected) has it.
    pub async fn opened(&self) -> Result<()> {
        loop {
            let changed = self.channel().changed.change();
            match self.ready_state() {
                RTCDataChannelState::Connecting => {
                    self.may_open()?;
                    changed.await;
                }
                RTCDataChannelState::Open => return Ok(()),
                RTCDataChannelState::Closing | RTCDataChannelState::Closed => {
                    return Err(self.channel().over());
                }
            }
        }
    }

    /// An error when nothing looks for a path to the peer any more.
    fn may_open(&self) -> Result<()> {
        let owner = self.owner().ok_or_else(gone)?;
        match owner.lost() {
            Some(reason) => Err(TransportFault::NotReached(reason).into()),
            None => Ok(()),
        }
    }

    /// Why it is over, if it is.
    pub(super) fn reason(&self) -> Option<DataChannelCloseReason> {
        self.channel().reason()
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
        if let Some(owner) = self.owner() {
            owner.close(self.channel());
        }
    }
}

fn gone() -> Error {
    Error::Closed(DisconnectReason::Closed)
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
