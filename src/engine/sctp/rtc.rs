//! rtc-sctp behind the trait: the other side of tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc_shared::TransportProtocol;
use webrtc_sctp::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, PayloadProtocolIdentifier, ReliabilityType, ServerConfig, StreamEvent, TimerConfig,
    TransportConfig,
};

use super::{
    Outbound, Reliability, SctpConfig, SctpCounters, SctpEvent, SctpFailure, SctpTransport, Unread,
};
use crate::engine::guard::contain;

/// rtc-sctp keys associations by address; there is one each, so any address serves.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// With the DTLS record around it a packet makes a datagram of at most 1,200 bytes.
const MAX_PAYLOAD: u32 = 1_132;
/// dcSCTP and this crate agree: after a pause nobody waits longer than this for a retransmission.
const MAX_RTO: Duration = Duration::from_secs(3);

/// [`SctpTransport`] on rtc-sctp.
pub(crate) struct RtcSctp {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    config: SctpConfig,
    unread: Unread,
    connected: bool,
    over: bool,
    /// How far the association's own clock is ahead of ours.
    ahead: Duration,
    waiting_since: Option<Instant>,
    latest: Instant,
    packets: VecDeque<Bytes>,
    events: VecDeque<SctpEvent>,
    /// Streams with messages that the receive window had no room for.
    unread_streams: BTreeSet<u16>,
    configured: BTreeMap<u16, (bool, Reliability)>,
    /// Bytes that the peer has not acknowledged, by stream.
    outstanding: BTreeMap<u16, usize>,
    /// Streams to be reset once all on them is acknowledged: rtc-sctp would lose it.
    resets: BTreeSet<u16>,
    dirty: bool,
}

impl RtcSctp {
    pub(crate) fn new(now: Instant, config: SctpConfig, unread: Unread) -> Self {
        let mut endpoint_config = EndpointConfig::new();
        endpoint_config.max_payload_size(MAX_PAYLOAD);
        let server = (!config.initiator).then(|| {
            let mut server = ServerConfig::new(transport(&config));
            server.transport = Arc::new(transport(&config));
            Arc::new(server)
        });
        Self {
            endpoint: Endpoint::new(
                PEER,
                TransportProtocol::UDP,
                Arc::new(endpoint_config),
                server,
            ),
            association: None,
            config,
            unread,
            connected: false,
            over: false,
            ahead: Duration::ZERO,
            waiting_since: None,
            latest: now,
            packets: VecDeque::new(),
            events: VecDeque::new(),
            unread_streams: BTreeSet::new(),
            configured: BTreeMap::new(),
            outstanding: BTreeMap::new(),
            resets: BTreeSet::new(),
            dirty: false,
        }
    }

    fn fail(&mut self, failure: SctpFailure) {
        if !self.over {
            self.over = true;
            self.association = None;
            self.events.push_back(SctpEvent::Failed(failure));
        }
    }

    /// The association's time: ours, and what it has been pushed ahead.
    fn at(&self, now: Instant) -> Instant {
        now.checked_add(self.ahead).unwrap_or(now)
    }

    /// Runs a call into rtc-sctp; a panic ends the association.
    fn with<T>(&mut self, call: impl FnOnce(&mut Association) -> T) -> Option<T> {
        let (_, association) = self.association.as_mut()?;
        match contain(|| call(association)) {
            Ok(value) => Some(value),
            Err(_) => {
                self.fail(SctpFailure::PeerAborted);
                None
            }
        }
    }

