//! What the application does with a connection beside opening and closing it.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Engine;
use super::data::{
    ChannelKey, ChannelSpec, ClosedBecause, DataCounters, DataEvent, MessageKind, SendData,
};
use super::sctp::Unread;
use crate::error::Result;

impl Engine {
    // ---- data channels --------------------------------------------------------------------

    /// Makes a channel; it opens as soon as the association is there.
    pub(crate) fn create_channel(&mut self, now: Instant, spec: ChannelSpec) -> Result<ChannelKey> {
        let key = self.data.create(spec)?;
        self.start_data(now);
        self.data.open_if_connected(now, key);
        Ok(key)
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// `InvalidState` when the channel is not open.
    pub(crate) fn send_data(
        &mut self,
        now: Instant,
        key: ChannelKey,
        kind: MessageKind,
        data: Bytes,
    ) -> Result<SendData> {
        self.data.send(now, key, kind, data)
    }

    /// Closes a channel once everything queued on it has gone out. Idempotent.
    pub(crate) fn close_channel(&mut self, now: Instant, key: ChannelKey) {
        self.data.told(now);
        self.data.close(now, key, ClosedBecause::Local);
        self.poll_data(now);
    }

    pub(crate) fn channel_buffered(&self, key: ChannelKey) -> usize {
        self.data.buffered(key)
    }

    /// Whether all that was queued on an open channel has gone out; if not, `DataEvent::Flushed`
    /// or `Closed` tells when that changes.
    pub(crate) fn flush_channel(&mut self, key: ChannelKey) -> bool {
        self.data.await_flush(key)
    }

    pub(crate) fn set_low_threshold(&mut self, key: ChannelKey, threshold: usize) {
        self.data.set_low_threshold(key, threshold);
    }

    /// The application has read enough for the window to be opened again.
    pub(crate) fn data_read(&mut self, now: Instant) {
        self.data.told(now);
        self.data.window_opened(now);
        self.poll_data(now);
    }

    /// Round-trip time as SCTP measures it.
    pub(crate) fn data_rtt(&self) -> Option<Duration> {
        self.data.rtt()
    }

    /// The largest datagram that carries data at present, in bytes.
    pub(crate) fn largest_data_datagram(&self) -> Option<usize> {
        self.data.largest_datagram(self.dtls.as_deref())
    }

    /// The largest message taken from the peer, in bytes.
    pub(crate) fn max_message_size(&self) -> usize {
        self.data.max_message_size()
    }

    /// Where the bytes are counted that the application has not read.
    pub(crate) fn unread(&self) -> Unread {
        self.data.unread().clone()
    }

    pub(crate) fn data_counters(&self) -> DataCounters {
        self.data.counters()
    }

    pub(crate) fn poll_data_event(&mut self) -> Option<DataEvent> {
        self.data.poll_event()
    }
}
