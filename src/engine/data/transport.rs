//! The engine's verbs for data channels, and what SCTP has to say to them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Channel, ChannelKey, ChannelSpec, ChannelState, ClosedBecause, DataCounters, DataEvent,
    MAX_STREAM, MessageKind, RECEIVE_WINDOW, Unread, ppid,
};
use crate::budget::Charged;
use crate::engine::dtls::DtlsRole;
use crate::engine::sctp::{Association, Outbound, RECORD, SctpConfig, SctpEvent, SctpTransport};
use crate::engine::{Engine, EngineState};
use crate::error::{Error, Result};

/// Bytes that may be queued on one channel; beyond, the sender waits.
pub(super) const MAX_BUFFERED: usize = 2 << 20;
/// Packets made before they are sent: one batch of the socket.
const PACKETS_AT_ONCE: usize = 60;
/// Events of the association that are taken before others have their turn.
const EVENTS_AT_ONCE: u32 = 2_048;

/// What became of a message that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendData {
    Queued,
    /// The buffer is full; `DataEvent::Writable` tells when it is not.
    Full,
}

impl Engine {
    // ---- verbs ----------------------------------------------------------------------------

    /// Makes a channel; it opens as soon as the association is there.
    pub(crate) fn create_channel(&mut self, now: Instant, spec: ChannelSpec) -> Result<ChannelKey> {
        if let Some(id) = spec.negotiated
            && (id > MAX_STREAM || self.data.streams.contains_key(&id))
        {
            return Err(Error::invalid_parameters(format!(
                "the data channel id {id} is in use or reserved"
            )));
        }
        let spec = Charged::free(spec);
        let key = self.data.add(Channel::new(ChannelKey(0), spec, false));
        self.start_data(now);
        if self
            .data
            .sctp
            .as_ref()
            .is_some_and(|sctp| sctp.is_connected())
        {
            self.open_channel(now, key);
        }
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
        let Some(channel) = self.data.channels.get_mut(&key) else {
            return Err(Error::invalid_state("the data channel is closed"));
        };
        let (Some(stream), Some(sctp)) = (channel.id, self.data.sctp.as_mut()) else {
            return Err(Error::invalid_state("the data channel is not open yet"));
        };
        match channel.state {
            ChannelState::Connecting => {
                return Err(Error::invalid_state("the data channel is not open yet"));
            }
            ChannelState::Closing => {
                return Err(Error::invalid_state("the data channel is closing"));
            }
            ChannelState::Open => {}
        }
        if channel.buffered > 0 && channel.buffered.saturating_add(data.len()) > MAX_BUFFERED {
            channel.waited_for = true;
            return Ok(SendData::Full);
        }
        // RFC 8831 section 6.6: an empty message is one zero byte under another identifier.
        let (ppid, data) = match (kind, data.is_empty()) {
            (MessageKind::Text, false) => (ppid::TEXT, data),
            (MessageKind::Binary, false) => (ppid::BINARY, data),
            (MessageKind::Text, true) => (ppid::EMPTY_TEXT, Bytes::from_static(&[0])),
            (MessageKind::Binary, true) => (ppid::EMPTY_BINARY, Bytes::from_static(&[0])),
        };
        channel.buffered = channel.buffered.saturating_add(data.len());
        sctp.send(
            now,
            Outbound {
                stream,
                ppid,
                data,
                // RFC 8832 section 6: nothing may overtake the OPEN.
                ordered: channel.spec.ordered || !channel.acked,
                reliability: channel.spec.reliability,
                weight: channel.spec.weight(),
            },
        );
        self.last_now = now;
        Ok(SendData::Queued)
    }

    /// Closes a channel once everything queued on it has gone out. Idempotent.
    pub(crate) fn close_channel(&mut self, now: Instant, key: ChannelKey) {
        self.last_now = now;
        self.data.close(now, key, ClosedBecause::Local);
        self.poll_data(now);
    }

    pub(crate) fn channel_buffered(&self, key: ChannelKey) -> usize {
        let channel = self.data.channels.get(&key);
        channel.map_or(0, |channel| channel.buffered)
    }

    /// Whether all that was queued on an open channel has gone out; if not, `DataEvent::Flushed`
    /// or `Closed` tells when that changes.
    pub(crate) fn flush_channel(&mut self, key: ChannelKey) -> bool {
        let Some(channel) = self.data.channels.get_mut(&key) else {
            return false;
        };
        channel.flush_awaited = channel.buffered > 0;
        !channel.flush_awaited
    }

