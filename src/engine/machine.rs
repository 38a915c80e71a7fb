//! One connection: its parts, and what comes in and goes out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tracing::Span;

use super::data::Data;
use super::demux::{self, Protocol};
use super::drops::{self, Drops};
use super::events::Events;
use super::flow::Flow;
use super::guard;
use super::ice::{IceAgent, IceConfig};
use super::log::{self, Servers};
use super::media::Media;
use super::model::{Closing, EngineConfig, EngineCounters, EngineEvent, EngineState, Traffic};
use super::outgoing::{Outgoing, Transmit};
use super::secure::Secure;
use crate::budget::Budget;
use crate::error::DisconnectReason;
use crate::rtp::RtpSession;

/// One connection: its parts, and what is true of it as a whole.
pub(crate) struct Engine {
    pub(super) ice: IceAgent,
    pub(super) secure: Secure,
    pub(super) media: Media,
    pub(super) data: Data,
    pub(super) out: Outgoing,
    pub(super) events: Events,
    /// Those of the engine itself; parts count for themselves.
    pub(super) counters: EngineCounters,
    pub(super) traffic: Traffic,
    pub(super) flow: Flow,
    /// ICE has called the path silent.
    pub(super) silent: bool,
    /// Since when the peer's association is over, which may mean that it left.
    pub(super) leaving: Option<Instant>,
    pub(super) state: EngineState,
    /// Why nothing looks for a path any more, until a restart or a candidate.
    pub(super) lost: Option<DisconnectReason>,
    pub(super) closing: Option<Closing>,
    pub(super) budget: Budget,
    /// The connection in the log.
    pub(super) span: Span,
    pub(super) servers: Servers,
    drops: Drops,
}

impl Engine {
    pub(crate) fn new(now: Instant, config: EngineConfig) -> Self {
        let secure = Secure::new(&config);
        let ice = IceAgent::new(
            now,
            config.local,
            config.role,
            config.tie_breaker,
            IceConfig {
                span: config.span.clone(),
                ..config.ice
            },
        );
        let rtp = RtpSession::new(
            now,
            config.cname.clone(),
            config.rng_seed,
            config.wall_clock,
            config.rtp,
        );
        let epoch = config.wall_clock.0;
        let span = config.span.clone();
        let media = Media::new(rtp, config.cname, config.extensions, epoch, span);
        let mut data = Data::new(
            now,
            config.budget.clone(),
            config.max_message_size,
            config.whole_datagrams,
        );
        data.span.clone_from(&config.span);
        Self {
            ice,
            secure,
            media,
            data,
            out: Outgoing::default(),
            events: Events::default(),
            counters: EngineCounters::default(),
            traffic: Traffic::default(),
            flow: Flow::new(now),
            silent: false,
            leaving: None,
            state: EngineState::New,
            lost: None,
            closing: None,
            budget: config.budget,
            span: config.span,
            servers: Servers::default(),
            drops: Drops::new(now),
        }
    }

    // ---- input ----------------------------------------------------------------------------

