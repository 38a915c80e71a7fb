//! The SCTP association of a connection: made when a channel wants one, fed with packets and time,
//! asked for packets, and what it has to say told to the channels.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::channel::Channel;
use super::channels::Data;
use super::model::{
    ChannelCounters, ChannelKey, ChannelSpec, ChannelState, ClosedBecause, DataCounters, DataEvent,
    MAX_BUFFERED, MAX_STREAM, MessageKind, SendData,
};
use super::ppid;
use crate::budget::Charged;
use crate::engine::dtls::DtlsTransport;
use crate::engine::outgoing::Outlet;
use crate::engine::sctp::{
    Association, Outbound, RECEIVE_WINDOW, RECORD, SctpConfig, SctpEvent, SctpTransport,
    StreamCounters, Unread,
};
use crate::error::{DataChannelCloseReason, Error, Misuse, Result};
use crate::trace;

/// Packets made before they are sent: one batch of the socket.
const PACKETS_AT_ONCE: usize = 60;
/// Events of the association that are taken before others have their turn.
const EVENTS_AT_ONCE: u32 = 2_048;

impl Data {
    // ---- verbs ----------------------------------------------------------------------------

    /// Makes a channel; it opens as soon as the association is there.
    pub(crate) fn create(&mut self, spec: ChannelSpec) -> Result<ChannelKey> {
        if let Some(id) = spec.negotiated
            && (id > MAX_STREAM || self.streams.contains_key(&id))
        {
            return Err(Error::invalid_parameters(format!(
                "the data channel id {id} is in use or reserved"
            )));
        }
        let spec = Charged::free(spec);
        Ok(self.add(Channel::new(ChannelKey(0), spec, false)))
    }

