//! An SCTP association of our own (RFC 9260, 3758, 6525, 9653), for one path that ICE keeps alive
//! and DTLS protects: no multi-homing, no heartbeats but to probe the path's MTU and whether a silent
//! peer lives, and it never gives up by itself.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod congestion;
mod forward;
mod gaps;
mod handshake;
mod inbound;
mod losses;
mod ordering;
mod outbound;
mod output;
mod pacing;
mod path_mtu;
mod reassembly;
mod received;
mod recovery;
mod reset;
mod rtt;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use congestion::Congestion;
use handshake::Handshake;
use inbound::Inbound;
use outbound::Outbox;
use path_mtu::PathMtu;
use reset::Resets;
use rtt::Rtt;

use super::wire::{self, Chunk};
use super::{Outbound, SctpConfig, SctpCounters, SctpEvent, SctpFailure, SctpTransport, Unread};

/// A lone packet is acknowledged after this long (RFC 9260 section 6.2 allows up to 500 ms).
const ACK_DELAY: Duration = Duration::from_millis(20);
/// Control chunks that wait to be sent; the peer repeats what it gets no answer to.
const MAX_CONTROL: usize = 64;
const MAX_CONTROL_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Neither side has spoken.
    Idle,
    CookieWait,
    CookieEchoed,
    Established,
    Over,
}