    pub(crate) fn set_low_threshold(&mut self, key: ChannelKey, threshold: usize) {
        if let Some(channel) = self.data.channels.get_mut(&key) {
            channel.low_threshold = threshold;
        }
    }

    /// The application has read enough for the window to be opened again.
    pub(crate) fn data_read(&mut self, now: Instant) {
        self.last_now = now;
        if let Some(sctp) = &mut self.data.sctp {
            sctp.window_opened(now);
        }
        self.poll_data(now);
    }

    /// Round-trip time as SCTP measures it.
    pub(crate) fn data_rtt(&self) -> Option<Duration> {
        self.data.sctp.as_ref()?.rtt()
    }

    /// The largest datagram that carries data at present, in bytes.
    pub(crate) fn largest_data_datagram(&self) -> Option<usize> {
        let packet = self.data.sctp.as_ref()?.largest_packet();
        let sealed = self.dtls.as_ref().and_then(|dtls| dtls.sealed_len(packet));
        Some(sealed.unwrap_or(packet.saturating_add(RECORD)))
    }

    /// The largest message taken from the peer, in bytes.
    pub(crate) fn max_message_size(&self) -> usize {
        self.config.max_message_size
    }

    /// Where the bytes are counted that the application has not read.
    pub(crate) fn unread(&self) -> Unread {
        self.data.unread.clone()
    }

    pub(crate) fn data_counters(&self) -> DataCounters {
        let sctp = self.data.sctp.as_ref().map(|sctp| sctp.counters());
        DataCounters {
            sctp: sctp.unwrap_or_default(),
            ..self.data.counters
        }
    }

    pub(crate) fn has_data_events(&self) -> bool {
        !self.data.events.is_empty()
    }

    pub(crate) fn poll_data_event(&mut self) -> Option<DataEvent> {
        self.data.events.pop_front()
    }

    // ---- inside the engine ----------------------------------------------------------------

    /// Makes the association once a channel wants one and the peer is accepted. Both sides may
    /// begin at once (RFC 9260 section 5.2.1).
    pub(in crate::engine) fn start_data(&mut self, now: Instant) {
        self.last_now = now;
        if self.data.sctp.is_some()
            || self.data.failed.is_some()
            || self.state != EngineState::Connected
            || self.data.channels.is_empty()
        {
            return;
        }
        self.data.sctp = Some(self.make_association(now, true));
        self.poll_data(now);
    }

    fn make_association(&self, now: Instant, initiator: bool) -> Box<dyn SctpTransport> {
        let config = SctpConfig {
            initiator,
            receive_window: RECEIVE_WINDOW as u32,
            max_message_size: u32::try_from(self.config.max_message_size).unwrap_or(u32::MAX),
            probes_path: self.config.whole_datagrams,
            initial_tsn: None,
        };
        let mut sctp = Association::new(config, self.data.unread.clone());
        sctp.start(now);
        Box::new(sctp)
    }

    /// One SCTP packet out of a DTLS record.
    pub(in crate::engine) fn handle_sctp(&mut self, now: Instant, packet: &[u8]) {
        self.last_now = now;
        if !self.secure.accepted() || self.data.failed.is_some() {
            // The peer repeats it.
            self.data.counters.early_packets = self.data.counters.early_packets.saturating_add(1);
            return;
        }
        if self.data.sctp.is_none() {
            self.data.sctp = Some(self.make_association(now, false));
        }
        if let Some(sctp) = &mut self.data.sctp {
            sctp.handle_packet(now, packet);
        }
        self.poll_data(now);
    }

    pub(in crate::engine) fn handle_data_timeout(&mut self, now: Instant) {
        self.last_now = now;
        if let Some(sctp) = &mut self.data.sctp {
            sctp.handle_timeout(now);
        }
        self.poll_data(now);
    }

    pub(in crate::engine) fn data_timeout(&self) -> Option<Instant> {
        if self.data.more {
            return Some(self.last_now);
        }
        self.data.sctp.as_ref()?.poll_timeout()
    }

    /// A path is there again after there was none.
    pub(in crate::engine) fn data_path_restored(&mut self, now: Instant) {
        if let Some(sctp) = &mut self.data.sctp {
            sctp.path_restored(now);
        }
        self.start_data(now);
    }

    /// Another path is in use: what it carries is not known.
    pub(in crate::engine) fn data_path_changed(&mut self) {
        if let Some(sctp) = &mut self.data.sctp {
            sctp.path_changed();
        }
    }

