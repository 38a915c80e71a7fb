//! INIT, INIT ACK, COOKIE ECHO, COOKIE ACK (RFC 9260 section 5), also when both sides begin.

use std::time::{Duration, Instant};

use super::{Association, Control, State};
use crate::engine::sctp::SctpEvent;
use crate::engine::sctp::wire;

const RETRY: Duration = Duration::from_millis(300);
const MAX_RETRY: Duration = Duration::from_secs(2);
/// Streams offered in each direction; 65,535 is reserved (RFC 8831 section 6.2 wants them all).
const STREAMS: u16 = u16::MAX;

const STATE_COOKIE: u16 = 7;
/// RFC 9653 section 4.
const ZERO_CHECKSUM: u16 = 0x8001;
/// RFC 5061 section 4.2.7.
const SUPPORTED_EXTENSIONS: u16 = 0x8008;
/// RFC 3758 section 3.1.
const FORWARD_TSN_SUPPORTED: u16 = 0xc000;
/// The error detection method of DTLS (RFC 9653 section 9).
const DTLS_METHOD: u32 = 1;

const SECRET: usize = 16;
/// The secret, and the peer's INIT: tag, window, streams out and in, TSN, flags.
const COOKIE: usize = SECRET + 17;

/// INITs that go unanswered before what is optional is left out: old ones take what they do not
/// know for malformed.
const UNANSWERED: u32 = 2;
/// A peer that repeats its cookie so often does not take the answer.
const MAX_ECHOES: u32 = 2;

/// The optional parameters of an INIT or INIT ACK.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    zero_checksum: bool,
    forward_tsn: bool,
    /// The list of extensions.
    extensions: bool,
}

/// With everything; without what is newest, which old ones fail at (RFC 9653 is of 2024); and with
/// nothing but what RFC 9260 has.
const OFFERS: [Options; 3] = [
    Options {
        zero_checksum: true,
        forward_tsn: true,
        extensions: true,
    },
    Options {
        zero_checksum: false,
        forward_tsn: true,
        extensions: true,
    },
    Options {
        zero_checksum: false,
        forward_tsn: false,
        extensions: false,
    },
];

/// What is said while the association is made.
pub(super) struct Handshake {
    /// What every packet to us must carry.
    pub(super) tag: u32,
    initial_tsn: u32,
    /// Shows that a cookie is ours.
    secret: [u8; SECRET],
    cookie: Vec<u8>,
    pub(super) due: Option<Instant>,
    interval: Duration,
    /// INITs sent, and those that the peer has refused.
    inits: u32,
    refused: usize,
    /// Cookies of the peer that is met already.
    echoes: u32,
}

/// The peer's INIT or INIT ACK.
#[derive(Debug, Clone, Copy)]
struct Peer {
    tag: u32,
    window: u32,
    outbound: u16,
    inbound: u16,
    initial_tsn: u32,
    /// What it named, itself or in the list.
    forward_tsn: bool,
    reconfig: bool,
    zero_checksum: bool,
    /// The parameters that it knows, since it sent them.
    knows: Options,
}

impl Handshake {
    pub(super) fn new(initial_tsn: u32) -> Self {
        Self {
            tag: crate::random::u32().max(1),
            initial_tsn,
            secret: crate::random::bytes(),
            cookie: Vec::new(),
            due: None,
            interval: RETRY,
            inits: 0,
            refused: 0,
            echoes: 0,
        }
    }