/// A chunk that waits to be sent.
enum Control {
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

/// [`SctpTransport`] of our own.
pub(crate) struct Association {
    config: SctpConfig,
    state: State,
    handshake: Handshake,
    /// What every packet to the peer carries.
    peer_tag: u32,
    /// The peer takes packets without a checksum (RFC 9653), since DTLS has one.
    peer_takes_zero_checksum: bool,
    streams: u16,
    inbound: Inbound,
    outbox: Outbox,
    congestion: Congestion,
    path_mtu: PathMtu,
    rtt: Rtt,
    resets: Resets,
    control: VecDeque<Control>,
    /// When a lone packet is to be acknowledged.
    ack_at: Option<Instant>,
    events: VecDeque<SctpEvent>,
    counters: SctpCounters,
    /// When the packets that the pacer holds back may go.
    paced_until: Option<Instant>,
}

impl Association {
    pub(crate) fn new(config: SctpConfig, unread: Unread) -> Self {
        let initial_tsn = config.initial_tsn.unwrap_or_else(crate::random::u32);
        Self {
            inbound: Inbound::new(&config, unread),
            outbox: Outbox::new(initial_tsn),
            resets: Resets::new(initial_tsn),
            handshake: Handshake::new(initial_tsn),
            path_mtu: PathMtu::new(config.probes_path),
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

    fn fail(&mut self, failure: SctpFailure) {
        if self.state != State::Over {
            self.state = State::Over;
            self.events.push_back(SctpEvent::Failed(failure));
        }
    }

    fn drop_packet(&mut self) {
        self.counters.dropped = self.counters.dropped.saturating_add(1);
    }

    fn push_control(&mut self, chunk: Vec<u8>) {
        self.push(Control::Bundled(chunk));
    }

    fn push(&mut self, control: Control) {
        if self.control.len() < MAX_CONTROL {
            let held: usize = self.control.iter().map(Control::len).sum();
            if held.saturating_add(control.len()) <= MAX_CONTROL_BYTES {
                self.control.push_back(control);
            }
        }
    }

    /// RFC 9260 section 6.8; a checksum of zero stands for none (RFC 9653 section 5.2), but not
    /// where the peer cannot know yet that this is taken.
    fn checksum_holds(&self, packet: &[u8], checksum: u32, first: u8) -> bool {
        if checksum == 0 && first != wire::INIT && first != wire::COOKIE_ECHO {
            return true;
        }
        wire::checksum(packet) == Some(checksum)
    }

    fn dispatch(&mut self, now: Instant, packet: &[u8]) -> Option<()> {
        let (header, list) = wire::header(packet)?;
        // All of it must be well-formed before any of it counts.
        if list.is_empty() || wire::chunks(list).any(|chunk| chunk.is_err()) {
            return None;
        }
        let first = list.first().copied()?;
        // RFC 9260 section 3: never with others in one packet. It has a tag of its own.
        if first == wire::INIT && wire::chunks(list).nth(1).is_some() {
            return None;
        }
        if !self.checksum_holds(packet, header.checksum, first) {
            return None;
        }
        let reflected = first == wire::ABORT && header.tag == self.peer_tag;
        let expected = if first == wire::INIT {
            0
        } else {
            self.handshake.tag
        };
        // RFC 9260 section 8.5.
        if header.tag != expected && !reflected {
            return None;
        }
        let mut data = false;
        for chunk in wire::chunks(list).flatten() {
            if self.state == State::Over {
                return Some(());
            }
            if chunk.kind == wire::DATA {
                data |= self.data(&chunk);
                continue;
            }
            let strayed = chunk.kind == wire::INIT && first != wire::INIT;
            if strayed || self.chunk(now, &chunk).is_none() {
                self.drop_packet();
            }
            // RFC 9260 section 3.2: the high bit of an unknown type says whether to go on.
            if !wire::is_known(chunk.kind) && chunk.kind & 0x80 == 0 {
                break;
            }
        }
        if data {
            self.inbound.packets_to_ack = self.inbound.packets_to_ack.saturating_add(1);
            if self.inbound.packets_to_ack == 1 {
                self.ack_at = now.checked_add(ACK_DELAY);
            }
            self.perform_deferred_reset();
        }
        Some(())
    }

    fn data(&mut self, chunk: &Chunk<'_>) -> bool {
        if !matches!(self.state, State::Established | State::CookieEchoed) {
            return false;
        }
        let taken = wire::Data::parse(chunk.flags, chunk.body)
            .and_then(|data| self.inbound.data(&data, &mut self.events));
        if taken.is_none() {
            self.drop_packet();
        }
        true
    }

    fn chunk(&mut self, now: Instant, chunk: &Chunk<'_>) -> Option<()> {
        match chunk.kind {
            wire::INIT => self.on_init(chunk.body),
            wire::INIT_ACK => self.on_init_ack(now, chunk.body),
            wire::COOKIE_ECHO => self.on_cookie_echo(now, chunk.body),
            wire::COOKIE_ACK => {
                if self.state == State::CookieEchoed {
                    self.establish();
                }
                Some(())
            }
            wire::SACK if self.state == State::Established => self.on_sack(now, chunk.body),
            wire::FORWARD_TSN if self.state == State::Established => {
                self.inbound.forward(chunk.body, &mut self.events)?;
                self.perform_deferred_reset();
                Some(())
            }
            wire::RECONFIG if self.state == State::Established => self.on_reconfig(now, chunk.body),
            wire::HEARTBEAT => {
                self.push_control(wire::chunk(wire::HEARTBEAT_ACK, 0, chunk.body));
                Some(())
            }
            wire::HEARTBEAT_ACK if self.state == State::Established => {
                self.resets.on_heartbeat(chunk.body);
                self.path_mtu.on_answer(chunk.body)
            }
            wire::ABORT if self.state == State::CookieWait && self.offer_less(now) => Some(()),
            wire::ABORT => {
                self.fail(SctpFailure::PeerAborted);
                Some(())
            }
            wire::SHUTDOWN => {
                self.push_control(wire::chunk(wire::SHUTDOWN_ACK, 0, &[]));
                self.fail(SctpFailure::PeerClosed);
                Some(())
            }
            _ => Some(()),
        }
    }
}

/// `VecDeque::pop_front_if`, which is newer than the Rust that this crate asks for.
fn pop_front_if<T>(queue: &mut VecDeque<T>, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
    let wanted = queue.front().is_some_and(wanted);
    wanted.then(|| queue.pop_front()).flatten()
}

impl SctpTransport for Association {
    fn start(&mut self, now: Instant) {
        if self.state == State::Idle && self.config.initiator {
            self.send_init(now);
        }
    }

    fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        if self.state != State::Over && self.dispatch(now, packet).is_none() {
            self.drop_packet();
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.state == State::Over {
            return;
        }
        if is_due(self.handshake.due) {
            self.handshake_timeout(now);
        }
        if is_due(self.ack_at) {
            self.ack_at = None;
            self.inbound.ack_now = true;
        }
        if is_due(self.resets.due) {
            self.resend_reset(now);
        }
        if is_due(self.outbox.loss_at) {
            self.detect_losses(now);
        }
        if is_due(self.outbox.rto_at) {
            // A peer that drops what it said to take, packets without a checksum, hears nothing.
            self.peer_takes_zero_checksum &=
                self.outbox.acked_order.is_some() || self.rtt.timeouts() == 0;
            self.retransmission_timeout(now);
        }
        if is_due(self.path_mtu.due()) {
            self.path_mtu.on_timeout(now);
        }
        if is_due(self.paced_until) {
            self.paced_until = None;
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Over {
            return None;
        }
        [
            self.handshake.due,
            self.ack_at,
            self.resets.due,
            self.outbox.loss_at,
            self.outbox.rto_at,
            self.path_mtu.due(),
            self.paced_until,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn poll_packet(&mut self, now: Instant, packet: &mut Vec<u8>) -> bool {
        self.write_packet(now, packet)
    }

    fn poll_event(&mut self) -> Option<SctpEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let (stream, bytes) = self.outbox.released.pop()?;
        Some(SctpEvent::Released { stream, bytes })
    }

    fn is_connected(&self) -> bool {
        self.state == State::Established
    }

    fn is_idle(&self) -> bool {
        self.state == State::Over || self.outbox.is_empty()
    }

    fn streams(&self) -> u16 {
        self.streams
    }

    fn send(&mut self, now: Instant, message: Outbound) {
        if self.state != State::Over {
            self.outbox.queue(now, message);
        }
    }

    fn reset(&mut self, now: Instant, stream: u16) {
        if self.state != State::Over {
            self.resets.ask(stream);
            self.send_reset(now);
        }
    }

    fn is_usable(&self, stream: u16) -> bool {
        !self.resets.is_retired(stream)
    }

    fn window_opened(&mut self, now: Instant) {
        let _ = now;
        // Only a window that was told to be small is worth a packet.
        self.inbound.ack_now |= self.inbound.told_small_window();
    }

    fn path_restored(&mut self, now: Instant) {
        self.path_mtu.restart();
        self.retry(now);
    }

    fn path_changed(&mut self) {
        self.path_mtu.restart();
    }

    fn largest_packet(&self) -> usize {
        self.path_mtu.limit()
    }

    fn abort(&mut self, now: Instant) {
        let _ = now;
        if !matches!(self.state, State::Idle | State::Over) {
            // Cause 12: user-initiated abort (RFC 9260 section 3.3.10.12).
            let chunk = wire::chunk(wire::ABORT, 0, &[0, 12, 0, 4]);
            let tag = self.peer_tag;
            self.control.clear();
            self.control.push_back(Control::Alone { tag, chunk });
        }
        self.state = State::Over;
    }

    fn rtt(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    fn counters(&self) -> SctpCounters {
        SctpCounters {
            dropped: self.counters.dropped.saturating_add(self.inbound.broken()),
            retransmitted: self.outbox.retransmitted,
            abandoned: self.outbox.abandoned_messages,
        }
    }
}