    /// Opens a channel if the association is there.
    pub(crate) fn open_if_connected(&mut self, now: Instant, key: ChannelKey) {
        if self.sctp.as_ref().is_some_and(|sctp| sctp.is_connected()) {
            self.open(now, key);
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// `ChannelNotOpen` before, `ChannelClosed` after the channel was open; the application's view
    /// of it knows the reason.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        key: ChannelKey,
        kind: MessageKind,
        data: Bytes,
    ) -> Result<SendData> {
        let Some(channel) = self.channels.get_mut(&key) else {
            return Err(Error::ChannelClosed(DataChannelCloseReason::Closed));
        };
        let (Some(stream), Some(sctp)) = (channel.id, self.sctp.as_mut()) else {
            return Err(Misuse::ChannelNotOpen.into());
        };
        match channel.state {
            ChannelState::Connecting => {
                return Err(Misuse::ChannelNotOpen.into());
            }
            ChannelState::Closing => {
                return Err(Error::ChannelClosed(DataChannelCloseReason::Closed));
            }
            ChannelState::Open => {}
        }
        if channel.buffered > 0 && channel.buffered.saturating_add(data.len()) > MAX_BUFFERED {
            channel.waited_for = true;
            return Ok(SendData::Full);
        }
        channel.count_sent(data.len());
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

    pub(crate) fn buffered(&self, key: ChannelKey) -> usize {
        let channel = self.channels.get(&key);
        channel.map_or(0, |channel| channel.buffered)
    }

    /// What went over the channel; nothing once it is gone.
    pub(crate) fn channel_counters(&self, key: ChannelKey) -> ChannelCounters {
        let Some(channel) = self.channels.get(&key) else {
            return ChannelCounters::default();
        };
        let stream = channel.id.zip(self.sctp.as_ref());
        ChannelCounters {
            stream: stream.map_or_else(StreamCounters::default, |(id, sctp)| {
                sctp.stream_counters(id)
            }),
            ..channel.counters
        }
    }

    /// Whether all that was queued on an open channel has gone out; if not, `DataEvent::Flushed`
    /// or `Closed` tells when that changes.
    pub(crate) fn await_flush(&mut self, key: ChannelKey) -> bool {
        let Some(channel) = self.channels.get_mut(&key) else {
            return false;
        };
        channel.flush_awaited = channel.buffered > 0;
        !channel.flush_awaited
    }

    pub(crate) fn set_low_threshold(&mut self, key: ChannelKey, threshold: usize) {
        if let Some(channel) = self.channels.get_mut(&key) {
            channel.low_threshold = threshold;
        }
    }

    /// The application has read enough for the window to be opened again.
    pub(crate) fn window_opened(&mut self, now: Instant) {
        if let Some(sctp) = &mut self.sctp {
            sctp.window_opened(now);
        }
    }

    // ---- views ----------------------------------------------------------------------------

    /// Round-trip time as SCTP measures it.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.sctp.as_ref()?.rtt()
    }

    /// The largest datagram that carries data at present, in bytes.
    pub(crate) fn largest_datagram(&self, dtls: Option<&dyn DtlsTransport>) -> Option<usize> {
        let packet = self.sctp.as_ref()?.largest_packet();
        let sealed = dtls.and_then(|dtls| dtls.sealed_len(packet));
        Some(sealed.unwrap_or(packet.saturating_add(RECORD)))
    }

    /// The largest message taken from the peer, in bytes.
    pub(crate) fn max_message_size(&self) -> usize {
        self.max_message_size
    }

    /// Where the bytes are counted that the application has not read.
    pub(crate) fn unread(&self) -> &Unread {
        &self.unread
    }

    pub(crate) fn counters(&self) -> DataCounters {
        let sctp = self.sctp.as_ref().map(|sctp| sctp.counters());
        DataCounters {
            sctp: sctp.unwrap_or_default(),
            ..self.counters
        }
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn poll_event(&mut self) -> Option<DataEvent> {
        self.events.pop_front()
    }

    /// Whether the peer has everything that was queued.
    pub(crate) fn is_delivered(&self) -> bool {
        self.sctp.as_ref().is_none_or(|sctp| sctp.is_idle())
    }

    /// Whether everything was handed over and all channels are closed at both ends.
    pub(crate) fn is_over(&self) -> bool {
        self.channels.is_empty() && self.is_delivered()
    }

    /// Whether all channels are being closed with the connection.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending
    }

    // ---- input ----------------------------------------------------------------------------

    /// The latest time that was told.
    pub(crate) fn last_now(&self) -> Instant {
        self.last_now
    }

    /// Says what time it is, for what is made when the output is asked for.
    pub(crate) fn told(&mut self, now: Instant) {
        self.last_now = now;
    }

    /// DTLS has begun, as the client or not (RFC 8832 section 6).
    pub(crate) fn set_dtls_client(&mut self, client: bool) {
        self.even = client;
    }

    /// Makes the association once a channel wants one; the peer is accepted. Both sides may begin
    /// at once (RFC 9260 section 5.2.1). Whether it was made now.
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        let wanted = self.sctp.is_none() && self.failed.is_none() && !self.channels.is_empty();
        if wanted {
            self.sctp = Some(self.make_association(now, true));
        }
        wanted
    }

    fn make_association(&self, now: Instant, initiator: bool) -> Box<dyn SctpTransport> {
        let config = SctpConfig {
            initiator,
            receive_window: RECEIVE_WINDOW as u32,
            max_message_size: u32::try_from(self.max_message_size).unwrap_or(u32::MAX),
            probes_path: self.whole_datagrams,
            initial_tsn: None,
            span: self.span.clone(),
        };
        let mut sctp = Association::new(config, self.unread.clone());
        sctp.start(now);
        Box::new(sctp)
    }