    fn collect(&mut self) {
        while let Some(Some(event)) = self.with(Association::poll) {
            self.on_event(event);
        }
        let closed = self.with(|association| association.is_closed());
        // A server that has not seen the cookie yet is "closed", too.
        if closed == Some(true) && self.connected {
            self.fail(SctpFailure::PeerAborted);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.connected = true;
                self.events.push_back(SctpEvent::Connected);
            }
            Event::HandshakeFailed { .. } => self.fail(SctpFailure::PeerAborted),
            Event::AssociationLost {
                reason: webrtc_sctp::AssociationError::Reset,
                id,
            } => {
                self.read(id);
                self.configured.remove(&id);
                // rtc-sctp answers with a reset of its own.
                self.events.push_back(SctpEvent::IncomingReset(id));
                self.events.push_back(SctpEvent::OutgoingReset(id));
            }
            Event::Stream(StreamEvent::Readable { id }) => self.read(id),
            Event::Stream(StreamEvent::BufferedAmountReleased { id, n_bytes }) => {
                self.events.push_back(SctpEvent::Released {
                    stream: id,
                    bytes: n_bytes,
                });
                if let Some(left) = self.outstanding.get_mut(&id) {
                    *left = left.saturating_sub(n_bytes);
                    if *left == 0 {
                        self.outstanding.remove(&id);
                    }
                }
                if !self.outstanding.contains_key(&id) && self.resets.remove(&id) {
                    self.reset_now(id);
                }
            }
            _ => {}
        }
    }

    fn read(&mut self, stream: u16) {
        loop {
            if self.unread.get() >= self.config.receive_window as usize {
                self.unread_streams.insert(stream);
                return;
            }
            let read = self.with(|association| association.stream(stream).ok()?.read().ok()?);
            let Some(Some(chunks)) = read else {
                return;
            };
            let ppid = chunks.ppi as u32;
            let Ok(data) = chunks.to_payload(chunks.len()) else {
                continue;
            };
            self.unread.add(data.len());
            self.events.push_back(SctpEvent::Message {
                stream,
                ppid,
                data: data.freeze(),
            });
        }
    }

    fn reset_now(&mut self, stream: u16) {
        let at = self.at(self.latest);
        let known = self.with(|association| match association.stream(stream) {
            Ok(mut open) => open.close(at).is_ok(),
            Err(_) => false,
        });
        if known != Some(true) {
            self.events.push_back(SctpEvent::OutgoingReset(stream));
        }
        self.dirty = true;
    }

    /// The deadline of the association, on our clock.
    fn due(&self) -> Option<Instant> {
        let (_, association) = self.association.as_ref()?;
        let due = association.poll_timeout()?.checked_sub(self.ahead)?;
        // No pause is longer than `MAX_RTO`: its clock is pushed then.
        let cap = self.waiting_since?.checked_add(MAX_RTO)?;
        Some(due.min(cap))
    }

    /// Lets the association's clock jump to its next deadline, so that it acts now.
    fn push_clock(&mut self, now: Instant) {
        let next = self
            .association
            .as_ref()
            .and_then(|(_, association)| association.poll_timeout());
        if let Some(next) = next
            && let Some(jump) = next.checked_duration_since(self.at(now))
        {
            self.ahead = self.ahead.saturating_add(jump);
        }
        let at = self.at(now);
        self.with(|association| association.handle_timeout(at));
        self.waiting_since = Some(now);
        self.dirty = true;
        self.collect();
    }
}

fn transport(config: &SctpConfig) -> TransportConfig {
    TransportConfig::default()
        .with_max_receive_buffer_size(config.receive_window)
        // This bounds what is sent; what is received is bounded by the guard.
        .with_max_message_size(u32::MAX)
        .with_timer_config(TimerConfig {
            // ICE consent decides when a path is dead, not SCTP.
            max_t1_init_retrans: usize::MAX,
            max_t1_cookie_retrans: usize::MAX,
            max_t3_rtx_retrans: usize::MAX,
            max_reconfig_retrans: usize::MAX,
            ..TimerConfig::default()
        })
}

impl SctpTransport for RtcSctp {
    fn start(&mut self, now: Instant) {
        if !self.config.initiator || self.association.is_some() || self.over {
            return;
        }
        let client = ClientConfig::new(transport(&self.config));
        let at = self.at(now);
        let endpoint = &mut self.endpoint;
        match contain(|| endpoint.connect(at, client, PEER)) {
            Ok(Ok(pair)) => self.association = Some(pair),
            _ => self.fail(SctpFailure::PeerAborted),
        }
        self.waiting_since = Some(now);
        self.dirty = true;
    }

    fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        if self.over {
            return;
        }
        self.latest = now;
        let at = self.at(now);
        let endpoint = &mut self.endpoint;
        let data = Bytes::copy_from_slice(packet);
        match contain(|| endpoint.handle(at, PEER, None, data)) {
            Ok(Some((_, DatagramEvent::AssociationEvent(event)))) => {
                self.with(|association| association.handle_event(event));
            }
            Ok(Some((handle, DatagramEvent::NewAssociation(association)))) => {
                if self.association.is_none() {
                    self.association = Some((handle, association));
                }
            }
            Ok(_) => {}
            Err(_) => self.fail(SctpFailure::PeerAborted),
        }
        self.waiting_since = Some(now);
        self.dirty = true;
        self.collect();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        self.push_clock(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due()
    }

    fn poll_packet(&mut self, now: Instant, packet: &mut Vec<u8>) -> bool {
        packet.clear();
        if self.packets.is_empty() && self.dirty {
            let at = self.at(now);
            match self.with(|association| association.poll_transmit(at)) {
                Some(Some(transmit)) => {
                    if let Payload::RawEncode(packets) = transmit.message {
                        self.packets.extend(packets);
                    }
                }
                _ => self.dirty = false,
            }
        }
        let Some(next) = self.packets.pop_front() else {
            return false;
        };
        packet.extend_from_slice(&next);
        true
    }

    fn poll_event(&mut self) -> Option<SctpEvent> {
        self.events.pop_front()
    }

    fn is_connected(&self) -> bool {
        self.connected && !self.over
    }

    fn is_idle(&self) -> bool {
        self.outstanding.is_empty()
    }

    fn streams(&self) -> u16 {
        self.association
            .as_ref()
            .and_then(|(_, association)| association.negotiated_max_streams())
            .unwrap_or(0)
    }

    fn send(&mut self, now: Instant, message: Outbound) {
        let at = self.at(now);
        let Outbound {
            stream,
            ppid,
            data,
            ordered,
            reliability,
            ..
        } = message;
        let ppi = match ppid {
            50 => PayloadProtocolIdentifier::Dcep,
            51 => PayloadProtocolIdentifier::String,
            56 => PayloadProtocolIdentifier::StringEmpty,
            57 => PayloadProtocolIdentifier::BinaryEmpty,
            _ => PayloadProtocolIdentifier::Binary,
        };
        let outstanding = self.outstanding.entry(stream).or_insert(0);
        *outstanding = outstanding.saturating_add(data.len());
        let known = self.configured.insert(stream, (ordered, reliability));
        let change = known != Some((ordered, reliability));
        self.with(|association| {
            if association.stream(stream).is_err() {
                let _ = association.open_stream(stream, ppi);
            }
            let Ok(mut open) = association.stream(stream) else {
                return;
            };
            if change {
                let (kind, value) = match reliability {
                    Reliability::Reliable => (ReliabilityType::Reliable, 0),
                    Reliability::Retransmits(count) => (ReliabilityType::Rexmit, count.into()),
                    Reliability::Lifetime(time) => {
                        let ms = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
                        (ReliabilityType::Timed, ms)
                    }
                };
                let _ = open.set_reliability_params(!ordered, kind, value);
            }
            let _ = open.write_chunk_with_ppi(at, &data, ppi);
        });
        self.dirty = true;
        self.waiting_since.get_or_insert(now);
    }

    fn reset(&mut self, now: Instant, stream: u16) {
        self.latest = now;
        if self.outstanding.contains_key(&stream) {
            self.resets.insert(stream);
        } else {
            self.reset_now(stream);
        }
    }

    fn window_opened(&mut self, now: Instant) {
        let _ = now;
        for stream in std::mem::take(&mut self.unread_streams) {
            self.read(stream);
        }
        self.dirty = true;
    }

    fn path_restored(&mut self, now: Instant) {
        self.push_clock(now);
    }

    fn abort(&mut self, now: Instant) {
        let at = self.at(now);
        self.with(|association| {
            let _ = association.abort();
            let _ = at;
        });
        self.dirty = true;
    }

    fn rtt(&self) -> Option<Duration> {
        let (_, association) = self.association.as_ref()?;
        Some(association.rtt()).filter(|rtt| !rtt.is_zero())
    }

    fn counters(&self) -> SctpCounters {
        SctpCounters::default()
    }
}
