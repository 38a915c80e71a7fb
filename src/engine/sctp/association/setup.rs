//! How an association is made (RFC 9260 section 5), also when both sides begin.

use std::time::{Duration, Instant};

use super::handshake::{OFFERS, Peer, RETRY};
use super::state::{Association, Control, MAX_CONTROL, State};
use crate::engine::sctp::SctpEvent;
use crate::engine::sctp::wire;

const MAX_RETRY: Duration = Duration::from_secs(2);
/// INITs that go unanswered before what is optional is left out: old ones take what they do not
/// know for malformed.
const UNANSWERED: u32 = 2;
/// A peer that repeats its cookie so often does not take the answer.
const MAX_ECHOES: u32 = 2;

impl Association {
    pub(super) fn send_init(&mut self, now: Instant) {
        self.state = State::CookieWait;
        self.say(now);
    }

    /// Says what is due in this state, and again until it is answered.
    fn say(&mut self, now: Instant) {
        let window = self.config.receive_window;
        match self.state {
            State::CookieWait => {
                // All at once from then on, since the silence may have been the path's: of those
                // that it understands a peer hears the best first.
                self.handshake.inits = self.handshake.inits.saturating_add(1);
                let less = self.handshake.inits > UNANSWERED;
                let offers = match (less, self.handshake.refused) {
                    (false, _) => OFFERS.get(..1),
                    (true, 0) => OFFERS.get(..),
                    (true, _) => OFFERS.get(1..),
                };
                for options in offers.unwrap_or_default() {
                    let body = self.handshake.init(window, None, *options);
                    let chunk = wire::chunk(wire::INIT, 0, &body);
                    self.push(Control::Alone { tag: 0, chunk });
                }
            }
            State::CookieEchoed => {
                let chunk = wire::chunk(wire::COOKIE_ECHO, 0, &self.handshake.cookie);
                let tag = self.peer_tag;
                self.push(Control::Alone { tag, chunk });
            }
            _ => {
                self.handshake.due = None;
                return;
            }
        }
        self.handshake.due = now.checked_add(self.handshake.interval);
    }

    pub(super) fn handshake_timeout(&mut self, now: Instant) {
        self.handshake.interval = self.handshake.interval.saturating_mul(2).min(MAX_RETRY);
        self.say(now);
    }

    /// The peer has refused an INIT: whether it may take one with less.
    pub(super) fn offer_less(&mut self, now: Instant) -> bool {
        self.handshake.refused = self.handshake.refused.saturating_add(1);
        if self.handshake.refused == 1 {
            self.handshake.inits = self.handshake.inits.max(UNANSWERED);
            self.say(now);
        }
        self.handshake.refused < OFFERS.len()
    }

    /// Section 5.1 and, when this side has begun too, 5.2.1: the answer repeats our own tag.
    pub(super) fn on_init(&mut self, body: &[u8]) -> Option<()> {
        let (peer, _) = Peer::parse(body)?;
        if self.state == State::Established && peer.tag != self.peer_tag {
            // A peer that starts anew makes a new DTLS association as well.
            return None;
        }
        let cookie = self.handshake.bake(&peer);
        let body = self
            .handshake
            .init(self.config.receive_window, Some(&cookie), peer.knows);
        let chunk = wire::chunk(wire::INIT_ACK, 0, &body);
        let tag = peer.tag;
        self.push(Control::Alone { tag, chunk });
        Some(())
    }

    pub(super) fn on_init_ack(&mut self, now: Instant, body: &[u8]) -> Option<()> {
        if self.state != State::CookieWait {
            return Some(());
        }
        let (peer, cookie) = Peer::parse(body)?;
        self.handshake.cookie = cookie?;
        self.meet(&peer);
        self.state = State::CookieEchoed;
        self.handshake.interval = RETRY;
        self.say(now);
        Some(())
    }

    pub(super) fn on_cookie_echo(&mut self, now: Instant, body: &[u8]) -> Option<()> {
        let peer = self.handshake.taste(body)?;
        let _ = now;
        match self.state {
            State::Idle | State::CookieWait | State::CookieEchoed => {
                if self.state == State::CookieEchoed && peer.tag != self.peer_tag {
                    return None;
                }
                if self.state != State::CookieEchoed {
                    self.meet(&peer);
                }
                self.establish();
            }
            State::Established if peer.tag == self.peer_tag => {
                self.handshake.echoes = self.handshake.echoes.saturating_add(1);
                self.peer_takes_zero_checksum &= self.handshake.echoes <= MAX_ECHOES;
            }
            State::Established | State::Over => return None,
        }
        if self.control.len() < MAX_CONTROL {
            self.control
                .push_front(Control::Bundled(wire::chunk(wire::COOKIE_ACK, 0, &[])));
        }
        Some(())
    }

    fn meet(&mut self, peer: &Peer) {
        self.peer_tag = peer.tag;
        self.peer_takes_zero_checksum = peer.zero_checksum;
        self.streams = peer.outbound.min(peer.inbound);
        self.inbound.begin(peer.initial_tsn);
        self.resets.begin(peer.initial_tsn, peer.reconfig);
        self.outbox.begin(peer.window, peer.forward_tsn);
    }

    pub(super) fn establish(&mut self) {
        self.state = State::Established;
        self.handshake.due = None;
        self.handshake.cookie = Vec::new();
        self.events.push_back(SctpEvent::Connected);
    }
}
