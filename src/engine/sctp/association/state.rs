//! What an association is made of.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::Instant;

use super::congestion::Congestion;
use super::handshake::Handshake;
use super::inbound::Inbound;
use super::outbox::Outbox;
use super::path_mtu::PathMtu;
use super::resets::Resets;
use super::rtt::Rtt;
use crate::engine::sctp::{SctpConfig, SctpCounters, SctpEvent, SctpFailure, Unread};

/// Control chunks that wait to be sent; the peer repeats what it gets no answer to.
pub(super) const MAX_CONTROL: usize = 64;
const MAX_CONTROL_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Neither side has spoken.
    Idle,
    CookieWait,
    CookieEchoed,
    Established,
    Over,
}

/// A chunk that waits to be sent.
pub(super) enum Control {
    /// In a packet of its own, with this verification tag and always with a checksum.
    Alone {
        tag: u32,
        chunk: Vec<u8>,
    },
    Bundled(Vec<u8>),
}

impl Control {
    fn len(&self) -> usize {
        let (Self::Alone { chunk, .. } | Self::Bundled(chunk)) = self;
        chunk.len()
    }
}

/// [`SctpTransport`](crate::engine::sctp::SctpTransport) of our own.
pub(crate) struct Association {
    pub(super) config: SctpConfig,
    pub(super) state: State,
    pub(super) handshake: Handshake,
    /// What every packet to the peer carries.
    pub(super) peer_tag: u32,
    /// The peer takes packets without a checksum (RFC 9653), since DTLS has one.
    pub(super) peer_takes_zero_checksum: bool,
    pub(super) streams: u16,
    pub(super) inbound: Inbound,
    pub(super) outbox: Outbox,
    pub(super) congestion: Congestion,
    pub(super) path_mtu: PathMtu,
    pub(super) rtt: Rtt,
    pub(super) resets: Resets,
    pub(super) control: VecDeque<Control>,
    /// When a lone packet is to be acknowledged.
    pub(super) ack_at: Option<Instant>,
    pub(super) events: VecDeque<SctpEvent>,
    pub(super) counters: SctpCounters,
    /// When the packets that the pacer holds back may go.
    pub(super) paced_until: Option<Instant>,
}

impl Association {
    pub(crate) fn new(config: SctpConfig, unread: Unread) -> Self {
        let initial_tsn = config.initial_tsn.unwrap_or_else(crate::random::u32);
        Self {
            inbound: Inbound::new(&config, unread),
            outbox: Outbox::new(initial_tsn),
            resets: Resets::new(initial_tsn),
            handshake: Handshake::new(initial_tsn),
            path_mtu: PathMtu::new(config.probes_path, config.span.clone()),
            config,
            state: State::Idle,
            peer_tag: 0,
            peer_takes_zero_checksum: false,
            streams: 0,
            congestion: Congestion::default(),
            rtt: Rtt::default(),
            control: VecDeque::new(),
            ack_at: None,
            events: VecDeque::new(),
            counters: SctpCounters::default(),
            paced_until: None,
        }
    }

    pub(super) fn fail(&mut self, failure: SctpFailure) {
        if self.state != State::Over {
            self.state = State::Over;
            self.events.push_back(SctpEvent::Failed(failure));
        }
    }

    pub(super) fn drop_packet(&mut self) {
        self.counters.dropped = self.counters.dropped.saturating_add(1);
    }

    pub(super) fn push_control(&mut self, chunk: Vec<u8>) {
        self.push(Control::Bundled(chunk));
    }

    pub(super) fn push(&mut self, control: Control) {
        if self.control.len() < MAX_CONTROL {
            let held: usize = self.control.iter().map(Control::len).sum();
            if held.saturating_add(control.len()) <= MAX_CONTROL_BYTES {
                self.control.push_back(control);
            }
        }
    }
}