    /// The fixed part and the parameters of our INIT or INIT ACK.
    fn init(&self, window: u32, cookie: Option<&[u8]>, options: Options) -> Vec<u8> {
        let mut body = self.tag.to_be_bytes().to_vec();
        body.extend_from_slice(&window.to_be_bytes());
        body.extend_from_slice(&STREAMS.to_be_bytes());
        body.extend_from_slice(&STREAMS.to_be_bytes());
        body.extend_from_slice(&self.initial_tsn.to_be_bytes());
        if let Some(cookie) = cookie {
            wire::put_parameter(&mut body, STATE_COOKIE, cookie);
        }
        if options.zero_checksum {
            wire::put_parameter(&mut body, ZERO_CHECKSUM, &DTLS_METHOD.to_be_bytes());
        }
        if options.forward_tsn {
            wire::put_parameter(&mut body, FORWARD_TSN_SUPPORTED, &[]);
        }
        if options.extensions {
            let extensions = [wire::RECONFIG, wire::FORWARD_TSN];
            wire::put_parameter(&mut body, SUPPORTED_EXTENSIONS, &extensions);
        }
        body
    }

    fn bake(&self, peer: &Peer) -> Vec<u8> {
        let mut cookie = self.secret.to_vec();
        cookie.extend_from_slice(&peer.tag.to_be_bytes());
        cookie.extend_from_slice(&peer.window.to_be_bytes());
        cookie.extend_from_slice(&peer.outbound.to_be_bytes());
        cookie.extend_from_slice(&peer.inbound.to_be_bytes());
        cookie.extend_from_slice(&peer.initial_tsn.to_be_bytes());
        let flags = [peer.forward_tsn, peer.zero_checksum, peer.reconfig];
        cookie.push(flags.iter().fold(0, |all, flag| all << 1 | u8::from(*flag)));
        cookie
    }

    fn taste(&self, cookie: &[u8]) -> Option<Peer> {
        let cookie = cookie.first_chunk::<COOKIE>()?;
        let rest = cookie.strip_prefix(&self.secret)?;
        let flags = rest.get(16)?;
        Some(Peer {
            tag: wire::u32_at(rest, 0)?,
            window: wire::u32_at(rest, 4)?,
            outbound: wire::u16_at(rest, 8)?,
            inbound: wire::u16_at(rest, 10)?,
            initial_tsn: wire::u32_at(rest, 12)?,
            forward_tsn: flags & 4 != 0,
            zero_checksum: flags & 2 != 0,
            reconfig: flags & 1 != 0,
            knows: Options::default(),
        })
    }
}

impl Peer {
    /// RFC 9260 sections 3.3.2 and 3.3.3; the cookie comes with an INIT ACK.
    fn parse(body: &[u8]) -> Option<(Self, Option<Vec<u8>>)> {
        let mut peer = Self {
            tag: wire::u32_at(body, 0)?,
            window: wire::u32_at(body, 4)?,
            outbound: wire::u16_at(body, 8)?,
            inbound: wire::u16_at(body, 10)?,
            initial_tsn: wire::u32_at(body, 12)?,
            forward_tsn: false,
            // Without a list nothing is known.
            reconfig: true,
            zero_checksum: false,
            knows: Options::default(),
        };
        let mut cookie = None;
        for parameter in wire::parameters(body.get(16..)?) {
            let (kind, value) = parameter.ok()?;
            match kind {
                STATE_COOKIE => cookie = Some(value.to_vec()),
                FORWARD_TSN_SUPPORTED => {
                    peer.forward_tsn = true;
                    peer.knows.forward_tsn = true;
                }
                ZERO_CHECKSUM => {
                    peer.zero_checksum = wire::u32_at(value, 0) == Some(DTLS_METHOD);
                    peer.knows.zero_checksum = true;
                }
                SUPPORTED_EXTENSIONS => {
                    // Many do not name FORWARD-TSN but in the list.
                    peer.forward_tsn |= value.contains(&wire::FORWARD_TSN);
                    peer.reconfig = value.contains(&wire::RECONFIG);
                    peer.knows.forward_tsn |= peer.forward_tsn;
                    peer.knows.extensions = true;
                }
                _ => {}
            }
        }
        (peer.tag != 0 && peer.outbound > 0 && peer.inbound > 0).then_some((peer, cookie))
    }
}

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
        if self.control.len() < super::MAX_CONTROL {
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