    /// Whether the peer has everything that was queued.
    pub(in crate::engine) fn data_is_delivered(&self) -> bool {
        self.data.sctp.as_ref().is_none_or(|sctp| sctp.is_idle())
    }

    /// Whether everything was handed over and all channels are closed at both ends.
    pub(in crate::engine) fn channels_are_over(&self) -> bool {
        self.data.channels.is_empty() && self.data_is_delivered()
    }

    /// Closes all channels, each once everything queued on it has gone out, and takes no more.
    pub(in crate::engine) fn close_channels(&mut self, now: Instant) {
        self.last_now = now;
        self.data.ending = true;
        let all: Vec<ChannelKey> = self.data.channels.keys().copied().collect();
        for key in all {
            self.data.close(now, key, ClosedBecause::Connection);
        }
        self.poll_data(now);
    }

    /// Ends all channels with the connection.
    pub(in crate::engine) fn close_data(&mut self, now: Instant) {
        if self.data.ending {
            // The answers to what the peer has closed meanwhile.
            self.flush_data();
        }
        if let Some(sctp) = &mut self.data.sctp {
            sctp.abort(now);
            self.flush_data();
        }
        self.data.end(ClosedBecause::Connection);
    }

    /// Moves SCTP packets into DTLS records, at most one batch; whether there was one.
    pub(in crate::engine) fn flush_data(&mut self) -> bool {
        let now = self.last_now;
        let Some((local, remote)) = self.ice.send_path() else {
            return false;
        };
        let (Some(sctp), Some(dtls)) = (&mut self.data.sctp, &mut self.dtls) else {
            return false;
        };
        let mut any = false;
        for _ in 0..PACKETS_AT_ONCE {
            if !sctp.poll_packet(now, &mut self.data.packet) {
                break;
            }
            any = true;
            let probe = self.data.packet.len() > sctp.largest_packet();
            if let Some(length) = dtls.sealed_len(self.data.packet.len()) {
                let packet = &self.data.packet;
                let sealed = self.out.push_with(local, remote, length, |out| {
                    if dtls.seal(packet, out) {
                        Ok(())
                    } else {
                        Err(())
                    }
                });
                if sealed.is_err() {
                    break;
                }
                if probe {
                    self.out.end_batch();
                }
                continue;
            }
            if dtls.write(now, &self.data.packet).is_err() {
                break;
            }
            while let Some(datagram) = dtls.poll_transmit() {
                self.out.push(local, remote, &datagram);
            }
            if probe {
                self.out.end_batch();
            }
        }
        if any {
            // What went out frees buffers.
            self.poll_data(now);
        }
        any
    }

    fn open_channel(&mut self, now: Instant, key: ChannelKey) {
        let even = self.dtls_role == Some(DtlsRole::Client);
        self.data.open(now, key, even);
    }

    fn poll_data(&mut self, now: Instant) {
        self.data.more = false;
        let mut taken = 0;
        while let Some(event) = self.data.sctp.as_mut().and_then(|sctp| sctp.poll_event()) {
            // One packet may set free what thousands have brought: others have their turn between.
            taken += 1;
            self.data.more = taken == EVENTS_AT_ONCE;
            match event {
                SctpEvent::Connected => {
                    let waiting: Vec<ChannelKey> = self.data.channels.keys().copied().collect();
                    for key in waiting {
                        self.open_channel(now, key);
                    }
                }
                SctpEvent::Message { stream, ppid, data } => {
                    let even = self.dtls_role == Some(DtlsRole::Client);
                    let limit = self.config.max_message_size;
                    self.data.message(now, stream, ppid, data, even, limit);
                }
                SctpEvent::IncomingReset(stream) => self.data.incoming_reset(now, stream),
                SctpEvent::OutgoingReset(stream) => self.data.outgoing_reset(stream),
                SctpEvent::TooLarge(stream) => {
                    if let Some(key) = self.data.streams.get(&stream).copied() {
                        self.data.close(now, key, ClosedBecause::TooLarge);
                    } else if let Some(sctp) = &mut self.data.sctp {
                        sctp.reset(now, stream);
                    }
                }
                SctpEvent::Released { stream, bytes } => self.data.released(stream, bytes),
                SctpEvent::Failed(failure) => {
                    tracing::info!(?failure, "the SCTP association ended");
                    // What it still has to say, an ABORT, is said first.
                    self.flush_data();
                    self.data.end(ClosedBecause::Association);
                }
            }
            if self.data.more {
                return;
            }
        }
    }
}
