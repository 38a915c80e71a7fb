//! What opens and closes channels, and what becomes of their messages (RFC 8831, RFC 8832).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use tracing::Span;

use super::channel::{Channel, Reset};
use super::dcep;
use super::early::Early;
use super::model::{
    ChannelKey, ChannelSpec, ChannelState, ClosedBecause, DataCounters, DataEvent, MAX_BUFFERED,
    MAX_INCOMING, MAX_STREAM, MessageKind,
};
use super::ppid;
use crate::budget::{Budget, Charged};
use crate::engine::sctp::{Outbound, Reliability, SctpTransport, Unread};
use crate::trace;

/// Data channels of one connection. Nothing is allocated before the first one.
pub(crate) struct Data {
    pub(super) sctp: Option<Box<dyn SctpTransport>>,
    pub(super) channels: BTreeMap<ChannelKey, Channel>,
    pub(super) streams: HashMap<u16, ChannelKey>,
    next_key: u32,
    /// Channels that the peer opened.
    incoming: usize,
    pub(super) budget: Budget,
    pub(super) events: VecDeque<DataEvent>,
    early: Early,
    /// This side is the DTLS client, whose streams are the even ones (RFC 8832 section 6).
    pub(super) even: bool,
    /// No stream of this side's is free below.
    free_from: u16,
    /// There are more events of the association than are taken at once.
    pub(super) more: bool,
    pub(super) unread: Unread,
    pub(super) counters: DataCounters,
    /// Scratch space for the packet being sent.
    pub(super) packet: Vec<u8>,
    pub(super) failed: Option<ClosedBecause>,
    /// The connection is being closed: no channel of the peer's is taken any more.
    pub(super) ending: bool,
    pub(super) max_message_size: usize,
    pub(super) whole_datagrams: bool,
    /// The latest time that was told, for what is made when the output is asked for.
    pub(super) last_now: Instant,
    /// The connection in the log.
    pub(crate) span: Span,
}

impl Data {
    /// `max_message_size`: the largest message taken from the peer, in bytes. `whole_datagrams`:
    /// the socket never lets a datagram be fragmented.
    pub(crate) fn new(
        now: Instant,
        budget: Budget,
        max_message_size: usize,
        whole_datagrams: bool,
    ) -> Self {
        Self {
            span: Span::none(),
            sctp: None,
            channels: BTreeMap::new(),
            streams: HashMap::new(),
            next_key: 0,
            incoming: 0,
            budget,
            events: VecDeque::new(),
            early: Early::default(),
            even: false,
            free_from: 0,
            more: false,
            unread: Unread::default(),
            counters: DataCounters::default(),
            packet: Vec::new(),
            failed: None,
            ending: false,
            max_message_size,
            whole_datagrams,
            last_now: now,
        }
    }

    /// What is kept of messages on streams of no channel yet.
    pub(crate) fn early_bytes(&self) -> usize {
        self.early.held()
    }

    pub(super) fn add(&mut self, mut channel: Channel) -> ChannelKey {
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
    pub(super) fn open(&mut self, now: Instant, key: ChannelKey) {
        let Some(streams) = self.sctp.as_ref().map(|sctp| sctp.streams()) else {
            return;
        };
        let Some(id) = self
            .channels
            .get(&key)
            .filter(|channel| channel.state == ChannelState::Connecting)
            .map(|channel| channel.id)
        else {
            return;
        };
        let id = match id {
            Some(id) => (id < streams && self.is_usable(id)).then_some(id),
            None => self.free_stream(streams),
        };
        let Some(id) = id else {
            return self.finish(key, ClosedBecause::NoStream);
        };
        let Some(channel) = self.channels.get_mut(&key) else {
            return;
        };
        channel.id = Some(id);
        channel.state = ChannelState::Open;
        self.counters.channels_opened = self.counters.channels_opened.saturating_add(1);
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
    fn free_stream(&mut self, streams: u16) -> Option<u16> {
        let begin = self.free_from;
        let begin = begin.saturating_add(u16::from(begin.is_multiple_of(2) != self.even));
        let free = (begin..streams.min(MAX_STREAM.saturating_add(1)))
            .step_by(2)
            .find(|&id| !self.streams.contains_key(&id) && self.is_usable(id));
        self.free_from = free.unwrap_or(u16::MAX);
        free
    }

    fn is_usable(&self, stream: u16) -> bool {
        self.sctp.as_ref().is_none_or(|sctp| sctp.is_usable(stream))
    }

    /// Closes a channel once everything queued on it has gone out. Idempotent.
    pub(crate) fn close(&mut self, now: Instant, key: ChannelKey, reason: ClosedBecause) {
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
                if reason.is_fault() {
                    // Nothing of it is wanted any more, and the application knows why now.
                    self.events.push_back(DataEvent::Closing(key));
                }
            }
            _ => self.finish(key, reason),
        }
    }

