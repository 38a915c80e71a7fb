//! What a transfer needs of a data channel.

use std::future::Future;

use ortc::{RTCDataChannel, RTCDataChannelMessage};

/// An ordered, reliable channel with back-pressure; a transfer has one for itself.
pub trait FileChannel: Send + Sync + 'static {
    /// Queues a message, when there is room; false if the channel is over. Cancel-safe: a future
    /// that is dropped has sent nothing.
    fn send(&self, message: RTCDataChannelMessage) -> impl Future<Output = bool> + Send;

    /// The next message; `None` if the channel is over and everything is read. Cancel-safe.
    fn recv(&self) -> impl Future<Output = Option<RTCDataChannelMessage>> + Send;

    /// Ends the channel, once what was queued has gone out.
    fn close(&self);
}

impl FileChannel for RTCDataChannel {
    async fn send(&self, message: RTCDataChannelMessage) -> bool {
        RTCDataChannel::send(self, message).await.is_ok()
    }

    async fn recv(&self) -> Option<RTCDataChannelMessage> {
        RTCDataChannel::recv(self).await
    }

    fn close(&self) {
        RTCDataChannel::close(self);
    }
}