    /// One SCTP packet out of a DTLS record of the peer, which is accepted or not.
    pub(crate) fn handle_packet(&mut self, now: Instant, accepted: bool, packet: &[u8]) {
        self.last_now = now;
        if !accepted || self.failed.is_some() {
            // The peer repeats it.
            self.counters.early_packets = self.counters.early_packets.saturating_add(1);
            return;
        }
        if self.sctp.is_none() {
            self.sctp = Some(self.make_association(now, false));
        }
        if let Some(sctp) = &mut self.sctp {
            sctp.handle_packet(now, packet);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.last_now = now;
        if let Some(sctp) = &mut self.sctp {
            sctp.handle_timeout(now);
        }
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        if self.more {
            return Some(self.last_now);
        }
        self.sctp.as_ref()?.poll_timeout()
    }

    /// A path is there again after there was none.
    pub(crate) fn path_restored(&mut self, now: Instant) {
        if let Some(sctp) = &mut self.sctp {
            sctp.path_restored(now);
        }
    }

    /// Another path is in use: what it carries is not known.
    pub(crate) fn path_changed(&mut self) {
        if let Some(sctp) = &mut self.sctp {
            sctp.path_changed();
        }
    }

    /// Closes all channels, each once everything queued on it has gone out, and takes no more.
    pub(crate) fn close_all(&mut self, now: Instant) {
        self.last_now = now;
        self.ending = true;
        let all: Vec<ChannelKey> = self.channels.keys().copied().collect();
        for key in all {
            self.close(now, key, ClosedBecause::Connection);
        }
    }

    /// Ends the association; whether there was one, which may still have that to say.
    pub(crate) fn abort(&mut self, now: Instant) -> bool {
        if let Some(sctp) = &mut self.sctp {
            sctp.abort(now);
        }
        self.sctp.is_some()
    }

    // ---- output ---------------------------------------------------------------------------

    /// Moves SCTP packets into DTLS records, at most one batch; whether there was one.
    pub(crate) fn flush(&mut self, dtls: &mut dyn DtlsTransport, outlet: &mut Outlet<'_>) -> bool {
        let now = self.last_now;
        let Some(sctp) = &mut self.sctp else {
            return false;
        };
        let mut any = false;
        for _ in 0..PACKETS_AT_ONCE {
            if !sctp.poll_packet(now, &mut self.packet) {
                break;
            }
            any = true;
            let packet = &self.packet;
            let probe = packet.len() > sctp.largest_packet();
            if let Some(length) = dtls.sealed_len(packet.len()) {
                let sealed = outlet.push_with(length, |out| match dtls.seal(packet, out) {
                    true => Ok(()),
                    false => Err(()),
                });
                if sealed.is_err() {
                    break;
                }
            } else {
                if dtls.write(now, packet).is_err() {
                    break;
                }
                while let Some(datagram) = dtls.poll_transmit() {
                    outlet.push(&datagram);
                }
            }
            if probe {
                outlet.end_batch();
            }
        }
        any
    }

    /// Tells the channels what the association says; true when it has ended, which is said to the
    /// peer before the channels end, too.
    #[must_use]
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        self.more = false;
        let mut taken = 0;
        while let Some(event) = self.sctp.as_mut().and_then(|sctp| sctp.poll_event()) {
            // One packet may set free what thousands have brought: others have their turn between.
            taken += 1;
            self.more = taken == EVENTS_AT_ONCE;
            match event {
                SctpEvent::Connected => {
                    tracing::info!(target: trace::SCTP, parent: &self.span, "SCTP is established");
                    let waiting: Vec<ChannelKey> = self.channels.keys().copied().collect();
                    for key in waiting {
                        self.open(now, key);
                    }
                }
                SctpEvent::Message { stream, ppid, data } => {
                    self.message(now, stream, ppid, data, self.max_message_size);
                }
                SctpEvent::IncomingReset(stream) => self.incoming_reset(now, stream),
                SctpEvent::OutgoingReset(stream) => self.outgoing_reset(stream),
                SctpEvent::TooLarge(stream) => {
                    if let Some(key) = self.streams.get(&stream).copied() {
                        self.close(now, key, ClosedBecause::TooLarge);
                    } else if let Some(sctp) = &mut self.sctp {
                        sctp.reset(now, stream);
                    }
                }
                SctpEvent::Released { stream, bytes } => self.released(stream, bytes),
                SctpEvent::Failed(failure) => {
                    tracing::info!(target: trace::SCTP, parent: &self.span, cause = %failure, "SCTP ended");
                    return true;
                }
            }
            if self.more {
                return false;
            }
        }
        false
    }
}
