//! The engine's verbs for data channels, and what SCTP has to say to them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::channel::Reset;
use super::dcep;
use super::{
    Channel, ChannelKey, ChannelSpec, ChannelState, ClosedBecause, Data, DataCounters, DataEvent,
    MAX_EARLY_BYTES, MAX_INCOMING, MAX_STREAM, MessageKind, RECEIVE_WINDOW, Reliability, Unread,
    ppid,
};
use crate::engine::dtls::DtlsRole;
use crate::engine::sctp::{Association, Outbound, SctpConfig, SctpEvent, SctpTransport};
use crate::engine::{Engine, EngineState};
use crate::error::{Error, Result};

/// Bytes that may be queued on one channel; beyond, the sender waits.
const MAX_BUFFERED: usize = 2 << 20;
/// Packets made before they are sent: one batch of the socket.
const PACKETS_AT_ONCE: usize = 60;

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
        self.data.sctp.as_ref()?.poll_timeout()
    }

    /// A path is there again after there was none.
    pub(in crate::engine) fn data_path_restored(&mut self, now: Instant) {
        if let Some(sctp) = &mut self.data.sctp {
            sctp.path_restored(now);
        }
        self.start_data(now);
    }

    /// Ends all channels with the connection.
    pub(in crate::engine) fn close_data(&mut self, now: Instant) {
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
                continue;
            }
            if dtls.write(now, &self.data.packet).is_err() {
                break;
            }
            while let Some(datagram) = dtls.poll_transmit() {
                self.out.push(local, remote, &datagram);
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
        while let Some(event) = self.data.sctp.as_mut().and_then(|sctp| sctp.poll_event()) {
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
        }
    }
}

impl Data {
    fn add(&mut self, mut channel: Channel) -> ChannelKey {
        self.next_key = self.next_key.wrapping_add(1);
        let key = ChannelKey(self.next_key);
        channel.key = key;
        if let Some(id) = channel.id {
            self.streams.insert(id, key);
        }
        self.channels.insert(key, channel);
        key
    }

    /// The association is there: gives the channel a stream and tells the peer of it.
    fn open(&mut self, now: Instant, key: ChannelKey, even: bool) {
        let Some(streams) = self.sctp.as_ref().map(|sctp| sctp.streams()) else {
            return;
        };
        let free = self.free_stream(even, streams);
        let Some(channel) = self.channels.get_mut(&key) else {
            return;
        };
        if channel.state != ChannelState::Connecting {
            return;
        }
        let Some(id) = channel.id.or(free).filter(|&id| id < streams) else {
            return self.finish(key, ClosedBecause::NoStream);
        };
        channel.id = Some(id);
        channel.state = ChannelState::Open;
        self.streams.insert(id, key);
        if channel.spec.negotiated.is_none()
            && let Some(sctp) = &mut self.sctp
        {
            sctp.send(now, control(id, dcep::open(&channel.spec)));
        }
        self.events.push_back(DataEvent::Open { key, id });
        self.replay_early(now, id);
    }

    /// RFC 8832 section 6: the DTLS client uses even streams, the server odd ones.
    fn free_stream(&self, even: bool, streams: u16) -> Option<u16> {
        (u16::from(!even)..streams.min(MAX_STREAM.saturating_add(1)))
            .step_by(2)
            .find(|id| !self.streams.contains_key(id))
    }

    fn close(&mut self, now: Instant, key: ChannelKey, reason: ClosedBecause) {
        let Some(channel) = self.channels.get_mut(&key) else {
            return;
        };
        channel.reason.get_or_insert(reason);
        match (channel.id, channel.state, self.sctp.as_mut()) {
            (Some(id), ChannelState::Open | ChannelState::Closing, Some(sctp)) => {
                channel.state = ChannelState::Closing;
                if channel.outgoing_reset == Reset::No {
                    channel.outgoing_reset = Reset::Asked;
                    sctp.reset(now, id);
                }
                if reason != ClosedBecause::Local && reason != ClosedBecause::Peer {
                    // Nothing of it is wanted any more, and the application knows why now.
                    self.events.push_back(DataEvent::Closing(key));
                }
            }
            _ => self.finish(key, reason),
        }
    }

    /// Forgets a channel and tells why.
    fn finish(&mut self, key: ChannelKey, reason: ClosedBecause) {
        if let Some(channel) = self.channels.remove(&key) {
            if let Some(id) = channel.id
                && self.streams.get(&id) == Some(&key)
            {
                self.streams.remove(&id);
            }
            let reason = channel.reason.unwrap_or(reason);
            self.events.push_back(DataEvent::Closed { key, reason });
        }
    }

    fn end(&mut self, reason: ClosedBecause) {
        self.failed = Some(reason);
        self.sctp = None;
        self.early = Vec::new();
        let all: Vec<ChannelKey> = self.channels.keys().copied().collect();
        for key in all {
            self.finish(key, reason);
        }
    }

    fn incoming_reset(&mut self, now: Instant, stream: u16) {
        let Some(key) = self.streams.get(&stream).copied() else {
            self.early.retain(|(early, _, _)| *early != stream);
            if let Some(sctp) = &mut self.sctp {
                sctp.reset(now, stream);
            }
            return;
        };
        if let Some(channel) = self.channels.get_mut(&key) {
            channel.incoming_reset = true;
            if channel.state == ChannelState::Open {
                self.events.push_back(DataEvent::Closing(key));
            }
        }
        self.close(now, key, ClosedBecause::Peer);
        self.finish_if_done(key);
    }

    fn outgoing_reset(&mut self, stream: u16) {
        if let Some(key) = self.streams.get(&stream).copied() {
            if let Some(channel) = self.channels.get_mut(&key) {
                channel.outgoing_reset = Reset::Done;
            }
            self.finish_if_done(key);
        }
    }