    /// Takes one datagram that arrived on `local` from `from`; it is decrypted in place.
    ///
    /// Anything invalid is dropped and counted. A panic below closes this connection only.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        datagram: &mut [u8],
    ) {
        if self.state == EngineState::Closed {
            return;
        }
        let contained = guard::contain(|| {
            self.dispatch(now, local, from, datagram);
            self.close_if_due(now);
            self.tell_drops_in_time(now);
        });
        if contained.is_err() {
            self.collapse(now);
        }
    }

    fn dispatch(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, data: &mut [u8]) {
        let Some(protocol) = demux::classify(data) else {
            self.counters.unknown_protocol += 1;
            return;
        };
        if protocol == Protocol::Stun {
            self.count_received(data.len());
            self.ice.handle_datagram(now, local, from, data);
            self.secure.path_proved(self.ice.last_response());
            self.advance(now);
            return;
        }
        if self.ice.uses(local, from) {
            self.ice.payload_heard(local, from);
            self.flow.received += 1;
        } else if !self.comes_elsewhere(now, local, from) {
            return;
        }
        self.count_received(data.len());
        match protocol {
            Protocol::Stun => {}
            Protocol::Dtls => {
                if self.handle_dtls(now, data) {
                    self.advance(now);
                }
            }
            Protocol::Rtp => self.media.handle_rtp(now, data, &mut self.events),
            Protocol::Rtcp => {
                self.media.handle_rtcp(now, data);
                self.advance(now);
            }
        }
    }

    /// Something came by another way than the path in use: whether it may. If all does, the peer has
    /// left that path, and may be the only one who knows that it is dead.
    fn comes_elsewhere(&mut self, now: Instant, local: SocketAddr, from: SocketAddr) -> bool {
        let moved = self.flow.moved(now);
        let accepted = self.ice.accepts(local, from);
        if !accepted {
            self.counters.wrong_path += 1;
        }
        if moved {
            self.ice.payload_elsewhere(now, local, from);
            self.advance(now);
        }
        accepted
    }

    fn count_received(&mut self, bytes: usize) {
        self.traffic.packets_received += 1;
        self.traffic.bytes_received += bytes as u64;
    }

    /// Whether there was more than data: then other layers may have something to say.
    fn handle_dtls(&mut self, now: Instant, data: &mut [u8]) -> bool {
        let mut at = 0;
        while let Some(content) = self.secure.open_data(data, &mut at) {
            if let Some(packet) = data.get(content).filter(|packet| !packet.is_empty()) {
                self.handle_sctp(now, packet);
            }
        }
        let rest = data.get(at..).unwrap_or_default();
        if at > 0 && rest.is_empty() {
            return false;
        }
        self.secure.handle_datagram(now, rest);
        true
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.state == EngineState::Closed {
            return;
        }
        let contained = guard::contain(|| {
            self.ice.handle_timeout(now);
            let flow = self.flow.stopped(now);
            if flow && self.state == EngineState::Connected {
                self.ice.question_path(now);
            }
            self.secure.handle_timeout(now);
            self.media.handle_timeout(now, self.ice.selected_rtt());
            self.data.handle_timeout(now);
            self.poll_data(now);
            self.advance(now);
            self.ask_for_peer(now);
            self.close_if_due(now);
            self.tell_drops_in_time(now);
        });
        if contained.is_err() {
            self.collapse(now);
        }
    }

    /// The machine may have slept for so long, or its clock was set: whether the peer is still
    /// there is asked at once, and nothing else believes it.
    pub(crate) fn resumed(&mut self, now: Instant, slept: Duration) {
        if self.state == EngineState::Closed {
            return;
        }
        let contained = guard::contain(|| {
            self.ice.resumed(now, slept);
            self.media.resumed();
            self.advance(now);
        });
        if contained.is_err() {
            self.collapse(now);
        }
    }

    /// When `handle_timeout` wants to be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.state == EngineState::Closed {
            return None;
        }
        [
            self.ice.poll_timeout(),
            self.secure.timeout(),
            self.media.timeout(),
            self.data.timeout(),
            self.closing_timeout(),
            self.flow.timeout(),
            self.leaving_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    // ---- output ---------------------------------------------------------------------------

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        if self.out.is_empty() && self.state != EngineState::Closed {
            let flushed = guard::contain(|| self.flush_data());
            if flushed.is_err() {
                self.collapse(self.data.last_now());
            }
        }
        self.out.pop()
    }

    pub(crate) fn has_transmits(&self) -> bool {
        !self.out.is_empty()
    }

    pub(crate) fn poll_event(&mut self) -> Option<EngineEvent> {
        self.events.pop()
    }

    pub(crate) fn has_output(&self) -> bool {
        self.media.has_output() || !self.events.is_empty() || self.data.has_events()
    }

    // ---- the log --------------------------------------------------------------------------

    pub(super) fn log_end(&mut self, reason: DisconnectReason) {
        self.tell_drops();
        log::end(&self.span, reason);
    }

    fn tell_drops_in_time(&mut self, now: Instant) {
        if self.drops.is_due(now) {
            self.tell_drops();
        }
    }

    fn tell_drops(&mut self) {
        if drops::is_listened_to() {
            let totals = self.totals();
            self.drops.tell(&self.span, &totals);
        }
    }
}