    /// Forgets a channel and tells why.
    pub(super) fn finish(&mut self, key: ChannelKey, reason: ClosedBecause) {
        if let Some(channel) = self.channels.remove(&key) {
            self.incoming = self.incoming.saturating_sub(usize::from(channel.incoming));
            let was_open = u64::from(channel.state != ChannelState::Connecting);
            self.counters.channels_closed = self.counters.channels_closed.saturating_add(was_open);
            if let Some(id) = channel.id
                && self.streams.get(&id) == Some(&key)
            {
                self.streams.remove(&id);
                self.free_from = self.free_from.min(id);
            }
            let reason = channel.reason.unwrap_or(reason);
            self.events.push_back(DataEvent::Closed {
                key,
                reason,
                unsent: channel.buffered,
            });
        }
    }

    /// Ends all channels.
    pub(crate) fn end(&mut self, reason: ClosedBecause) {
        self.failed = Some(reason);
        self.sctp = None;
        self.early = Early::default();
        let all: Vec<ChannelKey> = self.channels.keys().copied().collect();
        for key in all {
            self.finish(key, reason);
        }
    }

    pub(super) fn incoming_reset(&mut self, now: Instant, stream: u16) {
        tracing::debug!(target: trace::SCTP, parent: &self.span, stream, "the peer ends a stream");
        let Some(key) = self.streams.get(&stream).copied() else {
            for (_, data) in self.early.take(stream) {
                self.unread.read(data.len());
            }
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

    pub(super) fn outgoing_reset(&mut self, stream: u16) {
        tracing::debug!(target: trace::SCTP, parent: &self.span, stream, "a stream is ended");
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

    pub(super) fn released(&mut self, stream: u16, bytes: usize) {
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
        if channel.flush_awaited && channel.buffered == 0 {
            channel.flush_awaited = false;
            self.events.push_back(DataEvent::Flushed(key));
        }
        if before > channel.low_threshold && channel.buffered <= channel.low_threshold {
            self.events.push_back(DataEvent::BufferedAmountLow(key));
        }
    }

    pub(super) fn message(
        &mut self,
        now: Instant,
        stream: u16,
        kind: u32,
        data: Bytes,
        limit: usize,
    ) {
        if kind == ppid::DCEP {
            self.unread.read(data.len());
            return self.control(now, stream, &data);
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
        if channel.reason.is_some_and(ClosedBecause::is_fault) {
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
        channel.count_received(data.len());
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
        let len = data.len();
        if !self.early.keep(stream, kind, data) {
            self.drop_message(len);
        }
    }

    fn replay_early(&mut self, now: Instant, stream: u16) {
        for (kind, data) in self.early.take(stream) {
            self.message(now, stream, kind, data, usize::MAX);
        }
    }

    fn control(&mut self, now: Instant, stream: u16, message: &[u8]) {
        match dcep::parse(message) {
            Some(dcep::Message::Ack) => {
                let key = self.streams.get(&stream).copied();
                if let Some(channel) = key.and_then(|key| self.channels.get_mut(&key)) {
                    channel.acked = true;
                }
            }
            Some(dcep::Message::Open(spec)) => self.incoming(now, stream, spec),
            None => self.refuse(now, stream),
        }
    }

    fn incoming(&mut self, now: Instant, stream: u16, spec: ChannelSpec) {
        let theirs = stream.is_multiple_of(2) != self.even;
        if !theirs
            || self.ending
            || stream > MAX_STREAM
            || self.streams.contains_key(&stream)
            || self.incoming >= MAX_INCOMING
        {
            return self.refuse(now, stream);
        }
        let Some(charge) = self.budget.charge_channel(spec.held()) else {
            return self.refuse(now, stream);
        };
        let spec = Charged::new(spec, charge);
        self.incoming = self.incoming.saturating_add(1);
        let mut channel = Channel::new(ChannelKey(0), spec.clone(), true);
        channel.id = Some(stream);
        channel.state = ChannelState::Open;
        self.counters.channels_opened = self.counters.channels_opened.saturating_add(1);
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
        weight: 1,
    }
}