    fn finish_if_done(&mut self, key: ChannelKey) {
        let done = self
            .channels
            .get(&key)
            .is_some_and(|channel| channel.incoming_reset && channel.outgoing_reset == Reset::Done);
        if done {
            self.finish(key, ClosedBecause::Peer);
        }
    }

    fn released(&mut self, stream: u16, bytes: usize) {
        let Some(key) = self.streams.get(&stream).copied() else {
            return;
        };
        let Some(channel) = self.channels.get_mut(&key) else {
            return;
        };
        let before = channel.buffered;
        channel.buffered = before.saturating_sub(bytes);
        if channel.waited_for && channel.buffered <= MAX_BUFFERED / 2 {
            channel.waited_for = false;
            self.events.push_back(DataEvent::Writable(key));
        }
        if before > channel.low_threshold && channel.buffered <= channel.low_threshold {
            self.events.push_back(DataEvent::BufferedAmountLow(key));
        }
    }

    fn message(
        &mut self,
        now: Instant,
        stream: u16,
        kind: u32,
        data: Bytes,
        even: bool,
        limit: usize,
    ) {
        if kind == ppid::DCEP {
            self.unread.read(data.len());
            return self.control(now, stream, &data, even);
        }
        let Some(key) = self.streams.get(&stream).copied() else {
            return self.keep_early(stream, kind, data);
        };
        let Some(channel) = self.channels.get_mut(&key) else {
            return;
        };
        let message_kind = match kind {
            ppid::TEXT | ppid::EMPTY_TEXT => MessageKind::Text,
            ppid::BINARY | ppid::EMPTY_BINARY => MessageKind::Binary,
            _ => {
                self.drop_message(data.len());
                return;
            }
        };
        // RFC 8832 section 6: any message shows that the peer knows the channel.
        channel.acked = true;
        if channel
            .reason
            .is_some_and(|reason| reason != ClosedBecause::Peer)
        {
            self.unread.read(data.len());
            return;
        }
        if data.len() > limit {
            self.unread.read(data.len());
            return self.close(now, key, ClosedBecause::TooLarge);
        }
        let data = match kind {
            ppid::EMPTY_TEXT | ppid::EMPTY_BINARY => {
                // The byte that stood for nothing.
                self.unread.read(data.len());
                self.unread.add(0);
                Bytes::new()
            }
            _ => data,
        };
        self.events.push_back(DataEvent::Message {
            key,
            kind: message_kind,
            data,
        });
    }

    fn drop_message(&mut self, len: usize) {
        self.unread.read(len);
        self.counters.dropped_messages = self.counters.dropped_messages.saturating_add(1);
    }

    /// The peer may use a negotiated channel before this side has made it.
    fn keep_early(&mut self, stream: u16, kind: u32, data: Bytes) {
        let cost = |data: &Bytes| Unread::cost(data.len());
        let held: usize = self.early.iter().map(|(_, _, data)| cost(data)).sum();
        if held.saturating_add(cost(&data)) > MAX_EARLY_BYTES {
            return self.drop_message(data.len());
        }
        self.early.push((stream, kind, data));
    }

    fn replay_early(&mut self, now: Instant, stream: u16) {
        let (ours, others) = std::mem::take(&mut self.early)
            .into_iter()
            .partition(|(early, _, _)| *early == stream);
        self.early = others;
        for (_, kind, data) in ours {
            self.message(now, stream, kind, data, false, usize::MAX);
        }
    }

    fn control(&mut self, now: Instant, stream: u16, message: &[u8], even: bool) {
        match dcep::parse(message) {
            Some(dcep::Message::Ack) => {
                let key = self.streams.get(&stream).copied();
                if let Some(channel) = key.and_then(|key| self.channels.get_mut(&key)) {
                    channel.acked = true;
                }
            }
            Some(dcep::Message::Open(spec)) => self.incoming(now, stream, spec, even),
            None => self.refuse(now, stream),
        }
    }

    fn incoming(&mut self, now: Instant, stream: u16, spec: ChannelSpec, even: bool) {
        let theirs = stream.is_multiple_of(2) != even;
        let open = self.channels.values().filter(|one| one.incoming).count();
        if !theirs
            || stream > MAX_STREAM
            || self.streams.contains_key(&stream)
            || open >= MAX_INCOMING
        {
            return self.refuse(now, stream);
        }
        let mut channel = Channel::new(ChannelKey(0), spec.clone(), true);
        channel.id = Some(stream);
        channel.state = ChannelState::Open;
        let key = self.add(channel);
        if let Some(sctp) = &mut self.sctp {
            sctp.send(now, control(stream, dcep::ack()));
        }
        self.events.push_back(DataEvent::Incoming {
            key,
            id: stream,
            spec,
        });
        self.replay_early(now, stream);
    }

    /// A malformed OPEN, or one that may not be: that stream ends, nothing else.
    fn refuse(&mut self, now: Instant, stream: u16) {
        self.counters.refused_channels = self.counters.refused_channels.saturating_add(1);
        match self.streams.get(&stream).copied() {
            Some(key) => self.close(now, key, ClosedBecause::Protocol),
            None => {
                if let Some(sctp) = &mut self.sctp {
                    sctp.reset(now, stream);
                }
            }
        }
    }
}

/// A message of the establishment protocol: ordered and reliable (RFC 8832 section 6).
fn control(stream: u16, data: Bytes) -> Outbound {
    Outbound {
        stream,
        ppid: ppid::DCEP,
        data,
        ordered: true,
        reliability: Reliability::Reliable,
    }
}
